//! Revocation lists that stand together in one file: each signed by a CA of the bundle, one for each CA.

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{CrlError, CrlView};
use signet_pki::pem::{self, Label, PemError};

use crate::refusal::Refusal;

/// A CRL whose signature was checked, with the CA that signed it.
#[derive(Debug, Clone)]
pub struct List {
    pub issuer: IssuerCert,
    pub view: CrlView,
    pub der: Vec<u8>,
}

/// The lists of the service, PEM: each signed by a CA of the bundle, one for each CA at most, none of them over or from
/// the future. Lists of CAs that are over themselves are left out: they say nothing about anybody.
pub fn check(text: &[u8], bundle: &[IssuerCert], now: UnixTime) -> Result<Vec<List>, Refusal> {
    let ders = pem::decode_all(Label::Crl, text).map_err(Refusal::Damaged)?;
    if ders.is_empty() {
        return Err(Refusal::NoList);
    }
    if ders.len() > MAX_LISTS {
        return Err(Refusal::Foreign);
    }
    let mut found: Vec<List> = Vec::new();
    for der in ders {
        let one = verified(der, bundle)?;
        let name = one.name();
        // Verifiers use the first list of an issuer and ignore the rest, so that a stale one in front would un-revoke.
        if found.iter().any(|other| other.is_of(&one.issuer)) {
            return Err(Refusal::Twice { name });
        }
        if one.view.this_update.since(now) > MAX_AHEAD {
            return Err(Refusal::FromFuture { name, at: one.view.this_update });
        }
        if one.view.next_update <= now && one.issuer.not_after() > now {
            return Err(Refusal::Ended { name, at: one.view.next_update });
        }
        found.push(one);
    }
    found.retain(|list| list.view.next_update > now);
    Ok(found)
}

/// Refuses to go back: a lower number, an older date, or an issuer that is still there and has no list any more.
pub fn must_be_newer(new: &[List], old_file: &[u8], bundle: &[IssuerCert]) -> Result<(), Refusal> {
    for old in existing(old_file)?.into_iter().filter_map(|der| verified(der, bundle).ok()) {
        let name = old.name();
        let Some(one) = new.iter().find(|one| one.is_of(&old.issuer)) else { return Err(Refusal::Missing { name }) };
        follows(one, old.view.number, old.view.this_update)?;
    }
    Ok(())
}

/// Whether a list may stand in the place of one with this number and date.
pub(crate) fn follows(one: &List, number: u64, this_update: UnixTime) -> Result<(), Refusal> {
    let name = one.name();
    if one.view.number < number {
        return Err(Refusal::Lower { name, offered: one.view.number, held: number });
    }
    if one.view.this_update < this_update {
        return Err(Refusal::Older { name, offered: one.view.this_update, held: this_update });
    }
    Ok(())
}

/// The CAs of the bundle that have no list: verifiers which ask for all of them will refuse everybody.
pub fn uncovered<'a>(lists: &[List], bundle: &'a [IssuerCert]) -> Vec<&'a IssuerCert> {
    bundle.iter().filter(|ca| !lists.iter().any(|list| list.is_of(ca))).collect()
}

pub fn to_pem(lists: &[List]) -> String {
    lists.iter().map(|list| pem::encode(Label::Crl, &list.der)).collect()
}

impl List {
    /// By the key: a CA may have several certificates over one key, and has one list.
    pub fn is_of(&self, ca: &IssuerCert) -> bool {
        self.issuer.public_key() == ca.public_key()
    }

    /// The CA's name for people.
    pub fn name(&self) -> String {
        self.issuer.view().subject_text.clone()
    }
}

/// The list with the CA that signed it.
pub(crate) fn verified(der: Vec<u8>, bundle: &[IssuerCert]) -> Result<List, Refusal> {
    let mut why = Refusal::Foreign;
    for ca in bundle {
        match CrlView::verified(&der, ca) {
            Ok(view) => return Ok(List { issuer: ca.clone(), view, der }),
            Err(CrlError::Issuer(_)) => {}
            // Two CAs may share a name, so the next one is asked too.
            Err(CrlError::Signature) => why = Refusal::Signature { name: ca.view().subject_text.clone() },
            Err(other @ (CrlError::Encoding(_) | CrlError::Structure | CrlError::Partial)) => {
                return Err(Refusal::Unreadable(other.to_string()));
            }
        }
    }
    Err(why)
}

/// What stands in the file now. A file that holds no CRL was not written by these programs and is left alone.
fn existing(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    pem::all_or_der(Label::Crl, bytes).map_err(|e| match e {
        PemError::Damaged { .. } => Refusal::HeldUnreadable(e),
        PemError::Missing(_) | PemError::Several(_) | PemError::Text(_) => Refusal::NotLists,
    })
}

/// Seconds that a list may be dated ahead: the service's clock may be set back by ten minutes while its lists go on, and
/// clocks differ by some minutes.
const MAX_AHEAD: i64 = 15 * 60;
/// A handful of CAs over the years; each list costs signature checks.
const MAX_LISTS: usize = 64;

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
