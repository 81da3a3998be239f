//! Public keys, parsed from `SubjectPublicKeyInfo` (RFC 5280 4.1.2.7, RFC 5480, RFC 8410) and checked on the way in.

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA256, SHA384, SHA512, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey, VerificationAlgorithm,
};
use thiserror::Error;

use crate::der::{self, DerError, Limits, read_tlv};

/// SHA-256 of some DER: a certificate, or an SPKI.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    pub fn of(bytes: &[u8]) -> Fingerprint {
        let mut out = [0; 32];
        out.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Fingerprint(out)
    }

    /// Accepts hex with or without colons, in either case.
    pub fn parse(text: &str) -> Option<Fingerprint> {
        let digits: Vec<u32> =
            text.trim().chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        if digits.len() != 64 {
            return None;
        }
        let mut out = [0; 32];
        for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
            *byte = (pair[0] << 4 | pair[1]) as u8;
        }
        Some(Fingerprint(out))
    }

    /// Groups of two upper-case digits, as OpenSSL prints it.
    pub fn colons(&self) -> String {
        let groups: Vec<String> = self.0.iter().map(|b| format!("{b:02X}")).collect();
        groups.join(":")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    P256,
    P384,
    Ed25519,
    Rsa {
        /// Length of the modulus in bits.
        bits: usize,
    },
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyAlgorithm::P256 => f.write_str("ECDSA P-256"),
            KeyAlgorithm::P384 => f.write_str("ECDSA P-384"),
            KeyAlgorithm::Ed25519 => f.write_str("Ed25519"),
            KeyAlgorithm::Rsa { bits } => write!(f, "RSA {bits}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error("the public key is malformed: {0}")]
    Malformed(#[from] DerError),
    #[error("the key type is not supported")]
    Unsupported,
    #[error("the public key is not a point of its curve")]
    NotOnCurve,
}

/// A public key that parses, lies on its curve, and is written in the one way that X.509 prescribes. For Ed25519 the
/// curve is checked with the first signature only: every verification decompresses the point.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: KeyAlgorithm,
    spki: Vec<u8>,
    /// Offset of the key bits inside `spki`.
    bits_at: usize,
    /// The point with its curve's usual digest, parsed once: that is a tenth of a verification.
    parsed: Option<ParsedPublicKey>,
    /// Of the SPKI: every room of the road asks for it.
    fingerprint: Fingerprint,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl PublicKey {
    pub fn from_spki(spki: &[u8]) -> Result<PublicKey, KeyError> {
        der::check(spki, Limits::CSR)?;
        PublicKey::from_strict_spki(spki)
    }

    /// From a part of a document that went through [`der::check`] as a whole.
    pub(crate) fn from_strict_spki(spki: &[u8]) -> Result<PublicKey, KeyError> {
        let (tag, body, _, _) = read_tlv(spki)?;
        let (alg_tag, alg, _, rest) = read_tlv(body)?;
        let (oid_tag, oid, _, params) = read_tlv(alg)?;
        let (bits_tag, bits, _, rest) = read_tlv(rest)?;
        if (tag, alg_tag, oid_tag, bits_tag) != (0x30, 0x30, 0x06, 0x03) || !rest.is_empty() {
            return Err(KeyError::Unsupported);
        }
        let Some((0, bits)) = bits.split_first().map(|(unused, bits)| (*unused, bits)) else {
            return Err(KeyError::Unsupported);
        };
        let (algorithm, parsed) = match oid {
            OID_EC => ec_algorithm(params, bits)?,
            OID_ED25519 if params.is_empty() => (ed25519(bits)?, None),
            OID_RSA if params == [0x05, 0x00] => (KeyAlgorithm::Rsa { bits: rsa_parts(bits)?.bits() }, None),
            _ => return Err(KeyError::Unsupported),
        };
        Ok(PublicKey {
            algorithm,
            spki: spki.to_vec(),
            bits_at: spki.len() - bits.len(),
            parsed,
            fingerprint: Fingerprint::of(spki),
        })
    }

    /// From an uncompressed point (SEC 1 2.3.3), 65 or 97 octets.
    pub fn from_uncompressed_point(point: &[u8]) -> Result<PublicKey, KeyError> {
        let curve = match point.len() {
            65 => OID_P256,
            97 => OID_P384,
            _ => return Err(KeyError::Unsupported),
        };
        let algorithm = der::sequence(&[&der::oid(OID_EC), &der::oid(curve)]);
        PublicKey::from_spki(&der::sequence(&[&algorithm, &der::bit_string(point)]))
    }

    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// `SubjectPublicKeyInfo`, DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The content of the BIT STRING: a point, 32 octets, or an `RSAPublicKey`.
    pub fn key_bits(&self) -> &[u8] {
        &self.spki[self.bits_at..]
    }

    /// SHA-256 of the SPKI: how the store and the block list know a key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Subject key identifier: the leftmost 160 bits of SHA-256 over the key bits (RFC 7093 2, method 1).
    pub fn key_identifier(&self) -> [u8; 20] {
        let mut id = [0; 20];
        id.copy_from_slice(&Fingerprint::of(self.key_bits()).0[..20]);
        id
    }

    /// Checks `signature` over `message`; false when the scheme does not belong to this kind of key.
    pub fn verify(&self, scheme: SignatureScheme, message: &[u8], signature: &[u8]) -> bool {
        let usual = match self.algorithm {
            KeyAlgorithm::P256 => scheme == SignatureScheme::EcdsaSha256,
            KeyAlgorithm::P384 => scheme == SignatureScheme::EcdsaSha384,
            KeyAlgorithm::Ed25519 | KeyAlgorithm::Rsa { .. } => false,
        };
        if let Some(parsed) = self.parsed.as_ref().filter(|_| usual) {
            return parsed.verify_sig(message, signature).is_ok();
        }
        let Some(algorithm) = verification(self.algorithm, scheme) else { return false };
        UnparsedPublicKey::new(algorithm, self.key_bits()).verify(message, signature).is_ok()
    }

    /// Like [`verify`](Self::verify), of a message whose digest by the scheme's hash is known.
    pub fn verify_digest(&self, scheme: SignatureScheme, digest: &Digest, signature: &[u8]) -> bool {
        let Some(algorithm) = verification(self.algorithm, scheme) else { return false };
        UnparsedPublicKey::new(algorithm, self.key_bits()).verify_digest(digest, signature).is_ok()
    }

    pub(crate) fn rsa(&self) -> Option<RsaParts<'_>> {
        match self.algorithm {
            KeyAlgorithm::Rsa { .. } => rsa_parts(self.key_bits()).ok(),
            _ => None,
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm, self.fingerprint())
    }
}

/// A signature algorithm identifier that Signet reads or writes (RFC 5758 3.2, RFC 8410 3, RFC 4055 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureScheme {
    EcdsaSha256,
    EcdsaSha384,
    EcdsaSha512,
    Ed25519,
    RsaPkcs1Sha256,
    RsaPkcs1Sha384,
    RsaPkcs1Sha512,
}

impl SignatureScheme {
    const ALL: [SignatureScheme; 7] = [
        SignatureScheme::EcdsaSha256,
        SignatureScheme::EcdsaSha384,
        SignatureScheme::EcdsaSha512,
        SignatureScheme::Ed25519,
        SignatureScheme::RsaPkcs1Sha256,
        SignatureScheme::RsaPkcs1Sha384,
        SignatureScheme::RsaPkcs1Sha512,
    ];

    /// The `AlgorithmIdentifier`, DER. RSA carries NULL, the others no parameters.
    pub fn identifier(self) -> Vec<u8> {
        self.der().to_vec()
    }

    /// The inverse of [`identifier`](Self::identifier); byte for byte, so no second spelling is accepted.
    pub fn from_identifier(whole: &[u8]) -> Option<SignatureScheme> {
        Self::ALL.into_iter().find(|s| s.der() == whole)
    }

    /// The digest of `message` that is signed; `None` for Ed25519, which signs the message itself.
    pub fn digest(self, message: &[u8]) -> Option<Digest> {
        let algorithm = match self {
            Self::EcdsaSha256 | Self::RsaPkcs1Sha256 => &SHA256,
            Self::EcdsaSha384 | Self::RsaPkcs1Sha384 => &SHA384,
            Self::EcdsaSha512 | Self::RsaPkcs1Sha512 => &SHA512,
            Self::Ed25519 => return None,
        };
        Some(digest(algorithm, message))
    }

    /// The whole element: RFC 5758 3.2 (ecdsa-with-SHA2), RFC 8410 3 (id-Ed25519), RFC 8017 A.2.4 (PKCS #1 v1.5).
    pub(crate) fn der(self) -> &'static [u8] {
        match self {
            Self::EcdsaSha256 => &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02],
            Self::EcdsaSha384 => &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03],
            Self::EcdsaSha512 => &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04],
            Self::Ed25519 => &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
            Self::RsaPkcs1Sha256 => &RSA_SHA256,
            Self::RsaPkcs1Sha384 => &RSA_SHA384,
            Self::RsaPkcs1Sha512 => &RSA_SHA512,
        }
    }
}

const RSA_SHA256: [u8; 15] = rsa_identifier(0x0b);
const RSA_SHA384: [u8; 15] = rsa_identifier(0x0c);
const RSA_SHA512: [u8; 15] = rsa_identifier(0x0d);

const fn rsa_identifier(last: u8) -> [u8; 15] {
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, last, 0x05, 0x00]
}

fn verification(key: KeyAlgorithm, scheme: SignatureScheme) -> Option<&'static dyn VerificationAlgorithm> {
    use SignatureScheme::*;
    let algorithm: &'static dyn VerificationAlgorithm = match (key, scheme) {
        (KeyAlgorithm::P256, EcdsaSha256) => &ECDSA_P256_SHA256_ASN1,
        (KeyAlgorithm::P256, EcdsaSha384) => &ECDSA_P256_SHA384_ASN1,
        (KeyAlgorithm::P256, EcdsaSha512) => &ECDSA_P256_SHA512_ASN1,
        (KeyAlgorithm::P384, EcdsaSha256) => &ECDSA_P384_SHA256_ASN1,
        (KeyAlgorithm::P384, EcdsaSha384) => &ECDSA_P384_SHA384_ASN1,
        (KeyAlgorithm::P384, EcdsaSha512) => &ECDSA_P384_SHA512_ASN1,
        (KeyAlgorithm::Ed25519, Ed25519) => &ED25519,
        (KeyAlgorithm::Rsa { .. }, RsaPkcs1Sha256) => &RSA_PKCS1_2048_8192_SHA256,
        (KeyAlgorithm::Rsa { .. }, RsaPkcs1Sha384) => &RSA_PKCS1_2048_8192_SHA384,
        (KeyAlgorithm::Rsa { .. }, RsaPkcs1Sha512) => &RSA_PKCS1_2048_8192_SHA512,
        _ => return None,
    };
    Some(algorithm)
}

fn ec_algorithm(params: &[u8], bits: &[u8]) -> Result<(KeyAlgorithm, Option<ParsedPublicKey>), KeyError> {
    let (tag, curve, _, rest) = read_tlv(params)?;
    if tag != 0x06 || !rest.is_empty() {
        return Err(KeyError::Unsupported);
    }
    let (algorithm, length, verifier): (_, _, &'static dyn VerificationAlgorithm) = match curve {
        OID_P256 => (KeyAlgorithm::P256, 65, &ECDSA_P256_SHA256_ASN1),
        OID_P384 => (KeyAlgorithm::P384, 97, &ECDSA_P384_SHA384_ASN1),
        _ => return Err(KeyError::Unsupported),
    };
    // Uncompressed only: a compressed spelling of the same key would have another fingerprint.
    if bits.len() != length || bits[0] != 0x04 {
        return Err(KeyError::NotOnCurve);
    }
    let parsed = ParsedPublicKey::new(verifier, bits).map_err(|_| KeyError::NotOnCurve)?;
    Ok((algorithm, Some(parsed)))
}

fn ed25519(bits: &[u8]) -> Result<KeyAlgorithm, KeyError> {
    let mut y: [u8; 32] = bits.try_into().map_err(|_| KeyError::NotOnCurve)?;
    y[31] &= 0x7f;
    // Little-endian: from the top octet down. p = 2^255 - 19; a y beyond it is a second spelling of a smaller one.
    let beyond_p = y[31] == 0x7f && y[1..31].iter().all(|b| *b == 0xff) && y[0] >= 0xed;
    if beyond_p || ED25519_SMALL_ORDER_Y.contains(&y) {
        return Err(KeyError::NotOnCurve);
    }
    Ok(KeyAlgorithm::Ed25519)
}

/// Modulus and exponent as unsigned big-endian octets.
pub(crate) struct RsaParts<'a> {
    pub(crate) modulus: &'a [u8],
    pub(crate) exponent: &'a [u8],
}

impl RsaParts<'_> {
    fn bits(&self) -> usize {
        self.modulus.first().map_or(0, |b| self.modulus.len() * 8 - b.leading_zeros() as usize)
    }
}

fn rsa_parts(bits: &[u8]) -> Result<RsaParts<'_>, KeyError> {
    der::check(bits, Limits::CSR)?;
    let (tag, body, _, _) = read_tlv(bits)?;
    let (n_tag, modulus, _, rest) = read_tlv(body)?;
    let (e_tag, exponent, _, rest) = read_tlv(rest)?;
    let negative = |i: &[u8]| i.first().is_none_or(|b| b & 0x80 != 0);
    if (tag, n_tag, e_tag) != (0x30, 0x02, 0x02) || !rest.is_empty() || negative(modulus) || negative(exponent) {
        return Err(KeyError::Unsupported);
    }
    let strip = |i: &'_ [u8]| -> usize { usize::from(i.first() == Some(&0)) };
    Ok(RsaParts { modulus: &modulus[strip(modulus)..], exponent: &exponent[strip(exponent)..] })
}

const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// y coordinates (sign bit cleared, little-endian) of the points of small order: 0, 1, the two of order 8, p-1.
/// A "signature" of such a key can be valid for any message.
const ED25519_SMALL_ORDER_Y: [[u8; 32]; 5] = {
    let mut one = [0; 32];
    one[0] = 1;
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    [
        [0; 32],
        one,
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
            0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
            0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
        ],
        minus_one,
    ]
};

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
