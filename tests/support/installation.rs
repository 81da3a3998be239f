//! The files of an installation: what `ca init` leaves behind, made by the same library calls.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use signet::app::{self, Surroundings};
use signet::clock::{Clock, ManualClock, SystemClock};
use signet::config::{Config, ConfigError};
use signet::random::SystemRandom;
use signet::restored::{Accepted, ListFile};
use signet::server_identity;
use signet::store::sqlite::{SqliteStore, migrate};
use signet_api::client::Identity;
use signet_keys::files::{self, Mode};
use signet_keys::{KeyKind, Passphrase, PrivateKey, random};
use signet_pki::ca::{CaName, IssuerCert, IssuerPlan, certify_issuer, self_signed};
use signet_pki::crl::{self, CrlPlan, Entries};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::Locations;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};
use signet_pki::{UnixTime, name::DeviceId};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A directory with `server/` (configuration, issuer, secrets, database) and `admin/`, and the clock of its service.
pub(crate) struct Installation {
    directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Installation {
    /// A copy of the process's template. Its clock shows the real time: TLS on both sides reads the machine's.
    pub(crate) async fn new() -> Installation {
        let template = TEMPLATE.get_or_init(Template::make).await;
        let directory = tempfile::tempdir().unwrap();
        for (path, bytes) in &template.files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        Installation { directory, clock: Arc::new(ManualClock::at(SystemClock.now())) }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.path("server/signet.toml")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("server/signet.db")
    }

    pub(crate) fn config(&self) -> Config {
        Config::load(&self.config_path()).unwrap()
    }

    /// Appends to `signet.toml`: profiles, or another table at its end.
    pub(crate) fn append_toml(&self, text: &str) {
        let whole = std::fs::read_to_string(self.config_path()).unwrap() + "\n" + text + "\n";
        std::fs::write(self.config_path(), whole).unwrap();
    }

    /// Replaces text in `signet.toml`, which must be there.
    pub(crate) fn replace_toml(&self, from: &str, to: &str) {
        let whole = std::fs::read_to_string(self.config_path()).unwrap();
        assert!(whole.contains(from), "{from} is not in signet.toml");
        std::fs::write(self.config_path(), whole.replace(from, to)).unwrap();
    }

    /// The administrator that set-up made.
    pub(crate) fn administrator(&self) -> Identity {
        identity(&self.path("admin"))
    }

    /// The issuing key, opened: for tests in which a thief has it.
    pub(crate) fn issuer_key(&self) -> PrivateKey {
        let text = std::fs::read_to_string(self.path("server/issuer/issuer.key")).unwrap();
        PrivateKey::open(&text, Some(&Passphrase::from_file(&self.path("server/secrets/kek")).unwrap())).unwrap()
    }

    pub(crate) fn root(&self) -> IssuerCert {
        ca(&self.path("server/issuer/root.pem"))
    }

    pub(crate) fn issuer(&self) -> IssuerCert {
        ca(&self.path("server/issuer/issuer.pem"))
    }

    /// Another issuer below the root, in `server/<directory>`, and its table in the configuration.
    pub(crate) async fn add_issuer(&self, directory: &str, name: &str) -> IssuerCert {
        let root_key = Installation::root_key().await;
        let issuer = self.make_issuer(directory, name, &root_key);
        self.append_toml(&issuer_table(directory));
        issuer
    }

    fn make_issuer(&self, directory: &str, name: &str, root_key: &PrivateKey) -> IssuerCert {
        let now = self.clock.now();
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        let name = CaName::new(name, None).unwrap();
        let request = csr::make_named(&key, name.common_name(), name.organization()).unwrap();
        let plan = IssuerPlan {
            request: CheckedCsr::from_der(&request, &KeyPolicy::standard()).unwrap(),
            name,
            validity: (now.minus(86_400), now.plus(2 * 31_556_952)),
            locations: Locations {
                crl: vec!["http://localhost:8080/crl/root.crl".into()],
                ca_issuers: vec!["http://localhost:8080/ca/root.cer".into()],
                ..Locations::default()
            },
            permitted_dns: Vec::new(),
        };
        let issuer = certify_issuer(&self.root(), root_key, plan, random::bytes().unwrap()).unwrap();
        let kek = Passphrase::from_file(&self.path("server/secrets/kek")).unwrap();
        let dir = self.path("server").join(directory);
        std::fs::create_dir_all(&dir).unwrap();
        let sealed = key.to_encrypted_pem(&kek).unwrap();
        files::write_new(&dir.join("issuer.key"), sealed.as_bytes(), Mode::Private).unwrap();
        let text = pem::encode(Label::Certificate, issuer.der());
        files::write_new(&dir.join("issuer.pem"), text.as_bytes(), Mode::Public).unwrap();
        issuer
    }

    /// A list of the root with these issuers on it, in the place of the one before.
    pub(crate) async fn write_root_crl(&self, number: u64, revoked: &[&IssuerCert]) {
        let (now, root_key) = (self.clock.now(), Installation::root_key().await);
        let mut entries = Entries::new();
        for issuer in revoked {
            entries.push(&issuer.view().serial, now, crl::Reason::CaCompromise);
        }
        let plan = CrlPlan::full(number, now, now.plus(400 * 86_400), entries);
        let list = crl::sign(&self.root(), &root_key, plan).unwrap();
        let text = pem::encode(Label::Crl, list.der());
        files::replace(&self.path("server/issuer/root.crl"), text.as_bytes(), Mode::Public).unwrap();
    }

    /// The root's key, PKCS#8; it is in no file of the installation.
    pub(crate) async fn root_key() -> PrivateKey {
        PrivateKey::from_pkcs8_der(&TEMPLATE.get_or_init(Template::make).await.root_key).unwrap()
    }

    /// Every file with its content, for tests that look for traces.
    pub(crate) fn all_files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        read_tree(self.directory.path())
    }
}

/// The table of an issuer in the configuration.
pub(crate) fn issuer_table(directory: &str) -> String {
    format!("[[issuers]]\ncertificate = \"{directory}/issuer.pem\"\nkey = \"{directory}/issuer.key\"")
}

/// `admin.key` and `admin.pem` of a directory.
pub(crate) fn identity(directory: &Path) -> Identity {
    let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
    let key = PrivateKey::from_pem(std::str::from_utf8(&read("admin.key")).unwrap()).unwrap();
    Identity { chain: pem::certificates(&read("admin.pem")).unwrap(), key: key.pkcs8_der().to_vec().into() }
}

/// Opens the database; the process that had it may need a moment to let go of its lock.
pub(crate) fn open_store(path: &Path) -> SqliteStore {
    loop {
        match SqliteStore::open(path) {
            Err(signet::store::sqlite::OpenError::InUse(_)) => std::thread::yield_now(),
            other => return other.unwrap_or_else(|e| panic!("{e}")),
        }
    }
}

fn ca(path: &Path) -> IssuerCert {
    let text = std::fs::read(path).unwrap();
    IssuerCert::from_der(&pem::certificates(&text).unwrap()[0]).unwrap()
}

struct Template {
    files: Vec<(PathBuf, Vec<u8>)>,
    root_key: Vec<u8>,
}

static TEMPLATE: OnceCell<Template> = OnceCell::const_new();

impl Template {
    async fn make() -> Template {
        let directory = tempfile::tempdir().unwrap();
        let root_key = write_authority(&directory.path().join("server"), SystemClock.now());
        set_up(directory.path()).await;
        let mut files = read_tree(directory.path());
        for (path, _) in &mut files {
            *path = path.strip_prefix(directory.path()).unwrap().to_owned();
        }
        files.retain(|(path, _)| !path.to_string_lossy().ends_with(".lock"));
        Template { files, root_key: root_key.pkcs8_der().to_vec() }
    }
}

/// Root, issuer, secrets and configuration as `ca init` writes them. Returns the root's key.
fn write_authority(server: &Path, now: UnixTime) -> PrivateKey {
    let year = 31_556_952;
    // Made yesterday, so that tests can set the service's clock back by hours.
    let from = now.minus(86_400);
    let root_key = PrivateKey::generate(KeyKind::P384).unwrap();
    let root_name = CaName::new("Test Root CA", None).unwrap();
    let root = self_signed(&root_key, &root_name, (from, now.plus(20 * year)), random::bytes().unwrap()).unwrap();
    let issuer_key = PrivateKey::generate(KeyKind::P256).unwrap();
    let name = CaName::new("Test Issuing CA", None).unwrap();
    let request = csr::make_named(&issuer_key, name.common_name(), name.organization()).unwrap();
    let plan = IssuerPlan {
        request: CheckedCsr::from_der(&request, &KeyPolicy::standard()).unwrap(),
        name,
        validity: (from, now.plus(3 * year)),
        locations: Locations {
            crl: vec!["http://localhost:8080/crl/root.crl".into()],
            ca_issuers: vec!["http://localhost:8080/ca/root.cer".into()],
            ..Locations::default()
        },
        permitted_dns: Vec::new(),
    };
    let issuer = certify_issuer(&root, &root_key, plan, random::bytes().unwrap()).unwrap();
    let plan = CrlPlan::full(now.0 as u64 * 1000, from, now.plus(400 * 86_400), Entries::new());
    let root_crl = crl::sign(&root, &root_key, plan).unwrap().der().to_vec();
    let kek = Passphrase::new(data_encoding::HEXLOWER.encode(&random::bytes::<32>().unwrap())).unwrap();
    for made in [server, &server.join("secrets"), &server.join("issuer")] {
        files::create_new_private_dir(made).unwrap();
    }
    let write = |name: &str, bytes: &[u8], mode| files::write_new(&server.join(name), bytes, mode).unwrap();
    write("secrets/kek", kek.as_bytes(), Mode::Private);
    write("issuer/issuer.key", issuer_key.to_encrypted_pem(&kek).unwrap().as_bytes(), Mode::Private);
    write("issuer/issuer.pem", pem::encode(Label::Certificate, issuer.der()).as_bytes(), Mode::Public);
    write("issuer/root.pem", pem::encode(Label::Certificate, root.der()).as_bytes(), Mode::Public);
    write("issuer/root.crl", pem::encode(Label::Crl, &root_crl).as_bytes(), Mode::Public);
    write("signet.toml", CONFIGURATION.as_bytes(), Mode::Public);
    root_key
}

/// What `signetd setup --admin admin` does.
async fn set_up(directory: &Path) {
    let config = Config::load(&directory.join("server/signet.toml")).unwrap();
    migrate(&config.database()).unwrap();
    config.first_token_key(SystemClock.now()).unwrap();
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        store: Arc::new(open_store(&config.database())),
    };
    let service = app::assemble(config, surroundings).await.unwrap();
    server_identity::set_up(&service).await.unwrap();
    let name = DeviceId::parse("admin").unwrap();
    server_identity::create_admin(&service, &name, &directory.join("admin")).await.unwrap();
    service.store.close().await.unwrap();
}

fn read_tree(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(read_tree(&path));
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

const CONFIGURATION: &str = r#"trust_domain = "acme.example"
public_url = "https://localhost:8443"

[listen]
tls = "127.0.0.1:0"
plain = "127.0.0.1:0"
local = "127.0.0.1:0"

[store]
path = "signet.db"

[keys]
kek_file = "secrets/kek"

[issuer]
certificate = "issuer/issuer.pem"
key = "issuer/issuer.key"
root = "issuer/root.pem"
root_crl = "issuer/root.crl"

[tls]
key = "tls/server.key"
certificate = "tls/server.pem"
names = ["localhost"]
addresses = ["127.0.0.1"]

[publication]
base_url = "http://localhost:8080"
"#;

impl Installation {
    /// What `signetd restored` does.
    pub(crate) async fn try_accept_restore(&self, crl: Option<&[u8]>) -> Result<Accepted, ConfigError> {
        let one = |bytes: &[u8]| ListFile { name: "lists".into(), bytes: bytes.to_vec() };
        self.try_accept_lists(&crl.map(one).into_iter().collect::<Vec<_>>()).await
    }

    pub(crate) async fn try_accept_lists(&self, files: &[ListFile]) -> Result<Accepted, ConfigError> {
        let config = self.config();
        let surroundings = Surroundings {
            clock: self.clock.clone(),
            random: Arc::new(SystemRandom),
            store: Arc::new(open_store(&self.database())),
        };
        let service = app::assemble(config, surroundings).await?;
        let accepted = signet::restored::accept(&service, files).await;
        service.store.close().await.unwrap();
        accepted
    }

    pub(crate) async fn accept_restore(&self, crl: Option<&[u8]>) -> signet::store::Adopted {
        self.try_accept_restore(crl).await.unwrap().adopted
    }
}
