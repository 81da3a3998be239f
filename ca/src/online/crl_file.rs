//! A file of CRLs that is only ever replaced, as a whole, by a newer one.

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::CrlView;
use signet_pki::pem::{self, Label};

use crate::failure::Failure;

/// A CRL whose signature was checked, with the CA that signed it.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) issuer: IssuerCert,
    pub(super) view: CrlView,
    pub(super) der: Vec<u8>,
}

/// The lists of the service: each signed by a CA of the bundle, one for each CA at most, none of them over.
pub(super) fn check(text: &[u8], bundle: &[IssuerCert], now: UnixTime) -> Result<Vec<Checked>, Failure> {
    let refused = |what: String| {
        Failure::refused(format!("the CRLs of the service are refused: {what}"))
            .hint("the file was not touched; look at the service with: ca crl show")
    };
    let ders = pem::decode_all(Label::Crl, text).map_err(|e| refused(e.to_string()))?;
    if ders.is_empty() {
        return Err(refused("there is none".into()));
    }
    let mut found: Vec<Checked> = Vec::new();
    for der in ders {
        let one = verified(der, bundle).ok_or_else(|| refused("one is not signed by a CA of the bundle".into()))?;
        let name = &one.issuer.view().subject_text;
        // Verifiers use the first list of an issuer and ignore the rest, so that a stale one in front would un-revoke.
        if found.iter().any(|other| other.same_issuer(&one)) {
            return Err(refused(format!("there are two of {name}")));
        }
        if one.view.next_update <= now {
            return Err(refused(format!("the one of {name} ended on {}", one.view.next_update)));
        }
        found.push(one);
    }
    Ok(found)
}

/// Refuses to go back: a lower number, an older date, or an issuer that is still there and has no list any more.
pub(super) fn must_be_newer(new: &[Checked], old_file: &[u8], bundle: &[IssuerCert]) -> Result<(), Failure> {
    let text = |what: String| {
        Failure::refused(what)
            .hint("the file was not touched; somebody may be replaying an old CRL: compare it with 'ca crl show'")
    };
    for old in existing(old_file)?.into_iter().filter_map(|der| verified(der, bundle)) {
        let name = &old.issuer.view().subject_text;
        match new.iter().find(|one| one.same_issuer(&old)) {
            None => return Err(text(format!("the CRL of {name} is missing from the service's answer"))),
            Some(one) if one.view.number < old.view.number => {
                let (offered, kept) = (one.view.number, old.view.number);
                return Err(text(format!("the CRL of {name} has number {offered}, the file has {kept} already")));
            }
            Some(one) if one.view.this_update < old.view.this_update => {
                let (offered, kept) = (one.view.this_update, old.view.this_update);
                return Err(text(format!("the CRL of {name} is of {offered}, the file's is of {kept}")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The CAs of the bundle that have no list: verifiers which ask for all of them will refuse everybody.
pub(super) fn uncovered<'a>(lists: &[Checked], bundle: &'a [IssuerCert]) -> Vec<&'a IssuerCert> {
    let covered = |ca: &IssuerCert| lists.iter().any(|l| l.issuer.public_key() == ca.public_key());
    bundle.iter().filter(|ca| !covered(ca)).collect()
}

pub(super) fn to_pem(lists: &[Checked]) -> String {
    lists.iter().map(|list| pem::encode(Label::Crl, &list.der)).collect()
}

impl Checked {
    fn same_issuer(&self, other: &Checked) -> bool {
        self.issuer.public_key() == other.issuer.public_key()
    }
}

fn verified(der: Vec<u8>, bundle: &[IssuerCert]) -> Option<Checked> {
    bundle.iter().find_map(|ca| {
        let view = CrlView::verified(&der, ca).ok()?;
        Some(Checked { issuer: ca.clone(), view, der: der.clone() })
    })
}

/// What stands in the file now. A file that holds no CRL was not written by this command and is left alone.
fn existing(bytes: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let foreign = || {
        Failure::refused("the file holds no CRL and is not overwritten")
            .hint("choose another name, or move it away first")
    };
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec()]);
    }
    let ders = pem::decode_all(Label::Crl, bytes).map_err(|_| foreign())?;
    if ders.is_empty() { Err(foreign()) } else { Ok(ders) }
}

#[cfg(test)]
#[path = "crl_file_tests.rs"]
mod tests;
