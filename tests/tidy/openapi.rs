//! What `api/openapi.json` describes is what the TLS listener routes.

use std::collections::BTreeSet;

use crate::sources;

/// Method and path.
type Endpoint = (String, String);

#[test]
fn every_route_of_the_api_is_documented_and_every_documented_one_is_a_route() {
    let (routed, documented) = (routed(), documented());
    let missing: Vec<_> = routed.difference(&documented).collect();
    assert!(missing.is_empty(), "not in api/openapi.json (api/tests/openapi/main.rs says how): {missing:#?}");
    let gone: Vec<_> = documented.difference(&routed).collect();
    assert!(gone.is_empty(), "in api/openapi.json and nowhere in src/http: {gone:#?}");
}

fn routed() -> BTreeSet<Endpoint> {
    let files = sources::all(".rs");
    let other: Vec<_> = OTHER_LISTENERS.iter().filter(|path| !files.iter().any(|f| f.path == **path)).collect();
    assert!(other.is_empty(), "not there any more: {other:?}");
    let api = files.iter().filter(|f| f.path.starts_with("src/http/") && !OTHER_LISTENERS.contains(&f.path.as_str()));
    let found: BTreeSet<_> = api.flat_map(|file| routes(&file.text)).collect();
    assert!(found.len() > 25, "{found:?}");
    found
}

fn documented() -> BTreeSet<Endpoint> {
    let text = sources::read("api/openapi.json");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, item): (&String, &serde_json::Value)| -> Vec<Endpoint> {
        item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())).collect()
    };
    paths.iter().flat_map(methods).collect()
}

/// The endpoints of `.route("/path", get(one).post(other))`.
fn routes(source: &str) -> Vec<Endpoint> {
    let code: String = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = Vec::new();
    for call in code.split(".route(").skip(1) {
        let Some((path, rest)) = call.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
            continue;
        };
        let mut depth = 0;
        let mut word = String::new();
        for c in rest.chars() {
            if c == '(' && depth == 0 {
                assert!(METHODS.contains(&word.as_str()), "{path}: what is {word:?}?");
                found.push((word.clone(), path.to_owned()));
            }
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth < 0 {
                break;
            }
            if c.is_alphanumeric() || c == '_' { word.push(c) } else { word.clear() }
        }
    }
    found
}

#[test]
fn routes_are_read_with_their_methods() {
    let source = "Router::new()\n .route(\"/a\", get(x::y).post(z))\n .route(\n \"/b/{c}\",\n delete(async move |h: H| s(&d, &h)),\n)";
    let of = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    assert_eq!(routes(source), [of("get", "/a"), of("post", "/a"), of("delete", "/b/{c}")]);
}

const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];
/// Their routes have RFCs of their own, are for the host alone, or take whatever the client of a proxy asks for.
const OTHER_LISTENERS: &[&str] =
    &["src/http/plain.rs", "src/http/ocsp.rs", "src/http/local.rs", "src/http/authz/envoy.rs"];
