//! Windows of the week, in UTC.

use crate::truth::{FOREVER, Timed};

const DAY: i64 = 86_400;
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The same hours on some days of the week. One that ends at or before its beginning ends on the day after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    /// Bit 0 is Monday.
    pub(crate) days: u8,
    /// Minutes after midnight.
    pub(crate) from: u16,
    /// Minutes after midnight, exclusive, up to 1440.
    pub(crate) to: u16,
}

impl Window {
    /// The occurrence that begins on a day since 1970, when there is one: from, and to exclusive.
    fn on(self, day: i64) -> Option<(i64, i64)> {
        // 1970-01-01 was a Thursday.
        let weekday = (day + 3).rem_euclid(7);
        let begin = day * DAY + i64::from(self.from) * 60;
        let minutes = if self.from < self.to { self.to - self.from } else { 1440 - self.from + self.to };
        (self.days >> weekday & 1 == 1).then_some((begin, begin + i64::from(minutes) * 60))
    }
}

/// Whether `now` lies in any of the windows, and until when.
pub(crate) fn inside(windows: &[Window], now: i64) -> Timed {
    let today = now.div_euclid(DAY);
    let (mut ends, mut begins) = (None, FOREVER);
    for window in windows {
        // Yesterday's may reach into today; the next of its kind is at most a week away.
        for (begin, end) in (today - 1..=today + 7).filter_map(|day| window.on(day)) {
            if begin <= now && now < end {
                ends = ends.max(Some(end));
            } else if begin > now {
                begins = begins.min(begin);
            }
        }
    }
    match ends {
        Some(end) => Timed::of(true, end),
        None => Timed::of(false, begins),
    }
}

/// Whether `now` lies in `[not_before, before)`, and until when.
pub(crate) fn between(not_before: Option<i64>, before: Option<i64>, now: i64) -> Timed {
    let begun = match not_before {
        Some(begin) if now < begin => Timed::of(false, begin),
        Some(_) | None => Timed::TRUE,
    };
    let open = match before {
        Some(end) if now < end => Timed::of(true, end),
        Some(_) => Timed::FALSE,
        None => Timed::TRUE,
    };
    begun.and(open)
}

#[cfg(test)]
mod tests {
    use signet_pki::UnixTime;

    use super::*;

    fn at(text: &str) -> i64 {
        UnixTime::parse_rfc3339(text).unwrap().0
    }

    #[test]
    fn office_hours_open_and_close_on_their_days() {
        let office = [Window { days: 0b1_1111, from: 8 * 60, to: 18 * 60 }];
        // 2026-11-20 is a Friday.
        assert_eq!(inside(&office, at("2026-11-20T07:59:59Z")), Timed::of(false, at("2026-11-20T08:00:00Z")));
        assert_eq!(inside(&office, at("2026-11-20T08:00:00Z")), Timed::of(true, at("2026-11-20T18:00:00Z")));
        assert_eq!(inside(&office, at("2026-11-20T18:00:00Z")), Timed::of(false, at("2026-11-23T08:00:00Z")));
    }

    #[test]
    fn a_night_begins_on_its_day_and_ends_on_the_next() {
        let friday_night = [Window { days: 1 << 4, from: 22 * 60, to: 6 * 60 }];
        assert!(inside(&friday_night, at("2026-11-21T05:59:59Z")).is_true());
        assert!(inside(&friday_night, at("2026-11-20T05:00:00Z")).is_false());
        assert_eq!(inside(&friday_night, at("2026-11-21T06:00:00Z")).until, at("2026-11-27T22:00:00Z"));
    }

    #[test]
    fn dates_are_from_the_first_and_before_the_second() {
        assert_eq!(between(Some(10), Some(20), 9), Timed::of(false, 10));
        assert_eq!(between(Some(10), Some(20), 10), Timed::of(true, 20));
        assert_eq!(between(Some(10), Some(20), 20), Timed::FALSE);
    }
}
