//! The rules for end-entity certificates.

use super::{Frame, LintError, NameRule, Rule, extensions, frame, require};
use crate::der::Limits;
use crate::issue::Leaf;
use crate::name::PrincipalKind;
use crate::profile::{BACKDATE, Profile, Revocation, UNREVOCABLE_LIFETIME, Usage};

pub(crate) fn leaf(bytes: &[u8], plan: &Leaf<'_>) -> Result<(), LintError> {
    let Leaf { issuer, locations, profile, subject, key, serial, validity, shard } = *plan;
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
    can_be_read(plan)?;
    let list = frame(
        bytes,
        &Frame {
            issuer: NameRule::Same(issuer.subject()),
            signing_key: issuer.public_key(),
            subject: NameRule::Text { organization: None, common_name: subject.id.as_str() },
            key,
            serial,
            validity,
        },
    )?;
    let ocsp = if silent { &[][..] } else { &locations.ocsp };
    let ca_issuers = locations.ca_issuers.as_slice();
    let wanted = [
        Some(Rule::AuthorityKeyId(issuer.key_identifier())),
        Some(Rule::AlternativeNames(subject)),
        // digitalSignature (0) alone: seven unused bits.
        Some(Rule::KeyUsage([0x07, 0x80])),
        Some(Rule::Purposes(&profile.usages)),
        Some(Rule::SubjectKeyId(key.key_identifier())),
        Some(Rule::EndEntity),
        (!silent && !locations.crl.is_empty()).then_some(Rule::Lists(&locations.crl, shard)),
        (!ocsp.is_empty() || !ca_issuers.is_empty()).then_some(Rule::Access { ocsp, ca_issuers }),
        profile.usages.contains(&Usage::OcspSigning).then_some(Rule::OcspNoCheck),
        (profile.revocation == Revocation::Unavailable).then_some(Rule::NoRevAvail),
    ];
    extensions(list, &wanted)
}

/// Strict readers, our own first, stop at a number of elements.
fn can_be_read(plan: &Leaf<'_>) -> Result<(), LintError> {
    let Leaf { locations, subject, shard, .. } = *plan;
    let urls = locations.crl.len() + locations.ocsp.len() + locations.ca_issuers.len();
    let elements = ELEMENTS + subject.dns_names.len() + subject.addresses.len() + 3 * urls;
    require(elements <= Limits::CERTIFICATE.elements, "the certificate has more names than readers accept")?;
    let below_full_lists = !locations.crl.is_empty() && locations.crl.iter().all(|url| url.ends_with(".crl"));
    require(shard.is_none() || below_full_lists, "a shard needs the place of a full list")
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

/// Elements of a leaf beside alternative names and places: there are about 70.
const ELEMENTS: usize = 128;
