//! Requests to the OCSP responder that are no requests, and requests that are hard to read.

use data_encoding::{BASE64, BASE64_NOPAD};
use signet_api::ErrorCode;
use signet_pki::ocsp::{CertId, IdHash, Status, Unsuccessful};
use signet_pki::serial::Serial;

use crate::support::ocsp::{REQUEST, about, escaped, id, now, post, read, refusal};
use crate::support::{TestService, wire};

#[tokio::test(flavor = "multi_thread")]
async fn t20_garbage_is_a_malformed_request_and_leaves_no_trace() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let entries = service.audit().await.len();
    let good = about(&[&id(&service, &device)], None).to_der();
    let with_more = [&good[..], &[0]].concat();
    for body in [&[][..], b"GET", &good[..good.len() - 1], &with_more, &[0x30, 0x80, 0, 0], &[0xff; 4096]] {
        let reply = post(&service, body).await;
        assert_eq!((reply.status, refusal(&service, &reply)), (200, Unsuccessful::MalformedRequest));
    }
    for path in
        ["/ocsp/x", "/ocsp/!!!!", "/ocsp/MAMCAQE%3D%3D%3D%3D", "/ocsp/%00", &format!("/ocsp/{}", "A".repeat(6000))]
    {
        let reply = service.plain(path).await;
        assert_eq!((reply.status, refusal(&service, &reply)), (200, Unsuccessful::MalformedRequest), "{path}");
    }
    assert_eq!(service.plain("/ocsp").await.problem().code, ErrorCode::NotFound);
    assert_eq!(service.plain("/ocsp/").await.problem().code, ErrorCode::NotFound);
    let large = post(&service, &[0; 4097]).await;
    assert_eq!(large.problem().code, ErrorCode::BodyTooLarge);
    let address = service.running.plain;
    for kind in [&[][..], &[("content-type", "text/plain")]] {
        let reply = wire::send_plain_body(address, "POST", "/ocsp", kind, &good).await;
        assert_eq!(reply.problem().code, ErrorCode::UnsupportedMedia);
    }
    let other = wire::send_plain_body(address, "PUT", "/ocsp", &[REQUEST], &good).await;
    assert_eq!(other.problem().code, ErrorCode::MethodNotAllowed);
    assert_eq!(service.audit().await.len(), entries);
    // Nor is it on the API's listener.
    assert_eq!(service.send("POST", "/ocsp", &[REQUEST], &good).await.problem().code, ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_in_a_path_are_read_however_they_are_escaped() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    let mut seen = String::new();
    for number in 1..40u8 {
        // Numbers and lengths whose base64 has every sign in it sooner or later.
        let serial = Serial::from_random([number.wrapping_mul(251); 20]);
        let id = CertId::new(IdHash::Sha1, &service.issuer, &serial);
        let nonce = vec![0xfb - number; usize::from(number)];
        let request = about(&[&id], Some(&nonce)).to_der();
        let (padded, bare) = (BASE64.encode(&request), BASE64_NOPAD.encode(&request));
        seen.push_str(&padded);
        for text in [escaped(&padded), escaped(&bare), padded.clone(), bare.clone(), padded.replace('+', "%2b")] {
            let reply = service.plain(&format!("/ocsp/{text}")).await;
            let view = read(&service, &reply).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(view.about(&id, now(&service)), Some(Status::Unknown));
        }
    }
    assert!(seen.contains('/') && seen.contains('+') && seen.contains('='), "{seen}");
}
