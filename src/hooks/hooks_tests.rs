use std::path::PathBuf;

use signet_api::standard_webhooks::SigningSecret;
use signet_keys::files::{self, Mode};

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);
const BEARER: &str = "0123456789abcdef0123456789";

/// A configuration with these tables behind what is required, and the directory that its paths start from.
fn load(directory: &tempfile::TempDir, tables: &str) -> Result<Hooks, ConfigError> {
    let required = r#"
        trust_domain = "acme.example"
        public_url = "https://ca.acme.example:8443"
        listen = { tls = "127.0.0.1:0", plain = "127.0.0.1:0", local = "127.0.0.1:0" }
        store = { path = "x" }
        keys = { kek_file = "x" }
        issuer = { certificate = "x", key = "x", root = "x", root_crl = "x" }
        tls = { key = "x", certificate = "x", names = ["localhost"] }
        publication = { base_url = "http://localhost" }
    "#;
    let config = Config::parse(&format!("{required}\n{tables}"), PathBuf::from(directory.path()))?;
    Hooks::load(&config, NOW)
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        files::write_new(&directory.path().join(name), text.as_bytes(), Mode::Private).unwrap();
    };
    write("one", &format!("{BEARER}\n"));
    write("two", &BEARER.replace('0', "z"));
    write("three", &BEARER.replace('0', "y"));
    write("short", "0123456789");
    write("signing", &secret(1).expose());
    write("next", &secret(2).expose());
    directory
}

fn secret(octet: u8) -> SigningSecret {
    SigningSecret::from_octets(&[octet; 32]).unwrap()
}

fn claim(secret: &SigningSecret, body: &[u8]) -> Claim {
    Claim::read("m", &NOW.0.to_string(), &secret.sign("m", NOW.0, body)).unwrap()
}

#[test]
fn both_live_bearers_open_a_hook_and_nothing_else_does() {
    let directory = directory();
    let hooks = load(&directory, "[[hooks]]\nname = 'a'\naction = 'approve'\nbearer_files = ['one', 'two']").unwrap();
    for good in [BEARER.to_owned(), BEARER.replace('0', "z")] {
        let proved = hooks.by_bearer("a", &good).unwrap();
        assert_eq!((proved.hook.actor().as_str(), proved.hook.action), ("hook:a", Action::Approve));
    }
    for (name, bearer) in [("a", ""), ("a", &BEARER[1..]), ("a", &BEARER.to_uppercase()), ("b", BEARER)] {
        assert!(hooks.by_bearer(name, bearer).is_none(), "{name} {bearer}");
    }
    // All zeros are what a hook that does not exist is compared with.
    let nobody = SigningSecret::from_octets(&[0; 32]).unwrap();
    for name in ["a", "b"] {
        let refused = hooks.by_signature(name, claim(&nobody, b"x"), b"x", NOW).err();
        assert_eq!(refused, Some(ProofError::Wrong), "{name}");
    }
}

#[test]
fn both_live_signing_secrets_open_a_hook() {
    let directory = directory();
    let tables =
        "[[hooks]]\nname = 'a'\naction = 'report-lost'\non_lost = 'revoke'\nsecret_files = ['signing', 'next']";
    let hooks = load(&directory, tables).unwrap();
    for octet in [1, 2] {
        let proved = hooks.by_signature("a", claim(&secret(octet), b"x"), b"x", NOW).ok().unwrap();
        assert_eq!((proved.hook.action, proved.claim.unwrap().id.as_str()), (Action::Revoke, "m"));
    }
    assert!(hooks.by_signature("a", claim(&secret(3), b"x"), b"x", NOW).is_err());
    assert!(hooks.by_bearer("a", BEARER).is_none());
}

#[test]
fn a_hook_without_a_usable_secret_stops_the_start() {
    let directory = directory();
    let cases = [
        ("", "it has no secret"),
        ("bearer_files = ['one', 'two', 'three']", "more than 2 live secrets"),
        ("bearer_files = ['one']\nsecret_files = ['signing']", "bearers and signatures both"),
        ("bearer_files = ['short']", "20 to 512"),
        ("bearer_files = ['missing']", "missing"),
        ("bearer_env = ['SIGNET_TEST_HOOK_THAT_NOBODY_SETS']", "is not set"),
        ("secret_files = ['one']", "whsec_"),
        ("per_hour = 0\nbearer_files = ['one']", "at least 1"),
    ];
    for (keys, expected) in cases {
        let refused = load(&directory, &format!("[[hooks]]\nname = 'a'\naction = 'approve'\n{keys}")).err().unwrap();
        assert!(refused.to_string().contains(expected), "{keys}: {refused}");
        assert!(!refused.to_string().contains(BEARER) && !refused.to_string().contains("0123456789"), "{refused}");
    }
    for name in ["", "A", "a/b", "a b", &"a".repeat(41)] {
        let tables = format!("[[hooks]]\nname = {name:?}\naction = 'approve'\nbearer_files = ['one']");
        assert!(load(&directory, &tables).is_err(), "{name:?}");
    }
    let twice = "[[hooks]]\nname = 'a'\naction = 'approve'\nbearer_files = ['one']\n".repeat(2);
    assert!(load(&directory, &twice).is_err());
}

#[test]
fn an_hour_has_an_end() {
    let directory = directory();
    let tables = "[[hooks]]\nname = 'a'\naction = 'approve'\nbearer_files = ['one']\nper_hour = 2";
    let hooks = load(&directory, tables).unwrap();
    let hook = hooks.by_bearer("a", BEARER).unwrap().hook;
    assert_eq!([hook.take(NOW), hook.take(NOW), hook.take(NOW.plus(600))], [None, None, Some(3000)]);
    assert_eq!(hook.take(NOW.plus(3600)), None);
}
