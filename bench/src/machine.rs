//! Where it was measured: figures without their machine mean nothing.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Serialize;
use signet_pki::UnixTime;

use crate::latency::Percentiles;

#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// RFC 3339.
    pub(crate) date: String,
    pub(crate) version: &'static str,
    pub(crate) kernel: String,
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    /// Appending 4 KiB to a file and flushing it, on the disk that the measured database is on.
    pub flush_p50_us: f64,
    pub flush_p99_us: f64,
}

/// `directory` is on the disk whose flushes are timed.
pub(crate) fn machine(directory: &Path) -> Result<Machine> {
    let flush = flushes(directory)?;
    let kernel = rustix::system::uname();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = memory.lines().find_map(|l| l.strip_prefix("MemTotal:")).and_then(|l| l.split_whitespace().next());
    Ok(Machine {
        date: now().to_string(),
        version: env!("CARGO_PKG_VERSION"),
        kernel: kernel.release().to_string_lossy().into_owned(),
        processor: processor(&cpuinfo),
        cores: std::thread::available_parallelism()?.get(),
        memory_mib: total.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024,
        flush_p50_us: flush.p50_us,
        flush_p99_us: flush.p99_us,
    })
}

#[expect(clippy::disallowed_methods, reason = "the one place of this tool")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(since.as_secs() as i64)
}

fn processor(cpuinfo: &str) -> String {
    let name = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}

fn flushes(directory: &Path) -> Result<Percentiles> {
    let path = directory.join("flush");
    let mut file = File::create(&path).with_context(|| path.display().to_string())?;
    let block = [0x42; 4096];
    let mut latencies: Vec<Duration> = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        let begin = Instant::now();
        file.write_all(&block)?;
        file.sync_data()?;
        latencies.push(begin.elapsed());
    }
    fs::remove_file(&path)?;
    Ok(Percentiles::of(&latencies))
}

const FLUSHES: usize = 300;
