//! Which public keys may stand in a certificate.

use std::collections::{BTreeSet, HashSet};

use num_bigint::BigUint;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::key::{Fingerprint, KeyAlgorithm, PublicKey, RsaParts};

/// Key types as a configuration names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    P256,
    P384,
    Ed25519,
    /// At least 3072 bits, and free of the known generator faults. Off unless a profile names it.
    Rsa,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyRefusal {
    #[error("keys of type {0} are not allowed by this profile")]
    TypeNotAllowed(KeyAlgorithm),
    #[error("an RSA key needs at least {minimum} bits, this one has {actual}")]
    RsaTooShort { minimum: usize, actual: usize },
    #[error("an RSA key longer than 8192 bits is not accepted")]
    RsaTooLong,
    #[error("the RSA exponent must be odd and at least 65537")]
    RsaExponent,
    #[error("the RSA modulus is weak: {0}")]
    RsaWeak(&'static str),
    #[error("this key is on the list of blocked keys")]
    Blocked,
}

/// The rules of one profile together with the keys that nobody may use.
#[derive(Debug, Clone)]
pub struct KeyPolicy {
    allowed: BTreeSet<KeyType>,
    blocked: HashSet<Fingerprint>,
}

impl KeyPolicy {
    pub fn new(allowed: impl IntoIterator<Item = KeyType>) -> KeyPolicy {
        KeyPolicy { allowed: allowed.into_iter().collect(), blocked: HashSet::new() }
    }

    /// P-256, P-384 and Ed25519.
    pub fn standard() -> KeyPolicy {
        KeyPolicy::new([KeyType::P256, KeyType::P384, KeyType::Ed25519])
    }

    /// Every type that any profile may name: what the door accepts before it knows the profile.
    pub fn any() -> KeyPolicy {
        KeyPolicy::new([KeyType::P256, KeyType::P384, KeyType::Ed25519, KeyType::Rsa])
    }

    /// Adds SPKI fingerprints that are refused whatever their type: compromised keys, and the authority's own.
    #[must_use]
    pub fn blocking(mut self, keys: impl IntoIterator<Item = Fingerprint>) -> KeyPolicy {
        self.blocked.extend(keys);
        self
    }

    pub fn check(&self, key: &PublicKey) -> Result<(), KeyRefusal> {
        self.permits(key)?;
        match (key.algorithm(), key.rsa()) {
            (KeyAlgorithm::Rsa { bits }, Some(parts)) => check_rsa(bits, &parts),
            _ => Ok(()),
        }
    }

    /// The part of [`check`](Self::check) in which policies differ, for a key that went through another one: type and
    /// block list. An RSA key is looked at for known weaknesses once, which costs as much as many signatures.
    pub(crate) fn permits(&self, key: &PublicKey) -> Result<(), KeyRefusal> {
        let kind = match key.algorithm() {
            KeyAlgorithm::P256 => KeyType::P256,
            KeyAlgorithm::P384 => KeyType::P384,
            KeyAlgorithm::Ed25519 => KeyType::Ed25519,
            KeyAlgorithm::Rsa { .. } => KeyType::Rsa,
        };
        if !self.allowed.contains(&kind) {
            return Err(KeyRefusal::TypeNotAllowed(key.algorithm()));
        }
        if self.blocked.contains(&key.fingerprint()) {
            return Err(KeyRefusal::Blocked);
        }
        Ok(())
    }
}

fn check_rsa(bits: usize, parts: &RsaParts<'_>) -> Result<(), KeyRefusal> {
    if bits < RSA_MINIMUM_BITS {
        return Err(KeyRefusal::RsaTooShort { minimum: RSA_MINIMUM_BITS, actual: bits });
    }
    if bits > 8192 {
        return Err(KeyRefusal::RsaTooLong);
    }
    let n = BigUint::from_bytes_be(parts.modulus);
    let e = BigUint::from_bytes_be(parts.exponent);
    // FIPS 186-5 A.1.1: odd, above 2^16; beyond 32 bits it only costs verifiers time.
    if !e.bit(0) || e < BigUint::from(65_537u32) || e.bits() > 32 {
        return Err(KeyRefusal::RsaExponent);
    }
    if small_factor(&n) {
        return Err(KeyRefusal::RsaWeak("it has a small prime factor"));
    }
    if roca(&n) {
        return Err(KeyRefusal::RsaWeak("it carries the ROCA fingerprint (CVE-2017-15361)"));
    }
    if fermat(&n) {
        return Err(KeyRefusal::RsaWeak("its primes lie too close together"));
    }
    Ok(())
}

fn small_factor(n: &BigUint) -> bool {
    primes(SMALL_FACTOR_BOUND).into_iter().any(|p| (n % p) == BigUint::ZERO)
}

/// Moduli of the faulty generator are powers of 65537 modulo every small prime (Nemec et al., CCS 2017).
/// A sound modulus passes all of these tests with a probability below 2^-27.
fn roca(n: &BigUint) -> bool {
    primes(168).into_iter().filter(|p| *p > 2).all(|p| {
        let residue = u32::try_from(&(n % p)).unwrap_or(0);
        let mut power = 1;
        for _ in 0..p {
            if power == residue {
                return true;
            }
            power = power * (65_537 % p) % p;
        }
        false
    })
}

/// Fermat's method: finds p and q when they differ in few of their low bits only (CVE-2022-26320).
fn fermat(n: &BigUint) -> bool {
    let mut a = n.sqrt();
    if &a * &a < *n {
        a += 1u32;
    }
    for _ in 0..FERMAT_ROUNDS {
        if is_square(&(&a * &a - n)) {
            return true;
        }
        a += 1u32;
    }
    false
}

/// Roots cost much, and a stranger decides how often we take one: residues sort out all but one number in some
/// hundred first (Cohen, A Course in Computational Algebraic Number Theory, 1.7.3).
fn is_square(n: &BigUint) -> bool {
    let is_residue = |m: u32| {
        let r = u32::try_from(&(n % m)).unwrap_or(0);
        (0..m).any(|x| x * x % m == r)
    };
    if ![64, 63, 65, 11].into_iter().all(is_residue) {
        return false;
    }
    let root = n.sqrt();
    &root * &root == *n
}

fn primes(below: u32) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    for candidate in 2..below {
        if found.iter().take_while(|p| *p * *p <= candidate).all(|p| candidate % p != 0) {
            found.push(candidate);
        }
    }
    found
}

/// NIST SP 800-57 part 1: 128-bit strength.
const RSA_MINIMUM_BITS: usize = 3072;
/// The bound that badkeys and boulder use for trial division is of this order (752 as the last prime).
const SMALL_FACTOR_BOUND: u32 = 753;
/// The published weak keys fall within 20 rounds; 100 is the customary margin.
const FERMAT_ROUNDS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_division_finds_a_small_prime() {
        assert!(small_factor(&(BigUint::from(751u32) * BigUint::from(1_000_003u32))));
        assert!(!small_factor(&(BigUint::from(1_000_003u32) * BigUint::from(1_000_033u32))));
    }

    #[test]
    fn powers_of_65537_carry_the_fingerprint() {
        let m: BigUint = primes(168).into_iter().skip(1).map(BigUint::from).product();
        let shaped = BigUint::from(65_537u32).modpow(&BigUint::from(12_345u32), &m) + &m * 7u32;
        assert!(roca(&shaped));
        assert!(!roca(&(shaped + 2u32)));
    }

    #[test]
    fn squares_are_told_from_their_neighbours() {
        for n in 0..70_000u64 {
            let root = n.isqrt();
            assert_eq!(is_square(&BigUint::from(n)), root * root == n, "{n}");
        }
    }

    #[test]
    fn close_primes_fall_to_fermat() {
        let p = BigUint::from(1_000_000_007u64);
        let q = BigUint::from(1_000_000_009u64);
        assert!(fermat(&(&p * q)));
        assert!(!fermat(&(p * BigUint::from(3_000_000_019u64))));
    }
}
