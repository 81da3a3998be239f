//! `signet-agent register`: tells the CA under which names this machine's service is reached and what belongs to it.
//!
//! What was asked for is kept in `service.json`; `run` sends it again with every new certificate, so that the CA always
//! knows the chain that is served. The same again changes nothing there.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use signet_api::ErrorCode;
use signet_api::client::{ClientError, Method};
use signet_api::services::{FailMode, RegisterService, ServiceDetail};
use signet_keys::files::{self, FileError, Mode};
use signet_pki::pem::{self, Label};
use signet_pki::{DnsName, Fingerprint, registration};

use crate::failure::Failure;
use crate::renew::client;
use crate::store::{Absent, Generation, Store, StoreError};
use crate::world::{Attempt, Pause, RealPause, World, persist};

/// Register this machine's service: its names, ports and resources, with the certificate it has now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  signet-agent register --dir /var/lib/signet --dns broker.internal --port 8883
  signet-agent register --dir /var/lib/signet --prove > broker.proof")]
pub(crate) struct Register {
    /// Where the identity is kept
    #[arg(long)]
    dir: PathBuf,
    /// A name under which clients reach the service; it stands in the certificate
    #[arg(long, value_name = "NAME", required_unless_present_any = ["prove", "withdraw"])]
    dns: Vec<DnsName>,
    #[arg(long, value_name = "PORT", required_unless_present_any = ["prove", "withdraw"])]
    port: Vec<u16>,
    /// What belongs to the service, when not what is registered already: service:ID, or a prefix such as mqtt:topic/*
    #[arg(long, value_name = "KIND:NAME")]
    resource: Vec<String>,
    /// Let requests pass when permission cannot be asked for; otherwise they are refused
    #[arg(long)]
    fail_open: bool,
    /// Where the service is, when its names do not lead there
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// Send nothing; print the key's word for an administrator who registers this service
    #[arg(long, conflicts_with_all = ["dns", "port", "resource", "fail_open", "address", "withdraw"])]
    prove: bool,
    /// Take the registration back, and do not send it again
    #[arg(long, conflicts_with_all = ["dns", "port", "resource", "fail_open", "address"])]
    withdraw: bool,
    /// Seconds to wait for a server that is down or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// `service.json`: the registration without what every certificate changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    dns_names: Vec<DnsName>,
    ports: Vec<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<String>>,
    #[serde(default)]
    fail_mode: FailMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
}

impl Register {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut world = World { clock: Default::default(), pause: RealPause };
        let wait = Duration::from_secs(self.wait);
        let said = if self.prove {
            prove(&self.dir)?
        } else if self.withdraw {
            withdraw(&self.dir, wait, &mut world).await?
        } else {
            let wish = self.wish();
            let detail = register(&self.dir, &wish, wait, &mut world).await?;
            let service = detail.service;
            let names: Vec<&str> = service.dns_names.iter().map(DnsName::as_str).collect();
            format!(
                "registered: {}\nnames: {}\nresources: {}\nserial: {}\n",
                service.id,
                names.join(" "),
                service.resources.join(" "),
                service.serial
            )
        };
        let written = std::io::stdout().lock().write_all(said.as_bytes());
        written.map_err(|e| Failure::internal(format!("the output cannot be written: {e}")))
    }

    fn wish(&self) -> Wish {
        Wish {
            dns_names: self.dns.clone(),
            ports: self.port.clone(),
            resources: Some(self.resource.clone()).filter(|resources| !resources.is_empty()),
            fail_mode: if self.fail_open { FailMode::Open } else { FailMode::Closed },
            address: self.address,
        }
    }
}

/// Sends it, and keeps it for later when it was accepted.
pub(crate) async fn register<P: Pause>(
    dir: &Path,
    wish: &Wish,
    wait: Duration,
    world: &mut World<P>,
) -> Result<ServiceDetail, Failure> {
    // Under the lock, so that the certificate does not change meanwhile.
    let store = Store::open(dir, Absent::Refuse)?;
    let identity = store.current()?.ok_or_else(|| StoreError::Missing(dir.join("device.pem")))?;
    let detail = send(&identity, wish, wait, world).await?;
    let text = serde_json::to_vec_pretty(wish).map_err(Failure::internal)?;
    files::replace(&dir.join(WISH), &text, Mode::Private).map_err(StoreError::from)?;
    note_sent(dir, &identity, &text)?;
    Ok(detail)
}

/// Sends what is kept when the certificate in use was not registered with it yet.
pub(crate) async fn keep_registered<P: Pause>(
    dir: &Path,
    identity: &Generation,
    world: &mut World<P>,
) -> Result<(), Failure> {
    let Some(text) = kept(dir)? else { return Ok(()) };
    if files::read_limited(&dir.join(SENT), 128).is_ok_and(|done| done == sent(identity, &text).as_bytes()) {
        return Ok(());
    }
    let wish: Wish = serde_json::from_slice(&text).map_err(|e| {
        let path = dir.join(WISH);
        Failure::refused(format!("{}: {e}", path.display())).hint("Write it anew: signet-agent register --help")
    })?;
    send(identity, &wish, Duration::ZERO, world).await?;
    note_sent(dir, identity, &text)
}

async fn send<P: Pause>(
    identity: &Generation,
    wish: &Wish,
    wait: Duration,
    world: &mut World<P>,
) -> Result<ServiceDetail, Failure> {
    let Wish { dns_names, ports, resources, fail_mode, address } = wish.clone();
    let chain = identity.identity().chain.iter().map(|der| pem::encode(Label::Certificate, der)).collect();
    let request = RegisterService { chain, dns_names, ports, resources, fail_mode, address, proof: None };
    let (server, id) = (client(identity, world).await?, &identity.state.device);
    let attempt = async || server.register_service(id, &request).await.map(Attempt::Done);
    Ok(persist(&mut world.pause, wait, attempt).await?)
}

/// Base64 on a line.
fn prove(dir: &Path) -> Result<String, Failure> {
    let identity = Store::peek(dir)?.ok_or_else(|| StoreError::Missing(dir.join("device.pem")))?;
    let signature = registration::sign(identity.key(), &identity.state.device, &identity.leaf().serial)
        .map_err(|e| Failure::internal(format!("the key does not sign: {e}")))?;
    Ok(BASE64.encode(&signature) + "\n")
}

async fn withdraw<P: Pause>(dir: &Path, wait: Duration, world: &mut World<P>) -> Result<String, Failure> {
    let store = Store::open(dir, Absent::Refuse)?;
    let identity = store.current()?.ok_or_else(|| StoreError::Missing(dir.join("device.pem")))?;
    // First here: what is not sent any more cannot come back after it was taken away there.
    for name in [WISH, SENT] {
        match std::fs::remove_file(dir.join(name)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::internal(format!("{}: {e}", dir.join(name).display())));
            }
            _ => {}
        }
    }
    let (server, id) = (client(&identity, world).await?, &identity.state.device);
    let path = format!("/v1/services/{id}");
    let attempt = async || match server.send(Method::DELETE, &path, &[], None).await {
        Ok(_) => Ok(Attempt::Done(())),
        // Taken away before, and the answer was lost.
        Err(ClientError::Refused(problem, _)) if problem.code == ErrorCode::NotFound => Ok(Attempt::Done(())),
        Err(error) => Err(error),
    };
    persist(&mut world.pause, wait, attempt).await?;
    Ok(format!("not registered: {id}\n"))
}

fn kept(dir: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match files::read_limited(&dir.join(WISH), WISH_BYTES) {
        Ok(text) => Ok(Some(text)),
        Err(FileError::NotFound { .. }) => Ok(None),
        Err(error) => Err(StoreError::from(error).into()),
    }
}

fn note_sent(dir: &Path, identity: &Generation, wish: &[u8]) -> Result<(), Failure> {
    let written = files::replace(&dir.join(SENT), sent(identity, wish).as_bytes(), Mode::Private);
    Ok(written.map_err(StoreError::from)?)
}

fn sent(identity: &Generation, wish: &[u8]) -> String {
    format!("{} {}\n", identity.leaf().serial, Fingerprint::of(wish))
}

const WISH: &str = "service.json";
/// The certificate and the registration that the server has accepted.
const SENT: &str = "registered";
/// What the server accepts at most, with room for people's white space.
const WISH_BYTES: usize = 64 * 1024;

#[cfg(test)]
#[path = "register_tests.rs"]
mod tests;
