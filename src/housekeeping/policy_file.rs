//! The policy's file is taken over while the service runs. One that cannot be used changes nothing: the last that could goes
//! on, also after a restart, because it is in the database.

use std::path::Path;
use std::time::SystemTime;

use serde_json::json;
use signet_keys::files;
use signet_pki::text;
use signet_policy::limits::TEXT_BYTES;

use crate::app::own_context;
use crate::http::Service;
use crate::policy::{Candidate, PolicyError};
use crate::store::{AuditDraft, InsteadOf, PolicyOrigin};

/// What was seen of the file last.
#[derive(Debug, Default)]
pub struct PolicyWatch {
    /// What was taken over, or could not be.
    seen: Option<Stamp>,
    /// Another one, seen once: somebody may be in the middle of writing it.
    coming: Option<Stamp>,
}

type Stamp = Result<(SystemTime, u64), String>;

impl PolicyWatch {
    /// Looks whether the file is another one: the first time takes it over, and later the second look at the same. What
    /// cannot be used is logged once, and told until it is mended.
    pub async fn look(&mut self, service: &Service) {
        if let Err(error) = service.policies.follow(service.store.as_ref()).await {
            tracing::error!(%error, "the policy in force could not be read; it will be tried again");
            return;
        }
        let Some(path) = service.config.policy_file() else { return };
        let found = std::fs::metadata(&path).and_then(|m| Ok((m.modified()?, m.len()))).map_err(|e| e.to_string());
        if self.seen.as_ref() == Some(&found) {
            self.coming = None;
            return;
        }
        if self.seen.is_some() && self.coming.as_ref() != Some(&found) {
            self.coming = Some(found);
            return;
        }
        let (name, before) = (path.display().to_string(), self.seen.replace(found));
        let problem = match take_over(service).await {
            Ok(()) => None,
            Err(PolicyError::Store(error)) => {
                tracing::error!(%error, "the policy's file could not be followed; it will be tried again");
                self.seen = before;
                return;
            }
            Err(error) => Some(format!("{name}: {error}")),
        };
        if let Some(problem) = &problem {
            tracing::error!(path = name, problem, "the policy's file was not taken over; the policy before goes on");
        }
        service.policies.set_problem(problem);
    }
}

/// A file that may become the policy.
pub fn read(path: &Path) -> Result<Candidate, PolicyError> {
    let bytes = files::read_named(path, TEXT_BYTES).map_err(|e| PolicyError::Unreadable(e.to_string()))?;
    Candidate::check(text::plain(&bytes).map_err(|e| PolicyError::Unreadable(e.to_string()))?)
}

async fn take_over(service: &Service) -> Result<(), PolicyError> {
    let Some(path) = service.config.policy_file() else { return Ok(()) };
    let candidate = read(&path)?;
    let draft = AuditDraft {
        kind: "policy.applied",
        actor: "signetd".into(),
        subject: "policy".into(),
        request_id: own_context(service).request_id,
        detail: json!({ "file": path.display().to_string() }),
        at: service.clock.now(),
    };
    let how = (PolicyOrigin::File, InsteadOf::Any);
    service.policies.apply(service.store.as_ref(), candidate, how, draft).await
}
