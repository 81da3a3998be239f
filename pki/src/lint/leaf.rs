//! The rules for end-entity certificates.

use super::{Frame, LintError, expected, extensions, frame, require};
use crate::ca::IssuerCert;
use crate::issue::{Locations, Subject};
use crate::key::PublicKey;
use crate::name::PrincipalKind;
use crate::profile::{BACKDATE, Profile};
use crate::serial::Serial;
use crate::time::UnixTime;

pub(crate) struct LeafExpectation<'a> {
    pub(crate) issuer: &'a IssuerCert,
    pub(crate) locations: &'a Locations,
    pub(crate) profile: &'a Profile,
    pub(crate) subject: &'a Subject,
    pub(crate) key: &'a PublicKey,
    pub(crate) serial: &'a Serial,
    pub(crate) validity: (UnixTime, UnixTime),
}

pub(crate) fn leaf(bytes: &[u8], plan: &LeafExpectation<'_>) -> Result<(), LintError> {
    let LeafExpectation { issuer, locations, profile, subject, key, serial, validity } = *plan;
    let (from, to) = validity;
    require(to <= issuer.not_after(), "the certificate outlives its issuer")?;
    require(to.since(from) <= profile.max_lifetime.saturating_add(BACKDATE), "the certificate outlives its profile")?;
    require(!profile.usages.is_empty(), "a profile without usages would allow every usage")?;
    require(subject.kind == profile.kind, "the profile is for another kind of principal")?;
    // The service's own names are the operator's, from the configuration; the record of every other principal was
    // written by somebody who asked for something.
    let permitted =
        subject.kind == PrincipalKind::Server || subject.dns_names.iter().all(|dns| profile.allows_dns(dns));
    require(permitted, "the profile does not allow one of the DNS names")?;
    require(key != issuer.public_key(), "the public key is the issuer's own")?;
    frame(
        bytes,
        &Frame {
            issuer_name: issuer.subject(),
            signing_key: issuer.public_key(),
            subject_name: &expected::name(None, subject.id.as_str()),
            key,
            serial,
            validity,
        },
    )?;
    let mut wanted = vec![
        expected::authority_key_identifier(issuer.key_identifier()),
        expected::alternative_names(subject),
        // digitalSignature (0) alone: seven unused bits.
        expected::key_usage([0x03, 0x02, 0x07, 0x80]),
        expected::extended_key_usage(&profile.usages),
        expected::subject_key_identifier(key),
        // Present and empty: cA is FALSE by default, and no path length.
        expected::basic_constraints(&[]),
    ];
    wanted.extend(expected::crl_distribution(locations));
    wanted.extend(expected::authority_information(locations));
    extensions(bytes, wanted)
}
