//! The OCSP responder over a store that fails, that is slow, and in a flood: never good by mistake.

use signet::ocsp::Outcome;
use signet::store::{AuditDraft, Mode, RevokeOrder, RevokeTarget};
use signet_pki::crl::Reason;
use signet_pki::ocsp::{CertId, IdHash, Status, Unsuccessful};
use signet_pki::serial::Serial;

use crate::calls::start;
use crate::faulty::Fault;
use crate::support::ocsp::{about, fetch, id, now, post, read, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_good() {
    let (service, store) = start().await;
    let device = service.device("sensor-1").await;
    let own = id(&service, &device);
    store.outage();
    for reply in [
        fetch(&service, &about(&[&own], None)).await,
        post(&service, &about(&[&own], Some(&[1; 16])).to_der()).await,
        post(&service, &about(&[&own, &own], None).to_der()).await,
    ] {
        assert_eq!((reply.status, refusal(&service, &reply)), (200, Unsuccessful::TryLater));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    store.recover();
    let kept = fetch(&service, &about(&[&own], None)).await;
    assert_eq!(read(&service, &kept).unwrap().about(&own, now(&service)), Some(Status::Good));
    // What was signed already is good for its time, like a list.
    store.outage();
    assert_eq!(fetch(&service, &about(&[&own], None)).await.body, kept.body);
    store.recover();
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_a_revocation_whose_answer_was_lost_is_seen_all_the_same() {
    let (service, store) = start().await;
    let device = service.device("sensor-1").await;
    let own = id(&service, &device);
    let status = async || {
        let reply = fetch(&service, &about(&[&own], None)).await;
        read(&service, &reply).unwrap().about(&own, now(&service)).unwrap()
    };
    assert_eq!(status().await, Status::Good);
    let at = now(&service);
    let draft = AuditDraft {
        kind: "revocation",
        actor: "test".into(),
        subject: device.serial().into(),
        request_id: "req-test".into(),
        detail: serde_json::json!({}),
        at,
    };
    let target = RevokeTarget::Serial(own.serial().unwrap().clone());
    store.fail_at(1, Fault::DoneButReported);
    let order = RevokeOrder { target, reason: Reason::Superseded, now: at, mode: Mode::Apply, draft };
    service.running.service.store.revoke(order).await.unwrap_err();
    assert_eq!(status().await, Status::Revoked { at, reason: Reason::Superseded });
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_an_answer_that_was_begun_before_a_revocation_is_not_remembered_after_it() {
    let (service, store) = start().await;
    let device = service.device("sensor-1").await;
    let own = id(&service, &device);
    let responder = service.running.service.ocsp.as_ref().unwrap().all()[0].clone();
    let request = about(&[&own], None);
    // It stands still between the look at the revision and the look at the certificate.
    let held = store.hold("standing");
    let begun = tokio::spawn({
        let (responder, request) = (responder.clone(), request.clone());
        async move { responder.answer(request).await }
    });
    held.arrived().await;
    service.revoke_device("sensor-1").await;
    held.release();
    let Outcome::Answered { answer: first, .. } = begun.await.unwrap() else { panic!("no answer") };
    let Outcome::Answered { answer: second, .. } = responder.answer(request).await else { panic!("no answer") };
    assert!(matches!(second.statuses[..], [Status::Revoked { .. }]));
    assert_ne!(first.der, second.der, "the first was remembered under a state that is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn t19_a_flood_of_questions_leaves_room_for_enrollment_and_writes_nothing() {
    let (service, store) = start().await;
    let responder = service.running.service.ocsp.as_ref().unwrap().all()[0].clone();
    store.called();
    let flood: Vec<_> = (0..2_000u32)
        .map(|number| {
            let mut random = [0x11; 20];
            random[16..].copy_from_slice(&number.to_be_bytes());
            let id = CertId::new(IdHash::Sha1, &service.issuer, &Serial::from_random(random));
            let responder = responder.clone();
            tokio::spawn(async move { responder.answer(about(&[&id], Some(&[1; 16]))).await })
        })
        .collect();
    service.device("sensor-1").await;
    let (mut answered, mut busy) = (0, 0);
    for one in flood {
        match one.await.unwrap() {
            Outcome::Answered { .. } => answered += 1,
            Outcome::Busy => busy += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(answered + busy, 2_000);
    assert!(answered >= 512, "{answered} answered, {busy} told to come later");
    // The enrollment's and nobody else's; the responder reads, and only once for each answer.
    let called = store.called();
    let count = |verb| called.iter().filter(|called| **called == verb).count();
    assert_eq!((count("commit"), count("create_tokens"), count("alarm")), (1, 1, 0));
    assert_eq!(count("standing"), answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_responder_says_when_to_come_back() {
    let (service, _) = start().await;
    let device = service.device("sensor-1").await;
    let own = id(&service, &device);
    let kept = fetch(&service, &about(&[&own], None)).await;
    let responder = service.running.service.ocsp.as_ref().unwrap().all()[0].clone();
    let private = about(&[&own], Some(&[1; 16]));
    // Both signing threads stand still until the senders are gone.
    let issuer = service.running.service.road.issuers.active().unwrap();
    let mut stops = Vec::new();
    for _ in 0..2 {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let issuer = issuer.clone();
        let work = move || {
            let _ = begin.send(());
            let _ = stopped.recv();
        };
        tokio::spawn(async move { issuer.run(work).await });
        begun.await.unwrap();
        stops.push(stop);
    }
    let mut waiting: Vec<_> = (0..512).map(|_| Box::pin(responder.answer(private.clone()))).collect();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for one in &mut waiting {
        assert!(one.as_mut().poll(&mut context).is_pending());
    }
    let busy = post(&service, &private.to_der()).await;
    assert_eq!((busy.status, busy.header("retry-after")), (503, Some("1")));
    assert_eq!(refusal(&service, &busy), Unsuccessful::TryLater);
    // What is remembered needs no place.
    assert_eq!(fetch(&service, &about(&[&own], None)).await.body, kept.body);
    drop(waiting);
    drop(stops);
    assert_eq!(post(&service, &private.to_der()).await.status, 200);
}
