//! One generation of the identity: a key, its certificate, and what is known about it.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use signet_api::client::Identity;
use signet_keys::PrivateKey;
use signet_keys::files::{Mode, read_limited, read_named};
use signet_pki::bundle::Held;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, Fingerprint, UnixTime, chain};
use zeroize::Zeroizing;

use super::steps::Step;
use super::{SecretBytes, StoreError, layout, trust};

/// `state.json`. What the certificate says itself is read from the certificate; here it stands for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// `https://host[:port]`.
    pub(crate) server: String,
    /// SHA-256 of the pinned root, hex.
    pub(crate) root: String,
    pub(crate) device: DeviceId,
    pub(crate) profile: String,
    pub(crate) serial: String,
    /// RFC 3339, like the two that follow.
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) renew_after: String,
}

/// What becomes a generation: verified, not yet written.
pub(crate) struct Material<'a> {
    pub(crate) key: &'a PrivateKey,
    /// Leaf, then issuers; the root is not part of it. DER.
    pub(crate) chain: Vec<Vec<u8>>,
    /// DER.
    pub(crate) root: Vec<u8>,
    pub(crate) state: State,
}

impl Material<'_> {
    /// `state.json` is the last: it says that the rest is there.
    pub(super) fn steps(&self, number: u32) -> Result<Vec<Step>, StoreError> {
        let dir = layout::generation_name(number);
        let write = |name: &str, bytes: &[u8], mode| Step::Write {
            name: format!("{dir}/{name}"),
            bytes: Zeroizing::new(bytes.to_vec()),
            mode,
        };
        let pem = |certs: &[Vec<u8>]| -> String { certs.iter().map(|c| pem::encode(Label::Certificate, c)).collect() };
        let state = serde_json::to_string_pretty(&self.state)
            .map_err(|e| StoreError::Damaged { path: PathBuf::from(STATE), why: e.to_string() })?;
        Ok(vec![
            Step::MakeDir(dir.clone()),
            write(KEY, self.key.to_pem()?.as_bytes(), Mode::Private),
            write(CERTIFICATE, pem(&self.chain).as_bytes(), Mode::Private),
            write(ISSUER, pem(&self.chain[1..]).as_bytes(), Mode::Public),
            write(ROOTS, pem(std::slice::from_ref(&self.root)).as_bytes(), Mode::Public),
            write(STATE, state.as_bytes(), Mode::Private),
        ])
    }
}

/// A generation as read back: the key fits the certificate, and the certificate leads to the root.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) number: u32,
    pub(crate) state: State,
    /// Leaf, then issuers.
    chain: Vec<CertificateView>,
    root: CertificateView,
    key: PrivateKey,
    /// The trust bundle of this directory, which outlives generations.
    held: Option<Held>,
}

impl Generation {
    pub(super) fn load(dir: &Path, number: u32) -> Result<Generation, StoreError> {
        let held = trust::held(dir)?;
        let dir = dir.join(layout::generation_name(number));
        let damaged = |why: String| StoreError::Damaged { path: dir.clone(), why };
        let read = |name: &str| {
            let path = dir.join(name);
            read_limited(&path, MAX_FILE).map_err(|e| damaged(e.to_string()))
        };
        let views = |name: &str| -> Result<Vec<CertificateView>, StoreError> {
            let all = pem::certificates(&read(name)?).map_err(|e| damaged(format!("{name}: {e}")))?;
            all.iter().map(|der| CertificateView::parse(der).map_err(|e| damaged(format!("{name}: {e}")))).collect()
        };
        let state: State = serde_json::from_slice(&read(STATE)?).map_err(|e| damaged(format!("{STATE}: {e}")))?;
        let key = read_key(&dir.join(KEY), read(KEY)?)?;
        let chain = views(CERTIFICATE)?;
        let root = views(ROOTS)?.swap_remove(0);
        if chain[0].public_key != *key.public_key() {
            return Err(damaged("device.key does not belong to device.pem".into()));
        }
        let path: Vec<CertificateView> = chain.iter().chain([&root]).cloned().collect();
        chain::verify(&path, None).map_err(|e| damaged(e.to_string()))?;
        if root.fingerprint().to_string() != state.root {
            return Err(damaged("roots.pem is not the root that was pinned".into()));
        }
        Ok(Generation { number, state, chain, root, key, held })
    }

    /// Whether the files that other programs read say what this generation says. Apart from [`Generation::load`], so that a
    /// renewal can put right what is wrong here.
    pub(super) fn check_published(&self, dir: &Path) -> Result<(), StoreError> {
        let ders = |chain: &[CertificateView]| -> Vec<Vec<u8>> { chain.iter().map(|c| c.der.clone()).collect() };
        for (name, expected) in
            [(CERTIFICATE, ders(&self.chain)), (ISSUER, ders(&self.chain[1..])), (ROOTS, self.trusted_roots())]
        {
            let path = dir.join(name);
            let damaged = |why: String| StoreError::Published { path: path.clone(), why };
            let bytes = read_named(&path, MAX_FILE).map_err(|e| damaged(e.to_string()))?;
            let found = pem::decode_all(Label::Certificate, &bytes).map_err(|e| damaged(e.to_string()))?;
            if found != expected {
                return Err(damaged("it does not hold the certificates of the identity".into()));
            }
        }
        let path = dir.join(KEY);
        let damaged = |why: String| StoreError::Published { path: path.clone(), why };
        let key = read_key(&path, read_named(&path, MAX_FILE).map_err(|e| damaged(e.to_string()))?)?;
        match key.public_key() == self.key.public_key() {
            true => Ok(()),
            false => Err(damaged("it is not the key of the identity".into())),
        }
    }

    pub(crate) fn leaf(&self) -> &CertificateView {
        &self.chain[0]
    }

    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// Whom to believe: the roots of the trust bundle, or the one root when there is no bundle. DER.
    pub(crate) fn trusted_roots(&self) -> Vec<Vec<u8>> {
        match &self.held {
            Some(held) => held.bundle().roots().iter().map(|root| root.der().to_vec()).collect(),
            None => vec![self.root.der.clone()],
        }
    }

    pub(crate) fn trusts(&self, root: &Fingerprint) -> bool {
        self.trusted_roots().iter().any(|der| Fingerprint::of(der) == *root)
    }

    /// Of the root that its own chain ends in.
    pub(crate) fn pin(&self) -> Fingerprint {
        self.root.fingerprint()
    }

    pub(crate) fn key(&self) -> &PrivateKey {
        &self.key
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity {
            chain: self.chain.iter().map(|c| c.der.clone()).collect(),
            key: Zeroizing::new(self.key.pkcs8_der().to_vec()),
        }
    }

    /// When the server wants a renewal; half of life when it said something impossible.
    pub(crate) fn renew_after(&self) -> UnixTime {
        let leaf = self.leaf();
        UnixTime::parse_rfc3339(&self.state.renew_after)
            .filter(|at| leaf.is_valid_at(*at))
            .unwrap_or(leaf.not_before.plus(leaf.not_after.since(leaf.not_before) / 2))
    }
}

pub(super) fn read_key(path: &Path, bytes: Vec<u8>) -> Result<PrivateKey, StoreError> {
    let bytes = SecretBytes::new(bytes);
    let damaged = |why: String| StoreError::Damaged { path: PathBuf::from(path), why };
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("the key is no PEM text".into()))?;
    PrivateKey::from_pem(text).map_err(|e| damaged(e.to_string()))
}

pub(super) const KEY: &str = "device.key";
pub(super) const STATE: &str = "state.json";
const CERTIFICATE: &str = "device.pem";
const ISSUER: &str = "issuer.pem";
const ROOTS: &str = "roots.pem";
/// Keys have some 250 octets, chains some kilobytes.
pub(super) const MAX_FILE: usize = 256 * 1024;
