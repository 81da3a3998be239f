//! Certificate revocation lists (RFC 5280 5). Entries are kept encoded, so a list of a million is copied, not rebuilt.

mod view;

use serde::{Deserialize, Serialize};

pub use view::{CrlError, CrlView};
use view::{CrlFields, Entries};

use crate::ca::IssuerCert;
use crate::der;
use crate::issue::{IssueError, sign_tbs};
use crate::key::SignatureScheme;
use crate::lint::LintError;
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
    let mut revoked = Vec::new();
    if !plan.entries.is_empty() {
        der::header(0x30, plan.entries.len(), &mut revoked);
    }
    let tbs = der::sequence(&[
        &der::integer(&[1]),
        &scheme.identifier(),
        issuer.subject(),
        &der::time(plan.this_update),
        &der::time(plan.next_update),
        &revoked,
        plan.entries,
        &der::context(0, &extensions),
    ]);
    lint(&tbs, issuer, scheme, plan)?;
    sign_tbs(&tbs, scheme, issuer, signer)
}

/// Reads the list back before a key is touched: it says what was planned, and every entry can be read.
fn lint(tbs: &[u8], issuer: &IssuerCert, scheme: SignatureScheme, plan: CrlPlan<'_>) -> Result<(), LintError> {
    let refuse = |sentence: &str| Err(LintError(sentence.to_owned()));
    if plan.next_update <= plan.this_update {
        return refuse("the revocation list would expire before it begins");
    }
    let Ok(found) = CrlFields::read(tbs) else { return refuse("the revocation list cannot be read back") };
    if found.algorithm != scheme.identifier() || found.issuer != issuer.subject() {
        return refuse("the revocation list names another issuer or algorithm");
    }
    if (found.number, found.this_update, found.next_update) != (plan.number, plan.this_update, plan.next_update) {
        return refuse("the revocation list has another number or other dates than planned");
    }
    if found.authority_key_id != Some(issuer.key_identifier()) {
        return refuse("the revocation list has the wrong authority key identifier");
    }
    if Entries(found.entries).any(|entry| entry.is_err()) {
        return refuse("an entry of the revocation list cannot be read back");
    }
    Ok(())
}

const OID_AKI: &[u8] = &[0x55, 0x1d, 0x23];
const OID_CRL_NUMBER: &[u8] = &[0x55, 0x1d, 0x14];
const OID_REASON: &[u8] = &[0x55, 0x1d, 0x15];

#[cfg(test)]
#[path = "crl_tests.rs"]
mod tests;
