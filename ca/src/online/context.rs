//! Where the administrator's files are, and the connection that they open.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use signet_api::admin::{Damaged, HEADER_DAMAGED};
use signet_api::client::{
    Answer, ApiKey, Client, ClientConfig, ClientError, Clock, Identity, Method, Trust, fetch_plain,
};
use signet_api::{ErrorCode, Problem};
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::online::admin_dir::{self, AdminDir};
use crate::online::service::{Call, CallError, Service, note_damaged};

#[derive(Debug, Default, Args)]
pub(crate) struct At {
    /// The administrator's directory, ~/.config/signet when nothing is said
    #[arg(long, global = true, env = "SIGNET_ADMIN", value_name = "DIR", hide_env_values = true)]
    admin: Option<PathBuf>,
    /// Ask with the API key in this file instead of the administrator's certificate; the directory still says whom
    #[arg(long, global = true, env = "SIGNET_API_KEY_FILE", value_name = "FILE", hide_env_values = true)]
    api_key_file: Option<PathBuf>,
}

impl At {
    /// Reads the directory. Nothing is sent before the first request.
    pub(super) fn open(&self) -> Result<Context, Failure> {
        if let Some(file) = &self.api_key_file {
            let key = admin_dir::api_key(file)?;
            let path = self.path()?;
            let place = Place {
                server: admin_dir::server(&path.join("ca.toml"))?,
                roots: admin_dir::roots(&path.join("roots.pem"))?,
                path,
            };
            return Context::by_key(place, key);
        }
        let dir = self.read()?;
        let leaf = dir.leaf();
        if leaf.not_after <= now() {
            let text = format!("the administrator's certificate ended on {}", leaf.not_after);
            return Err(Failure::refused(text).hint(NEW_ADMIN));
        }
        Context::new(dir)
    }

    pub(super) fn read(&self) -> Result<AdminDir, Failure> {
        AdminDir::read(&self.path()?)
    }

    pub(super) fn has_key(&self) -> bool {
        self.api_key_file.is_some()
    }

    /// Where the directory is, or would be.
    pub(super) fn path(&self) -> Result<PathBuf, Failure> {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        admin_dir::find(self.admin.as_deref(), home.as_deref())
    }
}

/// Whom to ask, and whom to trust.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) server: String,
    pub(super) roots: Vec<IssuerCert>,
}

/// The service, asked over mTLS with the administrator's certificate, or with an API key.
pub(super) struct Context {
    place: Place,
    /// `None` with an API key.
    dir: Option<AdminDir>,
    config: ClientConfig,
    runtime: Runtime,
    /// The client with the end of its last answer.
    kept: Cell<Option<(Client, Instant)>>,
    max_idle: Duration,
}

impl Context {
    pub(super) fn new(dir: AdminDir) -> Result<Context, Failure> {
        let identity = Identity {
            chain: dir.chain.iter().map(|c| c.der.clone()).collect(),
            key: Zeroizing::new(dir.key.pkcs8_der().to_vec()),
        };
        let place = Place { path: dir.path.clone(), server: dir.server.clone(), roots: dir.roots.clone() };
        Context::asking(place, Some(dir), |config| config.identity(identity))
    }

    pub(super) fn by_key(place: Place, key: ApiKey) -> Result<Context, Failure> {
        Context::asking(place, None, |config| config.api_key(key))
    }

    fn asking(
        place: Place,
        dir: Option<AdminDir>,
        show: impl FnOnce(ClientConfig) -> ClientConfig,
    ) -> Result<Context, Failure> {
        let roots = place.roots.iter().map(|root| root.der().to_vec()).collect();
        let mut config = show(ClientConfig::new(&place.server, Trust::Roots(roots)));
        config.max_answer = MAX_ANSWER;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::internal)?;
        Ok(Context { place, dir, config, runtime, kept: Cell::new(None), max_idle: MAX_IDLE })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// For what needs the administrator's certificate.
    pub(super) fn dir(&self) -> Result<&AdminDir, Failure> {
        self.dir.as_ref().ok_or_else(|| {
            Failure::refused("this needs the administrator's certificate, not an API key")
                .hint("leave --api-key-file and SIGNET_API_KEY_FILE away")
        })
    }

    pub(super) fn roots(&self) -> &[IssuerCert] {
        &self.place.roots
    }

    /// One request, with the whole answer.
    pub(super) fn send(&self, request: Call<'_>) -> Result<Answer, CallError> {
        let (method, path, body) = match request {
            Call::Get { path } => (Method::GET, path, None),
            Call::Post { path, body } => (Method::POST, path, Some(("application/json", body.to_vec()))),
            Call::Put { path, body } => (Method::PUT, path, Some(("application/json", body.to_vec()))),
            Call::Delete { path } => (Method::DELETE, path, None),
        };
        let accept = [("accept", "application/json, */*;q=0.5")];
        let outcome = self.runtime.block_on(async {
            let client = self.client().await?;
            let answer = client.send(method, path, &accept, body).await;
            self.kept.set(Some((client, Instant::now())));
            answer
        });
        outcome.map_err(|error| match error {
            ClientError::Refused(problem, retry_after) => CallError::Refused(problem, retry_after),
            other => CallError::Failed(failure(&self.place.server, &other)),
        })
    }

    /// A trust bundle from the plain listener, whose address stands in the administrator's certificate; `None` when it does
    /// not.
    pub(super) fn plain_bundle(&self, sequence: u64) -> Option<Result<Vec<u8>, CallError>> {
        let host =
            self.dir.as_ref()?.leaf().crl_urls.iter().find_map(|url| url.strip_prefix("http://"))?.split('/').next()?;
        let base = format!("http://{host}");
        let answer = self.runtime.block_on(fetch_plain(&base, sequence, self.config.timeouts));
        Some(match answer {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(CallError::Refused(Box::new(Problem::new(ErrorCode::NotFound, None, String::new())), None)),
            Err(error) => Err(CallError::Failed(failure(&base, &error))),
        })
    }

    /// Goes on with a client of its own, for as long as `work` does.
    pub(super) fn with_client<T>(&self, work: impl AsyncFnOnce(Client) -> Result<T, Failure>) -> Result<T, Failure> {
        self.runtime.block_on(async {
            let client = Client::open(self.config.clone()).await.map_err(|error| self.failure(error))?;
            work(client).await
        })
    }

    /// The error in this command line's words.
    pub(super) fn failure(&self, error: ClientError) -> Failure {
        said(&self.place.server, error)
    }

    /// The kept connection while the service certainly keeps it too: while a person reads a question it is closed, and
    /// a POST on a dead connection is not repeated.
    async fn client(&self) -> Result<Client, ClientError> {
        match self.kept.take() {
            Some((client, since)) if since.elapsed() < self.max_idle => Ok(client),
            _ => Client::open(self.config.clone()).await,
        }
    }
}

impl Service for Context {
    fn call(&self, request: Call<'_>) -> Result<Vec<u8>, CallError> {
        let answer = self.send(request)?;
        // Of a list that is an array.
        let damaged = answer.header(HEADER_DAMAGED).and_then(|text| serde_json::from_str::<Vec<Damaged>>(text).ok());
        note_damaged(&damaged.unwrap_or_default());
        Ok(answer.body.to_vec())
    }
}

/// The machine's clock.
pub(super) fn now() -> UnixTime {
    Clock::System.read()
}

/// The error in this command line's words.
pub(super) fn said(server: &str, error: ClientError) -> Failure {
    match error {
        ClientError::Refused(problem, retry_after) => CallError::Refused(problem, retry_after).into(),
        other => failure(server, &other),
    }
}

/// For the requests of one command, one after another.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::internal)
}

fn failure(server: &str, error: &ClientError) -> Failure {
    let text = format!("{server}: {error}");
    match error {
        ClientError::ClientRejected(_) => Failure::refused(text).hint(NEW_ADMIN),
        ClientError::Config(_) => Failure::refused(text).hint(error.hint()),
        // Refusals are told apart by the caller; what is left of them has no better words than the client's.
        ClientError::Refused(..)
        | ClientError::UnexpectedStatus { .. }
        | ClientError::Unreachable(_)
        | ClientError::Untrusted(_)
        | ClientError::Protocol(_)
        | ClientError::Timeout(_) => Failure::internal(text).hint(error.hint()),
    }
}

pub(super) const NEW_ADMIN: &str = "make a new one on the issuing host: signetd setup --admin NAME --admin-dir DIR";
/// The service closes a connection after ten idle seconds.
const MAX_IDLE: Duration = Duration::from_secs(5);
/// The CRLs of all CAs in PEM: a million entries have 49 MB in DER.
const MAX_ANSWER: usize = 256 << 20;

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
