// mTLS with certificates of Signet, for rustls 0.23 with the features "std", "tls12" and "aws_lc_rs".
//
//   ca trust bundle --out /etc/signet/clients.pem     root and issuers; again after a change of issuer
//   ca crl fetch    --out /etc/signet/crl.pem         every few minutes, from a timer
//
// Call `server_config` again after each of them and use the new configuration, as a whole, for all later connections.
// Verifier and CRLs are part of it: exchanging anything less leaves the old CRLs in force. Close connections after some
// minutes, since an open one is not verified again.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

/// The configuration for the files that lie in this directory now.
pub fn server_config() -> Result<ServerConfig, Box<dyn Error + Send + Sync>> {
    server_config_from(Path::new("/etc/signet"))
}

pub fn server_config_from(dir: &Path) -> Result<ServerConfig, Box<dyn Error + Send + Sync>> {
    let provider = Arc::new(aws_lc_rs::default_provider());

    // Root and issuers as trust anchors: many devices send their own certificate only. A path ends at the first anchor, so
    // that an issuer in this file is believed without asking a CRL about it: take one that was revoked out of the file.
    let mut anchors = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(dir.join("clients.pem"))? {
        anchors.add(certificate?)?;
    }

    // Exactly one CRL for each CA, read anew. Never append to an older list: of two CRLs of one issuer rustls uses the
    // first, so that a stale one in front revives what was revoked.
    let crls = CertificateRevocationListDer::pem_file_iter(dir.join("crl.pem"))?.collect::<Result<Vec<_>, _>>()?;
    if crls.is_empty() {
        return Err("crl.pem holds no CRL: without one nothing would be revoked".into());
    }

    // Every certificate below the anchor is checked: with a chain up to the root, that needs the root's CRL beside the
    // issuers' own. Do not escape from an `UnknownRevocationStatus` with `only_check_end_entity_revocation`, which
    // believes a revoked issuer, or with `allow_unknown_revocation_status`, under which a missing CRL revokes nothing:
    // fetch the CRLs of all CAs.
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(anchors), provider.clone())
        .with_crls(crls)
        // Without this an expired CRL counts as fresh for ever.
        .enforce_revocation_expiration()
        .build()?;

    let chain = CertificateDer::pem_file_iter(dir.join("server.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;

    // A resumed session never calls the verifier, so that a revoked device would keep its access: no stored sessions,
    // no tickets, no early data.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

// After each 'ca crl-sync' or 'ca crl fetch': call `server_config` again and use what it returns for all later connections.
