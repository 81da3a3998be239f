//! The lists of every issuer together, and the root's.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use axum::body::Bytes;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};

use super::press::{PublishError, Published};
use super::publish::{Publisher, Standing};
use super::{Directory, Document};
use crate::config::RootLists;
use crate::issuer::Issuers;
use crate::store::StoreError;

/// Every list that checking a whole chain needs.
pub struct ListSet {
    /// Another one when any of the lists is another.
    pub name: String,
    /// DER.
    pub lists: Vec<Bytes>,
}

/// One publisher for each issuer.
pub struct Lists {
    publishers: Vec<Arc<Publisher>>,
    issuers: Arc<Issuers>,
    root: IssuerCert,
    root_lists: ArcSwap<RootLists>,
    interval: i64,
    directory: Option<Arc<Directory>>,
    /// All lists in one document, with the numbers of those that are in it.
    all: Mutex<Option<(String, Document)>>,
}

impl Lists {
    /// `publishers` are in the order of `issuers`.
    pub fn new(
        publishers: Vec<Arc<Publisher>>,
        issuers: Arc<Issuers>,
        (root, root_lists): (IssuerCert, RootLists),
        interval: i64,
        directory: Option<Arc<Directory>>,
    ) -> Lists {
        let root_lists = ArcSwap::from_pointee(root_lists);
        Lists { publishers, issuers, root, root_lists, interval, directory, all: Mutex::default() }
    }

    pub fn publishers(&self) -> &[Arc<Publisher>] {
        &self.publishers
    }

    pub fn of(&self, short_id: &str) -> Option<&Arc<Publisher>> {
        self.publishers.iter().find(|publisher| publisher.issuer().short_id() == short_id)
    }

    /// The newest full list of the active issuer, or of the first one while none is active.
    pub fn current(&self) -> Option<Arc<Published>> {
        let active = self.issuers.active();
        let active = active.as_ref().and_then(|issuer| self.of(&issuer.certificate().short_id()));
        active.or(self.publishers.first())?.current()
    }

    /// Every full list; `None` while one of them is missing.
    pub fn full(&self) -> Option<Vec<Arc<Published>>> {
        self.publishers.iter().map(|publisher| publisher.current()).collect()
    }

    pub fn all_shards(&self) -> impl Iterator<Item = (u16, Arc<Published>)> {
        self.publishers.iter().flat_map(|publisher| publisher.all_shards())
    }

    pub fn shard_count(&self) -> usize {
        self.publishers.iter().map(|publisher| publisher.shard_count()).sum()
    }

    /// The lists of every CA, PEM: what verifiers need that check the whole chain. With the greatest number in it.
    pub fn all_pem(&self) -> Option<(Document, u64)> {
        let lists = self.full()?;
        let root_lists = self.root_lists.load();
        let name = name_of(&lists, &root_lists);
        let newest = lists.iter().map(|list| list.number).max()?;
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, document)) = all.as_ref().filter(|(known, _)| *known == name) {
            return Some((document.clone(), newest));
        }
        let text: String = lists.iter().map(|list| pem::encode(Label::Crl, &list.der.bytes)).collect();
        let document = Document::list_pem(text + &root_lists.pem(), &name);
        *all = Some((name, document.clone()));
        Some((document, newest))
    }

    /// The same in DER, for verifiers in this process; `None` while a list is missing.
    pub fn set(&self) -> Option<ListSet> {
        let lists = self.full()?;
        let root_lists = self.root_lists.load();
        let roots = std::iter::once(&root_lists.own).chain(&root_lists.others).cloned().map(Bytes::from);
        let bytes = lists.iter().map(|list| list.der.bytes.clone()).chain(roots).collect();
        Some(ListSet { name: name_of(&lists, &root_lists), lists: bytes })
    }

    pub fn root(&self) -> &IssuerCert {
        &self.root
    }

    pub fn root_lists(&self) -> Arc<RootLists> {
        self.root_lists.load_full()
    }

    /// Publishes other lists of the roots from now on.
    pub fn replace_root_lists(&self, lists: RootLists) {
        self.root_lists.store(Arc::new(lists));
        if let Some(directory) = &self.directory {
            directory.wake();
        }
    }

    pub fn interval(&self) -> i64 {
        self.interval
    }

    pub fn directory(&self) -> Option<&Arc<Directory>> {
        self.directory.as_ref()
    }

    pub fn is_behind(&self) -> bool {
        self.publishers.iter().any(|publisher| publisher.is_behind())
    }

    /// The worst of all.
    pub fn standing(&self) -> Standing {
        let worse = |one: Standing, other: Standing| match (one, other) {
            (Standing::Behind, _) | (_, Standing::Behind) => Standing::Behind,
            (Standing::FullFollows, _) | (_, Standing::FullFollows) => Standing::FullFollows,
            (Standing::Current, Standing::Current) => Standing::Current,
        };
        self.publishers.iter().map(|publisher| publisher.standing()).fold(Standing::Current, worse)
    }

    pub fn is_due(&self, now: UnixTime) -> bool {
        self.publishers.iter().any(|publisher| publisher.is_due(now))
    }

    /// Publishes what is new on the lists that have to carry it, and answers the greatest number.
    pub async fn publish(&self, request_id: &str) -> Result<u64, PublishError> {
        if let [only] = self.publishers.as_slice() {
            return only.publish(request_id).await;
        }
        let mut newest = 0;
        for publisher in &self.publishers {
            let number = match publisher.is_behind() || publisher.awaits_news().await? {
                true => publisher.publish(request_id).await?,
                // Somebody else's list carries it, or it is none of this issuer's.
                false => 0,
            };
            newest = newest.max(number);
        }
        if newest > 0 {
            return Ok(newest);
        }
        Ok(self.publishers.iter().filter_map(|p| p.current()).map(|list| list.number).max().unwrap_or(0))
    }

    /// Publishes whatever is due; the failure of one keeps no other from it.
    pub async fn keep_up(&self, request_id: &str) -> Result<(), PublishError> {
        let mut outcome = Ok(());
        for publisher in &self.publishers {
            outcome = publisher.keep_up(request_id).await.and(outcome);
        }
        outcome
    }

    /// New full lists of all issuers. The greatest number.
    pub async fn rebuild(&self, request_id: &str) -> Result<u64, PublishError> {
        let mut newest = 0;
        for publisher in &self.publishers {
            newest = publisher.rebuild(request_id).await?.max(newest);
        }
        Ok(newest)
    }

    pub async fn has_news(&self) -> Result<bool, StoreError> {
        for publisher in &self.publishers {
            if publisher.has_news().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks for the lists that miss something, however it came into the store.
    pub async fn ask_where_new(&self) {
        for publisher in &self.publishers {
            if let Ok(true) = publisher.has_news().await {
                publisher.ask();
            }
        }
    }

    /// Asks for new lists without waiting for them.
    pub fn ask(&self) {
        self.publishers.iter().for_each(|publisher| publisher.ask());
    }

    pub async fn start_over(&self) {
        for publisher in &self.publishers {
            publisher.start_over().await;
        }
    }
}

fn name_of(lists: &[Arc<Published>], root_lists: &RootLists) -> String {
    let numbers: Vec<_> = lists.iter().map(|list| list.name()).collect();
    format!("{}-{}", numbers.join("-"), root_lists.name())
}
