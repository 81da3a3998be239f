use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use signet_api::{ErrorCode, Problem};
use signet_pki::name::PrincipalKind;

use super::*;
use crate::online::admin_dir::tests::{self as admin, Authority};
use crate::online::service;

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

/// What came in: on the how-manieth connection, and the head of the request; empty when the handshake failed.
type Seen = (usize, String);

/// A TLS service that wants a client certificate. It keeps its connections for as long as the client does.
fn serve(authority: &Authority, answers: Vec<&'static str>) -> (String, JoinHandle<Vec<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let config = Arc::new(tls(authority));
    let thread = std::thread::spawn(move || {
        let (mut kept, mut connections) = (None::<Stream>, 0);
        let mut answer = |text: &str| {
            let again = kept.take().and_then(|stream| exchange(stream, text));
            let (stream, head) = again.or_else(|| {
                connections += 1;
                let connection = ServerConnection::new(config.clone()).unwrap();
                exchange(BufReader::new(StreamOwned::new(connection, listener.accept().unwrap().0)), text)
            })?;
            kept = Some(stream);
            Some((connections, head))
        };
        answers.into_iter().map(|text| answer(text).unwrap_or_default()).collect()
    });
    (address, thread)
}

/// One request and its answer; nothing when the other side is gone.
fn exchange(mut stream: Stream, text: &str) -> Option<(Stream, String)> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        if stream.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
        let line = head[start..].to_ascii_lowercase();
        length = line.strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
    }
    stream.read_exact(&mut vec![0; length]).unwrap();
    stream.get_mut().write_all(text.as_bytes()).unwrap();
    stream.get_mut().flush().unwrap();
    Some((stream, head))
}

fn tls(authority: &Authority) -> ServerConfig {
    let key = admin::new_key();
    let leaf = authority.leaf(admin::request(&key, "server"), PrincipalKind::Server, "server");
    let chain = [leaf, authority.issuer.der().to_vec()].map(CertificateDer::from).to_vec();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(authority.root.der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap()
}

fn open(authority: &Authority, server: &str) -> (tempfile::TempDir, Context) {
    let temp = tempfile::tempdir().unwrap();
    let dir = admin::write_for(authority, temp.path(), server);
    let context = At { admin: Some(dir), api_key_file: None }.open().unwrap();
    (temp, context)
}

const EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

#[test]
fn the_administrators_certificate_is_presented() {
    let authority = Authority::new("Ours");
    let (server, thread) = serve(&authority, vec![EMPTY]);
    let (_temp, context) = open(&authority, &server);
    assert_eq!(context.call(Call::Get { path: "/v1/admin/crl" }).unwrap(), b"{}");
    assert!(thread.join().unwrap()[0].1.starts_with("GET /v1/admin/crl HTTP/1.1\r\n"));
}

/// As after a question that a person took a while to answer.
#[test]
fn a_post_does_not_go_out_on_a_connection_that_waited_too_long() {
    let authority = Authority::new("Ours");
    for (max_idle, connections) in [(Duration::ZERO, [1, 2]), (MAX_IDLE, [1, 1])] {
        let (server, thread) = serve(&authority, vec![EMPTY, EMPTY]);
        let (_temp, mut context) = open(&authority, &server);
        context.max_idle = max_idle;
        for _ in 0..2 {
            context.call(Call::Post { path: "/v1/admin/revocations", body: b"{}" }).unwrap();
        }
        assert_eq!(thread.join().unwrap().iter().map(|seen| seen.0).collect::<Vec<_>>(), connections);
    }
}

#[test]
fn a_service_below_another_root_is_untrusted_and_gets_nothing() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let (server, thread) = serve(&theirs, vec![EMPTY]);
    let (_temp, context) = open(&ours, &server);
    let said = format!("{:?}", context.call(Call::Post { path: "/v1/admin/tokens", body: b"{}" }).unwrap_err());
    assert!(said.contains("Internal") && said.contains("trusted root"), "{said}");
    assert_eq!(thread.join().unwrap(), [(0, String::new())]);
}

#[test]
fn a_problem_document_is_a_refusal_that_can_be_told_apart() {
    let problem = Problem::new(ErrorCode::NotFound, None, "r1".into());
    let body = serde_json::to_string(&problem).unwrap();
    let head = "HTTP/1.1 404 Not Found\r\ncontent-type: application/problem+json\r\n";
    let text = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let authority = Authority::new("Ours");
    let (server, thread) = serve(&authority, vec![text.leak()]);
    let (_temp, context) = open(&authority, &server);
    let outcome = service::get::<serde_json::Value>(&context, "/v1/admin/devices/x");
    assert!(outcome.unwrap_err().is_not_found());
    thread.join().unwrap();
}

#[test]
fn a_service_that_is_not_there_is_unreachable() {
    // A port that was free a moment ago and that nobody listens on now.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_temp, context) = open(&Authority::new("Ours"), &format!("https://127.0.0.1:{port}"));
    let error = context.call(Call::Get { path: "/v1/admin/crl" }).unwrap_err();
    assert!(!error.is_not_found());
    assert!(format!("{error:?}").contains("Internal"), "{error:?}");
}

#[test]
fn only_what_our_side_can_correct_is_a_refusal() {
    let kind = |error: ClientError| format!("{:?}", failure("https://ca.example", &error));
    for error in [
        ClientError::Unreachable("no route".into()),
        ClientError::Untrusted("another root".into()),
        ClientError::Protocol("not HTTP".into()),
        ClientError::Timeout("the answer"),
        ClientError::UnexpectedStatus { status: 502, retry_after: None },
    ] {
        let said = kind(error);
        assert!(said.contains("Internal") && said.contains("https://ca.example: "), "{said}");
    }
    let said = kind(ClientError::ClientRejected("expired".into()));
    assert!(said.contains("Refused") && said.contains("signetd setup --admin"), "{said}");
}
