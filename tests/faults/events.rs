//! An event is told when its change is durable: not before, not without it, and also when the answer was lost.

use signet_api::admin::{DeviceAction, DeviceChange, RevokeReport, RevokeRequest};

use crate::equal_work::watched;
use crate::faulty::Fault;
use crate::support::stream::Stream;
use crate::support::{Protocol, TestService, device_id};

fn revocation(id: &str) -> RevokeRequest {
    RevokeRequest { device: Some(device_id(id)), ..RevokeRequest::default() }
}

async fn listen(service: &TestService) -> Stream {
    Stream::open(service, service.installation.administrator(), Protocol::Http1, None).await
}

async fn suspend(service: &TestService, id: &str) {
    let change = DeviceChange { action: Some(DeviceAction::Suspend), ..DeviceChange::default() };
    service.change(id, &change).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_revocation_is_no_event_and_one_whose_answer_was_lost_is() {
    let (service, store) = watched().await;
    for id in ["lost", "done", "marker"] {
        service.device(id).await;
    }
    let mut stream = listen(&service).await;
    store.fail_next("revoke", Fault::Lost);
    service.revoke(&revocation("lost")).await.unwrap_err();
    store.fail_next("revoke", Fault::DoneButReported);
    service.revoke(&revocation("done")).await.unwrap_err();
    assert_eq!(stream.event().await.list("devices"), ["done"]);
    service.revoke(&revocation("marker")).await.unwrap();
    assert_eq!(stream.event().await.list("devices"), ["marker"]);
    // The repetition of what was lost is the first of its kind.
    service.revoke(&revocation("lost")).await.unwrap();
    assert_eq!(stream.event().await.list("devices"), ["lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_after_its_commit() {
    let (service, store) = watched().await;
    for id in ["held", "marker"] {
        service.device(id).await;
    }
    let mut stream = listen(&service).await;
    let held = store.hold("revoke");
    let order = revocation("held");
    // On a connection of its own: the administrator's carries one request at a time.
    let other = service.client(Some(service.installation.administrator()));
    let revoking = async { other.post_json::<_, RevokeReport>("/v1/admin/revocations", &order).await };
    let meanwhile = async {
        held.arrived().await;
        suspend(&service, "marker").await;
        let first = stream.event().await;
        assert_eq!((first.name.as_str(), first.list("devices")), ("device.suspended", vec!["marker".to_owned()]));
        held.release();
        stream.event().await
    };
    let (revoked, event) = tokio::join!(revoking, meanwhile);
    revoked.unwrap();
    assert_eq!(event.list("devices"), ["held"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_fails_delays_an_event_and_loses_none() {
    let (service, store) = watched().await;
    for id in ["one", "two"] {
        service.device(id).await;
    }
    let mut stream = listen(&service).await;
    store.fail_next("audit", Fault::Lost);
    service.revoke(&revocation("one")).await.unwrap();
    service.revoke(&revocation("two")).await.unwrap();
    assert_eq!(stream.event().await.list("devices"), ["one"]);
    assert_eq!(stream.event().await.list("devices"), ["two"]);
    assert_eq!(store.recover(), ["audit"]);
}
