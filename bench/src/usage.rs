//! What the kernel says about a process.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context, Result};

/// Processor time since the start of a process, by thread and in nanoseconds, and how the kernel's clock ticks fell on
/// its own code and on the program's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    threads: HashMap<u32, u64>,
    user_ticks: u64,
    system_ticks: u64,
}

/// Processor time between two moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Used {
    pub(crate) us: f64,
    /// The kernel's part of it, from samples of a hundredth of a second: rough for short phases.
    pub(crate) system_us: f64,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
            let path = entry?.path();
            let id = path.file_name().and_then(|name| name.to_str()?.parse().ok()).context("a thread's id")?;
            // A thread may end between the two looks.
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else { continue };
            let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok());
            threads.insert(id, nanos.context("the kernel keeps no schedstat")?);
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
        let (user_ticks, system_ticks) = ticks(&stat).context("/proc/PID/stat has another form than expected")?;
        Ok(Cpu { threads, user_ticks, system_ticks })
    }

    /// `tick_us` is the length of a tick.
    pub(crate) fn since(&self, before: &Cpu, tick_us: f64) -> Used {
        let new = |(id, nanos): (&u32, &u64)| nanos.saturating_sub(before.threads.get(id).copied().unwrap_or_default());
        let of_threads = self.threads.iter().map(new).sum::<u64>() as f64 / 1e3;
        let system = (self.system_ticks - before.system_ticks) as f64;
        let all = system + (self.user_ticks - before.user_ticks) as f64;
        // Nanoseconds of threads are exact, but lost when a thread ends; ticks are never lost, and right to one or two.
        let us = if all * tick_us > of_threads + 2.0 * tick_us { all * tick_us } else { of_threads };
        Used { us, system_us: if all > 0.0 { us * system / all } else { 0.0 } }
    }
}

/// Microseconds of one tick of the kernel's clock.
pub(crate) fn tick_us() -> f64 {
    1e6 / rustix::param::clock_ticks_per_second() as f64
}

/// utime and stime, fields 14 and 15 of proc(5); the name in field 2 may hold anything.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    let mut fields = after_name.split_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.split_whitespace().next().and_then(|n| n.parse().ok()).context("VmRSS is no number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_named_like_a_field_does_not_move_the_fields() {
        let stat = "7 (a) 1 (b) S 1 7 7 0 -1 4194560 900 0 0 0 123 45 0 0 20 0 5 0 100";
        assert_eq!(ticks(stat), Some((123, 45)));
        assert_eq!(ticks("7 (a"), None);
    }

    fn cpu(threads: &[(u32, u64)], user_ticks: u64, system_ticks: u64) -> Cpu {
        Cpu { threads: threads.iter().copied().collect(), user_ticks, system_ticks }
    }

    #[test]
    fn a_thread_that_began_in_between_counts() {
        let before = cpu(&[(1, 1_000_000)], 10, 0);
        let used = cpu(&[(1, 5_000_000), (3, 2_000_000)], 13, 1).since(&before, 1_000.0);
        assert_eq!((used.us.round(), used.system_us.round()), (6_000.0, 1_500.0));
    }

    #[test]
    fn what_a_thread_did_that_ended_in_between_is_in_the_ticks() {
        let before = cpu(&[(1, 1_000_000), (2, 9_000_000)], 10, 0);
        let used = cpu(&[(1, 2_000_000)], 40, 0).since(&before, 1_000.0);
        assert_eq!(used.us.round(), 30_000.0);
    }
}
