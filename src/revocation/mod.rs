//! Taking identities away, and the lists that tell everyone.

mod directory;
mod document;
mod lists;
mod press;
mod publish;
mod shards;

use std::sync::Arc;

use serde_json::json;
use signet_pki::crl::Reason;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use directory::Directory;
pub use document::Document;
pub use lists::{ListSet, Lists};
pub use press::{PublishError, Published};
pub use publish::{Publisher, Schedule, Standing};

use crate::authorize::Context;
use crate::clock::Clock;
use crate::latency::{Latency, List};
use crate::store::{
    Actor, AuditDraft, ChangeDevice, Conflict, Mode, PrincipalRecord, RevokeOrder, RevokeTarget, Revoked, Step, Store,
    StoreError,
};

pub struct Revocation {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub publisher: Arc<Lists>,
    pub latency: Arc<Latency>,
    /// The number of the newest published list.
    pub published: watch::Sender<u64>,
}

/// What is to be ended, and why.
pub struct Wish {
    pub target: RevokeTarget,
    pub reason: Reason,
    pub mode: Mode,
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
    /// Ends the target in one transaction, then publishes a new list. Goes on when the caller gives up: a revocation that is
    /// durable has to be published.
    pub async fn revoke(self: &Arc<Self>, wish: Wish, actor: Actor, context: &Context) -> Result<Report, StoreError> {
        let (this, context) = (self.clone(), context.clone());
        finish(tokio::spawn(async move { this.carry_out(wish, actor, &context).await })).await
    }

    async fn carry_out(&self, wish: Wish, actor: Actor, context: &Context) -> Result<Report, StoreError> {
        let Wish { target, reason, mode } = wish;
        let subject = match &target {
            RevokeTarget::Device(id) => id.to_string(),
            RevokeTarget::Serial(serial) => serial.to_string(),
            RevokeTarget::Batch(batch) => format!("batch:{batch}"),
            RevokeTarget::Account(id) => format!("account:{id}"),
            RevokeTarget::Credential(id) => format!("apikey:{id}"),
            RevokeTarget::Session(family) => family.to_string(),
        };
        let kind = match target {
            RevokeTarget::Credential(_) => "apikey.revoked",
            RevokeTarget::Session(_) => "session.revoked",
            RevokeTarget::Device(_) | RevokeTarget::Serial(_) | RevokeTarget::Batch(_) | RevokeTarget::Account(_) => {
                "revocation"
            }
        };
        let now = self.clock.now();
        let draft = AuditDraft {
            kind,
            actor,
            subject,
            request_id: context.request_id.clone(),
            detail: json!({ "reason": reason.as_str(), "remote": context.remote.to_string() }),
            at: now,
        };
        let written = self.store.revoke(RevokeOrder { target, reason, now, mode, draft }).await;
        // An error says nothing about whether it happened.
        let revoked = written.inspect_err(|_| self.publisher.ask())?;
        if mode == Mode::DryRun || revoked.is_empty() {
            self.latency.forget(&context.request_id);
        } else {
            let list = if revoked.changes_lists() { List::Expected } else { List::None };
            self.latency.committed(&context.request_id, list);
        }
        // A repeated order whose first answer was lost changes nothing and still waits for its list.
        let listed = !revoked.changes_lists() && !self.publisher.is_behind();
        if mode == Mode::DryRun || listed {
            return Ok(Report { revoked, crl_number: None });
        }
        Ok(Report { revoked, crl_number: self.publish(context).await })
    }

    /// Changes a device; what that revoked is published before the answer.
    pub async fn change(
        self: &Arc<Self>,
        order: ChangeDevice,
        context: &Context,
    ) -> Result<Option<Result<PrincipalRecord, Conflict>>, StoreError> {
        let (this, context) = (self.clone(), context.clone());
        let work = async move {
            let ends = order.step == Some(Step::Retire);
            let changed = this.store.change_device(order).await.inspect_err(|_| this.publisher.ask())?;
            if !matches!(changed, Some(Ok(_))) {
                this.latency.forget(&context.request_id);
                return Ok(changed);
            }
            this.latency.committed(&context.request_id, if ends { List::Expected } else { List::None });
            if ends {
                this.publish(&context).await;
            }
            Ok(changed)
        };
        finish(tokio::spawn(work)).await
    }

    /// Publishes what is new where verifiers look for it; a failure is logged and left to the schedule.
    pub async fn publish(&self, context: &Context) -> Option<u64> {
        let mark = self.latency.mark();
        let number = reported(self.publisher.publish(&context.request_id).await)?;
        self.latency.listed(mark);
        self.announce(number);
        Some(number)
    }

    fn announce(&self, number: u64) {
        self.published.send_if_modified(|newest| number > std::mem::replace(newest, number.max(*newest)));
    }

    /// Publishes every list that is due. Answers whether all of them are there.
    pub async fn keep_up(&self, context: &Context) -> bool {
        let mark = self.latency.mark();
        let made = reported(self.publisher.keep_up(&context.request_id).await);
        if made.is_some() {
            self.latency.listed(mark);
            self.announce(self.publisher.current().map_or(0, |list| list.number));
        }
        made.is_some()
    }
}

fn reported<T>(outcome: Result<T, PublishError>) -> Option<T> {
    outcome.inspect_err(|error| tracing::error!(%error, "a CRL could not be published; it will be tried again")).ok()
}

async fn finish<T>(task: JoinHandle<Result<T, StoreError>>) -> Result<T, StoreError> {
    task.await.unwrap_or_else(|e| Err(StoreError::Unavailable(e.to_string())))
}
