//! A delegated responder (RFC 6960 4.2.2.2): a certificate by which an issuer lets another key answer for it.

use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::id::key_hash;
use crate::ca::IssuerCert;
use crate::chain::{self, ChainError};
use crate::key::PublicKey;
use crate::signer::{self, SignerError};
use crate::time::UnixTime;
use crate::view::{CertificateView, ViewError};

/// A certificate that its issuer made for answers and for nothing else.
#[derive(Debug, Clone)]
pub struct ResponderCert {
    view: CertificateView,
    key_hash: [u8; 20],
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ResponderError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error("{0} may not sign answers about revocation and nothing else")]
    Usage(String),
    #[error("{0} has to be checked for revocation itself, and nothing answers for it")]
    Checked(String),
    #[error(transparent)]
    Key(#[from] SignerError),
}

impl ResponderCert {
    /// Checks that `issuer` itself issued it (4.2.2.2: nobody in between), and what for. Its dates are the caller's business.
    pub fn below(bytes: &[u8], issuer: &IssuerCert) -> Result<ResponderCert, ResponderError> {
        let view = CertificateView::parse(bytes)?;
        chain::issued_by(&view, issuer.view())?;
        let name = view.subject_text.clone();
        if let Some(extension) = view.unknown_critical.first() {
            return Err(ChainError::Critical { name, extension: extension.clone() }.into());
        }
        let purpose = Purpose::of(bytes);
        if !purpose.signs_answers || view.is_ca {
            return Err(ResponderError::Usage(name));
        }
        // 4.2.2.2.1: without the extension clients would have to ask about the responder, and whom?
        if !purpose.is_trusted_for_life {
            return Err(ResponderError::Checked(name));
        }
        signer::scheme(&view.public_key)?;
        let key_hash = key_hash(view.public_key.key_bits());
        Ok(ResponderCert { view, key_hash })
    }

    pub fn view(&self) -> &CertificateView {
        &self.view
    }

    pub fn der(&self) -> &[u8] {
        &self.view.der
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.view.public_key
    }

    pub fn not_after(&self) -> UnixTime {
        self.view.not_after
    }

    pub(super) fn key_hash(&self) -> &[u8; 20] {
        &self.key_hash
    }
}

/// What a certificate says about answers.
struct Purpose {
    signs_answers: bool,
    is_trusted_for_life: bool,
}

impl Purpose {
    fn of(bytes: &[u8]) -> Purpose {
        let mut found = Purpose { signs_answers: false, is_trusted_for_life: false };
        let Ok((_, certificate)) = X509Certificate::from_der(bytes) else { return found };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::ExtendedKeyUsage(usage) => {
                    let another = usage.any || usage.client_auth || usage.server_auth || !usage.other.is_empty();
                    found.signs_answers = usage.ocsp_signing && !another;
                }
                _ if extension.oid.as_bytes() == OID_NO_CHECK => found.is_trusted_for_life = true,
                _ => {}
            }
        }
        found
    }
}

/// id-pkix-ocsp-nocheck, 1.3.6.1.5.5.7.48.1.5.
const OID_NO_CHECK: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];

#[cfg(test)]
#[path = "responder_tests.rs"]
mod tests;
