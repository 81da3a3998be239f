//! Taking identities away, and the lists that tell everyone.

mod publish;

use std::sync::Arc;

use serde_json::json;
use signet_pki::crl::Reason;

pub use publish::{Document, Published, Publisher, Schedule};

use crate::authorize::Context;
use crate::clock::Clock;
use crate::store::{AuditDraft, Mode, RevokeOrder, RevokeTarget, Revoked, Store, StoreError};

pub struct Revocation {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub publisher: Arc<Publisher>,
}

/// What was ended, and the list that says so.
#[derive(Debug)]
pub struct Report {
    pub revoked: Revoked,
    /// `None` for a dry run, when nothing changed, or when the list could not be published yet: the revocation holds
    /// all the same, and publishing is tried again.
    pub crl_number: Option<u64>,
}

impl Revocation {
    /// Ends the target in one transaction, then publishes a new list.
    pub async fn revoke(
        &self,
        target: RevokeTarget,
        reason: Reason,
        mode: Mode,
        actor: String,
        context: &Context,
    ) -> Result<Report, StoreError> {
        let subject = match &target {
            RevokeTarget::Device(id) => id.to_string(),
            RevokeTarget::Serial(serial) => serial.to_string(),
            RevokeTarget::Batch(batch) => format!("batch:{batch}"),
        };
        let now = self.clock.now();
        let draft = AuditDraft {
            kind: "revocation",
            actor,
            subject,
            request_id: context.request_id.clone(),
            detail: json!({ "reason": reason.as_str(), "remote": context.remote.to_string() }),
            at: now,
        };
        let revoked = self.store.revoke(RevokeOrder { target, reason, now, mode, draft }).await?;
        if mode == Mode::DryRun || revoked.certificates.is_empty() {
            return Ok(Report { revoked, crl_number: None });
        }
        Ok(Report { revoked, crl_number: self.publish(context).await })
    }

    /// Publishes a new list; a failure is logged and left to the schedule.
    pub async fn publish(&self, context: &Context) -> Option<u64> {
        match self.publisher.rebuild(&context.request_id).await {
            Ok(number) => Some(number),
            Err(error) => {
                tracing::error!(%error, "the CRL could not be published; it will be tried again");
                None
            }
        }
    }
}
