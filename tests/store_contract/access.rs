//! Accounts and credentials: every verb and every conflict.

use signet::store::{
    AccessConflict, AccountRecord, AccountStatus, CREDENTIALS_OF_ONE, ChangeAccount, ChangeCredential, ChangeDevice,
    Conflict, CreateAccount, CreateCredentials, CredentialRecord, CredentialStatus, IMPORTED_OF_ONE, Mode, Owner,
    RevokeTarget, RotateCredential, Step,
};
use signet_api::access::{AccountKind, AccountQuery, CredentialQuery};
use signet_api::scope::AccountId;
use signet_api::{Credential, CredentialId, CredentialKind};
use signet_pki::{Fingerprint, UnixTime};

use crate::bench::Bench;
use crate::factory::{DAY, NOW, draft, id, revocation, step, target_device, unique};

fn account_id(name: &str) -> AccountId {
    AccountId::parse(name).unwrap()
}

fn account(name: &str) -> AccountRecord {
    AccountRecord {
        id: account_id(name),
        kind: AccountKind::Person,
        name: format!("{name} Ltd"),
        status: AccountStatus::Active,
        permissions: "role:auditor tokens:write".parse().unwrap(),
        created_at: NOW,
        created_by: "admin:alice".into(),
        version: 1,
    }
}

fn key(owner: Owner) -> CredentialRecord {
    let mut random = [7; 24];
    random[..8].copy_from_slice(&unique()[12..]);
    random[..8].reverse();
    let id = Credential::from_random(CredentialKind::ApiKey, &random).id().clone();
    let mut hash = [0; 32];
    hash[..20].copy_from_slice(&unique());
    CredentialRecord {
        id: id.clone(),
        kind: CredentialKind::ApiKey,
        hash,
        owner,
        name: "nightly".into(),
        scopes: "devices:read audit:read".parse().unwrap(),
        status: CredentialStatus::Active,
        family: id,
        parent: None,
        spki: None,
        cidr: Some("10.0.0.0/8".into()),
        created_at: NOW,
        created_by: "admin:alice".into(),
        expires_at: NOW.plus(30 * DAY),
        line_ends_at: None,
        used_at: None,
        successor: None,
        last_used_at: None,
        legacy: false,
    }
}

pub(crate) fn of(name: &str) -> CredentialRecord {
    key(Owner::Account(account_id(name)))
}

fn imported(name: &str) -> CredentialRecord {
    CredentialRecord { legacy: true, ..of(name) }
}

fn change(key: &CredentialRecord, status: Option<CredentialStatus>) -> ChangeCredential {
    let draft = draft("apikey.changed", "apikey");
    ChangeCredential { id: key.id.clone(), status, name: None, scopes: None, cidr: None, draft }
}

fn step_account(name: &str, status: Option<AccountStatus>) -> ChangeAccount {
    let draft = draft("account.changed", "account");
    ChangeAccount { id: account_id(name), name: None, status, permissions: None, draft }
}

pub(crate) fn rotation(
    old: &CredentialRecord,
    new: &CredentialRecord,
    instead_of: Option<&CredentialRecord>,
) -> RotateCredential {
    RotateCredential {
        old: old.id.clone(),
        new: new.clone(),
        old_ends_at: NOW.plus(DAY),
        instead_of: instead_of.map(|lost| lost.id.clone()),
        draft: draft("apikey.rotated", "apikey"),
    }
}

impl Bench {
    pub(crate) async fn account(&self, name: &str) -> AccountRecord {
        let record = account(name);
        let order = CreateAccount { account: record.clone(), draft: draft("account.created", name) };
        self.store.create_account(order).await.unwrap().unwrap();
        record
    }

    async fn keep(&self, keys: &[CredentialRecord]) -> Result<(), AccessConflict> {
        let order = CreateCredentials {
            credentials: keys.to_vec(),
            origin: Default::default(),
            draft: draft("apikey.created", "apikey"),
        };
        self.store.create_credentials(order).await.unwrap()
    }

    async fn key(&self, account: &str) -> CredentialRecord {
        let key = of(account);
        self.keep(std::slice::from_ref(&key)).await.unwrap();
        key
    }

    pub(crate) async fn credential(&self, id: &CredentialId) -> CredentialRecord {
        self.store.credential(id).await.unwrap().unwrap()
    }
}

pub(crate) async fn an_account_is_what_was_ordered_and_its_name_is_used_once(bench: Bench) {
    let made = bench.account("acme").await;
    assert_eq!(bench.store.account(&made.id).await.unwrap(), Some(made.clone()));
    let again = CreateAccount { account: account("acme"), draft: draft("account.created", "acme") };
    let refused = bench.unchanged_by(bench.store.create_account(again)).await.unwrap();
    assert_eq!(refused, Err(AccessConflict::Exists));
    assert_eq!(bench.store.account(&account_id("other")).await.unwrap(), None);

    let order = ChangeAccount {
        name: Some("New".into()),
        permissions: Some("devices:read".parse().unwrap()),
        ..step_account("acme", None)
    };
    let changed = bench.store.change_account(order).await.unwrap().unwrap().unwrap();
    let wanted = AccountRecord {
        name: "New".into(),
        permissions: "devices:read".parse().unwrap(),
        version: made.version + 1,
        ..made
    };
    assert_eq!(changed, wanted);
    let nobody = bench.unchanged_by(bench.store.change_account(step_account("other", None))).await.unwrap();
    assert_eq!(nobody, None);
}

pub(crate) async fn an_account_goes_to_and_fro_until_it_is_revoked(bench: Bench) {
    use AccountStatus::*;
    bench.account("acme").await;
    for (to, from) in [(Active, Active), (Suspended, Active), (Suspended, Suspended), (Active, Suspended)] {
        let outcome = bench.store.change_account(step_account("acme", Some(to))).await.unwrap().unwrap();
        match outcome {
            Ok(record) => assert_eq!((record.status, to != from), (to, true)),
            Err(conflict) => assert_eq!((conflict, to), (AccessConflict::Account(from), from)),
        }
    }
    // Ending it is not done by a change: that would leave its keys.
    let order = step_account("acme", Some(Revoked));
    let refused = bench.unchanged_by(bench.store.change_account(order)).await.unwrap();
    assert_eq!(refused, Some(Err(AccessConflict::Account(Active))));
    bench.revoke(RevokeTarget::Account(account_id("acme"))).await;
    for order in [None, Some(Active), Some(Suspended)].map(|status| step_account("acme", status)) {
        let refused = bench.unchanged_by(bench.store.change_account(order)).await.unwrap();
        assert_eq!(refused, Some(Err(AccessConflict::Account(Revoked))));
    }
    assert_eq!(bench.keep(&[of("acme")]).await, Err(AccessConflict::OwnerEnded));
}

pub(crate) async fn a_credential_is_what_was_ordered(bench: Bench) {
    bench.account("acme").await;
    bench.enrolled("sensor-1").await;
    let first = CredentialRecord {
        parent: Some(CredentialId::parse("0123456789").unwrap()),
        spki: Some(Fingerprint::of(b"key")),
        line_ends_at: Some(NOW.plus(9 * DAY)),
        ..of("acme")
    };
    let second = CredentialRecord { cidr: None, ..key(Owner::Principal(id("sensor-1"))) };
    bench.keep(&[first.clone(), second.clone()]).await.unwrap();
    assert_eq!(
        (bench.credential(&first.id).await, bench.credential(&second.id).await),
        (first.clone(), second.clone())
    );
    assert_eq!(bench.store.legacy_credential(&first.hash).await.unwrap(), None, "only what was imported is found so");
    for (owner, conflict) in [
        (Owner::Account(account_id("nobody")), AccessConflict::NoOwner),
        (Owner::Principal(id("nobody")), AccessConflict::NoOwner),
    ] {
        assert_eq!(bench.unchanged_by(bench.keep(&[of("acme"), key(owner)])).await, Err(conflict));
    }
    bench.store.change_device(step("sensor-1", Step::Suspend)).await.unwrap().unwrap().unwrap();
    let refused = bench.unchanged_by(bench.keep(&[key(Owner::Principal(id("sensor-1")))])).await;
    assert_eq!(refused, Err(AccessConflict::OwnerEnded));
}

pub(crate) async fn a_credential_is_switched_off_and_on_until_it_is_revoked(bench: Bench) {
    use CredentialStatus::*;
    bench.account("acme").await;
    let key = bench.key("acme").await;
    let mut now = Active;
    for to in [Active, Disabled, Disabled, Active, Used, Disabled, Revoked] {
        let possible = to != now && to != Used;
        let outcome = bench.store.change_credential(change(&key, Some(to))).await.unwrap().unwrap();
        match outcome {
            Ok(record) => {
                assert_eq!((record.status, possible), (to, true));
                now = to;
            }
            Err(conflict) => assert_eq!((conflict, possible), (AccessConflict::Credential(now), false), "{to:?}"),
        }
    }
    for to in [None, Some(Active), Some(Disabled), Some(Revoked)] {
        let refused = bench.unchanged_by(bench.store.change_credential(change(&key, to))).await.unwrap();
        assert_eq!(refused, Some(Err(AccessConflict::Credential(Revoked))));
    }
    let rotated = bench.unchanged_by(bench.store.rotate_credential(rotation(&key, &of("acme"), None))).await.unwrap();
    assert_eq!(rotated, Some(Err(AccessConflict::Credential(Revoked))));
    let unknown = of("acme");
    assert_eq!(bench.unchanged_by(bench.store.change_credential(change(&unknown, None))).await.unwrap(), None);
    let rotated = bench.store.rotate_credential(rotation(&unknown, &of("acme"), None));
    assert_eq!(bench.unchanged_by(rotated).await.unwrap(), None);
}

pub(crate) async fn name_scopes_and_network_change_by_themselves(bench: Bench) {
    bench.account("acme").await;
    let key = bench.key("acme").await;
    let order = ChangeCredential {
        name: Some("daily".into()),
        scopes: Some("audit:read".parse().unwrap()),
        ..change(&key, None)
    };
    let changed = bench.store.change_credential(order).await.unwrap().unwrap().unwrap();
    let wanted = CredentialRecord { name: "daily".into(), scopes: "audit:read".parse().unwrap(), ..key.clone() };
    assert_eq!(changed, wanted);
    for cidr in [None, Some("192.0.2.0/24".to_owned())] {
        let order = ChangeCredential { cidr: Some(cidr.clone()), ..change(&key, None) };
        let changed = bench.store.change_credential(order).await.unwrap().unwrap().unwrap();
        assert_eq!(changed, CredentialRecord { cidr, ..wanted.clone() });
    }
}

pub(crate) async fn a_rotation_shortens_the_old_one_and_happens_once(bench: Bench) {
    bench.account("acme").await;
    let (old, first, second) = (bench.key("acme").await, of("acme"), of("acme"));
    let rotated = bench.store.rotate_credential(rotation(&old, &first, None)).await.unwrap().unwrap().unwrap();
    let wanted = CredentialRecord { successor: Some(first.id.clone()), expires_at: NOW.plus(DAY), ..old.clone() };
    assert_eq!(rotated, wanted);
    assert_eq!(bench.credential(&first.id).await, first);
    let again = bench.unchanged_by(bench.store.rotate_credential(rotation(&old, &second, None))).await.unwrap();
    assert_eq!(again, Some(Err(AccessConflict::Exists)));
    let other = bench.unchanged_by(bench.store.rotate_credential(rotation(&old, &second, Some(&old)))).await.unwrap();
    assert_eq!(other, Some(Err(AccessConflict::Exists)), "that is not its successor");
    // Its answer was lost: nobody has used it.
    let order = RotateCredential { old_ends_at: NOW.plus(9 * DAY), ..rotation(&old, &second, Some(&first)) };
    let rotated = bench.store.rotate_credential(order).await.unwrap().unwrap().unwrap();
    assert_eq!(
        rotated,
        CredentialRecord { successor: Some(second.id.clone()), ..wanted },
        "it ends when it was to end"
    );
    assert_eq!(bench.credential(&first.id).await.status, CredentialStatus::Revoked);
    // Used: it stays.
    bench.store.note_credentials_used(vec![(second.id.clone(), NOW)]).await.unwrap();
    let late = rotation(&old, &of("acme"), Some(&second));
    let refused = bench.unchanged_by(bench.store.rotate_credential(late)).await.unwrap();
    assert_eq!(refused, Some(Err(AccessConflict::Exists)));
    let order = step_account("acme", Some(AccountStatus::Suspended));
    bench.store.change_account(order).await.unwrap().unwrap().unwrap();
    let refused =
        bench.unchanged_by(bench.store.rotate_credential(rotation(&second, &of("acme"), None))).await.unwrap();
    assert_eq!(refused, Some(Err(AccessConflict::OwnerEnded)));
}

pub(crate) async fn an_imported_key_is_known_once_and_all_that_are_known_are_named(bench: Bench) {
    bench.account("acme").await;
    bench.account("other").await;
    let (a, b, c) = (imported("acme"), imported("acme"), imported("other"));
    bench.keep(&[a.clone(), b.clone()]).await.unwrap();
    assert_eq!(bench.store.legacy_credential(&a.hash).await.unwrap(), Some(a.clone()));
    let again = [&a, &b].map(|old| CredentialRecord { hash: old.hash, ..imported("other") });
    let list = [again[0].clone(), c.clone(), again[1].clone()];
    let known = AccessConflict::Known(vec![again[0].id.clone(), again[1].id.clone()]);
    assert_eq!(bench.unchanged_by(bench.keep(&list)).await, Err(known));
    assert_eq!(bench.store.legacy_credential(&c.hash).await.unwrap(), None);
    // Also when it was revoked: it does not come back under another owner.
    bench.store.change_credential(change(&a, Some(CredentialStatus::Revoked))).await.unwrap().unwrap().unwrap();
    assert_eq!(bench.keep(&list[..1]).await, Err(AccessConflict::Known(vec![again[0].id.clone()])));
    assert_eq!(bench.store.legacy_credential(&a.hash).await.unwrap().unwrap().status, CredentialStatus::Revoked);
}

pub(crate) async fn an_owner_has_so_many_credentials_and_no_more(bench: Bench) {
    bench.account("acme").await;
    let many: Vec<_> = (0..CREDENTIALS_OF_ONE - 1).map(|_| of("acme")).collect();
    bench.keep(&many).await.unwrap();
    let two = [of("acme"), of("acme")];
    assert_eq!(bench.unchanged_by(bench.keep(&two)).await, Err(AccessConflict::TooMany));
    bench.keep(&two[..1]).await.unwrap();
    let refused = bench.store.rotate_credential(rotation(&many[0], &two[1], None));
    assert_eq!(bench.unchanged_by(refused).await.unwrap(), Some(Err(AccessConflict::TooMany)));
    // Imported ones are counted apart, and what is over does not count.
    bench.keep(&[imported("acme")]).await.unwrap();
    bench.store.change_credential(change(&many[0], Some(CredentialStatus::Revoked))).await.unwrap().unwrap().unwrap();
    bench.keep(&two[1..]).await.unwrap();
    let later = CredentialRecord { created_at: NOW.plus(31 * DAY), expires_at: NOW.plus(60 * DAY), ..of("acme") };
    bench.keep(&[later]).await.unwrap();
    let fleet: Vec<_> = (0..IMPORTED_OF_ONE).map(|_| imported("acme")).collect();
    assert_eq!(bench.unchanged_by(bench.keep(&fleet)).await, Err(AccessConflict::TooMany));
}

pub(crate) async fn the_last_use_only_moves_on_and_is_no_entry(bench: Bench) {
    bench.account("acme").await;
    let key = bench.key("acme").await;
    let entries = bench.audit().await.len();
    for (at, seen) in [(5, 5), (3, 5), (9, 9)] {
        bench.store.note_credentials_used(vec![(key.id.clone(), UnixTime(at))]).await.unwrap();
        assert_eq!(bench.credential(&key.id).await.last_used_at, Some(UnixTime(seen)));
    }
    bench.unchanged_by(bench.store.note_credentials_used(vec![(of("acme").id, NOW)])).await.unwrap();
    assert_eq!(bench.audit().await.len(), entries);
}

pub(crate) async fn an_account_is_revoked_with_everything_it_has_and_no_other(bench: Bench) {
    bench.account("acme").await;
    bench.account("other").await;
    let devices = [bench.enrolled("a").await, bench.enrolled("b").await];
    bench.enrolled("c").await;
    for (device, owner) in [("a", "acme"), ("b", "acme"), ("c", "other")] {
        bench.give(device, Some(owner)).await.unwrap();
    }
    assert_eq!(bench.store.devices_of(&account_id("acme")).await.unwrap(), [id("a"), id("b")]);
    assert_eq!(bench.give("c", Some("nobody")).await, Err(Conflict::NoAccount));
    let (active, off, of_device, theirs) =
        (bench.key("acme").await, bench.key("acme").await, key(Owner::Principal(id("a"))), bench.key("other").await);
    bench.keep(std::slice::from_ref(&of_device)).await.unwrap();
    bench.store.change_credential(change(&off, Some(CredentialStatus::Disabled))).await.unwrap().unwrap().unwrap();
    let target = || RevokeTarget::Account(account_id("acme"));
    let plan = bench.unchanged_by(bench.store.revoke(revocation(target(), Mode::DryRun))).await.unwrap();
    let done = bench.revoke(target()).await;
    assert_eq!(
        (&plan.devices, &plan.certificates, &plan.accounts),
        (&done.devices, &done.certificates, &done.accounts)
    );
    assert_eq!(
        (done.devices.as_slice(), done.accounts.as_slice()),
        (&[id("a"), id("b")][..], &[account_id("acme")][..])
    );
    assert_eq!(done.certificates.len(), devices.len());
    let mut ended = done.credentials.clone();
    let mut wanted = vec![active.id.clone(), off.id.clone(), of_device.id.clone()];
    ended.sort();
    wanted.sort();
    assert_eq!(ended, wanted);
    assert_eq!(bench.credential(&theirs.id).await, theirs);
    for key in [&active, &off, &of_device] {
        assert_eq!(bench.credential(&key.id).await.status, CredentialStatus::Revoked);
    }
    let entry = bench.audit().await.pop().unwrap();
    assert!(wanted.iter().all(|id| entry.canonical.contains(id.as_str())), "{}", entry.canonical);
    let again = bench.unchanged_by(bench.store.revoke(revocation(target(), Mode::Apply))).await.unwrap();
    assert!(again.known && again.is_empty());
    assert_eq!(bench.give("c", Some("acme")).await, Err(Conflict::NoAccount), "nothing is given to who has ended");
}

pub(crate) async fn a_device_is_revoked_with_its_own_credentials(bench: Bench) {
    bench.account("acme").await;
    for name in ["a", "b"] {
        bench.enrolled(name).await;
        bench.give(name, Some("acme")).await.unwrap();
    }
    let (own, other, shared) =
        (key(Owner::Principal(id("a"))), key(Owner::Principal(id("b"))), bench.key("acme").await);
    bench.keep(&[own.clone(), other.clone()]).await.unwrap();
    let done = bench.revoke(target_device("a")).await;
    assert_eq!((done.credentials.as_slice(), done.accounts.len()), (std::slice::from_ref(&own.id), 0));
    assert_eq!((bench.credential(&other.id).await, bench.credential(&shared.id).await), (other, shared));
    bench.give("b", None).await.unwrap();
    assert!(bench.store.principal(&id("b")).await.unwrap().unwrap().account.is_none());
}

pub(crate) async fn accounts_and_credentials_are_listed_page_by_page(bench: Bench) {
    for name in ["a", "b", "c"] {
        bench.account(name).await;
    }
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(bench.key("a").await);
    }
    bench.store.change_credential(change(&keys[0], Some(CredentialStatus::Disabled))).await.unwrap().unwrap().unwrap();
    bench.keep(&[imported("b")]).await.unwrap();
    let suspend = step_account("b", Some(AccountStatus::Suspended));
    bench.store.change_account(suspend).await.unwrap().unwrap().unwrap();

    let query = |after: Option<String>| AccountQuery { after, limit: Some(2), ..AccountQuery::default() };
    let first = bench.store.accounts(query(None)).await.unwrap();
    assert_eq!((first.items.len(), first.next.as_deref()), (2, Some("b")));
    let rest = bench.store.accounts(query(first.next)).await.unwrap();
    assert_eq!((rest.items[0].id.as_str(), rest.items.len(), rest.next), ("c", 1, None));
    let suspended = AccountQuery { status: Some("suspended".into()), ..AccountQuery::default() };
    assert_eq!(bench.store.accounts(suspended).await.unwrap().items.len(), 1);

    let list = async |query: CredentialQuery, now: UnixTime| bench.store.credentials(query, now).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = list(CredentialQuery { after, limit: Some(2), ..CredentialQuery::default() }, NOW).await;
        seen.extend(page.items.into_iter().map(|key| key.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(seen.len() == 6 && seen.windows(2).all(|pair| pair[0] < pair[1]), "{seen:?}");
    let count = async |query: CredentialQuery, now: UnixTime| list(query, now).await.items.len();
    let of_a = CredentialQuery { account: Some(account_id("a")), ..CredentialQuery::default() };
    let with = |status: &str| CredentialQuery { status: Some(status.into()), ..of_a.clone() };
    assert_eq!(count(of_a.clone(), NOW).await, 5);
    assert_eq!((count(with("active"), NOW).await, count(with("disabled"), NOW).await), (4, 1));
    let end = NOW.plus(30 * DAY);
    assert_eq!((count(with("expired"), NOW).await, count(with("expired"), end).await), (0, 5));
    assert_eq!(count(with("active"), end).await, 0);
    assert_eq!(count(CredentialQuery { legacy: Some(true), ..CredentialQuery::default() }, NOW).await, 1);
    assert_eq!(count(CredentialQuery { kind: Some("sgr".into()), ..CredentialQuery::default() }, NOW).await, 0);
    assert_eq!(count(CredentialQuery { device: Some(id("x")), ..CredentialQuery::default() }, NOW).await, 0);
}

pub(crate) async fn every_verb_of_access_appends_one_entry(bench: Bench) {
    bench.account("acme").await;
    let key = bench.key("acme").await;
    bench.store.change_account(step_account("acme", None)).await.unwrap().unwrap().unwrap();
    bench.store.change_credential(change(&key, None)).await.unwrap().unwrap().unwrap();
    bench.store.rotate_credential(rotation(&key, &of("acme"), None)).await.unwrap().unwrap().unwrap();
    let kinds: Vec<String> = bench.audit().await.into_iter().map(|row| row.kind).collect();
    let wanted = ["account.created", "apikey.created", "account.changed", "apikey.changed", "apikey.rotated"];
    assert_eq!(kinds, wanted);
}

pub(crate) async fn a_spoiled_credential_is_corrupt(bench: Bench) {
    bench.account("acme").await;
    let key = bench.key("acme").await;
    for (column, value) in [("status", "'odd'"), ("scopes", "'root'"), ("kind", "'xyz'"), ("hash", "x'00'")] {
        bench.backend.spoil(&format!("UPDATE credential SET {column} = {value}"));
        assert!(bench.store.credential(&key.id).await.is_err(), "{column}");
    }
    bench.backend.spoil("UPDATE account SET permissions = 'role:king'");
    assert!(bench.store.account(&account_id("acme")).await.is_err());
}

impl Bench {
    async fn give(&self, device: &str, account: Option<&str>) -> Result<(), Conflict> {
        let order = ChangeDevice { step: None, account: Some(account.map(account_id)), ..step(device, Step::Suspend) };
        self.store.change_device(order).await.unwrap().unwrap().map(drop)
    }
}
