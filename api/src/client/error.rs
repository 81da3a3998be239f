//! What can go wrong with a request, by whose fault, and what to do next.

use std::error::Error as StdError;

use hyper::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use rustls::{AlertDescription, CertificateError};
use thiserror::Error;

use super::Answer;
use crate::problem::Problem;

/// No variant holds anything of the request: no secret can come out of an error.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The server said no, and why. The second field is `Retry-After` in seconds.
    #[error("{}", refusal(.0))]
    Refused(Box<Problem>, Option<u64>),
    /// The server said no without a problem document.
    #[error("the server answered with status {status} and without an explanation")]
    UnexpectedStatus { status: u16, retry_after: Option<u64> },
    #[error("{0}")]
    Unreachable(String),
    /// The server's certificate does not prove that it is the right server.
    #[error("{0}")]
    Untrusted(String),
    /// The server did not accept our certificate.
    #[error("{0}")]
    ClientRejected(String),
    #[error("{0}")]
    Protocol(String),
    #[error("{0} took too long")]
    Timeout(&'static str),
    /// The caller's server name, identity or header cannot be used.
    #[error("{0}")]
    Config(String),
}

impl ClientError {
    pub fn hint(&self) -> String {
        match self {
            ClientError::Refused(problem, _) => format!("{} (request id {})", problem.hint, problem.request_id),
            ClientError::UnexpectedStatus { .. } => "Check that the address is that of signetd's TLS listener, and \
                 look at the service's log."
                .into(),
            ClientError::Unreachable(_) | ClientError::Timeout(_) => {
                "Check the address, the network and whether the service runs; then try again.".into()
            }
            ClientError::Untrusted(_) => "Nothing secret was sent. Compare the root's fingerprint with the \
                 administrator's ('ca root show'), and check the server's name and this machine's clock."
                .into(),
            ClientError::ClientRejected(_) => {
                "The certificate may be expired, revoked or of another CA: look at it, or enroll again.".into()
            }
            ClientError::Protocol(_) => "Check that the address is that of signetd's TLS listener.".into(),
            ClientError::Config(_) => "Correct the value and run the command again.".into(),
        }
    }

    /// Whether the same request may succeed later without anyone's doing.
    pub fn is_transient(&self) -> bool {
        match self {
            ClientError::Unreachable(_) | ClientError::Timeout(_) => true,
            ClientError::Refused(problem, _) => is_transient(problem.status),
            ClientError::UnexpectedStatus { status, .. } => is_transient(*status),
            ClientError::Untrusted(_)
            | ClientError::ClientRejected(_)
            | ClientError::Protocol(_)
            | ClientError::Config(_) => false,
        }
    }

    /// Seconds that the server asked us to wait.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            ClientError::Refused(_, after) | ClientError::UnexpectedStatus { retry_after: after, .. } => *after,
            _ => None,
        }
    }

    pub fn problem(&self) -> Option<&Problem> {
        match self {
            ClientError::Refused(problem, _) => Some(problem),
            _ => None,
        }
    }
}

/// 2xx passes; the rest becomes the error that it is.
pub(super) fn accept(answer: Answer) -> Result<Answer, ClientError> {
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let retry_after = retry_after(&answer.headers);
    let kind = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_problem = kind.eq_ignore_ascii_case("application/problem+json");
    // The endpoints of OAuth have to call it JSON (RFC 6749 5.2).
    let is_oauth = kind.eq_ignore_ascii_case("application/json");
    match serde_json::from_slice::<Problem>(&answer.body) {
        Ok(problem) if is_problem || (is_oauth && problem.error.is_some()) => {
            Err(ClientError::Refused(Box::new(cleaned(problem, answer.status)), retry_after))
        }
        _ => Err(ClientError::UnexpectedStatus { status: answer.status, retry_after }),
    }
}

/// A failure below HTTP: TLS errors are found in the chain of causes, since they surface wherever a byte is read.
pub(super) fn from_cause(what: &str, cause: &(dyn StdError + 'static)) -> ClientError {
    match tls_error(cause) {
        Some(rustls::Error::InvalidCertificate(why)) => ClientError::Untrusted(certificate_sentence(why)),
        Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
            ClientError::ClientRejected(format!("the server did not accept the client certificate ({alert:?})"))
        }
        Some(other) => ClientError::Protocol(format!("{what}: {other}")),
        None => ClientError::Unreachable(format!("{what}: {}", printable(&root_cause(cause).to_string()))),
    }
}

/// Text from the other side, made safe for a terminal and bounded.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

fn refusal(problem: &Problem) -> String {
    match &problem.detail {
        Some(detail) => format!("{} {detail}", problem.title),
        None => problem.title.clone(),
    }
}

fn cleaned(problem: Problem, status: u16) -> Problem {
    Problem {
        kind: printable(&problem.kind),
        title: printable(&problem.title),
        // The status line is what proxies act on; the body only repeats it.
        status,
        code: problem.code,
        detail: problem.detail.as_deref().map(printable),
        hint: printable(&problem.hint),
        request_id: printable(&problem.request_id),
        error: problem.error.as_deref().map(printable),
        error_description: problem.error_description.as_deref().map(printable),
    }
}

fn is_transient(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// Seconds only; Signet never sends the date form (RFC 9110 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

fn tls_error<'a>(cause: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(cause);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // io::Error's source() skips the error that it wraps.
        if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            return tls_error(inner);
        }
        next = error.source();
    }
    None
}

fn root_cause<'a>(cause: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut last = cause;
    while let Some(next) = last.source() {
        last = next;
    }
    last
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription::*;
    matches!(
        alert,
        BadCertificate
            | UnsupportedCertificate
            | CertificateRevoked
            | CertificateExpired
            | CertificateUnknown
            | UnknownCA
            | AccessDenied
            | CertificateRequired
    )
}

#[allow(clippy::wildcard_enum_match_arm)]
fn certificate_sentence(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".into()
        }
        CertificateError::UnknownIssuer => "the server's certificate does not lead to the trusted root".into(),
        CertificateError::BadSignature => "the server's certificate has a wrong signature".into(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "the server's certificate is for another name".into()
        }
        other => format!("the server's certificate is refused: {}", printable(&other.to_string())),
    }
}

const MAX_TEXT: usize = 600;
