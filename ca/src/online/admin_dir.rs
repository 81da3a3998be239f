//! The administrator's directory, as `signetd setup --admin` makes it: who asks, whom to ask, whom to trust.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use signet_api::client::ApiKey;
use signet_keys::PrivateKey;
use signet_pki::ca::IssuerCert;
use signet_pki::pem;
use signet_pki::view::CertificateView;
use zeroize::Zeroizing;

use super::renew::Pair;
use crate::failure::Failure;
use crate::online::files::{self, MAX_PEM};

pub(super) struct AdminDir {
    pub(super) path: PathBuf,
    /// `https://host:port`.
    pub(super) server: String,
    pub(super) roots: Vec<IssuerCert>,
    /// The administrator's certificate first, then its issuers.
    pub(super) chain: Vec<CertificateView>,
    pub(super) key: PrivateKey,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    server: String,
}

impl AdminDir {
    pub(super) fn read(path: &Path) -> Result<AdminDir, Failure> {
        if !path.is_dir() {
            return Err(missing(path));
        }
        let server = server(&path.join("ca.toml"))?;
        let roots = roots(&path.join("roots.pem"))?;
        let next = Pair::next(path);
        let mut pair = read_pair(&path.join("admin.pem"), &path.join("admin.key"))?;
        if pair.is_none() && next.is_there() {
            // A renewal stopped between the two files.
            next.switch(path)?;
            pair = read_pair(&path.join("admin.pem"), &path.join("admin.key"))?;
        }
        let Some((chain, key)) = pair else {
            let text = format!("admin.pem and admin.key in {} do not belong together", path.display());
            return Err(Failure::refused(text).hint(SETUP));
        };
        Ok(AdminDir { path: path.to_owned(), server, roots, chain, key })
    }

    /// The directory of a service, as `signet-agent` keeps it.
    pub(super) fn of_agent(path: &Path) -> Result<AdminDir, Failure> {
        #[derive(Deserialize)]
        struct State {
            server: String,
        }
        let refused = |what: String| {
            Failure::refused(format!("{}: {what}", path.display()))
                .hint("name a directory that signet-agent made: signet-agent status --dir DIR")
        };
        // One generation, whole: a renewal meanwhile makes another one beside it.
        let current = std::fs::canonicalize(path.join("current")).map_err(|e| refused(e.to_string()))?;
        let state = files::read(&current.join("state.json"), MAX_PEM)?;
        let State { server } = serde_json::from_slice(&state).map_err(|e| refused(e.to_string()))?;
        let roots = roots(&current.join("roots.pem"))?;
        match read_pair(&current.join("device.pem"), &current.join("device.key"))? {
            Some((chain, key)) => Ok(AdminDir { path: path.to_owned(), server, roots, chain, key }),
            None => Err(refused("device.pem and device.key do not belong together".into())),
        }
    }

    /// The same directory with another certificate and key.
    pub(super) fn with_pair(like: &AdminDir, certificate: &Path, key: &Path) -> Result<AdminDir, Failure> {
        let Some((chain, key)) = read_pair(certificate, key)? else {
            return Err(Failure::internal("the renewed certificate is for another key"));
        };
        Ok(AdminDir { path: like.path.clone(), server: like.server.clone(), roots: like.roots.clone(), chain, key })
    }

    pub(super) fn leaf(&self) -> &CertificateView {
        // `chain` is never empty: `read` compared its first certificate with the key.
        &self.chain[0]
    }
}

/// Certificate and key, when they belong together.
fn read_pair(certificate: &Path, key_path: &Path) -> Result<Option<(Vec<CertificateView>, PrivateKey)>, Failure> {
    let chain = chain(certificate)?;
    let key = key(key_path)?;
    let own = chain.first().is_some_and(|leaf| leaf.public_key == *signet_pki::signer::Signer::public_key(&key));
    Ok(own.then_some((chain, key)))
}

/// `given`, or the default below the home directory.
pub(super) fn find(given: Option<&Path>, home: Option<&Path>) -> Result<PathBuf, Failure> {
    match (given, home) {
        (Some(path), _) => Ok(path.to_owned()),
        (None, Some(home)) => Ok(home.join(".config/signet")),
        (None, None) => {
            Err(Failure::refused("it is not known where the administrator's files are").hint(SETUP_OR_OPTION))
        }
    }
}

fn missing(path: &Path) -> Failure {
    Failure::refused(format!("there is no administrator's directory {}", path.display())).hint(SETUP_OR_OPTION)
}

pub(super) fn server(path: &Path) -> Result<String, Failure> {
    let text = files::read_text(path, MAX_PEM).map_err(|f| f.hint(SETUP_OR_OPTION))?;
    let settings: Settings = toml::from_str(&text).map_err(|e| {
        Failure::refused(format!("{}: {}", path.display(), e.to_string().trim_end()))
            .hint("the file has one line, for example: server = \"https://localhost:8443\"")
    })?;
    let server = settings.server.trim_end_matches('/');
    match server.strip_prefix("https://") {
        Some(host) if !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']) => Ok(server.to_owned()),
        _ => Err(Failure::refused(format!("{}: the server is not an https address of a host", path.display()))
            .hint("write it like: server = \"https://ca.example:8443\"")),
    }
}

pub(super) fn roots(path: &Path) -> Result<Vec<IssuerCert>, Failure> {
    let refused = |what: String| {
        Failure::refused(format!("{}: {what}", path.display())).hint("copy roots.pem again from the issuing host")
    };
    let bytes = files::read(path, MAX_PEM)?;
    let ders = pem::certificates(&bytes).map_err(|e| refused(e.to_string()))?;
    let roots: Result<Vec<_>, _> = ders.iter().map(|der| IssuerCert::from_der(der)).collect();
    roots.map_err(|e| refused(e.to_string()))
}

fn chain(path: &Path) -> Result<Vec<CertificateView>, Failure> {
    let refused = |what: String| Failure::refused(format!("{}: {what}", path.display())).hint(SETUP);
    let bytes = files::read(path, MAX_PEM)?;
    let ders = pem::certificates(&bytes).map_err(|e| refused(e.to_string()))?;
    let views: Result<Vec<_>, _> = ders.iter().map(|der| CertificateView::parse(der)).collect();
    views.map_err(|e| refused(e.to_string()))
}

fn key(path: &Path) -> Result<PrivateKey, Failure> {
    let text = private_text(path)?;
    PrivateKey::from_pem(&text).map_err(|e| Failure::refused(format!("{}: {e}", path.display())).hint(e.hint()))
}

/// An API key in a file of its own.
pub(super) fn api_key(path: &Path) -> Result<ApiKey, Failure> {
    ApiKey::parse(&private_text(path)?).ok_or_else(|| {
        Failure::refused(format!("{} is not an API key on one line", path.display()))
            .hint("write one with: ca apikey create --account NAME --out FILE")
    })
}

/// What nobody else may read.
fn private_text(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = files::read_text(path, MAX_PEM)?;
    // Of the file behind links: a link's own permissions say nothing.
    let mode =
        std::fs::metadata(path).map_err(|e| Failure::refused(format!("{}: {e}", path.display())))?.permissions().mode();
    if mode & 0o077 != 0 {
        let text = format!("{} can be read by others (mode {:03o})", path.display(), mode & 0o777);
        return Err(Failure::refused(text).hint(format!("chmod 600 {}", path.display())));
    }
    Ok(text)
}

const SETUP: &str = "make a new one on the issuing host: signetd setup --admin NAME --admin-dir DIR";
const SETUP_OR_OPTION: &str = "name it with --admin DIR or SIGNET_ADMIN, or make one on the issuing host: \
                               signetd setup --admin NAME --admin-dir DIR";

#[cfg(test)]
#[path = "admin_dir_tests.rs"]
pub(super) mod tests;
