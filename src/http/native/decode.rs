//! Bodies and headers of the native protocol.

use axum::http::{HeaderMap, header};
use data_encoding::BASE64;
use signet_api::enroll::{EnrollRequest, HardwareFacts, RecoverRequest, RenewRequest};
use signet_api::{ErrorCode, HEADER_BUNDLE, HEADER_HARDWARE_SERIAL};
use signet_pki::pem::{self, Label};
use signet_pki::view::CertificateView;

use crate::authorize::{Claims, RecoveryProof};
use crate::http::media;
use crate::http::refusal::Refusal;
use crate::http::request::json;

/// How the request came, which is also how it is answered unless `Accept` says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    /// A bare PKCS#10 request, PEM or DER.
    Bare,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Result<Form, Refusal> {
        let Some(essence) = media::of(headers)? else { return Ok(Form::Bare) };
        match essence.as_str() {
            "application/json" => Ok(Form::Json),
            // The last two are what `curl --data-binary` sends when nobody says otherwise, and what people guess.
            "application/pkcs10"
            | "application/x-pem-file"
            | "application/octet-stream"
            | "text/plain"
            | "application/x-www-form-urlencoded"
            | "" => Ok(Form::Bare),
            other => Err(Refusal::told(ErrorCode::UnsupportedMedia, format!("content type {other:?}"))),
        }
    }
}

pub(super) fn enroll(form: Form, body: &[u8], headers: &HeaderMap) -> Result<(Vec<u8>, HardwareFacts), Refusal> {
    let stated = headers.get(HEADER_HARDWARE_SERIAL).and_then(|v| v.to_str().ok()).map(str::to_owned);
    match form {
        Form::Bare => Ok((body.to_vec(), HardwareFacts { serial_number: stated, ..HardwareFacts::default() })),
        Form::Json => {
            let request: EnrollRequest = json(body)?;
            let mut facts = request.facts;
            check_sizes(&facts)?;
            facts.serial_number = facts.serial_number.or(stated);
            Ok((request.csr.into_bytes(), facts))
        }
    }
}

/// Twenty facts of 256 octets: what fits on a label. Some of them stand in the audit log.
fn check_sizes(facts: &HardwareFacts) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::told(ErrorCode::InvalidArgument, detail));
    if facts.other.len() > 16 || facts.other.iter().any(|(k, v)| k.len() > 64 || v.len() > 256) {
        return refused("facts.other: at most 16 entries of 64 and 256 characters");
    }
    let texts = [&facts.serial_number, &facts.manufacturer, &facts.model, &facts.firmware];
    if texts.into_iter().flatten().any(|text| text.len() > 256) {
        return refused("facts: texts of at most 256 characters");
    }
    Ok(())
}

pub(super) fn renew(form: Form, body: &[u8], headers: &HeaderMap) -> Result<(Vec<u8>, Claims), Refusal> {
    let bundle = held_bundle(headers)?;
    match form {
        Form::Bare => Ok((body.to_vec(), Claims { bundle, ..Claims::default() })),
        Form::Json => {
            let request: RenewRequest = json(body)?;
            let claims = Claims { device: request.device, profile: request.profile, groups: request.groups, bundle };
            Ok((request.csr.into_bytes(), claims))
        }
    }
}

/// The trust bundle that the device holds: a sequence, of which there are not ten thousand.
fn held_bundle(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get(HEADER_BUNDLE) else { return Ok(None) };
    let sequence = value.to_str().ok().filter(|text| text.len() <= 4).and_then(|text| text.parse().ok());
    let wrong = || Refusal::told(ErrorCode::InvalidArgument, format!("{HEADER_BUNDLE} is not a sequence"));
    sequence.map(Some).ok_or_else(wrong)
}

/// JSON only: a bare request has no place for the proof.
pub(super) fn recover(form: Form, body: &[u8]) -> Result<(Vec<u8>, RecoveryProof), Refusal> {
    if form != Form::Json {
        return Err(Refusal::told(ErrorCode::UnsupportedMedia, "a recovery is JSON: send application/json"));
    }
    let request: RecoverRequest = json(body)?;
    let refused = |detail: String| Refusal::told(ErrorCode::InvalidArgument, detail);
    let der = pem::pem_or_der(Label::Certificate, request.certificate.as_bytes())
        .map_err(|e| refused(format!("certificate: {e}")))?;
    let certificate = CertificateView::parse(&der).map_err(|e| refused(format!("certificate: {e}")))?;
    let signature = BASE64.decode(request.signature.trim().as_bytes());
    let signature = signature.map_err(|e| refused(format!("signature: not base64: {e}")))?;
    let CertificateView { serial, public_key, .. } = certificate;
    Ok((request.csr.into_bytes(), RecoveryProof { serial, key: public_key, signature }))
}

/// The form of the answer.
pub(super) fn wanted(headers: &HeaderMap, form: Form) -> Form {
    let accept = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if accept.contains("application/json") {
        Form::Json
    } else if accept.contains("pem") || accept.contains("text/plain") {
        Form::Bare
    } else {
        form
    }
}
