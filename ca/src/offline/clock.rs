//! The only reader of the system clock in the offline commands.

use std::time::SystemTime;

use signet_pki::UnixTime;

use crate::failure::Failure;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) time: UnixTime,
    /// Milliseconds since 1970: the least number that the next CRL may have.
    pub(crate) millis: u64,
}

#[expect(clippy::disallowed_methods, reason = "the one place of this program")]
pub(crate) fn now() -> Result<Now, Failure> {
    // A clock before 1970 is as wrong as one at 1970, and the check below says so.
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time = UnixTime(i64::try_from(since.as_secs()).unwrap_or(UnixTime::MAX.0));
    if time < EARLIEST {
        return Err(Failure::refused(format!("the clock of this machine says {time}, which cannot be true"))
            .hint("set it, for example: date --utc --set '2026-11-22 10:00:00'"));
    }
    Ok(Now { time, millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) })
}

/// 2025-01-01: an offline laptop with an empty battery begins before it, and its certificates would never be valid.
const EARLIEST: UnixTime = UnixTime(1_735_689_600);
