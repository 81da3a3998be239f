//! Wrong inputs: one sentence, a hint, the right exit code, and nothing is lost.

use crate::site::Site;

#[test]
fn exit_codes_tell_refused_wrong_and_unreachable_apart() {
    let site = Site::prepared();
    for line in
        ["", "tokens", "token create --ttl soon", "token create --device Bad_Name", "revoke", "init --tls-port x d"]
    {
        assert_eq!(site.ca(line).code, 2, "ca {line}");
    }
    for line in ["", "enroll", "enroll --dir d --key rsa", "enroll --dir d --link", "status"] {
        assert_eq!(site.agent(line).code, 2, "signet-agent {line}");
    }
    for line in ["", "run", "setup --config c --admin alice", "go"] {
        assert_eq!(site.signetd(line).code, 2, "signetd {line}");
    }
    for program in [Site::ca, Site::agent, Site::signetd] {
        program(&site, "--help").succeeded();
        program(&site, "--version").succeeded();
    }
    site.ca("token list").refused(3, "no connection");
    site.ca("token list --admin nowhere").refused(1, "there is no administrator's directory nowhere");
    site.ca("root show --dir nowhere").refused(1, "nowhere");
    site.agent("status --dir nowhere").refused(1, "not enrolled");
    site.agent("renew --dir nowhere").refused(1, "nowhere");
    site.signetd("run --config nowhere.toml").refused(1, "nowhere.toml does not exist");
}

#[test]
fn a_mistyped_link_is_noticed_before_anything_is_sent() {
    let site = Site::prepared();
    // One character is another one than was made.
    let token = "sge_cns5wpxbd9_3rf7rtvtpd0n93n2t6pdahh044k6sxmns";
    let zeros = "0".repeat(64);
    for text in
        ["hello", "", &format!("{}/e#t={token}&fp={zeros}", site.url()), &format!("{}/e#fp={zeros}", site.url())]
    {
        site.write("link", text);
        // The service does not even run.
        site.agent("enroll --link link --dir d --wait 0").refused(1, "link");
    }
    site.write("token", token);
    let mistyped =
        format!("enroll --server {} --token-file token --root-fingerprint {zeros} --dir d --wait 0", site.url());
    site.agent(&mistyped).refused(1, "mistyped");
    assert!(!site.path("d/device.pem").exists());
}

#[test]
fn a_request_that_is_none_is_refused_and_the_token_stays_good() {
    let site = Site::running();
    let link = site.link("sensor-1");
    site.write("link", &link);
    site.write("no.csr", "hello\n");
    let token = link.split_once("#t=").unwrap().1.split('&').next().unwrap();
    site.write("header", &format!("Authorization: Bearer {token}\n"));
    let call =
        format!("curl -sS --cacert acme/admin/roots.pem -H @header --data-binary @no.csr {}/v1/enroll", site.url());
    let answer = site.bash(".", &call).succeeded();
    assert!(answer.stdout.contains(r#""code": "csr_refused""#), "{answer:?}");
    site.ca("issue --csr no.csr --device y --out y.pem").refused(1, "no CERTIFICATE REQUEST");
    assert!(!site.path("y.pem").exists());
    site.agent("enroll --link link --dir d").succeeded();
}

#[test]
fn a_second_start_is_refused_and_the_first_goes_on() {
    let site = Site::running();
    site.signetd("run --config acme/server/signet.toml").refused(1, "in use by another process");
    site.ca("token list").succeeded();
    let taken = site.ca("init acme --passphrase-file passphrase");
    taken.refused(1, "not an empty directory");
}

#[test]
fn a_taken_port_is_named() {
    let mut site = Site::running();
    let config = site.read("acme/server/signet.toml");
    site.write(
        "acme/server/other.toml",
        &config.replace("signet.db", "other.db").replace("[store]", "[store]\nanchor = \"other\""),
    );
    site.signetd("migrate --config acme/server/other.toml").succeeded();
    site.signetd("run --config acme/server/other.toml").refused(1, "cannot listen on 127.0.0.1:");
    assert_eq!(site.stop(), Some(0));
}

#[test]
fn a_wrong_passphrase_changes_nothing() {
    let site = Site::prepared();
    site.write("wrong", "some other words\n");
    let list = site.read("acme/root/root.crl");
    site.ca("root crl --dir acme/root --passphrase-file wrong").refused(1, "passphrase");
    assert_eq!(site.read("acme/root/root.crl"), list);
    site.ca("root crl --dir acme/root --passphrase-file passphrase").succeeded();
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_its_line() {
    let site = Site::prepared();
    let config = site.read("acme/server/signet.toml");
    let line = 1 + config.lines().position(|l| l == "[store]").unwrap() + 1;
    site.write("acme/server/bad.toml", &config.replace("[store]\n", "[store]\npaht = \"x\"\n"));
    for command in ["check", "run", "migrate", "setup"] {
        let run = site.signetd(&format!("{command} --config acme/server/bad.toml"));
        run.refused(1, "unknown field `paht`");
        assert!(run.stderr.contains(&format!("line {line}")), "{run:?}");
    }
}

#[test]
fn a_service_without_its_database_or_its_set_up_says_what_makes_them() {
    let site = Site::prepared();
    std::fs::remove_file(site.path("acme/server/tls/server.pem")).unwrap();
    site.signetd("run --config acme/server/signet.toml").refused(1, "signetd setup");
    let config = site.read("acme/server/signet.toml");
    site.write("acme/server/empty.toml", &config.replace("signet.db", "empty.db"));
    site.signetd("run --config acme/server/empty.toml").refused(1, "signetd migrate");
    assert!(!site.path("acme/server/empty.db").exists(), "nothing is made by itself");
}
