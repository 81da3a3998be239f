//! Seconds since 1970, as X.509 and the store count them.

use std::fmt;

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
        self.plus(-seconds)
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
        write!(f, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }
}
