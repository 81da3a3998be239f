//! A store that fails on order: the N-th call from now, or every call.

use std::sync::{Arc, Condvar, Mutex};

use signet::store::*;
use signet_api::CredentialId;
use signet_api::access::{AccountQuery, CredentialQuery};
use signet_api::admin::{AuditQuery, DeviceQuery, Page, TokenQuery};
use signet_api::alarms::AlarmQuery;
use signet_api::scope::AccountId;
use signet_api::webhooks::DeadQuery;
use signet_pki::crl::Entries;
use signet_pki::{DeviceId, Fingerprint, Serial, UnixTime};
use tokio::sync::Notify;

/// Both ways in which a call can end in "not available".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call never reached the store.
    Lost,
    /// It was carried out and made durable, and the answer was lost.
    DoneButReported,
}

/// Verbs of those who follow the log.
const BACKGROUND: [&str; 5] = ["audit", "services", "policy", "webhooks", "due_deliveries"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plan {
    Work,
    /// Calls until the fault, this one included.
    FailAt(u64, Fault),
    /// The next call of a verb.
    FailNext(&'static str, Fault),
    /// Every so many calls.
    FailEvery(u64, Fault),
    Outage,
}

pub(crate) struct FaultyStore {
    inner: Arc<dyn Store>,
    state: Mutex<State>,
}

struct State {
    plan: Plan,
    calls: u64,
    /// The verbs that failed since the plan was made.
    failed: Vec<&'static str>,
    /// The verbs that were called since the last look.
    called: Vec<&'static str>,
    held: Option<(&'static str, Arc<Held>)>,
}

/// A call that stands still before it reaches the store.
#[derive(Default)]
pub(crate) struct Held {
    arrived: Notify,
    released: Mutex<bool>,
    news: Condvar,
}

impl Held {
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    pub(crate) fn release(&self) {
        *self.released.lock().unwrap() = true;
        self.news.notify_all();
    }

    fn wait(&self) {
        drop(self.news.wait_while(self.released.lock().unwrap(), |released| !*released).unwrap());
    }
}

impl FaultyStore {
    pub(crate) fn around(inner: Arc<dyn Store>) -> Arc<FaultyStore> {
        Arc::new(FaultyStore {
            inner,
            state: Mutex::new(State { plan: Plan::Work, calls: 0, failed: Vec::new(), called: Vec::new(), held: None }),
        })
    }

    /// The `nth` call from now fails, and only that one.
    pub(crate) fn fail_at(&self, nth: u64, fault: Fault) {
        self.plan(Plan::FailAt(nth, fault));
    }

    /// The next call of `verb` fails, and only that one.
    pub(crate) fn fail_next(&self, verb: &'static str, fault: Fault) {
        self.plan(Plan::FailNext(verb, fault));
    }

    pub(crate) fn fail_every(&self, nth: u64, fault: Fault) {
        self.plan(Plan::FailEvery(nth, fault));
    }
    /// Every call fails and reaches nothing, until [`recover`](FaultyStore::recover).
    pub(crate) fn outage(&self) {
        self.plan(Plan::Outage);
    }

    /// The next call of `verb` waits until it is released.
    pub(crate) fn hold(&self, verb: &'static str) -> Arc<Held> {
        let held = Arc::new(Held::default());
        self.state.lock().unwrap().held = Some((verb, held.clone()));
        held
    }

    /// What was called since the last look, in order.
    pub(crate) fn called(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().called)
    }

    /// Back to work. The verbs that failed since the last plan.
    pub(crate) fn recover(&self) -> Vec<&'static str> {
        let failed = std::mem::take(&mut self.state.lock().unwrap().failed);
        self.plan(Plan::Work);
        failed
    }

    fn plan(&self, plan: Plan) {
        let mut state = self.state.lock().unwrap();
        state.plan = plan;
        state.failed.clear();
    }

    fn next(&self, verb: &'static str) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        state.called.push(verb);
        let fault = match state.plan {
            Plan::Work => None,
            Plan::Outage => Some(Fault::Lost),
            Plan::FailEvery(every, fault) => state.calls.is_multiple_of(every).then_some(fault),
            Plan::FailNext(wanted, fault) if wanted == verb => {
                state.plan = Plan::Work;
                Some(fault)
            }
            Plan::FailNext(..) => None,
            // Read in the background after every commit: counted, the walk would be another one each time. What their failure
            // does stands in tests of its own: events, services, webhooks, policy.
            Plan::FailAt(..) if BACKGROUND.contains(&verb) => None,
            Plan::FailAt(1, fault) => {
                state.plan = Plan::Work;
                Some(fault)
            }
            Plan::FailAt(nth, fault) => {
                state.plan = Plan::FailAt(nth - 1, fault);
                None
            }
        };
        if fault.is_some() {
            state.failed.push(verb);
        }
        fault
    }

    fn through<'a, T: Send + 'a>(&'a self, verb: &'static str, call: impl FnOnce() -> Answer<'a, T>) -> Answer<'a, T> {
        let held = self.state.lock().unwrap().held.take_if(|(held, _)| *held == verb);
        if let Some((_, held)) = held {
            held.arrived.notify_one();
            tokio::task::block_in_place(|| held.wait());
        }
        let failure = move || Err(StoreError::Unavailable(format!("{verb}: a fault was ordered")));
        match self.next(verb) {
            None => call(),
            Some(Fault::Lost) => Box::pin(std::future::ready(failure())),
            Some(Fault::DoneButReported) => {
                let answer = call();
                Box::pin(async move {
                    let _ = answer.await;
                    failure()
                })
            }
        }
    }
}

macro_rules! forward {
    ($($verb:ident($($name:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $verb(&self, $($name: $kind),*) -> Answer<'_, $answer> {
            self.through(stringify!($verb), || self.inner.$verb($($name),*))
        })*
    };
}

impl AccessStore for FaultyStore {
    forward! {
        create_account(order: CreateAccount) -> Result<(), AccessConflict>;
        change_account(order: ChangeAccount) -> Option<Result<AccountRecord, AccessConflict>>;
        create_credentials(order: CreateCredentials) -> Result<(), AccessConflict>;
        change_credential(order: ChangeCredential) -> Option<Result<CredentialRecord, AccessConflict>>;
        rotate_credential(order: RotateCredential) -> Option<Result<CredentialRecord, AccessConflict>>;
        note_credentials_used(uses: Vec<(CredentialId, UnixTime)>) -> ();
        account(id: &AccountId) -> Option<AccountRecord>;
        accounts(query: AccountQuery) -> Page<AccountRecord>;
        credential(id: &CredentialId) -> Option<CredentialRecord>;
        legacy_credential(hash: &[u8; 32]) -> Option<CredentialRecord>;
        credentials(query: CredentialQuery, now: UnixTime) -> Page<CredentialRecord>;
        administrators_of(account: &AccountId) -> Vec<PrincipalRecord>;
        devices_of(account: &AccountId) -> Vec<DeviceId>;
    }
}

impl TicketStore for FaultyStore {
    forward! {
        create_ticket(order: CreateTicket) -> Result<(), AccessConflict>;
        take_ticket(order: TakeTicket) -> Result<(), AccessConflict>;
        ticket(id: &CredentialId) -> Option<TicketRecord>;
        prune_tickets(before: UnixTime, limit: u32) -> u64;
    }
}

impl OAuthStore for FaultyStore {
    forward! {
        note_token_keys(kids: Vec<String>, draft: AuditDraft) -> Vec<TokenKeyRecord>;
        rotate_refresh(order: RotateRefresh) -> Option<Rotated>;
        end_family(family: &CredentialId, draft: AuditDraft) -> Vec<CredentialId>;
        deny_token(jti: &str, expires_at: UnixTime, draft: AuditDraft) -> ();
        prune_oauth(now: UnixTime, refresh_before: UnixTime, limit: u32) -> u64;
        token_standing(origin: TokenOrigin, now: UnixTime) -> TokenStanding;
    }
}

impl AlarmStore for FaultyStore {
    forward! {
        close_alarm(order: CloseAlarm) -> Option<Result<AlarmRecord, AlreadyClosed>>;
        alarm_of(id: u64) -> Option<AlarmRecord>;
        alarms(query: AlarmQuery) -> Page<AlarmRecord>;
        alarm_counts() -> AlarmCounts;
    }
}

impl ApprovalStore for FaultyStore {
    forward! {
        ask_approval(order: AskApproval) -> Approval;
        decide_approval(order: DecideApproval) -> Option<Result<ApprovalRecord, ApprovalConflict>>;
        approval(id: &str) -> Option<ApprovalRecord>;
        approvals(waiting_at: Option<UnixTime>) -> Listed<ApprovalRecord>;
    }
}

impl PolicyStore for FaultyStore {
    forward! {
        apply_policy(order: ApplyPolicy) -> Result<PolicyRecord, PolicyConflict>;
        policy() -> Option<PolicyRecord>;
        policy_of(revision: &str) -> Option<PolicyRecord>;
        policies(limit: u32) -> Listed<PolicyRecord>;
        inventory_after(row: u64, limit: u32) -> Listed<InventoryRow>;
    }
}

impl WebhookStore for FaultyStore {
    forward! {
        create_webhook(new: NewWebhook) -> WebhookCreation;
        change_webhook(order: ChangeWebhook) -> Option<WebhookRecord>;
        webhooks() -> Listed<WebhookRecord>;
        feed_webhook(feed: Feed) -> Feeding;
        due_deliveries(now: UnixTime) -> Vec<Delivery>;
        settle_delivery(settled: Settled) -> ();
        dead_deliveries(query: DeadQuery) -> Page<DeadDelivery>;
        change_dead(order: ChangeDead) -> u64;
        with_hardware_serial(serial: &str) -> Vec<DeviceId>;
        note_webhook(draft: AuditDraft) -> ();
    }
}

impl Store for FaultyStore {
    forward! {
        create_tokens(order: CreateTokens) -> Result<(), TokenConflict>;
        commit(issue: IssueCommit) -> Result<Committed, Conflict>;
        claim(claim: Claim) -> Result<(), Conflict>;
        revoke(order: RevokeOrder) -> Revoked;
        revoke_tokens(order: RevokeTokens) -> Vec<CredentialId>;
        change_device(order: ChangeDevice) -> Option<Result<PrincipalRecord, Conflict>>;
        mark_used(serial: &Serial, draft: AuditDraft) -> ();
        alarm(serial: Option<&Serial>, draft: AuditDraft) -> ();
        quarantine(serial: &Serial, draft: AuditDraft) -> ();
        accept_clock(draft: AuditDraft) -> ();
        restored(order: Restoration) -> Adopted;
        next_crl_number(issuer: &[u8], floor: u64, draft: AuditDraft) -> u64;
        note_issuers(order: NoteIssuers) -> Vec<IssuerRecord>;
        step_issuer(order: IssuerStep) -> Result<(), StageConflict>;
        issuers() -> Vec<IssuerRecord>;
        issuer_use(issuer: &[u8], now: UnixTime, but: &str) -> IssuerUse;
        shard(issuer: &[u8], configured: u16, draft: AuditDraft) -> Sharding;
        prune(order: Prune) -> Pruned;
        record_audit_segment(segment: AuditSegment, draft: AuditDraft) -> Result<(), SegmentConflict>;
        prune_audit(through: u64, limit: u32) -> u64;
        last_audit_segment() -> Option<AuditSegment>;
        audit_segments(after: u64, limit: u32) -> Vec<AuditSegment>;
        token(id: &CredentialId) -> Option<TokenRecord>;
        certificate(serial: &Serial) -> Option<CertificateRecord>;
        standing(issuer: &[u8], serial: &Serial) -> Option<Standing>;
        principal(id: &DeviceId) -> Option<PrincipalRecord>;
        key_owner(spki: &Fingerprint) -> Option<DeviceId>;
        renewed(parent: &Serial, spki: &Fingerprint) -> Option<Issued>;
        certificates_of(id: &DeviceId) -> Listed<CertificateRecord>;
        tokens(query: TokenQuery, now: UnixTime) -> Page<TokenRecord>;
        devices(query: DeviceQuery, now: UnixTime) -> Page<DeviceRow>;
        revocations_after(issuer: &[u8], sequence: u64) -> RevocationDelta;
        sharded_revocations_after(issuer: &[u8], sequence: u64) -> ShardedDelta;
        revocations_of_shard(issuer: &[u8], shard: u16, through: u64) -> Entries;
        audit(query: AuditQuery) -> Vec<AuditRow>;
        audit_page(query: AuditQuery) -> Page<AuditRow>;
        audit_of_request(request_id: &str) -> Vec<AuditRow>;
        bundle_holders(now: UnixTime) -> Vec<BundleHolders>;
        last_issued_at() -> Option<UnixTime>;
        health() -> ();
    }

    fn audit_head(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.audit_head()
    }

    fn counters(&self) -> StoreCounters {
        self.inner.counters()
    }

    /// Never fails: what is closed stays closed.
    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}

impl ServiceStore for FaultyStore {
    forward! {
        register_service(order: RegisterOrder) -> Result<ServiceRecord, RegisterConflict>;
        deregister_service(id: &DeviceId, draft: AuditDraft) -> Option<ServiceRecord>;
        service(id: &DeviceId) -> Option<ServiceRecord>;
        services() -> Listed<ServiceRecord>;
    }
}

impl ContinuityStore for FaultyStore {
    forward! {
        holds(position: Position) -> bool;
        is_guarded() -> bool;
        note_guard() -> ();
    }

    fn position(&self) -> Position {
        self.inner.position()
    }

    fn displaced(&self) -> Option<Displaced> {
        self.inner.displaced()
    }

    fn displace(&self, reason: Displaced) {
        self.inner.displace(reason);
    }
}

impl FactStore for FaultyStore {
    forward! {
        present(id: &DeviceId) -> Option<DeviceRow>;
        fingerprints_after(row: u64, limit: u32) -> Fingerprints;
        certificate_in(row: u64) -> Option<CertificateRecord>;
    }
}
