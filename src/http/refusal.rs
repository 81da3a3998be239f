//! Refusals on their way out, and the short memory that `ca why` reads.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::admin;
use signet_api::{ErrorCode, Problem};

use crate::enrollment::EnrollError;
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

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::from(EnrollError::from(error))
    }
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

/// Writes the problem document into the answer.
pub(super) fn render(refusal: &Refusal, request_id: &str, response: &mut Response<Body>) {
    let problem = Problem::new(refusal.code, refusal.detail.clone(), request_id.to_owned());
    // A struct of strings and numbers always serialises.
    let body = serde_json::to_vec_pretty(&problem).unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = refusal.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code.status() == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"signet\""));
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
