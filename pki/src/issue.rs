//! Rooms 4 and 5: a plan becomes linted bytes, linted bytes become a signed certificate. Both hand-overs move.

use std::net::IpAddr;

use rcgen::{CrlDistributionPoint, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};
use thiserror::Error;

use crate::ca::IssuerCert;
use crate::csr::CheckedCsr;
use crate::der;
use crate::encode::{SignedParts, assemble, authority_info_access, base_params, common_name, tbs};
use crate::key::{Fingerprint, SignatureScheme};
use crate::key_policy::KeyRefusal;
use crate::lint::{self, LeafExpectation, LintError};
use crate::name::{DeviceId, DnsName, PrincipalKind, SpiffeId, TrustDomain};
use crate::profile::{Profile, Revocation, Usage};
use crate::serial::Serial;
use crate::signer::{self, Signer, SignerError};
use crate::time::UnixTime;

/// The names of a principal, from its record. The first three make its CN and SPIFFE id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    pub domain: TrustDomain,
    pub kind: PrincipalKind,
    pub id: DeviceId,
    pub dns_names: Vec<DnsName>,
    pub addresses: Vec<IpAddr>,
}

impl Subject {
    pub fn spiffe_id(&self) -> SpiffeId {
        SpiffeId::new(&self.domain, self.kind, &self.id)
    }
}

/// Where verifiers find the issuer's CRL, certificate and responder; written into every certificate that has a use for
/// it. The list of shard 7 of `http://host/crl/x.crl` is at `http://host/crl/x/7.crl`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Locations {
    pub crl: Vec<String>,
    pub ca_issuers: Vec<String>,
    pub ocsp: Vec<String>,
}

impl Locations {
    /// `uniformResourceIdentifier` is an IA5String (RFC 5280 4.2.1.6), and rcgen panics on any other character.
    pub(crate) fn check(&self) -> Result<(), IssueError> {
        let fit = |url: &String| !url.is_empty() && url.bytes().all(|b| b.is_ascii_graphic());
        match self.crl.iter().chain(&self.ca_issuers).chain(&self.ocsp).find(|url| !fit(url)) {
            None => Ok(()),
            Some(bad) => Err(IssueError::Encoding(format!("{bad:?} cannot be written as a URI"))),
        }
    }

    /// Where the lists of a shard are, one for each place of the full list.
    pub fn shard(&self, shard: u16) -> Result<Vec<String>, IssueError> {
        let place = |url: &String| url.strip_suffix(".crl").map(|stem| format!("{stem}/{shard}.crl"));
        let found: Option<Vec<String>> = self.crl.iter().map(place).collect();
        let found = found.filter(|urls| !urls.is_empty());
        found.ok_or_else(|| IssueError::Encoding("a shard needs the place of a full list that ends in .crl".into()))
    }
}

/// Everything that a leaf will say. Of the CSR only the public key is left.
#[derive(Debug)]
pub struct LeafPlan<'a> {
    profile: &'a Profile,
    subject: Subject,
    csr: CheckedCsr,
    serial: Serial,
    validity: (UnixTime, UnixTime),
    shard: Option<u16>,
}

impl<'a> LeafPlan<'a> {
    /// `random` are 20 octets of a cryptographic generator; `wanted` is a lifetime in seconds, cut to the profile's.
    pub fn new(
        profile: &'a Profile,
        subject: Subject,
        csr: CheckedCsr,
        issuer: &IssuerCert,
        now: UnixTime,
        wanted: Option<i64>,
        random: [u8; 20],
    ) -> Result<LeafPlan<'a>, IssueError> {
        profile.keys.check(csr.public_key())?;
        let validity =
            profile.validity(now, wanted, issuer.not_after()).ok_or(IssueError::IssuerEnds(issuer.not_after()))?;
        Ok(LeafPlan { profile, subject, csr, serial: Serial::from_random(random), validity, shard: None })
    }

    /// Puts the certificate on the list of a shard instead of the full one alone. Without effect when the profile names
    /// no list.
    #[must_use]
    pub fn in_shard(mut self, shard: Option<u16>) -> LeafPlan<'a> {
        self.shard = shard.filter(|_| self.profile.names_revocation());
        self
    }

    pub fn serial(&self) -> &Serial {
        &self.serial
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssueError {
    #[error("the public key is refused: {0}")]
    Key(#[from] KeyRefusal),
    #[error("the issuer's own certificate ends at {0}: it cannot issue any more")]
    IssuerEnds(UnixTime),
    #[error("the certificate could not be encoded: {0}")]
    Encoding(String),
    #[error("the certificate failed its lint and was not signed: {0}")]
    Lint(#[from] LintError),
    #[error(transparent)]
    Signer(#[from] SignerError),
    #[error("the signing key is not the issuer's key")]
    WrongKey,
    #[error("the signature that came back does not verify")]
    BadSignature,
}

/// To-be-signed bytes that were read back and found to say exactly what was planned.
#[derive(Debug)]
pub struct LintedTbs {
    tbs: Vec<u8>,
    scheme: SignatureScheme,
    facts: Facts,
}

/// What is recorded about a certificate beside its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub serial: Serial,
    pub issuer_key_id: Vec<u8>,
    pub subject: Subject,
    pub profile: String,
    pub spki: Fingerprint,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
    /// The shard whose list the certificate names; none when it names the full list or no list.
    pub shard: Option<u16>,
}

impl LintedTbs {
    pub fn prepare(issuer: &IssuerCert, locations: &Locations, plan: LeafPlan<'_>) -> Result<LintedTbs, IssueError> {
        let LeafPlan { profile, subject, csr, serial, validity, shard } = plan;
        locations.check()?;
        let key = csr.into_public_key();
        let scheme = signer::scheme(issuer.public_key())?;
        let name = common_name(subject.id.as_str(), None);
        let mut params = base_params(&serial, name, validity, key.key_identifier());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = profile.usages.iter().copied().map(purpose).collect();
        params.subject_alt_names = alternative_names(&subject)?;
        params.crl_distribution_points = distribution_points(profile, locations, shard)?;
        let ocsp = if profile.names_revocation() { locations.ocsp.as_slice() } else { &[] };
        params.custom_extensions.extend(authority_info_access(&locations.ca_issuers, ocsp));
        params.custom_extensions.extend(marks(profile));
        let bytes = tbs(&params, &key, issuer.facts()).map_err(IssueError::Encoding)?;
        lint::leaf(
            &bytes,
            &LeafExpectation {
                issuer,
                locations,
                profile,
                subject: &subject,
                key: &key,
                serial: &serial,
                validity,
                shard,
            },
        )?;
        let facts = Facts {
            serial,
            issuer_key_id: issuer.key_identifier().to_vec(),
            subject,
            profile: profile.name.clone(),
            spki: key.fingerprint(),
            not_before: validity.0,
            not_after: validity.1,
            shard,
        };
        Ok(LintedTbs { tbs: bytes, scheme, facts })
    }

    /// Signs, checks the signature with the issuer's public key, and compares what was signed with what was linted.
    pub fn sign(self, issuer: &IssuerCert, signer: &dyn Signer) -> Result<Signed, IssueError> {
        let der = sign_tbs(&self.tbs, self.scheme, issuer, signer)?;
        Ok(Signed { der, facts: self.facts })
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// A certificate that is signed, but that nobody has until it is committed.
#[derive(Debug)]
pub struct Signed {
    der: Vec<u8>,
    facts: Facts,
}

impl Signed {
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    pub fn into_parts(self) -> (Vec<u8>, Facts) {
        (self.der, self.facts)
    }
}

/// Signs `tbs` and does not trust the signer: the result is verified under the issuer's certified key.
pub(crate) fn sign_tbs(
    tbs: &[u8],
    scheme: SignatureScheme,
    issuer: &IssuerCert,
    signer: &dyn Signer,
) -> Result<Vec<u8>, IssueError> {
    if signer.public_key() != issuer.public_key() {
        return Err(IssueError::WrongKey);
    }
    let der = assemble(tbs, scheme, &signer.sign(tbs)?);
    let parts = SignedParts::split(&der).map_err(|_| IssueError::BadSignature)?;
    if parts.tbs != tbs || !parts.verify(issuer.public_key()) {
        return Err(IssueError::BadSignature);
    }
    Ok(der)
}

fn purpose(usage: Usage) -> ExtendedKeyUsagePurpose {
    match usage {
        Usage::ServerAuth => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::ClientAuth => ExtendedKeyUsagePurpose::ClientAuth,
        Usage::OcspSigning => ExtendedKeyUsagePurpose::OcspSigning,
    }
}

fn distribution_points(
    profile: &Profile,
    locations: &Locations,
    shard: Option<u16>,
) -> Result<Vec<CrlDistributionPoint>, IssueError> {
    if !profile.names_revocation() {
        return Ok(Vec::new());
    }
    let uris = shard.map_or_else(|| Ok(locations.crl.clone()), |shard| locations.shard(shard))?;
    Ok(if uris.is_empty() { Vec::new() } else { vec![CrlDistributionPoint { uris }] })
}

/// Why the certificate names no place for its revocation.
fn marks(profile: &Profile) -> impl Iterator<Item = CustomExtension> {
    let ocsp_nocheck: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 48, 1, 5];
    let no_rev_avail: &[u64] = &[2, 5, 29, 56];
    let mark = |oid| CustomExtension::from_oid_content(oid, der::null());
    let nocheck = profile.is_ocsp_responder().then(|| mark(ocsp_nocheck));
    nocheck.into_iter().chain((profile.revocation == Revocation::Unavailable).then(|| mark(no_rev_avail)))
}

fn alternative_names(subject: &Subject) -> Result<Vec<SanType>, IssueError> {
    let text = |s: &str| s.try_into().map_err(|_| IssueError::Encoding(format!("{s:?} is not ASCII")));
    let mut names = vec![SanType::URI(text(subject.spiffe_id().as_str())?)];
    for dns in &subject.dns_names {
        names.push(SanType::DnsName(text(dns.as_str())?));
    }
    names.extend(subject.addresses.iter().map(|a| SanType::IpAddress(*a)));
    Ok(names)
}

#[cfg(test)]
#[path = "issue_tests.rs"]
mod tests;
