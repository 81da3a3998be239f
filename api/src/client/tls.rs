//! The two TLS configurations of the client: the verified one, and the one for fetching a pinned root.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime as PkiTime};
use signet_pki::UnixTime;
use signet_pki::view::CertificateView;

use super::clock::{Clock, pki_time};
use super::{ClientError, Identity};

/// Full verification against these roots; the identity is presented when the server asks.
pub(super) fn verified(
    roots: &[Vec<u8>],
    identity: Option<&Identity>,
    clock: Clock,
    not_earlier_than: UnixTime,
) -> Result<Arc<ClientConfig>, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut store = RootCertStore::empty();
    for root in roots {
        store
            .add(CertificateDer::from(root.clone()))
            .map_err(|_| ClientError::Config("a root certificate cannot be read".into()))?;
    }
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider.clone())
        .build()
        .map_err(|_| ClientError::Config("no root certificate was given to verify the server against".into()))?;
    let builder = builder(provider, clock)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TimelessWhenClockIsImplausible { inner, not_earlier_than }));
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = identity.chain.iter().map(|c| CertificateDer::from(c.clone())).collect();
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_vec()));
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| ClientError::Config(format!("the client certificate and its key cannot be used: {e}")))?
        }
    };
    Ok(finished(config))
}

/// Accepts any server. For `GET /v1/trust/roots.pem` alone, whose answer is compared with a fingerprint.
pub(super) fn dangerously_unverified() -> Result<Arc<ClientConfig>, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(AnyServer { provider: provider.clone() });
    let config =
        builder(provider, Clock::System)?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    Ok(finished(config))
}

fn builder(
    provider: Arc<CryptoProvider>,
    clock: Clock,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, ClientError> {
    ClientConfig::builder_with_details(provider, Arc::new(clock))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|e| ClientError::Config(format!("TLS cannot be set up: {e}")))
}

/// Resumption would skip the verification of the server (pitfall 7); early data can be replayed.
fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

/// Signatures, names and usages are always verified against the roots. Validity is judged by the clock, unless the
/// clock cannot be right (a device that boots in 1970): then by the latest `notBefore` of the chain, or by a moment
/// that is known to have passed, so that a chain is accepted which was valid at one moment in all its parts.
#[derive(Debug)]
struct TimelessWhenClockIsImplausible {
    inner: Arc<WebPkiServerVerifier>,
    not_earlier_than: UnixTime,
}

impl TimelessWhenClockIsImplausible {
    fn moment(&self, leaf: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: PkiTime) -> PkiTime {
        if Clock::is_plausible(UnixTime(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))) {
            return now;
        }
        let starts = std::iter::once(leaf).chain(others).filter_map(|c| CertificateView::parse(c).ok());
        pki_time(starts.map(|c| c.not_before).fold(self.not_earlier_than, UnixTime::max))
    }
}

impl ServerCertVerifier for TimelessWhenClockIsImplausible {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: PkiTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let moment = self.moment(end_entity, intermediates, now);
        self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, moment)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Whoever answers. The handshake's signature is still checked, which keeps broken peers apart from strangers.
#[derive(Debug)]
struct AnyServer {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: PkiTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
