//! T31: backup and restore as the README writes them.

use crate::site::{Site, readme_block};

const VARIABLES: &str =
    "set -eu\nDB=acme/server/signet.db COPY=copy.db CONFIG=acme/server/signet.toml LISTS=lists.pem\n";

fn enrolled(site: &Site, device: &str) {
    site.write(&format!("{device}.link"), &site.link(device));
    site.agent(&format!("enroll --link {device}.link --dir {device}")).succeeded();
}

fn block(site: &Site, name: &str) -> crate::site::Run {
    site.bash(".", &(VARIABLES.to_owned() + &readme_block(name)))
}

#[test]
fn t31_a_restore_as_it_is_written_brings_back_no_token_and_no_revoked_device() {
    let mut site = Site::running();
    enrolled(&site, "sensor-1");
    enrolled(&site, "sensor-2");
    site.write("unused.link", &site.link("sensor-3"));
    block(&site, "backup").succeeded();
    site.ca("revoke sensor-1 --reason key-compromise --yes").succeeded();
    // All lists together, with the root's in front of them or behind.
    site.ca("crl fetch --out lists.pem").succeeded();
    assert!(site.read("lists.pem").matches("BEGIN X509 CRL").count() > 1);
    site.stop();
    // A new host: the configuration's directory was restored, and no backup holds the guard.
    std::fs::remove_file(site.path("acme/server/signet.anchor")).unwrap();
    let restore = readme_block("restore");
    let (before, accept) = restore.split_once("signetd restored").unwrap();
    site.bash(".", &(VARIABLES.to_owned() + before)).succeeded();
    let run = "run --config acme/server/signet.toml";
    site.signetd(run).refused(1, "rollback guard");
    let setup = "setup --config acme/server/signet.toml --admin bob --admin-dir bob";
    let refused = site.signetd(setup);
    assert!(refused.code == 1 && refused.stderr.contains("rollback guard"), "{refused:?}");
    site.signetd("accept-clock --config acme/server/signet.toml").refused(1, "rollback guard");
    assert!(!site.path("bob").exists() && !site.path("acme/server/signet.anchor").exists());

    let accepted = site.bash(".", &format!("{VARIABLES}signetd restored{accept}")).succeeded();
    assert!(accepted.stderr.contains("note: lists.pem: list"), "{accepted:?}");
    for line in ["tokens voided:              1", "certificates revoked again: 1", "devices revoked again:      1"] {
        assert!(accepted.stdout.contains(line), "{accepted:?}");
    }
    site.start();
    site.ca("doctor").succeeded();
    let shown = site.ca("device show sensor-1").succeeded();
    assert!(shown.stdout.contains("revoked"), "{shown:?}");
    site.agent("renew --dir sensor-1 --force --wait 1").refused(1, "The device was revoked.");
    site.agent("renew --dir sensor-2 --force").succeeded();
    site.agent("enroll --link unused.link --dir sensor-3 --wait 1").refused(1, "");
    let told = site.ca("audit tail").succeeded().stdout;
    assert!(told.contains("store.restored"), "{told}");
    assert!(site.ca("audit verify").succeeded().stdout.starts_with("intact"));
}

#[test]
fn t31_lists_that_do_not_fit_are_refused_and_nothing_is_changed() {
    let mut site = Site::running();
    enrolled(&site, "sensor-1");
    site.ca("crl fetch --out lists.pem").succeeded();
    site.stop();
    let lists = site.read("lists.pem");
    let ends: Vec<usize> = lists.match_indices("-----END").map(|(at, _)| at).collect();
    // One octet of the last signature, which stands before the last line's end.
    let at = ends[0] - 12;
    let other = if lists.as_bytes()[at] == b'A' { "B" } else { "A" };
    let damaged = lists[..at].to_owned() + other + &lists[at + 1..];
    let database = || std::fs::read(site.path("acme/server/signet.db")).unwrap();
    let before = database();
    for (name, text, words) in [
        ("damaged.pem", damaged.as_str(), "list 1"),
        ("empty.pem", "nothing\n", "no X509 CRL block"),
        ("root.pem", &lists[lists.rfind("-----BEGIN").unwrap()..], "no list of an issuer"),
    ] {
        site.write(name, text);
        let refused = site.signetd(&format!("restored --config acme/server/signet.toml --crl lists.pem --crl {name}"));
        if name == "root.pem" {
            // Beside a good one it is left out.
            refused.succeeded();
            let alone = site.signetd(&format!("restored --config acme/server/signet.toml --crl {name}"));
            alone.refused(1, words);
            continue;
        }
        refused.refused(1, words);
        assert!(database() == before, "{name}: nothing was changed");
    }
}
