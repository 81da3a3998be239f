//! Seconds since 1970, as X.509 and the store count them.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970-01-01T00:00:00Z; shown and parsed as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixTime(pub i64);

pub(crate) struct Civil {
    pub(crate) year: i32,
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
    pub(crate) second: u8,
}

impl UnixTime {
    /// 9999-12-31T23:59:59Z, the last moment that X.509 can write.
    pub const MAX: UnixTime = UnixTime(253_402_300_799);

    #[must_use]
    pub fn plus(self, seconds: i64) -> UnixTime {
        UnixTime(self.0.saturating_add(seconds).clamp(0, Self::MAX.0))
    }

    #[must_use]
    pub fn minus(self, seconds: i64) -> UnixTime {
        self.plus(seconds.saturating_neg())
    }

    /// Seconds from `earlier` to here; negative when `earlier` is later.
    pub fn since(self, earlier: UnixTime) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses RFC 3339 (`2026-11-22T10:00:00Z`).
    pub fn parse_rfc3339(text: &str) -> Option<UnixTime> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|t| UnixTime(t.unix_timestamp()))
    }

    pub(crate) fn offset(self) -> OffsetDateTime {
        let clamped = self.0.clamp(0, Self::MAX.0);
        OffsetDateTime::from_unix_timestamp(clamped).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    pub(crate) fn civil(self) -> Civil {
        let t = self.offset();
        Civil {
            year: t.year(),
            month: u8::from(t.month()),
            day: t.day(),
            hour: t.hour(),
            minute: t.minute(),
            second: t.second(),
        }
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let c = self.civil();
        let year = c.year.unsigned_abs();
        let (century, year) = ((year / 100) as u8, (year % 100) as u8);
        let pairs =
            [(century, ""), (year, "-"), (c.month, "-"), (c.day, "T"), (c.hour, ":"), (c.minute, ":"), (c.second, "Z")];
        pairs.into_iter().try_for_each(|(value, then)| {
            f.write_char(char::from(b'0' + value / 10))?;
            f.write_char(char::from(b'0' + value % 10))?;
            f.write_str(then)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_stop_at_both_ends_of_what_x509_can_write() {
        let some = UnixTime(1_000);
        assert_eq!(some.plus(i64::MAX), UnixTime::MAX);
        assert_eq!(some.minus(i64::MAX), UnixTime(0));
        assert_eq!(some.minus(i64::MIN), UnixTime::MAX);
        assert_eq!(UnixTime(i64::MIN).since(UnixTime(1)), i64::MIN);
        assert_eq!(UnixTime::MAX.to_string(), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn text_survives() {
        for seconds in [0, 951_782_400, 2_524_607_999, 2_524_608_000, UnixTime::MAX.0] {
            let at = UnixTime(seconds);
            assert_eq!(UnixTime::parse_rfc3339(&at.to_string()), Some(at));
        }
        assert_eq!(UnixTime::parse_rfc3339("2026-11-22"), None);
    }
}
