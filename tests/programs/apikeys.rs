//! Accounts and API keys with the programs, and the samples of the README against a live service.

use std::process::Command;

use crate::site::{Run, Site, finish, readme_block};

/// Samples print `whoami 200` and the like, one line each, in any order.
fn statuses(run: &Run) -> Vec<(String, u16)> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        (words.next().unwrap().to_owned(), words.next().unwrap().parse().unwrap())
    };
    let mut all: Vec<_> = run.stdout.lines().map(line).collect();
    all.sort();
    all
}

/// Three keys: a good one, a wrong one, and one whose scope is missing.
fn keys(site: &Site) {
    site.ca("account create acme --permission role:auditor").succeeded();
    site.ca("apikey create --account acme --out good.key").succeeded();
    site.ca("apikey create --account acme --scope audit:read --out narrow.key").succeeded();
    let revoked = site.ca("apikey create --account acme").succeeded().stdout;
    let id = revoked.split('_').nth(1).unwrap();
    site.ca(&format!("apikey revoke {id}")).refused(2, "no terminal to ask at");
    site.ca(&format!("apikey revoke {id} --yes")).succeeded();
    site.write("wrong.key", &revoked);
    site.write("roots.pem", &site.read("acme/admin/roots.pem"));
}

fn is_there(program: &str, package: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing: install {package}");
        eprintln!("left out, because there is no {program}: the sample of the README ({package})");
    }
    found
}

#[test]
fn the_samples_of_the_readme_get_200_401_and_403() {
    let site = Site::running();
    keys(&site);
    site.write("sample.sh", &readme_block("apikey-curl"));
    site.write("sample.py", &readme_block("apikey-python"));
    site.write("sample.js", &readme_block("apikey-javascript"));
    for (program, package, call) in [
        ("curl", "curl", "bash sample.sh"),
        ("python3", "python3", "python3 sample.py"),
        ("node", "nodejs", "node sample.js"),
    ] {
        if !is_there(program, package) {
            continue;
        }
        for (key, devices, whoami) in [("good", 200, 200), ("wrong", 401, 401), ("narrow", 403, 200)] {
            let script = format!("cp {key}.key acme.key && SERVER={} {call}", site.url());
            let run = site.bash(".", &script).succeeded();
            let expected = [("admin/devices".to_owned(), devices), ("whoami".to_owned(), whoami)];
            assert_eq!(statuses(&run), expected, "{program} with the {key} key: {run:?}");
        }
        // Against another root nothing is sent at all.
        site.write("roots.pem", &site.bash(".", OTHER_ROOT).succeeded().stdout);
        let run = site.bash(".", &format!("SERVER={} {call}", site.url()));
        assert!(!run.stdout.contains(" 200") && !run.stdout.contains(" 401"), "{program}: {run:?}");
        site.write("roots.pem", &site.read("acme/admin/roots.pem"));
    }
}

const OTHER_ROOT: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=Other -keyout /dev/null -days 2 2>/dev/null";

#[test]
fn an_account_lives_from_its_creation_to_its_end() {
    let site = Site::running();
    let created = site.ca("account create acme --permission role:auditor").succeeded();
    assert!(created.stderr.contains("ca apikey create --account acme"), "{created:?}");
    site.ca("account create acme").refused(1, "names are not used again");
    assert_eq!(site.ca("account create other --permission role:king").code, 2);
    site.ca("apikey create --account acme --out acme.key").succeeded();
    let key = site.read("acme.key");
    let mode = site.bash(".", "stat -c %a acme.key").succeeded().stdout;
    assert_eq!(mode, "600\n");
    site.ca("apikey create --account acme --out acme.key").refused(1, "acme.key");
    assert_eq!(site.read("acme.key"), key, "never over another one");
    site.ca("apikey create --account acme --scope tokens:write").refused(1, "tokens:write");
    site.write("one.link", &site.link("sensor-1"));
    site.agent("enroll --link one.link --dir one").succeeded();
    let device = site.ca("device permit sensor-1 --account acme").succeeded().stdout;
    assert!(device.contains("account          acme"), "{device}");
    let shown = site.ca("account show acme").succeeded().stdout;
    assert!(shown.contains("sensor-1") && shown.contains("role:auditor"), "{shown}");
    assert!(site.ca("account list --json").succeeded().stdout.contains("\"acme\""));

    site.ca("account suspend acme").succeeded();
    site.agent("renew --dir one --force --wait 1").refused(1, "The account is suspended.");
    site.ca("device list --api-key-file acme.key").refused(1, "The account is suspended.");
    site.ca("account resume acme").succeeded();
    site.ca("account change acme --permission role:clerk --name Acme").succeeded();
    site.ca("account revoke acme --dry-run").succeeded();
    let revoked = site.ca("account revoke acme --yes").succeeded();
    assert!(
        revoked.stdout.contains("device       sensor-1\n") && revoked.stderr.contains("1 accounts, 1 keys"),
        "{revoked:?}"
    );
    site.agent("renew --dir one --force --wait 1").refused(1, "The device was revoked.");
    site.ca("account resume acme").refused(1, "the account is revoked");
    site.ca("device list --api-key-file acme.key").refused(1, "was revoked");
}

#[test]
fn a_program_asks_and_rotates_with_its_key_alone() {
    let site = Site::running();
    keys(&site);
    // The directory needs to say whom to ask, and nothing else.
    std::fs::create_dir(site.path("lean")).unwrap();
    for file in ["ca.toml", "roots.pem"] {
        site.write(&format!("lean/{file}"), &site.read(&format!("acme/admin/{file}")));
    }
    let ask = |line: &str| site.ca(&format!("{line} --admin lean --api-key-file good.key"));
    ask("device list").succeeded();
    ask("account list").succeeded();
    ask("audit verify").succeeded();
    let doctor = ask("doctor").succeeded().stdout;
    assert!(doctor.contains("ends of API keys"), "{doctor}");
    ask("token create --device x").refused(1, "tokens:write");
    ask("renew").refused(1, "administrator's certificate");
    let own = ask("apikey list --own").succeeded().stdout;
    assert_eq!(own.lines().count(), 4, "{own}");
    site.ca("apikey rotate --own").refused(1, "X-API-Key");

    let rotated = ask("apikey rotate --own --overlap 1h --out next.key").succeeded();
    assert!(rotated.stderr.contains("it replaces"), "{rotated:?}");
    assert!(!rotated.stdout.contains("sgk_") && !rotated.stderr.contains(site.read("next.key").trim()), "{rotated:?}");
    for key in ["good.key", "next.key"] {
        site.ca(&format!("device list --admin lean --api-key-file {key}")).succeeded();
    }
    ask("apikey rotate --own").refused(1, "has a successor");
    let id = site.read("good.key").split('_').nth(1).unwrap().to_owned();
    for (line, words) in [("disable", "disabled"), ("enable", "active"), ("revoke --yes", "revoked")] {
        assert!(site.ca(&format!("apikey {line} {id}")).succeeded().stdout.contains(words));
    }
    site.ca(&format!("apikey enable {id}")).refused(1, "the key is revoked");
    ask("device list").refused(1, "was revoked");
    site.bash(".", "chmod 644 next.key").succeeded();
    site.ca("device list --api-key-file next.key").refused(1, "can be read by others");
    site.write("empty.key", "");
    site.bash(".", "chmod 600 empty.key").succeeded();
    site.ca("device list --api-key-file empty.key").refused(1, "not an API key");
}

#[test]
fn keys_of_another_system_are_imported_from_a_file_and_from_stdin() {
    let site = Site::running();
    site.ca("account create acme --permission devices:read").succeeded();
    let uuid = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    site.write("keys.csv", &format!("key,name\n{uuid},old one\n9b2d7a51-0c3e-4f6a-8f1d-7e6b5a4c3d2e,\n"));
    let imported = site.ca("apikey import --account acme --file keys.csv").succeeded();
    assert_eq!(imported.stdout.lines().count(), 2);
    assert!(!imported.stdout.contains("4f89") && !imported.stderr.contains("4f89"), "{imported:?}");
    site.write("key", &format!("{uuid}\n"));
    site.bash(".", "chmod 600 key").succeeded();
    site.ca("device list --api-key-file key").succeeded();
    let again = site.ca("apikey import --account acme --file keys.csv");
    again.refused(1, "1, 2");
    let again = site.bash(".", "ca apikey import --account acme --file - --skip-known --json <keys.csv").succeeded();
    assert!(again.stderr.contains("0 keys imported, 2 were known"), "{again:?}");
    site.write("twice.csv", &format!("{uuid}\n{uuid}\n"));
    site.ca("apikey import --account acme --file twice.csv").refused(1, "line 2 has the key of line 1");
    let listed = site.ca("apikey list --legacy").succeeded().stdout;
    assert!(listed.contains("active (imported)") && listed.contains("old one"), "{listed}");
    let doctor = finish({
        let mut command = Command::new(crate::binaries::path("ca"));
        command.args(["doctor", "--admin"]).arg(site.path("acme/admin"));
        command
    });
    assert!(doctor.stdout.contains("imported keys: 2: "), "{doctor:?}");
    let own = site.ca("apikey rotate --own --now --api-key-file key --out new.key").succeeded();
    assert!(site.read("new.key").starts_with("sgk_"), "{own:?}");
    site.ca("device list --api-key-file key").refused(1, "has expired");
    site.ca("device list --api-key-file new.key").succeeded();
}
