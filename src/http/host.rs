//! For whom a request is meant (RFC 9112 3.2, RFC 9110 7.2, RFC 9113 8.3.1): said once, and readable. What is in front of us must not
//! understand another host than we do.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, Version, header};

/// The sentence of the refusal, if there is one.
pub(super) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut named = headers.get_all(header::HOST).iter();
    let host = match (named.next(), named.next()) {
        (_, Some(_)) => return Err("the request has two Host headers; send one"),
        (None, None) => None,
        (Some(host), None) => Some(host.to_str().ok().and_then(readable).ok_or(UNREADABLE)?),
    };
    let target = uri.authority().map(|authority| readable(authority.as_str()).ok_or(UNREADABLE)).transpose()?;
    match version {
        // Only there may it be absent.
        Version::HTTP_09 | Version::HTTP_10 => Ok(()),
        Version::HTTP_11 => host.map(|_| ()).ok_or("the request has no Host header; HTTP/1.1 wants one"),
        _ => match (target, host) {
            (None, None) => Err("the request has neither :authority nor Host; HTTP/2 wants one"),
            (Some(target), Some(host)) if target != host => Err(":authority and Host differ; send :authority alone"),
            _ => Ok(()),
        },
    }
}

const UNREADABLE: &str = "the host of the request is no host with an optional port, such as ca.example:8443";

/// A host, and a port that is a number; no user.
fn readable(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let port = text.strip_prefix(authority.host())?;
    let port_fits = port.is_empty() || port == ":" || authority.port_u16().is_some();
    (!authority.host().is_empty() && port_fits).then_some(authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_host_and_a_port() {
        for good in ["ca.example", "ca.example:8443", "127.0.0.1:1", "[::1]:8443", "[::1]", "localhost:"] {
            assert!(readable(good).is_some(), "{good}");
        }
        for bad in [
            "",
            " ",
            "a b",
            "a/b",
            "user@ca.example",
            "ca.example:x",
            "ca.example:65536",
            ":8443",
            "a,b c",
            "a:1:2",
            "[::1",
        ] {
            assert!(readable(bad).is_none(), "{bad}");
        }
    }
}
