//! How a round ended, for people, for scripts, and for exit codes.

use serde::Serialize;
use signet_api::client::ClientError;
use signet_keys::files::FileError;
use signet_pki::UnixTime;

use crate::lists::List;
use crate::refusal::Refusal;

/// One round. Serialised it is what `--json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub outcome: Outcome,
    /// Why the files were not brought up to date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// What is held must not be relied upon any more: a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale: Option<String>,
    /// Services that could not be told; the next round tries again.
    pub reload_errors: Vec<Problem>,
    /// Things of no consequence for the files.
    pub warnings: Vec<String>,
    /// What the file holds now, as far as it can be verified.
    pub lists: Vec<ListStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Replaced,
    Unchanged,
    /// The answer is not acceptable, or a file cannot be written. Nothing was replaced by anything wrong.
    Refused,
    /// There is no answer.
    Unreachable,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Stable.
    pub code: &'static str,
    pub message: String,
    pub hint: String,
    #[serde(skip)]
    pub(crate) outcome: Outcome,
    /// Seconds that the server asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListStatus {
    /// The short id of the CA.
    pub issuer: String,
    pub name: String,
    pub number: u64,
    /// RFC 3339, like the next.
    pub this_update: String,
    pub next_update: String,
    #[serde(skip)]
    pub(crate) times: (UnixTime, UnixTime),
}

/// What an exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Fresh, whether it was replaced or not.
    Good,
    Refused,
    /// No answer; or a service could not be told.
    Unreachable,
    /// What is held is over or too old. The most urgent, whatever else went wrong.
    Stale,
}

impl Report {
    pub fn verdict(&self) -> Verdict {
        match (&self.stale, self.outcome) {
            (Some(_), _) => Verdict::Stale,
            (None, Outcome::Refused) => Verdict::Refused,
            (None, Outcome::Unreachable) => Verdict::Unreachable,
            (None, Outcome::Replaced | Outcome::Unchanged) => match self.reload_errors.is_empty() {
                true => Verdict::Good,
                false => Verdict::Unreachable,
            },
        }
    }

    /// The sentence and the hint for whoever has to act; `None` when nobody has to.
    pub fn complaint(&self) -> Option<(String, String)> {
        let causes: Vec<&Problem> = self.error.iter().chain(&self.reload_errors).collect();
        let hint = causes.first().map(|p| p.hint.clone());
        let said: Vec<&str> =
            self.stale.as_deref().into_iter().chain(causes.iter().map(|p| p.message.as_str())).collect();
        match said.is_empty() {
            true => None,
            false => Some((said.join("; "), hint.unwrap_or_else(|| FRESHER.to_owned()))),
        }
    }

    /// Whether another try may go better without anyone's doing.
    pub fn is_transient(&self) -> bool {
        self.outcome == Outcome::Unreachable || !self.reload_errors.is_empty()
    }

    /// Seconds that the server asked to wait.
    pub fn retry_after(&self) -> Option<u64> {
        self.error.as_ref().and_then(|problem| problem.retry_after)
    }
}

impl Problem {
    pub(crate) fn new(outcome: Outcome, code: &'static str, message: impl ToString, hint: impl ToString) -> Problem {
        Problem { code, message: message.to_string(), hint: hint.to_string(), outcome, retry_after: None }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let message = match &refusal {
            Refusal::NotLists | Refusal::HeldUnreadable(_) | Refusal::NotCertificates => refusal.to_string(),
            other if other.is_about_bundle() => format!("the bundle of the service is refused: {other}"),
            other => format!("the CRLs of the service are refused: {other}"),
        };
        Problem::new(Outcome::Refused, refusal.code(), message, refusal.hint())
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Problem {
        let (outcome, code) = match &error {
            ClientError::Untrusted(_) => (Outcome::Refused, "server_untrusted"),
            ClientError::Protocol(_) => (Outcome::Refused, "unreadable"),
            ClientError::Config(_) | ClientError::ClientRejected(_) => (Outcome::Refused, "refused_by_server"),
            ClientError::Unreachable(_) | ClientError::Timeout(_) => (Outcome::Unreachable, "unreachable"),
            ClientError::Refused(..) | ClientError::UnexpectedStatus { .. } => (Outcome::Unreachable, "server_failed"),
        };
        Problem { retry_after: error.retry_after(), ..Problem::new(outcome, code, &error, error.hint()) }
    }
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Problem {
        let hint = match &error {
            FileError::NotFound { .. } => "check the spelling; directories are not made",
            FileError::TooLarge { .. } | FileError::NotRegular { .. } => "name a plain file of this kind",
            FileError::NoSpace { .. } => "free some space; the next round writes it",
            FileError::AlreadyExists { .. } | FileError::Io { .. } => {
                "check the permissions of the file and of its directory"
            }
        };
        Problem::new(Outcome::Refused, "file", &error, hint)
    }
}

impl From<&List> for ListStatus {
    fn from(list: &List) -> ListStatus {
        let (this_update, next_update) = (list.view.this_update, list.view.next_update);
        ListStatus {
            issuer: list.issuer.short_id(),
            name: list.name(),
            number: list.view.number,
            this_update: this_update.to_string(),
            next_update: next_update.to_string(),
            times: (this_update, next_update),
        }
    }
}

/// Why these lists must not be relied upon. Those of roots are made by hand and live long, so that their age says nothing.
pub(crate) fn staleness(lists: &[List], max_age: Option<u32>, now: UnixTime) -> Option<String> {
    for list in lists.iter().filter(|list| list.issuer.not_after() > now) {
        let (name, view) = (list.name(), &list.view);
        if view.next_update <= now {
            return Some(format!("the CRL of {name} that is held ended on {}", view.next_update));
        }
        let age = now.since(view.this_update);
        let limit = max_age.filter(|_| !list.issuer.view().is_self_issued()).map(i64::from);
        if let Some(limit) = limit.filter(|limit| age > *limit) {
            let from = view.this_update;
            return Some(format!("the CRL of {name} that is held is of {from}, more than {limit} s ago"));
        }
    }
    None
}

const FRESHER: &str = "the service has to publish a newer CRL; look with: ca crl show";
