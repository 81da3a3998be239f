//! OCSP (RFC 6960): requests as read, answers as signed, answers as read. What a certificate's status is, others know.

mod id;
mod request;
mod responder;
mod response;
mod view;

use thiserror::Error;

pub use id::{CertId, IdHash, IssuerIds};
pub use request::{MAX_CERTIFICATES, OcspRequest, RequestError};
pub use responder::{ResponderCert, ResponderError};
pub use response::{AnswerPlan, sign};
pub use view::{OcspError, OcspView};

use crate::crl::Reason;
use crate::der::{self, DerError, read_tlv};
use crate::time::UnixTime;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked {
        at: UnixTime,
        reason: Reason,
    },
    /// The responder does not know the certificate. Nobody may take it for good.
    Unknown,
}

/// `SingleResponse` (4.2.1): what is said about one certificate, and how long that may be believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Single {
    pub id: CertId,
    pub status: Status,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
}

/// An answer without a signature (4.2.1): anybody could have sent it, so it says nothing about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unsuccessful {
    #[error("the request is malformed")]
    MalformedRequest,
    #[error("the responder has a fault")]
    InternalError,
    #[error("the responder cannot answer now")]
    TryLater,
    #[error("the responder does not answer for this issuer")]
    Unauthorized,
}

impl Unsuccessful {
    const ALL: [Unsuccessful; 4] = [
        Unsuccessful::MalformedRequest,
        Unsuccessful::InternalError,
        Unsuccessful::TryLater,
        Unsuccessful::Unauthorized,
    ];

    /// `OCSPResponse` with this status and nothing else.
    pub fn to_der(self) -> Vec<u8> {
        der::sequence(&[&der::tlv(ENUMERATED, &[self.code()])])
    }

    fn code(self) -> u8 {
        match self {
            Unsuccessful::MalformedRequest => 1,
            Unsuccessful::InternalError => 2,
            Unsuccessful::TryLater => 3,
            Unsuccessful::Unauthorized => 6,
        }
    }

    fn from_code(code: u8) -> Option<Unsuccessful> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// One of `Extensions` (RFC 5280 4.1) as read.
struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

/// Walks the content of `Extensions`; the first error ends the walk.
struct Extensions<'a>(&'a [u8]);

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, DerError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = read_extension(self.0).map(|(extension, after)| {
            self.0 = after;
            extension
        });
        if read.is_err() {
            self.0 = &[];
        }
        Some(read)
    }
}

fn read_extension(bytes: &[u8]) -> Result<(Extension<'_>, &[u8]), DerError> {
    let (tag, body, _, after) = read_tlv(bytes)?;
    let (oid_tag, oid, _, mut tail) = read_tlv(body)?;
    let mut critical = false;
    if tail.first() == Some(&0x01) {
        let (_, value, _, rest) = read_tlv(tail)?;
        (critical, tail) = (value != [0], rest);
    }
    let (value_tag, value, _, end) = read_tlv(tail)?;
    match (tag, oid_tag, value_tag) {
        (0x30, 0x06, 0x04) if end.is_empty() => Ok((Extension { oid, critical, value }, after)),
        _ => Err(DerError::NotCanonical("not a list of extensions")),
    }
}

/// The octets of `Nonce ::= OCTET STRING (SIZE (1..128))` (RFC 9654 2.1) in an extension's value.
fn read_nonce(value: &[u8]) -> Option<&[u8]> {
    match read_tlv(value) {
        Ok((0x04, nonce, _, [])) if NONCE_OCTETS.contains(&nonce.len()) => Some(nonce),
        _ => None,
    }
}

fn nonce_extension(nonce: &[u8]) -> Vec<u8> {
    let value = der::octet_string(&der::octet_string(nonce));
    der::sequence(&[&der::sequence(&[&der::oid(OID_NONCE), &value])])
}

const ENUMERATED: u8 = 0x0a;
/// RFC 9654 2.1.
const NONCE_OCTETS: std::ops::RangeInclusive<usize> = 1..=128;
/// id-pkix-ocsp-nonce, 1.3.6.1.5.5.7.48.1.2.
const OID_NONCE: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02];
/// id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
const OID_BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
