use std::sync::Mutex;

use super::*;
use crate::key::KeyAlgorithm;
use crate::key_policy::{KeyPolicy, KeyType};
use crate::testing::auditor::{Expected, audit};
use crate::testing::openssl::openssl;
use crate::testing::request::Request;
use crate::testing::{Authority, DAY, NOW, TestSigner, authority, locations, profile, subject};
use crate::view::CertificateView;
use crate::{pem, pem::Label};

fn csr(signer: &TestSigner) -> CheckedCsr {
    Request::new(signer).check(signer).unwrap()
}

/// A certificate for `signer` from `authority` after changes to the usual profile, subject and locations.
fn issue_as(
    authority: &Authority,
    signer: &TestSigner,
    edit: impl Fn(&mut Profile, &mut Subject, &mut Locations),
) -> Result<Signed, IssueError> {
    issue_in(None, authority, signer, edit)
}

fn issue_in(
    shard: Option<u16>,
    authority: &Authority,
    signer: &TestSigner,
    edit: impl Fn(&mut Profile, &mut Subject, &mut Locations),
) -> Result<Signed, IssueError> {
    let (mut profile, mut subject, mut locations) = (profile(), subject(), locations());
    edit(&mut profile, &mut subject, &mut locations);
    let plan = LeafPlan::new(&profile, subject.clone(), csr(signer), &authority.issuer, NOW, None, [0x44; 20])?;
    let plan = plan.in_shard(shard);
    let signed =
        LintedTbs::prepare(&authority.issuer, &locations, plan)?.sign(&authority.issuer, &authority.issuer_signer)?;
    let expected = Expected {
        issuer: &authority.issuer,
        locations: &locations,
        profile: &profile,
        subject: &subject,
        spki: signer.public_key().spki(),
        now: NOW,
        shard: signed.facts().shard,
    };
    assert_eq!(audit(signed.der(), &expected), Ok(()));
    Ok(signed)
}

#[test]
fn every_field_of_a_leaf_is_the_planned_one() {
    let signer = TestSigner::p256();
    let signed = issue_as(authority(), &signer, |_, _, _| ()).unwrap();
    let view = CertificateView::parse(signed.der()).unwrap();
    let issuer = &authority().issuer;
    assert_eq!(view.serial, Serial::from_random([0x44; 20]));
    assert_eq!((view.issuer.as_slice(), view.issuer_text.as_str()), (issuer.subject(), "O=Example, CN=Test Issuer 1"));
    assert_eq!((view.subject_text.as_str(), view.organization.as_deref()), ("CN=sensor-17", None));
    assert_eq!((view.not_before, view.not_after), (NOW.minus(300), NOW.plus(DAY)));
    assert_eq!(&view.public_key, signer.public_key());
    assert_eq!((view.is_ca, view.path_len, view.key_cert_sign, view.crl_sign), (false, None, false, false));
    assert_eq!((view.client_auth, view.server_auth), (true, false));
    assert_eq!(view.uris, ["spiffe://example.org/device/sensor-17"]);
    assert_eq!(view.dns_names, ["sensor-17.dev.example"]);
    assert_eq!(view.addresses, subject().addresses);
    assert_eq!(view.crl_urls, locations().crl);
    assert!(view.verify(issuer.public_key()));
    let facts = signed.facts();
    assert_eq!((&facts.serial, facts.not_before, facts.not_after), (&view.serial, view.not_before, view.not_after));
    assert_eq!((&facts.subject, facts.profile.as_str()), (&subject(), "device"));
    assert_eq!(facts.spki, signer.public_key().fingerprint());
    assert_eq!(facts.issuer_key_id, issuer.key_identifier());
}

#[test]
fn every_key_type_is_certified_by_every_issuer_type() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let authority = Authority::new(algorithm);
        for signer in [&TestSigner::p256(), &TestSigner::p384(), &TestSigner::ed25519(), TestSigner::rsa3072()] {
            let signed = issue_as(&authority, signer, |_, _, _| ()).unwrap();
            let chain = [CertificateView::parse(signed.der()).unwrap()];
            let chain = [&chain[..], &[authority.issuer.view().clone(), authority.root.view().clone()]].concat();
            assert_eq!(crate::chain::verify(&chain, Some(NOW)), Ok(()));
        }
    }
}

#[test]
fn openssl_verifies_what_was_issued_and_reads_the_same() {
    let directory = tempfile::tempdir().unwrap();
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let authority = Authority::new(algorithm);
        let signed = issue_as(&authority, &TestSigner::p384(), |_, _, _| ()).unwrap();
        for (file, der) in [("root", authority.root.der()), ("issuer", authority.issuer.der()), ("leaf", signed.der())]
        {
            std::fs::write(directory.path().join(file), pem::encode(Label::Certificate, der)).unwrap();
        }
        let time = NOW.0.to_string();
        let strict = ["verify", "-x509_strict", "-purpose", "sslclient", "-attime", &time];
        let files = ["-CAfile", "root", "-untrusted", "issuer", "leaf"];
        let (fine, text) = openssl(directory.path(), &[&strict[..], &files].concat());
        assert!(fine && text.contains("leaf: OK"), "{algorithm}: {text}");
        let (_, text) = openssl(directory.path(), &["x509", "-in", "leaf", "-noout", "-text"]);
        for line in [
            "Version: 3 (0x2)",
            "Subject: CN = sensor-17",
            "CA:FALSE",
            "TLS Web Client Authentication",
            "URI:spiffe://example.org/device/sensor-17, DNS:sensor-17.dev.example, IP Address:10.1.2.3",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("TLS Web Server") && !text.contains("Certificate Sign"), "{text}");
    }
}

#[test]
fn profiles_decide_the_usages() {
    for usages in [vec![Usage::ClientAuth], vec![Usage::ServerAuth], vec![Usage::ServerAuth, Usage::ClientAuth]] {
        let signed = issue_as(authority(), &TestSigner::p256(), |p, _, _| p.usages = usages.clone()).unwrap();
        let view = CertificateView::parse(signed.der()).unwrap();
        assert_eq!(view.client_auth, usages.contains(&Usage::ClientAuth));
        assert_eq!(view.server_auth, usages.contains(&Usage::ServerAuth));
    }
    let none = issue_as(authority(), &TestSigner::p256(), |p, _, _| p.usages.clear());
    assert!(matches!(none, Err(IssueError::Lint(_))));
}

fn responder(profile: &mut Profile, subject: &mut Subject, _: &mut Locations) {
    (profile.usages, profile.kind) = (vec![Usage::OcspSigning], PrincipalKind::Server);
    subject.kind = PrincipalKind::Server;
}

#[test]
fn a_responder_s_certificate_is_for_nothing_else_and_names_no_revocation() {
    let signed = issue_in(Some(3), authority(), &TestSigner::p256(), responder).unwrap();
    assert_eq!(signed.facts().shard, None);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("leaf"), pem::encode(Label::Certificate, signed.der())).unwrap();
    let (_, text) = openssl(directory.path(), &["x509", "-in", "leaf", "-noout", "-text"]);
    assert!(text.contains("OCSP Signing") && text.contains("OCSP No Check"), "{text}");
    assert!(text.contains("CA Issuers - URI") && !text.contains("OCSP - URI") && !text.contains("CRL"), "{text}");
    let refused = |edit: fn(&mut Profile, &mut Subject)| {
        let both = |p: &mut Profile, s: &mut Subject, l: &mut Locations| {
            responder(p, s, l);
            edit(p, s);
        };
        issue_as(authority(), &TestSigner::p256(), both).unwrap_err().to_string()
    };
    assert!(refused(|p, _| p.usages.push(Usage::ServerAuth)).contains("nothing else"));
    assert!(refused(|p, _| p.usages.insert(0, Usage::ClientAuth)).contains("nothing else"));
    let device = refused(|p, s| (p.kind, s.kind) = (PrincipalKind::Device, PrincipalKind::Device));
    assert!(device.contains("the service's own"), "{device}");
    assert!(refused(|p, _| p.revocation = Revocation::Unavailable).contains("excused"));
}

#[test]
fn a_certificate_without_revocation_says_so_and_lives_for_a_day() {
    let short = |p: &mut Profile, _: &mut Subject, _: &mut Locations| p.revocation = Revocation::Unavailable;
    let signed = issue_in(Some(3), authority(), &TestSigner::p256(), short).unwrap();
    assert_eq!(signed.facts().shard, None);
    let no_rev_avail = [0x30, 0x09, 0x06, 0x03, 0x55, 0x1d, 0x38, 0x04, 0x02, 0x05, 0x00];
    assert!(signed.der().windows(11).any(|w| w == no_rev_avail));
    assert!(CertificateView::parse(signed.der()).unwrap().crl_urls.is_empty());
    let long = |p: &mut Profile, _: &mut Subject, _: &mut Locations| {
        (p.revocation, p.lifetime) = (Revocation::Unavailable, DAY + 1);
    };
    let refused = issue_as(authority(), &TestSigner::p256(), long).unwrap_err();
    assert!(refused.to_string().contains("a day at most"), "{refused}");
}

#[test]
fn a_certificate_in_a_shard_names_the_shard_s_list_at_every_place() {
    for shard in [0, 7, 4095, u16::MAX] {
        let signed = issue_in(Some(shard), authority(), &TestSigner::p256(), |_, _, _| ()).unwrap();
        let places = ["http://ca.example/crl/issuer", "http://mirror.example/crl/issuer"];
        let lists = places.map(|place| format!("{place}/{shard}.crl"));
        assert_eq!(CertificateView::parse(signed.der()).unwrap().crl_urls, lists);
        assert_eq!(locations().shard(shard).unwrap(), lists);
        assert_eq!(signed.facts().shard, Some(shard));
    }
    for edit in [|l: &mut Locations| l.crl.clear(), |l: &mut Locations| l.crl[1] = "http://ca.example/list".into()] {
        let refused = issue_in(Some(1), authority(), &TestSigner::p256(), |_, _, l| edit(l)).unwrap_err();
        assert!(matches!(refused, IssueError::Encoding(_)), "{refused}");
    }
}

#[test]
fn a_principal_may_have_few_names_or_many() {
    let many: Vec<DnsName> = (0..100).map(|n| DnsName::parse(&format!("a{n}.dev.example")).unwrap()).collect();
    for (names, addresses) in [(vec![], vec![]), (many, vec!["::1".parse().unwrap()])] {
        let edit = |_: &mut Profile, subject: &mut Subject, _: &mut Locations| {
            (subject.dns_names, subject.addresses) = (names.clone(), addresses.clone());
            subject.id = DeviceId::parse(&"a".repeat(63)).unwrap();
        };
        issue_as(authority(), &TestSigner::p256(), edit).unwrap();
    }
}

#[test]
fn t07_names_beyond_the_profile_are_refused_even_from_the_record() {
    let with = |name: &str| {
        let dns = DnsName::parse(name).unwrap();
        issue_as(authority(), &TestSigner::p256(), |_, s, _| s.dns_names = vec![dns.clone()]).map(|_| ())
    };
    assert_eq!(with("other.dev.example"), Ok(()));
    for name in ["other.example", "evildev.example", "localhost"] {
        assert!(matches!(with(name), Err(IssueError::Lint(_))), "{name}");
    }
    // The service itself is named by its operator.
    let server = |p: &mut Profile, s: &mut Subject, _: &mut Locations| {
        (p.kind, s.kind) = (PrincipalKind::Server, PrincipalKind::Server);
        p.dns_suffixes.clear();
    };
    assert!(issue_as(authority(), &TestSigner::p256(), server).is_ok());
    let other_kind = issue_as(authority(), &TestSigner::p256(), |_, s, _| s.kind = PrincipalKind::Admin);
    assert!(matches!(other_kind, Err(IssueError::Lint(_))));
}

#[test]
fn locations_that_are_not_configured_leave_no_trace() {
    let signed = issue_as(authority(), &TestSigner::p256(), |_, _, l| *l = Locations::default()).unwrap();
    assert!(CertificateView::parse(signed.der()).unwrap().crl_urls.is_empty());
    issue_as(authority(), &TestSigner::p256(), |_, _, l| l.ocsp.clear()).unwrap();
    issue_as(authority(), &TestSigner::p256(), |_, _, l| l.ca_issuers.clear()).unwrap();
    issue_as(authority(), &TestSigner::p256(), |_, _, l| l.crl.truncate(1)).unwrap();
}

#[test]
fn locations_that_are_no_uris_are_refused_and_do_not_panic() {
    // rcgen asserts that an IA5String is ASCII.
    for bad in ["http://ca.exämple/x", "", "http://a b/", "http://a\n/"] {
        for edit in [
            |l: &mut Locations, bad: &str| l.crl = vec![bad.into()],
            |l: &mut Locations, bad: &str| l.ocsp.push(bad.into()),
            |l: &mut Locations, bad: &str| l.ca_issuers.push(bad.into()),
        ] {
            let refused = issue_as(authority(), &TestSigner::p256(), |_, _, l| edit(l, bad)).unwrap_err();
            assert!(matches!(refused, IssueError::Encoding(_)), "{refused}");
        }
    }
}

#[test]
fn t10_the_profile_s_key_policy_is_asked_again() {
    let refused = issue_as(authority(), &TestSigner::p384(), |p, _, _| p.keys = KeyPolicy::new([KeyType::P256]));
    assert_eq!(refused.unwrap_err(), IssueError::Key(KeyRefusal::TypeNotAllowed(KeyAlgorithm::P384)));
}

#[test]
fn an_issuer_at_its_end_cuts_the_lifetime_and_then_refuses() {
    let issuer = &authority().issuer;
    let plan = |now: UnixTime| {
        LeafPlan::new(&PROFILE, subject(), csr(&TestSigner::p256()), issuer, now, None, [1; 20])
            .and_then(|plan| LintedTbs::prepare(issuer, &locations(), plan))
            .map(|linted| linted.facts().not_after)
    };
    static PROFILE: std::sync::LazyLock<Profile> = std::sync::LazyLock::new(profile);
    let end = issuer.not_after();
    assert_eq!(plan(end.minus(2 * DAY)), Ok(end.minus(DAY)));
    assert_eq!(plan(end.minus(3_600)), Ok(end));
    assert_eq!(plan(end.minus(59)), Err(IssueError::IssuerEnds(end)));
    assert_eq!(plan(end.plus(DAY)), Err(IssueError::IssuerEnds(end)));
}

#[test]
fn times_change_their_spelling_in_2050() {
    let root_signer = TestSigner::p256();
    let issuer_signer = TestSigner::p256();
    let cutover = UnixTime(2_524_608_000);
    let name = crate::ca::CaName::new("Far Root", None).unwrap();
    let validity = (NOW, UnixTime::MAX);
    let root = crate::ca::self_signed(&root_signer, &name, validity, [1; 20]).unwrap();
    let plan = crate::ca::IssuerPlan { validity, ..crate::testing::issuer_plan(&issuer_signer) };
    let issuer = crate::ca::certify_issuer(&root, &root_signer, plan, [2; 20]).unwrap();
    for (now, utc, generalized) in [
        (cutover.minus(DAY + 1), 2, 0),
        (cutover.minus(DAY), 1, 1),
        (cutover.plus(299), 1, 1),
        (cutover.plus(300), 0, 2),
        (UnixTime::MAX.minus(DAY), 0, 2),
    ] {
        let profile = profile();
        let plan = LeafPlan::new(&profile, subject(), csr(&TestSigner::p256()), &issuer, now, None, [3; 20]).unwrap();
        let signed = LintedTbs::prepare(&issuer, &locations(), plan).unwrap().sign(&issuer, &issuer_signer).unwrap();
        let view = CertificateView::parse(signed.der()).unwrap();
        assert_eq!((view.not_before, view.not_after), (now.minus(300), now.plus(DAY)));
        let tbs = SignedParts::split(signed.der()).unwrap().tbs;
        let validity = crate::encode::Fields::split(tbs).unwrap().validity;
        let found = |tag: u8, length: u8| validity.windows(2).filter(|w| *w == [tag, length]).count();
        assert_eq!((found(0x17, 13), found(0x18, 15)), (utc, generalized), "at {now}");
    }
}

#[test]
fn t12_one_key_certified_twice_gets_two_serials() {
    // rcgen's default serial is a hash of the key (pitfall 2).
    let signer = TestSigner::p256();
    let issue = |random| {
        let profile = profile();
        let plan = LeafPlan::new(&profile, subject(), csr(&signer), &authority().issuer, NOW, None, random).unwrap();
        let linted = LintedTbs::prepare(&authority().issuer, &locations(), plan).unwrap();
        let signed = linted.sign(&authority().issuer, &authority().issuer_signer).unwrap();
        CertificateView::parse(signed.der()).unwrap()
    };
    let (one, two) = (issue([5; 20]), issue([0xfb; 20]));
    assert_ne!(one.serial, two.serial);
    assert_eq!(one.subject_key_id, two.subject_key_id);
    for fill in [0x00, 0x7f, 0x80, 0xff] {
        assert_eq!(issue([fill; 20]).serial.as_bytes().len(), 20);
    }
}

#[test]
fn extensions_that_rcgen_forgets_by_default_are_there() {
    // `IsCa::NoCa` writes neither BasicConstraints nor SKI; AKI follows the issuer's key, not its SKI.
    let signed = issue_as(authority(), &TestSigner::p256(), |_, _, _| ()).unwrap();
    let view = CertificateView::parse(signed.der()).unwrap();
    assert_eq!(view.subject_key_id.as_deref(), Some(&view.public_key.key_identifier()[..]));
    assert_eq!(view.authority_key_id.as_deref(), Some(authority().issuer.key_identifier()));
    let basic_constraints = [0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00];
    assert!(signed.der().windows(12).any(|w| w == basic_constraints));
}

/// Hands out what it is told to.
struct Liar<'a> {
    key: &'a TestSigner,
    answers: Mutex<Vec<Result<Vec<u8>, SignerError>>>,
}

impl Signer for Liar<'_> {
    fn public_key(&self) -> &crate::PublicKey {
        self.key.public_key()
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.answers.lock().unwrap().pop().unwrap()
    }
}

#[test]
fn a_signer_is_not_trusted() {
    let linted = || {
        let profile = profile();
        let csr = csr(&TestSigner::p256());
        let plan = LeafPlan::new(&profile, subject(), csr, &authority().issuer, NOW, None, [6; 20]).unwrap();
        LintedTbs::prepare(&authority().issuer, &locations(), plan).unwrap()
    };
    let key = &authority().issuer_signer;
    let stranger = TestSigner::p256();
    assert_eq!(linted().sign(&authority().issuer, &stranger).unwrap_err(), IssueError::WrongKey);
    let foreign = stranger.sign(b"something").unwrap();
    let other_message = key.sign(b"something").unwrap();
    for answer in [Vec::new(), vec![0; 64], foreign, other_message] {
        let liar = Liar { key, answers: Mutex::new(vec![Ok(answer)]) };
        assert_eq!(linted().sign(&authority().issuer, &liar).unwrap_err(), IssueError::BadSignature);
    }
    let gone = SignerError::Unavailable("the token was pulled out".into());
    let liar = Liar { key, answers: Mutex::new(vec![Err(gone.clone())]) };
    assert_eq!(linted().sign(&authority().issuer, &liar).unwrap_err(), IssueError::Signer(gone));
}

#[test]
fn t36_a_flipped_signature_stays_valid_with_another_fingerprint() {
    // Why nothing is revoked or looked up by fingerprint (pitfall 8).
    let signed = issue_as(authority(), &TestSigner::p256(), |_, _, _| ()).unwrap();
    let parts = SignedParts::split(signed.der()).unwrap();
    let signature = p256::ecdsa::Signature::from_der(parts.signature).unwrap();
    let (r, s) = signature.split_scalars();
    let flipped = p256::ecdsa::Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
    let other = assemble(parts.tbs, SignatureScheme::EcdsaSha256, flipped.to_der().as_bytes());
    let (one, two) = (CertificateView::parse(signed.der()).unwrap(), CertificateView::parse(&other).unwrap());
    assert!(two.verify(authority().issuer.public_key()));
    assert_ne!(one.fingerprint(), two.fingerprint());
    // What revocation goes by is untouched.
    assert_eq!((one.issuer, one.serial), (two.issuer, two.serial));
    assert_eq!(one.public_key.fingerprint(), two.public_key.fingerprint());
}
