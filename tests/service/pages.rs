//! T42, T43: pages in browsers, which show their user's certificate without being asked.

use signet_api::ErrorCode;
use signet_api::admin::DeviceAction;

use crate::support::socket::Socket;
use crate::support::{Protocol, Reply, TestService};

const CONSOLE: &str = "https://console.example";
const LISTED: &str = "[browser]\norigins = [\"https://console.example\"]";

/// As the administrator's browser sends it.
async fn page(service: &TestService, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let admin = service.installation.administrator();
    service.send_as(admin, method, path, headers, body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t42_a_page_of_another_site_hears_nothing_over_a_socket() {
    for toml in ["", LISTED] {
        let service = TestService::builder().toml(toml).start().await;
        let admin = service.installation.administrator();
        for headers in [
            [("origin", "https://evil.example")],
            [("origin", "null")],
            [("origin", "https://console.example.evil.example")],
            [("origin", "http://console.example")],
            [("sec-fetch-site", "cross-site")],
            [("sec-fetch-site", "same-site")],
        ] {
            let refused = Socket::try_open(&service, Some(admin.clone()), "", &headers).await.err().unwrap();
            assert_eq!(refused.problem().code, ErrorCode::Forbidden, "{headers:?}");
            for (method, path) in [("GET", "/v1/events"), ("POST", "/v1/events/tickets"), ("GET", "/v1/whoami")] {
                let reply = page(&service, method, path, &headers, "").await;
                assert_eq!(reply.problem().code, ErrorCode::Forbidden, "{headers:?} {path}");
                assert_eq!(reply.header("access-control-allow-origin"), None);
            }
        }
        let twice = [("origin", CONSOLE), ("origin", "https://evil.example")];
        assert_eq!(page(&service, "GET", "/v1/whoami", &twice, "").await.status, 403);
        assert!(service.running.service.hub.watchers().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t43_a_page_on_the_list_may_follow_events_and_do_nothing_else() {
    let service = TestService::builder().toml(LISTED).start().await;
    let admin = service.installation.administrator();
    let own = [("origin", CONSOLE)];
    let socket = Socket::try_open(&service, Some(admin.clone()), "", &own).await.ok().unwrap();
    drop(socket);
    let ticket = page(&service, "POST", "/v1/events/tickets", &own, "").await;
    assert_eq!(ticket.status, 200);
    for (name, value) in [
        ("access-control-allow-origin", CONSOLE),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "request-id, retry-after"),
        ("vary", "origin"),
    ] {
        assert_eq!(ticket.header(name), Some(value));
    }
    // A page has to be able to read why it was refused.
    let refused = service.send("GET", "/v1/events", &own, b"").await;
    assert_eq!(
        (refused.problem().code, refused.header("access-control-allow-origin")),
        (ErrorCode::NotAuthenticated, Some(CONSOLE))
    );
    // Without an origin nothing is said about any, and what is kept of it is kept for nobody else.
    let plain = page(&service, "GET", "/v1/whoami", &[], "").await;
    assert_eq!(
        (plain.status, plain.header("vary"), plain.header("access-control-allow-origin")),
        (200, Some("origin"), None)
    );

    service.device("victim").await;
    let suspend = r#"{"action":"suspend"}"#;
    let listed = page(&service, "POST", "/v1/admin/devices/victim", &own, suspend).await;
    assert_eq!(listed.problem().code, ErrorCode::Forbidden, "the list is for events");
    assert_eq!(service.show("victim").await.device.status, "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn t43_what_a_browser_asks_before_is_answered_for_the_paths_of_pages() {
    let service = TestService::builder().toml(LISTED).start().await;
    let ask = |origin: &'static str| [("origin", origin), ("access-control-request-method", "POST")];
    let good = service.send("OPTIONS", "/v1/events/tickets", &ask(CONSOLE), b"").await;
    assert_eq!((good.status, good.header("access-control-allow-methods")), (204, Some("POST")));
    assert_eq!(
        good.header("access-control-allow-headers"),
        Some("authorization, content-type, last-event-id, x-api-key")
    );
    assert_eq!((good.header("access-control-allow-origin"), good.header("vary")), (Some(CONSOLE), Some("origin")));
    let foreign = service.send("OPTIONS", "/v1/events/tickets", &ask("https://evil.example"), b"").await;
    assert_eq!((foreign.problem().code, foreign.header("access-control-allow-origin")), (ErrorCode::Forbidden, None));
    for path in ["/v1/admin/devices", "/v1/enroll", "/v1/events/other"] {
        let reply = service.send("OPTIONS", path, &ask(CONSOLE), b"").await;
        assert!(reply.status >= 400 && reply.header("access-control-allow-origin").is_none(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t43_everybody_on_a_developer_s_machine_and_without_what_the_browser_holds() {
    let toml = "[browser]\norigins = [\"*\", \"http://localhost:5173\"]\ndevelopment = true";
    let service = TestService::builder().toml(toml).start().await;
    let any = page(&service, "GET", "/v1/whoami", &[("origin", "https://a.example")], "").await;
    assert_eq!((any.status, any.header("access-control-allow-origin")), (200, Some("*")));
    assert_eq!(any.header("access-control-allow-credentials"), None);
    let named = page(&service, "GET", "/v1/whoami", &[("origin", "http://localhost:5173")], "").await;
    assert_eq!(named.header("access-control-allow-credentials"), Some("true"));
    let installation = service.stop().await;
    installation.replace_toml("development = true", "development = false");
    let Err(error) = signet::config::Config::load(&installation.config_path()) else { panic!("everybody was let in") };
    assert!(error.to_string().contains("\"*\"") && error.hint().contains("browser.development"), "{error}");
}

/// A form on another site, sent by the browser of an administrator with the certificate installed.
#[tokio::test(flavor = "multi_thread")]
async fn t43_another_site_changes_nothing_in_the_administrator_s_name() {
    let service = TestService::start().await;
    service.device("victim").await;
    let before = service.audit().await.len();
    for headers in [
        vec![("origin", "https://evil.example"), ("content-type", "text/plain")],
        vec![("origin", "null")],
        vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        for (path, body) in [
            ("/v1/admin/revocations", r#"{"device":"victim"}"#),
            ("/v1/admin/devices/victim", r#"{"action":"suspend"}"#),
            ("/v1/admin/tokens", r#"{"kind":"interactive","profile":"device","targets":[{"device":"new"}]}"#),
            ("/v1/renew", ""),
        ] {
            let reply = page(&service, "POST", path, &headers, body).await;
            assert_eq!(reply.problem().code, ErrorCode::Forbidden, "{path} {headers:?}");
        }
    }
    assert_eq!(service.audit().await.len(), before);
    // A page of ours and a program are no other site.
    crate::events::step(&service, "victim", DeviceAction::Suspend).await;
    let own = page(
        &service,
        "POST",
        "/v1/admin/devices/victim",
        &[("sec-fetch-site", "same-origin")],
        r#"{"action":"resume"}"#,
    );
    assert_eq!(own.await.status, 200);
}

/// A proxy that asks for permission sends the headers of the page's request along, and asks in its own name.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_proxy_forwards_is_not_taken_for_a_page() {
    let service = TestService::start().await;
    for (method, path) in [("POST", "/v1/authz/envoy/orders"), ("GET", "/v1/authz/nginx")] {
        let reply = service
            .send(method, path, &[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")], b"")
            .await;
        assert_eq!(reply.problem().code, ErrorCode::NotAuthenticated, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t43_no_answer_is_a_page_a_script_or_a_frame() {
    let service = TestService::start().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut wire = service.wire(Some(service.installation.administrator()), protocol).await;
        for (method, path) in
            [("GET", "/v1/whoami"), ("GET", "/v1/nothing"), ("DELETE", "/v1/whoami"), ("POST", "/v1/enroll")]
        {
            let reply = wire.send(method, path, &[], b"").await.unwrap();
            assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(reply.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
            assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"));
            // It would take the lists of the plain listener away from browsers.
            assert_eq!(reply.header("strict-transport-security"), None);
        }
    }
}
