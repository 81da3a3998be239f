//! The result: a JSON document for machines, a table for people. Fields are added, never renamed.

use std::fmt::Write;

use serde::Serialize;

use crate::crl::CrlBuild;
use crate::floor::Floor;
use crate::levels::{Revocations, Start};
use crate::machine::Machine;
use crate::phases::Phase;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) machine: Machine,
    pub(crate) floor: Floor,
    pub(crate) phases: Vec<Phase>,
    /// In process, one thread: encoding of the entries, and building, signing and checking the list.
    pub(crate) crl: Vec<CrlBuild>,
    /// Through the service: from the request until the certificate stands on the list that anyone can fetch.
    pub(crate) revocation: Vec<Revocations>,
    pub(crate) start: Vec<Start>,
    pub(crate) memory: Memory,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Memory {
    /// An empty service, ready.
    pub(crate) idle_kib: u64,
    /// After all enrollments and renewals of this run.
    pub(crate) after_load_kib: u64,
    /// One idle TLS connection.
    pub(crate) per_connection_kib: f64,
    /// Growth of the database by one enrollment: token, device, certificate, audit entries and all indexes.
    pub(crate) bytes_per_enrollment: f64,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let (m, f) = (&self.machine, &self.floor);
        writeln!(out, "{} on {} cores of {}, Linux {}", m.date, m.cores, m.processor, m.kernel)?;
        writeln!(out, "flush of the disk: p50 {:.0} us, p99 {:.0} us", m.flush_p50_us, m.flush_p99_us)?;
        writeln!(
            out,
            "floor: P-256 verify {:.1} us + sign {:.1} us = {:.1} us (with the check of the own signature {:.1} us)",
            f.verify_us, f.sign_us, f.floor_us, f.with_own_check_us
        )?;
        self.write_phases(out)?;
        writeln!(out, "\n{:<24}{:>12}{:>12}{:>12}", "CRL, in process", "encode ms", "sign ms", "bytes")?;
        for c in &self.crl {
            writeln!(out, "{:<24}{:>12.2}{:>12.2}{:>12}", entries(c.entries), c.encode_ms, c.sign_ms, c.bytes)?;
        }
        writeln!(
            out,
            "\n{:<44}{:>5}{:>12}{:>12}{:>14}{:>12}",
            "revocation, published", "ops", "p50 ms", "max ms", "fetched p50", "CPU ms/op"
        )?;
        for r in &self.revocation {
            let name = format!("{} live, {} revoked", count(r.live), count(r.revoked));
            let (p50, max, fetched) = (r.published.p50_us / 1e3, r.published.max_us / 1e3, r.fetched.p50_us / 1e3);
            let cpu = r.server_cpu_us_per_op / 1e3;
            writeln!(out, "{name:<44}{:>5}{p50:>12.1}{max:>12.1}{fetched:>14.1}{cpu:>12.1}", r.ops)?;
        }
        writeln!(
            out,
            "\n{:<32}{:>12}{:>12}{:>12}{:>14}",
            "start, cold cache", "ready ms", "resident", "database", "bytes a row"
        )?;
        for s in &self.start {
            let mib = |kib: f64| format!("{:.1} MiB", kib / 1024.0);
            let (resident, size) = (mib(s.resident_kib as f64), mib(s.database_bytes as f64 / 1024.0));
            let name = format!("{} certificates", count(s.certificates));
            let per_row = s.bytes_per_certificate.map_or_else(|| "-".into(), |b| format!("{b:.0}"));
            writeln!(out, "{name:<32}{:>12.0}{resident:>12}{size:>12}{per_row:>14}", s.ready_ms)?;
        }
        let m = &self.memory;
        writeln!(
            out,
            "\nresident: idle {:.1} MiB, after the load {:.1} MiB, {:.1} KiB a connection; {:.0} bytes an enrollment on disk",
            m.idle_kib as f64 / 1024.0,
            m.after_load_kib as f64 / 1024.0,
            m.per_connection_kib,
            m.bytes_per_enrollment
        )
    }

    fn write_phases(&self, out: &mut String) -> std::fmt::Result {
        writeln!(
            out,
            "\n{:<30}{:>5}{:>7}{:>9}{:>9}{:>9}{:>9}{:>9}{:>7}{:>7}{:>9}{:>8}",
            "phase",
            "conn",
            "ops",
            "per s",
            "p50 us",
            "p99 us",
            "p99.9",
            "CPU us",
            "of sys",
            "floor",
            "fsync/s",
            "ops/fs"
        )?;
        for p in &self.phases {
            let per_second = p.commits_per_second.map_or_else(|| "n/a".into(), |n| format!("{n:.0}"));
            let shared = p.ops_per_commit.map_or_else(|| "n/a".into(), |n| format!("{n:.1}"));
            writeln!(
                out,
                "{:<30}{:>5}{:>7}{:>9.0}{:>9.0}{:>9.0}{:>9.0}{:>9.0}{:>7.0}{:>6.1}x{:>9}{:>8}",
                p.name,
                p.connections,
                p.ops,
                p.per_second,
                p.latency.p50_us,
                p.latency.p99_us,
                p.latency.p999_us,
                p.server_cpu_us_per_op,
                p.server_system_us_per_op,
                p.ratio_to_floor,
                per_second,
                shared
            )?;
        }
        Ok(())
    }
}

fn entries(n: usize) -> String {
    format!("{} entries", count(n as u64))
}

/// Digits in groups of three.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!([count(0), count(999), count(1_000), count(12_345_678)], ["0", "999", "1 000", "12 345 678"]);
    }
}
