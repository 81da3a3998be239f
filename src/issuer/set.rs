//! All issuers that are loaded, and what each of them may do. The stages live in the store; here is what was read last.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use tokio::sync::watch;

use super::Issuer;
use crate::store::{IssuerRecord, Stage};

/// Made from what the configuration names and the store knows.
pub struct Issuers {
    all: Vec<Arc<Issuer>>,
    stages: ArcSwap<Stages>,
    version: watch::Sender<u64>,
}

struct Stages {
    records: Vec<IssuerRecord>,
    /// By key identifier, also issuers that are no longer configured.
    known: BTreeMap<Vec<u8>, Arc<KnownIssuer>>,
    /// `None` when it was distrusted and no other took its place.
    active: Option<Arc<Issuer>>,
}

/// An issuer's certificate in the forms that every request needs, made once.
pub struct KnownIssuer {
    pub certificate: IssuerCert,
    pub pem: String,
}

impl Issuers {
    pub fn new(all: Vec<Issuer>, records: Vec<IssuerRecord>) -> Issuers {
        let all: Vec<_> = all.into_iter().map(Arc::new).collect();
        let stages = ArcSwap::from_pointee(Stages::of(&all, records));
        Issuers { all, stages, version: watch::Sender::new(0) }
    }

    /// The one that signs certificates.
    pub fn active(&self) -> Option<Arc<Issuer>> {
        self.stages.load().active.clone()
    }

    /// In the order of the configuration; never empty.
    pub fn all(&self) -> &[Arc<Issuer>] {
        &self.all
    }

    pub fn named(&self, short_id: &str) -> Option<&Arc<Issuer>> {
        self.all.iter().find(|issuer| issuer.certificate().short_id() == short_id)
    }

    /// Those whose certificates count.
    pub fn trusted(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.all.iter().filter(|issuer| !self.is_distrusted(issuer.certificate().key_identifier()))
    }

    pub fn record(&self, key_id: &[u8]) -> Option<IssuerRecord> {
        self.stages.load().records.iter().find(|record| record.key_id == key_id).cloned()
    }

    pub fn is_distrusted(&self, key_id: &[u8]) -> bool {
        self.stages.load().records.iter().any(|r| r.key_id == key_id && r.stage == Stage::Distrusted)
    }

    /// Also of one that is no longer configured: the chain of an old answer.
    pub fn known(&self, key_id: &[u8]) -> Option<Arc<KnownIssuer>> {
        self.stages.load().known.get(key_id).cloned()
    }

    /// Of every issuer that is or was configured.
    pub fn certificates(&self) -> Vec<IssuerCert> {
        self.stages.load().known.values().map(|known| known.certificate.clone()).collect()
    }

    /// Takes over what the store says now. Whoever depends on it hears of a change.
    pub fn update(&self, records: Vec<IssuerRecord>) {
        if self.stages.load().records != records {
            self.stages.store(Arc::new(Stages::of(&self.all, records)));
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Grows with every change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

impl Stages {
    fn of(all: &[Arc<Issuer>], records: Vec<IssuerRecord>) -> Stages {
        let stored = records.iter().filter_map(|record| IssuerCert::from_der(&record.der).ok());
        let loaded = all.iter().map(|issuer| issuer.certificate().clone());
        let known = stored.chain(loaded).map(KnownIssuer::of).collect();
        let signs = |r: &&IssuerRecord| r.stage == Stage::Active;
        let active = records.iter().find(signs).and_then(|record| {
            all.iter().find(|issuer| issuer.certificate().key_identifier() == record.key_id).cloned()
        });
        Stages { records, known, active }
    }
}

impl KnownIssuer {
    fn of(certificate: IssuerCert) -> (Vec<u8>, Arc<KnownIssuer>) {
        let pem = pem::encode(Label::Certificate, certificate.der());
        (certificate.key_identifier().to_vec(), Arc::new(KnownIssuer { certificate, pem }))
    }
}
