//! Answers as read: by clients, by the lint before a signature, by tests.

use thiserror::Error;

use super::id::CertId;
use super::responder::{ResponderCert, ResponderError};
use super::response::SUCCESSFUL;
use super::{ENUMERATED, Extensions, OID_BASIC, OID_NONCE, Single, Status, Unsuccessful, read_nonce};
use crate::ca::IssuerCert;
use crate::crl::Reason;
use crate::der::{self, DerError, Limits, read_tlv};
use crate::key::SignatureScheme;
use crate::time::UnixTime;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OcspError {
    #[error("the OCSP answer is malformed: {0}")]
    Encoding(#[from] DerError),
    #[error("the OCSP answer is malformed")]
    Structure,
    #[error("the OCSP responder did not answer: {0}")]
    Unsuccessful(#[from] Unsuccessful),
    #[error("the OCSP answer has a critical extension that is not understood here")]
    Critical,
    #[error("the OCSP answer's responder: {0}")]
    Responder(#[from] ResponderError),
    #[error("the OCSP answer's responder was not certified for this moment")]
    Validity,
    #[error("the OCSP answer's signature does not verify")]
    Signature,
}

/// An answer that a responder signed whom the issuer certified for that.
#[derive(Debug, Clone)]
pub struct OcspView {
    pub responder: ResponderCert,
    pub produced_at: UnixTime,
    pub nonce: Option<Vec<u8>>,
    singles: Vec<Single>,
}

impl OcspView {
    /// Parses `bytes`; checks signature, responder and that its certificate is valid at `at`. Whether the answer is recent
    /// and about the right certificate is in [`about`](Self::about).
    pub fn verified(bytes: &[u8], issuer: &IssuerCert, at: UnixTime) -> Result<OcspView, OcspError> {
        let basic = basic_response(bytes)?;
        der::check(basic, Limits::OCSP_RESPONSE)?;
        let parts = Parts::split(basic)?;
        let found = ResponseFields::read(parts.tbs)?;
        let responder = ResponderCert::below(parts.certificate, issuer)?;
        if !responder.view().is_valid_at(at) {
            return Err(OcspError::Validity);
        }
        let scheme = SignatureScheme::from_identifier(parts.algorithm).ok_or(OcspError::Signature)?;
        let verifies = responder.public_key().verify(scheme, parts.tbs, parts.signature);
        if found.key_hash != responder.key_hash() || !verifies {
            return Err(OcspError::Signature);
        }
        Ok(OcspView {
            produced_at: found.produced_at,
            nonce: found.nonce.map(<[u8]>::to_vec),
            singles: found.singles,
            responder,
        })
    }

    /// What it says about `id`, when it may be believed at `at` (4.2.2.1).
    pub fn about(&self, id: &CertId, at: UnixTime) -> Option<Status> {
        let mut about = self.singles.iter().filter(|single| single.id == *id);
        let current = |single: &&Single| single.this_update <= at && at <= single.next_update;
        about.find(current).map(|single| single.status)
    }

    pub fn singles(&self) -> &[Single] {
        &self.singles
    }
}

/// `OCSPResponse` down to the octets of the `BasicOCSPResponse`.
fn basic_response(bytes: &[u8]) -> Result<&[u8], OcspError> {
    der::check(bytes, Limits::OCSP_RESPONSE)?;
    let (tag, body, _, _) = read_tlv(bytes)?;
    let (status_tag, status, _, wrapped) = read_tlv(body)?;
    let (0x30, ENUMERATED, [status]) = (tag, status_tag, status) else { return Err(OcspError::Structure) };
    if *status != SUCCESSFUL {
        let known = Unsuccessful::from_code(*status).filter(|_| wrapped.is_empty());
        return Err(known.map_or(OcspError::Structure, OcspError::from));
    }
    let (wrapped_tag, wrapped, _, rest) = read_tlv(wrapped)?;
    let (bytes_tag, response_bytes, _, tail) = read_tlv(wrapped)?;
    let (oid_tag, oid, _, after) = read_tlv(response_bytes)?;
    let (octets_tag, basic, _, end) = read_tlv(after)?;
    let tags = (wrapped_tag, bytes_tag, oid_tag, octets_tag);
    let alone = rest.is_empty() && tail.is_empty() && end.is_empty();
    if tags == (0xa0, 0x30, 0x06, 0x04) && alone && oid == OID_BASIC { Ok(basic) } else { Err(OcspError::Structure) }
}

/// `BasicOCSPResponse` (4.2.1) with exactly one certificate: the responder's.
struct Parts<'a> {
    tbs: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
    certificate: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(basic: &'a [u8]) -> Result<Parts<'a>, OcspError> {
        let (tag, body, _, _) = read_tlv(basic)?;
        let (tbs_tag, _, tbs, rest) = read_tlv(body)?;
        let (algorithm_tag, _, algorithm, rest) = read_tlv(rest)?;
        let (signature_tag, signature, _, rest) = read_tlv(rest)?;
        let (wrapped_tag, wrapped, _, end) = read_tlv(rest)?;
        let (list_tag, list, _, tail) = read_tlv(wrapped)?;
        let (_, _, certificate, second) = read_tlv(list)?;
        let tags = (tag, tbs_tag, algorithm_tag, signature_tag, wrapped_tag, list_tag);
        let alone = end.is_empty() && tail.is_empty() && second.is_empty();
        match signature.split_first() {
            Some((0, signature)) if tags == (0x30, 0x30, 0x30, 0x03, 0xa0, 0x30) && alone => {
                Ok(Parts { tbs, algorithm, signature, certificate })
            }
            _ => Err(OcspError::Structure),
        }
    }
}

/// `ResponseData` (4.2.1) of a responder that names itself by its key.
pub(super) struct ResponseFields<'a> {
    pub(super) key_hash: &'a [u8],
    pub(super) produced_at: UnixTime,
    pub(super) singles: Vec<Single>,
    pub(super) nonce: Option<&'a [u8]>,
}

impl<'a> ResponseFields<'a> {
    pub(super) fn read(tbs: &'a [u8]) -> Result<ResponseFields<'a>, OcspError> {
        let (tag, body, _, behind) = read_tlv(tbs)?;
        let (responder_tag, responder, _, rest) = read_tlv(body)?;
        let (hash_tag, key_hash, _, tail) = read_tlv(responder)?;
        let (produced_at, rest) = read_time(rest)?;
        let (list_tag, mut list, _, extensions) = read_tlv(rest)?;
        let tags = (tag, responder_tag, hash_tag, list_tag);
        if tags != (0x30, 0xa2, 0x04, 0x30) || !tail.is_empty() || !behind.is_empty() || list.is_empty() {
            return Err(OcspError::Structure);
        }
        let mut singles = Vec::new();
        while !list.is_empty() {
            let (single, after) = read_single(list)?;
            singles.push(single);
            list = after;
        }
        Ok(ResponseFields { key_hash, produced_at, singles, nonce: find_nonce(extensions)? })
    }
}

fn read_single(bytes: &[u8]) -> Result<(Single, &[u8]), OcspError> {
    let (tag, body, _, after) = read_tlv(bytes)?;
    let (id, rest) = CertId::read(body)?;
    let (status_tag, status, _, rest) = read_tlv(rest)?;
    let status = match (status_tag, status) {
        (0x80, []) => Status::Good,
        (0xa1, revoked) => read_revoked(revoked)?,
        (0x82, []) => Status::Unknown,
        _ => return Err(OcspError::Structure),
    };
    let (this_update, rest) = read_time(rest)?;
    // Without nextUpdate newer information would be there always (4.2.2.1): nobody could keep such an answer.
    let (next_tag, next, _, end) = read_tlv(rest)?;
    let (next_update, tail) = read_time(next)?;
    if (tag, next_tag) != (0x30, 0xa0) || !end.is_empty() || !tail.is_empty() {
        return Err(OcspError::Structure);
    }
    Ok((Single { id, status, this_update, next_update }, after))
}

/// `RevokedInfo`.
fn read_revoked(bytes: &[u8]) -> Result<Status, OcspError> {
    let (at, rest) = read_time(bytes)?;
    let reason = match rest {
        [] => Reason::Unspecified,
        // [0] with an ENUMERATED of one octet. Zero is written by nobody who leaves it out when it is meant.
        [0xa0, 0x03, ENUMERATED, 0x01, code] if *code != 0 => Reason::from_code(*code).ok_or(OcspError::Structure)?,
        _ => return Err(OcspError::Structure),
    };
    Ok(Status::Revoked { at, reason })
}

fn find_nonce(wrapped: &[u8]) -> Result<Option<&[u8]>, OcspError> {
    if wrapped.is_empty() {
        return Ok(None);
    }
    let (tag, list, _, rest) = read_tlv(wrapped)?;
    let (list_tag, list, _, tail) = read_tlv(list)?;
    if (tag, list_tag) != (0xa1, 0x30) || !rest.is_empty() || !tail.is_empty() {
        return Err(OcspError::Structure);
    }
    let mut nonce = None;
    for extension in Extensions(list) {
        let extension = extension?;
        if extension.oid == OID_NONCE {
            let value = read_nonce(extension.value).ok_or(OcspError::Structure)?;
            if nonce.replace(value).is_some() {
                return Err(OcspError::Structure);
            }
        } else if extension.critical {
            return Err(OcspError::Critical);
        }
    }
    Ok(nonce)
}

/// GeneralizedTime in whole seconds of UTC, the one spelling that RFC 5280 4.1.2.5.2 allows; and what follows it.
fn read_time(bytes: &[u8]) -> Result<(UnixTime, &[u8]), OcspError> {
    let (_, content, whole, after) = read_tlv(bytes)?;
    let text =
        std::str::from_utf8(content).ok().filter(|t| t.len() == 15 && t.is_ascii()).ok_or(OcspError::Structure)?;
    let [year, month, day] = [&text[..4], &text[4..6], &text[6..8]];
    let [hour, minute, second] = [&text[8..10], &text[10..12], &text[12..14]];
    let at = UnixTime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"));
    // Written again it is the same, so it was that spelling.
    let at = at.filter(|at| der::generalized_time(*at) == whole).ok_or(OcspError::Structure)?;
    Ok((at, after))
}
