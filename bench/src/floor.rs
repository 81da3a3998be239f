//! The floor: what one P-256 verification and one P-256 signature cost on this machine, in the same run as the rest.
//! No CA can issue for less: the request's proof of possession has to be verified, the certificate has to be signed.

use anyhow::{Result, anyhow};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::latency::median;

/// Microseconds of processor time, medians.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Floor {
    pub(crate) verify_us: f64,
    pub(crate) sign_us: f64,
    /// One verification and one signature: what results are compared with.
    pub(crate) floor_us: f64,
    /// The same and the check of the own signature, which this CA makes before anything is stored.
    pub(crate) with_own_check_us: f64,
}

pub(crate) fn measure(rounds: usize) -> Result<Floor> {
    let pair = key()?;
    let (mut verify, mut sign) = (Vec::new(), Vec::new());
    // Taken in turns, so that a change of the clock frequency meets both.
    for _ in 0..rounds {
        sign.push(timed(|| signatures(&pair, PER_ROUND).map(drop))?);
        let signature = signatures(&pair, 1)?;
        verify.push(timed(|| verifications(&pair, &signature, PER_ROUND))?);
    }
    let (verify_us, sign_us) = (median(&mut verify), median(&mut sign));
    Ok(Floor { verify_us, sign_us, floor_us: verify_us + sign_us, with_own_check_us: 2.0 * verify_us + sign_us })
}

/// A fixed number of pairs of both and nothing else, for counting instructions.
pub(crate) fn work(pairs: usize) -> Result<()> {
    let pair = key()?;
    for _ in 0..pairs {
        let signature = signatures(&pair, 1)?;
        verifications(&pair, &signature, 1)?;
    }
    Ok(())
}

fn key() -> Result<EcdsaKeyPair> {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| anyhow!("no key could be made"))
}

fn signatures(pair: &EcdsaKeyPair, count: usize) -> Result<Vec<u8>> {
    let random = SystemRandom::new();
    let mut last = Vec::new();
    for _ in 0..count {
        last = pair.sign(&random, &MESSAGE).map_err(|_| anyhow!("no signature could be made"))?.as_ref().to_vec();
    }
    Ok(last)
}

/// The key is parsed every time, as that of a request is.
fn verifications(pair: &EcdsaKeyPair, signature: &[u8], count: usize) -> Result<()> {
    for _ in 0..count {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref());
        key.verify(&MESSAGE, signature).map_err(|_| anyhow!("a good signature was not accepted"))?;
    }
    Ok(())
}

/// Microseconds of this thread's processor time for one operation of a round: neighbours on the machine do not count.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let now = || {
        let t = clock_gettime(ClockId::ThreadCPUTime);
        t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
    };
    let before = now();
    work()?;
    Ok((now() - before) / PER_ROUND as f64)
}

const PER_ROUND: usize = 25;
/// As long as the to-be-signed part of a device certificate.
const MESSAGE: [u8; 480] = [0x5a; 480];
