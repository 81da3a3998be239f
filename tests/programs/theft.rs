//! What a thief has who has a copy of everything but the key that opens it; and what strangers claim in headers.

use crate::site::Site;

/// Every file under a directory, as bytes.
fn contents(dir: &std::path::Path, out: &mut Vec<u8>) {
    for entry in dir.read_dir().unwrap().flatten() {
        match entry.path() {
            path if path.is_dir() => contents(&path, out),
            path => out.extend(std::fs::read(path).unwrap()),
        }
    }
}

#[test]
fn t28_the_servers_files_without_the_kek_hold_nothing_that_can_be_used() {
    let mut site = Site::running();
    let link = site.link("sensor-1");
    let token = link.split_once("#t=").unwrap().1.split('&').next().unwrap();
    let secret = token.rsplit('_').next().unwrap();
    // While it runs, with the log of the database, and after it was folded in.
    for stopped in [false, true] {
        if stopped {
            site.stop();
        }
        let mut all = Vec::new();
        contents(&site.path("acme/server"), &mut all);
        let holds = |text: &str| all.windows(text.len()).any(|w| w == text.as_bytes());
        assert!(holds("sensor-1"), "the search looks at the right files");
        assert!(!holds(secret) && !holds(&secret[..20]), "the token is in a file");
        assert!(holds("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
    }
    // With a key of one's own neither the issuing key opens nor a hash fits.
    site.write("acme/server/secrets/kek", &"5a".repeat(32));
    site.signetd("run --config acme/server/signet.toml").refused(1, "issuer.key");
}

#[test]
fn t23_headers_that_a_proxy_would_set_make_nobody_somebody() {
    let site = Site::running();
    site.write("link", &site.link("sensor-1"));
    site.agent("enroll --link link --dir sensor-1").succeeded();
    let leaf =
        site.bash(".", "openssl x509 -in acme/admin/admin.pem -outform DER | openssl base64 -A").succeeded().stdout;
    let headers = [
        format!("Client-Cert: :{leaf}:"),
        format!("X-SSL-Client-Cert: {leaf}"),
        "X-SSL-Client-Verify: SUCCESS\nX-SSL-Client-S-DN: CN=admin".to_owned(),
        "X-Forwarded-Client-Cert: By=x;Hash=00;URI=spiffe://acme.example/admin/admin".to_owned(),
        "X-Client-Subject: CN=admin\nX-Forwarded-User: admin\nX-Forwarded-For: 127.0.0.1\nForwarded: for=127.0.0.1"
            .to_owned(),
    ];
    for header in headers {
        site.write("header", &header);
        let curl =
            format!("curl -sS -o answer -w '%{{http_code}}' -H @header --cacert acme/admin/roots.pem {}", site.url());
        for path in ["/v1/whoami", "/v1/admin/tokens"] {
            let anonymous = site.bash(".", &curl.replace(&site.url(), &format!("{}{path}", site.url()))).succeeded();
            assert_eq!(anonymous.stdout, "401", "{path} with {header}");
        }
        let device =
            curl.replace(&site.url(), &format!("--cert sensor-1/device.pem --key sensor-1/device.key {}", site.url()));
        let known = site.bash(".", &format!("{device}/v1/admin/tokens")).succeeded();
        assert_eq!(known.stdout, "403", "a device with {header}");
    }
}
