//! Room 2: a PKCS#10 request (RFC 2986) becomes a public key whose holder signed for it, and nothing else.

use thiserror::Error;
use x509_parser::der_parser::oid::Oid;
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::der::{self, DerError, Limits, read_tlv};
use crate::encode::{RcgenSigner, common_name};
use crate::key::{KeyError, PublicKey, SignatureScheme};
use crate::key_policy::{KeyPolicy, KeyRefusal};
use crate::name::printable;
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
    /// The only CN, and the only O, as text; none when absent, repeated or not text.
    pub common_name: Option<String>,
    pub organization: Option<String>,
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
        let key = PublicKey::from_strict_spki(parts.spki)?;
        policy.check(&key)?;
        let scheme = SignatureScheme::from_identifier(parts.algorithm).ok_or(CsrError::Algorithm)?;
        let wishes = parts.wishes()?;
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
    make_named(signer, subject_cn, None)
}

/// The same with an organisation: what an issuer sends to its root.
pub fn make_named(signer: &dyn Signer, subject_cn: &str, organization: Option<&str>) -> Result<Vec<u8>, SignerError> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = common_name(subject_cn, organization);
    let request =
        params.serialize_request(&RcgenSigner::new(signer)?).map_err(|e| SignerError::Unavailable(e.to_string()))?;
    Ok(request.der().to_vec())
}

/// The raw pieces of `CertificationRequest` (RFC 2986 4.2).
struct Parts<'a> {
    info: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    /// Content of `[0] Attributes`.
    attributes: &'a [u8],
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
        let (name_tag, _, subject, rest) = read_tlv(rest)?;
        let (spki_tag, _, spki, rest) = read_tlv(rest)?;
        if (version_tag, version, name_tag, spki_tag) != (0x02, &[0][..], 0x30, 0x30) {
            return Err(CsrError::Structure);
        }
        // Attributes are mandatory in the standard and left out by some clients when empty.
        let mut attributes: &[u8] = &[];
        if !rest.is_empty() {
            let (tag, content, _, rest) = read_tlv(rest)?;
            if tag != 0xa0 || !rest.is_empty() {
                return Err(CsrError::Structure);
            }
            attributes = content;
        }
        match signature.split_first() {
            Some((0, signature)) => Ok(Parts { info, subject, spki, attributes, algorithm, signature }),
            _ => Err(CsrError::Structure),
        }
    }

    /// Attributes and extensions must be well formed and unique, although none is obeyed. What an extension says is
    /// not even looked at.
    fn wishes(&self) -> Result<Wishes, CsrError> {
        let mut types: Vec<&[u8]> = Vec::new();
        let mut extensions: Vec<&[u8]> = Vec::new();
        let mut rest = self.attributes;
        while !rest.is_empty() {
            let (tag, attribute, _, after) = read_tlv(rest)?;
            let (type_tag, kind, _, values) = read_tlv(attribute)?;
            let (values_tag, values, _, tail) = read_tlv(values)?;
            if (tag, type_tag, values_tag) != (0x30, 0x06, 0x31) || !tail.is_empty() || values.is_empty() {
                return Err(CsrError::Structure);
            }
            if types.contains(&kind) {
                return Err(CsrError::Duplicate);
            }
            types.push(kind);
            if kind == OID_EXTENSION_REQUEST {
                extensions = requested_extensions(values)?;
            }
            rest = after;
        }
        let (_, subject) = X509Name::from_der(self.subject).map_err(|_| CsrError::Structure)?;
        let dotted = |oid: &&[u8]| Oid::new((*oid).into()).to_id_string();
        Ok(Wishes {
            subject: printable(&subject.to_string(), 256),
            common_name: only(subject.iter_common_name()),
            organization: only(subject.iter_organization()),
            extensions: extensions.iter().map(dotted).collect(),
        })
    }
}

fn only<'a>(mut values: impl Iterator<Item = &'a AttributeTypeAndValue<'a>>) -> Option<String> {
    let first = values.next()?.as_str().ok()?;
    values.next().is_none().then(|| first.to_owned())
}

/// The identifiers in `extensionRequest`, which has exactly one value (RFC 2985 5.4.2).
fn requested_extensions(values: &[u8]) -> Result<Vec<&[u8]>, CsrError> {
    let (tag, mut rest, _, second) = read_tlv(values)?;
    if !second.is_empty() {
        return Err(CsrError::Duplicate);
    }
    if tag != 0x30 {
        return Err(CsrError::Structure);
    }
    let mut found: Vec<&[u8]> = Vec::new();
    while !rest.is_empty() {
        let (tag, extension, _, after) = read_tlv(rest)?;
        let (oid_tag, oid, _, mut tail) = read_tlv(extension)?;
        if tail.first() == Some(&0x01) {
            tail = read_tlv(tail)?.3;
        }
        let (value_tag, _, _, end) = read_tlv(tail)?;
        if (tag, oid_tag, value_tag) != (0x30, 0x06, 0x04) || !end.is_empty() {
            return Err(CsrError::Structure);
        }
        if found.contains(&oid) {
            return Err(CsrError::Duplicate);
        }
        found.push(oid);
        rest = after;
    }
    Ok(found)
}

/// pkcs-9-at-extensionRequest, 1.2.840.113549.1.9.14.
const OID_EXTENSION_REQUEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];

#[cfg(test)]
#[path = "csr_tests.rs"]
mod tests;
