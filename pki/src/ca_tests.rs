use super::*;
use crate::der::{self, integer, octet_string, sequence};
use crate::key::KeyAlgorithm;
use crate::key_policy::KeyPolicy;
use crate::testing::openssl::openssl;
use crate::testing::pieces::*;
use crate::testing::request::*;
use crate::testing::{Authority, DAY, NOW, TestSigner, authority, issuer_plan};
use crate::{pem, pem::Label};

fn root_name() -> CaName {
    CaName::new("Test Root", Some("Example")).unwrap()
}

fn years(count: i64) -> (UnixTime, UnixTime) {
    (NOW, NOW.plus(count * 365 * DAY))
}

/// The issuer certificate with something bent, signed by the root again.
fn bent(edit: impl Fn(&mut Pieces)) -> Result<IssuerCert, IssuerError> {
    let mut pieces = Pieces::of_certificate(authority().issuer.der());
    edit(&mut pieces);
    IssuerCert::from_der(&sign(&pieces.bytes(), &authority().root_signer))
}

#[test]
fn a_root_says_what_was_planned() {
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let signer = TestSigner::new(algorithm);
        let root = self_signed(&signer, &root_name(), years(20), [7; 20]).unwrap();
        let view = root.view();
        assert_eq!(root.public_key(), signer.public_key());
        assert_eq!((view.is_ca, view.path_len, view.key_cert_sign, view.crl_sign), (true, None, true, true));
        assert_eq!((view.not_before, view.not_after), years(20));
        assert_eq!((view.subject_text.as_str(), view.is_self_issued()), ("O=Example, CN=Test Root", true));
        assert_eq!(view.serial, Serial::from_random([7; 20]));
        assert_eq!(root.key_identifier(), signer.public_key().key_identifier());
        assert_eq!(view.authority_key_id.as_deref(), Some(root.key_identifier()));
        assert!(view.crl_urls.is_empty() && view.unknown_critical.is_empty());
        assert_eq!(chain::verify(std::slice::from_ref(view), Some(NOW)), Ok(()));
        assert_eq!(root.short_id().len(), 16);
        let digits: String = root.key_identifier().iter().map(|b| format!("{b:02x}")).collect();
        assert!(digits.starts_with(&root.short_id()));
    }
}

#[test]
fn an_issuer_says_what_was_planned_and_not_what_was_asked() {
    let signer = TestSigner::p256();
    let wishes = [
        extension(BASIC_CONSTRAINTS, true, &sequence(&[&[0x01, 0x01, 0xff], &integer(&[9])])),
        extension(SUBJECT_KEY_ID, false, &octet_string(&[9; 20])),
    ];
    let request = Request { subject: name(&[(COMMON_NAME, 0x0c, b"Wish")]), ..Request::asking(&signer, &wishes) };
    let plan = IssuerPlan { request: request.check(&signer).unwrap(), ..issuer_plan(&signer) };
    let issuer = certify_issuer(&authority().root, &authority().root_signer, plan, [8; 20]).unwrap();
    let view = issuer.view();
    assert_eq!(issuer.public_key(), signer.public_key());
    assert_eq!((view.is_ca, view.path_len, view.key_cert_sign, view.crl_sign), (true, Some(0), true, true));
    assert_eq!((view.server_auth, view.client_auth), (false, false));
    assert_eq!(view.subject_text, "O=Example, CN=Test Issuer 1");
    assert_eq!(view.issuer, authority().root.subject());
    assert_eq!(view.authority_key_id.as_deref(), Some(authority().root.key_identifier()));
    assert_eq!(issuer.key_identifier(), signer.public_key().key_identifier());
    assert_eq!(view.crl_urls, ["http://ca.example/crl/root.crl"]);
    assert_eq!(view.serial, Serial::from_random([8; 20]));
    assert!(IssuerCert::below(issuer.der(), &authority().root, NOW).is_ok());
}

#[test]
fn an_issuer_never_outlives_its_root() {
    let root_end = authority().root.not_after();
    let make = |validity| {
        let plan = IssuerPlan { validity, ..issuer_plan(&TestSigner::p256()) };
        certify_issuer(&authority().root, &authority().root_signer, plan, [8; 20])
    };
    assert_eq!(make((NOW, UnixTime::MAX)).unwrap().not_after(), root_end);
    for (from, to) in
        [(root_end, root_end.plus(DAY)), (root_end.plus(1), root_end.plus(2)), (NOW, NOW), (NOW, NOW.minus(1))]
    {
        assert_eq!(make((from, to)).unwrap_err(), IssueError::IssuerEnds(root_end));
    }
}

#[test]
fn a_root_with_an_empty_or_unwritable_life_is_refused() {
    let make = |from: i64, to: i64| {
        self_signed(&TestSigner::p256(), &root_name(), (UnixTime(from), UnixTime(to)), [7; 20])
            .map(|root| root.not_after())
    };
    for (from, to) in [(NOW.0, NOW.0), (NOW.0, NOW.0 - 1), (-1, NOW.0), (NOW.0, UnixTime::MAX.0 + 1), (0, i64::MAX)] {
        assert!(matches!(make(from, to), Err(IssueError::Lint(_))), "{from} to {to}");
    }
    assert_eq!(make(0, UnixTime::MAX.0), Ok(UnixTime::MAX));
}

#[test]
fn rsa_signs_no_certificates_here() {
    let refused = self_signed(TestSigner::rsa3072(), &root_name(), years(20), [7; 20]).unwrap_err();
    assert!(matches!(refused, IssueError::Signer(_)), "{refused}");
    let request = Request::new(TestSigner::rsa3072()).check(TestSigner::rsa3072()).unwrap();
    let plan = IssuerPlan { request, ..issuer_plan(&TestSigner::p256()) };
    let refused = certify_issuer(&authority().root, &authority().root_signer, plan, [8; 20]).unwrap_err();
    assert!(refused.to_string().contains("cannot sign certificates here"), "{refused}");
}

#[test]
fn t08_an_issuer_certifies_no_further_issuer() {
    let plan = IssuerPlan { name: CaName::new("Third", None).unwrap(), ..issuer_plan(&TestSigner::p256()) };
    let refused = certify_issuer(&authority().issuer, &authority().issuer_signer, plan, [8; 20]).unwrap_err();
    assert!(refused.to_string().contains("may not certify another CA"), "{refused}");
}

#[test]
fn t11_a_root_certifies_neither_itself_nor_a_namesake() {
    let Authority { root, root_signer, .. } = authority();
    let own = Request::new(root_signer).check(root_signer).unwrap();
    let plan = IssuerPlan { request: own, ..issuer_plan(&TestSigner::p256()) };
    let refused = certify_issuer(root, root_signer, plan, [8; 20]).unwrap_err();
    assert!(refused.to_string().contains("another key"), "{refused}");
    let plan = IssuerPlan { name: root_name(), ..issuer_plan(&TestSigner::p256()) };
    let refused = certify_issuer(root, root_signer, plan, [8; 20]).unwrap_err();
    assert!(refused.to_string().contains("another name"), "{refused}");
}

#[test]
fn only_the_root_s_own_key_signs_for_it() {
    let plan = issuer_plan(&TestSigner::p256());
    let refused = certify_issuer(&authority().root, &authority().issuer_signer, plan, [8; 20]).unwrap_err();
    assert_eq!(refused, IssueError::WrongKey);
}

#[test]
fn names_of_cas_are_short_and_printable() {
    for good in ["a", &"x".repeat(64), &"é".repeat(64), "Société – Wurzel 根"] {
        assert!(CaName::new(good, None).is_ok() && CaName::new("a", Some(good)).is_ok());
    }
    for bad in ["", &"x".repeat(65), "a\0b", "a\nb", "a\u{1b}b", "a\u{202e}b", "a\u{200b}b"] {
        assert!(CaName::new(bad, None).is_err() && CaName::new("a", Some(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn names_of_cas_survive_the_way_into_a_certificate_and_back() {
    for (cn, organization) in [("根", Some("Société, \"x\" = y")), ("only a name", None), (" spaced ", Some("+"))] {
        let name = CaName::new(cn, organization).unwrap();
        let signer = TestSigner::p256();
        let root = self_signed(&signer, &name, years(20), [7; 20]).unwrap();
        assert_eq!(root.view().common_name.as_deref(), Some(cn));
        assert_eq!(root.view().organization.as_deref(), organization);
        let plan = issuer_plan(&TestSigner::p256());
        let issuer = certify_issuer(&root, &signer, plan, [8; 20]).unwrap();
        assert_eq!(issuer.view().issuer, root.subject());
    }
}

#[test]
fn a_ca_whose_name_cannot_be_written_back_is_refused() {
    // rcgen's name is a map: of two DCs or OUs one vanishes, and the chain breaks. PrintableString becomes UTF8String.
    let names = [
        name(&[(DOMAIN_COMPONENT, 0x16, b"a"), (DOMAIN_COMPONENT, 0x16, b"b"), (COMMON_NAME, 0x0c, b"x")]),
        name(&[(UNIT, 0x0c, b"a"), (UNIT, 0x0c, b"b"), (COMMON_NAME, 0x0c, b"x")]),
        name(&[(COMMON_NAME, 0x0c, b"a"), (COMMON_NAME, 0x0c, b"b")]),
        name(&[(ORGANIZATION, 0x0c, b"a"), (ORGANIZATION, 0x0c, b"b"), (COMMON_NAME, 0x0c, b"x")]),
        name(&[(COMMON_NAME, 0x0c, b"x"), (ORGANIZATION, 0x0c, b"O")]),
        name(&[(COMMON_NAME, 0x13, b"x")]),
        name(&[(UNIT, 0x0c, b"no common name")]),
        name(&[]),
    ];
    for subject in names {
        let refused = bent(|p| p.fields[SUBJECT] = subject.clone()).unwrap_err();
        assert!(matches!(refused, IssuerError::Name(_)), "{refused}");
    }
    assert!(bent(|p| p.fields[SUBJECT] = name(&[(COMMON_NAME, 0x0c, b"x")])).is_ok());
}

#[test]
fn what_may_not_sign_is_no_issuer() {
    let ca = sequence(&[&[0x01, 0x01, 0xff]]);
    let not_ca = bent(|p| *p = p.replacing(BASIC_CONSTRAINTS, &[extension(BASIC_CONSTRAINTS, true, &sequence(&[]))]));
    let absent = bent(|p| *p = p.replacing(BASIC_CONSTRAINTS, &[]));
    let usage = |bits: [u8; 4]| bent(|p| *p = p.replacing(KEY_USAGE, &[extension(KEY_USAGE, true, &bits)]));
    let without_usage = bent(|p| *p = p.replacing(KEY_USAGE, &[]));
    // keyCertSign alone, cRLSign alone, digitalSignature alone.
    let usages = [usage([3, 2, 2, 0x04]), usage([3, 2, 1, 0x02]), usage([3, 2, 7, 0x80])];
    for refused in [not_ca, absent, without_usage].into_iter().chain(usages) {
        assert!(matches!(refused, Err(IssuerError::NotCa(_))), "{refused:?}");
    }
    let no_id = bent(|p| *p = p.replacing(SUBJECT_KEY_ID, &[]));
    assert!(matches!(no_id, Err(IssuerError::NoKeyId(_))), "{no_id:?}");
    let strange = bent(|p| p.extensions.push(extension(UNKNOWN, true, &ca)));
    assert!(matches!(strange, Err(IssuerError::Chain(ChainError::Critical { .. }))), "{strange:?}");
    assert!(IssuerCert::from_der(b"").is_err());
}

#[test]
fn the_issuer_s_own_key_identifier_is_used_however_it_was_made() {
    // An issuer from elsewhere may use SHA-1 or any other octets: leaves and CRLs must carry exactly those.
    let id: &[u8] = b"any octets";
    let issuer = bent(|p| *p = p.replacing(SUBJECT_KEY_ID, &[extension(SUBJECT_KEY_ID, false, &octet_string(id))]));
    let issuer = issuer.unwrap();
    assert_eq!(issuer.key_identifier(), id);
    let signer = TestSigner::p256();
    let profile = crate::testing::profile();
    let csr = Request::new(&signer).check(&signer).unwrap();
    let plan =
        crate::issue::LeafPlan::new(&profile, crate::testing::subject(), csr, &issuer, NOW, None, [1; 20]).unwrap();
    let linted = crate::issue::LintedTbs::prepare(&issuer, &Locations::default(), plan).unwrap();
    let signed = linted.sign(&issuer, &authority().issuer_signer).unwrap();
    assert_eq!(CertificateView::parse(signed.der()).unwrap().authority_key_id.as_deref(), Some(id));
}

#[test]
fn a_chain_to_another_root_or_at_another_time_is_refused() {
    let Authority { root, issuer, .. } = authority();
    let stranger = Authority::new(KeyAlgorithm::P256).root;
    assert!(matches!(IssuerCert::below(issuer.der(), &stranger, NOW), Err(IssuerError::Chain(_))));
    assert!(matches!(IssuerCert::below(issuer.der(), root, issuer.not_after().plus(1)), Err(IssuerError::Chain(_))));
    assert!(IssuerCert::below(issuer.der(), root, issuer.not_after()).is_ok());
}

#[test]
fn openssl_accepts_root_and_constrained_issuer() {
    let directory = tempfile::tempdir().unwrap();
    let dns = [DnsName::parse("dev.example").unwrap()];
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::P384, KeyAlgorithm::Ed25519] {
        let made = Authority::constrained(algorithm, &dns);
        for (file, der) in [("root", made.root.der()), ("issuer", made.issuer.der())] {
            std::fs::write(directory.path().join(file), pem::encode(Label::Certificate, der)).unwrap();
        }
        let time = NOW.0.to_string();
        let verify = ["verify", "-x509_strict", "-check_ss_sig", "-attime", &time, "-CAfile", "root", "issuer"];
        let (fine, text) = openssl(directory.path(), &verify);
        assert!(fine && text.contains("issuer: OK"), "{text}");
        let (_, text) = openssl(directory.path(), &["x509", "-in", "issuer", "-noout", "-text"]);
        for line in
            ["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "DNS:dev.example", "X509v3 Name Constraints: critical"]
        {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let (_, text) = openssl(directory.path(), &["x509", "-in", "root", "-noout", "-text"]);
        assert!(text.contains("CA:TRUE") && !text.contains("pathlen"), "{text}");
    }
}

#[test]
fn constraints_are_dns_names_only() {
    // URI constraints make webpki refuse correct SPIFFE leaves (pitfall 9): the plan has no way to ask for them, and
    // what comes out has no [6] base.
    let dns = [DnsName::parse("dev.example").unwrap(), DnsName::parse("x.org").unwrap()];
    let issuer = Authority::constrained(KeyAlgorithm::P256, &dns).issuer;
    let subtree = |d: &DnsName| sequence(&[&der::context_primitive(2, d.as_str().as_bytes())]);
    let value = sequence(&[&der::context(0, &dns.iter().flat_map(subtree).collect::<Vec<u8>>())]);
    let whole = extension(NAME_CONSTRAINTS, true, &value);
    assert!(Pieces::of_certificate(issuer.der()).extensions.contains(&whole));
    assert!(authority().issuer.view().permitted_dns.is_none());
}

#[test]
fn a_request_with_a_refused_key_makes_no_plan() {
    let signer = TestSigner::p256();
    let policy = KeyPolicy::standard().blocking([signer.public_key().fingerprint()]);
    assert!(CheckedCsr::from_der(&crate::csr::make(&signer, "x").unwrap(), &policy).is_err());
}
