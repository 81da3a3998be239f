//! Webhooks out: endpoints of other systems that are told what happens, signed, at least once, and in order as far as they are
//! there.

mod courier;
mod egress;
mod payload;
mod seal;
mod send;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signet_api::CredentialId;
use signet_api::standard_webhooks::SigningSecret;
use signet_keys::files;
use signet_pki::pem;
use tokio::sync::Notify;

pub use egress::{Egress, Forbidden, Resolution, Resolver, SystemResolver};
pub use seal::{SealError, Sealer};
pub use send::{Message, SendError, Sender};
pub use target::{Target, UrlError};

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::random::{self, Random};
use crate::store::{Store, WebhookRecord};

pub struct Webhooks {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sealer: Sealer,
    sender: Sender,
    /// Something about the endpoints or their queues is new.
    changed: Notify,
    /// Whether there may be endpoints to care for.
    any: AtomicBool,
}

impl Webhooks {
    /// `roots`: of our own CA, DER; those of `webhooks.roots` are believed as well.
    pub fn new(
        config: &Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        kek: &[u8; 32],
        own_roots: Vec<Vec<u8>>,
    ) -> Result<Webhooks, ConfigError> {
        let broken = |e: String| ConfigError::new(e, "check [webhooks] in the configuration");
        let roots = [own_roots, configured_roots(config)?].concat();
        let limit = config.patience.webhook;
        let sender = Sender::new(egress(config)?, Arc::new(SystemResolver), &roots, clock.clone(), limit);
        Ok(Webhooks {
            store,
            clock,
            random,
            sealer: Sealer::derive(kek).map_err(|e| broken(e.to_string()))?,
            sender: sender.map_err(|e| broken(format!("the TLS configuration of webhooks: {e}")))?,
            changed: Notify::new(),
            any: AtomicBool::new(false),
        })
    }

    /// A new secret and how it is kept.
    pub fn new_secret(&self, id: &CredentialId) -> Result<(SigningSecret, Vec<u8>), SealError> {
        let octets: zeroize::Zeroizing<[u8; 32]> =
            random::bytes(self.random.as_ref()).map_err(|_| SealError).map(Into::into)?;
        let secret = SigningSecret::from_octets(octets.as_slice()).map_err(|_| SealError)?;
        let sealed = self.sealer.seal(id, &secret, self.random.as_ref())?;
        Ok((secret, sealed))
    }

    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// Has the courier look at once. For whoever changed an endpoint or its queue.
    pub fn notice(&self) {
        self.any.store(true, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// One message that nobody waits for, now. Its id, and the status of the answer.
    pub async fn ping(&self, webhook: &WebhookRecord) -> (String, Result<u16, SendError>) {
        let random = random::bytes::<10>(self.random.as_ref()).unwrap_or_default();
        let id = format!("ping_{}", data_encoding::BASE32_DNSCURVE.encode(&random));
        let outcome = self.send(webhook, &id, &payload::ping(&self.clock.now().to_string())).await;
        (id, outcome)
    }

    async fn send(&self, webhook: &WebhookRecord, message: &str, body: &str) -> Result<u16, SendError> {
        let target = Target::parse(&webhook.url)?;
        let now = self.clock.now();
        let previous = webhook.previous.iter().filter(|(_, until)| now < *until).map(|(sealed, _)| sealed);
        let mut signatures = Vec::new();
        for sealed in std::iter::once(&webhook.secret).chain(previous) {
            let secret = self.sealer.open(&webhook.id, sealed);
            let secret = secret.map_err(|_| SendError::Http("its secret was sealed under another KEK".into()))?;
            signatures.push(secret.sign(message, now.0, body.as_bytes()));
        }
        let signature = signatures.join(" ");
        let message = Message { id: message, timestamp: now.0, signature: &signature, body };
        self.sender.post(&target, webhook.reach, &message).await
    }
}

/// What `signetd check` looks at.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    egress(config)?;
    configured_roots(config).map(|_| ())
}

fn egress(config: &Config) -> Result<Egress, ConfigError> {
    let parse = |text: &String| {
        text.parse().map_err(|_| {
            let message = format!("webhooks.allow: {text:?} is not a network");
            ConfigError::new(message, "write networks like 10.1.0.0/16 or fd00::/8")
        })
    };
    Ok(Egress::new(config.raw.webhooks.allow.iter().map(parse).collect::<Result<_, _>>()?))
}

fn configured_roots(config: &Config) -> Result<Vec<Vec<u8>>, ConfigError> {
    let Some(path) = &config.raw.webhooks.roots else { return Ok(Vec::new()) };
    let path = config.path(path);
    let hint = "webhooks.roots names a file of CA certificates in PEM, /etc/ssl/certs/ca-certificates.crt for example";
    let bytes = files::read_named(&path, MAX_ROOTS).map_err(|e| ConfigError::new(e.to_string(), hint))?;
    pem::certificates(&bytes).map_err(|e| ConfigError::new(format!("{}: {e}", path.display()), hint))
}

/// The roots of the web take 250 KiB.
const MAX_ROOTS: usize = 4 << 20;
