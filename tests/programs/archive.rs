//! The archive of the audit log, as an administrator and an auditor without an account look at it.

use std::fs;
use std::sync::Arc;

use signet::app::{self, Surroundings};
use signet::archive::Worked;
use signet::clock::{Clock, SystemClock};
use signet::config::Config;
use signet::store::AuditDraft;

use crate::site::Site;

const DAY: i64 = 86_400;

/// What the service would have done after a hundred days, done while it rests.
async fn archive(site: &Site) {
    let config = Config::load(&site.path("acme/server/signet.toml")).unwrap();
    let surroundings = Surroundings::real(&config).unwrap();
    let service = app::assemble(config, surroundings).await.unwrap();
    let now = SystemClock.now();
    for n in 0..25 {
        let draft = AuditDraft {
            kind: "test.entry",
            actor: "signetd".into(),
            subject: format!("subject-{n}"),
            request_id: "test".into(),
            detail: serde_json::json!({}),
            at: now,
        };
        service.store.alarm(None, draft).await.unwrap();
    }
    let worked = service.archive.as_ref().unwrap().work(now.plus(100 * DAY), "test").await.unwrap();
    assert!(worked.segments >= 2 && worked.removed == worked.segments * 10, "{worked:?}");
    assert_eq!(service.archive.as_ref().unwrap().work(now.plus(100 * DAY), "test").await.unwrap(), Worked::default());
    app::close(&service).await.unwrap();
}

/// A site whose log has been archived, running.
fn archived() -> Site {
    let mut site = Site::running();
    site.write("one.link", &site.link("sensor-1"));
    site.agent("enroll --link one.link --dir one").succeeded();
    site.stop();
    let toml = site.read("acme/server/signet.toml");
    site.write(
        "acme/server/signet.toml",
        &format!("{toml}\n[audit]\narchive_directory = \"archive\"\nsegment_entries = 10\n"),
    );
    let check = "check --config acme/server/signet.toml";
    site.signetd(check).refused(1, "audit.archive_directory");
    fs::create_dir(site.path("acme/server/archive")).unwrap();
    site.signetd(check).succeeded();
    let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
    runtime.block_on(archive(&site));
    site.start();
    site
}

#[test]
fn t31_the_archive_is_verified_with_and_without_the_service() {
    let mut site = archived();
    let said = site.ca("audit verify").succeeded();
    assert!(
        said.stdout.starts_with("intact") && said.stderr.contains("are archived and were not looked at"),
        "{said:?}"
    );
    let whole = site.ca("audit verify --archive acme/server/archive").succeeded();
    assert!(whole.stdout.contains("of them in"), "{whole:?}");
    let json: serde_json::Value =
        serde_json::from_str(&site.ca("audit verify --archive acme/server/archive --json").succeeded().stdout).unwrap();
    assert!(json["intact"] == true && json["archived"].as_u64() >= Some(20), "{json}");
    assert!(site.ca("doctor").succeeded().stdout.contains("audit archive: "));

    // What became of the device is found by its name; what is not archived is exported.
    let found = site.ca("audit search --archive acme/server/archive --subject sensor-1").succeeded();
    assert!(found.stdout.contains("certificate.enrolled"), "{found:?}");
    let lines = site.ca("audit search --archive acme/server/archive --subject sensor-1 --json").succeeded().stdout;
    let entry: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let by_request =
        format!("audit search --archive acme/server/archive --request {}", entry["request"].as_str().unwrap());
    assert!(site.ca(&by_request).succeeded().stdout.contains("sensor-1"));
    site.ca("audit search --archive acme/server/archive --subject nobody").refused(1, "holds no such entry");
    assert_eq!(site.ca("audit search --archive acme/server/archive").code, 2);
    let rest = site.ca("audit export").succeeded().stdout;
    let first: serde_json::Value = serde_json::from_str(rest.lines().next().unwrap()).unwrap();
    assert_eq!(first["seq"].as_u64(), json["archived"].as_u64().map(|n| n + 1));
    assert!(rest.contains("\"kind\":\"audit.archived\""));

    // An auditor has a copy, the root, and a checkpoint from before.
    site.bash(
        ".",
        "cp -r acme/server/archive copy && cp acme/admin/roots.pem root.pem && cp copy/audit-*20.checkpoint kept",
    );
    site.stop();
    let offline = "audit verify --archive copy --offline --root root.pem";
    assert!(site.ca(&format!("{offline} --kept kept")).succeeded().stdout.starts_with("intact"));
    site.bash(".", "mkdir first && mv copy/audit-000000000001* first && rm copy/audit-* && mv first/* copy")
        .succeeded();
    assert!(site.ca(offline).succeeded().stdout.starts_with("intact  10 entries"));
    site.ca(&format!("{offline} --kept kept")).refused(1, "it is of 20 entries, where no segment ends");
    site.bash(
        ".",
        "f=copy/audit-000000000001-000000000010.jsonl.gz; gzip -dc $f | sed '4s/\"seq\"/\"Seq\"/' | gzip >x && mv x $f",
    );
    let named = site.ca(offline);
    named.refused(1, "audit-000000000001-000000000010.jsonl.gz line 4: entry null stands where 4 belongs");
}

#[test]
fn t31_a_database_and_an_archive_that_do_not_meet_are_told() {
    let site = archived();
    let shorten = "cp -r acme/server/archive copy && last=$(ls copy/*.gz | tail -n 1) && rm ${last%.jsonl.gz}*";
    site.bash(".", shorten).succeeded();
    site.ca("audit verify --archive copy").refused(1, "which the database recorded, is not in the archive");
    assert!(site.ca("audit verify --archive copy --offline").succeeded().stdout.starts_with("intact"));
    site.ca("audit verify --archive nowhere").refused(1, "nowhere");
    assert_eq!(site.ca("audit verify --offline").code, 2);
    // Another installation's archive, with its own root.
    let other = archived();
    let foreign = format!("audit verify --archive {}", other.path("acme/server/archive").display());
    site.ca(&foreign).refused(1, "no issuer that your root certified");
}
