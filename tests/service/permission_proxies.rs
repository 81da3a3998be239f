//! nginx and Envoy ask for their clients: by headers, and answered by the status.

use signet_api::ErrorCode;
use signet_pki::Fingerprint;

use crate::permission::{member, start};
use crate::support::{Device, Protocol, Reply, TestService};

fn escaped(device: &Device) -> String {
    let reserved = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' => c.to_string(),
        other => format!("%{:02X}", other as u32),
    };
    device.certificate.certificate.chars().map(reserved).collect()
}

/// What the printed configuration has nginx send.
async fn nginx(service: &TestService, asker: &Device, headers: &[(&str, &str)]) -> Reply {
    service.send_as(asker.identity(), "GET", "/v1/authz/nginx", headers, b"").await
}

async fn nginx_of(service: &TestService, asker: &Device, client: &Device, method: &str, uri: &str) -> Reply {
    let certificate = escaped(client);
    let headers = [
        ("x-client-cert", certificate.as_str()),
        ("x-client-verify", "SUCCESS"),
        ("x-original-method", method),
        ("x-original-uri", uri),
        ("x-real-ip", "192.0.2.7"),
    ];
    nginx(service, asker, &headers).await
}

fn xfcc(client: &Device) -> String {
    let hash = data_encoding::HEXLOWER.encode(&Fingerprint::of(&client.der()).0);
    format!("By=spiffe://a/service/web;Hash={hash};Subject=\"CN=x\";URI={}", client.view().uris[0])
}

async fn envoy(service: &TestService, asker: &Device, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
    service.send_as(asker.identity(), method, &format!("/v1/authz/envoy{path}"), headers, b"").await
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_hears_a_status_and_what_to_pass_on() {
    let (service, web) = start().await;
    let (sensor, other) = (member(&service, "sensor", &["sensors"]).await, member(&service, "other", &[]).await);
    let good = nginx_of(&service, &web, &sensor, "GET", "/data/1?x=y").await;
    assert_eq!((good.status, good.text()), (200, ""));
    let told = |name: &str| good.header(name).unwrap();
    assert_eq!((told("x-signet-subject"), told("x-signet-groups"), told("x-signet-ttl")), ("sensor", "sensors", "30"));
    assert_eq!((told("x-signet-reasons"), told("x-signet-fail-mode")), ("rule:sensors-report", "closed"));
    assert_eq!((told("x-signet-policy").len(), told("cache-control")), (16, "no-store"));
    for (client, method, uri) in [
        (&other, "GET", "/data/1"),
        (&sensor, "DELETE", "/data/1"),
        (&sensor, "GET", "/admin"),
        (&sensor, "GET", "/data/../admin"),
        (&sensor, "GET", "/data/%2e%2e/admin"),
        (&sensor, "GET", "//data/1"),
    ] {
        let reply = nginx_of(&service, &web, client, method, uri).await;
        assert_eq!(reply.status, 403, "{method} {uri}");
        assert_eq!(reply.problem().code, ErrorCode::NotPermitted);
        assert_eq!(reply.problem().detail, None, "the client of the proxy may read it");
    }
    service.revoke_device("sensor").await;
    let reply = nginx_of(&service, &web, &sensor, "GET", "/data/1").await;
    assert_eq!((reply.status, reply.header("x-signet-reasons")), (403, Some("status.revoked")));
    let why: signet_api::admin::WhyReport =
        service.admin.get_json(&format!("/v1/admin/why/{}", reply.problem().request_id)).await.unwrap();
    assert!(format!("{why:?}").contains("status.revoked"), "{why:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_is_refused_what_it_does_not_say_clearly() {
    let (service, web) = start().await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let serial = sensor.serial();
    let base = [("x-client-serial", serial), ("x-original-method", "GET"), ("x-original-uri", "/data/1")];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    assert_eq!(nginx(&service, &web, &base).await.status, 200, "a serial number is enough");
    // 401 is for the client that showed nothing; everything else is for the operator, and nginx makes 500 of it.
    let nobody = nginx(&service, &web, &base[1..]).await;
    assert_eq!((nobody.status, nobody.problem().code), (401, ErrorCode::NotAuthenticated));
    let empty = [("x-client-cert", ""), ("x-original-method", "GET"), ("x-original-uri", "/data/1")];
    assert_eq!(nginx(&service, &web, &empty).await.status, 401);
    let failed = nginx(&service, &web, &with(&[("x-client-verify", "FAILED:self-signed")])).await;
    assert_eq!((failed.status, failed.header("x-signet-reasons")), (403, Some("certificate.unverified")));
    for (name, value) in [
        ("x-client-serial", serial),
        ("x-original-uri", "/admin"),
        ("x-original-method", "POST"),
        ("x-real-ip", "nowhere"),
        ("user-agent", "curl"),
        ("cookie", "a=b"),
        ("authorization", "Bearer x"),
    ] {
        let reply = nginx(&service, &web, &[&base[..], &[(name, value)]].concat()).await;
        assert_eq!(reply.status, 400, "{name}");
    }
    assert_eq!(nginx(&service, &web, &base[..2]).await.status, 400);
    let lower = [base[0], ("x-original-method", "get"), base[2]];
    assert_eq!(nginx(&service, &web, &lower).await.status, 400);
    let query = async |query: &str| {
        let path = format!("/v1/authz/nginx?{query}");
        service.send_as(web.identity(), "GET", &path, &base[..1], b"").await.status
    };
    assert_eq!(query("action=read&resource=service:web").await, 200);
    assert_eq!(query("action=read&resource=service:other").await, 403);
    assert_eq!(query("action=read&resource=service:web&more=x").await, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_asks_with_its_client_s_method_and_path() {
    let (service, web) = start().await;
    let (sensor, other) = (member(&service, "sensor", &["sensors"]).await, member(&service, "other", &[]).await);
    let header = xfcc(&sensor);
    let headers = [("x-forwarded-client-cert", header.as_str()), ("authorization", "Bearer of-the-application")];
    let good = envoy(&service, &web, "POST", "/data/1?x=y", &headers).await;
    assert_eq!((good.status, good.header("x-signet-subject")), (200, Some("sensor")), "{}", good.text());
    assert_eq!(envoy(&service, &web, "PUT", "/data/1", &headers).await.status, 403);
    for path in ["", "/", "/data", "/data/../x", "/data/%2e%2e/x", "/data//x", "/other"] {
        let reply = envoy(&service, &web, "GET", path, &headers).await;
        assert!(matches!(reply.status, 400 | 403 | 404), "{path}: {}", reply.status);
    }
    let with_certificate = format!("Hash={};Cert=\"{}\"", "00".repeat(32), escaped(&sensor));
    let contradicting =
        envoy(&service, &web, "GET", "/data/1", &[("x-forwarded-client-cert", &with_certificate)]).await;
    assert_eq!(contradicting.header("x-signet-reasons"), Some("subject.mismatch"));
    let whole = format!("Cert=\"{}\"", escaped(&sensor));
    assert_eq!(envoy(&service, &web, "GET", "/data/1", &[("x-forwarded-client-cert", &whole)]).await.status, 200);
    let denied = envoy(&service, &web, "GET", "/data/1", &[("x-forwarded-client-cert", &xfcc(&other))]).await;
    assert_eq!((denied.status, denied.problem().code), (403, ErrorCode::NotPermitted));
    assert_eq!(envoy(&service, &web, "GET", "/data/1", &[]).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn t23_what_a_header_says_about_a_client_counts_from_a_registered_service_alone() {
    let (service, web) = start().await;
    let sensor = member(&service, "sensor", &["sensors"]).await;
    let unregistered = service.service("stranger", &["stranger.acme.example"]).await;
    let header = xfcc(&sensor);
    let forged = [
        ("x-client-serial", sensor.serial()),
        ("x-original-method", "GET"),
        ("x-original-uri", "/data/1"),
        ("x-forwarded-client-cert", &header),
    ];
    for identity in [sensor.identity(), unregistered.identity(), service.installation.administrator()] {
        for path in ["/v1/authz/nginx", "/v1/authz/envoy/data/1"] {
            let reply = service.send_as(identity.clone(), "GET", path, &forged, b"").await;
            assert_eq!((reply.status, reply.problem().code), (403, ErrorCode::Forbidden), "{path}");
        }
    }
    let mut nobody = service.wire(None, Protocol::Http2).await;
    for path in ["/v1/authz/nginx", "/v1/authz/envoy/data/1"] {
        assert_eq!(nobody.send("GET", path, &forged, b"").await.unwrap().status, 401, "{path}");
    }
    // The same headers say nothing about who asks elsewhere.
    let whoami = service.send_as(web.identity(), "GET", "/v1/whoami", &forged, b"").await;
    assert!(whoami.text().contains("\"web\"") && !whoami.text().contains("sensor"), "{}", whoami.text());
    // A client behind Envoy cannot put an element of its own beside the proxy's.
    let two = format!("{},{}", xfcc(&sensor), xfcc(&web));
    let reply = envoy(&service, &web, "GET", "/data/1", &[("x-forwarded-client-cert", &two)]).await;
    assert_eq!((reply.status, reply.header("x-signet-reasons")), (403, Some("certificate.unverified")));
    let twice = [("x-forwarded-client-cert", header.as_str()), ("x-forwarded-client-cert", header.as_str())];
    assert_eq!(envoy(&service, &web, "GET", "/data/1", &twice).await.status, 400);
}
