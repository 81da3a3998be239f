//! What to do with an answer: a pure function of what is held, what came, and the time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};

use crate::lists::{self, List};
use crate::refusal::Refusal;

#[derive(Debug, Clone)]
pub enum Decision {
    /// These lists, in this order, become the whole file.
    Replace(Vec<List>),
    /// The file stays as it is, byte for byte.
    Keep(Kept, Vec<List>),
    Refuse(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The lists that came are the ones that are held.
    Same,
    /// The server says that nothing has changed, and what is held still stands every check.
    NotModified,
}

/// The newest list that was ever accepted of an issuer: it outlives the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub number: u64,
    pub this_update: UnixTime,
}

/// By the issuer's key identifier, hex.
pub type Marks = BTreeMap<String, Mark>;

#[derive(Debug, Clone, Copy)]
pub struct Held<'a> {
    /// The file, if there is one.
    pub file: Option<&'a [u8]>,
    pub marks: &'a Marks,
}

#[derive(Debug, Clone, Copy)]
pub enum Offered<'a> {
    /// PEM, as it came.
    Lists(&'a [u8]),
    NotModified,
}

/// `bundle` was checked against pinned roots: see [`crate::bundle::check`].
pub fn decide(held: Held<'_>, offered: Offered<'_>, bundle: &[IssuerCert], now: UnixTime) -> Decision {
    match judge(held, offered, bundle, now) {
        Ok(decision) => decision,
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn judge(held: Held<'_>, offered: Offered<'_>, bundle: &[IssuerCert], now: UnixTime) -> Result<Decision, Refusal> {
    let file = held.file.unwrap_or_default();
    let before = read_held(file, bundle)?;
    let (text, kept) = match offered {
        Offered::Lists(text) if text.len() > MAX_ANSWER => return Err(Refusal::TooLarge { max_bytes: MAX_ANSWER }),
        Offered::Lists(text) => (text, Kept::Same),
        Offered::NotModified => (file, Kept::NotModified),
    };
    let mut new = lists::check(text, bundle, now)?;
    if let Some(ca) = lists::uncovered(&new, bundle).into_iter().find(|ca| ca.not_after() > now) {
        return Err(Refusal::Missing { name: ca.view().subject_text.clone() });
    }
    for one in &mut new {
        for old in before.iter().filter(|old| old.is_of(&one.issuer)) {
            lists::follows(one, old.view.number, old.view.this_update)?;
            if one.view.number == old.view.number {
                same_list(one, old.mark())?;
                // Another signature over the same list is no news: whoever is on the path could make many.
                one.der.clone_from(&old.der);
            }
        }
        if let Some(mark) = held.marks.get(&key(&one.issuer)) {
            lists::follows(one, mark.number, mark.this_update)?;
            if one.view.number == mark.number {
                same_list(one, *mark)?;
            }
        }
    }
    match lists::to_pem(&new).as_bytes() == file {
        true => Ok(Decision::Keep(kept, new)),
        false => Ok(Decision::Replace(new)),
    }
}

/// The lists of the file that a CA of the bundle signed. What is damaged is replaced, what is something else is not.
pub fn read_held(file: &[u8], bundle: &[IssuerCert]) -> Result<Vec<List>, Refusal> {
    let has = |words: &str| file.windows(words.len()).any(|w| w == words.as_bytes());
    if !file.is_empty() && (!has("-----BEGIN X509 CRL-----") || has("PRIVATE KEY-----")) {
        return Err(Refusal::NotLists);
    }
    let ders = pem::decode_all(Label::Crl, file).unwrap_or_default();
    Ok(ders.into_iter().filter_map(|der| lists::verified(der, bundle).ok()).collect())
}

/// The marks with these lists in them.
pub fn remember(marks: &mut Marks, lists: &[List]) {
    marks.extend(lists.iter().map(|list| (key(&list.issuer), list.mark())));
}

impl List {
    pub fn mark(&self) -> Mark {
        Mark { number: self.view.number, this_update: self.view.this_update }
    }
}

fn same_list(one: &List, held: Mark) -> Result<(), Refusal> {
    if one.view.this_update == held.this_update {
        return Ok(());
    }
    Err(Refusal::SameNumber { name: one.name(), number: held.number })
}

fn key(issuer: &IssuerCert) -> String {
    issuer.key_identifier().iter().map(|b| format!("{b:02x}")).collect()
}

/// Octets of the lists of all CAs, PEM: a million entries have 49 MB in DER.
pub const MAX_ANSWER: usize = 256 << 20;

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
