//! A row that cannot be read, as the command line tells of it; and the rows of the benchmark, which can.

use crate::binaries;
use crate::site::{Site, finish};

#[test]
fn a_list_names_the_damaged_row_and_the_doctor_does_too() {
    let site = Site::running();
    site.link("sensor-1");
    site.link("sensor-2");
    let id = site.ca("token list --device sensor-2 --json").succeeded().stdout;
    let id = id.split("\"id\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    site.bash(".", &format!("sqlite3 acme/server/signet.db \"UPDATE token SET kind = 'gift' WHERE id = '{id}'\""))
        .succeeded();
    let listed = site.ca("token list").succeeded();
    assert!(listed.stdout.contains("sensor-1") && !listed.stdout.contains("sensor-2"), "{listed:?}");
    let warning = format!("ca: warning: the row of {id} is damaged and not shown: its kind cannot be read");
    assert!(listed.stderr.contains(&warning), "{listed:?}");
    let shown = site.ca("device show sensor-2").succeeded();
    assert!(shown.stderr.contains(&warning), "{shown:?}");
    let doctor = site.ca("doctor");
    assert!(doctor.code == 1 && doctor.stdout.contains(&format!("database rows: 1 cannot be read: token {id} (kind)")));
}

/// With shards, which a revocation and its certificate have to agree on.
#[test]
fn a_database_that_the_benchmark_filled_is_read_whole() {
    let mut site = Site::prepared();
    let sharded = site.read("acme/server/signet.toml").replace("[publication]", "[publication]\ncrl_shards = 4");
    site.write("acme/server/signet.toml", &sharded);
    site.start();
    site.write("one.link", &site.link("sensor-1"));
    site.agent("enroll --link one.link --dir one").succeeded();
    site.stop();
    let mut fill = std::process::Command::new(binaries::bench());
    fill.args(["fill", "--live", "40", "--revoked", "20", "--database"]).arg(site.path("acme/server/signet.db"));
    finish(fill).succeeded();
    site.start();
    for list in ["token list", "device list", "apikey list", "account list", "audit tail"] {
        let all = site.ca(list).succeeded();
        assert!(!all.stderr.contains("damaged"), "{all:?}");
    }
    assert_eq!(site.ca("token list --all").succeeded().stdout.lines().count(), 62);
    assert_eq!(site.ca("device list --all").succeeded().stdout.lines().count(), 62);
    site.ca("device show bench-0000000020").succeeded();
    assert!(site.ca("audit verify").succeeded().stdout.starts_with("intact"));
    let doctor = site.ca("doctor").succeeded();
    assert!(doctor.stdout.contains("ok    database rows"), "{doctor:?}");
}
