//! Room 2: a PKCS#10 request (RFC 2986) becomes a public key whose holder signed for it, and nothing else.

use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::FromDer;

use crate::der::{self, DerError, Limits, read_tlv};
use crate::encode::{RcgenSigner, common_name};
use crate::key::{KeyError, PublicKey, SignatureScheme};
use crate::key_policy::{KeyPolicy, KeyRefusal};
use crate::pem::{self, Label, PemError};
use crate::signer::{Signer, SignerError};

/// Proof that a CSR was strict DER, that its holder has the private key, and that the key is one we certify.
/// Names and extensions that it asked for are kept as text for people, never for the certificate.
#[derive(Debug, Clone)]
pub struct CheckedCsr {
    key: PublicKey,
    wishes: Wishes,
}

/// What the CSR asked for. Shown to an administrator; without any effect on what is issued.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The subject as RFC 4514-like text.
    pub subject: String,
    /// Dotted identifiers of the requested extensions.
    pub extensions: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CsrError {
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("the CSR is not valid: {0}")]
    Encoding(#[from] DerError),
    #[error("the CSR is not a PKCS#10 request")]
    Structure,
    #[error("the CSR's public key is refused: {0}")]
    Key(#[from] KeyError),
    #[error("the CSR's public key is refused: {0}")]
    Policy(#[from] KeyRefusal),
    #[error("the CSR is signed with an algorithm that is not accepted")]
    Algorithm,
    #[error("the CSR's signature does not match its public key")]
    Possession,
    #[error("the CSR repeats an attribute or an extension")]
    Duplicate,
}

impl CheckedCsr {
    /// Checks a request in PEM or DER.
    pub fn parse(bytes: &[u8], policy: &KeyPolicy) -> Result<CheckedCsr, CsrError> {
        // Base64 is a third longer than what it carries.
        if bytes.len() > Limits::CSR.bytes * 2 {
            return Err(DerError::TooLong(Limits::CSR.bytes).into());
        }
        Self::from_der(&pem::pem_or_der(Label::Request, bytes)?, policy)
    }

    pub fn from_der(bytes: &[u8], policy: &KeyPolicy) -> Result<CheckedCsr, CsrError> {
        der::check(bytes, Limits::CSR)?;
        let parts = Parts::split(bytes)?;
        let key = PublicKey::from_spki(parts.spki)?;
        policy.check(&key)?;
        let scheme = SignatureScheme::from_identifier(parts.algorithm).ok_or(CsrError::Algorithm)?;
        let wishes = wishes(bytes)?;
        if !key.verify(scheme, parts.info, parts.signature) {
            return Err(CsrError::Possession);
        }
        Ok(CheckedCsr { key, wishes })
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    pub fn into_public_key(self) -> PublicKey {
        self.key
    }
}

/// A minimal request for the signer's own key: what the agent, the service and `ca` send.
pub fn make(signer: &dyn Signer, subject_cn: &str) -> Result<Vec<u8>, SignerError> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = common_name(subject_cn, None);
    let request =
        params.serialize_request(&RcgenSigner::new(signer)?).map_err(|e| SignerError::Unavailable(e.to_string()))?;
    Ok(request.der().to_vec())
}

/// The raw pieces of `CertificationRequest` (RFC 2986 4.2).
struct Parts<'a> {
    info: &'a [u8],
    spki: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(bytes: &'a [u8]) -> Result<Parts<'a>, CsrError> {
        let (tag, body, _, _) = read_tlv(bytes)?;
        let (info_tag, info_body, info, rest) = read_tlv(body)?;
        let (alg_tag, _, algorithm, rest) = read_tlv(rest)?;
        let (sig_tag, signature, _, rest) = read_tlv(rest)?;
        if (tag, info_tag, alg_tag, sig_tag) != (0x30, 0x30, 0x30, 0x03) || !rest.is_empty() {
            return Err(CsrError::Structure);
        }
        let (version_tag, version, _, rest) = read_tlv(info_body)?;
        let (name_tag, _, _, rest) = read_tlv(rest)?;
        let (spki_tag, _, spki, rest) = read_tlv(rest)?;
        if (version_tag, version, name_tag, spki_tag) != (0x02, &[0][..], 0x30, 0x30) {
            return Err(CsrError::Structure);
        }
        // Attributes are mandatory in the standard and left out by some clients when empty.
        if !rest.is_empty() {
            let (tag, _, _, rest) = read_tlv(rest)?;
            if tag != 0xa0 || !rest.is_empty() {
                return Err(CsrError::Structure);
            }
        }
        match signature.split_first() {
            Some((0, signature)) => Ok(Parts { info, spki, algorithm, signature }),
            _ => Err(CsrError::Structure),
        }
    }
}

/// The second reader: attributes and extensions must parse and must be unique, although none is obeyed.
fn wishes(bytes: &[u8]) -> Result<Wishes, CsrError> {
    let (rest, csr) = X509CertificationRequest::from_der(bytes).map_err(|_| CsrError::Structure)?;
    if !rest.is_empty() {
        return Err(CsrError::Structure);
    }
    let info = &csr.certification_request_info;
    let mut attributes = Vec::new();
    let mut extensions = Vec::new();
    for attribute in info.iter_attributes() {
        if attributes.contains(&attribute.oid) {
            return Err(CsrError::Duplicate);
        }
        attributes.push(attribute.oid.clone());
        if let ParsedCriAttribute::ExtensionRequest(request) = attribute.parsed_attribute() {
            for extension in &request.extensions {
                let oid = extension.oid.to_id_string();
                if extensions.contains(&oid) {
                    return Err(CsrError::Duplicate);
                }
                extensions.push(oid);
            }
        }
    }
    let subject = info.subject.to_string();
    let subject = subject.chars().map(|c| if c.is_control() { '?' } else { c }).take(256).collect();
    Ok(Wishes { subject, extensions })
}

#[cfg(test)]
#[path = "csr_tests.rs"]
mod tests;
