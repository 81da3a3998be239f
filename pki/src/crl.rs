//! Certificate revocation lists (RFC 5280 5). Entries are kept encoded, so a list of a million is copied, not rebuilt.

mod entries;
mod list;
mod view;

use serde::{Deserialize, Serialize};

pub use entries::Entries;
pub use list::{SignedList, sign};
pub use view::{CrlError, CrlView};

use crate::der;
use crate::serial::Serial;
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

    /// Whether the key is known or suspected to be in other hands: what descends from it ends with it, and the key for ever.
    pub fn is_compromise(self) -> bool {
        matches!(self, Reason::KeyCompromise | Reason::CaCompromise)
    }

    /// Whether a reason that was given before may be replaced by this one: it says more, and never takes a compromise back.
    pub fn may_replace(self, before: Reason) -> bool {
        let weight = |reason: Reason| match reason {
            Reason::Unspecified => 0,
            reason if reason.is_compromise() => 2,
            _ => 1,
        };
        weight(self) > weight(before)
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

/// The shard of a certificate when there are so many of them, a power of two; none when there are none. The last bits of the
/// serial number are as random as the rest.
pub fn shard_of(serial: &Serial, shards: u16) -> Option<u16> {
    let last = serial.as_bytes().iter().rev().take(2).rev().fold(0, |n, octet| n << 8 | u16::from(*octet));
    (shards > 0).then(|| last % shards)
}

/// What a list speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Every certificate of the issuer; no issuing distribution point.
    Full,
    /// The certificates whose CRL distribution point is this URL.
    Shard { url: &'a str },
}

/// A list about to be signed.
#[derive(Debug, Clone)]
pub struct CrlPlan<'a> {
    pub number: u64,
    pub this_update: UnixTime,
    pub next_update: UnixTime,
    pub scope: Scope<'a>,
    /// The list before, whose entries come first: copied, and not read again.
    pub continues: Option<&'a SignedList>,
    pub entries: Entries,
}

impl CrlPlan<'_> {
    /// A full list of these entries.
    pub fn full(number: u64, this_update: UnixTime, next_update: UnixTime, entries: Entries) -> CrlPlan<'static> {
        CrlPlan { number, this_update, next_update, scope: Scope::Full, continues: None, entries }
    }
}

const OID_AKI: &[u8] = &[0x55, 0x1d, 0x23];
const OID_CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
/// Issuing distribution point.
const OID_IDP: &[u8] = &[0x55, 0x1d, 0x1c];
const OID_REASON: &[u8] = &[0x55, 0x1d, 0x15];

#[cfg(test)]
#[path = "crl_tests.rs"]
mod tests;
