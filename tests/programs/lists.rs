//! `ca crl-sync`: a verifier's files stay fresh, and whole, whatever happens.

use std::collections::BTreeSet;

use crate::site::{Run, Site, readme_block};

/// With the hook that writes a line each time.
fn sync(site: &Site, more: &str) -> Run {
    let roots = "--roots acme/admin/roots.pem --out crl.pem --bundle-out clients.pem";
    site.bash(".", &format!("ca crl-sync {roots} --hook 'echo >>told' {more}"))
}

fn enrolled(site: &Site) {
    site.write("link", &site.link("sensor-1"));
    site.agent("enroll --link link --dir sensor-1").succeeded();
}

/// As a verifier judges that has the two files and nothing else.
fn verify(site: &Site) -> Run {
    site.bash(".", "openssl verify -CAfile clients.pem -CRLfile crl.pem -crl_check_all sensor-1/device.pem")
}

#[test]
fn a_revocation_arrives_in_the_file_and_the_service_is_told() {
    let site = Site::running();
    enrolled(&site);
    for (server, told) in [(site.url(), 1), (site.plain_url(), 1)] {
        sync(&site, &format!("--server {server}")).succeeded();
        assert!(verify(&site).succeeded().stdout.contains("OK"));
        assert_eq!(site.read("told").lines().count(), told, "the second round brings no news");
    }
    site.ca("revoke sensor-1 --reason key-compromise --yes").succeeded();
    let replaced = sync(&site, &format!("--server {} --json --metrics crl.prom", site.plain_url())).succeeded();
    assert!(replaced.stderr.contains(": number "), "{replaced:?}");
    let report: serde_json::Value = serde_json::from_str(&replaced.stdout).unwrap();
    assert_eq!((report["outcome"].as_str(), report["lists"].as_array().map(Vec::len)), (Some("replaced"), Some(2)));
    assert!(verify(&site).stderr.contains("certificate revoked"));
    assert_eq!(site.read("told").lines().count(), 2);
    let number = report["lists"][0]["number"].to_string();
    assert!(site.read("crl.prom").contains(&number) && site.read("crl.prom").contains("\nsignet_crl_stale 0\n"));
    let mode = site.bash(".", "stat -c %a crl.pem clients.pem").succeeded().stdout;
    assert_eq!(mode, "644\n644\n");
    let quiet = sync(&site, &format!("--server {}", site.url())).succeeded();
    assert_eq!((quiet.stdout, quiet.stderr), (String::new(), String::new()), "cron sends mail about every word");
}

#[test]
fn t34_a_server_that_fails_or_is_somebody_else_leaves_the_files_byte_for_byte() {
    let mut site = Site::running();
    let other = Site::running();
    sync(&site, "--admin-dir acme/admin").succeeded();
    let files = || ["crl.pem", "clients.pem", "crl.pem.state"].map(|name| site.read(name));
    let before = files();
    sync(&site, &format!("--server {}", other.url())).refused(1, "the server's certificate");
    sync(&site, &format!("--server {}", other.plain_url())).refused(1, "does not stand below a trusted root");
    // The TLS port does not speak plain HTTP.
    let confused = sync(&site, &format!("--server {}", site.url().replace("https", "http")));
    assert!([1, 3].contains(&confused.code), "{confused:?}");
    assert_eq!(files(), before);
    site.stop();
    for server in [site.url(), site.plain_url()] {
        sync(&site, &format!("--server {server}")).refused(3, "Connection refused");
    }
    assert_eq!(["crl.pem", "clients.pem", "crl.pem.state"].map(|name| site.read(name)), before);
}

#[test]
fn t34_a_list_that_is_too_old_has_an_exit_code_of_its_own() {
    let site = Site::running();
    let round = format!(
        "ca crl-sync --server {} --roots acme/admin/roots.pem --out crl.pem --max-age 1 --metrics m.prom 2>said",
        site.url()
    );
    // The list has to become two seconds old, however long the rounds take.
    let aged = site.bash(".", &format!("for i in $(seq 1000); do {round} || exit $?; done"));
    assert_eq!(aged.code, 4, "{aged:?}");
    let said = site.read("said");
    assert!(
        said.contains("ca: error: the CRL of ") && said.contains("more than 1 s ago") && said.contains("ca: hint: ")
    );
    assert!(site.read("m.prom").contains("\nsignet_crl_stale 1\n"));
}

#[test]
fn wrong_usage_is_told_before_anything_is_sent() {
    let site = Site::prepared();
    for wrong in [
        "",
        "--out crl.pem",
        "--out crl.pem --server https://ca.example",
        "--out crl.pem --roots acme/admin/roots.pem",
        "--out crl.pem --roots acme/admin/roots.pem --server ca.example",
        "--out crl.pem --roots acme/admin/roots.pem --server http://a/b",
        "--out crl.pem --admin-dir acme/admin --signal nginx.pid",
        "--out crl.pem --admin-dir acme/admin --hook-timeout 5",
        "--out crl.pem --admin-dir acme/admin --watch 1",
    ] {
        assert_eq!(site.ca(&format!("crl-sync {wrong}")).code, 2, "{wrong}");
    }
    site.ca("crl-sync --out crl.pem --admin-dir nowhere").refused(1, "nowhere/roots.pem does not exist");
    let issuer = "crl-sync --out crl.pem --server https://x --roots acme/server/issuer/issuer.pem";
    site.ca(issuer).refused(1, "is not a root");
    assert!(!site.path("crl.pem").exists());
}

/// Killed at every moment of its work, from its start to after its end.
#[test]
fn a_sync_that_is_killed_leaves_the_old_file_or_the_new_one() {
    let site = Site::running();
    let line = format!("ca crl-sync --server {} --roots acme/admin/roots.pem --out crl.pem", site.plain_url());
    site.bash(".", &line).succeeded();
    let old = site.read("crl.pem");
    enrolled(&site);
    site.ca("revoke sensor-1 --yes").succeeded();
    site.bash(".", &line).succeeded();
    let new = site.read("crl.pem");
    assert_ne!(old, new);
    let mut seen = BTreeSet::new();
    for milliseconds in (2..=120).step_by(4) {
        let _ = std::fs::remove_file(site.path("crl.pem.state"));
        site.write("crl.pem", &old);
        let killed = site.bash(".", &format!("timeout -s KILL 0.{milliseconds:03} {line} 2>&1 || true"));
        let found = site.read("crl.pem");
        assert!(found == old || found == new, "after {milliseconds} ms: {killed:?}\n{found}");
        seen.insert(found == new);
    }
    site.bash(".", &line).succeeded();
    assert_eq!(site.read("crl.pem"), new);
    assert!(seen.contains(&false), "none was killed early enough");
}

#[test]
fn the_agent_keeps_the_lists_too() {
    let site = Site::running();
    enrolled(&site);
    // The hook ends the agent, which otherwise runs for ever.
    let run = "signet-agent run --dir sensor-1 --crl-out crl.pem --bundle-out clients.pem --hook 'kill $PPID'";
    site.bash(".", &format!("{run}; true"));
    assert!(verify(&site).succeeded().stdout.contains("OK"));
    let lonely = site.agent("run --dir sensor-1 --max-age 60");
    lonely.refused(2, "--crl-out");
}

/// The lines of the README are parsed, and nothing is done.
#[test]
fn the_unit_and_the_cron_line_in_the_readme_are_good() {
    let site = Site::prepared();
    let unit = readme_block("crl-sync-unit");
    let start = unit.lines().find_map(|l| l.strip_prefix("ExecStart=/usr/local/bin/")).unwrap();
    let cron = readme_block("crl-sync-cron");
    let cron = cron.split_once("/usr/local/bin/").unwrap().1.to_owned();
    for line in [start, cron.trim(), readme_block("crl-sync-once").trim()] {
        assert!(line.starts_with("ca crl-sync "), "{line}");
        site.bash(".", &format!("{line} --help")).succeeded();
        // It gets as far as the roots, which are not there.
        site.bash(".", &line.replace("/etc/signet", "nowhere")).refused(1, "nowhere/roots.pem");
    }
}
