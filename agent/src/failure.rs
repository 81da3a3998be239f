//! How a command ends badly: one sentence, one hint, one of three exit codes.

use std::process::ExitCode;

use signet_api::client::ClientError;

/// stderr gets `signet-agent: error: …` and `signet-agent: hint: …`; stdout stays data.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Seconds that the server asked us to wait.
    pub(crate) retry_after: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Refused or not found: exit 1.
    Refused,
    /// Wrong usage: exit 2.
    Usage,
    /// Unreachable or internal: exit 3.
    Internal,
}

impl Failure {
    pub(crate) fn refused(message: impl ToString) -> Failure {
        Failure { kind: Kind::Refused, message: message.to_string(), hint: None, retry_after: None }
    }

    pub(crate) fn usage(message: impl ToString) -> Failure {
        Failure { kind: Kind::Usage, message: message.to_string(), hint: None, retry_after: None }
    }

    pub(crate) fn internal(message: impl ToString) -> Failure {
        Failure { kind: Kind::Internal, message: message.to_string(), hint: None, retry_after: None }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl ToString) -> Failure {
        self.hint = Some(hint.to_string());
        self
    }

    pub(crate) fn print(&self) {
        eprintln!("signet-agent: error: {}", self.message);
        if let Some(hint) = &self.hint {
            eprintln!("signet-agent: hint: {hint}");
        }
    }

    pub(crate) fn report(&self) -> ExitCode {
        self.print();
        ExitCode::from(match self.kind {
            Kind::Refused => 1,
            Kind::Usage => 2,
            Kind::Internal => 3,
        })
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        let kind = match &error {
            _ if error.is_transient() => Kind::Internal,
            ClientError::Refused(..) | ClientError::Untrusted(_) | ClientError::ClientRejected(_) => Kind::Refused,
            ClientError::Config(_) => Kind::Usage,
            ClientError::UnexpectedStatus { .. }
            | ClientError::Unreachable(_)
            | ClientError::Protocol(_)
            | ClientError::Timeout(_) => Kind::Internal,
        };
        Failure { kind, message: error.to_string(), hint: Some(error.hint()), retry_after: error.retry_after() }
    }
}
