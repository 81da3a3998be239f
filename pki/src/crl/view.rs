//! Revocation lists as read. Entries stay encoded until somebody asks.

use thiserror::Error;
use time::{Date, Month, PrimitiveDateTime, Time};

use super::{OID_AKI, OID_CRL_NUMBER, OID_IDP, OID_REASON, Reason};
use crate::ca::IssuerCert;
use crate::der::{DerError, read_tlv};
use crate::encode::SignedParts;
use crate::serial::Serial;
use crate::time::UnixTime;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CrlError {
    #[error("the CRL is malformed: {0}")]
    Encoding(#[from] DerError),
    #[error("the CRL is malformed")]
    Structure,
    #[error("the CRL has a critical extension, so it is not the full list of its issuer")]
    Partial,
    #[error("the CRL was not issued by {0}")]
    Issuer(String),
    #[error("the CRL's signature does not verify")]
    Signature,
}

/// A list that its issuer signed.
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
        let found = CrlFields::read(parts.tbs)?;
        if found.distribution_point.is_some() {
            return Err(CrlError::Partial);
        }
        CrlView::checked(parts, found, issuer)
    }

    /// The same for a list that may cover a part of its issuer's certificates only: what stands on it is revoked, and what does
    /// not may be. A list that names another key than this issuer's is another issuer's.
    pub fn full_or_shard(bytes: &[u8], issuer: &IssuerCert) -> Result<CrlView, CrlError> {
        let parts = SignedParts::split(bytes)?;
        let found = CrlFields::read(parts.tbs)?;
        if found.authority_key_id.is_some_and(|id| id != issuer.key_identifier()) {
            return Err(CrlError::Issuer(issuer.view().subject_text.clone()));
        }
        CrlView::checked(parts, found, issuer)
    }

    fn checked(parts: SignedParts<'_>, found: CrlFields<'_>, issuer: &IssuerCert) -> Result<CrlView, CrlError> {
        if found.issuer != issuer.subject() {
            return Err(CrlError::Issuer(issuer.view().subject_text.clone()));
        }
        // RFC 5280 5.1.1.2: the algorithm outside is the one inside.
        if found.algorithm != parts.algorithm || !parts.verify(issuer.public_key()) {
            return Err(CrlError::Signature);
        }
        Ok(CrlView {
            issuer: found.issuer.to_vec(),
            number: found.number,
            this_update: found.this_update,
            next_update: found.next_update,
            entries: found.entries.to_vec(),
        })
    }

    /// The revoked serials with their dates and reasons.
    pub fn entries(&self) -> Result<Vec<(Serial, UnixTime, Reason)>, CrlError> {
        Walk(&self.entries).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// `TBSCertList` (RFC 5280 5.1) of a full list or a shard, borrowed.
pub(super) struct CrlFields<'a> {
    pub(super) algorithm: &'a [u8],
    pub(super) issuer: &'a [u8],
    pub(super) this_update: UnixTime,
    pub(super) next_update: UnixTime,
    pub(super) entries: &'a [u8],
    pub(super) authority_key_id: Option<&'a [u8]>,
    pub(super) number: u64,
    /// The value of the issuing distribution point, unread.
    pub(super) distribution_point: Option<&'a [u8]>,
}

impl<'a> CrlFields<'a> {
    pub(super) fn read(tbs: &'a [u8]) -> Result<CrlFields<'a>, CrlError> {
        let (_, body, _, rest) = read_tlv(tbs)?;
        let (version_tag, version, _, after) = read_tlv(body)?;
        let (_, _, algorithm, after) = read_tlv(after)?;
        let (issuer_tag, _, issuer, after) = read_tlv(after)?;
        let (this_tag, this_update, _, after) = read_tlv(after)?;
        let (next_tag, next_update, _, mut after) = read_tlv(after)?;
        if (version_tag, version, issuer_tag) != (0x02, &[1][..], 0x30) || !rest.is_empty() {
            return Err(CrlError::Structure);
        }
        let mut entries: &[u8] = &[];
        if after.first() == Some(&0x30) {
            let (_, revoked, _, tail) = read_tlv(after)?;
            (entries, after) = (revoked, tail);
            if entries.is_empty() {
                return Err(CrlError::Structure);
            }
        }
        let (tag, wrapped, _, rest) = read_tlv(after)?;
        let (list_tag, list, _, tail) = read_tlv(wrapped)?;
        if (tag, list_tag) != (0xa0, 0x30) || !rest.is_empty() || !tail.is_empty() {
            return Err(CrlError::Structure);
        }
        let found = Extensions::read(list)?;
        Ok(CrlFields {
            algorithm,
            issuer,
            this_update: read_time(this_tag, this_update)?,
            next_update: read_time(next_tag, next_update)?,
            entries,
            authority_key_id: found.authority_key_id.map(key_identifier).transpose()?,
            number: read_number(found.number.ok_or(CrlError::Structure)?)?,
            distribution_point: found.distribution_point,
        })
    }
}

/// Values of a list's own extensions.
#[derive(Default)]
struct Extensions<'a> {
    authority_key_id: Option<&'a [u8]>,
    number: Option<&'a [u8]>,
    distribution_point: Option<&'a [u8]>,
}

impl<'a> Extensions<'a> {
    /// Of what is critical an issuing distribution point alone is understood (RFC 5280 5.2.5), and it has to be.
    fn read(mut list: &'a [u8]) -> Result<Extensions<'a>, CrlError> {
        let mut found = Extensions::default();
        while !list.is_empty() {
            let (extension, rest) = Extension::read(list)?;
            let (place, critical) = match extension.oid {
                OID_AKI => (&mut found.authority_key_id, false),
                OID_CRL_NUMBER => (&mut found.number, false),
                OID_IDP => (&mut found.distribution_point, true),
                _ if extension.critical => return Err(CrlError::Partial),
                _ => (&mut None, false),
            };
            if extension.critical && !critical {
                return Err(CrlError::Partial);
            }
            if extension.critical != critical || place.replace(extension.value).is_some() {
                return Err(CrlError::Structure);
            }
            list = rest;
        }
        Ok(found)
    }
}

/// How many elements there are, when they are SEQUENCEs in a row and nothing else; what is in them is not looked at.
pub(super) fn frames(mut entries: &[u8]) -> Option<u64> {
    let mut count = 0;
    while !entries.is_empty() {
        let (0x30, _, _, rest) = read_tlv(entries).ok()? else { return None };
        entries = rest;
        count += 1;
    }
    Some(count)
}

/// Walks concatenated `revokedCertificates` elements; the first error ends the walk.
pub(super) struct Walk<'a>(pub(super) &'a [u8]);

impl Iterator for Walk<'_> {
    type Item = Result<(Serial, UnixTime, Reason), CrlError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let read = read_tlv(self.0).map_err(CrlError::from).and_then(|(tag, body, _, after)| {
            self.0 = after;
            if tag == 0x30 { read_entry(body) } else { Err(CrlError::Structure) }
        });
        if read.is_err() {
            self.0 = &[];
        }
        Some(read)
    }
}

fn read_entry(body: &[u8]) -> Result<(Serial, UnixTime, Reason), CrlError> {
    let (serial_tag, serial, _, tail) = read_tlv(body)?;
    let (time_tag, date, _, tail) = read_tlv(tail)?;
    if serial_tag != 0x02 {
        return Err(CrlError::Structure);
    }
    let serial = Serial::from_der_content(serial).map_err(|_| CrlError::Structure)?;
    let date = read_time(time_tag, date)?;
    if tail.is_empty() {
        return Ok((serial, date, Reason::Unspecified));
    }
    let (list_tag, list, _, rest) = read_tlv(tail)?;
    if list_tag != 0x30 || !rest.is_empty() {
        return Err(CrlError::Structure);
    }
    let reason = match find_extension(list, OID_REASON)? {
        None => Reason::Unspecified,
        Some(value) => match value {
            // ENUMERATED of one octet.
            [0x0a, 0x01, code] => Reason::from_code(*code).ok_or(CrlError::Structure)?,
            _ => return Err(CrlError::Structure),
        },
    };
    Ok((serial, date, reason))
}

/// The value of extension `wanted` of an entry, none of which may be critical: a certificate issuer would change what the
/// entry means (RFC 5280 5.3.3).
fn find_extension<'a>(mut list: &'a [u8], wanted: &[u8]) -> Result<Option<&'a [u8]>, CrlError> {
    let mut found = None;
    while !list.is_empty() {
        let (extension, rest) = Extension::read(list)?;
        if extension.critical {
            return Err(CrlError::Partial);
        }
        if extension.oid == wanted && found.replace(extension.value).is_some() {
            return Err(CrlError::Structure);
        }
        list = rest;
    }
    Ok(found)
}

struct Extension<'a> {
    oid: &'a [u8],
    critical: bool,
    value: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Splits off the first of a list.
    fn read(list: &'a [u8]) -> Result<(Extension<'a>, &'a [u8]), CrlError> {
        let (tag, extension, _, rest) = read_tlv(list)?;
        let (oid_tag, oid, _, mut tail) = read_tlv(extension)?;
        let mut critical = false;
        if tail.first() == Some(&0x01) {
            let (_, flag, _, after) = read_tlv(tail)?;
            (critical, tail) = (flag != [0], after);
        }
        let (value_tag, value, _, end) = read_tlv(tail)?;
        if (tag, oid_tag, value_tag) != (0x30, 0x06, 0x04) || !end.is_empty() {
            return Err(CrlError::Structure);
        }
        Ok((Extension { oid, critical, value }, rest))
    }
}

fn key_identifier(value: &[u8]) -> Result<&[u8], CrlError> {
    let (tag, body, _, rest) = read_tlv(value)?;
    let (id_tag, id, _, tail) = read_tlv(body)?;
    let alone = rest.is_empty() && tail.is_empty();
    if (tag, id_tag, alone) == (0x30, 0x80, true) { Ok(id) } else { Err(CrlError::Structure) }
}

/// A non-negative INTEGER below 2^64, minimal.
fn read_number(value: &[u8]) -> Result<u64, CrlError> {
    let (tag, content, _, rest) = read_tlv(value)?;
    let magnitude = match content {
        [0] => &[][..],
        [0, tail @ ..] if tail[0] & 0x80 != 0 => tail,
        [first, ..] if (1..0x80).contains(first) => content,
        _ => return Err(CrlError::Structure),
    };
    if tag != 0x02 || !rest.is_empty() || magnitude.len() > 8 {
        return Err(CrlError::Structure);
    }
    Ok(magnitude.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)))
}

/// `YYMMDDhhmmssZ` through 2049, `YYYYMMDDhhmmssZ` from 2050 (RFC 5280 4.1.2.5); no other spelling.
fn read_time(tag: u8, content: &[u8]) -> Result<UnixTime, CrlError> {
    let [digits @ .., b'Z'] = content else { return Err(CrlError::Structure) };
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(CrlError::Structure);
    }
    let two = |at: usize| (digits[at] - b'0') * 10 + digits[at + 1] - b'0';
    let (year, at) = match (tag, digits.len()) {
        (0x17, 12) if two(0) < 50 => (2000 + i32::from(two(0)), 2),
        (0x17, 12) => (1900 + i32::from(two(0)), 2),
        (0x18, 14) if two(0) > 20 || (two(0) == 20 && two(2) >= 50) => (i32::from(two(0)) * 100 + i32::from(two(2)), 4),
        _ => return Err(CrlError::Structure),
    };
    let month = Month::try_from(two(at)).map_err(|_| CrlError::Structure)?;
    let date = Date::from_calendar_date(year, month, two(at + 2)).map_err(|_| CrlError::Structure)?;
    let time = Time::from_hms(two(at + 4), two(at + 6), two(at + 8)).map_err(|_| CrlError::Structure)?;
    Ok(UnixTime(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp()))
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
