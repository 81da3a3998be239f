//! `/v1/admin/*`: every handler begins by asking who is there.

mod accounts;
mod alarms;
mod apikeys;
mod apikeys_import;
pub(super) mod approvals;
mod devices;
mod grants;
mod issuers;
mod oauth;
mod policy;
mod revocations;
pub(super) mod tokens;
mod trust;
mod views;
mod watch;
mod webhooks;

use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::routing::{get, post};
use signet_api::ErrorCode;
use signet_api::scope::Scope;

use super::App;
use super::limits;
use super::native::known;
use super::refusal::Refusal;
use super::request;
use crate::authorize::{Caller, Context};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/admin/accounts", get(accounts::list).post(accounts::create))
        .route("/v1/admin/accounts/{id}", get(accounts::show).post(accounts::change))
        .route("/v1/admin/apikeys", get(apikeys::list).post(apikeys::create))
        .route("/v1/admin/apikeys/import", post(apikeys_import::import))
        .route("/v1/admin/apikeys/{id}", get(apikeys::show).post(apikeys::change))
        .route("/v1/admin/tokens", get(tokens::list).post(tokens::create))
        .route("/v1/admin/tokens/{id}", get(tokens::show))
        .route("/v1/admin/tokens/{id}/revoke", post(tokens::revoke))
        .route("/v1/admin/batches/{batch}/revoke", post(tokens::revoke_batch))
        .route("/v1/admin/devices", get(devices::list))
        .route("/v1/admin/devices/{id}", get(devices::show).post(devices::change))
        .route("/v1/admin/certificates/{serial}", get(devices::certificate))
        .route("/v1/admin/revocations", post(devices::revoke))
        .route("/v1/admin/issue", post(devices::issue))
        .route("/v1/admin/audit", get(watch::audit))
        .route("/v1/admin/audit/verify", get(watch::verify))
        .route("/v1/admin/audit/archive", get(watch::archive))
        .route("/v1/admin/why/{request_id}", get(watch::why))
        .route("/v1/admin/crl", get(watch::crl))
        .route("/v1/admin/issuers", get(issuers::list))
        .route("/v1/admin/issuers/{id}", post(issuers::step))
        .route("/v1/admin/oauth/keys", get(oauth::keys))
        .route("/v1/admin/oauth/sessions", get(oauth::sessions))
        .route("/v1/admin/oauth/sessions/{id}/revoke", post(oauth::revoke))
        .route("/v1/admin/policy", get(policy::show).put(policy::apply))
        .route("/v1/admin/policy/diff", post(policy::diff))
        .route("/v1/admin/policy/history", get(policy::history))
        .route("/v1/admin/policy/history/{revision}", get(policy::of_history))
        .route("/v1/admin/trust/bundles", get(trust::bundles))
        .route("/v1/admin/events", get(watch::events))
        .route("/v1/admin/alarms", get(alarms::list))
        .route("/v1/admin/alarms/{id}", get(alarms::show).post(alarms::close))
        .route("/v1/admin/approvals", get(approvals::list))
        .route("/v1/admin/approvals/{id}", get(approvals::show).post(approvals::decide))
        .route("/v1/admin/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/v1/admin/webhooks/{id}", get(webhooks::show).post(webhooks::change))
        .route("/v1/admin/webhooks/{id}/secret", post(webhooks::rotate))
        .route("/v1/admin/webhooks/{id}/test", post(webhooks::test))
        .route("/v1/admin/dead-letters", get(webhooks::dead).post(webhooks::change_dead))
}

/// A request whose administrator is known.
pub(super) struct Asked {
    caller: Caller,
    context: Context,
    received: Instant,
    parts: Parts,
    body: Body,
}

impl Asked {
    /// Somebody who has the permission.
    pub(super) async fn with(service: &App, incoming: Request, scope: Scope) -> Result<Asked, Refusal> {
        let (parts, body) = incoming.into_parts();
        let (id, peer) = known(&parts.extensions)?;
        let context = request::context(&id, &peer);
        let caller = request::caller(service, &parts.headers, &peer, &context).await?;
        request::require(&caller, scope)?;
        Ok(Asked { caller, context, received: id.received, parts, body })
    }

    /// The parameters of the query; unknown ones are refused.
    fn query<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refusal> {
        axum::extract::Query::<T>::try_from_uri(&self.parts.uri)
            .map(|axum::extract::Query(query)| query)
            .map_err(|e| Refusal::told(ErrorCode::MalformedRequest, e.to_string()))
    }

    pub(super) async fn json<T: serde::de::DeserializeOwned>(
        self,
        service: &App,
    ) -> Result<(Caller, Context, T), Refusal> {
        let bytes: Bytes = request::body(service, self.body, limits::ADMIN_BODY_BYTES).await?;
        Ok((self.caller, self.context, request::json(&bytes)?))
    }
}

/// A path segment as one of our types; a malformed one cannot exist.
fn segment<T>(parsed: Result<T, impl std::fmt::Display>) -> Result<T, Refusal> {
    parsed.map_err(|e| Refusal::told(ErrorCode::NotFound, e.to_string()))
}

fn not_found(what: &str) -> Refusal {
    Refusal::told(ErrorCode::NotFound, format!("there is no such {what}"))
}
