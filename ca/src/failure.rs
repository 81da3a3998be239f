//! How a command ends badly: one sentence, one hint, one of four exit codes.

use std::process::ExitCode;

/// stderr gets `ca: error: …` and `ca: hint: …`; stdout stays data.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Refused or not found: exit 1.
    Refused,
    /// Wrong usage: exit 2.
    Usage,
    /// Unreachable or internal: exit 3.
    Internal,
    /// What is held must not be relied upon any more: exit 4.
    #[cfg(feature = "online")]
    Stale,
}

impl Failure {
    pub(crate) fn refused(message: impl ToString) -> Failure {
        Failure { kind: Kind::Refused, message: message.to_string(), hint: None }
    }

    pub(crate) fn usage(message: impl ToString) -> Failure {
        Failure { kind: Kind::Usage, message: message.to_string(), hint: None }
    }

    pub(crate) fn internal(message: impl ToString) -> Failure {
        Failure { kind: Kind::Internal, message: message.to_string(), hint: None }
    }

    #[cfg(feature = "online")]
    pub(crate) fn stale(message: impl ToString) -> Failure {
        Failure { kind: Kind::Stale, message: message.to_string(), hint: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl ToString) -> Failure {
        self.hint = Some(hint.to_string());
        self
    }

    /// The same failure in other words.
    #[cfg(feature = "online")]
    #[must_use]
    pub(crate) fn with_message(mut self, message: impl ToString) -> Failure {
        self.message = message.to_string();
        self
    }

    #[cfg(feature = "online")]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    #[cfg(feature = "online")]
    pub(crate) fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub(crate) fn print(&self) {
        eprintln!("ca: error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("ca: hint: {hint}");
        }
    }

    pub(crate) fn report(&self) -> ExitCode {
        self.print();
        ExitCode::from(match self.kind {
            Kind::Refused => 1,
            Kind::Usage => 2,
            Kind::Internal => 3,
            #[cfg(feature = "online")]
            Kind::Stale => 4,
        })
    }
}
