//! Who may know whom: between crates, and between the modules of the service.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::only_exceptions;
use crate::sources::{self, Source};

/// Crates of ours that a crate may depend on.
const CRATES: &[(&str, &[&str])] = &[
    ("pki", &[]),
    ("keys", &["signet-pki"]),
    ("api", &["signet-pki"]),
    ("policy", &["signet-pki"]),
    ("sync", &["signet-api", "signet-keys", "signet-pki"]),
    ("ca", &["signet-api", "signet-keys", "signet-pki", "signet-policy", "signet-sync"]),
    ("agent", &["signet-api", "signet-keys", "signet-pki", "signet-sync"]),
    (".", &["signet-api", "signet-keys", "signet-pki", "signet-policy"]),
    // Tools of development: they ship with nothing.
    ("bench", &["signet-api", "signet-keys", "signet-pki", "signet-policy"]),
    ("fuzz", &["signet-api", "signet-pki", "signet-policy"]),
];

/// Modules of the service that a module may use. `app` wires all of them.
const MODULES: &[(&str, &[&str])] = &[
    ("anchor", &["audit", "config", "store"]),
    ("archive", &["audit", "issuer", "store"]),
    // Pure functions over entries.
    ("audit", &[]),
    ("authorize", &["clock", "config", "credentials", "issuer", "jwt", "store"]),
    ("clock", &[]),
    ("config", &[]),
    ("credentials", &["random", "store"]),
    ("enrollment", &["authorize", "clock", "issuer", "random", "store"]),
    ("events", &["latency", "store"]),
    ("hooks", &["config"]),
    ("housekeeping", &["anchor", "archive", "config", "policy", "server_identity", "store"]),
    (
        "http",
        &[
            "archive",
            "audit",
            "authorize",
            "clock",
            "config",
            "credentials",
            "enrollment",
            "events",
            "hooks",
            "issuer",
            "jwt",
            "latency",
            "network",
            "oauth",
            "ocsp",
            "permission",
            "policy",
            "random",
            "revocation",
            "services",
            "store",
            "telemetry",
            "trust",
            "webhooks",
        ],
    ),
    // A head of the log is signed as what it is, not as any octets. Stages of issuers are rows of the store.
    ("issuer", &["audit", "store"]),
    // How long a key stays is a setting.
    ("jwt", &["config"]),
    // Measures; knows nothing of what it measures.
    ("latency", &[]),
    // What counts as one address.
    ("network", &[]),
    ("oauth", &["authorize", "clock", "config", "jwt", "network", "random", "store"]),
    // Identity of the asker, settings, and the policy itself as a value.
    ("permission", &["authorize", "clock", "config", "issuer", "policy", "services", "store"]),
    ("ocsp", &["authorize", "clock", "config", "enrollment", "issuer", "store"]),
    ("policy", &["store"]),
    ("random", &[]),
    ("restored", &["config", "store"]),
    // Lists of roots are a file of the configuration.
    ("revocation", &["authorize", "clock", "config", "issuer", "latency", "store"]),
    ("server_identity", &["authorize", "config", "enrollment", "store"]),
    ("services", &["authorize", "clock", "issuer", "revocation", "store"]),
    // An entry is hashed inside the transaction that writes it.
    ("store", &["audit"]),
    ("telemetry", &["archive", "config", "events", "latency", "permission", "policy", "revocation", "store"]),
    ("trust", &["config", "revocation"]),
    ("webhooks", &["clock", "config", "events", "random", "store"]),
];

/// Edges against the floor plan: from, and the item that is used.
const EXCEPTIONS: &[(&str, &str)] = &[
    // The reason of a refusal is made in the room that refuses and told in the words of the road.
    ("authorize", "enrollment::EnrollError"),
    // The path of the mark is a setting.
    ("config", "anchor::Anchor"),
    // `Service`, the bundle of everything that runs, is declared where handlers need it and used by the other drivers.
    ("housekeeping", "app::own_context"),
    ("housekeeping", "http::Service"),
    ("housekeeping", "http::Shutdown"),
    ("housekeeping", "http::tls::TlsState"),
    ("restored", "app::own_context"),
    ("restored", "http::Service"),
    ("server_identity", "app::own_context"),
    ("server_identity", "http::Service"),
    ("server_identity", "http::tls"),
];

#[test]
fn crates_depend_downwards_only() {
    for (dir, allowed) in CRATES {
        let manifest = sources::read(&format!("{dir}/Cargo.toml"));
        let ours: BTreeSet<&str> = dependencies(&manifest).filter(|d| d.starts_with("signet")).collect();
        let wrong: Vec<_> = ours.iter().filter(|d| !allowed.contains(d)).collect();
        assert!(wrong.is_empty(), "{dir} depends on {wrong:?}");
    }
    let members = sources::all("Cargo.toml");
    assert_eq!(members.len(), CRATES.len(), "a crate is not in the table");
}

/// Names in every table of dependencies but the workspace's own.
fn dependencies(manifest: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.starts_with("[workspace");
            return None;
        }
        let name = line.split(['=', '.']).next().unwrap_or_default().trim();
        (inside && !name.is_empty() && !name.starts_with('#')).then_some(name)
    })
}

#[test]
fn modules_of_the_service_use_what_the_floor_plan_allows() {
    let allowed: BTreeMap<&str, &[&str]> = MODULES.iter().copied().collect();
    let mut found = BTreeSet::new();
    for source in sources::all(".rs").iter().filter(|s| s.path.starts_with("src/") && !s.is_test()) {
        let module = module(&source.path);
        if ["app", "lib", "main"].contains(&module) {
            continue;
        }
        let may = allowed.get(module).unwrap_or_else(|| panic!("{module} is not in the table"));
        for item in items_of_other_modules(source) {
            let target = item.split("::").next().unwrap_or_default();
            if target != module && !may.contains(&target) {
                found.insert((module.to_owned(), item));
            }
        }
    }
    let excepted = EXCEPTIONS.iter().map(|(from, item)| (from.to_string(), item.to_string())).collect();
    only_exceptions(&found, &excepted);
}

#[test]
fn no_allowed_edge_is_unused() {
    let mut unused: BTreeSet<(&str, &str)> =
        MODULES.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (*from, *to))).collect();
    for source in sources::all(".rs").iter().filter(|s| s.path.starts_with("src/") && !s.is_test()) {
        for item in items_of_other_modules(source) {
            let target = item.split("::").next().unwrap_or_default();
            unused.retain(|(from, to)| *from != module(&source.path) || *to != target);
        }
    }
    assert!(unused.is_empty(), "remove from the table: {unused:?}");
}

/// The first segment below `src/`.
fn module(path: &str) -> &str {
    path.trim_start_matches("src/").split('/').next().unwrap_or_default().trim_end_matches(".rs")
}

/// `module::Item` for everything that is reached through `crate::` or through enough `super::`.
fn items_of_other_modules(source: &Source) -> Vec<String> {
    let code: String = source.code().map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ");
    let depth = source.path.matches('/').count() - usize::from(source.path.ends_with("/mod.rs"));
    let up = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", up.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = &code[..at];
            if before.ends_with("super::") || before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            found.extend(expand("", &code[at + start.len()..]));
        }
    }
    found.retain(|item| {
        MODULES.iter().any(|(name, _)| item.split("::").next() == Some(name)) || item.starts_with("app")
    });
    found
}

/// The paths of a use tree: `a::{B, c::D}` is `a::B` and `a::c::D`.
fn expand(prefix: &str, rest: &str) -> Vec<String> {
    if let Some(inner) = rest.strip_prefix('{') {
        let mut depth = 0;
        let end = inner.find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0
        });
        let mut depth = 0;
        let separate = |c: char| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth == 0 && c == ','
        };
        let parts = inner[..end.unwrap_or(inner.len())].split(separate).map(str::trim).filter(|p| !p.is_empty());
        return parts.flat_map(|part| expand(prefix, part)).collect();
    }
    let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '*').next().unwrap_or_default();
    let path = match (prefix, name) {
        ("", name) => name.to_owned(),
        // `bytes::<10>` ends with what stands before the bracket.
        (prefix, "self" | "") => return vec![prefix.to_owned()],
        (prefix, name) => format!("{prefix}::{name}"),
    };
    match rest[name.len()..].strip_prefix("::") {
        // What follows a type is its own affair.
        Some(more) if !name.starts_with(char::is_uppercase) => expand(&path, more),
        _ => vec![path],
    }
}

#[test]
fn use_trees_are_read_like_the_compiler_does() {
    let tree = "{self, http::{Service, tls::{self, TlsState}}, store::Store}; more";
    let expected = ["self", "http::Service", "http::tls", "http::tls::TlsState", "store::Store"];
    assert_eq!(expand("", tree), expected);
    assert_eq!(expand("", "store::Store::open(x)"), ["store::Store"]);
    assert_eq!(expand("", "random::bytes::<10>(x)"), ["random::bytes"]);
}

/// The offline root tool: no HTTP, no TLS, no SQL, no runtime.
#[test]
fn the_offline_build_of_ca_links_no_network() {
    let closure = tree(&["-p", "signet-ca", "--no-default-features", "-e", "normal"]);
    assert!(closure.contains("signet-pki") && closure.contains("signet-keys"), "{closure:?}");
    for wrong in
        ["hyper", "rustls", "tokio", "rusqlite", "axum", "signet-api", "h2", "mio", "socket2", "libsqlite3-sys"]
    {
        assert!(!closure.contains(wrong), "{wrong} is linked");
    }
}

#[test]
fn there_is_one_provider_of_cryptography() {
    let everything = tree(&["--workspace", "-e", "all"]);
    for wrong in ["ring", "openssl", "openssl-sys", "native-tls", "boring", "rustls-native-certs"] {
        assert!(!everything.contains(wrong), "{wrong} is in the tree");
    }
    let lock = sources::read("Cargo.lock");
    for wrong in ["openssl", "openssl-sys", "native-tls", "boring"] {
        assert!(!lock.contains(&format!("\nname = \"{wrong}\"\n")), "{wrong} is in Cargo.lock");
    }
    // `ring` stands there because of webpki's weak feature `ring?/alloc`, and is never built.
    let users: Vec<_> = lock.split("\n\n").filter(|p| p.contains("\n \"ring\",")).collect();
    assert!(users.iter().all(|package| package.contains("\nname = \"rustls-webpki\"\n")), "{users:#?}");
}

/// No expression that a stranger's text could keep busy: the programs contain no engine for any.
#[test]
fn t21_no_expression_engine_is_linked() {
    for program in ["signet", "signet-ca", "signet-agent"] {
        let closure = tree(&["-p", program, "-e", "normal"]);
        assert!(closure.contains("signet-pki"));
        for engine in ["regex", "regex-automata", "regex-lite", "fancy-regex", "pcre2", "onig"] {
            assert!(!closure.contains(engine), "{program} links {engine}");
        }
    }
}

fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(sources::root()).args(["tree", "--offline", "--locked", "--prefix", "none", "-f", "{p}"]);
    let output = cargo.args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}
