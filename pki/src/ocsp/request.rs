//! `OCSPRequest` (RFC 6960 4.1.1) from anybody. A signature on it is not looked at: what is answered is public.

use thiserror::Error;

use super::id::CertId;
use super::{Extensions, NONCE_OCTETS, OID_NONCE, nonce_extension, read_nonce};
use crate::der::{self, DerError, Limits, read_tlv};

/// Certificates that one request may ask about: chains are shorter, and each costs a look at the store.
pub const MAX_CERTIFICATES: usize = 32;

/// What a well-formed request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspRequest {
    ids: Vec<CertId>,
    nonce: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RequestError {
    #[error("the OCSP request is not valid: {0}")]
    Encoding(#[from] DerError),
    #[error("the OCSP request has another structure than RFC 6960 gives it")]
    Structure,
    #[error("the OCSP request asks about no certificate, or about more than {MAX_CERTIFICATES}")]
    Certificates,
    #[error("the OCSP request's nonce does not have 1 to 128 octets")]
    Nonce,
    #[error("the OCSP request has a critical extension that is not understood here")]
    Critical,
    #[error("the OCSP request has an extension twice")]
    Duplicate,
}

impl OcspRequest {
    /// A request about `ids`, of which there are 1 to [`MAX_CERTIFICATES`], with a nonce of 1 to 128 octets.
    pub fn new(ids: Vec<CertId>, nonce: Option<Vec<u8>>) -> Result<OcspRequest, RequestError> {
        if !(1..=MAX_CERTIFICATES).contains(&ids.len()) {
            return Err(RequestError::Certificates);
        }
        if nonce.as_ref().is_some_and(|nonce| !NONCE_OCTETS.contains(&nonce.len())) {
            return Err(RequestError::Nonce);
        }
        Ok(OcspRequest { ids, nonce })
    }

    pub fn parse(bytes: &[u8]) -> Result<OcspRequest, RequestError> {
        der::check(bytes, Limits::OCSP_REQUEST)?;
        let (tag, body, _, _) = read_tlv(bytes)?;
        let (tbs_tag, tbs, _, signature) = read_tlv(body)?;
        if (tag, tbs_tag) != (0x30, 0x30) || !is_alone(signature, 0xa0) {
            return Err(RequestError::Structure);
        }
        // version [0] is DEFAULT v1, and there is no other: in DER it is never written. requestorName [1] says nothing.
        let mut rest = tbs;
        if rest.first() == Some(&0xa1) {
            rest = read_tlv(rest)?.3;
        }
        let (list_tag, list, _, extensions) = read_tlv(rest)?;
        if list_tag != 0x30 || !is_alone(extensions, 0xa2) {
            return Err(RequestError::Structure);
        }
        OcspRequest::new(read_list(list)?, read_extensions(extensions)?)
    }

    pub fn ids(&self) -> &[CertId] {
        &self.ids
    }

    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }

    /// The inverse of [`parse`](Self::parse).
    pub fn to_der(&self) -> Vec<u8> {
        let requests: Vec<u8> = self.ids.iter().flat_map(|id| der::sequence(&[id.der()])).collect();
        let nonce = self.nonce.as_deref().map(|nonce| der::context(2, &nonce_extension(nonce))).unwrap_or_default();
        der::sequence(&[&der::sequence(&[&der::tlv(0x30, &requests), &nonce])])
    }
}

/// Nothing, or one element with this tag and nothing behind it.
fn is_alone(bytes: &[u8], tag: u8) -> bool {
    bytes.is_empty() || matches!(read_tlv(bytes), Ok((found, _, _, [])) if found == tag)
}

fn read_list(mut list: &[u8]) -> Result<Vec<CertId>, RequestError> {
    let mut ids = Vec::new();
    while !list.is_empty() {
        if ids.len() == MAX_CERTIFICATES {
            return Err(RequestError::Certificates);
        }
        let (tag, request, _, after) = read_tlv(list)?;
        let (id, extensions) = CertId::read(request)?;
        if tag != 0x30 || !is_alone(extensions, 0xa0) {
            return Err(RequestError::Structure);
        }
        // Of the extensions to a single request none is understood: all may be there, none may insist.
        each_extension(extensions, |_, _| Ok(false))?;
        ids.push(id);
        list = after;
    }
    Ok(ids)
}

/// The nonce; other extensions (acceptable responses, preferred algorithms, a locator) have no effect (4.4).
fn read_extensions(wrapped: &[u8]) -> Result<Option<Vec<u8>>, RequestError> {
    let mut nonce = None;
    each_extension(wrapped, |oid, value| {
        if oid == OID_NONCE {
            nonce = Some(read_nonce(value).ok_or(RequestError::Nonce)?.to_vec());
        }
        Ok(oid == OID_NONCE)
    })?;
    Ok(nonce)
}

/// Shows each extension in `[n] { Extensions }` to `read`, which says whether it understood it.
fn each_extension<'a>(
    wrapped: &'a [u8],
    mut read: impl FnMut(&'a [u8], &'a [u8]) -> Result<bool, RequestError>,
) -> Result<(), RequestError> {
    if wrapped.is_empty() {
        return Ok(());
    }
    let (tag, list, _, rest) = read_tlv(read_tlv(wrapped)?.1)?;
    // SIZE (1..MAX).
    if tag != 0x30 || !rest.is_empty() || list.is_empty() {
        return Err(RequestError::Structure);
    }
    let mut seen: Vec<&[u8]> = Vec::new();
    for extension in Extensions(list) {
        let extension = extension?;
        if seen.contains(&extension.oid) {
            return Err(RequestError::Duplicate);
        }
        seen.push(extension.oid);
        if !read(extension.oid, extension.value)? && extension.critical {
            return Err(RequestError::Critical);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
