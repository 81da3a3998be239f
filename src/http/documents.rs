//! Answers that are made once and handed out as they are: validators, ranges, cache headers.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};

use crate::issuer::Issuers;
use crate::revocation::{Document, Lists};
use crate::trust::TrustBundles;

/// The documents of the chain above the leaves. They change with the configuration and the stages of the issuers.
pub struct ChainDocuments {
    pub(super) root_cer: Document,
    pub(super) root_pem: Document,
    /// Every root of the newest trust bundle.
    pub(super) roots_pem: Document,
    /// Of each issuer that is loaded, by its short id, whatever its stage: `.cer` and `.pem`.
    issuers: BTreeMap<String, (Document, Document)>,
    /// Roots, issuers that are trusted and cross certificates: for verifiers whose clients send their leaf alone.
    pub(super) bundle_pem: Document,
    pub(super) root_crl: Document,
    pub(super) root_crl_pem: Document,
}

impl ChainDocuments {
    pub fn of(issuers: &Issuers, lists: &Lists, trust: &TrustBundles) -> ChainDocuments {
        let text = |c: &IssuerCert| pem::encode(Label::Certificate, c.der());
        let root = lists.root();
        let loaded: Vec<_> = issuers.all().iter().map(|issuer| issuer.certificate()).collect();
        // Also those that are in a trust bundle: it was signed before anybody knew.
        let known = |c: &&IssuerCert| c.der() == root.der() || loaded.iter().any(|one| one.der() == c.der());
        let distrusted = |c: &&IssuerCert| issuers.is_distrusted(c.key_identifier());
        let others =
            |all: &[IssuerCert]| -> String { all.iter().filter(|c| !known(c) && !distrusted(c)).map(text).collect() };
        let roots = text(root) + &others(trust.roots());
        let trusted: String = issuers.trusted().map(|issuer| text(issuer.certificate())).collect();
        let bundle = roots.clone() + &trusted + &others(trust.issuers());
        let both = |c: &IssuerCert| (Document::certificate(c.der().to_vec()), Document::pem(text(c)));
        let root_lists = lists.root_lists();
        ChainDocuments {
            root_cer: Document::certificate(root.der().to_vec()),
            root_pem: Document::pem(text(root)),
            roots_pem: Document::pem(roots),
            issuers: loaded.iter().map(|c| (c.short_id(), both(c))).collect(),
            bundle_pem: Document::pem(bundle),
            root_crl: Document::crl(root_lists.own.clone()),
            root_crl_pem: Document::pem(root_lists.pem()),
        }
    }

    /// `<id>.cer` or `<id>.pem`.
    pub(super) fn issuer(&self, file: &str) -> Option<&Document> {
        let (id, form) = file.split_once('.')?;
        let (cer, pem) = self.issuers.get(id)?;
        match form {
            "cer" => Some(cer),
            "pem" => Some(pem),
            _ => None,
        }
    }
}

/// A document is fresh for a minute: that is how long a cache may delay a revocation.
pub(super) fn send(document: &Document, request: &HeaderMap) -> Response<Body> {
    let known = request.get(header::IF_NONE_MATCH).is_some_and(|v| matches(v, &document.etag));
    let total = document.bytes.len();
    let (status, body) = if known {
        (StatusCode::NOT_MODIFIED, Body::empty())
    } else {
        match wanted(request, document) {
            Wanted::Whole => (StatusCode::OK, Body::from(document.bytes.clone())),
            Wanted::Part(from, to) => (StatusCode::PARTIAL_CONTENT, Body::from(document.bytes.slice(from..to))),
            Wanted::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, Body::empty()),
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(document.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(etag) = HeaderValue::from_str(&document.etag) {
        headers.insert(header::ETAG, etag);
    }
    let range = match (status, wanted(request, document)) {
        (StatusCode::PARTIAL_CONTENT, Wanted::Part(from, to)) => Some(format!("bytes {from}-{}/{total}", to - 1)),
        (StatusCode::RANGE_NOT_SATISFIABLE, _) => Some(format!("bytes */{total}")),
        _ => None,
    };
    if let Some(value) = range.and_then(|r| HeaderValue::from_str(&r).ok()) {
        headers.insert(header::CONTENT_RANGE, value);
    }
    response
}

/// RFC 9110 13.1.2: a list of validators, or any.
pub(super) fn matches(value: &HeaderValue, etag: &str) -> bool {
    let text = value.to_str().unwrap_or_default();
    text == "*" || text.split(',').any(|one| one.trim().trim_start_matches("W/") == etag)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From, and one past the end.
    Part(usize, usize),
    Nothing,
}

/// RFC 9110 14.2: one range of bytes; several, or none that can be read, get the whole. A range of an older version as
/// well, or a download that resumes would be stitched from two lists.
fn wanted(request: &HeaderMap, document: &Document) -> Wanted {
    let stale = request.get(header::IF_RANGE).is_some_and(|v| v.as_bytes() != document.etag.as_bytes());
    let spec = request.get(header::RANGE).and_then(|v| v.to_str().ok()).and_then(|t| t.strip_prefix("bytes="));
    let Some((first, last)) = spec.filter(|_| !stale).and_then(|s| s.split_once('-')) else { return Wanted::Whole };
    let total = document.bytes.len();
    let range = match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
        (Ok(first), Ok(last)) if last >= first => (first, last.saturating_add(1).min(total)),
        (Ok(first), Err(_)) if last.trim().is_empty() => (first, total),
        (Err(_), Ok(suffix)) if first.trim().is_empty() => (total.saturating_sub(suffix), total),
        _ => return Wanted::Whole,
    };
    if range.0 >= range.1 { Wanted::Nothing } else { Wanted::Part(range.0, range.1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(range: &str) -> (StatusCode, Option<String>) {
        let document = Document::crl((0..100).collect());
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, range.parse().unwrap());
        let response = send(&document, &request);
        let range = response.headers().get(header::CONTENT_RANGE).map(|v| v.to_str().unwrap().to_owned());
        (response.status(), range)
    }

    #[test]
    fn one_range_is_honoured_and_anything_else_gets_the_whole() {
        assert_eq!(ask("bytes=0-9"), (StatusCode::PARTIAL_CONTENT, Some("bytes 0-9/100".into())));
        assert_eq!(ask("bytes=90-"), (StatusCode::PARTIAL_CONTENT, Some("bytes 90-99/100".into())));
        assert_eq!(ask("bytes=-5"), (StatusCode::PARTIAL_CONTENT, Some("bytes 95-99/100".into())));
        assert_eq!(ask("bytes=100-"), (StatusCode::RANGE_NOT_SATISFIABLE, Some("bytes */100".into())));
        assert_eq!(ask("bytes=0-18446744073709551615"), (StatusCode::PARTIAL_CONTENT, Some("bytes 0-99/100".into())));
        for whole in ["bytes=0-1,3-4", "bytes=9-1", "lines=1-2", "bytes=x-y"] {
            assert_eq!(ask(whole), (StatusCode::OK, None), "{whole}");
        }
    }

    #[test]
    fn a_range_of_an_older_version_gets_the_whole() {
        let document = Document::crl(vec![1; 10]);
        let mut request = HeaderMap::new();
        request.insert(header::RANGE, "bytes=0-1".parse().unwrap());
        request.insert(header::IF_RANGE, "\"old\"".parse().unwrap());
        assert_eq!(send(&document, &request).status(), StatusCode::OK);
        request.insert(header::IF_RANGE, document.etag.parse().unwrap());
        assert_eq!(send(&document, &request).status(), StatusCode::PARTIAL_CONTENT);
    }
}
