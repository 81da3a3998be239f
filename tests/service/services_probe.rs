//! Connections to registered services: what they find, and where they do not go.

use signet_api::ErrorCode;
use signet_api::admin::RevokeRequest;
use signet_api::services::{ProbeOutcome, ProbeReport, ProbeRequest, RegisterService};
use tokio::net::TcpListener;

use crate::support::services::{dns, serve, with_names};
use crate::support::{Device, TestService, code};

const NAME: &str = "broker.acme.example";
const ALLOWED: &str = "[services]\nprobe = true\nallow = [\"127.0.0.0/8\"]\n";

async fn probe(service: &TestService, request: &ProbeRequest) -> Result<ProbeReport, signet_api::client::ClientError> {
    service.admin.post_json("/v1/services/broker/probe", request).await
}

/// Registered as served here at these ports.
async fn at(service: &TestService, broker: &Device, ports: Vec<u16>) {
    let address = Some([127, 0, 0, 1].into());
    let request = RegisterService { ports, address, ..broker.registration(&[NAME]) };
    service.register(broker, &request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_sees_what_a_client_with_the_present_lists_would_see() {
    let service = with_names(ALLOWED).start().await;
    let broker = service.service("broker", &[NAME]).await;
    let (good, wrong) = (serve(&broker).await, serve(&service.service("other", &[NAME]).await).await);
    let stranger = serve(&service.device("sensor-1").await).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = silent.local_addr().unwrap().port();
    drop(silent);
    at(&service, &broker, vec![good, wrong, stranger, nobody]).await;

    let report = probe(&service, &ProbeRequest::default()).await.unwrap();
    assert_eq!((report.outcome, report.reason.as_deref()), (ProbeOutcome::Good, None), "{report:?}");
    assert_eq!((report.protocol.as_deref(), report.port), (Some("TLSv1.3"), good));
    let shown = report.shown.unwrap();
    assert_eq!((shown.serial.as_str(), shown.status.as_str(), shown.current), (broker.serial(), "active", true));

    let other_port = |port| ProbeRequest { port: Some(port), dns_name: Some(dns(NAME)) };
    // The same name in a good certificate of ours, and not the service that was meant.
    let report = probe(&service, &other_port(wrong)).await.unwrap();
    assert_eq!(report.outcome, ProbeOutcome::Refused, "{report:?}");
    assert!(!report.shown.unwrap().current);
    let report = probe(&service, &other_port(stranger)).await.unwrap();
    assert_eq!((report.outcome, report.shown.unwrap().missing_names), (ProbeOutcome::Refused, vec![dns(NAME)]));
    let report = probe(&service, &other_port(nobody)).await.unwrap();
    assert_eq!((report.outcome, report.shown), (ProbeOutcome::Unreachable, None));

    // It goes on with an older certificate, and then that one is taken away.
    let next = service.renew(&broker).await.unwrap();
    service.as_device(&next).whoami().await.unwrap();
    let report = probe(&service, &ProbeRequest::default()).await.unwrap();
    let shown = report.shown.unwrap();
    assert_eq!((report.outcome, shown.status.as_str(), shown.current), (ProbeOutcome::Good, "superseded", false));
    let order = RevokeRequest { serial: Some(broker.serial().to_owned()), ..RevokeRequest::default() };
    service.revoke(&order).await.unwrap();
    let report = probe(&service, &ProbeRequest::default()).await.unwrap();
    assert_eq!((report.outcome, report.shown.unwrap().status.as_str()), (ProbeOutcome::Refused, "revoked"));
    assert!(report.reason.unwrap().contains("Revoked"), "the list says so as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn t24_a_probe_goes_where_the_operator_allows_it_and_nowhere_else() {
    let off = with_names("").start().await;
    let broker = off.service("broker", &[NAME]).await;
    at(&off, &broker, vec![443]).await;
    assert_eq!(code(probe(&off, &ProbeRequest::default()).await), ErrorCode::ProbeRefused);

    let elsewhere = "[services]\nprobe = true\nallow = [\"10.0.0.0/8\", \"::ffff:0:0/96\"]\n";
    let service = with_names(elsewhere).start().await;
    let broker = service.service("broker", &[NAME, "localhost"]).await;
    // Somebody listens there, and nobody comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for (address, name) in [
        (Some("127.0.0.1"), NAME),
        (Some("::ffff:127.0.0.1"), NAME),
        (Some("169.254.169.254"), NAME),
        (Some("::1"), NAME),
        (None, "localhost"),
    ] {
        let address = address.map(|text| text.parse().unwrap());
        let request = RegisterService { ports: vec![port], address, ..broker.registration(&[name]) };
        service.register(&broker, &request).await.unwrap();
        assert_eq!(
            code(probe(&service, &ProbeRequest::default()).await),
            ErrorCode::ProbeRefused,
            "{address:?} {name}"
        );
    }
    for request in [
        ProbeRequest { port: Some(22), ..ProbeRequest::default() },
        ProbeRequest { dns_name: Some(dns("metadata.internal")), ..ProbeRequest::default() },
    ] {
        assert_eq!(code(probe(&service, &request).await), ErrorCode::InvalidArgument, "{request:?}");
    }
    let mut came = std::pin::pin!(listener.accept());
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(came.as_mut().poll(cx).is_pending())).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_and_says_nothing_is_given_up() {
    let service = with_names(ALLOWED).start().await;
    let broker = service.service("broker", &[NAME]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    at(&service, &broker, vec![listener.local_addr().unwrap().port()]).await;
    let report = probe(&service, &ProbeRequest::default()).await.unwrap();
    assert_eq!(report.outcome, ProbeOutcome::Unreachable);
    assert!(report.reason.unwrap().contains("within 3 seconds"));
}
