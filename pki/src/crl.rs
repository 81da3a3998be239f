//! Certificate revocation lists (RFC 5280 5). Entries are kept encoded, so a list of a million is copied, not rebuilt.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ca::IssuerCert;
use crate::der::{self, DerError, read_tlv};
use crate::encode::SignedParts;
use crate::issue::{IssueError, sign_tbs};
use crate::serial::Serial;
use crate::signer::{self, Signer};
use crate::time::UnixTime;

/// RFC 5280 5.3.1, without the codes that make no sense here (removeFromCRL, certificateHold).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Unspecified,
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    PrivilegeWithdrawn,
}

impl Reason {
    pub const ALL: [Reason; 7] = [
        Reason::Unspecified,
        Reason::KeyCompromise,
        Reason::CaCompromise,
        Reason::AffiliationChanged,
        Reason::Superseded,
        Reason::CessationOfOperation,
        Reason::PrivilegeWithdrawn,
    ];

    pub fn code(self) -> u8 {
        match self {
            Reason::Unspecified => 0,
            Reason::KeyCompromise => 1,
            Reason::CaCompromise => 2,
            Reason::AffiliationChanged => 3,
            Reason::Superseded => 4,
            Reason::CessationOfOperation => 5,
            Reason::PrivilegeWithdrawn => 9,
        }
    }

    pub fn from_code(code: u8) -> Option<Reason> {
        Self::ALL.into_iter().find(|r| r.code() == code)
    }

    /// The spelling of command line and API: `key-compromise`.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Unspecified => "unspecified",
            Reason::KeyCompromise => "key-compromise",
            Reason::CaCompromise => "ca-compromise",
            Reason::AffiliationChanged => "affiliation-changed",
            Reason::Superseded => "superseded",
            Reason::CessationOfOperation => "cessation-of-operation",
            Reason::PrivilegeWithdrawn => "privilege-withdrawn",
        }
    }

    /// Also accepts RFC 5280's own spelling (`keyCompromise`).
    pub fn parse(text: &str) -> Option<Reason> {
        let plain = |t: &str| t.replace('-', "").to_ascii_lowercase();
        Self::ALL.into_iter().find(|r| plain(r.as_str()) == plain(text))
    }
}

/// Appends one `revokedCertificates` element. An unspecified reason is left out, as 5.3.1 asks.
pub fn encode_entry(serial: &Serial, revoked_at: UnixTime, reason: Reason, out: &mut Vec<u8>) {
    let number = der::integer(serial.as_bytes());
    let date = der::time(revoked_at);
    if reason == Reason::Unspecified {
        out.extend_from_slice(&der::sequence(&[&number, &date]));
        return;
    }
    let code = der::octet_string(&der::tlv(0x0a, &[reason.code()]));
    let extension = der::sequence(&[&der::oid(OID_REASON), &code]);
    out.extend_from_slice(&der::sequence(&[&number, &date, &der::sequence(&[&extension])]));
}

/// A list about to be signed. `entries` are concatenated encodings of [`encode_entry`].
#[derive(Debug, Clone, Copy)]
pub struct CrlPlan<'a> {
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    pub entries: &'a [u8],
}

/// Signs a full list of this issuer, without issuing distribution point, and verifies what came back.
pub fn sign(issuer: &IssuerCert, signer: &dyn Signer, plan: CrlPlan<'_>) -> Result<Vec<u8>, IssueError> {
    let scheme = signer::scheme(issuer.public_key())?;
    let key_id = der::sequence(&[&der::context_primitive(0, issuer.key_identifier())]);
    let number = der::integer(&plan.number.to_be_bytes());
    let extension = |oid: &[u8], value: &[u8]| der::sequence(&[&der::oid(oid), &der::octet_string(value)]);
    let extensions = der::sequence(&[&extension(OID_AKI, &key_id), &extension(OID_CRL_NUMBER, &number)]);
    // revokedCertificates MUST be absent when there are none (5.1.2.6).
    let revoked = if plan.entries.is_empty() { Vec::new() } else { der::tlv(0x30, plan.entries) };
    let tbs = der::sequence(&[
        &der::integer(&[1]),
        &scheme.identifier(),
        issuer.subject(),
        &der::time(plan.this_update),
        &der::time(plan.next_update),
        &revoked,
        &der::context(0, &extensions),
    ]);
    drop(revoked);
    sign_tbs(&tbs, scheme, issuer, signer)
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CrlError {
    #[error("the CRL is malformed: {0}")]
    Encoding(#[from] DerError),
    #[error("the CRL is malformed")]
    Structure,
    #[error("the CRL was not issued by {0}")]
    Issuer(String),
    #[error("the CRL's signature does not verify")]
    Signature,
}

/// A list as read. Entries stay encoded until somebody asks.
#[derive(Debug, Clone)]
pub struct CrlView {
    pub issuer: Vec<u8>,
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    entries: Vec<u8>,
}

impl CrlView {
    /// Parses `bytes` and checks issuer name and signature.
    pub fn verified(bytes: &[u8], issuer: &IssuerCert) -> Result<CrlView, CrlError> {
        let parts = SignedParts::split(bytes)?;
        let view = Self::read(parts.tbs)?;
        if view.issuer != issuer.subject() {
            return Err(CrlError::Issuer(issuer.view().subject_text.clone()));
        }
        if !parts.verify(issuer.public_key()) {
            return Err(CrlError::Signature);
        }
        Ok(view)
    }

    /// The revoked serials with their dates and reasons.
    pub fn entries(&self) -> Result<Vec<(Serial, UnixTime, Reason)>, CrlError> {
        let mut rest = self.entries.as_slice();
        let mut found = Vec::new();
        while !rest.is_empty() {
            let (tag, body, _, after) = read_tlv(rest)?;
            let (int_tag, serial, _, tail) = read_tlv(body)?;
            let (time_tag, date, _, tail) = read_tlv(tail)?;
            if (tag, int_tag) != (0x30, 0x02) {
                return Err(CrlError::Structure);
            }
            let serial = Serial::from_der_content(serial).map_err(|_| CrlError::Structure)?;
            found.push((serial, read_time(time_tag, date)?, reason(tail)?));
            rest = after;
        }
        Ok(found)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn read(tbs: &[u8]) -> Result<CrlView, CrlError> {
        let (_, body, _, rest) = read_tlv(tbs)?;
        let (version_tag, version, _, after) = read_tlv(body)?;
        let (_, _, _, after) = read_tlv(after)?;
        let (_, _, issuer, after) = read_tlv(after)?;
        let (this_tag, this_update, _, after) = read_tlv(after)?;
        let (next_tag, next_update, _, mut after) = read_tlv(after)?;
        if (version_tag, version) != (0x02, &[1][..]) || !rest.is_empty() {
            return Err(CrlError::Structure);
        }
        let mut entries = Vec::new();
        if after.first() == Some(&0x30) {
            let (_, revoked, _, tail) = read_tlv(after)?;
            entries = revoked.to_vec();
            after = tail;
        }
        let (tag, extensions, _, rest) = read_tlv(after)?;
        if tag != 0xa0 || !rest.is_empty() {
            return Err(CrlError::Structure);
        }
        Ok(CrlView {
            issuer: issuer.to_vec(),
            number: crl_number(extensions)?,
            this_update: read_time(this_tag, this_update)?,
            next_update: read_time(next_tag, next_update)?,
            entries,
        })
    }
}

fn crl_number(extensions: &[u8]) -> Result<u64, CrlError> {
    let (_, mut list, _, _) = read_tlv(extensions)?;
    while !list.is_empty() {
        let (_, extension, _, rest) = read_tlv(list)?;
        let (_, oid, _, value) = read_tlv(extension)?;
        if oid == OID_CRL_NUMBER {
            let (_, octets, _, _) = read_tlv(value)?;
            let (_, number, _, _) = read_tlv(octets)?;
            if number.len() > 9 || number.first().is_none_or(|b| b & 0x80 != 0) {
                return Err(CrlError::Structure);
            }
            return Ok(number.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)));
        }
        list = rest;
    }
    Err(CrlError::Structure)
}

fn reason(extensions: &[u8]) -> Result<Reason, CrlError> {
    if extensions.is_empty() {
        return Ok(Reason::Unspecified);
    }
    let (_, mut list, _, _) = read_tlv(extensions)?;
    while !list.is_empty() {
        let (_, extension, _, rest) = read_tlv(list)?;
        let (_, oid, _, value) = read_tlv(extension)?;
        if oid == OID_REASON {
            let (_, octets, _, _) = read_tlv(value)?;
            let (_, code, _, _) = read_tlv(octets)?;
            return code.first().and_then(|c| Reason::from_code(*c)).ok_or(CrlError::Structure);
        }
        list = rest;
    }
    Ok(Reason::Unspecified)
}

fn read_time(tag: u8, content: &[u8]) -> Result<UnixTime, CrlError> {
    // ASCII first: the slices below must fall between characters.
    let text = std::str::from_utf8(content).ok().filter(|t| t.is_ascii()).ok_or(CrlError::Structure)?;
    let (year, rest) = match (tag, text.len()) {
        (0x17, 13) => {
            let year: u32 = text[..2].parse().map_err(|_| CrlError::Structure)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, &text[2..])
        }
        (0x18, 15) => (text[..4].parse().map_err(|_| CrlError::Structure)?, &text[4..]),
        _ => return Err(CrlError::Structure),
    };
    let at = |i: usize| &rest[i..i + 2];
    let rfc3339 = format!("{year:04}-{}-{}T{}:{}:{}Z", at(0), at(2), at(4), at(6), at(8));
    UnixTime::parse_rfc3339(&rfc3339).ok_or(CrlError::Structure)
}

const OID_REASON: &[u8] = &[0x55, 0x1d, 0x15];
const OID_AKI: &[u8] = &[0x55, 0x1d, 0x23];
const OID_CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];

#[cfg(test)]
#[path = "crl_tests.rs"]
mod tests;
