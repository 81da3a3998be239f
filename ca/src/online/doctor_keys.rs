//! What `ca doctor` says about accounts and API keys.

use std::collections::HashSet;

use signet_api::ErrorCode;
use signet_api::access::{AccountInfo, AccountQuery, ApiKeyInfo, CredentialQuery};
use signet_api::scope::AccountId;
use signet_pki::UnixTime;

use crate::online::doctor::{Check, Level};
use crate::online::duration::{self, DAY};
use crate::online::service::{self, CallError, Paging, Service};
use crate::online::{account, apikey, print};

/// Nothing here stops a device; who has no permission to look at it is told so.
pub(super) fn examine(service: &dyn Service, now: UnixTime) -> Vec<Check> {
    let what = "API keys";
    let found = keys(service).and_then(|keys| Ok((idle_accounts(service, &keys)?, survived(service)?, keys)));
    match found {
        Ok((idle, survived, keys)) => {
            [legacy(&keys, now), ending(&keys, now), unused(&keys, now), idle, survived].into()
        }
        Err(CallError::Refused(problem, _)) if problem.code == ErrorCode::Forbidden => {
            vec![Check::new(Level::Ok, what, "not looked at: that needs the permission accounts:read", "")]
        }
        Err(error) => vec![Check::failed(what, &error.into())],
    }
}

/// Those that live.
fn keys(service: &dyn Service) -> Result<Vec<ApiKeyInfo>, CallError> {
    let page = service::pages::<ApiKeyInfo>(Paging::ALL, |after, limit| {
        let query = CredentialQuery { status: Some("active".into()), after, limit, ..CredentialQuery::default() };
        service::ask(service, apikey::PATH, &query)
    })?;
    Ok(page.items)
}

/// Revoked keys of which something lives on, without a reason that lets it.
fn survived(service: &dyn Service) -> Result<Check, CallError> {
    let page = service::pages::<ApiKeyInfo>(Paging::ALL, |after, limit| {
        let query = CredentialQuery { survived: Some(true), after, limit, ..CredentialQuery::default() };
        service::ask(service, apikey::PATH, &query)
    })?;
    let names: Vec<String> = page.items.iter().map(named).collect();
    let hint = "see what lives on: ca apikey revoke ID --reason key-compromise --dry-run; end it without --dry-run, or let it \
                live: ca apikey revoke ID --reason superseded";
    let (bad, good) =
        ("are revoked and something made with them lives", "nothing outlives the key that it was made with");
    Ok(judge("revoked API keys", &names, bad, good, hint))
}

/// Keys of another system that are still there, and whether anybody shows them.
fn legacy(keys: &[ApiKeyInfo], now: UnixTime) -> Check {
    let what = "imported keys";
    let legacy: Vec<&ApiKeyInfo> = keys.iter().filter(|key| key.legacy).collect();
    let Some(first_end) = legacy.iter().map(|key| &key.expires_at).min() else {
        return Check::new(Level::Ok, what, "none", "");
    };
    let in_use = legacy.iter().filter_map(|key| key.last_used_at.as_ref());
    let used = match in_use.clone().max() {
        None => "none of them was ever used".to_owned(),
        Some(last) => format!("{} in use, the last on {last}", in_use.count()),
    };
    let end = match UnixTime::parse_rfc3339(first_end) {
        Some(end) => duration::in_words(end.since(now)),
        None => print::visible(first_end),
    };
    let detail = format!("{}: {used}; the first ends {end}", legacy.len());
    Check::new(
        Level::Warn,
        what,
        detail,
        "replace them: each program with 'ca apikey rotate --own', see 'ca apikey list --legacy'",
    )
}

fn ending(keys: &[ApiKeyInfo], now: UnixTime) -> Check {
    let soon = |key: &&ApiKeyInfo| {
        let end = UnixTime::parse_rfc3339(&key.expires_at);
        // One that was replaced is to end.
        key.successor.is_none() && end.is_none_or(|end| end.since(now) < SOON)
    };
    let names: Vec<String> = keys.iter().filter(soon).map(named).collect();
    judge("ends of API keys", &names, "end within 14 days", "none ends within 14 days", "ca apikey rotate ID")
}

fn unused(keys: &[ApiKeyInfo], now: UnixTime) -> Check {
    let idle = |key: &&ApiKeyInfo| {
        let since = UnixTime::parse_rfc3339(key.last_used_at.as_ref().unwrap_or(&key.created_at));
        since.is_some_and(|since| now.since(since) > UNUSED)
    };
    let names: Vec<String> = keys.iter().filter(idle).map(named).collect();
    judge("use of API keys", &names, "were not used for 90 days", "each was used within 90 days", "ca apikey revoke ID")
}

/// Accounts that own nothing: somebody has forgotten them.
fn idle_accounts(service: &dyn Service, keys: &[ApiKeyInfo]) -> Result<Check, CallError> {
    let page = service::pages::<AccountInfo>(Paging::ALL, |after, limit| {
        service::ask(service, account::PATH, &AccountQuery { status: Some("active".into()), after, limit })
    })?;
    let with_key: HashSet<&AccountId> = keys.iter().filter_map(|key| key.account.as_ref()).collect();
    let mut names = Vec::new();
    for found in page.items.iter().filter(|found| !with_key.contains(&found.id)).take(LOOKED_AT) {
        if account::get(service, &found.id)?.devices.is_none_or(|devices| devices.is_empty()) {
            names.push(found.id.to_string());
        }
    }
    Ok(judge("accounts", &names, "have neither devices nor keys", "each has devices or keys", "ca account revoke ID"))
}

fn named(key: &ApiKeyInfo) -> String {
    let owner = key.account.as_ref().map(ToString::to_string).or(key.device.as_ref().map(ToString::to_string));
    format!("{} of {}", key.id, owner.unwrap_or_default())
}

fn judge(what: &str, names: &[String], bad: &str, good: &str, hint: &str) -> Check {
    if names.is_empty() {
        return Check::new(Level::Ok, what, good, "");
    }
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    Check::new(Level::Warn, what, format!("{} {bad}: {shown}{more}", names.len()), hint)
}

const SOON: i64 = 14 * DAY;
const UNUSED: i64 = 90 * DAY;
/// In one line.
const SHOWN: usize = 5;
/// Each costs a request.
const LOOKED_AT: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::service::tests::{Fake, refused};

    const NOW: UnixTime = UnixTime(1_800_000_000);

    fn key(id: &str, ends: i64, used: Option<i64>, legacy: bool) -> serde_json::Value {
        serde_json::json!({
            "id": id, "account": "acme", "name": "", "scopes": "", "status": "active", "cidr": null,
            "created_at": NOW.minus(100 * DAY).to_string(), "created_by": "admin:x",
            "expires_at": NOW.plus(ends * DAY).to_string(),
            "last_used_at": used.map(|days| NOW.minus(days * DAY).to_string()), "successor": null, "legacy": legacy
        })
    }

    fn checks(keys: &[serde_json::Value]) -> Vec<Check> {
        checks_with(keys, &[])
    }

    fn checks_with(keys: &[serde_json::Value], survived: &[serde_json::Value]) -> Vec<Check> {
        let account = |id: &str| {
            serde_json::json!({
                "id": id, "kind": "program", "name": "", "status": "active", "permissions": "", "scopes": "",
                "created_at": NOW.to_string(), "created_by": "admin:x", "devices": []
            })
        };
        let page = |items: serde_json::Value| serde_json::json!({ "items": items, "next": null });
        let service = Fake::default()
            .with("/v1/admin/apikeys?limit=1000&status=active", &page(keys.into()))
            .with("/v1/admin/apikeys?limit=1000&survived=true", &page(survived.into()))
            .with("/v1/admin/accounts?limit=1000&status=active", &page(vec![account("acme"), account("idle")].into()))
            .with("/v1/admin/accounts/acme", &account("acme"))
            .with("/v1/admin/accounts/idle", &account("idle"));
        examine(&service, NOW)
    }

    #[test]
    fn keys_and_accounts_are_judged_one_by_one() {
        let good = checks(&[key("0123456789", 100, Some(1), false)]);
        assert!(good[..3].iter().all(|check| check.level == Level::Ok), "{good:?}");
        assert!(good[3].detail.starts_with("1 have neither devices nor keys: idle"), "{good:?}");
        let bad = checks(&[
            key("0000000000", 13, Some(1), false),
            key("1111111111", 100, None, false),
            key("2222222222", 50, Some(3), true),
            key("3333333333", 20, None, true),
        ]);
        let detail = |n: usize| bad[n].detail.as_str();
        assert!(bad[..4].iter().all(|check| check.level == Level::Warn), "{bad:?}");
        assert!(detail(0).starts_with("2: 1 in use, the last on ") && detail(0).ends_with("ends in 20 d"), "{bad:?}");
        assert_eq!(detail(1), "1 end within 14 days: 0000000000 of acme");
        assert!(detail(2).starts_with("2 were not used for 90 days: 1111111111 of acme, 3333333333"), "{bad:?}");
        assert!(checks(&[])[3].detail.starts_with("2 have neither"));
    }

    #[test]
    fn a_revoked_key_that_something_outlives_is_a_warning() {
        let found = checks_with(&[], &[key("0000000000", 13, None, false)]);
        assert_eq!(found[4].level, Level::Warn);
        assert_eq!(found[4].detail, "1 are revoked and something made with them lives: 0000000000 of acme");
        assert_eq!(checks(&[])[4].level, Level::Ok);
    }

    #[test]
    fn who_may_not_look_is_told_so_and_nothing_fails() {
        struct No(ErrorCode);
        impl Service for No {
            fn call(&self, _: service::Call<'_>) -> Result<Vec<u8>, CallError> {
                Err(refused(self.0))
            }
        }
        let checks = examine(&No(ErrorCode::Forbidden), NOW);
        assert_eq!((checks.len(), checks[0].level), (1, Level::Ok));
        assert_eq!(examine(&No(ErrorCode::StoreUnavailable), NOW)[0].level, Level::Fail);
    }
}
