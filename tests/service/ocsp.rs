//! The OCSP responder: what it says about whom, by which road it is asked, and how soon it knows.

use data_encoding::BASE64;
use signet::ocsp::Outcome;
use signet_api::admin::{DeviceAction, DeviceChange, RevokeRequest};
use signet_pki::crl::Reason;
use signet_pki::ocsp::{CertId, IdHash, Status, Unsuccessful};
use signet_pki::serial::Serial;

use crate::support::ocsp::{about, escaped, fetch, id, id as id_of, now, post, read, refusal};
use crate::support::{TestService, device_id, wire};

/// What is said about one certificate, in answer to a GET.
async fn status(service: &TestService, id: &CertId) -> Status {
    let reply = fetch(service, &about(&[id], None)).await;
    assert_eq!(reply.status, 200);
    read(service, &reply).unwrap().about(id, now(service)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_device_is_good_by_every_road() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let serial = Serial::parse(device.serial()).unwrap();
    for hash in [IdHash::Sha1, IdHash::Sha256] {
        let id = CertId::new(hash, &service.issuer, &serial);
        for nonce in [None, Some(&[7; 32][..]), Some(&[7]), Some(&[7; 128])] {
            let request = about(&[&id], nonce);
            for reply in [post(&service, &request.to_der()).await, fetch(&service, &request).await] {
                assert_eq!(reply.status, 200);
                let view = read(&service, &reply).unwrap();
                assert_eq!(view.about(&id, now(&service)), Some(Status::Good));
                assert_eq!((view.nonce.as_deref(), view.singles().len()), (nonce, 1));
                assert_eq!(view.produced_at, now(&service));
                let single = &view.singles()[0];
                assert_eq!(single.next_update.since(single.this_update), 3600);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_says_where_the_responder_is_and_the_responder_s_own_does_not() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let url = b"http://localhost:8080/ocsp";
    assert!(device.der().windows(url.len()).any(|w| w == url));
    let view = read(&service, &fetch(&service, &about(&[&id(&service, &device)], None)).await).unwrap();
    let responder = view.responder.der();
    assert!(!responder.windows(url.len()).any(|w| w == url) && !responder.windows(5).any(|w| w == b"/crl/"));
    let life = view.responder.not_after().since(view.responder.view().not_before);
    assert_eq!(life, 7 * 86_400 + 300);
    assert_ne!(view.responder.public_key(), service.issuer.public_key());
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_revocation_is_seen_at_once_also_where_an_answer_was_remembered() {
    let service = TestService::start().await;
    let (device, sibling) = (service.device("sensor-1").await, service.device("sensor-2").await);
    let (one, other) = (id(&service, &device), id(&service, &sibling));
    for id in [&one, &other, &one] {
        assert_eq!(status(&service, id).await, Status::Good);
    }
    // The clock stands still: it is the same second.
    let order = RevokeRequest {
        device: Some(device_id("sensor-1")),
        reason: Some(Reason::KeyCompromise),
        ..RevokeRequest::default()
    };
    service.revoke(&order).await.unwrap();
    let revoked = Status::Revoked { at: now(&service), reason: Reason::KeyCompromise };
    assert_eq!(status(&service, &one).await, revoked);
    assert_eq!(status(&service, &other).await, Status::Good);
    let both = read(&service, &post(&service, &about(&[&one, &other], Some(&[1; 16])).to_der()).await).unwrap();
    assert_eq!(both.about(&one, now(&service)), Some(revoked));
    // It stays so, after its own end as well.
    service.clock().advance(3 * 86_400);
    assert_eq!(status(&service, &one).await, revoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_every_way_to_end_a_certificate_reaches_the_responder() {
    let service = TestService::start().await;
    let retired = service.device("retired").await;
    let cloned = service.device("cloned").await;
    let newer = service.renew(&cloned).await.unwrap();
    let (retired_id, cloned_id, newer_id) = (id(&service, &retired), id(&service, &cloned), id(&service, &newer));
    for id in [&retired_id, &cloned_id, &newer_id] {
        assert_eq!(status(&service, id).await, Status::Good);
    }
    let retire = DeviceChange { action: Some(DeviceAction::Retire), ..DeviceChange::default() };
    service.change("retired", &retire).await.unwrap();
    let ended = |reason| Status::Revoked { at: now(&service), reason };
    assert_eq!(status(&service, &retired_id).await, ended(Reason::CessationOfOperation));
    // A superseded certificate that comes back is revoked by itself, without an administrator.
    service.as_device(&newer).whoami().await.unwrap();
    assert_eq!(status(&service, &cloned_id).await, Status::Good);
    service.as_device(&cloned).whoami().await.unwrap_err();
    assert_eq!(status(&service, &cloned_id).await, ended(Reason::Superseded));
    assert_eq!(status(&service, &newer_id).await, Status::Good);
}

#[tokio::test(flavor = "multi_thread")]
async fn t38_a_serial_that_was_never_handed_out_is_unknown_and_never_good() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    for number in ["01", "4f00a1", &"7f".repeat(20)] {
        let id = CertId::new(IdHash::Sha256, &service.issuer, &Serial::parse(number).unwrap());
        let reply = fetch(&service, &about(&[&id], None)).await;
        assert_eq!(read(&service, &reply).unwrap().about(&id, now(&service)), Some(Status::Unknown));
        assert_eq!(reply.header("cache-control"), Some("no-store"), "it may be issued in the next moment");
        let known = id_of(&service, &device);
        let view = read(&service, &post(&service, &about(&[&id, &known], None).to_der()).await).unwrap();
        assert_eq!(view.about(&id, now(&service)), Some(Status::Unknown));
        assert_eq!(view.about(&known, now(&service)), Some(Status::Good));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_for_its_own_issuer_alone() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let serial = Serial::parse(device.serial()).unwrap();
    let foreign = CertId::new(IdHash::Sha1, &service.root, &serial);
    let own = id(&service, &device);
    for ids in [&[&foreign][..], &[&own, &foreign], &[&foreign, &own]] {
        let reply = post(&service, &about(ids, None).to_der()).await;
        assert_eq!(reply.status, 200);
        assert_eq!(refusal(&service, &reply), Unsuccessful::Unauthorized);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_nonce_may_be_kept_for_a_minute_and_one_with_it_not_at_all() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let own = id(&service, &device);
    let first = fetch(&service, &about(&[&own], None)).await;
    assert_eq!(first.header("cache-control"), Some("max-age=60, public, no-transform, must-revalidate"));
    let etag = first.header("etag").unwrap().to_owned();
    assert!(etag.starts_with('"') && first.header("last-modified").unwrap().ends_with(" GMT"));
    assert!(first.header("expires").unwrap().ends_with(" GMT"));
    let path = format!("/ocsp/{}", escaped(&BASE64.encode(&about(&[&own], None).to_der())));
    let known = wire::send_plain(service.running.plain, "GET", &path, &[("if-none-match", &etag)]).await;
    assert_eq!((known.status, known.body.len(), known.header("etag")), (304, 0, Some(etag.as_str())));
    // From memory: an ECDSA signature made again would be another.
    assert_eq!(fetch(&service, &about(&[&own], None)).await.body, first.body);
    assert_eq!(post(&service, &about(&[&own], None).to_der()).await.body, first.body);
    let nonce = fetch(&service, &about(&[&own], Some(&[1; 16]))).await;
    assert_eq!((nonce.header("cache-control"), nonce.header("etag")), (Some("no-store"), None));
    // At half of its life it is made anew.
    service.clock().advance(1_600);
    assert_eq!(fetch(&service, &about(&[&own], None)).await.body, first.body);
    service.clock().advance(100);
    let second = fetch(&service, &about(&[&own], None)).await;
    assert_ne!(second.body, first.body);
    assert_eq!(read(&service, &second).unwrap().about(&own, now(&service)), Some(Status::Good));
    let metrics = service.local("/metrics").await;
    assert!(metrics.text().contains("signet_ocsp_outcomes_total{outcome=\"Good\"} 7"), "{}", metrics.text());
    assert!(metrics.text().contains("signet_ocsp_cache_hits_total 4"), "{}", metrics.text());
    assert!(metrics.text().contains("signet_ocsp_seconds_count 7"), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_responder_renews_itself_with_a_new_key_and_on_no_disk() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let request = about(&[&id(&service, &device)], Some(&[1; 16]));
    let first = read(&service, &post(&service, &request.to_der()).await).unwrap().responder;
    service.clock().advance(4 * 86_400);
    signet::housekeeping::renew_responder(&service.running.service).await;
    let second = read(&service, &post(&service, &request.to_der()).await).unwrap().responder;
    assert_ne!(first.public_key(), second.public_key());
    assert!(second.not_after() > first.not_after());
    signet::housekeeping::renew_responder(&service.running.service).await;
    let third = read(&service, &post(&service, &request.to_der()).await).unwrap().responder;
    assert_eq!(second.der(), third.der(), "once is enough");
    let names = service.audit_of("certificate.issued_by_operator").await;
    let own = format!("ocsp-{}", service.issuer.short_id());
    assert_eq!(names.iter().filter(|entry| entry.subject == own).count(), 2);
    // Revoking it, by number or by name, gets it a new key.
    let serial = Some(second.view().serial.to_string());
    service.revoke(&RevokeRequest { serial, ..RevokeRequest::default() }).await.unwrap();
    signet::housekeeping::renew_responder(&service.running.service).await;
    let fourth = read(&service, &post(&service, &request.to_der()).await).unwrap().responder;
    assert_ne!(fourth.public_key(), second.public_key());
    service.revoke_device(&own).await;
    signet::housekeeping::renew_responder(&service.running.service).await;
    let fifth = read(&service, &post(&service, &request.to_der()).await).unwrap().responder;
    assert_ne!(fifth.public_key(), fourth.public_key());
    // One whose certificate has ended says nothing.
    service.clock().advance(8 * 86_400);
    let Outcome::Refused(refusal) = service.running.service.ocsp.as_ref().unwrap().answer(request).await else {
        panic!("an ended responder answered")
    };
    assert_eq!(refusal, Unsuccessful::TryLater);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_responder_that_is_switched_off_is_neither_there_nor_named() {
    let installation = crate::support::Installation::new().await;
    installation.replace_toml("[publication]\n", "[publication]\nocsp = false\n");
    let service = TestService::builder().start_in(installation).await;
    let device = service.device("sensor-1").await;
    assert!(!device.der().windows(5).any(|w| w == b"/ocsp"));
    let reply = post(&service, &about(&[&id(&service, &device)], None).to_der()).await;
    assert_eq!(reply.status, 404);
    assert_eq!(service.local("/readyz").await.status, 200);
    assert!(service.audit_of("certificate.issued_by_operator").await.iter().all(|e| !e.subject.starts_with("ocsp-")));
}
