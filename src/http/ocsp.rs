//! `/ocsp` on the plain listener (RFC 6960 appendix A, RFC 5019 5 and 6). A refusal is an OCSP answer, so HTTP says 200.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use data_encoding::BASE64_NOPAD;
use signet_api::ErrorCode;
use signet_pki::UnixTime;
use signet_pki::ocsp::{OcspRequest, Status, Unsuccessful};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::App;
use super::documents::matches;
use super::limits;
use super::media;
use super::refusal::Refusal;
use super::request;
use crate::ocsp::{Answered, Outcome, Source};
use crate::telemetry::OcspOutcome;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/ocsp", get(nothing).post(posted)).route("/ocsp/{*request}", get(fetched))
}

/// A request belongs behind the slash, or into a POST.
async fn nothing() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "an OCSP request without a request")
}

async fn posted(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = incoming.into_parts();
    if media::of(&parts.headers)?.as_deref() != Some(REQUEST) {
        return Err(Refusal::new(ErrorCode::UnsupportedMedia, "an OCSP request that does not say that it is one"));
    }
    let bytes = request::body(&service, body, limits::OCSP_BYTES).await?;
    answer(&service, &bytes, None).await
}

async fn fetched(
    State(service): State<App>,
    Path(text): Path<String>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    // Slashes and plus signs come as they are and escaped, and some clients leave the padding out.
    let text = text.trim_end_matches('=').as_bytes();
    let length_fits = text.len() <= limits::OCSP_BYTES * 4 / 3 + 1;
    let bytes = BASE64_NOPAD.decode(if length_fits { text } else { b"=" }).unwrap_or_default();
    answer(&service, &bytes, Some(&headers)).await
}

/// `fetched` are the headers of a GET, whose answer caches may keep.
async fn answer(service: &App, bytes: &[u8], fetched: Option<&HeaderMap>) -> Result<Response<Body>, Refusal> {
    let Some(responders) = &service.ocsp else {
        return Err(Refusal::new(ErrorCode::NotFound, "publication.ocsp is false"));
    };
    let began = service.metrics.ocsp_begins();
    let outcome = match OcspRequest::parse(bytes) {
        Ok(request) => responders.answer(request).await,
        Err(_) => Outcome::Refused(Unsuccessful::MalformedRequest),
    };
    let response = match outcome {
        Outcome::Answered { answer, source } => {
            answer.statuses.iter().for_each(|status| service.metrics.ocsp_said(said(*status)));
            if source == Source::Memory {
                service.metrics.ocsp_remembered();
            }
            match fetched.filter(|_| source != Source::Private) {
                Some(headers) => shared(&answer, headers, service.clock.now()),
                None => plain(answer.der.clone()),
            }
        }
        Outcome::Refused(refusal) => {
            service.metrics.ocsp_said(refused(refusal));
            plain(refusal.to_der().into())
        }
        Outcome::Busy => {
            service.metrics.ocsp_said(OcspOutcome::Busy);
            let mut response = plain(Unsuccessful::TryLater.to_der().into());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    };
    service.metrics.ocsp_ends(began);
    Ok(response)
}

/// For this client and this moment.
fn plain(der: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(der));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ANSWER));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// RFC 5019 6.2. Caches keep it for a minute, as they keep lists: for so long they may delay a revocation.
fn shared(answer: &Answered, request: &HeaderMap, now: UnixTime) -> Response<Body> {
    let mut response = plain(answer.der.clone());
    if request.get(header::IF_NONE_MATCH).is_some_and(|value| matches(value, &answer.etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    let age = answer.next_update.since(now).clamp(0, CACHED_SECONDS);
    let control = format!("max-age={age}, public, no-transform, must-revalidate");
    let lines = [
        (header::CACHE_CONTROL, control),
        (header::ETAG, answer.etag.clone()),
        (header::LAST_MODIFIED, http_date(answer.this_update)),
        (header::EXPIRES, http_date(answer.next_update)),
    ];
    for (name, value) in lines {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// IMF-fixdate (RFC 9110 5.6.7).
fn http_date(at: UnixTime) -> String {
    const FIXDATE: &[BorrowedFormatItem<'_>] =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = OffsetDateTime::from_unix_timestamp(at.0).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(FIXDATE).unwrap_or_default()
}

fn said(status: Status) -> OcspOutcome {
    match status {
        Status::Good => OcspOutcome::Good,
        Status::Revoked { .. } => OcspOutcome::Revoked,
        Status::Unknown => OcspOutcome::Unknown,
    }
}

fn refused(refusal: Unsuccessful) -> OcspOutcome {
    match refusal {
        Unsuccessful::MalformedRequest => OcspOutcome::Malformed,
        Unsuccessful::InternalError => OcspOutcome::InternalError,
        Unsuccessful::TryLater => OcspOutcome::TryLater,
        Unsuccessful::Unauthorized => OcspOutcome::Unauthorized,
    }
}

const REQUEST: &str = "application/ocsp-request";
const ANSWER: &str = "application/ocsp-response";
const CACHED_SECONDS: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_http_wants_them() {
        // The example of RFC 9110 5.6.7.
        assert_eq!(http_date(UnixTime(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
