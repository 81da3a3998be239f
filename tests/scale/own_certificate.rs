//! The service's own TLS certificate renews itself, without a restart and without anyone noticing.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use signet_pki::view::CertificateView;

use crate::support::{TestService, wire};

const DAY: i64 = 86_400;

#[tokio::test(flavor = "multi_thread")]
async fn the_service_renews_its_own_certificate_at_half_of_its_life() {
    let service = TestService::start().await;
    let first = presented(&service).await;
    let issued_before = issued_for_the_service(&service).await;
    service.clock().advance(16 * DAY);
    service.running.service.authorizer.list_wanted();
    // The administrator's certificate has ended by now, so this looks at what is presented alone.
    let second = loop {
        let now = presented(&service).await;
        if now.serial != first.serial {
            break now;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(second.public_key, first.public_key);
    assert_eq!((second.dns_names.clone(), second.addresses.clone()), (first.dns_names, first.addresses));
    assert!(second.not_after.since(first.not_after) >= 15 * DAY);
    let file = std::fs::read(service.installation.path("server/tls/server.pem")).unwrap();
    let on_disk = signet_pki::pem::certificates(&file).unwrap();
    assert_eq!(on_disk[0], second.der);
    assert_eq!(issued_before, 1);
    assert_eq!(service.running.service.store.certificates_of(&id()).await.unwrap().items.len(), 2);
}

async fn issued_for_the_service(service: &TestService) -> usize {
    service.running.service.store.certificates_of(&id()).await.unwrap().items.len()
}

fn id() -> signet_pki::DeviceId {
    signet_pki::DeviceId::parse("signetd").unwrap()
}

/// The certificate that a new connection is shown.
async fn presented(service: &TestService) -> CertificateView {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Looker))
        .with_no_client_auth();
    let stream = wire::connect(service.tls_address(), Arc::new(config)).await.unwrap();
    CertificateView::parse(&stream.get_ref().1.peer_certificates().unwrap()[0]).unwrap()
}

/// Looks at what is presented and trusts nothing: the clock of the test is not the clock of TLS.
#[derive(Debug)]
struct Looker;

impl ServerCertVerifier for Looker {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
