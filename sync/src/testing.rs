//! Authorities, lists and a server for the tests of this crate. Time stands still at [`NOW`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use signet_api::client::ClientError;
use signet_keys::{KeyKind, PrivateKey, random};
use signet_pki::Serial;
use signet_pki::UnixTime;
use signet_pki::ca::{self, CaName, IssuerCert, IssuerPlan};
use signet_pki::crl::{self, CrlPlan, Entries, Reason};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::Locations;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};

use crate::source::{Channel, Fetched, Source};

pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(crate) const DAY: i64 = 86_400;

/// A root and an issuer with their keys.
pub(crate) struct Authority {
    pub(crate) root: IssuerCert,
    pub(crate) issuer: IssuerCert,
    root_key: Arc<PrivateKey>,
    issuer_key: PrivateKey,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let (root_key, issuer_key) = (Arc::new(new_key()), new_key());
        let root =
            ca::self_signed(&*root_key, &ca_name(name, "root"), (NOW.minus(10 * DAY), NOW.plus(1000 * DAY)), draw())
                .unwrap();
        let issuer = certify(&root, &root_key, &issuer_key, &ca_name(name, "issuer"), 500);
        Authority { root, issuer, root_key, issuer_key }
    }

    /// The same root with another issuer that ends so many days from now.
    pub(crate) fn next_issuer(&self, name: &str, days: i64) -> Authority {
        let issuer_key = new_key();
        let issuer = certify(&self.root, &self.root_key, &issuer_key, &ca_name(name, "issuer"), days);
        Authority { root: self.root.clone(), issuer, root_key: self.root_key.clone(), issuer_key }
    }

    /// Another authority's root, certified by this root: its cross certificate.
    pub(crate) fn cross(&self, other: &Authority) -> IssuerCert {
        certify(&self.root, &self.root_key, &other.root_key, &ca_name("Next", "root"), 400)
    }

    /// A list of the issuer, made a minute ago, that ends so many days from now.
    pub(crate) fn issuer_crl(&self, number: u64, days: i64, revoked: &[Serial]) -> Vec<u8> {
        // Lists that have ended already were made before that.
        let this_update = NOW.minus(60).min(NOW.plus(days * DAY).minus(DAY));
        sign_crl(&self.issuer, &self.issuer_key, number, (this_update, NOW.plus(days * DAY)), revoked)
    }

    pub(crate) fn issuer_crl_of(&self, number: u64, this_update: UnixTime) -> Vec<u8> {
        sign_crl(&self.issuer, &self.issuer_key, number, (this_update, this_update.plus(7 * DAY)), &[])
    }

    pub(crate) fn root_crl(&self, number: u64, revoked: &[Serial]) -> Vec<u8> {
        sign_crl(&self.root, &self.root_key, number, (NOW.minus(60), NOW.plus(400 * DAY)), revoked)
    }

    /// Both lists with this number.
    pub(crate) fn lists(&self, number: u64) -> Vec<Vec<u8>> {
        vec![self.issuer_crl(number, 7, &[]), self.root_crl(number, &[])]
    }

    pub(crate) fn bundle(&self) -> Vec<IssuerCert> {
        vec![self.root.clone(), self.issuer.clone()]
    }
}

pub(crate) fn crl_pem(lists: &[Vec<u8>]) -> String {
    lists.iter().map(|der| pem::encode(Label::Crl, der)).collect()
}

fn certify(root: &IssuerCert, root_key: &PrivateKey, key: &PrivateKey, name: &CaName, days: i64) -> IssuerCert {
    let request = CheckedCsr::from_der(&csr::make(key, "issuer").unwrap(), &KeyPolicy::standard()).unwrap();
    let validity = (NOW.minus(10 * DAY), NOW.plus(days * DAY));
    let plan = IssuerPlan {
        request,
        name: name.clone(),
        validity,
        locations: Locations::default(),
        permitted_dns: Vec::new(),
    };
    ca::certify_issuer(root, root_key, plan, draw()).unwrap()
}

fn sign_crl(
    ca: &IssuerCert,
    key: &PrivateKey,
    number: u64,
    (this_update, next_update): (UnixTime, UnixTime),
    revoked: &[Serial],
) -> Vec<u8> {
    let mut entries = Entries::new();
    revoked.iter().for_each(|serial| entries.push(serial, NOW, Reason::KeyCompromise));
    crl::sign(ca, key, CrlPlan::full(number, this_update, next_update, entries)).unwrap().der().to_vec()
}

fn ca_name(name: &str, what: &str) -> CaName {
    CaName::new(&format!("{name} {what}"), None).unwrap()
}

fn new_key() -> PrivateKey {
    PrivateKey::generate(KeyKind::P256).unwrap()
}

fn draw() -> [u8; 20] {
    random::bytes().unwrap()
}

/// Answers from a table with a validator for each document; what is not in it is absent.
pub(crate) struct Fake {
    pub(crate) channel: Channel,
    pub(crate) documents: BTreeMap<String, Vec<u8>>,
    pub(crate) failure: Option<ClientError>,
    /// `PATH` or `PATH if changed`, as it was asked.
    pub(crate) asked: RefCell<Vec<String>>,
}

impl Fake {
    pub(crate) fn over(channel: Channel) -> Fake {
        Fake { channel, documents: BTreeMap::new(), failure: None, asked: RefCell::default() }
    }

    /// A service with this chain and these lists.
    pub(crate) fn serving(channel: Channel, bundle: &[IssuerCert], lists: &[Vec<u8>]) -> Fake {
        let (chain, all) = match channel {
            Channel::Authenticated => ("/v1/trust/bundle.pem", "/v1/trust/crl.pem"),
            Channel::Public => ("/ca/bundle.pem", "/crl/all.pem"),
        };
        Fake::over(channel).with(chain, crate::bundle::to_pem(bundle)).with(all, crl_pem(lists))
    }

    pub(crate) fn with(mut self, path: &str, document: impl Into<Vec<u8>>) -> Fake {
        self.documents.insert(path.to_owned(), document.into());
        self
    }
}

impl Source for &Fake {
    fn name(&self) -> &str {
        "fake:"
    }

    fn channel(&self) -> Channel {
        self.channel
    }

    async fn get(&self, path: &str, etag: Option<&str>) -> Result<Fetched, ClientError> {
        let condition = if etag.is_some() { " if changed" } else { "" };
        self.asked.borrow_mut().push(format!("{path}{condition}"));
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let Some(bytes) = self.documents.get(path).cloned() else { return Ok(Fetched::Absent) };
        let current = crate::output::hash(&bytes);
        match etag {
            Some(tag) if tag == current => Ok(Fetched::NotModified),
            _ => Ok(Fetched::Document { bytes, etag: Some(current) }),
        }
    }
}
