//! What an order to revoke answers, and the revocation of API keys.

use axum::body::Body;
use axum::http::Response;
use signet_api::access::ChangeApiKey;
use signet_api::admin::{Descendant, DescendantKind, RevokeReport};
use signet_api::{CredentialId, ErrorCode};
use signet_pki::Serial;
use signet_pki::crl::Reason;

use super::approvals::{Guard, require_approval};
use super::devices::spare_administrators;
use crate::authorize::{Caller, Context};
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::http::{App, rotation};
use crate::revocation::{Report, Wish};
use crate::store::{self, CredentialRecord, Guarded, Mode, RevokeTarget, Revoked};

pub(super) fn told(report: Report) -> RevokeReport {
    let Report { revoked, crl_number } = report;
    RevokeReport {
        dry_run: revoked.mode == Mode::DryRun,
        devices: revoked.devices,
        certificates: revoked.certificates.iter().map(Serial::to_string).collect(),
        tokens: revoked.tokens,
        accounts: revoked.accounts,
        credentials: revoked.credentials.into_iter().chain(revoked.raised_credentials).collect(),
        raised: revoked.raised.iter().map(Serial::to_string).collect(),
        affected: revoked.affected,
        blocked_keys: revoked.blocked_keys,
        living: revoked.living.into_iter().map(descendant).collect(),
        living_more: revoked.living_more,
        crl_number,
    }
}

fn descendant(found: store::Descendant) -> Descendant {
    use store::Descendant::*;
    let of = |kind, id: CredentialId, device| Descendant { kind, id: id.to_string(), device };
    match found {
        Certificate(serial, device) => {
            Descendant { kind: DescendantKind::Certificate, id: serial.to_string(), device: Some(device) }
        }
        Token(id, device) => of(DescendantKind::Token, id, Some(device)),
        ApiKey(id) => of(DescendantKind::ApiKey, id, None),
        Session(id) => of(DescendantKind::Session, id, None),
    }
}

/// A compromise ends administrators' certificates only for a caller who may end each of them.
pub(super) async fn spare_affected(service: &App, caller: &Caller, plan: &Revoked) -> Result<(), Refusal> {
    for id in &plan.affected {
        if let Some(found) = service.store.principal(id).await? {
            spare_administrators(caller, &found)?;
        }
    }
    Ok(())
}

/// Ends an API key with its sessions and tickets; when it is compromised, with everything that was made with it.
pub(super) async fn revoke_key(
    service: &App,
    (caller, context): (&Caller, &Context),
    found: CredentialRecord,
    change: &ChangeApiKey,
) -> Result<Response<Body>, Refusal> {
    let (id, status) = (found.id.clone(), found.status);
    let reason = change.reason.unwrap_or(Reason::Unspecified);
    let target = RevokeTarget::Credential(id.clone());
    let wish = |mode| Wish { target: target.clone(), reason, mode };
    let plan = service.revocation.revoke(wish(Mode::DryRun), caller.actor(), context).await?;
    if plan.revoked.is_empty() {
        let sentence = match change.reason {
            None => format!(
                "the key is {}; for a graver reason: ca apikey revoke {id} --reason key-compromise",
                status.as_str()
            ),
            Some(reason) => format!("the key is {}, for no lesser reason than {}", status.as_str(), reason.as_str()),
        };
        return Err(Refusal::told(ErrorCode::Conflict, sentence));
    }
    spare_affected(service, caller, &plan.revoked).await?;
    if !change.dry_run && plan.revoked.affected.len() >= service.config.raw.approval.batch_size as usize {
        let devices = plan.revoked.affected.len();
        let summary = format!("Revoke the API key {id} and what was made with it: {devices} devices now");
        let path = format!("/v1/admin/apikeys/{id}");
        let guard = Guard { guarded: Guarded::Batches, path, body: change, summary };
        require_approval(service, (caller, context), guard).await?;
    }
    let report = if change.dry_run {
        plan
    } else {
        service.revocation.revoke(wish(Mode::Apply), caller.actor(), context).await?
    };
    service.hub.has_told().await;
    let mut info = rotation::info(rotation::find(service, &id).await?, service.clock.now());
    info.revocation = Some(Box::new(told(report)));
    answer(&info)
}
