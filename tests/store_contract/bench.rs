//! A store on the bench, with the moves that most cases begin with.

use std::sync::Arc;

use signet::audit::{self, GENESIS};
use signet::store::{
    AuditRow, CertificateRecord, Committed, Conflict, Issued, Mode, PrincipalStatus, Redemption, RevokeTarget, Revoked,
    Store, StoreError, TokenRecord,
};
use signet_api::admin::AuditQuery;
use signet_keys::PrivateKey;
use signet_pki::{Serial, UnixTime};

use crate::factory::{self, NOW, id};

/// What a backend lends to the bench beside the store itself.
pub(crate) trait Backend: Send + Sync {
    /// Every row of every table, as text.
    fn dump(&self) -> String;
    /// Changes rows behind the store's back, in SQL that every backend understands.
    fn spoil(&self, sql: &str);
    /// A trigger on `audit` for entries with `subject`, which fails the statement or the whole transaction.
    fn sabotage(&self, subject: &str, failure: Failure);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    OfTheStatement,
    OfTheTransaction,
}

pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) backend: Box<dyn Backend>,
}

impl Bench {
    pub(crate) async fn create(&self, tokens: &[TokenRecord]) {
        self.store.create_tokens(factory::order(tokens)).await.unwrap().unwrap();
    }

    /// Decides on the record as it is now, and commits.
    pub(crate) async fn try_enroll(&self, token: &TokenRecord, key: &PrivateKey) -> Result<Committed, Conflict> {
        let mut principal = self.store.principal(&token.device).await.unwrap().unwrap();
        principal.status = PrincipalStatus::Active;
        let redemption = Redemption::Token(token.id.clone());
        self.store.commit(factory::issue(redemption, principal, key)).await.unwrap()
    }

    pub(crate) async fn enroll(&self, token: &TokenRecord, key: &PrivateKey) -> Issued {
        new(self.try_enroll(token, key).await)
    }

    /// A new device whose certificate names the list of a shard.
    pub(crate) async fn in_shard(&self, device: &str, shard: u16) -> Issued {
        new(self.store.commit(factory::issue_in_shard(factory::device(device), shard)).await.unwrap())
    }

    /// Token and enrollment of a new device.
    pub(crate) async fn enrolled(&self, device: &str) -> Issued {
        let token = factory::token(device);
        self.create(std::slice::from_ref(&token)).await;
        self.enroll(&token, &factory::key()).await
    }

    pub(crate) async fn try_renew(&self, parent: &Issued, key: &PrivateKey) -> Result<Committed, Conflict> {
        let principal = self.store.principal(parent.device()).await.unwrap().unwrap();
        let redemption = Redemption::Renewal(parent.serial().clone());
        self.store.commit(factory::issue(redemption, principal, key)).await.unwrap()
    }

    pub(crate) async fn renew(&self, parent: &Issued) -> Issued {
        new(self.try_renew(parent, &factory::key()).await)
    }

    pub(crate) async fn used(&self, issued: &Issued) {
        let draft = factory::draft("certificate.first_used", issued.device().as_str());
        self.store.mark_used(issued.serial(), draft).await.unwrap();
    }

    pub(crate) async fn certificate(&self, serial: &Serial) -> CertificateRecord {
        self.store.certificate(serial).await.unwrap().unwrap()
    }

    pub(crate) async fn token(&self, token: &TokenRecord) -> TokenRecord {
        self.store.token(&token.id).await.unwrap().unwrap()
    }

    pub(crate) async fn status(&self, device: &str) -> PrincipalStatus {
        self.store.principal(&id(device)).await.unwrap().unwrap().status
    }

    pub(crate) async fn certificates(&self, device: &str) -> Vec<CertificateRecord> {
        self.store.certificates_of(&id(device)).await.unwrap().items
    }

    pub(crate) async fn revoke(&self, target: RevokeTarget) -> Revoked {
        self.store.revoke(factory::revocation(target, Mode::Apply)).await.unwrap()
    }

    /// The whole log, checked: sequences without a gap, hashes that follow one another.
    pub(crate) async fn audit(&self) -> Vec<AuditRow> {
        let (mut log, mut hash): (Vec<AuditRow>, _) = (Vec::new(), GENESIS);
        loop {
            let query = AuditQuery { after: Some(log.len() as u64), limit: Some(100), ..AuditQuery::default() };
            let page = self.store.audit(query).await.unwrap();
            if page.is_empty() {
                return log;
            }
            for row in page {
                let expected = log.len() as u64 + 1;
                assert_eq!(row.sequence, expected);
                assert!(audit::follows(&hash, expected, &row.canonical, &row.leaf_hash), "{row:?}");
                hash = row.leaf_hash;
                log.push(row);
            }
        }
    }

    pub(crate) fn dump(&self) -> String {
        self.backend.dump()
    }

    pub(crate) async fn last_issued_at(&self) -> Option<UnixTime> {
        self.store.last_issued_at().await.unwrap()
    }

    /// Nothing at all may change while `attempt` is made.
    pub(crate) async fn unchanged_by<T>(&self, attempt: impl Future<Output = T>) -> T {
        let before = self.dump();
        let outcome = attempt.await;
        assert_eq!(self.dump(), before);
        outcome
    }
}

pub(crate) fn new(outcome: Result<Committed, Conflict>) -> Issued {
    match outcome {
        Ok(Committed::New(issued)) => issued,
        other => panic!("expected a new certificate, got {other:?}"),
    }
}

pub(crate) fn replayed(outcome: Result<Committed, Conflict>) -> Issued {
    match outcome {
        Ok(Committed::Replayed(issued)) => issued,
        other => panic!("expected the earlier certificate, got {other:?}"),
    }
}

pub(crate) fn is_unavailable<T: std::fmt::Debug>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Unavailable(_)))
}

/// All at once, answers in the order of the attempts.
pub(crate) async fn at_once<T: Send + 'static>(attempts: Vec<impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let running: Vec<_> = attempts.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::new();
    for attempt in running {
        answers.push(attempt.await.unwrap());
    }
    answers
}

/// Within the life of what the factory issues at [`NOW`].
pub(crate) const LATER: UnixTime = UnixTime(NOW.0 + 3600);
