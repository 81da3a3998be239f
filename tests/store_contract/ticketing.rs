//! Stream tickets: used by one, gone soon.

use signet::store::*;
use signet_api::access::AccountKind;
use signet_api::scope::{AccountId, Permissions};
use signet_api::{Credential, CredentialKind};
use signet_pki::UnixTime;

use crate::bench::{Bench, at_once};
use crate::factory::{NOW, draft, target_device};

async fn acme(bench: &Bench) -> Owner {
    let id = AccountId::parse("acme").unwrap();
    let account = AccountRecord {
        id: id.clone(),
        kind: AccountKind::Program,
        name: "Acme".into(),
        status: AccountStatus::Active,
        permissions: Permissions::default(),
        created_at: NOW,
        created_by: "admin:test".into(),
        version: 1,
    };
    let order = CreateAccount { account, draft: draft("account.created", "account:acme") };
    bench.store.create_account(order).await.unwrap().unwrap();
    Owner::Account(id)
}

fn ticket(owner: &Owner, n: u8) -> TicketRecord {
    let credential = Credential::from_random(CredentialKind::Ticket, &[n; 24]);
    let credential = CredentialRecord {
        id: credential.id().clone(),
        kind: CredentialKind::Ticket,
        hash: [n; 32],
        owner: owner.clone(),
        name: String::new(),
        scopes: "events:read".parse().unwrap(),
        status: CredentialStatus::Active,
        family: credential.id().clone(),
        parent: None,
        spki: None,
        cidr: None,
        created_at: NOW,
        created_by: "account:acme".into(),
        expires_at: NOW.plus(30),
        line_ends_at: None,
        used_at: None,
        successor: None,
        last_used_at: None,
        legacy: false,
    };
    TicketRecord { credential, serial: None }
}

async fn create(bench: &Bench, ticket: &TicketRecord) -> Result<(), AccessConflict> {
    let subject = format!("ticket:{}", ticket.credential.id);
    let order = CreateTicket { ticket: ticket.clone(), draft: draft("ticket.created", &subject) };
    bench.store.create_ticket(order).await.unwrap()
}

fn take(ticket: &TicketRecord, now: UnixTime) -> TakeTicket {
    let id = ticket.credential.id.clone();
    TakeTicket { draft: draft("ticket.used", &format!("ticket:{id}")), id, now }
}

pub(crate) async fn t42_a_ticket_is_used_by_one_of_many_and_before_its_end(bench: Bench) {
    let owner = acme(&bench).await;
    let (one, late) = (ticket(&owner, 1), ticket(&owner, 2));
    for ticket in [&one, &late] {
        create(&bench, ticket).await.unwrap();
        assert_eq!(bench.store.ticket(&ticket.credential.id).await.unwrap().as_ref(), Some(ticket));
    }
    let racers = (0..20).map(|_| {
        let (store, order) = (bench.store.clone(), take(&one, NOW.plus(29)));
        async move { store.take_ticket(order).await.unwrap() }
    });
    let outcomes = at_once(racers.collect()).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let used = Err(AccessConflict::Credential(CredentialStatus::Used));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == used).count(), 19);
    let found = bench.store.ticket(&one.credential.id).await.unwrap().unwrap().credential;
    assert_eq!((found.status, found.used_at), (CredentialStatus::Used, Some(NOW.plus(29))));
    let too_late = bench.unchanged_by(bench.store.take_ticket(take(&late, NOW.plus(30)))).await.unwrap();
    assert_eq!(too_late, Err(AccessConflict::Credential(CredentialStatus::Active)));
    let unknown = bench.unchanged_by(bench.store.take_ticket(take(&ticket(&owner, 3), NOW))).await.unwrap();
    assert!(unknown.is_err());
    bench.audit().await;
}

pub(crate) async fn t42_tickets_of_one_owner_are_few_and_end_with_it(bench: Bench) {
    let owner = acme(&bench).await;
    for n in 0..TICKETS_OF_ONE as u8 {
        create(&bench, &ticket(&owner, n + 1)).await.unwrap();
    }
    let more = ticket(&owner, 100);
    assert_eq!(bench.unchanged_by(create(&bench, &more)).await, Err(AccessConflict::TooMany));
    bench.store.take_ticket(take(&ticket(&owner, 1), NOW)).await.unwrap().unwrap();
    create(&bench, &more).await.unwrap();

    // A device's, with the certificate that it was got with.
    let issued = bench.enrolled("a").await;
    let serial = Some(issued.serial().clone());
    let own = TicketRecord { serial, ..ticket(&Owner::Principal(crate::factory::id("a")), 101) };
    create(&bench, &own).await.unwrap();
    assert_eq!(bench.store.ticket(&own.credential.id).await.unwrap(), Some(own.clone()));
    let ended = bench.revoke(target_device("a")).await;
    assert_eq!(ended.credentials, std::slice::from_ref(&own.credential.id));
    let gone = bench.store.take_ticket(take(&own, NOW)).await.unwrap();
    assert_eq!(gone, Err(AccessConflict::Credential(CredentialStatus::Revoked)));
    let orphan = ticket(&Owner::Principal(crate::factory::id("nobody")), 102);
    assert_eq!(create(&bench, &orphan).await, Err(AccessConflict::NoOwner));
    bench.audit().await;
}

pub(crate) async fn tickets_are_removed_after_their_end_and_nothing_else_is(bench: Bench) {
    let owner = acme(&bench).await;
    let key = CredentialRecord { kind: CredentialKind::ApiKey, ..ticket(&owner, 50).credential };
    let order = CreateCredentials {
        credentials: vec![key.clone()],
        origin: Default::default(),
        draft: draft("apikey.created", "apikey:k"),
    };
    bench.store.create_credentials(order).await.unwrap().unwrap();
    for n in 1..=5 {
        create(&bench, &ticket(&owner, n)).await.unwrap();
    }
    assert_eq!(bench.store.ticket(&key.id).await.unwrap(), None, "a key is no ticket");
    assert!(bench.store.take_ticket(take(&ticket(&owner, 50), NOW)).await.unwrap().is_err());
    bench.store.take_ticket(take(&ticket(&owner, 1), NOW)).await.unwrap().unwrap();
    assert_eq!(bench.store.prune_tickets(NOW.plus(30), 10).await.unwrap(), 0);
    assert_eq!(bench.store.prune_tickets(NOW.plus(31), 3).await.unwrap(), 3);
    assert_eq!(bench.store.prune_tickets(NOW.plus(31), 3).await.unwrap(), 2);
    assert!(bench.store.credential(&key.id).await.unwrap().is_some());
    bench.audit().await;
}
