//! The service's own TLS certificate: issued by its own issuer, on the same road as every other, renewed by itself.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use signet_api::admin::DeviceQuery;
use signet_keys::files::{self, Mode};
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::csr;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, UnixTime};

use crate::app::own_context;
use crate::authorize::{Enrollment, Evidence};
use crate::config::{ADMIN_PROFILE, ConfigError, SERVER_PROFILE};
use crate::enrollment::Outcome;
use crate::http::Service;
use crate::http::tls;
use crate::store::{AuditDraft, Issued, PrincipalRecord, PrincipalStatus};

/// Key and certificate of the TLS listener.
pub struct ServerIdentity {
    key: PrivateKey,
    chain: Vec<Vec<u8>>,
    certificate: CertificateView,
}

impl ServerIdentity {
    /// Reads what `signetd setup` made.
    pub fn load(service: &Service) -> Result<ServerIdentity, ConfigError> {
        let setup = "make it with 'signetd setup --config FILE'";
        let read = |path: &PathBuf, what: &str| {
            files::read_named(path, 64 * 1024).map_err(|e| ConfigError::new(format!("the {what}: {e}"), setup))
        };
        let (key_path, certificate_path) = paths(service);
        let key_text = zeroize::Zeroizing::new(read(&key_path, "TLS key")?);
        let key = PrivateKey::from_pem(std::str::from_utf8(&key_text).unwrap_or_default())
            .map_err(|e| ConfigError::new(format!("{}: {e}", key_path.display()), setup))?;
        let text = read(&certificate_path, "TLS certificate")?;
        let named = |e: String| ConfigError::new(format!("{}: {e}", certificate_path.display()), setup);
        let chain = pem::certificates(&text).map_err(|e| named(e.to_string()))?;
        let certificate = CertificateView::parse(&chain[0]).map_err(|e| named(e.to_string()))?;
        if &certificate.public_key != key.public_key() {
            return Err(named("it does not belong to the TLS key".into()));
        }
        Ok(ServerIdentity { key, chain, certificate })
    }

    /// Half of life is over, or the certificate is another issuer's.
    pub fn is_due(&self, service: &Service, now: UnixTime) -> bool {
        let active = service.road.issuers.active();
        if active.is_some_and(|active| self.chain.get(1).is_none_or(|above| above != active.certificate().der())) {
            return true;
        }
        let life = self.certificate.not_after.since(self.certificate.not_before);
        now.since(self.certificate.not_before) > life / 2
    }

    pub fn tls_config(&self, service: &Service) -> Result<Arc<ServerConfig>, ConfigError> {
        let root = service.publisher.root();
        let issuers = &service.road.issuers;
        let mut cas = vec![root.der()];
        cas.extend(issuers.trusted().map(|issuer| issuer.certificate().der()));
        for other in service.trust.authorities().filter(|ca| !issuers.is_distrusted(ca.key_identifier())) {
            if !cas.contains(&other.der()) {
                cas.push(other.der());
            }
        }
        // With them, devices that know an older root alone accept this chain.
        let crosses = service.trust.crosses_to(root).map(|cross| cross.der().to_vec());
        let chain = self.chain.iter().cloned().chain(crosses).collect();
        tls::server_config(chain, self.key.pkcs8_der(), &cas)
            .map_err(|e| ConfigError::new(e.to_string(), "run 'signetd setup --config FILE' again"))
    }
}

/// Makes the TLS key when there is none, and a certificate for it. Says what it made.
pub async fn set_up(service: &Service) -> Result<Vec<PathBuf>, ConfigError> {
    let (key_path, certificate_path) = paths(service);
    let mut made = Vec::new();
    let key = if key_path.exists() {
        let text = files::read_named(&key_path, 64 * 1024).map_err(file_error)?;
        PrivateKey::from_pem(std::str::from_utf8(&text).unwrap_or_default()).map_err(key_error)?
    } else {
        let key = PrivateKey::generate(KeyKind::P256).map_err(key_error)?;
        make_parent(&key_path)?;
        files::write_new(&key_path, key.to_pem().map_err(key_error)?.as_bytes(), Mode::Private).map_err(file_error)?;
        made.push(key_path);
        key
    };
    let issued = certify(service, &key, server_record(service).await?).await?;
    make_parent(&certificate_path)?;
    files::replace(&certificate_path, chain_pem(service, &issued).as_bytes(), Mode::Public).map_err(file_error)?;
    made.push(certificate_path);
    Ok(made)
}

/// An administrator's key and certificate in a directory of its own, ready for `ca`.
pub async fn create_admin(
    service: &Service,
    name: &DeviceId,
    directory: &std::path::Path,
) -> Result<Vec<PathBuf>, ConfigError> {
    let exists = |path: &PathBuf| {
        ConfigError::new(
            format!("{} exists already", path.display()),
            "choose another --admin-dir; nothing is overwritten",
        )
    };
    let at = |file: &str| directory.join(file);
    let (key_path, certificate_path) = (at("admin.key"), at("admin.pem"));
    if let Some(path) = [&key_path, &certificate_path].into_iter().find(|p| p.exists()) {
        return Err(exists(path));
    }
    let now = service.clock.now();
    let found = service.store.principal(name).await.map_err(store_error)?;
    if found.as_ref().is_some_and(|p| p.kind != PrincipalKind::Admin || p.status != PrincipalStatus::Active) {
        return Err(ConfigError::new(
            format!("the name {name} is taken by something else"),
            "choose another --admin NAME",
        ));
    }
    tell_the_others(service, name, now).await?;
    let key = PrivateKey::generate(KeyKind::P256).map_err(key_error)?;
    files::create_private_dir(directory).map_err(file_error)?;
    // The key is on disk before the certificate exists: a certificate without its key would be lost.
    files::write_new(&key_path, key.to_pem().map_err(key_error)?.as_bytes(), Mode::Private).map_err(file_error)?;
    let record = record(name.clone(), PrincipalKind::Admin, ADMIN_PROFILE, found, now);
    let issued = certify(service, &key, record).await?;
    let roots = pem::encode(Label::Certificate, service.publisher.root().der());
    let settings = format!("server = {:?}\n", service.config.raw.public_url);
    for (file, text) in [("admin.pem", chain_pem(service, &issued)), ("roots.pem", roots), ("ca.toml", settings)] {
        files::replace(&at(file), text.as_bytes(), Mode::Public).map_err(file_error)?;
    }
    Ok(vec![key_path, certificate_path, at("roots.pem"), at("ca.toml")])
}

/// Who may run this command becomes an administrator without anyone's approval. Where there are administrators already, they are
/// told, before there is one more.
async fn tell_the_others(service: &Service, name: &DeviceId, now: UnixTime) -> Result<(), ConfigError> {
    let query = DeviceQuery { kind: Some(PrincipalKind::Admin), limit: Some(1), ..DeviceQuery::default() };
    if service.store.devices(query, now).await.map_err(store_error)?.items.is_empty() {
        return Ok(());
    }
    let draft = AuditDraft {
        kind: "alarm.administrator_set_up",
        actor: "signetd".into(),
        subject: name.to_string(),
        request_id: own_context(service).request_id,
        detail: serde_json::json!({ "administrator": name.as_str() }),
        at: now,
    };
    service.store.alarm(None, draft).await.map_err(store_error)
}

/// A new certificate for the same key, on disk before it is used.
pub async fn renew(service: &Service, identity: &mut ServerIdentity) -> Result<Arc<ServerConfig>, ConfigError> {
    let issued = certify(service, &identity.key, server_record(service).await?).await?;
    let (_, path) = paths(service);
    files::replace(&path, chain_pem(service, &issued).as_bytes(), Mode::Public).map_err(file_error)?;
    *identity = ServerIdentity::load(service)?;
    identity.tls_config(service)
}

async fn certify(service: &Service, key: &PrivateKey, principal: PrincipalRecord) -> Result<Issued, ConfigError> {
    let csr =
        csr::make(key, principal.id.as_str()).map_err(|e| ConfigError::new(e.to_string(), "check the TLS key"))?;
    let enrollment = Enrollment { csr, evidence: Evidence::Operator { principal }, context: own_context(service) };
    match service.road.walk(enrollment).await {
        Ok(Outcome::Issued(issued) | Outcome::Replayed(issued)) => Ok(issued),
        Ok(Outcome::Pending(_)) => {
            Err(ConfigError::new("the certificate waits for an approval", "this is a fault of the program"))
        }
        Err(error) => {
            Err(ConfigError::new(format!("the certificate could not be issued: {error}"), "nothing was changed"))
        }
    }
}

async fn server_record(service: &Service) -> Result<PrincipalRecord, ConfigError> {
    let id =
        DeviceId::parse("signetd").map_err(|e| ConfigError::new(e.to_string(), "this is a fault of the program"))?;
    let found = service.store.principal(&id).await.map_err(store_error)?;
    let tls = &service.config.raw.tls;
    let mut record = record(id, PrincipalKind::Server, SERVER_PROFILE, found, service.clock.now());
    record.dns_names = tls.names.clone();
    record.addresses = tls.addresses.clone();
    Ok(record)
}

fn record(
    id: DeviceId,
    kind: PrincipalKind,
    profile: &str,
    found: Option<PrincipalRecord>,
    now: UnixTime,
) -> PrincipalRecord {
    let new = PrincipalRecord::new(id, kind, profile, now);
    PrincipalRecord {
        status: PrincipalStatus::Active,
        created_at: found.as_ref().map_or(now, |p| p.created_at),
        version: found.map_or(0, |p| p.version),
        ..new
    }
}

fn chain_pem(service: &Service, issued: &Issued) -> String {
    let issuer = service.road.issuers.known(issued.issuer());
    pem::encode(Label::Certificate, issued.der()) + issuer.as_ref().map_or("", |issuer| issuer.pem.as_str())
}

fn paths(service: &Service) -> (PathBuf, PathBuf) {
    let tls = &service.config.raw.tls;
    (service.config.path(&tls.key), service.config.path(&tls.certificate))
}

fn make_parent(path: &std::path::Path) -> Result<(), ConfigError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.exists() => {
            files::create_private_dir(parent).map_err(file_error)
        }
        _ => Ok(()),
    }
}

fn file_error(error: files::FileError) -> ConfigError {
    ConfigError::new(error.to_string(), "check the directory, its permissions and the free space")
}

fn key_error(error: signet_keys::private::KeyError) -> ConfigError {
    ConfigError::new(error.to_string(), error.hint())
}

fn store_error(error: crate::store::StoreError) -> ConfigError {
    ConfigError::new(error.to_string(), "check store.path")
}
