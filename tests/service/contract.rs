//! What callers may rely on: refusals, forms, versions of HTTP.

use signet_api::ErrorCode::{self, *};
use signet_api::admin::WhyReport;
use signet_api::enroll::IssuedCertificate;
use signet_pki::pem;

use crate::support::{Protocol, Reply, TestKey, TestService, code, issued, wire};

/// One way to be refused: method, path, headers, body.
struct Bad {
    code: ErrorCode,
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn refusals(token: &str) -> Vec<Bad> {
    let bearer = ("authorization", format!("Bearer {token}"));
    let json = ("content-type", "application/json".to_owned());
    let csr = TestKey::p256().csr_der();
    let bad = |code, method, path, headers: &[(&'static str, String)], body: &[u8]| Bad {
        code,
        method,
        path,
        headers: headers.to_vec(),
        body: body.to_vec(),
    };
    let of = |name: &'static str, value: &str| (name, value.to_owned());
    let one = std::slice::from_ref(&bearer);
    vec![
        bad(MalformedRequest, "POST", "/v1/enroll", &[bearer.clone(), json.clone()], b"{"),
        bad(MalformedRequest, "POST", "/v1/enroll", &[bearer.clone(), json.clone()], b"{\"csr\":\"x\",\"y\":1}"),
        bad(TwoSecrets, "POST", "/v1/enroll", &[bearer.clone(), of("x-api-key", "x")], &csr),
        bad(TwoSecrets, "POST", "/v1/enroll", &[bearer.clone(), bearer.clone()], &csr),
        bad(NotAuthenticated, "POST", "/v1/enroll", &[], &csr),
        bad(NotAuthenticated, "POST", "/v1/enroll", &[of("authorization", "Basic YTpi")], &csr),
        bad(NotAuthenticated, "POST", "/v1/renew", &[], &csr),
        bad(NotAuthenticated, "POST", "/v1/renew", one, &csr),
        bad(NotAuthenticated, "GET", "/v1/whoami", &[], b""),
        bad(NotAuthenticated, "GET", "/v1/admin/devices", &[], b""),
        bad(TokenInvalid, "POST", "/v1/enroll", &[of("authorization", "Bearer x")], &csr),
        bad(NotFound, "GET", "/", &[], b""),
        bad(NotFound, "GET", "/v1", &[], b""),
        bad(MethodNotAllowed, "GET", "/v1/enroll", one, b""),
        bad(MethodNotAllowed, "PUT", "/v1/enroll", one, &csr),
        bad(MethodNotAllowed, "DELETE", "/v1/renew", &[], b""),
        bad(MethodNotAllowed, "POST", "/v1/whoami", &[], b""),
        bad(NotFound, "POST", "/v1/enroll/", one, &csr),
        bad(NotFound, "POST", "//v1/enroll", one, &csr),
        bad(NotFound, "POST", "/v1/%65nroll", one, &csr),
        bad(NotFound, "GET", "/crl/root.crl", &[], b""),
        bad(NotFound, "GET", "/metrics", &[], b""),
        bad(MethodNotAllowed, "POST", "/v1/whoami", &[of("x-http-method-override", "GET")], b""),
        bad(BodyTooLarge, "POST", "/v1/enroll", one, &vec![b'a'; 64 * 1024 + 1]),
        bad(UnsupportedMedia, "POST", "/v1/enroll", &[bearer.clone(), of("content-type", "text/html")], &csr),
        bad(UnsupportedMedia, "POST", "/v1/enroll", &[bearer.clone(), of("content-type", "application/xml")], &csr),
        bad(CsrRefused, "POST", "/v1/enroll", one, b"not a request"),
        bad(CsrRefused, "POST", "/v1/enroll", &[bearer.clone(), json], b"{\"csr\":\"not a request\"}"),
    ]
}

async fn assert_refusals(protocol: Protocol) {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let before = service.audit().await.len();
    for bad in refusals(&token) {
        let mut wire = service.wire(None, protocol).await;
        let headers: Vec<(&str, &str)> = bad.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let reply = wire.send(bad.method, bad.path, &headers, &bad.body).await.unwrap();
        let what = format!("{} {} {:?}", bad.method, bad.path, bad.headers);
        assert_eq!(reply.problem().code, bad.code, "{what}");
        assert!(!reply.text().contains(&token), "{what}");
    }
    assert_eq!(service.audit().await.len(), before, "a refusal writes nothing");
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_codes_over_http1() {
    assert_refusals(Protocol::Http1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_codes_over_http2() {
    assert_refusals(Protocol::Http2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_key_of_a_body_or_query_is_refused_by_its_name() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let admin = || service.installation.administrator();
    let bearer = format!("Bearer {token}");
    let csr = serde_json::to_string(&TestKey::p256().csr()).unwrap();
    let body = format!("{{\"csr\":{csr},\"nickname\":\"x\"}}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut replies = vec![service.send("POST", "/v1/enroll", &headers, body.as_bytes()).await];
    let order = br#"{"kind":"interactive","profile":"device","targets":[{"device":"a","nickname":"x"}]}"#;
    replies.push(service.send_as(admin(), "POST", "/v1/admin/tokens", &[], order).await);
    let revoke = br#"{"device":"a","nickname":true}"#;
    replies.push(service.send_as(admin(), "POST", "/v1/admin/revocations", &[], revoke).await);
    replies.push(service.send_as(admin(), "GET", "/v1/admin/devices?nickname=x", &[], b"").await);
    replies.push(service.send_as(admin(), "GET", "/v1/admin/tokens?nickname=x", &[], b"").await);
    replies.push(service.send_as(admin(), "GET", "/v1/admin/audit?nickname=x", &[], b"").await);
    for reply in replies {
        let problem = reply.problem();
        assert_eq!(problem.code, MalformedRequest);
        assert!(problem.detail.as_ref().unwrap().contains("nickname"), "{problem:?}");
    }
}

/// Enrolls once more with `body`; every device is a new one.
async fn enroll(service: &TestService, id: &str, kind: &str, accept: &str, body: &[u8]) -> Reply {
    let bearer = format!("Bearer {}", service.token(id).await.token);
    let mut headers = vec![("authorization", bearer.as_str())];
    headers.extend([("content-type", kind), ("accept", accept)].iter().filter(|(_, v)| !v.is_empty()));
    let reply = service.send("POST", "/v1/enroll", &headers, body).await;
    assert_eq!(reply.status, 200, "{kind} {accept}: {}", reply.text());
    reply
}

/// Content type, Accept, body, content type of the answer.
type Case = (&'static str, &'static str, fn(&TestKey) -> Vec<u8>, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_request_gets_the_answer_that_it_accepts() {
    let service = TestService::start().await;
    let envelope = |key: &TestKey| format!("{{\"csr\":{}}}", serde_json::to_string(&key.csr()).unwrap()).into_bytes();
    let (pem, json) = ("application/pem-certificate-chain", "application/json");
    let cases: [Case; 10] = [
        ("application/pkcs10", "", TestKey::csr_der, pem),
        ("application/pkcs10", "*/*", TestKey::csr_der, pem),
        ("application/pkcs10", "application/json", TestKey::csr_der, json),
        ("application/x-pem-file", "", |key| key.csr().into_bytes(), pem),
        ("application/x-www-form-urlencoded", "", |key| key.csr().into_bytes(), pem),
        ("application/octet-stream", "", TestKey::csr_der, pem),
        ("Text/Plain; charset=utf-8", "", |key| key.csr().into_bytes(), pem),
        ("", "", TestKey::csr_der, pem),
        ("application/pkcs10", "application/x-pem-file", TestKey::csr_der, pem),
        ("application/pkcs10", "text/plain", TestKey::csr_der, pem),
    ];
    for (i, (kind, accept, body, expected)) in cases.into_iter().enumerate() {
        let reply = enroll(&service, &format!("a-{i}"), kind, accept, &body(&TestKey::p256())).await;
        assert_answer(&service, &reply, expected, &format!("{kind} {accept}"));
    }
    let key = TestKey::p256();
    let as_json = enroll(&service, "b-1", json, "", &envelope(&key)).await;
    assert_answer(&service, &as_json, json, "JSON");
    let as_pem = enroll(&service, "b-2", json, pem, &envelope(&TestKey::p256())).await;
    assert_answer(&service, &as_pem, pem, "JSON, PEM wanted");
}

fn assert_answer(service: &TestService, reply: &Reply, expected: &str, what: &str) {
    assert_eq!(reply.header("content-type"), Some(expected), "{what}");
    assert_eq!(reply.header("cache-control"), Some("no-store"), "{what}");
    let renew_after = reply.header("signet-renew-after").unwrap();
    let chain = if expected == "application/json" {
        let certificate: IssuedCertificate = reply.json();
        assert_eq!(certificate.renew_after, renew_after, "{what}");
        certificate.certificate + &certificate.chain
    } else {
        reply.text().to_owned()
    };
    let chain = pem::certificates(chain.as_bytes()).unwrap();
    assert_eq!((chain.len(), &chain[1][..]), (2, service.issuer.der()), "{what}: leaf and issuer, without root");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_serve_a_whole_life() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let service = TestService::start().await;
        let token = service.token("sensor-1").await.token;
        let (key, bearer) = (TestKey::p256(), format!("Bearer {token}"));
        let mut anonymous = service.wire(None, protocol).await;
        let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
        let reply = anonymous.send("POST", "/v1/enroll", &headers, &key.csr_der()).await.unwrap();
        assert_eq!(reply.version == hyper::Version::HTTP_2, protocol == Protocol::Http2);
        let device = crate::support::Device { certificate: reply.json(), key };
        let mut own = service.wire(Some(device.identity()), protocol).await;
        assert_eq!(own.get("/v1/whoami").await.unwrap().status, 200);
        let renewed = own.send("POST", "/v1/renew", &[], &TestKey::p256().csr_der()).await.unwrap();
        assert_eq!((renewed.status, renewed.header("content-type")), (200, Some("application/pem-certificate-chain")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_and_a_token_together_are_no_contradiction() {
    let service = TestService::start().await;
    let neighbour = service.device("sensor-1").await;
    let token = service.token("sensor-2").await.token;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
    let csr = TestKey::p256().csr_der();
    let reply = service.send_as(neighbour.identity(), "POST", "/v1/enroll", &headers, &csr).await;
    assert_eq!(
        reply.json::<IssuedCertificate>().device.as_str(),
        "sensor-2",
        "the token says who, not the certificate"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_administrator_learns_why() {
    let service = TestService::start().await;
    let why = async |id: &str| service.admin.get_json::<WhyReport>(&format!("/v1/admin/why/{id}")).await;
    let refused = service.post_csr("sge_wrong", &TestKey::p256().csr_der()).await.problem();
    let report = why(&refused.request_id).await.unwrap();
    let refusal = report.refusal.unwrap();
    assert_eq!((refusal.method.as_str(), refusal.path.as_str()), ("POST", "/v1/enroll"));
    assert_eq!((refusal.status, refusal.code, refusal.remote.as_str()), (401, TokenInvalid, "127.0.0.1"));
    assert!(refusal.cause.starts_with("malformed token") && refusal.told != refusal.cause, "{refusal:?}");
    assert!(report.entries.is_empty());

    let token = service.token("sensor-1").await.token;
    let good = service.post_csr(&token, &TestKey::p256().csr_der()).await;
    let report = why(good.header("request-id").unwrap()).await.unwrap();
    assert!(report.refusal.is_none());
    let kinds: Vec<&str> = report.entries.iter().map(|e| e.kind.as_str()).collect();
    assert_eq!(kinds, ["certificate.enrolled"]);

    let reused = service.post_csr(&token, &TestKey::p256().csr_der()).await.problem();
    let report = why(&reused.request_id).await.unwrap();
    assert_eq!(report.refusal.unwrap().code, TokenBoundToOtherKey);
    assert_eq!(report.entries[0].kind, "alarm.token_reuse_other_key");
    assert_eq!(code(why("req-unknown").await), NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_of_the_caller_s_is_not_taken_over() {
    let service = TestService::start().await;
    let reply = service.send("GET", "/v1/whoami", &[("request-id", "mine"), ("x-request-id", "mine")], b"").await;
    assert_ne!(reply.problem().request_id, "mine");
    let other = service.send("GET", "/v1/trust/roots.pem", &[], b"").await;
    assert!(other.header("request-id").unwrap().starts_with("req-"), "good answers have one too");
}

#[tokio::test(flavor = "multi_thread")]
async fn t22_what_two_readers_could_understand_differently_is_refused() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let head = format!("POST /v1/enroll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n");
    let cases = [
        ("two lengths", format!("{head}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd")),
        ("a folded header", format!("{head}X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n")),
        ("a space before the colon", format!("{head}Content-Length : 0\r\n\r\n")),
        ("a negative length", format!("{head}Content-Length: -1\r\n\r\n")),
        ("a length with a sign", format!("{head}Content-Length: +3\r\n\r\nabc")),
        ("chunked twice", format!("{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("a chunk of no size", format!("{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n")),
        ("an unknown coding", format!("{head}Transfer-Encoding: gzip, cow\r\n\r\nabc")),
        ("no version", "GET /v1/whoami\r\n\r\n".to_owned()),
        ("a zero in a header", format!("{head}X-A: b\0c\r\nContent-Length: 0\r\n\r\n")),
    ];
    for (what, request) in cases {
        let smuggled = "GET /v1/trust/roots.pem HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let answer = service.raw_tls((request + smuggled).as_bytes()).await;
        let text = String::from_utf8_lossy(&answer);
        let refused = answer.is_empty() || text.starts_with("HTTP/1.1 4");
        assert!(refused && !text.contains("BEGIN CERTIFICATE"), "{what}: {text}");
    }
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t22_a_request_says_once_and_readably_for_which_host_it_is() {
    let service = TestService::start().await;
    let bad = ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: \r\n", "Host: user@a\r\n", "Host: a:port\r\n"];
    for host in bad {
        for (listener, path) in [("tls", "/v1/trust/roots.pem"), ("plain", "/crl/all.pem"), ("local", "/healthz")] {
            let request = format!("GET {path} HTTP/1.1\r\n{host}\r\n");
            let answer = match listener {
                "tls" => service.raw_tls(request.as_bytes()).await,
                "plain" => wire::raw_tcp(service.running.plain, request.as_bytes()).await,
                _ => wire::raw_tcp(service.running.local, request.as_bytes()).await,
            };
            // The connection has ended, or the reading would not have.
            let reply = Reply::parse(&answer);
            assert_eq!((reply.status, reply.header("connection")), (400, Some("close")), "{listener}, {host:?}");
            assert_eq!(reply.problem().code, MalformedRequest);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t22_two_lengths_of_one_body_end_the_connection() {
    let service = TestService::start().await;
    let (chunks, length) = ("Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\n");
    for lengths in [format!("{chunks}{length}"), format!("{length}{chunks}")] {
        for method in ["GET", "POST"] {
            let request = format!("{method} /v1/whoami HTTP/1.1\r\nHost: x\r\n{lengths}\r\n0\r\n\r\n");
            let smuggled = "GET /v1/trust/roots.pem HTTP/1.1\r\nHost: x\r\n\r\n";
            let answer = service.raw_tls((request + smuggled).as_bytes()).await;
            let text = String::from_utf8_lossy(&answer);
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{method} {lengths:?}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_of_media_types_are_read() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let bearer = format!("Bearer {token}");
    let body = serde_json::json!({ "csr": TestKey::p256().csr() }).to_string();
    for (kind, status) in [
        ("application/json; charset=utf-16", 415),
        ("application/json;charset=latin1", 415),
        ("application/json; charset=\"UTF-8\"", 200),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
        assert_eq!(service.send("POST", "/v1/enroll", &headers, body.as_bytes()).await.status, status, "{kind}");
    }
}
