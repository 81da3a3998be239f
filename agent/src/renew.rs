//! `signet-agent renew`: from the identity in use to the next one, in two phases.
//!
//! The new pair is verified and switched to; then it is used once, which tells the server that the old generation is
//! over. Until the server has seen that, the old pair stays on the disk and stays good.
//!
//! A device that was off too long has no certificate that TLS accepts: it proves its old key in the request instead.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use data_encoding::BASE64;
use signet_api::ErrorCode;
use signet_api::client::{Client, ClientConfig, ClientError, Trust};
use signet_api::enroll::{RecoverRequest, RenewRequest};
use signet_keys::PrivateKey;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::{UnixTime, recovery};

use crate::accept::{Expectation, accept};
use crate::bundle::follow;
use crate::enroll::signing_request;
use crate::failure::Failure;
use crate::store::{Absent, Generation, KeyAge, Request, Store, StoreError};
use crate::world::{Attempt, Pause, RealPause, Unfinished, World, briefly, persist};

/// Replace this device's certificate when the server wants it to be, with a new key.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  signet-agent renew --dir /var/lib/signet && nginx -s reload")]
pub(crate) struct Renew {
    /// Where the identity is kept
    #[arg(long)]
    dir: PathBuf,
    /// Renew although it is not due yet
    #[arg(long)]
    force: bool,
    /// Seconds to wait for a server that is down or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Due,
    Now,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Renewed(Generation),
    NotDue(Generation),
}

impl Renew {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut world = World { clock: Default::default(), pause: RealPause };
        let when = if self.force { When::Now } else { When::Due };
        let mut out = std::io::stdout().lock();
        match renew(&self.dir, when, Duration::from_secs(self.wait), &mut world).await? {
            Outcome::Renewed(identity) => announce(&mut out, "renewed", &self.dir, &identity),
            Outcome::NotDue(identity) => announce(&mut out, "not due", &self.dir, &identity),
        }
    }
}

/// Looks for newer trust bundles although no renewal is due.
pub(crate) async fn look<P>(dir: &Path, world: &World<P>) -> Result<(), Failure> {
    let store = Store::open(dir, Absent::Refuse)?;
    let current = store.current()?.ok_or_else(|| StoreError::Missing(dir.join("device.pem")))?;
    let server = client(&current, world).await?;
    follow(&store, current, &server, world).await.map(|_| ())
}

pub(crate) async fn renew<P: Pause>(
    dir: &Path,
    when: When,
    wait: Duration,
    world: &mut World<P>,
) -> Result<Outcome, Failure> {
    let store = Store::open(dir, Absent::Refuse)?;
    let mut current = store.current()?.ok_or_else(|| StoreError::Missing(dir.join("device.pem")))?;
    if store.is_unsettled()? {
        show_use(&store, &current, world).await;
    }
    if when == When::Due && world.plausible_now().is_some_and(|now| now < current.renew_after()) {
        return Ok(Outcome::NotDue(current));
    }
    let mut server = client(&current, world).await?;
    let before = current.trusted_roots();
    current = follow(&store, current, &server, world).await?;
    if current.trusted_roots() != before {
        server = client(&current, world).await?;
    }
    if when == When::Due && !is_due(&current, world).await? {
        return Ok(Outcome::NotDue(current));
    }
    let request = Request::Renew(current.number);
    let (mut key, age) = store.request_key(&request, current.key().kind())?;
    let mut outcome = ask(&server, &current, &key, wait, world).await?;
    if age == KeyAge::Kept && is_refused_with(&outcome, ErrorCode::KeyRefused) {
        // The key of a lost answer may be certified already, and no key is certified twice: take a new one.
        store.drop_request_key(&request)?;
        key = store.request_key(&request, current.key().kind())?.0;
        outcome = ask(&server, &current, &key, wait, world).await?;
    }
    let issued = outcome?;
    let expected = Expectation {
        server: &current.state.server,
        key: &key,
        roots: current.trusted_roots(),
        now: time(&current, world).await.ok(),
        device: Some(&current.state.device),
    };
    let renewed = store.install(&accept(&issued, &expected)?, &request)?;
    show_use(&store, &renewed, world).await;
    Ok(Outcome::Renewed(renewed))
}

/// Uses the identity once, and lets go of the older ones when the server has seen it. A failure is told and nothing else:
/// the identity is good, and the next run tries again.
pub(crate) async fn show_use<P>(store: &Store, identity: &Generation, world: &World<P>) {
    let seen = async {
        client(identity, world).await?.whoami().await?;
        store.settle()?;
        Ok::<(), Failure>(())
    };
    let late = || Err(ClientError::Timeout("the answer").into());
    if let Err(failure) = briefly(seen).await.unwrap_or_else(late) {
        eprintln!("signet-agent: warning: the new certificate is installed, but was not seen by the server yet");
        failure.print();
    }
}

/// stdout: what there is now.
pub(crate) fn announce(out: &mut impl Write, what: &str, dir: &Path, identity: &Generation) -> Result<(), Failure> {
    let state = &identity.state;
    write!(
        out,
        "{what}: {}\nserial: {}\nvalid until: {}\nrenews after: {}\ncertificate: {}\nkey: {}\n",
        state.device,
        state.serial,
        identity.leaf().not_after,
        identity.renew_after(),
        dir.join("device.pem").display(),
        dir.join("device.key").display(),
    )
    .map_err(|e| Failure::internal(format!("the output cannot be written: {e}")))
}

/// mTLS with this identity, against the roots that are trusted now.
pub(crate) async fn client<P>(identity: &Generation, world: &World<P>) -> Result<Client, ClientError> {
    let trust = Trust::Roots(identity.trusted_roots());
    Client::open(ClientConfig {
        clock: world.clock,
        not_earlier_than: identity.leaf().not_before,
        ..ClientConfig::new(&identity.state.server, trust).identity(identity.identity())
    })
    .await
}

/// The same without showing an identity.
async fn stranger<P>(identity: &Generation, world: &World<P>) -> Result<Client, ClientError> {
    let trust = Trust::Roots(identity.trusted_roots());
    let config = ClientConfig::new(&identity.state.server, trust);
    Client::open(ClientConfig { clock: world.clock, not_earlier_than: identity.leaf().not_before, ..config }).await
}

async fn is_due<P>(identity: &Generation, world: &World<P>) -> Result<bool, ClientError> {
    Ok(time(identity, world).await? >= identity.renew_after())
}

/// From this machine, or from the server when this machine cannot know.
async fn time<P>(identity: &Generation, world: &World<P>) -> Result<UnixTime, ClientError> {
    match world.plausible_now() {
        Some(now) => Ok(now),
        None => world.now(&stranger(identity, world).await?).await,
    }
}

type Issued = Result<Box<signet_api::enroll::IssuedCertificate>, Unfinished>;

async fn ask<P: Pause>(
    client: &Client,
    current: &Generation,
    key: &PrivateKey,
    wait: Duration,
    world: &mut World<P>,
) -> Result<Issued, Failure> {
    if time(current, world).await.is_ok_and(|now| now > current.leaf().not_after) {
        eprintln!("signet-agent: the certificate ended {}; recovering with its key", current.leaf().not_after);
        return recover(current, key, wait, world).await;
    }
    let body = RenewRequest { csr: signing_request(key)?, device: None, profile: None, groups: None };
    let held = current.held().map(|held| held.bundle().sequence());
    let attempt = async || client.renew_holding(&body, held).await.map(|i| Attempt::Done(Box::new(i)));
    let outcome = persist(&mut world.pause, wait, attempt).await;
    if is_refused_with(&outcome, ErrorCode::IssuerDistrusted) {
        eprintln!("signet-agent: the issuer of the certificate is not trusted any more; recovering with its key");
        return recover(current, key, wait, world).await;
    }
    Ok(outcome)
}

async fn recover<P: Pause>(
    current: &Generation,
    key: &PrivateKey,
    wait: Duration,
    world: &mut World<P>,
) -> Result<Issued, Failure> {
    let leaf = current.leaf();
    let signature = recovery::sign(current.key(), &leaf.serial, key.public_key())
        .map_err(|e| Failure::internal(format!("the old key does not sign: {e}")))?;
    let body = RecoverRequest {
        csr: signing_request(key)?,
        certificate: pem::encode(Label::Certificate, &leaf.der),
        signature: BASE64.encode(&signature),
    };
    let client = stranger(current, world).await?;
    Ok(persist(&mut world.pause, wait, async || client.recover(&body).await.map(|i| Attempt::Done(Box::new(i)))).await)
}

fn is_refused_with(outcome: &Issued, code: ErrorCode) -> bool {
    matches!(outcome, Err(Unfinished::Failed(ClientError::Refused(problem, _))) if problem.code == code)
}

#[cfg(test)]
#[path = "renew_tests.rs"]
mod tests;
