//! The scripts and files that the README shows, verbatim.

use std::process::Command;

use signet::config::Config;

use crate::binaries;
use crate::site::{Site, finish, readme_block};

fn device(site: &Site, name: &str, link: &str) {
    std::fs::create_dir(site.path(name)).unwrap();
    site.write(&format!("{name}/link"), link);
}

#[test]
fn curl_and_openssl_enroll_and_renew_a_device() {
    let site = Site::running();
    device(&site, "sensor-2", &site.link("sensor-2"));
    let enrolled = site.bash("sensor-2", &readme_block("curl-enroll")).succeeded();
    assert!(enrolled.stdout.contains("device.pem: OK"), "{enrolled:?}");
    let (key, certificate) = (site.read("sensor-2/device.key"), site.read("sensor-2/device.pem"));
    let renewed = site.bash("sensor-2", &readme_block("curl-renew")).succeeded();
    assert!(renewed.stdout.contains(r#""id":"sensor-2""#), "{renewed:?}");
    assert_ne!(site.read("sensor-2/device.key"), key);
    assert_ne!(site.read("sensor-2/device.pem"), certificate);
    assert!(!site.path("sensor-2/link").exists(), "the token does not lie around");

    site.ca("revoke sensor-2 --yes").succeeded();
    let refused = site.bash("sensor-2", &readme_block("curl-renew"));
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains(r#""code": "device_revoked""#) && refused.stderr.contains("403"), "{refused:?}");
}

/// The answer was lost: the certificate is made and the device does not have it.
#[test]
fn t03_the_scripts_can_be_run_again_after_a_lost_answer() {
    let site = Site::running();
    let link = site.link("sensor-2");
    device(&site, "sensor-2", &link);
    site.bash("sensor-2", &readme_block("curl-enroll").replace("mv answer device.pem", "exit 7"));
    assert!(!site.path("sensor-2/device.pem").exists());
    let first = site.read("sensor-2/answer");
    site.bash("sensor-2", &readme_block("curl-enroll")).succeeded();
    assert_eq!(site.read("sensor-2/device.pem"), first, "the same certificate, byte for byte");

    site.bash("sensor-2", &readme_block("curl-renew").replace("mv answer new.pem", "exit 7"));
    site.bash("sensor-2", &readme_block("curl-renew").replace("mv new.key device.key", "exit 7"));
    site.bash("sensor-2", &readme_block("curl-renew")).succeeded();
    site.bash("sensor-2", &readme_block("curl-renew")).succeeded();
}

#[test]
fn t18_the_script_sends_no_token_to_another_root() {
    let site = Site::running();
    let link = site.link("sensor-2");
    let (head, print) = link.trim().split_at(link.trim().len() - 4);
    let other = if print == "0000" { "1111" } else { "0000" };
    device(&site, "sensor-2", &format!("{head}{other}\n"));
    let refused = site.bash("sensor-2", &readme_block("curl-enroll"));
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("another root"), "{refused:?}");
    assert!(!site.path("sensor-2/header").exists() && !site.path("sensor-2/device.key").exists());
    assert!(site.ca("token list --device sensor-2").succeeded().stdout.contains("active"));
}

/// curl 7.88 loses an answer that is followed by a reset of its stream, which is what HTTP/2 servers send to a client whose
/// body they did not read.
#[test]
fn a_refusal_reaches_curl_over_both_versions_of_http() {
    let site = Site::running();
    site.write("header", "Authorization: Bearer sge_0123456789_00000000000000000000000000000000\n");
    site.write("body", &"x".repeat(40_000));
    for version in ["--http2", "--http1.1"] {
        for path in ["renew", "nothing-here", "admin/tokens"] {
            for _ in 0..8 {
                let call = format!(
                    "curl -sS {version} --cacert acme/admin/roots.pem --data-binary @body {}/v1/{path}",
                    site.url()
                );
                let answer = site.bash(".", &call).succeeded();
                assert!(answer.stdout.contains(r#""request_id": "req-"#), "{version} {path}: {answer:?}");
            }
        }
        let call = format!(
            "curl -sS {version} --cacert acme/admin/roots.pem -H @header --data-binary @body {}/v1/enroll",
            site.url()
        );
        let answer = site.bash(".", &call).succeeded();
        assert!(answer.stdout.contains(r#""code": "token_invalid""#), "{version}: {answer:?}");
    }
}

#[test]
fn the_configuration_in_the_readme_is_all_that_is_required() {
    let text = readme_block("configuration");
    let config = Config::parse(&text, "/srv".into()).unwrap();
    assert_eq!(config.raw.public_url, "https://ca.acme.example:8443");
    let keys = text.lines().filter(|l| l.contains(" = ")).count();
    for skipped in 0..keys {
        let mut seen = 0;
        let fewer = text.lines().filter(|l| {
            seen += usize::from(l.contains(" = "));
            !l.contains(" = ") || seen != skipped + 1
        });
        let fewer = fewer.collect::<Vec<_>>().join("\n");
        assert!(Config::parse(&fewer, "/srv".into()).is_err(), "one line less is enough:\n{fewer}");
    }
}

/// nginx itself is started by `scripts/interop`, with these same lines; here a stand-in writes down how it was called.
#[test]
fn the_scripts_for_nginx_make_its_directory_and_bring_a_revocation() {
    let mut site = Site::prepared();
    let allowed = site.read("acme/server/signet.toml") + "[profiles.service]\ndns_suffixes = [\"acme.example\"]\n";
    site.write("acme/server/signet.toml", &allowed);
    site.start();
    std::fs::create_dir(site.path("bin")).unwrap();
    site.write("bin/nginx", "#!/bin/sh\necho \"$*\" >>\"$DIR/calls\"\n");
    let around =
        "chmod +x bin/nginx; export PATH=$PWD/bin:$PATH NAME=web.acme.example DIR=$PWD/etc CONF=$PWD/signet.conf\n";
    site.bash(".", &(around.to_owned() + &readme_block("nginx-setup"))).succeeded();
    assert!(!site.path("etc/link").exists(), "the token does not lie around");
    let conf = site.read("signet.conf");
    for wanted in ["server_name web.acme.example;", "/etc/clients.pem;", "/etc/crl.pem;", "/etc/server.key;"] {
        assert!(conf.contains(wanted), "{wanted}: {conf}");
    }
    assert!(!conf.contains(" /etc/signet"), "{conf}");
    assert_eq!(site.read("etc/calls"), "-t\n-s reload\n");
    let of_web =
        "openssl verify -crl_check_all -CRLfile etc/crl.pem -CAfile etc/clients.pem -verify_hostname web.acme.example";
    site.bash(".", &format!("{of_web} etc/server.pem")).succeeded();

    site.ca("revoke web --yes").succeeded();
    site.bash(".", &(around.to_owned() + &readme_block("nginx-refresh"))).succeeded();
    let refused = site.bash(".", &format!("{of_web} etc/server.pem"));
    assert!(refused.stderr.contains("certificate revoked"), "{refused:?}");
    assert_eq!(site.read("etc/calls"), "-t\n-s reload\n".repeat(2));

    // A list that was refused leaves the old one, and nginx is not asked to read it.
    let kept = site.read("etc/crl.pem");
    site.stop();
    assert_eq!(site.bash(".", &(around.to_owned() + &readme_block("nginx-refresh"))).code, 3);
    assert_eq!((site.read("etc/crl.pem"), site.read("etc/calls").lines().count()), (kept, 4));
}

#[test]
fn the_table_of_programs_in_the_readme_is_the_one_of_the_command() {
    let site = Site::prepared();
    let help = site.ca("trust config --help").succeeded().stdout;
    let listed = help.split("[possible values: ").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let readme = std::fs::read_to_string(binaries::root().join("README.md")).unwrap();
    let table = readme.split("| program | takes a new list").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut rows: Vec<_> = table.lines().filter_map(|l| l.strip_prefix("| `")?.split('`').next()).collect();
    let mut programs: Vec<_> = listed.split(',').map(str::trim).collect();
    rows.sort_unstable();
    programs.sort_unstable();
    assert_eq!(rows, programs);
    for program in programs {
        let run = site.ca(&format!("trust config {program}"));
        if program == "caddy" { run.refused(1, "does not check CRLs") } else { drop(run.succeeded()) }
    }
}

/// The example is compiled with the file that `ca` prints, so what is printed compiles.
#[test]
fn the_printed_rustls_configuration_is_the_one_of_the_example() {
    let site = Site::prepared();
    let printed = site.ca("trust config rustls").succeeded().stdout;
    let template = std::fs::read_to_string(binaries::root().join("ca/templates/rustls.rs")).unwrap();
    assert_eq!(printed, template);
    let example = std::fs::read_to_string(binaries::root().join("examples/rustls_server.rs")).unwrap();
    assert!(example.contains(r#"#[path = "../ca/templates/rustls.rs"]"#));
    let elsewhere = site.ca("trust config rustls --dir /srv/pki").succeeded().stdout;
    assert_eq!(elsewhere, template.replace("/etc/signet", "/srv/pki"));
}

/// It builds and takes a while, so only where it is asked for; CI runs it by itself.
#[test]
fn the_demo_succeeds_where_it_is_asked_for() {
    let script = binaries::root().join("scripts/demo");
    if std::env::var_os("SIGNET_TEST_DEMO").is_none() {
        assert!(script.is_file());
        return;
    }
    let run = finish(Command::new(script)).succeeded();
    assert!(run.stdout.contains("Everything has been removed."), "{run:?}");
}
