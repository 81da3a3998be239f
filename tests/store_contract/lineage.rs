//! Compromise by lineage: what descends from what was compromised ends with it, and nothing else does.

use std::collections::BTreeSet;

use signet::store::{
    CertificateStatus, Committed, Conflict, CreateCredentials, CreateTokens, CredentialRecord, CredentialStatus,
    DESCENDANTS_NAMED, Descendant, Extent, IssueCommit, Issued, Mode, Origin, Redemption, RevokeOrder, RevokeTarget,
    Standing, Step, TokenRecord, TokenStatus,
};
use signet_api::{CredentialId, CredentialKind};
use signet_keys::PrivateKey;
use signet_pki::crl::{Entries, Reason};
use signet_pki::signer::Signer;
use signet_pki::{Fingerprint, Serial, UnixTime};

use crate::access::{of, rotation};
use crate::bench::{Bench, LATER, new};
use crate::factory::{
    self, DAY, NOW, authority, device, draft, issue, key, prune, revocation, step, target_device, target_serial, token,
};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

enum Made {
    Certificate(Issued),
    Key(CredentialRecord),
    /// Not redeemed.
    Token(TokenRecord),
}

/// Everything that was made, and from what: the model that the store is compared with.
struct Model {
    bench: Bench,
    dice: Dice,
    made: Vec<Made>,
    /// From one to what descends from it.
    edges: Vec<(usize, usize)>,
    devices: usize,
}

impl Model {
    fn add(&mut self, made: Made, parents: &[Option<usize>]) -> usize {
        self.made.push(made);
        let child = self.made.len() - 1;
        self.edges.extend(parents.iter().flatten().map(|parent| (*parent, child)));
        child
    }

    /// Who asks: a certificate, a key, or an operator who shows neither.
    fn origin(&mut self) -> (Option<usize>, Origin) {
        if self.made.is_empty() || self.dice.roll(4) == 0 {
            return (None, Origin::default());
        }
        let at = self.dice.roll(self.made.len());
        match &self.made[at] {
            Made::Certificate(issued) => {
                (Some(at), Origin { certificate: Some(issued.serial().clone()), credential: None })
            }
            Made::Key(key) => (Some(at), Origin { certificate: None, credential: Some(key.id.clone()) }),
            Made::Token(_) => (None, Origin::default()),
        }
    }

    fn pick<T>(&mut self, choose: impl Fn(&Made) -> Option<T>) -> Option<(usize, T)> {
        let all: Vec<(usize, T)> =
            self.made.iter().enumerate().filter_map(|(at, made)| Some((at, choose(made)?))).collect();
        let at = if all.is_empty() { return None } else { self.dice.roll(all.len()) };
        all.into_iter().nth(at)
    }

    fn certificate(&mut self) -> Option<(usize, Issued)> {
        self.pick(|made| match made {
            Made::Certificate(issued) => Some(issued.clone()),
            Made::Key(_) | Made::Token(_) => None,
        })
    }

    async fn ordered(&mut self, token: &TokenRecord, origin: Origin) {
        let order = CreateTokens { origin, ..factory::order(std::slice::from_ref(token)) };
        self.bench.store.create_tokens(order).await.unwrap().unwrap();
    }

    async fn step(&mut self) {
        let (parent, origin) = self.origin();
        match self.dice.roll(7) {
            0 => {
                self.devices += 1;
                let token = token(&format!("d{}", self.devices));
                self.ordered(&token, origin).await;
                let issued = self.bench.enroll(&token, &key()).await;
                self.add(Made::Certificate(issued), &[parent]);
            }
            1 => {
                let Some((_, old)) = self.certificate() else { return };
                let token = TokenRecord { replace: true, ..token(old.device().as_str()) };
                self.ordered(&token, origin).await;
                let issued = self.bench.enroll(&token, &key()).await;
                self.add(Made::Certificate(issued), &[parent]);
            }
            2 => {
                self.devices += 1;
                let commit = issue(Redemption::Manual, device(&format!("d{}", self.devices)), &key());
                let issued = new(self.bench.store.commit(IssueCommit { origin, ..commit }).await.unwrap());
                self.add(Made::Certificate(issued), &[parent]);
            }
            3 => {
                let key = of("acme");
                let draft = draft("apikey.created", "apikey");
                let order = CreateCredentials { credentials: vec![key.clone()], origin, draft };
                self.bench.store.create_credentials(order).await.unwrap().unwrap();
                self.add(Made::Key(key), &[parent]);
            }
            4 => {
                let found = self.pick(|made| match made {
                    Made::Key(key) => Some(key.clone()),
                    Made::Certificate(_) | Made::Token(_) => None,
                });
                let Some((at, old)) = found else { return };
                let next = CredentialRecord { family: old.family.clone(), ..of("acme") };
                let rotated = self.bench.store.rotate_credential(rotation(&old, &next, None)).await.unwrap();
                // It may have been rotated before.
                if matches!(rotated, Some(Ok(_))) {
                    let next = self.add(Made::Key(next), &[Some(at)]);
                    // A family ends together.
                    self.edges.push((next, at));
                }
            }
            5 => {
                self.devices += 1;
                let token = token(&format!("d{}", self.devices));
                self.ordered(&token, origin).await;
                self.add(Made::Token(token), &[parent]);
            }
            _ => {
                let Some((at, parent)) = self.certificate() else { return };
                let issued = self.bench.renew(&parent).await;
                self.add(Made::Certificate(issued), &[Some(at)]);
            }
        }
    }

    fn descendants(&self, root: usize) -> BTreeSet<usize> {
        let (mut all, mut open) = (BTreeSet::new(), vec![root]);
        while let Some(one) = open.pop() {
            if all.insert(one) {
                open.extend(self.edges.iter().filter(|(parent, _)| *parent == one).map(|(_, child)| *child));
            }
        }
        all
    }

    /// What no verifier accepts any more: by the record, by OCSP, and by the CRL.
    async fn dead(&self) -> BTreeSet<usize> {
        let issuer = authority().issuer.key_identifier();
        let listed = self.bench.store.revocations_after(issuer, 0).await.unwrap().entries;
        let mut dead = BTreeSet::new();
        for (at, made) in self.made.iter().enumerate() {
            let over = match made {
                Made::Certificate(issued) => {
                    let serial = issued.serial();
                    let standing = self.bench.store.standing(issuer, serial).await.unwrap().unwrap();
                    let revoked = self.bench.certificate(serial).await.status == CertificateStatus::Revoked;
                    assert_eq!(matches!(standing, Standing::Revoked { .. }), revoked);
                    let on_list = listed.as_bytes().windows(serial.as_bytes().len()).any(|w| w == serial.as_bytes());
                    assert_eq!(on_list, revoked, "{serial}");
                    revoked
                }
                Made::Key(key) => self.bench.credential(&key.id).await.status != CredentialStatus::Active,
                Made::Token(token) => self.bench.token(token).await.status != TokenStatus::Active,
            };
            if over {
                dead.insert(at);
            }
        }
        dead
    }
}

pub(crate) async fn t70_what_descends_from_a_compromise_is_dead_and_everything_else_lives(bench: Bench) {
    bench.account("acme").await;
    let mut model = Model { bench, dice: Dice(7), made: Vec::new(), edges: Vec::new(), devices: 0 };
    let mut dead = BTreeSet::new();
    let (mut ended, mut spared) = (0, 0);
    for round in 0..12 {
        for _ in 0..15 {
            // What is dead begets nothing; the service refuses it long before.
            model.step_among(&dead).await;
        }
        let root = loop {
            let at = model.dice.roll(model.made.len());
            if !dead.contains(&at) && !matches!(model.made[at], Made::Token(_)) {
                break at;
            }
        };
        let target = match &model.made[root] {
            Made::Certificate(issued) => target_serial(issued.serial()),
            Made::Key(key) => RevokeTarget::Credential(key.id.clone()),
            Made::Token(_) => unreachable!("left out above"),
        };
        let dry = revocation(target.clone(), Mode::DryRun);
        let plan = model.bench.unchanged_by(model.bench.store.revoke(dry)).await.unwrap();
        let done = model.bench.revoke(target).await;
        assert_eq!(signet::store::Revoked { mode: Mode::Apply, ..plan }, done);
        assert!(done.living.is_empty(), "{:?}", done.living);
        let line = model.descendants(root);
        ended += line.len();
        dead.extend(line);
        spared += model.made.len() - dead.len();
        assert_eq!(model.dead().await, dead, "after round {round}");
    }
    assert!(ended > 24 && spared > 24, "the trees are too small to say anything: {ended}, {spared}");
    model.bench.audit().await;
}

impl Model {
    /// A step whose parents live.
    async fn step_among(&mut self, dead: &BTreeSet<usize>) {
        let whole = std::mem::take(&mut self.made);
        let edges = self.edges.len();
        let (places, living): (Vec<usize>, Vec<Made>) =
            whole.iter().enumerate().filter(|(at, _)| !dead.contains(at)).map(|(at, made)| (at, made.copy())).unzip();
        let before = living.len();
        self.made = living;
        self.step().await;
        let added = self.made.split_off(before);
        // Places among the living become places among all.
        let place = |at: usize| places.get(at).copied().unwrap_or(whole.len());
        for edge in &mut self.edges[edges..] {
            *edge = (place(edge.0), place(edge.1));
        }
        self.made = whole;
        self.made.extend(added);
    }
}

impl Made {
    fn copy(&self) -> Made {
        match self {
            Made::Certificate(issued) => Made::Certificate(issued.clone()),
            Made::Key(key) => Made::Key(key.clone()),
            Made::Token(token) => Made::Token(token.clone()),
        }
    }
}

fn because(target: RevokeTarget, reason: Reason, now: UnixTime) -> RevokeOrder {
    RevokeOrder { reason, now, ..revocation(target, Mode::Apply) }
}

fn spki(key: &PrivateKey) -> Fingerprint {
    key.public_key().fingerprint()
}

pub(crate) async fn t70_a_compromised_key_is_never_certified_again(bench: Bench) {
    let (bad, next) = (key(), key());
    let first = token("a");
    bench.create(std::slice::from_ref(&first)).await;
    let root = bench.enroll(&first, &bad).await;
    let child = new(bench.try_renew(&root, &next).await);
    let fresh = TokenRecord { replace: true, ..token("a") };
    bench.create(std::slice::from_ref(&fresh)).await;
    let other = bench.enrolled("b").await;
    let revoked = bench.revoke(target_serial(root.serial())).await;
    assert_eq!(revoked.blocked_keys, 2, "that of the certificate and that of its renewal");
    // Retention takes away all that it may, and the key stays blocked.
    bench.store.prune(prune(NOW.plus(400 * DAY), 1000)).await.unwrap();
    let again = TokenRecord { replace: true, expires_at: NOW.plus(DAY), ..token("a") };
    bench.create(std::slice::from_ref(&again)).await;
    let refused = |outcome: Result<Committed, Conflict>| assert_eq!(outcome, Err(Conflict::KeyCompromised));
    for key in [&bad, &next] {
        refused(bench.unchanged_by(bench.try_enroll(&again, key)).await);
        refused(bench.unchanged_by(bench.try_renew(&other, key)).await);
        let seen = bench.store.principal(child.device()).await.unwrap().unwrap();
        let manual = issue(Redemption::Manual, seen, key);
        refused(bench.unchanged_by(bench.store.commit(manual)).await.unwrap());
        let manual = issue(Redemption::Manual, device("c"), key);
        refused(bench.unchanged_by(bench.store.commit(manual)).await.unwrap());
        let recovery = Redemption::Recovery { parent: other.serial().clone(), allowance: 3 };
        let seen = bench.store.principal(other.device()).await.unwrap().unwrap();
        refused(bench.unchanged_by(bench.store.commit(issue(recovery, seen, key))).await.unwrap());
        assert!(bench.store.key_owner(&spki(key)).await.unwrap().is_some());
    }
    assert_eq!(bench.token(&again).await.status, TokenStatus::Active, "a refused key burns no token");
    bench.enroll(&again, &key()).await;
}

fn entries(all: &[(&Serial, UnixTime, Reason)]) -> Entries {
    let mut entries = Entries::new();
    all.iter().for_each(|(serial, at, reason)| entries.push(serial, *at, *reason));
    entries
}

pub(crate) async fn t70_a_reason_is_raised_once_and_keeps_the_earlier_date(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let (a, b) = (bench.enrolled("a").await, bench.enrolled("b").await);
    let target = || target_serial(a.serial());
    bench.store.revoke(because(target(), Reason::Superseded, NOW)).await.unwrap();
    bench.store.revoke(because(target_serial(b.serial()), Reason::Unspecified, NOW)).await.unwrap();
    let before = bench.store.revocations_after(issuer, 0).await.unwrap();
    let revision = bench.store.counters().revision;
    let raised = bench.store.revoke(because(target(), Reason::KeyCompromise, LATER)).await.unwrap();
    assert_eq!((raised.raised.as_slice(), raised.certificates.len()), (std::slice::from_ref(a.serial()), 0));
    assert!(bench.store.counters().revision > revision, "an answer of OCSP that was remembered is out of date");
    let standing = bench.store.standing(issuer, a.serial()).await.unwrap();
    assert_eq!(standing, Some(Standing::Revoked { at: NOW, reason: Reason::KeyCompromise }));
    // A list that carries the old entry is made anew, and has each certificate once.
    let news = bench.store.revocations_after(issuer, before.sequence).await.unwrap();
    assert_eq!(news.extent, Extent::Whole);
    let whole = entries(&[(b.serial(), NOW, Reason::Unspecified), (a.serial(), NOW, Reason::KeyCompromise)]);
    assert_eq!(news.entries, whole);
    assert_eq!(bench.store.revocations_after(issuer, news.sequence).await.unwrap().extent, Extent::News);
    for reason in Reason::ALL {
        let lower = because(target(), reason, LATER);
        assert!(bench.unchanged_by(bench.store.revoke(lower)).await.unwrap().is_empty(), "{reason:?}");
    }
    assert!(bench.audit().await.last().unwrap().canonical.contains(&format!("\"raised\":[\"{}\"]", a.serial())));
}

pub(crate) async fn t70_a_raised_reason_is_on_the_list_of_its_shard(bench: Bench) {
    let issuer = authority().issuer.key_identifier();
    let (a, b) = (bench.in_shard("a", 3).await, bench.in_shard("b", 3).await);
    for one in [&a, &b] {
        bench.store.revoke(because(target_serial(one.serial()), Reason::Superseded, NOW)).await.unwrap();
    }
    let before = bench.store.sharded_revocations_after(issuer, 0).await.unwrap();
    bench.store.revoke(because(target_serial(a.serial()), Reason::KeyCompromise, LATER)).await.unwrap();
    let delta = bench.store.sharded_revocations_after(issuer, before.sequence).await.unwrap();
    assert_eq!(delta.replaced, BTreeSet::from([3]));
    let all = bench.store.revocations_of_shard(issuer, 3, delta.sequence).await.unwrap();
    assert_eq!(all, entries(&[(b.serial(), NOW, Reason::Superseded), (a.serial(), NOW, Reason::KeyCompromise)]));
}

pub(crate) async fn t70_a_device_that_was_retired_is_compromised_later(bench: Bench) {
    let old = bench.enrolled("a").await;
    let young = bench.renew(&old).await;
    bench.store.change_device(step("a", Step::Retire)).await.unwrap().unwrap().unwrap();
    let raised = bench.store.revoke(because(target_device("a"), Reason::KeyCompromise, LATER)).await.unwrap();
    assert_eq!((raised.raised.len(), raised.blocked_keys), (2, 2));
    for one in [&old, &young] {
        let record = bench.certificate(one.serial()).await;
        assert_eq!((record.reason, record.revoked_at), (Some(Reason::KeyCompromise), Some(NOW)));
    }
    let again = because(target_device("a"), Reason::KeyCompromise, LATER);
    assert!(bench.unchanged_by(bench.store.revoke(again)).await.unwrap().is_empty());
}

pub(crate) async fn what_lives_on_is_named_beyond_any_limit(bench: Bench) {
    let admin = bench.enrolled("boss").await;
    let made = DESCENDANTS_NAMED + 20;
    let tokens: Vec<TokenRecord> = (0..made).map(|n| token(&format!("d{n}"))).collect();
    let origin = Origin { certificate: Some(admin.serial().clone()), credential: None };
    bench.store.create_tokens(CreateTokens { origin, ..factory::order(&tokens) }).await.unwrap().unwrap();
    let next = bench.renew(&admin).await;
    let told = bench.store.revoke(because(target_serial(admin.serial()), Reason::Superseded, NOW)).await.unwrap();
    assert_eq!((told.living.len(), told.living_more), (DESCENDANTS_NAMED, 21));
    assert_eq!(told.living[0], Descendant::Certificate(next.serial().clone(), next.device().clone()));
    assert_eq!(bench.certificate(next.serial()).await.status, CertificateStatus::Pending);
    let ended = bench.revoke(target_serial(admin.serial())).await;
    assert_eq!((ended.tokens.len(), ended.certificates.as_slice()), (made, std::slice::from_ref(next.serial())));
    assert_eq!((ended.raised.len(), ended.living.len()), (1, 0));
}

/// A refresh token that was got with `key`.
fn session(key: &CredentialRecord) -> CredentialRecord {
    let record = of("acme");
    CredentialRecord {
        kind: CredentialKind::Refresh,
        parent: Some(key.id.clone()),
        family: record.id.clone(),
        ..record
    }
}

async fn keep(bench: &Bench, record: &CredentialRecord, credential: Option<&CredentialId>) {
    let origin = Origin { certificate: None, credential: credential.cloned() };
    let draft = draft("credential.created", "credential");
    let order = CreateCredentials { credentials: vec![record.clone()], origin, draft };
    bench.store.create_credentials(order).await.unwrap().unwrap();
}

pub(crate) async fn a_key_is_revoked_with_its_sessions_and_a_compromised_one_with_its_family(bench: Bench) {
    bench.account("acme").await;
    let (old, made) = (of("acme"), of("acme"));
    keep(&bench, &old, None).await;
    let session = session(&old);
    keep(&bench, &session, None).await;
    keep(&bench, &made, Some(&old.id)).await;
    let next = CredentialRecord { family: old.family.clone(), ..of("acme") };
    bench.store.rotate_credential(rotation(&old, &next, None)).await.unwrap().unwrap().unwrap();
    let survived = async || {
        let query = signet_api::access::CredentialQuery { survived: Some(true), ..Default::default() };
        let page = bench.store.credentials(query, NOW).await.unwrap();
        page.items.into_iter().map(|key| key.id).collect::<Vec<_>>()
    };
    assert!(survived().await.is_empty());
    let target = || RevokeTarget::Credential(old.id.clone());
    let told = bench.store.revoke(because(target(), Reason::Unspecified, NOW)).await.unwrap();
    assert_eq!(told.credentials, [old.id.clone(), session.id.clone()]);
    let mut living = vec![Descendant::ApiKey(next.id.clone()), Descendant::ApiKey(made.id.clone())];
    living.sort();
    assert_eq!(told.living, living);
    assert_eq!(survived().await, std::slice::from_ref(&old.id));
    // They are meant to live: that is said once, and never of a key that was compromised.
    let said = bench.store.revoke(because(target(), Reason::Superseded, NOW)).await.unwrap();
    assert_eq!(said.raised_credentials, std::slice::from_ref(&old.id));
    assert!(survived().await.is_empty());
    let ended = bench.revoke(target()).await;
    let mut both = vec![next.id.clone(), made.id.clone()];
    both.sort();
    let mut credentials = ended.credentials.clone();
    credentials.sort();
    assert_eq!(credentials, both);
    for reason in Reason::ALL {
        let again = because(target(), reason, NOW);
        assert!(bench.unchanged_by(bench.store.revoke(again)).await.unwrap().is_empty(), "{reason:?}");
    }
}

pub(crate) async fn a_session_ends_with_what_was_made_with_it(bench: Bench) {
    bench.account("acme").await;
    let (owner, made, other) = (of("acme"), of("acme"), of("acme"));
    keep(&bench, &owner, None).await;
    let session = session(&owner);
    keep(&bench, &session, None).await;
    keep(&bench, &made, Some(&session.id)).await;
    keep(&bench, &other, Some(&owner.id)).await;
    let target = || RevokeTarget::Session(session.family.clone());
    let unknown = RevokeTarget::Session(owner.id.clone());
    assert!(!bench.unchanged_by(bench.store.revoke(revocation(unknown, Mode::Apply))).await.unwrap().known);
    let told = bench.store.revoke(because(target(), Reason::Unspecified, NOW)).await.unwrap();
    assert_eq!(told.credentials, std::slice::from_ref(&session.id));
    assert_eq!(told.living, [Descendant::ApiKey(made.id.clone())]);
    assert_eq!(bench.revoke(target()).await.credentials, std::slice::from_ref(&made.id));
    for alive in [&owner, &other] {
        assert_eq!(bench.credential(&alive.id).await.status, CredentialStatus::Active);
    }
}
