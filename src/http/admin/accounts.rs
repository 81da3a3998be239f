//! Accounts: people and programs, and what they may do.

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::access::{AccountAction, AccountInfo, AccountQuery, ChangeAccount, CreateAccount};
use signet_api::scope::{AccountId, Scope, Scopes};
use signet_pki::DeviceId;

use super::grants::{Grant, authorize_grant};
use super::{Asked, not_found, segment};
use crate::credentials::apikeys::check_name;
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::{answer, require_can_grant, require_outranks};
use crate::store::{self, AccessConflict, AccountRecord, AccountStatus, AuditDraft};

pub(super) async fn create(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsWrite).await?;
    let (caller, context, order) = asked.json::<CreateAccount>(&service).await?;
    let grant = Grant {
        scopes: order.permissions.scopes(),
        held: Scopes::NONE,
        path: "/v1/admin/accounts".into(),
        body: &order,
        summary: format!("Make the account {}, with the permissions: {}", order.id, order.permissions),
    };
    if let Some(name) = &order.name {
        check_name(name)?;
    }
    authorize_grant(&service, (&caller, &context), grant).await?;
    let name = order.name.unwrap_or_else(|| order.id.to_string());
    let now = service.clock.now();
    let account = AccountRecord {
        id: order.id,
        kind: order.kind,
        name,
        status: AccountStatus::Active,
        permissions: order.permissions,
        created_at: now,
        created_by: caller.name(),
        version: 1,
    };
    let draft = AuditDraft {
        kind: "account.created",
        actor: caller.actor(),
        subject: subject(&account.id),
        request_id: context.request_id,
        detail: json!({ "kind": account.kind, "name": account.name, "permissions": account.permissions }),
        at: now,
    };
    let order = store::CreateAccount { account: account.clone(), draft };
    service.store.create_account(order).await?.map_err(|conflict| match conflict {
        AccessConflict::Exists => Refusal::told(
            ErrorCode::Conflict,
            "there is an account of that name, or there was one: names are not used again",
        ),
        other => Refusal::new(ErrorCode::Conflict, format!("{other:?}")),
    })?;
    answer(&info(account, None))
}

pub(super) async fn list(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsRead).await?;
    let page = service.store.accounts(asked.query::<AccountQuery>()?).await?;
    answer(&page.map(|account| info(account, None)))
}

pub(super) async fn show(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::AccountsRead).await?;
    let id = segment(AccountId::parse(&id))?;
    let account = service.store.account(&id).await?.ok_or_else(|| not_found("account"))?;
    let devices = service.store.devices_of(&id).await?;
    answer(&info(account, Some(devices)))
}

pub(super) async fn change(
    State(service): State<App>,
    Path(id): Path<String>,
    incoming: Request,
) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsWrite).await?;
    let id = segment(AccountId::parse(&id))?;
    let (caller, context, change) = asked.json::<ChangeAccount>(&service).await?;
    if change == ChangeAccount::default() {
        return Err(Refusal::told(ErrorCode::InvalidArgument, "the change is empty"));
    }
    if let Some(name) = &change.name {
        check_name(name)?;
    }
    let found = service.store.account(&id).await?.ok_or_else(|| not_found("account"))?;
    if let Some(permissions) = &change.permissions {
        // Before anything is noted for a second person.
        require_can_grant(&caller, permissions.scopes())?;
        require_outranks(&caller, found.permissions.scopes())?;
        let grant = Grant {
            scopes: permissions.scopes(),
            held: found.permissions.scopes(),
            path: format!("/v1/admin/accounts/{id}"),
            body: &change,
            summary: format!("Let the account {id} do from now on: {permissions}"),
        };
        authorize_grant(&service, (&caller, &context), grant).await?;
    }
    // To suspend is always the safe direction.
    if change.action == Some(AccountAction::Resume) {
        require_outranks(&caller, found.permissions.scopes())?;
    }
    let (status, kind) = match change.action {
        None => (None, "account.changed"),
        Some(AccountAction::Suspend) => (Some(AccountStatus::Suspended), "account.suspended"),
        Some(AccountAction::Resume) => (Some(AccountStatus::Active), "account.resumed"),
    };
    let mut detail = json!({});
    if let Some(name) = &change.name {
        detail["name"] = name.as_str().into();
    }
    if let Some(permissions) = &change.permissions {
        detail["permissions"] = permissions.to_string().into();
        detail["before"] = found.permissions.to_string().into();
    }
    let draft = AuditDraft {
        kind,
        actor: caller.actor(),
        subject: subject(&id),
        request_id: context.request_id,
        detail,
        at: service.clock.now(),
    };
    let ChangeAccount { name, permissions, .. } = change;
    let order = store::ChangeAccount { id, name, status, permissions, draft };
    let changed = service.store.change_account(order).await?.ok_or_else(|| not_found("account"))?;
    let account = changed.map_err(|conflict| match conflict {
        AccessConflict::Account(status) => {
            Refusal::told(ErrorCode::Conflict, format!("the account is {}", status.as_str()))
        }
        other => Refusal::new(ErrorCode::Conflict, format!("{other:?}")),
    })?;
    answer(&info(account, None))
}

fn info(account: AccountRecord, devices: Option<Vec<DeviceId>>) -> AccountInfo {
    AccountInfo {
        id: account.id,
        kind: account.kind,
        name: account.name,
        status: account.status.as_str().to_owned(),
        scopes: account.permissions.scopes(),
        permissions: account.permissions,
        created_at: account.created_at.to_string(),
        created_by: account.created_by,
        devices,
    }
}

fn subject(id: &AccountId) -> String {
    format!("account:{id}")
}
