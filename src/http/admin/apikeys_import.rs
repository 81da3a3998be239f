//! Keys that another system made: known by their hash from now on, until they are replaced.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use serde_json::json;
use signet_api::ErrorCode;
use signet_api::access::{ApiKeyInfo, IMPORT_BATCH, ImportApiKeys, ImportedApiKeys};
use signet_api::scope::{Scope, Scopes};
use signet_pki::Fingerprint;

use super::Asked;
use super::apikeys::{grant, scopes};
use crate::credentials::apikeys::{IMPORTED, Plan};
use crate::credentials::keys::LegacyKey;
use crate::http::refusal::Refusal;
use crate::http::request::answer;
use crate::http::{App, rotation};
use crate::store::{AccessConflict, AuditDraft, CreateCredentials, CredentialRecord, Origin, Owner};

/// A record with the place of its key in the list, from 1.
type Placed = (usize, CredentialRecord);

pub(super) async fn import(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    let asked = Asked::with(&service, incoming, Scope::AccountsWrite).await?;
    let (caller, context, order) = asked.json::<ImportApiKeys>(&service).await?;
    if order.keys.is_empty() || order.keys.len() > IMPORT_BATCH {
        return Err(Refusal::told(ErrorCode::InvalidArgument, format!("an import has 1 to {IMPORT_BATCH} keys")));
    }
    let owner = Owner::Account(order.account.clone());
    let wanted = scopes(&service, &owner, order.scopes).await?;
    let keys = parsed(&order)?;
    let (held, whole) = (Scopes::NONE, without_secrets(&order));
    let scopes = grant(&service, (&caller, &context), &owner, (wanted, held), ("/import", &whole)).await?;
    let (actor, name, now) = (caller.actor(), caller.name(), service.clock.now());
    let mut records: Vec<Placed> = Vec::with_capacity(keys.len());
    for (place, (key, wanted)) in (1..).zip(keys.iter().zip(&order.keys)) {
        let plan = Plan::new(owner.clone(), &wanted.name, scopes, None, order.lifetime, IMPORTED)?;
        let record = plan.adopt(key, &name, now, &service.authorizer.pepper, service.random.as_ref())?;
        records.push((place, record));
    }
    twice(&records)?;
    let draft = AuditDraft {
        kind: "apikey.imported",
        actor,
        subject: format!("account:{}", order.account),
        request_id: context.request_id,
        detail: json!({ "scopes": scopes.scopes() }),
        at: now,
    };
    let (stored, known) = store(&service, records, caller.origin(), draft, order.skip_known).await?;
    let keys: Vec<ApiKeyInfo> = stored.into_iter().map(|record| rotation::info(record, now)).collect();
    answer(&ImportedApiKeys { keys, known })
}

/// What a second person sees and agrees to: everything but the keys, which a hash stands for.
fn without_secrets(order: &ImportApiKeys) -> serde_json::Value {
    let listed: String = order.keys.iter().map(|wanted| format!("{}\n{}\n", wanted.key, wanted.name)).collect();
    json!({
        "account": order.account, "scopes": order.scopes, "lifetime": order.lifetime, "keys": order.keys.len(),
        "keys_sha256": Fingerprint::of(listed.as_bytes()).to_string(),
    })
}

/// All of them, or those that are not known yet. What is known is never changed.
async fn store(
    service: &App,
    records: Vec<Placed>,
    origin: Origin,
    draft: AuditDraft,
    skip_known: bool,
) -> Result<(Vec<CredentialRecord>, Vec<usize>), Refusal> {
    let (mut records, mut known) = (records, Vec::new());
    loop {
        if records.is_empty() {
            return Ok((Vec::new(), known));
        }
        let credentials: Vec<_> = records.iter().map(|(_, record)| record.clone()).collect();
        let mut draft = draft.clone();
        draft.detail["apikeys"] = credentials.iter().map(|record| record.id.as_str()).collect();
        let order = CreateCredentials { credentials: credentials.clone(), origin: origin.clone(), draft };
        let ids = match service.store.create_credentials(order).await? {
            Ok(()) => return Ok((credentials, known)),
            Err(AccessConflict::Known(ids)) => ids,
            Err(other) => return Err(rotation::conflict(other)),
        };
        let (old, new): (Vec<Placed>, Vec<Placed>) =
            records.into_iter().partition(|(_, record)| ids.contains(&record.id));
        let places: Vec<usize> = old.iter().map(|(place, _)| *place).collect();
        if !skip_known || places.is_empty() {
            let sentence = format!("known here already, so nothing was imported: the keys {}", listed(&places));
            return Err(Refusal::told(ErrorCode::Conflict, sentence));
        }
        known.extend(places);
        known.sort_unstable();
        records = new;
    }
}

/// A key is never quoted: it is a secret also when it is mistyped.
fn parsed(order: &ImportApiKeys) -> Result<Vec<LegacyKey>, Refusal> {
    let keys: Vec<Option<LegacyKey>> = order.keys.iter().map(|wanted| LegacyKey::parse(&wanted.key)).collect();
    let bad: Vec<usize> = (1..).zip(&keys).filter(|(_, key)| key.is_none()).map(|(place, _)| place).collect();
    if !bad.is_empty() {
        let sentence = format!("not in the form of a UUID, so nothing was imported: the keys {}", listed(&bad));
        return Err(Refusal::told(ErrorCode::InvalidArgument, sentence));
    }
    Ok(keys.into_iter().flatten().collect())
}

fn twice(records: &[Placed]) -> Result<(), Refusal> {
    let mut first = HashMap::new();
    let again = |(place, record): &Placed| first.insert(record.hash, *place).is_some().then_some(*place);
    let places: Vec<usize> = records.iter().filter_map(again).collect();
    if places.is_empty() {
        return Ok(());
    }
    let sentence = format!("in the list before, so nothing was imported: the keys {}", listed(&places));
    Err(Refusal::told(ErrorCode::InvalidArgument, sentence))
}

fn listed(places: &[usize]) -> String {
    let shown: Vec<String> = places.iter().take(SHOWN).map(ToString::to_string).collect();
    let rest = places.len().saturating_sub(SHOWN);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    shown.join(", ") + &more
}

/// Places in one sentence.
const SHOWN: usize = 50;
