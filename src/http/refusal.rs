//! Refusals on their way out.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::{ErrorCode, Problem};

use super::text::Text;
use crate::authorize::AccessError;
use crate::credentials::order::OrderError;
use crate::enrollment::EnrollError;
use crate::jwt::TokenError;
use crate::store::StoreError;

/// A refusal inside a handler. It leaves as a problem document; `cause` stays here. Both texts are bounded when they are made.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub code: ErrorCode,
    pub detail: Option<Text>,
    pub cause: Text,
    /// Seconds.
    pub retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(code: ErrorCode, cause: impl AsRef<str>) -> Refusal {
        // Something that passes by itself says when to come back.
        let retry_after = matches!(code.status(), 429 | 503).then_some(5);
        Refusal { code, detail: None, cause: Text::of(cause), retry_after }
    }

    /// A refusal whose cause the caller may read.
    pub fn told(code: ErrorCode, detail: impl AsRef<str>) -> Refusal {
        let refusal = Refusal::new(code, detail);
        Refusal { detail: Some(refusal.cause.clone()), ..refusal }
    }
}

impl From<EnrollError> for Refusal {
    fn from(error: EnrollError) -> Refusal {
        let refusal = Refusal { detail: error.told().map(Text::of), ..Refusal::new(error.code(), error.to_string()) };
        match error {
            // The oldest of those of this hour may be that young.
            EnrollError::RenewalsExhausted => Refusal { retry_after: Some(3600), ..refusal },
            _ => refusal,
        }
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
    let detail = refusal.detail.clone().map(String::from);
    let mut problem = Problem::new(refusal.code, detail.clone(), request_id.to_owned());
    let standard = response.extensions().get::<OAuthCode>().map(|code| code.0);
    problem.error = standard.map(str::to_owned);
    problem.error_description = standard.map(|_| detail.unwrap_or_else(|| problem.title.clone()));
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
