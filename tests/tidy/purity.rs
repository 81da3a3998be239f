//! What may be called where.

use std::collections::BTreeSet;

use crate::only_exceptions;
use crate::sources::{self, Source};

/// `(where, what)` for every line of production code that holds one of the words.
fn uses(words: &[&str], among: impl Fn(&Source) -> bool) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for source in sources::all(".rs").iter().filter(|s| !s.is_test() && among(s)) {
        for (_, line) in source.code() {
            for word in words.iter().filter(|word| has_word(line, word)) {
                found.insert((source.path.clone(), word.to_string()));
            }
        }
    }
    found
}

/// Not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}

fn pairs(list: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    list.iter().map(|(path, word)| (path.to_string(), word.to_string())).collect()
}

fn shipped(source: &Source) -> bool {
    !source.path.starts_with("bench/")
}

#[test]
fn pki_has_no_clock_no_files_no_network_no_randomness_no_log() {
    let words = [
        "SystemTime",
        "Instant",
        "now_utc",
        "UnixTime::now",
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "std::env",
        "std::process",
        "std::thread",
        "println",
        "eprintln",
        "print",
        "tracing",
        "log",
        "rand",
        "SystemRandom",
        "getrandom",
        "thread_local",
        "static mut",
        "OnceLock",
        "LazyLock",
        "OnceCell",
        "AtomicU64",
        "async",
        "tokio",
    ];
    let found = uses(&words, |s| s.path.starts_with("pki/src/"));
    only_exceptions(&found, &BTreeSet::new());
}

#[test]
fn the_clock_is_read_in_one_place_of_each_program() {
    let words =
        ["SystemTime::now", "now_utc", "now_local", "UnixTime::now", "UNIX_EPOCH.elapsed", "DefaultTimeProvider"];
    let places = [
        ("src/clock.rs", "SystemTime::now"),
        ("ca/src/offline/clock.rs", "SystemTime::now"),
        ("api/src/client/clock.rs", "DefaultTimeProvider"),
    ];
    only_exceptions(&uses(&words, shipped), &pairs(&places));
}

#[test]
fn randomness_is_drawn_in_one_place() {
    let words = ["rand::fill", "SystemRandom", "getrandom", "thread_rng", "OsRng", "rand::rng", "rand::generate"];
    let places = [
        ("keys/src/random.rs", "rand::fill"),
        // The nonce of a signature: the provider draws it from the generator that it is shown.
        ("keys/src/private.rs", "SystemRandom"),
        // Of the same name, with the one above behind it.
        ("src/random.rs", "SystemRandom"),
        ("src/app.rs", "SystemRandom"),
    ];
    only_exceptions(&uses(&words, shipped), &pairs(&places));
}

#[test]
fn pem_is_read_in_one_place() {
    only_exceptions(
        &uses(&["rustls_pemfile", "x509_parser::pem"], |_| true),
        &pairs(&[("pki/src/pem.rs", "rustls_pemfile")]),
    );
}

/// Everything that is kept is written by `keys::files`: private, whole or not at all, never over a key.
#[test]
fn files_are_written_in_one_place() {
    let words =
        ["fs::write", "File::create", "File::options", "OpenOptions", "fs::rename", "fs::copy", "fs::hard_link"];
    let found = uses(&words, shipped);
    let elsewhere: BTreeSet<_> = found.into_iter().filter(|(path, _)| path != "keys/src/files.rs").collect();
    only_exceptions(&elsewhere, &pairs(WRITERS));
}

/// The lock beside the database holds nothing.
const WRITERS: &[(&str, &str)] = &[("src/store/sqlite/migrate.rs", "File::options")];

/// It answers and never asks, but for endpoints of webhooks, whose addresses are checked in one place. The typed client is not in
/// its build.
#[test]
fn t24_the_service_calls_nobody_but_endpoints_of_webhooks() {
    let words = [
        "TcpStream::connect",
        "UnixStream::connect",
        "UdpSocket",
        "TlsConnector",
        "ClientConnection",
        "ToSocketAddrs",
        "lookup_host",
        "hyper::client",
        "signet_api::client",
        "Command::new",
    ];
    only_exceptions(&uses(&words, |s| s.path.starts_with("src/")), &pairs(CALLS));
}

/// To registered services, when an administrator asks and the operator has allowed the network; t24 in tests/service.
const CALLS: &[(&str, &str)] = &[
    ("src/services/probe.rs", "TcpStream::connect"),
    ("src/services/probe.rs", "TlsConnector"),
    ("src/services/probe.rs", "lookup_host"),
    // Made to find out whether it can be, and connected to nobody.
    ("src/services/tls.rs", "ClientConnection"),
    // To the endpoints of webhooks; t24 as well.
    ("src/webhooks/egress.rs", "lookup_host"),
    ("src/webhooks/send.rs", "TcpStream::connect"),
    ("src/webhooks/send.rs", "TlsConnector"),
    ("src/webhooks/send.rs", "hyper::client"),
];

#[test]
fn nothing_is_unsafe() {
    for source in sources::all(".rs") {
        for (number, line) in source.text.lines().enumerate() {
            let bare = line.split("//").next().unwrap_or_default();
            let found = bare.split('"').step_by(2).any(|code| has_word(code, concat!("un", "safe")));
            assert!(!found, "{}:{}", source.path, number + 1);
        }
    }
}

#[test]
fn every_crate_forbids_unsafe_code_in_its_first_lines() {
    let is_root = |s: &Source| {
        let name =
            s.path.split_once('/').filter(|(first, _)| *first != "src").map_or(s.path.as_str(), |(_, rest)| rest);
        ["src/lib.rs", "src/main.rs"].contains(&name)
    };
    let roots = sources::all(".rs").into_iter().filter(is_root);
    let mut seen = 0;
    for source in roots {
        seen += 1;
        assert!(source.text.contains("\n#![forbid(unsafe_code)]\n"), "{}", source.path);
    }
    assert!(seen >= 8, "only {seen} roots were found");
}
