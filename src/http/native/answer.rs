//! Outcomes of the road as answers.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use signet_api::enroll::{IssuedCertificate, PendingEnrollment};
use signet_api::{ErrorCode, HEADER_RENEW_AFTER, HEADER_REPLAY};
use signet_pki::name::SpiffeId;
use signet_pki::pem::{self, Label};
use signet_pki::{Serial, UnixTime};

use super::decode::Form;
use crate::enrollment::Outcome;
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::store::Issued;

/// Seconds after which a waiting device asks again.
const PENDING_RETRY: u64 = 30;

pub(super) fn render(service: &App, outcome: Outcome, form: Form) -> Result<Response<Body>, Refusal> {
    let (issued, replayed) = match outcome {
        Outcome::Issued(issued) => (issued, false),
        Outcome::Replayed(issued) => (issued, true),
        Outcome::Pending(pending) => {
            let retry_after = PENDING_RETRY;
            let body = PendingEnrollment { status: "pending".into(), device: pending.device, retry_after };
            let mut response = crate::http::request::answer(&body)?;
            *response.status_mut() = StatusCode::ACCEPTED;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
            return Ok(response);
        }
    };
    let (mut response, renew) = match form {
        Form::Json => {
            let body = certificate(service, &issued)?;
            (crate::http::request::answer(&body)?, body.renew_after)
        }
        Form::Bare => {
            let chain = leaf_pem(&issued) + &issuer_pem(service, &issued)?;
            let headers =
                [(header::CONTENT_TYPE, "application/pem-certificate-chain"), (header::CACHE_CONTROL, "no-store")];
            let renew = renew_after(issued.serial(), issued.not_before(), issued.not_after());
            ((StatusCode::OK, headers, chain).into_response(), renew.to_string())
        }
    };
    if let Ok(value) = HeaderValue::try_from(renew) {
        response.headers_mut().insert(HEADER_RENEW_AFTER, value);
    }
    if replayed {
        response.headers_mut().insert(HEADER_REPLAY, HeaderValue::from_static("true"));
    }
    Ok(response)
}

pub(in crate::http) fn certificate(service: &App, issued: &Issued) -> Result<IssuedCertificate, Refusal> {
    let gone = || Refusal::new(ErrorCode::Internal, format!("no profile {}", issued.profile()));
    let kind = service.authorizer.profiles.named(issued.profile()).ok_or_else(gone)?.kind;
    let domain = &service.config.raw.trust_domain;
    Ok(IssuedCertificate {
        device: issued.device().clone(),
        spiffe_id: SpiffeId::new(domain, kind, issued.device()).as_str().to_owned(),
        profile: issued.profile().to_owned(),
        serial: issued.serial().to_string(),
        certificate: leaf_pem(issued),
        chain: issuer_pem(service, issued)?,
        not_before: issued.not_before().to_string(),
        not_after: issued.not_after().to_string(),
        renew_after: renew_after(issued.serial(), issued.not_before(), issued.not_after()).to_string(),
    })
}

/// Half of life, moved by up to a tenth of it. The place comes from the serial, which is random: a fleet spreads, and
/// every repetition of an answer says the same.
pub(in crate::http) fn renew_after(serial: &Serial, not_before: UnixTime, not_after: UnixTime) -> UnixTime {
    let life = not_after.since(not_before);
    let tail = serial.as_bytes().iter().rev().take(2).fold(0i64, |n, b| n << 8 | i64::from(*b));
    let jitter = life / 5 * tail / 65_535 - life / 10;
    not_before.plus(life / 2 + jitter)
}

fn leaf_pem(issued: &Issued) -> String {
    pem::encode(Label::Certificate, issued.der())
}

/// The issuer that signed this one, which need not be the one that signs now.
fn issuer_pem(service: &App, issued: &Issued) -> Result<String, Refusal> {
    let gone = || Refusal::new(ErrorCode::Internal, "an issuer that nobody knows");
    service.road.issuers.known(issued.issuer()).map(|issuer| issuer.pem.clone()).ok_or_else(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewals_spread_over_a_fifth_of_life_around_its_half() {
        let (from, to) = (UnixTime(1_000_000), UnixTime(1_086_700));
        let at = |last: [u8; 2]| {
            let mut random = [9; 20];
            random[18..].copy_from_slice(&last);
            renew_after(&Serial::from_random(random), from, to).since(from)
        };
        assert_eq!(at([0, 0]), 86_700 / 2 - 8_670);
        assert_eq!(at([255, 255]), 86_700 / 2 + 8_670);
    }
}
