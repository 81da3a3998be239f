//! Refusals on their way out, and the short memory that `ca why` reads.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::admin;
use signet_api::{CredentialKind, ErrorCode, Problem};

use crate::authorize::AccessError;
use crate::credentials::order::OrderError;
use crate::enrollment::EnrollError;
use crate::jwt::TokenError;
use crate::oauth::device::DEVICE_CODE_PREFIX;
use crate::store::StoreError;

/// A refusal inside a handler. It leaves as a problem document; `cause` stays here.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: ErrorCode,
    pub detail: Option<String>,
    pub cause: String,
    /// Seconds.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Refusal {
        // Something that passes by itself says when to come back.
        let retry_after = matches!(code.status(), 429 | 503).then_some(5);
        Refusal { code, detail: None, cause: cause.into(), retry_after }
    }

    /// Without the secrets that the caller may have put where they do not belong, and that a parser quoted.
    pub(super) fn scrubbed(self) -> Refusal {
        Refusal { detail: self.detail.as_deref().map(scrub), cause: scrub(&self.cause), ..self }
    }

    /// A refusal whose cause the caller may read.
    pub fn told(code: ErrorCode, detail: impl Into<String>) -> Refusal {
        let detail = detail.into();
        Refusal { detail: Some(detail.clone()), ..Refusal::new(code, detail) }
    }
}

impl From<EnrollError> for Refusal {
    fn from(error: EnrollError) -> Refusal {
        Refusal { detail: error.told(), ..Refusal::new(error.code(), error.to_string()) }
    }
}

impl From<AccessError> for Refusal {
    fn from(error: AccessError) -> Refusal {
        match error {
            AccessError::Principal(error) => error.into(),
            error @ (AccessError::Unbound | AccessError::Token(TokenError::Audience(_))) => {
                Refusal::told(error.code(), error.to_string())
            }
            error => Refusal::new(error.code(), error.to_string()),
        }
    }
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Refusal {
        match error {
            OrderError::Invalid(sentence) => Refusal::told(ErrorCode::InvalidArgument, sentence),
            OrderError::Random(error) => Refusal::new(ErrorCode::Internal, error.to_string()),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::from(EnrollError::from(error))
    }
}

/// Cuts credentials off after their public id, and keys of other systems after their first characters.
pub(super) fn scrub(text: &str) -> String {
    uuids_cut(&credentials_cut(text))
}

fn credentials_cut(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, kind)) = next_prefix(rest) {
        // The prefix and its underscore, the id, and the underscore behind it.
        let (shown, secret) = rest.split_at(before + kind.len() + 1);
        out.push_str(shown);
        let id = secret.bytes().take_while(u8::is_ascii_alphanumeric).count();
        out.push_str(&secret[..id]);
        rest = &secret[id..];
        if let Some(tail) = rest.strip_prefix('_') {
            out.push_str("_…");
            rest = tail.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        }
    }
    out + rest
}

/// Where the next credential begins, in either case.
fn next_prefix(text: &str) -> Option<(usize, &'static str)> {
    let lower = text.to_ascii_lowercase();
    let found = CredentialKind::ALL.into_iter().map(CredentialKind::prefix).chain([DEVICE_CODE_PREFIX]);
    found.filter_map(|prefix| lower.find(&format!("{prefix}_")).map(|at| (at, prefix))).min()
}

/// An imported key is a UUID (RFC 9562): 32 digits, and nothing in it says that it is a secret.
fn uuids_cut(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut inside) = (text, false);
    while let Some(first) = rest.chars().next() {
        let length = if inside { 0 } else { uuid(rest.as_bytes()) };
        let (shown, cut) = if length > 0 { (8, length) } else { (first.len_utf8(), first.len_utf8()) };
        out.push_str(&rest[..shown]);
        if length > 0 {
            out.push('…');
        }
        // Digits in the middle of a longer number, such as a fingerprint, are no key.
        inside = length == 0 && first.is_ascii_hexdigit();
        rest = &rest[cut..];
    }
    out
}

/// The length of the UUID that `text` begins with, or 0.
fn uuid(text: &[u8]) -> usize {
    let digits = |from: usize, to: usize| text.get(from..to).is_some_and(|part| part.iter().all(u8::is_ascii_hexdigit));
    let hyphens = [8, 13, 18, 23].iter().all(|at| text.get(*at) == Some(&b'-'));
    if hyphens && [(0, 8), (9, 13), (14, 18), (19, 23), (24, 36)].iter().all(|(from, to)| digits(*from, *to)) {
        return 36;
    }
    if digits(0, 32) && !text.get(32).is_some_and(u8::is_ascii_hexdigit) { 32 } else { 0 }
}

/// The body is written by the outermost layer, which knows the request id.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

/// In an answer's extensions: the refusal is also told in the words of RFC 6749 5.2.
#[derive(Debug, Clone, Copy)]
pub(super) struct OAuthCode(pub(super) &'static str);

/// Writes the problem document into the answer.
pub(super) fn render(refusal: &Refusal, request_id: &str, response: &mut Response<Body>) {
    let mut problem = Problem::new(refusal.code, refusal.detail.clone(), request_id.to_owned());
    let standard = response.extensions().get::<OAuthCode>().map(|code| code.0);
    problem.error = standard.map(str::to_owned);
    problem.error_description = standard.map(|_| refusal.detail.clone().unwrap_or_else(|| problem.title.clone()));
    // A struct of strings and numbers always serialises.
    let body = serde_json::to_vec_pretty(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    // RFC 6749 5.2 wants plain JSON.
    let kind = if standard.is_some() { "application/json" } else { "application/problem+json" };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code.status() == 401 {
        let wanted = if standard.is_some() { "Basic realm=\"signet\"" } else { "Bearer realm=\"signet\"" };
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(wanted));
    }
    *response.body_mut() = Body::from(body);
}

impl Refusal {
    /// Whether the identity behind the connection is no longer good: it must not keep its connection.
    pub(super) fn ends_connection(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::DeviceRevoked
                | ErrorCode::DeviceSuspended
                | ErrorCode::CertificateRevoked
                | ErrorCode::IssuerDistrusted
                | ErrorCode::CertificateSuperseded
                | ErrorCode::CertificateUnknown
        )
    }
}

/// The last refusals, in memory: a caller who has proved nothing causes no persistent write.
pub struct RefusalLog(Mutex<VecDeque<(String, admin::Refusal)>>);

/// At 300 octets each this is 3 MiB, and some hours of an ordinary fleet.
const REMEMBERED: usize = 10_000;

impl Default for RefusalLog {
    fn default() -> RefusalLog {
        RefusalLog(Mutex::new(VecDeque::new()))
    }
}

impl RefusalLog {
    pub(super) fn note(&self, request_id: &str, entry: admin::Refusal) {
        let mut log = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if log.len() >= REMEMBERED {
            log.pop_front();
        }
        log.push_back((request_id.to_owned(), entry));
    }

    pub(super) fn find(&self, request_id: &str) -> Option<admin::Refusal> {
        let log = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        log.iter().rev().find(|(id, _)| id == request_id).map(|(_, entry)| entry.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t26_of_a_credential_the_public_part_is_left() {
        let cases = [
            ("no secret here, sge is no prefix", "no secret here, sge is no prefix"),
            ("a \"sge_0123456789_abcdefghijklmnop\" b", "a \"sge_0123456789_…\" b"),
            ("/e/SGE_0123456789_ABCDEF/x", "/e/SGE_0123456789_…/x"),
            ("sgk_a_b,sgt_c_d_e", "sgk_a_…,sgt_c_…"),
            ("sgd_a_b", "sgd_a_…"),
            ("sge_ä_", "sge_ä_"),
            ("sge_", "sge_"),
            ("öö sge_0_x", "öö sge_0_…"),
            ("a 3F2504E0-4f89-41d3-9a0c-0305e82c3301é", "a 3F2504E0…é"),
            ("\"3f2504e04f8941d39a0c0305e82c3301\"", "\"3f2504e0…\""),
            // A request id, a serial number and a fingerprint are nobody's secret.
            ("req-0123456789abcdef0123", "req-0123456789abcdef0123"),
            ("4b0d00e9aebc436a0de449f5db896078d31e83e0", "4b0d00e9aebc436a0de449f5db896078d31e83e0"),
            (&"ab".repeat(32), &"ab".repeat(32)),
        ];
        for (text, expected) in cases {
            assert_eq!(scrub(text), expected);
        }
    }
}
