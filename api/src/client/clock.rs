//! Which clock the verification of the server's chain reads, and when it is not to be believed.

use std::time::Duration;

use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use signet_pki::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// One that the caller read: a corrected clock, or a test's.
    Fixed(UnixTime),
}

impl Clock {
    pub fn read(self) -> UnixTime {
        match self {
            Clock::Fixed(at) => at,
            Clock::System => {
                let seconds = DefaultTimeProvider.current_time().map_or(0, |t| t.as_secs());
                UnixTime(i64::try_from(seconds).unwrap_or(i64::MAX))
            }
        }
    }

    /// Whether a machine's clock can be right: not before this program was written, and not in the far future that an
    /// unset or overflowed clock shows (1970, 2036, 2106).
    pub fn is_plausible(at: UnixTime) -> bool {
        (EARLIEST..=LATEST).contains(&at.0)
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<rustls_pki_types::UnixTime> {
        Some(pki_time(self.read()))
    }
}

pub(super) fn pki_time(at: UnixTime) -> rustls_pki_types::UnixTime {
    rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.0).unwrap_or(0)))
}

/// IMF-fixdate (RFC 9110 5.6.7), which is RFC 2822 with the zone `GMT`.
pub(super) fn parse_http_date(text: &str) -> Option<UnixTime> {
    OffsetDateTime::parse(text, &Rfc2822).ok().map(|t| UnixTime(t.unix_timestamp()))
}

/// 2026-11-01: no copy of this program ran earlier.
const EARLIEST: i64 = 1_793_491_200;
/// 2056-11-01: 30 years later no root of today is valid, and no copy of this program should be.
const LATEST: i64 = EARLIEST + 10_958 * 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unset_and_overflowed_clocks_are_implausible() {
        for at in [0, 1, 946_684_800, i64::from(u32::MAX), i64::MAX, -1] {
            assert!(!Clock::is_plausible(UnixTime(at)), "{at}");
        }
        assert!(Clock::is_plausible(UnixTime::parse_rfc3339("2026-11-02T00:00:00Z").unwrap()));
        assert!(Clock::is_plausible(UnixTime::parse_rfc3339("2050-01-01T00:00:00Z").unwrap()));
    }

    #[test]
    fn http_dates_are_read() {
        let expected = UnixTime::parse_rfc3339("1994-11-06T08:49:37Z");
        assert_eq!(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), expected);
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
