use rcgen::ExtendedKeyUsagePurpose;
use tokio::io::AsyncWriteExt;

use super::test_server::{Authority, Reply, TestServer, ok};
use super::*;
use crate::credential::{Credential, CredentialKind};
use crate::enroll::EnrollRequest;
use crate::problem::{ErrorCode, Problem};

fn token() -> Credential {
    Credential::from_random(CredentialKind::Enrollment, &std::array::from_fn(|i| i as u8 * 7 + 1))
}

fn enrollment() -> EnrollRequest {
    EnrollRequest { csr: "CSR".into(), facts: Default::default() }
}

fn pin(authority: &Authority) -> Fingerprint {
    Fingerprint::of(&authority.root())
}

fn trusting(server: &TestServer, authority: &Authority) -> ClientConfig {
    ClientConfig::new(&server.url, Trust::Roots(vec![authority.root()]))
}

async fn roots_server(presenting: Identity, roots: String) -> TestServer {
    TestServer::start(presenting, move |request| match request.starts_with("GET /v1/trust/roots.pem ") {
        true => ok(&roots),
        false => ok("{}"),
    })
    .await
}

/// One GET against a server with this identity.
async fn verdict(presented: Identity, authority: &Authority, clock: Clock, floor: UnixTime) -> Result<(), ClientError> {
    let server = TestServer::start(presented, |_| ok("{}")).await;
    let mut config = trusting(&server, authority);
    (config.clock, config.not_earlier_than) = (clock, floor);
    let outcome = Client::open(config).await.unwrap().send(Method::GET, "/", &[], None).await;
    assert_eq!(server.requests().is_empty(), outcome.is_err(), "a request may go out to a verified server only");
    outcome.map(|_| ())
}

async fn answered(reply: fn() -> Reply) -> Result<Answer, ClientError> {
    let authority = Authority::new("Root");
    let server = TestServer::start(authority.server(), move |_| reply()).await;
    let mut config = trusting(&server, &authority);
    config.max_answer = 1000;
    Client::open(config).await.unwrap().send(Method::GET, "/", &[], None).await
}

#[tokio::test]
async fn t18_the_right_pin_leads_to_the_root_and_then_to_the_token() {
    let authority = Authority::new("Root");
    let other = Authority::new("Other");
    let server = roots_server(authority.server(), other.roots_pem() + &authority.roots_pem()).await;
    let config = ClientConfig::new(&server.url, Trust::PinnedRoot(pin(&authority)));
    let client = Client::open(config).await.unwrap();
    assert_eq!(client.trusted_roots(), [authority.root()]);
    assert!(!server.requests().concat().contains("sge_"), "no token before the chain is verified");
    let outcome = client.enroll(&token(), &enrollment()).await;
    assert!(matches!(outcome, Err(ClientError::Protocol(_))), "{outcome:?}");
    assert!(server.requests()[1].contains(&format!("authorization: Bearer {}", *token().expose())));
    assert_eq!(server.connections(), 2, "the unverified connection is not used for anything else");
}

#[tokio::test]
async fn t18_a_server_with_another_root_gets_no_token() {
    let (ours, attacker) = (Authority::new("Root"), Authority::new("Root"));
    let server = roots_server(attacker.server(), attacker.roots_pem()).await;
    let outcome = Client::open(ClientConfig::new(&server.url, Trust::PinnedRoot(pin(&ours)))).await;
    assert!(matches!(outcome, Err(ClientError::Untrusted(_))), "{outcome:?}");
    assert_eq!(server.requests().len(), 1);
    assert!(!server.requests()[0].contains("authorization"));
}

#[tokio::test]
async fn t18_a_server_that_repeats_our_root_but_cannot_chain_to_it_gets_no_token() {
    let (ours, attacker) = (Authority::new("Root"), Authority::new("Root"));
    let server = roots_server(attacker.server(), ours.roots_pem()).await;
    let client = Client::open(ClientConfig::new(&server.url, Trust::PinnedRoot(pin(&ours)))).await.unwrap();
    let outcome = client.enroll(&token(), &enrollment()).await;
    assert!(matches!(outcome, Err(ClientError::Untrusted(_))), "{outcome:?}");
    assert_eq!(server.requests().len(), 1, "only the public list of roots was asked for");
}

#[tokio::test]
async fn t18_the_fingerprint_of_a_leaf_is_no_pin() {
    let authority = Authority::new("Root");
    let server = authority.server();
    let leaf = signet_pki::pem::encode(signet_pki::pem::Label::Certificate, &server.chain[0]);
    let outcome = pin::choose(leaf.as_bytes(), Fingerprint::of(&server.chain[0]));
    assert!(matches!(outcome, Err(ClientError::Untrusted(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_purpose_or_time_is_untrusted() {
    let authority = Authority::new("Root");
    let serve = ExtendedKeyUsagePurpose::ServerAuth;
    assert_eq!(verdict(authority.server(), &authority, Clock::System, UnixTime(0)).await, Ok(()));
    for (leaf, says) in [
        (authority.leaf("other.example", serve.clone(), -1, 1), "another name"),
        (authority.leaf("localhost", ExtendedKeyUsagePurpose::ClientAuth, -1, 1), "refused"),
        (authority.leaf("localhost", serve.clone(), -9, -1), "expired"),
        (authority.leaf("localhost", serve, 1, 9), "not valid yet"),
        (Authority::new("Other").server(), "trusted root"),
    ] {
        match verdict(leaf, &authority, Clock::System, UnixTime(0)).await {
            Err(ClientError::Untrusted(sentence)) => assert!(sentence.contains(says), "{sentence}"),
            other => panic!("{says}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn t17_a_clock_of_1970_or_2106_verifies_all_but_the_time() {
    let authority = Authority::new("Root");
    let serve = ExtendedKeyUsagePurpose::ServerAuth;
    for wrong in [UnixTime(0), UnixTime(86_400), UnixTime(i64::from(u32::MAX))].map(Clock::Fixed) {
        let of = |leaf| verdict(leaf, &authority, wrong, UnixTime(0));
        assert_eq!(of(authority.server()).await, Ok(()));
        assert!(of(authority.leaf("other.example", serve.clone(), -1, 1)).await.is_err());
        assert!(of(authority.leaf("localhost", ExtendedKeyUsagePurpose::ClientAuth, -1, 1)).await.is_err());
        assert!(of(Authority::new("Root").server()).await.is_err());
        let known = Clock::System.read();
        let expired = authority.leaf("localhost", serve.clone(), -9, -1);
        assert!(verdict(expired, &authority, wrong, known).await.is_err(), "what is known to have passed counts");
    }
}

#[tokio::test]
async fn a_problem_document_becomes_a_refusal_with_its_hint() {
    let outcome = answered(|| {
        let problem = Problem::new(ErrorCode::Busy, Some("Red \u{1b}[31m text.".into()), "req-1".into());
        let body = serde_json::to_string(&problem).unwrap();
        Reply::Keep(format!(
            "HTTP/1.1 503 X\r\ncontent-type: application/problem+json; charset=utf-8\r\nretry-after: 7\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        ))
    })
    .await;
    let error = outcome.unwrap_err();
    assert_eq!(error.problem().unwrap().code, ErrorCode::Busy);
    assert_eq!(error.retry_after(), Some(7));
    assert!(error.is_transient() && error.hint().contains("req-1"));
    assert!(!error.to_string().contains('\u{1b}'), "no terminal escapes from the other side");
}

#[tokio::test]
async fn an_error_without_a_problem_document_is_told_by_its_status() {
    let outcome = answered(|| Reply::Keep("HTTP/1.1 502 X\r\ncontent-length: 5\r\n\r\n<html".into())).await;
    assert_eq!(outcome.unwrap_err(), ClientError::UnexpectedStatus { status: 502, retry_after: None });
    let outcome = answered(|| Reply::Keep("HTTP/1.1 302 X\r\nlocation: /\r\ncontent-length: 0\r\n\r\n".into())).await;
    assert_eq!(outcome.unwrap_err(), ClientError::UnexpectedStatus { status: 302, retry_after: None });
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_whether_announced_or_not() {
    let announced = answered(|| Reply::Keep("HTTP/1.1 200 X\r\ncontent-length: 1001\r\n\r\n".into())).await;
    assert!(matches!(announced, Err(ClientError::Protocol(_))), "{announced:?}");
    let endless = answered(|| Reply::Close(format!("HTTP/1.1 200 X\r\n\r\n{}", "x".repeat(5000)))).await;
    assert!(matches!(endless, Err(ClientError::Protocol(_))), "{endless:?}");
    assert_eq!(answered(|| ok(&"x".repeat(1000))).await.unwrap().body.len(), 1000);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_protocol_error() {
    let outcome = answered(|| Reply::Close("SSH-2.0-OpenSSH_9.9\r\n".into())).await;
    assert!(matches!(outcome, Err(ClientError::Protocol(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_that_closes_inside_the_answer_is_transient() {
    for half in ["", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"] {
        let authority = Authority::new("Root");
        let server = TestServer::start(authority.server(), move |_| Reply::Close(half.into())).await;
        let client = Client::open(trusting(&server, &authority)).await.unwrap();
        let outcome = client.send(Method::GET, "/", &[], None).await;
        assert!(matches!(outcome, Err(ClientError::Unreachable(_))), "{half:?}: {outcome:?}");
        assert_eq!(server.requests().len(), 1, "a new connection that fails is not tried again");
    }
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_is_opened_again_when_it_is_gone() {
    let authority = Authority::new("Root");
    let server = TestServer::start(authority.server(), |request| match request.starts_with("GET /last ") {
        true => Reply::Close("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into()),
        false => ok(""),
    })
    .await;
    let client = Client::open(trusting(&server, &authority)).await.unwrap();
    for path in ["/a", "/b", "/last"] {
        client.send(Method::GET, path, &[], None).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
    client.send(Method::GET, "/c", &[], None).await.unwrap();
    assert_eq!((server.connections(), server.requests().len()), (2, 4));
}

#[tokio::test]
async fn only_a_get_is_repeated_when_a_kept_connection_dies_under_it() {
    let authority = Authority::new("Root");
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let server =
        TestServer::start(authority.server(), move |_| match seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            1 | 3 => Reply::Close(String::new()),
            _ => ok(""),
        })
        .await;
    let client = Client::open(trusting(&server, &authority)).await.unwrap();
    client.send(Method::GET, "/1", &[], None).await.unwrap();
    client.send(Method::GET, "/2", &[], None).await.unwrap();
    let outcome = client.send(Method::POST, "/3", &[], None).await;
    assert!(matches!(outcome, Err(ClientError::Unreachable(_))), "{outcome:?}");
    let sent: Vec<_> = server.requests().iter().map(|r| r.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(sent, ["/1", "/2", "/2", "/3"]);
}

#[tokio::test]
async fn a_refused_client_certificate_is_told_apart_from_a_refused_server() {
    let (ours, other) = (Authority::new("Root"), Authority::new("Other"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let server = TestServer::start_mutual(ours.server(), &ours, version).await;
        let accepted = Client::open(trusting(&server, &ours).identity(ours.client())).await.unwrap();
        accepted.send(Method::GET, "/", &[], None).await.unwrap();
        for config in [trusting(&server, &ours), trusting(&server, &ours).identity(other.client())] {
            let outcome = Client::open(config).await.unwrap().send(Method::GET, "/", &[], None).await;
            assert!(matches!(outcome, Err(ClientError::ClientRejected(_))), "{version:?}: {outcome:?}");
        }
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn nobody_listening_and_no_tls_are_sentences() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let plain = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let authority = Authority::new("Root");
    let client = Client::open(ClientConfig::new(&url, Trust::Roots(vec![authority.root()]))).await.unwrap();
    let outcome = client.send(Method::GET, "/", &[], None).await;
    assert!(matches!(outcome, Err(ClientError::Protocol(_))), "{outcome:?}");
    plain.await.unwrap();
    let outcome = client.send(Method::GET, "/", &[], None).await;
    assert!(matches!(outcome, Err(ClientError::Unreachable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let authority = Authority::new("Root");
    let server = TestServer::start(authority.server(), |_| Reply::Keep(String::new())).await;
    let mut config = trusting(&server, &authority);
    config.timeouts.answer = Duration::from_millis(50);
    let outcome = Client::open(config).await.unwrap().send(Method::GET, "/", &[], None).await;
    assert_eq!(outcome.unwrap_err(), ClientError::Timeout("the answer"));
}

#[tokio::test]
async fn t26_no_debug_text_and_no_error_shows_a_token_or_a_key() {
    let authority = Authority::new("Root");
    let server = TestServer::start(authority.server(), |_| Reply::Close("garbage".into())).await;
    let config = trusting(&server, &authority).identity(authority.client());
    let key = format!("{:?}", config.identity.as_ref().unwrap().key.as_slice());
    assert!(!format!("{config:?}").contains(&key[1..40]));
    let client = Client::open(config).await.unwrap();
    let error = client.enroll(&token(), &enrollment()).await.unwrap_err();
    let secret = token().expose()[15..40].to_owned();
    let shown = format!("{error:?} {error} {} {client:?}", error.hint());
    assert!(!shown.contains(&secret), "{shown}");
    let request = client.request(Method::GET, "/", &[("authorization", "Bearer abc")], None).unwrap();
    assert!(!format!("{request:?}").contains("abc"), "{request:?}");
}

#[tokio::test]
async fn an_unusable_identity_root_or_header_is_refused_before_anything_is_sent() {
    let (one, two) = (Authority::new("Root"), Authority::new("Root"));
    let mixed = Identity { chain: one.client().chain, key: two.client().key };
    let base = ClientConfig::new("https://localhost:1", Trust::Roots(vec![one.root()]));
    for config in [
        base.clone().identity(mixed),
        ClientConfig::new("https://localhost:1", Trust::Roots(vec![])),
        ClientConfig::new("https://localhost:1", Trust::Roots(vec![b"junk".to_vec()])),
    ] {
        assert!(matches!(Client::open(config).await, Err(ClientError::Config(_))));
    }
    let client = Client::open(base).await.unwrap();
    let smuggled = client.send(Method::GET, "/", &[("x", "a\r\nb: c")], None).await;
    assert!(matches!(smuggled, Err(ClientError::Config(_))), "{smuggled:?}");
}

#[test]
fn an_api_key_is_one_word_and_shows_in_no_debug() {
    let key = ApiKey::parse(" sgk_0123456789_secret\n").unwrap();
    let config = ClientConfig::new("https://x", Trust::Roots(Vec::new())).api_key(key);
    assert!(!format!("{config:?}").contains("secret"), "{config:?}");
    for none in ["", " \n", "a b", "a\nb", "a,b", "sgk_\u{e9}", "a\0"] {
        assert!(ApiKey::parse(none).is_none(), "{none:?}");
    }
}
