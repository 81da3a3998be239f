//! Asking the OCSP responder.

use data_encoding::BASE64;
use signet_pki::UnixTime;
use signet_pki::ocsp::{CertId, IdHash, OcspError, OcspRequest, OcspView, Unsuccessful};
use signet_pki::serial::Serial;

use super::{Device, Reply, TestService, wire};

pub(crate) const REQUEST: (&str, &str) = ("content-type", "application/ocsp-request");

pub(crate) fn id(service: &TestService, device: &Device) -> CertId {
    CertId::new(IdHash::Sha1, &service.issuer, &Serial::parse(device.serial()).unwrap())
}

pub(crate) fn about(ids: &[&CertId], nonce: Option<&[u8]>) -> OcspRequest {
    OcspRequest::new(ids.iter().map(|id| (*id).clone()).collect(), nonce.map(<[u8]>::to_vec)).unwrap()
}

pub(crate) async fn post(service: &TestService, body: &[u8]) -> Reply {
    wire::send_plain_body(service.running.plain, "POST", "/ocsp", &[REQUEST], body).await
}

/// Every octet but letters and digits escaped.
pub(crate) fn escaped(text: &str) -> String {
    let one = |c: char| if c.is_ascii_alphanumeric() { c.to_string() } else { format!("%{:02X}", c as u32) };
    text.chars().map(one).collect()
}

pub(crate) async fn fetch(service: &TestService, request: &OcspRequest) -> Reply {
    service.plain(&format!("/ocsp/{}", escaped(&BASE64.encode(&request.to_der())))).await
}

/// A verified answer; its refusal is an error.
pub(crate) fn read(service: &TestService, reply: &Reply) -> Result<OcspView, OcspError> {
    assert_eq!(reply.header("content-type"), Some("application/ocsp-response"), "{reply:?}");
    OcspView::verified(&reply.body, &service.issuer, now(service))
}

pub(crate) fn now(service: &TestService) -> UnixTime {
    UnixTime(service.clock_ms() as i64 / 1000)
}

/// The refusal that an answer must be.
pub(crate) fn refusal(service: &TestService, reply: &Reply) -> Unsuccessful {
    match read(service, reply).unwrap_err() {
        OcspError::Unsuccessful(refusal) => refusal,
        other => panic!("{other}"),
    }
}
