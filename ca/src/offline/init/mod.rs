//! `ca init`: a first CA in one go, for somebody who tries Signet out.

mod config;
mod setup;

use std::path::{Path, PathBuf};

use clap::Args;
use signet_keys::files::{self, FileError, Mode};
use signet_keys::{KeyKind, Passphrase, random};
use signet_pki::ca::{CaName, IssuerPlan};
use signet_pki::csr::CheckedCsr;
use signet_pki::issue::Locations;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::{Fingerprint, TrustDomain};

use super::authority::{Authority, RootPlan};
use super::clock::{self, Now};
use super::issuer::{install, request};
use super::refusals;
use super::secret::PassphraseArgs;
use crate::failure::Failure;
use config::{Host, ServerConfig};

/// Make a first CA in one go: root, issuer, service configuration and first administrator
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca init acme --name Acme --trust-domain acme.example --host ca.acme.example")]
pub(crate) struct Init {
    /// Directory to make; must not exist or be empty
    dir: PathBuf,
    /// What the CA is called: `NAME Root CA` and `NAME Issuing CA`
    #[arg(long, default_value = "Signet")]
    name: String,
    /// Trust domain of the SPIFFE ids
    #[arg(long, value_name = "DOMAIN", default_value = "example.org")]
    trust_domain: TrustDomain,
    /// Name or address under which devices reach the service (repeatable; the first goes into URLs)
    #[arg(long, default_value = "localhost", value_parser = Host::parse)]
    host: Vec<Host>,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: std::net::IpAddr,
    #[arg(long, value_name = "PORT", default_value_t = 8443)]
    tls_port: u16,
    /// For revocation lists, over plain HTTP
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    plain_port: u16,
    /// For health and metrics, on 127.0.0.1 only
    #[arg(long, value_name = "PORT", default_value_t = 9090)]
    local_port: u16,
    /// The service's program; default: beside this one, then PATH
    #[arg(long, value_name = "PATH")]
    signetd: Option<PathBuf>,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Init {
    pub(crate) fn run(self) -> Result<(), Failure> {
        check_free(&self.dir)?;
        let root_name = CaName::new(&format!("{} Root CA", self.name), None)?;
        let issuer_name = CaName::new(&format!("{} Issuing CA", self.name), None)?;
        let server = ServerConfig {
            trust_domain: self.trust_domain,
            hosts: self.host,
            bind: self.bind,
            tls_port: self.tls_port,
            plain_port: self.plain_port,
            local_port: self.local_port,
        };
        let passphrase = self.passphrase.for_new("the root key")?;
        let now = clock::now()?;
        let building = Building::beside(&self.dir)?;
        let root = make_root(&building.path.join("root"), root_name, &server, &passphrase, now)?;
        let fingerprint = make_server(&building.path, root, issuer_name, &server, &passphrase, now)?;
        building.finish(&self.dir)?;
        println!("Made in {}:", self.dir.display());
        println!("  root/    the root key, encrypted, with its certificate, list and record");
        println!("  server/  signet.toml, the issuer and its secrets: what the service needs");
        println!("root SHA-256 {}", fingerprint.colons());
        setup::run(&self.dir, self.signetd.as_deref())?;
        println!("  admin/   the first administrator's key and certificate");
        print!("{}", farewell(&self.dir));
        Ok(())
    }
}

/// A directory beside the final one: either everything appears under the final name, or nothing.
struct Building {
    path: PathBuf,
}

impl Building {
    fn beside(dir: &Path) -> Result<Building, Failure> {
        let random = u64::from_be_bytes(random::bytes()?);
        let path = dir.with_file_name(format!(".signet-init-{random:016x}"));
        files::create_new_private_dir(&path)?;
        Ok(Building { path })
    }

    fn finish(self, dir: &Path) -> Result<(), FileError> {
        files::move_dir(&self.path, dir)
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        // After the move there is nothing under this name; before it, nothing that anybody has seen.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

fn check_free(dir: &Path) -> Result<(), Failure> {
    let taken = || {
        Failure::refused(format!("{} exists already and is not an empty directory", dir.display()))
            .hint("choose another directory: ca init DIR")
    };
    if dir.file_name().is_none() {
        return Err(Failure::usage("this is not a name for a new directory").hint("for example: ca init acme"));
    }
    match dir.symlink_metadata() {
        Err(_) => Ok(()),
        Ok(found) if !found.is_dir() => Err(taken()),
        Ok(_) => match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
            Ok(true) => Ok(()),
            _ => Err(taken()),
        },
    }
}

fn make_root(
    dir: &Path,
    name: CaName,
    server: &ServerConfig,
    passphrase: &Passphrase,
    now: Now,
) -> Result<Authority, Failure> {
    let plan = RootPlan {
        name,
        key: KeyKind::P384,
        years: ROOT_YEARS,
        crl_urls: vec![server.root_crl_url()],
        ca_urls: vec![server.root_certificate_url()],
    };
    Authority::create(dir, plan, passphrase, now)
}

/// The service's directory; walks the same road as `ca issuer request`, `ca root sign` and `ca issuer install`.
fn make_server(
    base: &Path,
    mut root: Authority,
    name: CaName,
    server: &ServerConfig,
    root_passphrase: &Passphrase,
    now: Now,
) -> Result<Fingerprint, Failure> {
    let dir = base.join("server");
    let issuer_dir = dir.join("issuer");
    for made in [&dir, &dir.join("secrets"), &issuer_dir] {
        files::create_new_private_dir(made)?;
    }
    let kek = kek()?;
    files::write_new(&dir.join("secrets/kek"), kek.as_bytes(), Mode::Private)?;
    let (issuer_key, request_der) = request::make(&issuer_dir, &name, &kek)?;
    let csr =
        CheckedCsr::from_der(&request_der, &KeyPolicy::standard()).map_err(|e| refusals::request(&issuer_dir, e))?;
    let plan = IssuerPlan {
        request: csr,
        name,
        validity: root.issuer_validity(now, ISSUER_YEARS)?,
        locations: Locations {
            crl: root.ledger.crl_urls.clone(),
            ca_issuers: root.ledger.ca_urls.clone(),
            ..Locations::default()
        },
        permitted_dns: Vec::new(),
    };
    let root_key = root.key(root_passphrase)?;
    let issuer = root.certify(&root_key, plan, Fingerprint::of(&request_der))?;
    let certificate = issuer_dir.join("issuer.pem");
    files::write_new(&certificate, pem::encode(Label::Certificate, issuer.der()).as_bytes(), Mode::Public)?;
    let (root_pem, root_crl) = (root.certificate_path(), root.crl_path());
    install::Checked::read(&certificate, &root_pem, Some(&root_crl), issuer_key.public_key(), now.time)?
        .write(&issuer_dir)?;
    files::write_new(&dir.join("signet.toml"), server.to_toml().as_bytes(), Mode::Public)?;
    Ok(root.root.view().fingerprint())
}

/// The key that encrypts the service's secrets: 256 random bits as 64 hexadecimal digits.
fn kek() -> Result<Passphrase, Failure> {
    let bytes = zeroize::Zeroizing::new(random::bytes::<32>()?);
    let mut text = String::with_capacity(64);
    for nibble in bytes.iter().flat_map(|b| [b >> 4, b & 0x0f]) {
        text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
    }
    Ok(Passphrase::new(text)?)
}

fn farewell(dir: &Path) -> String {
    let at = |name: &str| dir.join(name).display().to_string();
    format!(
        "\nMove {} to a medium that stays offline, and keep its passphrase and a copy elsewhere.\n\
         Next:\n  signetd run --config {}\n  \
         ca token create --admin {} --device sensor-1 --format link --out sensor-1.link\n  \
         signet-agent enroll --link sensor-1.link --dir sensor-1\n",
        at("root"),
        at("server/signet.toml"),
        at("admin"),
    )
}

const ROOT_YEARS: i64 = 20;
const ISSUER_YEARS: i64 = 3;
