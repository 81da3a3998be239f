//! Lengths of time as people type and read them: `15m`, `24h`, `30d`.

use std::str::FromStr;

use thiserror::Error;

/// A positive length of time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds(pub(super) i64);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("write a whole number and a unit (s, m, h or d), for example 15m, 24h or 30d; at most 36500d")]
pub(super) struct DurationError;

impl FromStr for Seconds {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Seconds, DurationError> {
        let (number, unit) = match text.trim().char_indices().last() {
            Some((at, unit)) => (&text.trim()[..at], unit),
            None => return Err(DurationError),
        };
        // A bare number would be read as seconds by one person and as minutes by the next.
        let unit = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => DAY,
            _ => return Err(DurationError),
        };
        // `parse` alone would accept a sign.
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DurationError);
        }
        let seconds = number.parse::<i64>().ok().and_then(|n| n.checked_mul(unit)).ok_or(DurationError)?;
        if (1..=MAX).contains(&seconds) { Ok(Seconds(seconds)) } else { Err(DurationError) }
    }
}

/// A remaining time for people, in its largest sensible unit; negative lengths read as `ago`.
pub(super) fn in_words(seconds: i64) -> String {
    let length = seconds.unsigned_abs();
    let text = match length {
        0..=119 => format!("{length} s"),
        120..=7_199 => format!("{} min", length / 60),
        7_200..=172_799 => format!("{} h", length / 3_600),
        _ => format!("{} d", length / 86_400),
    };
    if seconds < 0 { format!("{text} ago") } else { format!("in {text}") }
}

pub(super) const DAY: i64 = 86_400;
/// A hundred years: longer than anything here lives, and far from overflow.
const MAX: i64 = 36_500 * DAY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_seconds_minutes_hours_and_days() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("24h", 86_400), ("30d", 2_592_000), (" 1h ", 3_600)] {
            assert_eq!(text.parse(), Ok(Seconds(seconds)), "{text}");
        }
    }

    #[test]
    fn numbers_without_unit_signs_fractions_and_giants_are_refused() {
        for bad in ["", " ", "15", "m", "0m", "-5m", "+5m", "1.5h", "15 m", "15M", "5w", "5µ", "99999999999999999999d"]
        {
            assert_eq!(bad.parse::<Seconds>(), Err(DurationError), "{bad:?}");
        }
        assert_eq!("36500d".parse(), Ok(Seconds(MAX)));
        assert!("36501d".parse::<Seconds>().is_err());
    }

    #[test]
    fn words_use_the_largest_sensible_unit() {
        assert_eq!(in_words(45), "in 45 s");
        assert_eq!(in_words(3_599), "in 59 min");
        assert_eq!(in_words(86_400), "in 24 h");
        assert_eq!(in_words(30 * DAY), "in 30 d");
        assert_eq!(in_words(-3 * DAY), "3 d ago");
        assert!(in_words(i64::MIN).ends_with(" ago"));
    }
}
