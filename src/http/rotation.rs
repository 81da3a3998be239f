//! A key in place of another: by an administrator, and by the key itself.

use serde_json::json;
use signet_api::access::{ApiKeyInfo, CreatedApiKey, ReplacedApiKey};
use signet_api::{CredentialId, CredentialKind, ErrorCode};
use signet_pki::UnixTime;

use super::Service;
use super::refusal::Refusal;
use crate::authorize::{Caller, Context, Delegated};
use crate::credentials::apikeys::{self, Plan};
use crate::store::{AccessConflict, AuditDraft, CredentialRecord, CredentialStatus, Owner, RotateCredential};

/// A rotation as it is asked for: of a key that was found, with the seconds of overlap.
pub(super) struct Rotation {
    old: CredentialRecord,
    /// The successor that was never used: the answer that carried it was lost, or it was thrown away.
    unused: Option<CredentialRecord>,
    overlap: i64,
}

impl Rotation {
    pub(super) async fn of(
        service: &Service,
        old: CredentialRecord,
        overlap: Option<i64>,
    ) -> Result<Rotation, Refusal> {
        let overlap = apikeys::overlap(overlap)?;
        let unused = match &old.successor {
            None => None,
            Some(id) => service.store.credential(id).await?.filter(|next| is_unused(service, next)),
        };
        Ok(Rotation { old, unused, overlap })
    }

    /// The key that the new one is made after.
    pub(super) fn pattern(&self) -> &CredentialRecord {
        self.unused.as_ref().unwrap_or(&self.old)
    }
}

/// Puts a key in the place of another. `scopes`: those of the pattern, as far as the caller may hand them on.
pub(super) async fn rotate(
    service: &Service,
    rotation: Rotation,
    scopes: Delegated,
    caller: &Caller,
    context: Context,
) -> Result<CreatedApiKey, Refusal> {
    let now = service.clock.now();
    let plan = Plan::successor(rotation.pattern(), scopes);
    let Rotation { old, unused, overlap } = rotation;
    let (new, key) = plan.mint(&caller.name(), now, &service.authorizer.pepper, service.random.as_ref())?;
    let new = CredentialRecord { family: old.family.clone(), ..new };
    let instead_of = unused.map(|next| next.id);
    let mut detail = json!({ "successor": new.id, "owner": owner(&new.owner), "overlap": overlap });
    if let Some(lost) = &instead_of {
        detail["instead_of"] = lost.as_str().into();
    }
    let draft = AuditDraft {
        kind: "apikey.rotated",
        actor: caller.actor(),
        subject: subject(&old.id),
        request_id: context.request_id,
        detail,
        at: now,
    };
    let order = RotateCredential { old: old.id, new: new.clone(), old_ends_at: now.plus(overlap), instead_of, draft };
    let rotated = service.store.rotate_credential(order).await?.ok_or_else(gone)?;
    let old = rotated.map_err(|found| match found {
        AccessConflict::Exists => {
            Refusal::told(ErrorCode::Conflict, "the key has a successor, which is in use: rotate that one")
        }
        other => conflict(other),
    })?;
    let replaces = Some(ReplacedApiKey { id: old.id, expires_at: old.expires_at.to_string() });
    Ok(CreatedApiKey { key: key.to_string(), replaces, info: info(new, now) })
}

fn is_unused(service: &Service, next: &CredentialRecord) -> bool {
    next.last_used_at.is_none() && next.successor.is_none() && !service.authorizer.uses.holds(&next.id)
}

pub(super) fn info(key: CredentialRecord, now: UnixTime) -> ApiKeyInfo {
    let lives = matches!(key.status, CredentialStatus::Active | CredentialStatus::Disabled);
    let status = if lives && now >= key.expires_at { "expired" } else { key.status.as_str() };
    let (account, device) = match key.owner {
        Owner::Account(id) => (Some(id), None),
        Owner::Principal(id) => (None, Some(id)),
    };
    ApiKeyInfo {
        id: key.id,
        account,
        device,
        name: key.name,
        scopes: key.scopes,
        status: status.to_owned(),
        cidr: key.cidr,
        created_at: key.created_at.to_string(),
        created_by: key.created_by,
        expires_at: key.expires_at.to_string(),
        last_used_at: key.last_used_at.map(|at| at.to_string()),
        successor: key.successor,
        legacy: key.legacy,
        revocation: None,
    }
}

/// An API key, and none of the other credentials.
pub(super) async fn find(service: &Service, id: &CredentialId) -> Result<CredentialRecord, Refusal> {
    let found = service.store.credential(id).await?;
    found.filter(|found| found.kind == CredentialKind::ApiKey).ok_or_else(gone)
}

pub(super) fn gone() -> Refusal {
    Refusal::told(ErrorCode::NotFound, "there is no such API key")
}

pub(super) fn conflict(conflict: AccessConflict) -> Refusal {
    let sentence = match conflict {
        AccessConflict::Credential(status) => format!("the key is {}", status.as_str()),
        AccessConflict::NoOwner => "there is no such account or device".into(),
        AccessConflict::OwnerEnded => "the owner of the key is not active".into(),
        AccessConflict::TooMany => "the owner has as many keys as it may have; revoke those that nobody uses".into(),
        AccessConflict::Exists | AccessConflict::Account(_) | AccessConflict::Known(_) => {
            return Refusal::new(ErrorCode::Conflict, format!("{conflict:?}"));
        }
    };
    Refusal::told(ErrorCode::Conflict, sentence)
}

pub(super) fn subject(id: &CredentialId) -> String {
    format!("apikey:{id}")
}

/// `account:acme`, `device:sensor-1`, for the log.
pub(super) fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Account(id) => format!("account:{id}"),
        Owner::Principal(id) => format!("device:{id}"),
    }
}
