//! TLS of the API listener: one provider, client certificates optional, nothing that lets a session outlive a check.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{NoServerSessionStorage, ServerConfig, WebPkiClientVerifier};
use thiserror::Error;

#[derive(Debug, Error)]
#[error("the TLS configuration could not be built: {0}")]
pub struct TlsError(String);

/// The configuration in force. A change swaps the whole of it; connections made before keep theirs until they end.
pub struct TlsState(ArcSwap<ServerConfig>);

impl TlsState {
    pub fn new(config: Arc<ServerConfig>) -> TlsState {
        TlsState(ArcSwap::new(config))
    }

    pub fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }

    pub fn swap(&self, config: Arc<ServerConfig>) {
        self.0.store(config);
    }
}

/// `chain` is leaf then issuer; `client_cas` are every CA under which clients may present certificates. The issuers are among
/// them because many clients send their leaf alone.
pub fn server_config(
    chain: Vec<Vec<u8>>,
    key_pkcs8: &[u8],
    client_cas: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let fail = |e: &dyn std::fmt::Display| TlsError(e.to_string());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for der in client_cas {
        roots.add(CertificateDer::from(der.to_vec())).map_err(|e| fail(&e))?;
    }
    // Revocation is not checked here: every request asks the store, which knows it first.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .map_err(|e| fail(&e))?;
    let chain = chain.into_iter().map(CertificateDer::from).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_pkcs8.to_vec()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| fail(&e))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|e| fail(&e))?;
    // A resumed session skips the verifier, and early data skips the handshake: neither exists here.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
