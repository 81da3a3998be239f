//! Revocation lists by size, in process: what the service does for a list, without its database and its network.

use std::time::Instant;

use anyhow::{Result, anyhow};
use aws_lc_rs::rand;
use clap::Args;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::Serial;
use signet_pki::ca::{CaName, IssuerCert, self_signed};
use signet_pki::crl::{self, CrlPlan, Entries, Reason, SignedList};

use crate::latency::median;
use crate::machine::now;

#[derive(Debug, Args)]
pub(crate) struct Crl {
    /// Sizes of the lists
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_value = "1000,100000,1000000")]
    entries: Vec<usize>,
}

impl Crl {
    pub(crate) fn run(self) -> Result<()> {
        let key = PrivateKey::generate(KeyKind::P256)?;
        let issuer = self_signed(&key, &CaName::new("Bench", None)?, (now(), now().plus(10 * WEEK)), random()?)?;
        println!("{:>10}{:>12}{:>12}{:>12}{:>14}", "entries", "bytes", "encode ms", "sign ms", "sign us/entry");
        for b in measure(&issuer, &key, &self.entries)? {
            let each = b.sign_ms * 1e3 / b.entries as f64;
            println!("{:>10}{:>12}{:>12.2}{:>12.3}{each:>14.4}", b.entries, b.bytes, b.encode_ms, b.sign_ms);
        }
        Ok(())
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CrlBuild {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
    /// Encoding all entries anew; the service keeps them encoded.
    pub(crate) encode_ms: f64,
    /// Making the next list, with one entry more: assembling, linting, signing and verifying it.
    pub(crate) sign_ms: f64,
}

pub(crate) fn measure(issuer: &IssuerCert, key: &PrivateKey, sizes: &[usize]) -> Result<Vec<CrlBuild>> {
    sizes.iter().map(|entries| one(issuer, key, *entries)).collect()
}

fn one(issuer: &IssuerCert, key: &PrivateKey, count: usize) -> Result<CrlBuild> {
    let serials = (0..count).map(|_| serial()).collect::<Result<Vec<_>>>()?;
    let now = now();
    let begin = Instant::now();
    let mut entries = Entries::new();
    for serial in &serials {
        entries.push(serial, now, Reason::KeyCompromise);
    }
    let encode_ms = begin.elapsed().as_secs_f64() * 1e3;
    drop(serials);
    let plan = |number, entries| CrlPlan::full(number, now, now.plus(WEEK), entries);
    let mut before: SignedList = crl::sign(issuer, key, plan(0, entries))?;
    let mut times = Vec::new();
    for number in 1..=REPETITIONS {
        let mut news = Entries::new();
        news.push(&serial()?, now, Reason::KeyCompromise);
        let plan = CrlPlan { continues: Some(&before), ..plan(number, news) };
        let begin = cpu_ms();
        before = crl::sign(issuer, key, plan)?;
        times.push(cpu_ms() - begin);
    }
    Ok(CrlBuild { entries: count, bytes: before.der().len(), encode_ms, sign_ms: median(&mut times) })
}

/// Of this thread: neighbours on a shared machine do not count.
fn cpu_ms() -> f64 {
    let at = clock_gettime(ClockId::ThreadCPUTime);
    at.tv_sec as f64 * 1e3 + at.tv_nsec as f64 / 1e6
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
