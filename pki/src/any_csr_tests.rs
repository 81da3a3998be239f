//! For any request: it is refused, or what is issued for it passes the independent auditor. No wish has an effect.

use std::sync::OnceLock;

use proptest::prelude::*;

use crate::csr::{CheckedCsr, CsrError};
use crate::der::{context, context_primitive, integer, octet_string, oid, sequence, tlv};
use crate::encode::SignedParts;
use crate::key::SignatureScheme;
use crate::key_policy::KeyPolicy;
use crate::signer::Signer;
use crate::testing::auditor::{Expected, audit};
use crate::testing::damage::damage;
use crate::testing::request::*;
use crate::testing::{NOW, TestSigner, authority, locations, profile, subject};

fn key(index: usize) -> &'static TestSigner {
    static KEYS: OnceLock<[TestSigner; 3]> = OnceLock::new();
    let keys = KEYS.get_or_init(|| [TestSigner::p256(), TestSigner::p384(), TestSigner::ed25519()]);
    keys.get(index).unwrap_or_else(|| TestSigner::rsa3072())
}

fn schemes(index: usize) -> &'static [SignatureScheme] {
    use SignatureScheme::*;
    match index {
        0 | 1 => &[EcdsaSha256, EcdsaSha384, EcdsaSha512],
        2 => &[Ed25519],
        _ => &[RsaPkcs1Sha256, RsaPkcs1Sha384, RsaPkcs1Sha512],
    }
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let kinds = [COMMON_NAME, ORGANIZATION, UNIT, DOMAIN_COMPONENT, UNKNOWN];
    let texts = prop_oneof![
        Just("admin\0.evil.org".to_owned()),
        Just("system:masters".to_owned()),
        Just("sensor-17".to_owned()),
        Just("*.example.org".to_owned()),
        "\\PC{0,40}",
        "[a-z]{200,400}",
    ];
    let text = (texts, prop::sample::select(vec![0x0cu8, 0x13, 0x14, 0x16, 0x1e, 0x04])).prop_map(|(text, tag)| {
        let ascii = matches!(tag, 0x13 | 0x16);
        (tag, if ascii { text.replace(|c: char| !c.is_ascii(), "?") } else { text })
    });
    let one = (prop::sample::select(kinds.to_vec()), text)
        .prop_map(|(kind, (tag, text))| attribute_value((kind, tag, text.as_bytes())));
    let rdn = prop::collection::vec(one, 1..3).prop_map(|values| tlv(0x31, &values.concat()));
    prop::collection::vec(rdn, 0..5).prop_map(|rdns| tlv(0x30, &rdns.concat()))
}

fn general_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec!["*.example.org", "localhost", "a\0b", "sensor-18.dev.example", ""])
            .prop_map(|dns| context_primitive(2, dns.as_bytes())),
        prop::sample::select(vec!["spiffe://example.org/admin/root", "http://x", "ldap:"])
            .prop_map(|uri| context_primitive(6, uri.as_bytes())),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|octets| context_primitive(7, &octets)),
        "\\PC{0,20}".prop_map(|text| context(0, &[oid(UNKNOWN), context(0, &tlv(0x0c, text.as_bytes()))].concat())),
        Just(context(4, &name(&[(COMMON_NAME, 0x0c, b"root")]))),
        Just(context_primitive(1, b"root@example.org")),
    ]
}

/// `(type, extension)`, of the kinds that would matter if they were copied.
fn wish() -> impl Strategy<Value = (&'static [u8], Vec<u8>)> {
    let path = prop_oneof![Just(Vec::new()), (0u8..5).prop_map(|n| integer(&[n]))];
    let basic = (any::<bool>(), path).prop_map(|(ca, path)| {
        let flag: &[u8] = if ca { &[0x01, 0x01, 0xff] } else { &[] };
        (BASIC_CONSTRAINTS, sequence(&[flag, &path]))
    });
    let usage = any::<u8>().prop_map(|bits| (KEY_USAGE, vec![0x03, 0x02, bits.trailing_zeros().min(7) as u8, bits]));
    let purposes: Vec<&[u8]> =
        vec![&[0x55, 0x1d, 0x25, 0x00], &[0x2b, 6, 1, 5, 5, 7, 3, 1], &[0x2b, 6, 1, 5, 5, 7, 3, 3], UNKNOWN];
    let extended = prop::collection::vec(prop::sample::select(purposes), 0..4)
        .prop_map(|all| (EXTENDED_KEY_USAGE, tlv(0x30, &all.into_iter().flat_map(oid).collect::<Vec<u8>>())));
    let alternative =
        prop::collection::vec(general_name(), 0..6).prop_map(|all| (ALTERNATIVE_NAMES, tlv(0x30, &all.concat())));
    let constraints = general_name().prop_map(|base| (NAME_CONSTRAINTS, sequence(&[&context(0, &sequence(&[&base]))])));
    let id = prop::collection::vec(any::<u8>(), 0..24);
    let subject_id = id.clone().prop_map(|id| (SUBJECT_KEY_ID, octet_string(&id)));
    let authority_id = id.prop_map(|id| (AUTHORITY_KEY_ID, sequence(&[&context_primitive(0, &id)])));
    let kinds = vec![UNKNOWN, BASIC_CONSTRAINTS, KEY_USAGE, ALTERNATIVE_NAMES, SUBJECT_KEY_ID];
    let garbage = (prop::sample::select(kinds), prop::collection::vec(any::<u8>(), 0..40));
    let any_wish = prop_oneof![basic, usage, extended, alternative, constraints, subject_id, authority_id, garbage];
    (any_wish, any::<bool>()).prop_map(|((kind, value), critical)| (kind, extension(kind, critical, &value)))
}

/// A request with the wishes; well formed and accepted when `unique`, otherwise something in it may be there twice.
#[derive(Debug, Clone)]
struct Plan {
    key: usize,
    scheme: usize,
    subject: Vec<u8>,
    wishes: Vec<(&'static [u8], Vec<u8>)>,
    extras: Vec<usize>,
    unique: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let wishes = prop::collection::vec(wish(), 0..7);
    let extras = prop::collection::vec(0usize..4, 0..4);
    (0usize..4, 0usize..3, names(), wishes, extras, any::<bool>()).prop_map(
        |(key, scheme, subject, mut wishes, mut extras, unique)| {
            if unique {
                let mut seen = Vec::new();
                wishes.retain(|(kind, _)| {
                    !seen.contains(kind) && {
                        seen.push(kind);
                        true
                    }
                });
                extras.sort_unstable();
                extras.dedup();
            }
            Plan { key, scheme, subject, wishes, extras, unique }
        },
    )
}

impl Plan {
    fn request(&self) -> Request {
        let wishes: Vec<Vec<u8>> = self.wishes.iter().map(|(_, extension)| extension.clone()).collect();
        let attributes = self.extras.iter().map(|extra| match extra {
            0 => extension_request(&wishes),
            1 => attribute(CHALLENGE_PASSWORD, &[tlv(0x0c, b"secret")]),
            2 => attribute(UNKNOWN, &[octet_string(b"x")]),
            _ => {
                attribute(&[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x01, 0x0e], &[tlv(0x30, &wishes.concat())])
            }
        });
        let attributes = (!self.extras.is_empty() || self.unique).then(|| attributes.collect());
        Request { subject: self.subject.clone(), attributes, ..Request::new(key(self.key)) }
    }

    fn scheme(&self) -> SignatureScheme {
        let all = schemes(self.key);
        all[self.scheme % all.len()]
    }

    fn repeats(&self) -> bool {
        let twice = |at: usize| self.wishes[..at].iter().any(|(kind, _)| *kind == self.wishes[at].0);
        let extras = (0..self.extras.len()).any(|at| self.extras[..at].contains(&self.extras[at]));
        extras || (self.extras.contains(&0) && (0..self.wishes.len()).any(twice))
    }
}

/// The whole claim. `Ok(true)` when a certificate was issued.
fn refused_or_correct(bytes: &[u8], signer: &TestSigner) -> Result<bool, TestCaseError> {
    let csr = match CheckedCsr::from_der(bytes, &KeyPolicy::any()) {
        Ok(csr) => csr,
        Err(refusal) => {
            prop_assert!(!refusal.to_string().is_empty());
            return Ok(false);
        }
    };
    prop_assert_eq!(csr.public_key(), signer.public_key(), "a key whose holder did not sign");
    let signed = authority().issue(csr).map_err(|e| TestCaseError::fail(format!("accepted, not issued: {e}")))?;
    let expected = Expected {
        issuer: &authority().issuer,
        locations: &locations(),
        profile: &profile(),
        subject: &subject(),
        spki: signer.public_key().spki(),
        now: NOW,
        shard: None,
    };
    audit(signed.der(), &expected).map_err(TestCaseError::fail)?;
    Ok(true)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn t07_t08_no_wish_of_any_request_reaches_a_certificate(plan in plan()) {
        let signer = key(plan.key);
        let bytes = plan.request().signed_with(signer, plan.scheme());
        let issued = refused_or_correct(&bytes, signer)?;
        if plan.repeats() {
            let refusal = CheckedCsr::from_der(&bytes, &KeyPolicy::any()).map(|_| ());
            prop_assert_eq!(refusal, Err(CsrError::Duplicate));
        } else {
            prop_assert!(issued, "{:?}", CheckedCsr::from_der(&bytes, &KeyPolicy::any()));
        }
    }

    #[test]
    fn t20_requests_damaged_before_they_are_signed_are_refused_or_correct(
        plan in plan(), damage in prop::collection::vec(damage(), 1..4)
    ) {
        let signer = key(plan.key);
        let mut info = plan.request().info();
        damage.iter().for_each(|d| d.apply(&mut info));
        let signature = signer.sign_with(plan.scheme(), &info);
        let bytes = sequence(&[&info, &plan.scheme().identifier(), &crate::der::bit_string(&signature)]);
        refused_or_correct(&bytes, signer)?;
    }

    #[test]
    fn t06_requests_damaged_after_they_were_signed_never_say_something_else(
        plan in plan(), damage in prop::collection::vec(damage(), 1..4)
    ) {
        let signer = key(plan.key);
        let request = plan.request();
        let mut bytes = request.signed_with(signer, plan.scheme());
        damage.iter().for_each(|d| d.apply(&mut bytes));
        if refused_or_correct(&bytes, signer)? {
            let info = SignedParts::split(&bytes).map(|parts| parts.tbs.to_vec());
            prop_assert_eq!(info, Ok(request.info()));
        }
    }

    #[test]
    fn t06_a_request_signed_by_another_key_is_refused(plan in plan(), offset in 1usize..4) {
        let other = (plan.key + offset) % 4;
        let scheme = schemes(other)[0];
        let bytes = plan.request().signed_with(key(other), scheme);
        let refusal = CheckedCsr::from_der(&bytes, &KeyPolicy::any());
        prop_assert!(matches!(refusal, Err(CsrError::Possession | CsrError::Duplicate)), "{:?}", refusal);
    }

    #[test]
    fn t20_random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(CheckedCsr::parse(&bytes, &KeyPolicy::any()).is_err());
    }
}
