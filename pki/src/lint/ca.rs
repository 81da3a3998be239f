//! The rules for root and issuer certificates.

use super::{Frame, LintError, expected, extensions, frame, require};
use crate::ca::{CaName, IssuerCert};
use crate::der;
use crate::issue::Locations;
use crate::key::PublicKey;
use crate::name::DnsName;
use crate::serial::Serial;
use crate::signer;
use crate::time::UnixTime;

pub(crate) struct CaExpectation<'a> {
    /// The root that signs; none for the root itself.
    pub(crate) root: Option<&'a IssuerCert>,
    pub(crate) name: &'a CaName,
    pub(crate) key: &'a PublicKey,
    pub(crate) serial: &'a Serial,
    pub(crate) validity: (UnixTime, UnixTime),
    pub(crate) locations: &'a Locations,
    pub(crate) permitted_dns: &'a [DnsName],
}

pub(crate) fn ca(bytes: &[u8], plan: &CaExpectation<'_>) -> Result<(), LintError> {
    let CaExpectation { root, name, key, serial, validity, locations, permitted_dns } = *plan;
    let own_id = key.key_identifier();
    let subject_name = expected::name(name.organization(), name.common_name());
    let usable = signer::scheme(key).is_ok();
    require(usable, "keys of this type cannot sign certificates here")?;
    let (issuer_name, signing_key, signing_key_id) = match root {
        None => (subject_name.as_slice(), key, own_id.as_slice()),
        Some(root) => {
            below_root(root, &subject_name, key, validity)?;
            (root.subject(), root.public_key(), root.key_identifier())
        }
    };
    frame(bytes, &Frame { issuer_name, signing_key, subject_name: &subject_name, key, serial, validity })?;
    // cA TRUE, and pathLenConstraint 0 for all but the root.
    let (ca_true, no_ca_below) = ([0x01, 0x01, 0xff], der::integer(&[]));
    let path: &[&[u8]] = if root.is_some() { &[&ca_true, &no_ca_below] } else { &[&ca_true] };
    let mut wanted = vec![
        expected::authority_key_identifier(signing_key_id),
        // keyCertSign (5) and cRLSign (6), most significant bit first, one unused bit: 0000 0110.
        expected::key_usage([0x03, 0x02, 0x01, 0x06]),
        expected::subject_key_identifier(key),
        expected::basic_constraints(path),
    ];
    wanted.extend(expected::crl_distribution(&locations.crl, None)?);
    wanted.extend(expected::authority_information(&locations.ocsp, &locations.ca_issuers));
    wanted.extend(expected::name_constraints(permitted_dns));
    extensions(bytes, wanted)
}

fn below_root(
    root: &IssuerCert,
    subject_name: &[u8],
    key: &PublicKey,
    (_, to): (UnixTime, UnixTime),
) -> Result<(), LintError> {
    require(root.view().path_len != Some(0), "the signing CA may not certify another CA")?;
    // Equal names make the certificate self-issued (RFC 5280 3.2), which path lengths do not count.
    require(subject_name != root.subject(), "an issuer needs another name than its root")?;
    require(key != root.public_key(), "an issuer needs another key than its root")?;
    require(to <= root.not_after(), "the certificate outlives its root")
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
