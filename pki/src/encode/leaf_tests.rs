use std::net::IpAddr;

use proptest::prelude::*;
use rcgen::{CrlDistributionPoint, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType};

use super::*;
use crate::encode::{assemble, authority_info_access, base_params, common_name, tbs};
use crate::issue::{IssueError, Locations};
use crate::key::{KeyAlgorithm, PublicKey};
use crate::lint;
use crate::name::{DeviceId, DnsName, PrincipalKind, TrustDomain};
use crate::serial::Serial;
use crate::signer::{self, Signer};
use crate::testing::{Authority, DAY, TestSigner, profile};
use crate::time::UnixTime;
use crate::view::CertificateView;

/// What rcgen writes for the same leaf.
fn oracle(leaf: &Leaf<'_>) -> Vec<u8> {
    let Leaf { issuer, locations, profile, subject, key, serial, validity, shard } = *leaf;
    let name = common_name(subject.id.as_str(), None);
    let mut params = base_params(serial, name, validity, key.key_identifier());
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = profile.usages.iter().copied().map(purpose).collect();
    params.subject_alt_names = alternative_names(subject).unwrap();
    params.crl_distribution_points = distribution_points(profile, locations, shard).unwrap();
    let ocsp = if profile.names_revocation() { locations.ocsp.as_slice() } else { &[] };
    params.custom_extensions.extend(authority_info_access(&locations.ca_issuers, ocsp));
    params.custom_extensions.extend(marks(profile));
    tbs(&params, key, issuer.facts()).unwrap()
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

fn authorities() -> &'static [Authority] {
    static ALL: std::sync::OnceLock<Vec<Authority>> = std::sync::OnceLock::new();
    let algorithms = [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519];
    ALL.get_or_init(|| algorithms.map(Authority::new).into())
}

fn keys() -> &'static [PublicKey] {
    static ALL: std::sync::OnceLock<Vec<PublicKey>> = std::sync::OnceLock::new();
    ALL.get_or_init(|| {
        let all = [&TestSigner::p256(), &TestSigner::p384(), &TestSigner::ed25519(), TestSigner::rsa3072()];
        all.map(|signer| signer.public_key().clone()).to_vec()
    })
}

prop_compose! {
    fn subjects()(
        domain in "[a-z]{1,30}(\\.[a-z]{1,30}){0,5}",
        kind in prop::sample::select(vec![PrincipalKind::Device, PrincipalKind::Service, PrincipalKind::Admin]),
        id in "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
        // Around 128, 256 and beyond 64 KiB/16: every width of length octets that a list of names can have.
        names in prop_oneof![3 => 0..4usize, 1 => 0..300usize],
        label in "[a-z]{1,63}",
        addresses in prop::collection::vec(any::<IpAddr>(), 0..20),
    ) -> Subject {
        let dns = |n: usize| DnsName::parse(&format!("{label}.n{n}.dev.example")).unwrap();
        Subject {
            domain: TrustDomain::parse(&domain).unwrap(),
            kind,
            id: DeviceId::parse(&id).unwrap(),
            dns_names: (0..names).map(dns).collect(),
            addresses,
        }
    }
}

prop_compose! {
    fn places()(
        crl in prop::collection::vec("http://[!-~]{1,150}\\.crl", 0..3),
        ca_issuers in prop::collection::vec("http://[!-~]{1,150}", 0..3),
        ocsp in prop::collection::vec("http://[!-~]{1,150}", 0..3),
    ) -> Locations {
        Locations { crl, ca_issuers, ocsp }
    }
}

fn usages() -> impl Strategy<Value = (Vec<Usage>, Revocation)> {
    use Usage::{ClientAuth, OcspSigning, ServerAuth};
    let usual = prop::sample::select(vec![
        vec![ClientAuth],
        vec![ServerAuth],
        vec![ServerAuth, ClientAuth],
        vec![ClientAuth, ServerAuth],
    ]);
    let revocation = prop::sample::select(vec![Revocation::Published, Revocation::Unavailable]);
    prop_oneof![4 => (usual, revocation), 1 => Just((vec![OcspSigning], Revocation::Published))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_leaf_is_byte_for_byte_what_rcgen_writes_and_passes_the_lint(
        (issuer, key) in (0..3usize, 0..4usize),
        (mut subject, locations, (usages, revocation)) in (subjects(), places(), usages()),
        random in any::<[u8; 20]>(),
        (from, life) in (0..=253_000_000_000i64, 60..=86_400i64),
        shard in prop::option::of(any::<u16>()),
    ) {
        let issuer = &authorities()[issuer].issuer;
        let mut profile = crate::profile::Profile { usages, revocation, max_lifetime: DAY, ..profile() };
        if profile.is_ocsp_responder() {
            subject.kind = PrincipalKind::Server;
        }
        profile.kind = subject.kind;
        let from = from.min(issuer.not_after().0 - life);
        let leaf = Leaf {
            issuer,
            locations: &locations,
            profile: &profile,
            subject: &subject,
            key: &keys()[key],
            serial: &Serial::from_random(random),
            validity: (UnixTime(from), UnixTime(from + life)),
            shard: shard.filter(|_| profile.names_revocation() && !locations.crl.is_empty()),
        };
        let bytes = leaf_tbs(&leaf, signer::scheme(issuer.public_key()).unwrap()).unwrap();
        prop_assert!(bytes == oracle(&leaf), "{bytes:02x?}");
        prop_assert_eq!(lint::leaf(&bytes, &leaf), Ok(()));
        // The other reader understands all of it too.
        let certificate = assemble(&bytes, signer::scheme(issuer.public_key()).unwrap(), &[0x30, 0x00]);
        let view = CertificateView::parse(&certificate).unwrap();
        prop_assert_eq!((view.not_before, view.not_after), leaf.validity);
        prop_assert_eq!((view.dns_names.len(), view.uris.len()), (subject.dns_names.len(), 1));
        prop_assert_eq!((&view.addresses, &view.public_key), (&subject.addresses, leaf.key));
    }
}
