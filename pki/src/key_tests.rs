use num_bigint::BigUint;
use proptest::prelude::*;

use super::*;
use crate::der::{bit_string, integer, null, octet_string, oid, sequence, tlv};
use crate::key_policy::{KeyPolicy, KeyRefusal, KeyType};
use crate::signer::Signer;
use crate::testing::TestSigner;

fn spki(algorithm: &[&[u8]], bits: &[u8]) -> Vec<u8> {
    sequence(&[&sequence(algorithm), &bit_string(bits)])
}

fn ec(curve: &[u8], point: &[u8]) -> Vec<u8> {
    spki(&[&oid(OID_EC), &oid(curve)], point)
}

fn rsa(modulus: &BigUint, exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[&integer(&modulus.to_bytes_be()), &integer(exponent)]);
    spki(&[&oid(OID_RSA), &null()], &key)
}

fn refusal(spki: &[u8]) -> Option<KeyRefusal> {
    KeyPolicy::any().check(&PublicKey::from_spki(spki).unwrap()).err()
}

/// A number of 3072 bits that no prime below 753 divides, at or above `start`, in steps of `step`.
fn without_small_factor(start: BigUint, step: &BigUint) -> BigUint {
    let mut n = start;
    while (3u32..753).any(|p| &n % p == BigUint::ZERO) || !n.bit(0) {
        n += step;
    }
    assert_eq!(n.bits(), 3072);
    n
}

fn sound_modulus() -> BigUint {
    BigUint::from_bytes_be(TestSigner::rsa3072().public_key().rsa().unwrap().modulus)
}

#[test]
fn keys_of_every_supported_type_survive_their_spki() {
    for signer in [&TestSigner::p256(), &TestSigner::p384(), &TestSigner::ed25519(), TestSigner::rsa3072()] {
        let key = signer.public_key();
        let again = PublicKey::from_spki(key.spki()).unwrap();
        assert_eq!(&again, key);
        assert_eq!(again.fingerprint(), key.fingerprint());
        assert!(key.spki().ends_with(key.key_bits()));
        let signature = signer.sign_with(signer.scheme(), b"message");
        assert!(key.verify(signer.scheme(), b"message", &signature));
        assert!(!key.verify(signer.scheme(), b"other", &signature));
    }
}

#[test]
fn a_signature_counts_under_its_own_scheme_only() {
    let signers = [TestSigner::p256(), TestSigner::p384(), TestSigner::ed25519()];
    for signer in &signers {
        let signature = signer.sign_with(signer.scheme(), b"message");
        for scheme in SignatureScheme::ALL {
            let valid = signer.public_key().verify(scheme, b"message", &signature);
            assert_eq!(valid, scheme == signer.scheme(), "{:?} {scheme:?}", signer.public_key());
        }
        assert!(!TestSigner::p256().public_key().verify(signer.scheme(), b"message", &signature));
    }
}

#[test]
fn an_uncompressed_point_makes_the_same_key() {
    for signer in [TestSigner::p256(), TestSigner::p384()] {
        let key = signer.public_key();
        assert_eq!(PublicKey::from_uncompressed_point(key.key_bits()).as_ref(), Ok(key));
    }
    assert_eq!(PublicKey::from_uncompressed_point(&[4; 64]), Err(KeyError::Unsupported));
    assert_eq!(PublicKey::from_uncompressed_point(&[]), Err(KeyError::Unsupported));
}

#[test]
fn t10_points_off_the_curve_at_infinity_or_compressed_are_refused() {
    for (signer, curve) in [(TestSigner::p256(), OID_P256), (TestSigner::p384(), OID_P384)] {
        let good = signer.public_key().key_bits().to_vec();
        assert!(PublicKey::from_spki(&ec(curve, &good)).is_ok());
        let half = good.len() / 2;
        let mut off = good.clone();
        *off.last_mut().unwrap() ^= 1;
        let mut hybrid = good.clone();
        hybrid[0] = 0x06 | (good[good.len() - 1] & 1);
        let beyond_field = [&[0x04][..], &vec![0xff; good.len() - 1]].concat();
        let zero = [&[0x04][..], &vec![0; good.len() - 1]].concat();
        let compressed = [&[0x02 | (good[good.len() - 1] & 1)][..], &good[1..=half]].concat();
        let longer = [good.as_slice(), &[0]].concat();
        for bad in [off, hybrid, beyond_field, zero, compressed, longer, vec![0x00], vec![], good[..half].to_vec()] {
            assert_eq!(PublicKey::from_spki(&ec(curve, &bad)), Err(KeyError::NotOnCurve), "{bad:02x?}");
        }
    }
}

#[test]
fn t10_other_curves_are_refused() {
    let p192: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01];
    let (p224, p521, secp256k1) =
        ([0x2b, 0x81, 0x04, 0, 0x21], [0x2b, 0x81, 0x04, 0, 0x23], [0x2b, 0x81, 0x04, 0, 0x0a]);
    let brainpool: &[u8] = &[0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07];
    let point = TestSigner::p256().public_key().key_bits().to_vec();
    for (curve, length) in [(p192, 49), (&p224, 57), (&p521, 133), (&secp256k1, 65), (brainpool, 65)] {
        let mut bits = point.clone();
        bits.resize(length, 1);
        assert_eq!(PublicKey::from_spki(&ec(curve, &bits)), Err(KeyError::Unsupported), "{curve:02x?}");
    }
}

#[test]
fn t09_a_point_under_another_curve_s_name_is_refused() {
    let (small, large) = (TestSigner::p256(), TestSigner::p384());
    let crossed = [ec(OID_P384, small.public_key().key_bits()), ec(OID_P256, large.public_key().key_bits())];
    for bad in crossed {
        assert_eq!(PublicKey::from_spki(&bad), Err(KeyError::NotOnCurve));
    }
}

#[test]
fn wrong_parameters_are_refused() {
    let (p256, ed) = (TestSigner::p256(), TestSigner::ed25519());
    let (point, y) = (p256.public_key().key_bits(), ed.public_key().key_bits());
    let key = sequence(&[&integer(&sound_modulus().to_bytes_be()), &integer(&[1, 0, 1])]);
    let explicit = sequence(&[&integer(&[1]), &sequence(&[])]);
    let bad = [
        spki(&[&oid(OID_EC)], point),
        spki(&[&oid(OID_EC), &null()], point),
        spki(&[&oid(OID_EC), &explicit], point),
        spki(&[&oid(OID_EC), &oid(OID_P256), &null()], point),
        spki(&[&oid(OID_ED25519), &null()], y),
        spki(&[&oid(OID_RSA)], &key),
        spki(&[&oid(OID_RSA), &oid(OID_P256)], &key),
        // RSASSA-PSS and X25519 keys, and an algorithm of nobody's.
        spki(&[&oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a])], &key),
        spki(&[&oid(&[0x2b, 0x65, 0x6e])], y),
        spki(&[&oid(&[0x2a, 0x03])], y),
    ];
    for (number, bytes) in bad.iter().enumerate() {
        assert!(PublicKey::from_spki(bytes).is_err(), "case {number}");
    }
}

#[test]
fn t20_shapes_that_are_not_an_spki_are_refused() {
    let good = TestSigner::p256().public_key().spki().to_vec();
    let (point, algorithm) = (&good[good.len() - 65..], sequence(&[&oid(OID_EC), &oid(OID_P256)]));
    let unused_bit = tlv(0x03, &[&[1][..], &point[..64], &[0]].concat());
    let bad = [
        Vec::new(),
        [good.as_slice(), &[0]].concat(),
        sequence(&[&algorithm, &bit_string(point), &null()]),
        sequence(&[&algorithm, &octet_string(point)]),
        sequence(&[&algorithm, &unused_bit]),
        sequence(&[&algorithm]),
        tlv(0x31, &good[2..]),
        // A long form where the short one does: another spelling of the same key.
        [&[0x30, 0x81, good[1]][..], &good[2..]].concat(),
    ];
    for (number, bytes) in bad.iter().enumerate() {
        assert!(PublicKey::from_spki(bytes).is_err(), "case {number}");
    }
    for length in 0..good.len() {
        assert!(PublicKey::from_spki(&good[..length]).is_err(), "prefix of {length}");
    }
}

#[test]
fn t10_ed25519_points_of_small_order_and_second_spellings_are_refused() {
    let wrap = |y: &[u8]| spki(&[&oid(OID_ED25519)], y);
    // The canonical ones, and every spelling of a small y as y + p.
    let mut bad: Vec<[u8; 32]> = ED25519_SMALL_ORDER_Y.to_vec();
    for low in 0xed..=0xff {
        let mut y = [0xff; 32];
        (y[0], y[31]) = (low, 0x7f);
        bad.push(y);
    }
    for y in bad {
        let mut signed = y;
        signed[31] |= 0x80;
        assert_eq!(PublicKey::from_spki(&wrap(&y)), Err(KeyError::NotOnCurve), "{y:02x?}");
        assert_eq!(PublicKey::from_spki(&wrap(&signed)), Err(KeyError::NotOnCurve), "{signed:02x?}");
    }
    for length in [0, 31, 33] {
        assert_eq!(PublicKey::from_spki(&wrap(&vec![9; length])), Err(KeyError::NotOnCurve));
    }
}

#[test]
fn t10_ed25519_of_small_order_would_have_accepted_anything() {
    // Why they are refused: with y = 1 (the neutral element) R = S·B holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let signature = [&neutral[..], &[0; 32]].concat();
    let forged = UnparsedPublicKey::new(&ED25519, neutral).verify(b"any message", &signature);
    assert!(forged.is_ok(), "aws-lc refuses them itself by now: the list could go");
}

#[test]
fn t10_rsa_is_off_by_default() {
    let key = TestSigner::rsa3072().public_key();
    assert_eq!(KeyPolicy::standard().check(key), Err(KeyRefusal::TypeNotAllowed(KeyAlgorithm::Rsa { bits: 3072 })));
    assert_eq!(KeyPolicy::any().check(key), Ok(()));
    assert_eq!(KeyPolicy::new([KeyType::Rsa]).check(key), Ok(()));
}

#[test]
fn t10_short_and_endless_rsa_keys_are_refused() {
    let short = TestSigner::new(KeyAlgorithm::Rsa { bits: 2048 });
    let expected = KeyRefusal::RsaTooShort { minimum: 3072, actual: 2048 };
    assert_eq!(KeyPolicy::any().check(short.public_key()), Err(expected));
    let one_bit_short = (BigUint::from(1u32) << 3071u32) - 1u32;
    assert_eq!(
        refusal(&rsa(&one_bit_short, &[1, 0, 1])),
        Some(KeyRefusal::RsaTooShort { minimum: 3072, actual: 3071 })
    );
    let endless = (BigUint::from(1u32) << 8192u32) + 1u32;
    assert_eq!(refusal(&rsa(&endless, &[1, 0, 1])), Some(KeyRefusal::RsaTooLong));
    assert_eq!(refusal(&rsa(&BigUint::ZERO, &[1, 0, 1])), Some(KeyRefusal::RsaTooShort { minimum: 3072, actual: 0 }));
}

#[test]
fn t10_rsa_exponents_that_are_even_small_or_huge_are_refused() {
    let n = sound_modulus();
    assert_eq!(refusal(&rsa(&n, &[1, 0, 1])), None);
    for e in [&[1][..], &[3], &[17], &[0xff, 0xff], &[1, 0, 0], &[1, 0, 2], &[0], &[1, 0, 0, 0, 1], &[0xff; 384]] {
        assert_eq!(refusal(&rsa(&n, e)), Some(KeyRefusal::RsaExponent), "{e:02x?}");
    }
}

#[test]
fn t10_rsa_moduli_with_small_factors_are_refused() {
    for factor in [2u32, 3, 5, 751] {
        let cofactor = (BigUint::from(1u32) << 3072u32) / factor - 1u32;
        assert_eq!(
            refusal(&rsa(&(cofactor * factor), &[1, 0, 1])),
            Some(KeyRefusal::RsaWeak("it has a small prime factor")),
            "{factor}"
        );
    }
}

#[test]
fn t10_rsa_moduli_with_the_roca_fingerprint_are_refused() {
    let primes = (3u32..168).filter(|n| (2..*n).all(|d| n % d != 0));
    let m: BigUint = primes.map(BigUint::from).product();
    let residue = BigUint::from(65_537u32).modpow(&BigUint::from(0x1234_5678u32), &m);
    let quotient = (BigUint::from(3u32) << 3070u32) / &m;
    let n = without_small_factor(quotient * &m + residue, &m);
    let sentence = "it carries the ROCA fingerprint (CVE-2017-15361)";
    assert_eq!(refusal(&rsa(&n, &[1, 0, 1])), Some(KeyRefusal::RsaWeak(sentence)));
}

#[test]
fn t10_rsa_moduli_whose_factors_lie_close_are_refused() {
    // n = x² - y² = (x - y)(x + y) with a y of 400 bits falls at once.
    let (x, y) = ((BigUint::from(7u32) << 1533u32) + 12_345u32, BigUint::from(9u32) << 400u32);
    let mut x = x;
    let n = loop {
        let n = &x * &x - &y * &y;
        if n.bit(0) && (3u32..753).all(|p| &n % p != BigUint::ZERO) {
            break n;
        }
        x += 1u32;
    };
    assert_eq!(refusal(&rsa(&n, &[1, 0, 1])), Some(KeyRefusal::RsaWeak("its primes lie too close together")));
}

#[test]
fn t10_blocked_keys_are_refused_whatever_their_type() {
    for signer in [&TestSigner::p256(), &TestSigner::ed25519(), TestSigner::rsa3072()] {
        let policy = KeyPolicy::any().blocking([signer.public_key().fingerprint()]);
        assert_eq!(policy.check(signer.public_key()), Err(KeyRefusal::Blocked));
        assert_eq!(policy.check(TestSigner::p256().public_key()), Ok(()));
    }
}

#[test]
fn rsa_numbers_must_be_positive_and_minimal() {
    let n = sound_modulus().to_bytes_be();
    let wrap = |key: Vec<u8>| PublicKey::from_spki(&spki(&[&oid(OID_RSA), &null()], &key));
    let good = integer(&[1, 0, 1]);
    assert!(wrap(sequence(&[&integer(&n), &good])).is_ok());
    let negative = tlv(0x02, &n);
    let padded = tlv(0x02, &[&[0, 0][..], &n].concat());
    let bad = [
        sequence(&[&negative, &good]),
        sequence(&[&padded, &good]),
        sequence(&[&integer(&n)]),
        sequence(&[&integer(&n), &good, &good]),
        sequence(&[&integer(&n), &octet_string(&[1, 0, 1])]),
        [sequence(&[&integer(&n), &good]), vec![0]].concat(),
        n.clone(),
    ];
    for (number, key) in bad.into_iter().enumerate() {
        assert!(wrap(key).is_err(), "case {number}");
    }
}

#[test]
fn algorithm_identifiers_have_one_spelling() {
    for scheme in SignatureScheme::ALL {
        let bytes = scheme.identifier();
        assert_eq!(SignatureScheme::from_identifier(&bytes), Some(scheme));
        let content = &bytes[2..];
        let with_null = sequence(&[content, &null()]);
        assert_eq!(SignatureScheme::from_identifier(&with_null), None);
        let long = [&[0x30, 0x81, bytes[1]][..], content].concat();
        assert_eq!(SignatureScheme::from_identifier(&long), None);
    }
    let rsa = SignatureScheme::RsaPkcs1Sha256.identifier();
    let rsa_without_null = sequence(&[&rsa[2..rsa.len() - 2]]);
    assert_eq!(SignatureScheme::from_identifier(&rsa_without_null), None);
    // ecdsa-with-SHA1.
    let sha1 = sequence(&[&oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01])]);
    assert_eq!(SignatureScheme::from_identifier(&sha1), None);
}

#[test]
fn algorithm_identifiers_are_the_registered_ones() {
    use x509_cert::der::Decode;
    let registered = [
        (SignatureScheme::EcdsaSha256, "1.2.840.10045.4.3.2", false),
        (SignatureScheme::EcdsaSha384, "1.2.840.10045.4.3.3", false),
        (SignatureScheme::EcdsaSha512, "1.2.840.10045.4.3.4", false),
        (SignatureScheme::Ed25519, "1.3.101.112", false),
        (SignatureScheme::RsaPkcs1Sha256, "1.2.840.113549.1.1.11", true),
        (SignatureScheme::RsaPkcs1Sha384, "1.2.840.113549.1.1.12", true),
        (SignatureScheme::RsaPkcs1Sha512, "1.2.840.113549.1.1.13", true),
    ];
    for (scheme, oid, null) in registered {
        let bytes = scheme.identifier();
        let read = x509_cert::spki::AlgorithmIdentifierRef::from_der(&bytes).unwrap();
        assert_eq!((read.oid.to_string().as_str(), read.parameters.is_some()), (oid, null));
        assert!(read.parameters.is_none_or(|parameters| parameters.is_null()));
    }
}

#[test]
fn fingerprints_are_read_as_people_paste_them() {
    let print = Fingerprint::of(b"x");
    for text in [print.to_string(), print.colons(), print.to_string().to_uppercase(), format!(" {print}\n")] {
        assert_eq!(Fingerprint::parse(&text), Some(print));
    }
    for bad in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)] {
        assert_eq!(Fingerprint::parse(bad), None, "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_damaged_spki_is_refused_or_another_key(
        which in 0usize..3, at in any::<prop::sample::Index>(), change in 1u8..=255, cut in any::<bool>()
    ) {
        static KEYS: std::sync::OnceLock<[TestSigner; 3]> = std::sync::OnceLock::new();
        let keys = KEYS.get_or_init(|| [TestSigner::p256(), TestSigner::p384(), TestSigner::ed25519()]);
        let key = keys[which].public_key();
        let mut bytes = key.spki().to_vec();
        let at = at.index(bytes.len());
        if cut {
            bytes.remove(at);
            prop_assert!(PublicKey::from_spki(&bytes).is_err());
        } else {
            bytes[at] ^= change;
            if let Ok(other) = PublicKey::from_spki(&bytes) {
                prop_assert_ne!(other.fingerprint(), key.fingerprint());
                prop_assert_eq!(other.spki(), bytes);
            }
        }
    }
}
