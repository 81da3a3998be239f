//! What the kernel says about a process.

use std::fs;

use anyhow::{Context, Result};

/// Processor time since the start of a process, all its threads, in microseconds. The kernel counts in ticks of a
/// hundredth of a second, so phases are made long enough that one tick is lost in them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
}

impl Cpu {
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process has ended")?;
        let (user, system) = ticks(&text).context("/proc/PID/stat has another form than expected")?;
        let tick_us = 1e6 / rustix::param::clock_ticks_per_second() as f64;
        Ok(Cpu { user_us: user as f64 * tick_us, system_us: system as f64 * tick_us })
    }

    pub(crate) fn since(self, before: Cpu) -> Cpu {
        Cpu { user_us: self.user_us - before.user_us, system_us: self.system_us - before.system_us }
    }

    pub(crate) fn total_us(self) -> f64 {
        self.user_us + self.system_us
    }
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
}
