//! The rules for end-entity certificates.

use super::{Frame, LintError, expected, extensions, frame, require};
use crate::ca::IssuerCert;
use crate::issue::{Locations, Subject};
use crate::key::PublicKey;
use crate::name::PrincipalKind;
use crate::profile::{BACKDATE, Profile, Revocation, UNREVOCABLE_LIFETIME, Usage};
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
    pub(crate) shard: Option<u16>,
}

pub(crate) fn leaf(bytes: &[u8], plan: &LeafExpectation<'_>) -> Result<(), LintError> {
    let LeafExpectation { issuer, locations, profile, subject, key, serial, validity, shard } = *plan;
    let (from, to) = validity;
    require(to <= issuer.not_after(), "the certificate outlives its issuer")?;
    require(to.since(from) <= profile.max_lifetime.saturating_add(BACKDATE), "the certificate outlives its profile")?;
    let silent = purpose(profile, to.since(from))?;
    require(shard.is_none() || !silent, "a certificate without revocation is in no shard")?;
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
    if !silent {
        wanted.extend(expected::crl_distribution(&locations.crl, shard)?);
    }
    let ocsp = if silent { &[][..] } else { &locations.ocsp };
    wanted.extend(expected::authority_information(ocsp, &locations.ca_issuers));
    wanted.extend(profile.usages.contains(&Usage::OcspSigning).then(expected::ocsp_nocheck));
    wanted.extend((profile.revocation == Revocation::Unavailable).then(expected::no_rev_avail));
    extensions(bytes, wanted)
}

/// What the certificate is for. Whether it is silent about its revocation, because nobody could ask about it (a
/// responder, RFC 6960 4.2.2.2.1) or because it ends before that would matter (RFC 9608).
fn purpose(profile: &Profile, life: i64) -> Result<bool, LintError> {
    require(!profile.usages.is_empty(), "a profile without usages would allow every usage")?;
    let responder = profile.usages.contains(&Usage::OcspSigning);
    let alone = profile.usages.len() == 1 && profile.kind == PrincipalKind::Server;
    require(!responder || alone, "a certificate that signs OCSP answers is the service's own and for nothing else")?;
    let unavailable = profile.revocation == Revocation::Unavailable;
    require(!(responder && unavailable), "a responder is excused from revocation already")?;
    let short = life <= UNREVOCABLE_LIFETIME + BACKDATE;
    require(!unavailable || short, "a certificate without revocation lives for a day at most")?;
    Ok(responder || unavailable)
}
