//! The same documents as files, under the paths that they have over HTTP, for any web server that serves files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use signet_keys::files::{self, FileError, Mode};
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use tokio::sync::Notify;

use super::Document;
use super::lists::Lists;
use super::press::Published;

/// Names what is in the directory. Written last, so that whatever it names is there.
const MANIFEST: &str = "manifest.json";

/// Where it is, and how it went.
pub struct Directory {
    path: PathBuf,
    news: Notify,
    /// Validators of what was written since the start, by name; held while something is written.
    written: Mutex<BTreeMap<String, String>>,
    failure: Mutex<Option<String>>,
    failing: AtomicBool,
    writes: AtomicU64,
}

/// A document with its name below the directory, and of a list what the manifest says about it.
struct Item {
    name: String,
    document: Document,
    list: Option<Value>,
}

impl Directory {
    pub fn new(path: PathBuf) -> Directory {
        Directory {
            path,
            news: Notify::new(),
            written: Mutex::default(),
            failure: Mutex::default(),
            failing: AtomicBool::new(false),
            writes: AtomicU64::new(0),
        }
    }

    /// Asks for a look at what has changed.
    pub(super) fn wake(&self) {
        self.news.notify_one();
    }

    /// Waits until somebody asks for a look.
    pub async fn woken(&self) {
        self.news.notified().await;
    }

    /// Why the files are not what they should be, if they are not.
    pub fn failure(&self) -> Option<String> {
        if self.failing.load(Ordering::SeqCst) { lock(&self.failure).clone() } else { None }
    }

    /// How often everything that was new has been written.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Writes every document that has changed since the last time, then the manifest. Blocks; a failure is logged when it
    /// begins and leaves whatever was there.
    pub fn write(&self, lists: &Lists) {
        let mut written = lock(&self.written);
        match self.update(lists, &mut written) {
            Ok(()) => {
                if self.failing.swap(false, Ordering::SeqCst) {
                    tracing::info!(directory = %self.path.display(), "the publication directory is written again");
                }
                self.writes.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                // Somebody may have replaced the whole directory: everything is written again.
                written.clear();
                let text = error.to_string();
                *lock(&self.failure) = Some(text.clone());
                if !self.failing.swap(true, Ordering::SeqCst) {
                    tracing::error!(error = %text, "the publication directory cannot be written; lists are served over HTTP, and it is tried again");
                }
            }
        }
    }

    fn update(&self, lists: &Lists, written: &mut BTreeMap<String, String>) -> Result<(), FileError> {
        let items = items(lists);
        let mut changed = false;
        for item in &items {
            if written.get(&item.name) == Some(&item.document.etag) {
                continue;
            }
            let path = self.path.join(&item.name);
            if let Some(parent) = path.parent() {
                self.make(parent)?;
            }
            files::replace(&path, &item.document.bytes, Mode::Public)?;
            written.insert(item.name.clone(), item.document.etag.clone());
            changed = true;
        }
        if !changed && written.contains_key(MANIFEST) {
            return Ok(());
        }
        // Not there until it is whole again: a manifest that could not be written is tried again.
        written.remove(MANIFEST);
        let text =
            json!({ "format": 1, "files": items.iter().map(Item::entry).collect::<Vec<_>>() }).to_string() + "\n";
        files::replace(&self.path.join(MANIFEST), text.as_bytes(), Mode::Public)?;
        written.insert(MANIFEST.to_owned(), String::new());
        Ok(())
    }

    /// Directories below ours are made; ours is the operator's, who would not see a slip of the pen otherwise.
    fn make(&self, directory: &Path) -> Result<(), FileError> {
        if directory == self.path || directory.is_dir() {
            return Ok(());
        }
        if let Some(parent) = directory.parent() {
            self.make(parent)?;
        }
        std::fs::create_dir(directory).map_err(|source| FileError::Io { path: directory.to_owned(), source })
    }
}

impl Item {
    fn fixed(name: String, document: Document) -> Item {
        Item { name, document, list: None }
    }

    fn list(name: String, document: &Document, list: &Published) -> Item {
        let about = json!({
            "number": list.number,
            "this_update": list.this_update.to_string(),
            "next_update": list.next_update.to_string(),
        });
        Item { name, document: document.clone(), list: Some(about) }
    }

    fn entry(&self) -> Value {
        let mut entry = json!({
            "name": self.name,
            "sha256": self.document.sha256().to_string(),
            "size": self.document.bytes.len(),
        });
        if let (Some(entry), Some(Value::Object(list))) = (entry.as_object_mut(), &self.list) {
            entry.extend(list.clone());
        }
        entry
    }
}

/// Everything that the plain listener serves by name.
fn items(lists: &Lists) -> Vec<Item> {
    let mut items = Vec::new();
    let mut certificate = |name: &str, of: &IssuerCert| {
        items.push(Item::fixed(format!("ca/{name}.cer"), Document::certificate(of.der().to_vec())));
        items.push(Item::fixed(format!("ca/{name}.pem"), Document::pem(pem::encode(Label::Certificate, of.der()))));
    };
    certificate("root", lists.root());
    for publisher in lists.publishers() {
        certificate(&publisher.issuer().short_id(), publisher.issuer());
    }
    let root_lists = lists.root_lists();
    items.push(Item::fixed("crl/root.crl".into(), Document::crl(root_lists.own.clone())));
    items.push(Item::fixed("crl/root.pem".into(), Document::pem(root_lists.pem())));
    for publisher in lists.publishers() {
        let id = publisher.issuer().short_id();
        if let Some(list) = publisher.current() {
            items.push(Item::list(format!("crl/{id}.crl"), &list.der, &list));
            items.push(Item::list(format!("crl/{id}.pem"), list.pem(), &list));
        }
        for (shard, list) in publisher.all_shards() {
            items.push(Item::list(format!("crl/{id}/{shard}.crl"), &list.der, &list));
            items.push(Item::list(format!("crl/{id}/{shard}.pem"), list.pem(), &list));
        }
    }
    if let (Some((all, _)), Some(newest)) = (lists.all_pem(), newest(lists)) {
        items.push(Item::list("crl/all.pem".into(), &all, &newest));
    }
    items
}

/// The one that the manifest names for all of them together.
fn newest(lists: &Lists) -> Option<Arc<Published>> {
    lists.full()?.into_iter().max_by_key(|list| list.number)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
