//! SIGTERM: nothing new, everything begun is finished, the store is closed last.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::auditor::{assert_clean, certificates_of};
use crate::daemon::Daemon;
use crate::fleet::members;
use crate::kill::{End, under_load};
use crate::support::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_told_to_stop_strands_nobody() {
    under_load("term", End::Terminated).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_was_begun_before_the_signal_is_answered_after_it() {
    let installation = Installation::new().await;
    let daemon = block_in_place(|| Daemon::start(&installation));
    let member = members(&daemon, &installation, "begun", 1).await.remove(0);
    let csr = member.key.csr();
    let mut stream = connect(&daemon, &installation).await;
    let head = format!(
        "POST /v1/enroll HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nExpect: 100-continue\r\n\
         Content-Type: application/x-pem-file\r\nContent-Length: {}\r\n\r\n",
        member.token,
        csr.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The service has read the head, decided to read on, and waits for the body.
    let mut said = [0; 25];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"HTTP/1.1 100 Continue\r\n\r\n");
    daemon.terminate();
    block_in_place(|| daemon.wait_for("stopping"));
    // Soon nothing is accepted any more; how the refusal looks is the kernel's choice.
    let refused = async { while try_connect(&daemon, &installation).await.is_ok() {} };
    let soon = tokio::time::timeout(std::time::Duration::from_secs(10), refused).await;
    assert!(soon.is_ok(), "new connections were served after the signal");
    stream.write_all(csr.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // The connection ends without a farewell when the process does; what was said before counts.
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("BEGIN CERTIFICATE"), "{answer}");
    let (status, log) = block_in_place(|| daemon.ended());
    assert!(status.success() && log.contains("stopped"), "{status}:\n{log}");
    assert_eq!(certificates_of(&installation.database(), &member.name).len(), 1);
    // The database is one file again, which a plain copy holds completely.
    let beside = std::fs::metadata(installation.path("server/signet.db-wal")).map_or(0, |log| log.len());
    assert_eq!(beside, 0, "octets that are not in the database file");
    assert_clean(&installation);
}

async fn connect(daemon: &Daemon, installation: &Installation) -> TlsStream<TcpStream> {
    try_connect(daemon, installation).await.unwrap()
}

async fn try_connect(daemon: &Daemon, installation: &Installation) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(installation.root().der().to_vec())).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(daemon.tls).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}
