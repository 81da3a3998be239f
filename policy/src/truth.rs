//! Three values of truth, each with the time until which it holds.

/// Seconds since 1970 that never come.
pub(crate) const FOREVER: i64 = i64::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Truth {
    True,
    False,
    /// A fact is missing.
    Unknown,
}

/// A truth that does not change before `until` (exclusive), as long as the facts do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timed {
    pub(crate) truth: Truth,
    pub(crate) until: i64,
}

impl Timed {
    pub(crate) const TRUE: Timed = Timed { truth: Truth::True, until: FOREVER };
    pub(crate) const FALSE: Timed = Timed { truth: Truth::False, until: FOREVER };
    pub(crate) const UNKNOWN: Timed = Timed { truth: Truth::Unknown, until: FOREVER };

    pub(crate) fn of(truth: bool, until: i64) -> Timed {
        Timed { truth: if truth { Truth::True } else { Truth::False }, until }
    }

    pub(crate) fn is_true(self) -> bool {
        self.truth == Truth::True
    }

    pub(crate) fn is_false(self) -> bool {
        self.truth == Truth::False
    }

    /// Kleene's. What is false stays false for as long as any false part does.
    pub(crate) fn and(self, other: Timed) -> Timed {
        match (self.is_false(), other.is_false()) {
            (true, true) => Timed { truth: Truth::False, until: self.until.max(other.until) },
            (true, false) => self,
            (false, true) => other,
            (false, false) => {
                let truth = if self.is_true() && other.is_true() { Truth::True } else { Truth::Unknown };
                Timed { truth, until: self.until.min(other.until) }
            }
        }
    }

    pub(crate) fn not(self) -> Timed {
        let truth = match self.truth {
            Truth::True => Truth::False,
            Truth::False => Truth::True,
            Truth::Unknown => Truth::Unknown,
        };
        Timed { truth, ..self }
    }

    pub(crate) fn or(self, other: Timed) -> Timed {
        self.not().and(other.not()).not()
    }

    /// What is not known counts as `truth`.
    pub(crate) fn settled(self, truth: bool) -> Timed {
        match self.truth {
            Truth::Unknown => Timed::of(truth, self.until),
            Truth::True | Truth::False => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_false_holds_as_long_as_one_false_part() {
        let (a, b) = (Timed::of(false, 10), Timed::of(false, 20));
        assert_eq!(a.and(b), Timed::of(false, 20));
        assert_eq!(a.and(Timed::of(true, 5)), Timed::of(false, 10));
        assert_eq!(Timed::of(true, 5).and(Timed::of(true, 9)), Timed::of(true, 5));
        assert_eq!(Timed::of(true, 5).or(Timed::of(true, 9)), Timed::of(true, 9));
        assert_eq!(Timed::of(false, 5).or(Timed::of(false, 9)), Timed::of(false, 5));
    }

    #[test]
    fn the_unknown_spreads_unless_something_is_certain() {
        assert_eq!(Timed::UNKNOWN.and(Timed::TRUE), Timed::UNKNOWN);
        assert_eq!(Timed::UNKNOWN.and(Timed::FALSE), Timed::FALSE);
        assert_eq!(Timed::UNKNOWN.or(Timed::TRUE), Timed::TRUE);
        assert_eq!(Timed::UNKNOWN.not(), Timed::UNKNOWN);
        assert_eq!(Timed::UNKNOWN.settled(true), Timed::TRUE);
    }
}
