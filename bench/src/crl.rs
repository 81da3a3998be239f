//! Revocation lists by size, in process: what the service does for a list, without its database and its network.

use std::time::Instant;

use anyhow::{Result, anyhow};
use aws_lc_rs::rand;
use serde::Serialize;
use signet_keys::PrivateKey;
use signet_pki::Serial;
use signet_pki::ca::IssuerCert;
use signet_pki::crl::{self, CrlPlan, Reason};

use crate::latency::median;
use crate::machine::now;

#[derive(Debug, Serialize)]
pub(crate) struct CrlBuild {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    /// Encoding all entries anew; the service keeps them encoded.
    pub(crate) encode_ms: f64,
    /// Assembling, linting, signing and verifying the list.
    pub(crate) sign_ms: f64,
}

pub(crate) fn measure(issuer: &IssuerCert, key: &PrivateKey, sizes: &[usize]) -> Result<Vec<CrlBuild>> {
    sizes.iter().map(|entries| one(issuer, key, *entries)).collect()
}

fn one(issuer: &IssuerCert, key: &PrivateKey, count: usize) -> Result<CrlBuild> {
    let serials = (0..count).map(|_| serial()).collect::<Result<Vec<_>>>()?;
    let now = now();
    let begin = Instant::now();
    let mut entries = Vec::new();
    for serial in &serials {
        crl::encode_entry(serial, now, Reason::KeyCompromise, &mut entries);
    }
    let encode_ms = begin.elapsed().as_secs_f64() * 1e3;
    drop(serials);
    let (mut times, mut bytes) = (Vec::new(), 0);
    for number in 0..REPETITIONS {
        let plan = CrlPlan { number, this_update: now, next_update: now.plus(WEEK), entries: &entries };
        let begin = Instant::now();
        let list = crl::sign(issuer, key, plan)?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
        bytes = list.len();
    }
    Ok(CrlBuild { entries: count, bytes, encode_ms, sign_ms: median(&mut times) })
}

pub(crate) fn serial() -> Result<Serial> {
    Ok(Serial::from_random(random()?))
}

#[expect(clippy::disallowed_methods, reason = "the one place of this tool")]
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| anyhow!("the system has no random numbers"))?;
    Ok(bytes)
}

const REPETITIONS: u64 = 5;
const WEEK: i64 = 7 * 86_400;
