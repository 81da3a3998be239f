//! T20: bodies that are meant to cost more than they should.

use signet_api::ErrorCode;
use signet_pki::pem::{self, Label};

use crate::support::der::{self, extension, extension_request, oid, sequence, tlv};
use crate::support::{Reply, TestKey, TestService, issued};

async fn post(service: &TestService, token: &str, kind: &str, body: &[u8]) -> Reply {
    // By hand: a client that is still sending when the answer comes may never look at it.
    let head = format!(
        "POST /v1/enroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Reply::parse(&service.raw_tls(&[head.as_bytes(), body].concat()).await)
}

/// Sends every bomb with one token, which must be as good as new afterwards.
async fn defuse(kind: &str, bombs: Vec<(&str, Vec<u8>, ErrorCode)>) {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let before = service.audit().await.len();
    for (what, body, expected) in bombs {
        let refused = post(&service, &token, kind, &body).await;
        assert_ne!(refused.status, 200, "{what}");
        assert_eq!(refused.problem().code, expected, "{what}: {}", refused.text());
    }
    assert_eq!(service.audit().await.len(), before, "nothing was written");
    assert_eq!(service.local("/healthz").await.status, 200);
    issued(service.enroll(&token, &TestKey::p256()).await);
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| tlv(0x30, &inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_der_bombs_are_refused_and_do_not_burn_the_token() {
    use ErrorCode::{BodyTooLarge, CsrRefused};
    let key = TestKey::p256();
    let good = key.csr_der();
    let (_, body, _) = der::read(&good);
    let asking = |extensions: Vec<Vec<u8>>| der::signed(&key, &sequence(&[]), &[extension_request(&extensions)]);
    let numbered = |i: usize| {
        let kind = [der::UNKNOWN, &[0x81 | (i >> 14) as u8, 0x80 | (i >> 7 & 0x7f) as u8, (i & 0x7f) as u8]].concat();
        extension(&kind, false, &[])
    };
    let with_algorithm = |spki: Vec<u8>| der::request(&der::info(&sequence(&[]), &spki, &[]), der::ECDSA_SHA256, &[1]);
    let huge_oid = sequence(&[&sequence(&[&oid(&[0x81; 8000])]), &der::bits(&[4; 65])]);
    let endless_oid = sequence(&[&sequence(&[&oid(&[0xff; 40])]), &der::bits(&[4; 65])]);
    let version = |content: &[u8]| {
        let info = sequence(&[&tlv(0x02, content), &sequence(&[]), &key.spki(), &tlv(0xa0, &[])]);
        der::request(&info, der::ECDSA_SHA256, &key.sign(&info))
    };
    let long_form = [&[0x30, 0x83, 0x00, (body.len() >> 8) as u8, body.len() as u8][..], body].concat();
    let indefinite = [&[0x30, 0x80][..], body, &[0, 0]].concat();
    defuse(
        "application/pkcs10",
        vec![
            ("nothing", Vec::new(), CsrRefused),
            ("zeros", vec![0; 1000], CsrRefused),
            ("a thousand levels", nested(1000), CsrRefused),
            ("seven thousand levels", nested(7000), CsrRefused),
            ("a huge integer", version(&[0x11; 12_000]), CsrRefused),
            ("a negative version", version(&[0xff]), CsrRefused),
            ("version 3", version(&[2]), CsrRefused),
            ("a huge object identifier", with_algorithm(huge_oid), CsrRefused),
            ("an endless object identifier", with_algorithm(endless_oid), CsrRefused),
            ("a thousand extensions", asking((0..1000).map(numbered).collect()), CsrRefused),
            ("a hundred thousand extensions", asking((0..100_000).map(numbered).collect()), BodyTooLarge),
            ("indefinite length", indefinite, CsrRefused),
            ("a length in more octets than needed", long_form, CsrRefused),
            ("a length of four gigabytes", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff], CsrRefused),
            ("a length of 127 octets", [&[0x30, 0xff][..], &[0xff; 200]].concat(), CsrRefused),
            ("data behind it", [&good[..], b"x"].concat(), CsrRefused),
            ("two requests", [&good[..], &good[..]].concat(), CsrRefused),
            ("cut off", good[..good.len() - 1].to_vec(), CsrRefused),
            ("cut off in the middle", good[..good.len() / 2].to_vec(), CsrRefused),
            ("sixteen kilobytes of nothing", tlv(0x30, &[0x05, 0x00].repeat(8000)), CsrRefused),
            ("more than the limit", tlv(0x30, &vec![0; 64 * 1024]), BodyTooLarge),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_pem_bombs_are_refused_and_do_not_burn_the_token() {
    use ErrorCode::{BodyTooLarge, CsrRefused};
    let good = TestKey::p256().csr();
    let wrong_label = good.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    let begin = "-----BEGIN CERTIFICATE REQUEST-----\n";
    defuse(
        "application/x-pem-file",
        vec![
            ("another label", wrong_label.into_bytes(), CsrRefused),
            ("two blocks", good.repeat(2).into_bytes(), CsrRefused),
            ("blocks in blocks", begin.repeat(1000).into_bytes(), CsrRefused),
            ("no end", good.as_bytes()[..good.len() - 30].to_vec(), CsrRefused),
            ("no base64", good.replace('M', "!").into_bytes(), CsrRefused),
            ("zeros inside", good.replace('\n', "\0\n").into_bytes(), CsrRefused),
            ("something binary in a block", pem::encode(Label::Request, &[0xff; 5000]).into_bytes(), CsrRefused),
            ("an empty block", pem::encode(Label::Request, &[]).into_bytes(), CsrRefused),
            ("a request of thirty kilobytes", pem::encode(Label::Request, &nested(7000)).into_bytes(), CsrRefused),
            ("not UTF-8", vec![0xff; 3000], CsrRefused),
            ("more than the limit", [good.as_bytes(), &vec![b'\n'; 64 * 1024]].concat(), BodyTooLarge),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_json_bombs_are_refused_and_do_not_burn_the_token() {
    use ErrorCode::{BodyTooLarge, CsrRefused, InvalidArgument, MalformedRequest};
    let csr = serde_json::to_string(&TestKey::p256().csr()).unwrap();
    let text = |body: String| body.into_bytes();
    let many: Vec<String> = (0..17).map(|i| format!("\"k{i}\":\"v\"")).collect();
    defuse(
        "application/json",
        vec![
            ("nothing", Vec::new(), MalformedRequest),
            ("null", text("null".into()), MalformedRequest),
            ("an array", text(format!("[{csr}]")), MalformedRequest),
            ("ten thousand levels", text("[".repeat(10_000)), MalformedRequest),
            ("levels inside a field", text(format!("{{\"csr\":{}", "{\"a\":".repeat(10_000))), MalformedRequest),
            ("a key twice", text(format!("{{\"csr\":{csr},\"csr\":{csr}}}")), MalformedRequest),
            ("facts twice", text(format!("{{\"csr\":{csr},\"facts\":{{}},\"facts\":{{}}}}")), MalformedRequest),
            (
                "a fact twice",
                text(format!("{{\"csr\":{csr},\"facts\":{{\"serial_number\":\"a\",\"serial_number\":\"b\"}}}}")),
                MalformedRequest,
            ),
            (
                "another fact twice",
                text(format!("{{\"csr\":{csr},\"facts\":{{\"other\":{{\"a\":\"1\",\"a\":\"2\"}}}}}}")),
                MalformedRequest,
            ),
            ("an unknown key", text(format!("{{\"csr\":{csr},\"profile\":\"admin\"}}")), MalformedRequest),
            ("an unknown fact", text(format!("{{\"csr\":{csr},\"facts\":{{\"x\":1}}}}")), MalformedRequest),
            ("data behind it", text(format!("{{\"csr\":{csr}}} x")), MalformedRequest),
            ("two documents", text(format!("{{\"csr\":{csr}}}{{\"csr\":{csr}}}")), MalformedRequest),
            ("a number for a text", text("{\"csr\":1e400}".into()), MalformedRequest),
            ("a lone surrogate", text("{\"csr\":\"\\ud800\"}".into()), MalformedRequest),
            ("a byte order mark", text(format!("\u{feff}{{\"csr\":{csr}}}")), MalformedRequest),
            ("not UTF-8", [&b"{\"csr\":\""[..], &[0xff, 0xfe], b"\"}"].concat(), MalformedRequest),
            ("no request", text("{}".into()), MalformedRequest),
            ("an empty request", text("{\"csr\":\"\"}".into()), CsrRefused),
            (
                "too many facts",
                text(format!("{{\"csr\":{csr},\"facts\":{{\"other\":{{{}}}}}}}", many.join(","))),
                InvalidArgument,
            ),
            (
                "a long fact",
                text(format!("{{\"csr\":{csr},\"facts\":{{\"model\":\"{}\"}}}}", "m".repeat(257))),
                InvalidArgument,
            ),
            ("more than the limit", text(format!("{{\"csr\":{csr}}}{}", " ".repeat(64 * 1024))), BodyTooLarge),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_a_body_without_length_is_cut_off_at_the_limit() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(4096));
    let head = format!(
        "POST /v1/enroll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let answer = service.raw_tls((head + &chunk.repeat(40)).as_bytes()).await;
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 413 ") && text.contains("body_too_large"), "{text}");
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_a_compressed_body_is_not_unpacked() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let bearer = format!("Bearer {token}");
    // The head of a gzip file; nobody looks behind it.
    let body = [0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    let headers = [("authorization", bearer.as_str()), ("content-encoding", "gzip")];
    let refused = service.send("POST", "/v1/enroll", &headers, &body).await;
    assert_eq!(refused.problem().code, ErrorCode::CsrRefused);
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t20_headers_beyond_the_limit_end_the_connection() {
    let service = TestService::start().await;
    let mut request = b"GET /v1/trust/roots.pem HTTP/1.1\r\nHost: localhost\r\n".to_vec();
    for i in 0..2000 {
        request.extend(format!("x-{i}: {}\r\n", "a".repeat(40)).as_bytes());
    }
    request.extend(b"\r\n");
    let answer = String::from_utf8_lossy(&service.raw_tls(&request).await).into_owned();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(service.send("GET", "/v1/trust/roots.pem", &[], b"").await.status, 200);
}
