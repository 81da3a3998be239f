//! `signet-agent enroll`: from a one-time token to an identity.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use signet_api::client::{Client, ClientConfig, ClientError, Enrolled, Trust};
use signet_api::credential::CredentialKind;
use signet_api::enroll::{EnrollRequest, HardwareFacts, IssuedCertificate};
use signet_api::link::EnrollmentLink;
use signet_api::{Credential, ErrorCode};
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::bundle::Held;
use signet_pki::view::CertificateView;
use signet_pki::{Fingerprint, UnixTime, csr, pem};

use crate::accept::{Expectation, accept};
use crate::bundle::{Source, Start, domain_of, plain_base, walk, warn};
use crate::failure::Failure;
use crate::input;
use crate::renew::announce;
use crate::store::{Absent, Generation, Request, Store};
use crate::world::{Attempt, Pause, RealPause, Unfinished, World, briefly, persist};

/// Get this device's first certificate, with the link or token that an administrator made.
///
/// The key is made here and never leaves. The link's fingerprint pins the CA: nothing secret is sent to any other.
/// A repetition after a lost answer gets the same certificate; a device that has a valid one is left as it is.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  signet-agent enroll --link /run/enroll.link --dir /var/lib/signet --wait 600")]
pub(crate) struct Enroll {
    /// File with the enrollment link; '-' for standard input, 'fd:N' for a descriptor. Asked for when nothing is given
    #[arg(long, value_name = "FILE", conflicts_with_all = ["server", "token_file", "root_fingerprint"])]
    link: Option<String>,
    /// In place of a link: https://HOST:PORT
    #[arg(long, value_name = "URL", requires = "token_file", requires = "root_fingerprint")]
    server: Option<String>,
    /// File with the token; '-' and 'fd:N' as above
    #[arg(long, value_name = "FILE", requires = "server")]
    token_file: Option<String>,
    /// SHA-256 of the root certificate, hex
    #[arg(long, value_name = "FP", requires = "server")]
    root_fingerprint: Option<String>,
    /// Where the identity is kept; made when absent
    #[arg(long)]
    dir: PathBuf,
    /// Hardware serial number, for a token that is bound to one
    #[arg(long, value_name = "SERIAL")]
    hardware_serial: Option<String>,
    /// Kind of key
    #[arg(long, value_enum, default_value = "p256")]
    key: KeyChoice,
    /// Seconds to wait for an approval, or for a server that is down or busy
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
    /// Enroll although there is an identity already; it is kept until the new one is in use
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeyChoice {
    P256,
    P384,
}

/// An enrollment as it was asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) server: String,
    pub(crate) pin: Fingerprint,
    pub(crate) token: Credential,
    pub(crate) hardware_serial: Option<String>,
    pub(crate) kind: KeyKind,
    pub(crate) wait: Duration,
    pub(crate) existing: Existing,
}

/// What to do about an identity that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    Keep,
    Replace,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Enrolled(Generation),
    /// There was a valid identity of this server.
    AlreadyThere(Generation),
}

impl Enroll {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let plan = self.plan()?;
        let world = World { clock: Default::default(), pause: RealPause };
        let mut out = std::io::stdout().lock();
        match enroll(&self.dir, &plan, world).await? {
            Outcome::Enrolled(identity) => announce(&mut out, "enrolled", &self.dir, &identity),
            Outcome::AlreadyThere(identity) => announce(&mut out, "already enrolled", &self.dir, &identity),
        }
    }

    fn plan(&self) -> Result<Plan, Failure> {
        let (server, token, pin) = match (&self.server, &self.token_file, &self.root_fingerprint) {
            (Some(server), Some(token), Some(pin)) => {
                let text = input::read("--token-file", token)?;
                let token = Credential::parse(CredentialKind::Enrollment, &text)
                    .map_err(|e| Failure::refused(e).hint("Copy the whole token again, or ask for a new one"))?;
                let pin = Fingerprint::parse(pin).ok_or_else(|| {
                    Failure::usage("the root fingerprint is not 64 hexadecimal digits")
                        .hint("'ca root show' prints it, and so does every enrollment link")
                })?;
                (server.clone(), token, pin)
            }
            _ => {
                let text = match &self.link {
                    Some(source) => input::read("--link", source)?,
                    None => input::prompt("Enrollment link (not shown): ")?,
                };
                let link = EnrollmentLink::parse(&text)
                    .map_err(|e| Failure::refused(e).hint("Copy the whole link again, or ask for a new one"))?;
                (link.server, link.token, link.root)
            }
        };
        Ok(Plan {
            server: server.trim().trim_end_matches('/').to_owned(),
            pin,
            token,
            hardware_serial: self.hardware_serial.clone(),
            kind: match self.key {
                KeyChoice::P256 => KeyKind::P256,
                KeyChoice::P384 => KeyKind::P384,
            },
            wait: Duration::from_secs(self.wait),
            existing: if self.force { Existing::Replace } else { Existing::Keep },
        })
    }
}

pub(crate) async fn enroll<P: Pause>(
    dir: &std::path::Path,
    plan: &Plan,
    mut world: World<P>,
) -> Result<Outcome, Failure> {
    let store = Store::open(dir, Absent::Create)?;
    if plan.existing == Existing::Keep
        && let Some(identity) = store.current()?
        && is_good(&identity, plan, &world)?
    {
        return Ok(Outcome::AlreadyThere(identity));
    }
    let request = Request::Enroll(plan.token.id());
    let (key, _) = store.request_key(&request, plan.kind)?;
    let body = EnrollRequest {
        csr: signing_request(&key)?,
        facts: HardwareFacts { serial_number: plan.hardware_serial.clone(), ..HardwareFacts::default() },
    };
    let config = ClientConfig { clock: world.clock, ..ClientConfig::new(&plan.server, Trust::PinnedRoot(plan.pin)) };
    let outcome = persist(&mut world.pause, plan.wait, async || {
        let client = Client::open(config.clone()).await?;
        match client.enroll(&plan.token, &body).await? {
            Enrolled::Issued { certificate, .. } => Ok(Attempt::Done((client, certificate))),
            Enrolled::Pending(pending) => {
                Ok(Attempt::Pending { device: pending.device, seconds: pending.retry_after.max(1) })
            }
        }
    })
    .await;
    let (client, issued) = outcome.map_err(|end| explained(end, &store))?;
    let now = briefly(world.now(&client)).await.and_then(Result::ok);
    let held = briefly(newer_roots(&issued, plan.pin, &client, now)).await.flatten();
    let roots = match &held {
        Some(held) => held.bundle().roots().iter().map(|root| root.der().to_vec()).collect(),
        None => client.trusted_roots().to_vec(),
    };
    let expected = Expectation { server: &plan.server, key: &key, roots, now, device: None };
    let material = accept(&issued, &expected)?;
    // First the roots of the identity before, if they are others: at no moment stands an identity under foreign ones.
    store.forget_trust()?;
    let mut identity = store.install(&material, &request)?;
    if let Some(held) = &held {
        store.adopt(held)?;
        identity = store.current()?.unwrap_or(identity);
    }
    crate::renew::show_use(&store, &identity, &world).await;
    Ok(Outcome::Enrolled(identity))
}

/// A link may be older than the roots of today: from the root that it names to the newest.
async fn newer_roots(
    issued: &IssuedCertificate,
    pin: Fingerprint,
    client: &Client,
    now: Option<UnixTime>,
) -> Option<Held> {
    let leaf = pem::decode_one(pem::Label::Certificate, issued.certificate.as_bytes()).ok()?;
    let leaf = CertificateView::parse(&leaf).ok()?;
    let mut source = Source { client: Some(client), plain: plain_base(&leaf) };
    let walk = walk(Start::Root(domain_of(&leaf)?, pin), &mut source, now).await;
    walk.trouble.into_iter().for_each(warn);
    walk.held
}

/// A minimal PKCS#10 request, PEM. The server takes the public key from it and nothing else.
pub(crate) fn signing_request(key: &PrivateKey) -> Result<String, Failure> {
    csr::make(key, "device").map(|der| pem::encode(pem::Label::Request, &der)).map_err(Failure::internal)
}

/// Valid and of this server: nothing to do. Of another server: not ours to replace. Expired: to be replaced.
fn is_good<P>(identity: &Generation, plan: &Plan, world: &World<P>) -> Result<bool, Failure> {
    if identity.state.server != plan.server || !(identity.pin() == plan.pin || identity.trusts(&plan.pin)) {
        return Err(Failure::refused(format!(
            "there is an identity of {} ({}) already",
            identity.state.server, identity.state.device
        ))
        .hint("Give another --dir, or replace it with --force"));
    }
    Ok(world.plausible_now().is_none_or(|now| identity.leaf().not_after > now))
}

/// Where a spent or lost token leads to, seen from this directory.
fn explained(end: Unfinished, store: &Store) -> Failure {
    let spent = matches!(&end, Unfinished::Failed(ClientError::Refused(problem, _))
        if matches!(problem.code, ErrorCode::TokenBoundToOtherKey | ErrorCode::TokenSpent));
    let failure = Failure::from(end);
    match (spent, store.current()) {
        (true, Ok(Some(identity))) => {
            let hint = failure.hint.clone().unwrap_or_default();
            failure.hint(format!("{hint} The identity of {} is untouched.", identity.state.device))
        }
        _ => failure,
    }
}

#[cfg(test)]
#[path = "enroll_tests.rs"]
mod tests;
