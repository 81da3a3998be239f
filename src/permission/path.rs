//! A request of HTTP as an action and the rest of a resource's name.

use signet_api::xfcc;

use super::reason::Reason;

/// `http:GET` of a method. `None` for what is no method, or is longer than any.
pub fn action(method: &str) -> Option<String> {
    let token = (1..=METHOD).contains(&method.len()) && method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    token.then(|| format!("http:{method}"))
}

/// The path of a request target, without its query and with its escapes taken away once, in the one spelling that it has for
/// every reader. Readers differ about the others, so that a rule could be walked around: dot segments, empty segments, escaped
/// slashes, backslashes, escapes of escapes, matrix parameters, control characters.
pub fn path(target: &str) -> Result<String, Reason> {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let escaped_border = ["%2f", "%5c", "%25", "%3b", "%00"].iter().any(|escape| lower.contains(escape));
    let plain = xfcc::unescape(path).filter(|_| !escaped_border && path.len() <= PATH);
    let plain = plain.ok_or(Reason::ResourceAmbiguous)?;
    let rest = plain.strip_prefix('/').ok_or(Reason::ResourceAmbiguous)?;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        // The last one is empty in the path of a directory.
        let empty = segment.is_empty() && segments.peek().is_some();
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ';' | '*');
        if empty || segment == "." || segment == ".." || segment.contains(odd) {
            return Err(Reason::ResourceAmbiguous);
        }
    }
    Ok(plain)
}

/// Octets of the longest registered method, and some.
const METHOD: usize = 32;
/// Octets: what proxies take as a request line is below this.
const PATH: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_actions() {
        assert_eq!(action("GET").as_deref(), Some("http:GET"));
        assert_eq!(action("M-SEARCH").as_deref(), Some("http:M-SEARCH"));
        for wrong in ["", "get", "GET POST", "G\u{c4}T", &"A".repeat(33)] {
            assert_eq!(action(wrong), None);
        }
    }

    #[test]
    fn a_path_loses_its_query_and_its_escapes() {
        for (target, expected) in [
            ("/", "/"),
            ("/a/b?c=/../d", "/a/b"),
            ("/a/", "/a/"),
            ("/%61/%c3%b6", "/a/\u{f6}"),
            ("/a%20b#c", "/a b"),
            ("/...", "/..."),
        ] {
            assert_eq!(path(target).as_deref(), Ok(expected), "{target}");
        }
    }

    #[test]
    fn t22_a_path_that_readers_understand_differently_is_nobodys() {
        let long = "/".to_owned() + &"a".repeat(PATH);
        for target in [
            "",
            "a",
            "*",
            "http://x/a",
            "//a",
            "/a//b",
            "/a/../b",
            "/a/..",
            "/./a",
            "/a/%2e%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%252e",
            "/a;x=1/b",
            "/a%3b",
            "/a%00",
            "/a%0a",
            "/a%",
            "/a%ff",
            "/a*",
            &long,
        ] {
            assert_eq!(path(target), Err(Reason::ResourceAmbiguous), "{target}");
        }
    }
}
