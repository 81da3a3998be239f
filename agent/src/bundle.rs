//! Following from one root to the next.
//!
//! The agent holds a trust bundle, or the root that it was enrolled under. It asks for the one after it, checks that it
//! follows, and goes on until there is none; a device that was off for years walks all the way at once. Who brings the
//! bundles does not matter, so they are also fetched over plain HTTP when the server cannot be verified yet, which is what
//! they are for. What does not follow is refused, told, and changes nothing.

use signet_api::client::{Client, ClientError, Timeouts, fetch_plain};
use signet_pki::bundle::{Bundle, BundleError, Held, StepError};
use signet_pki::view::CertificateView;
use signet_pki::{Fingerprint, TrustDomain, UnixTime};
use thiserror::Error;

use crate::failure::Failure;
use crate::store::{Generation, Store, StoreError};
use crate::world::World;

/// Where a walk begins.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    Bundle(Box<Held>),
    /// The only thing that is trusted yet; the walk begins at the first bundle that this root has signed.
    Root(TrustDomain, Fingerprint),
}

/// Where it ended, if anywhere new; and what stopped it, if not the end of the chain.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) held: Option<Held>,
    pub(crate) trouble: Option<Trouble>,
}

#[derive(Debug, Error)]
pub(crate) enum Trouble {
    #[error("the next trust bundle could not be fetched: {0}")]
    Fetch(#[from] ClientError),
    #[error(transparent)]
    Malformed(#[from] BundleError),
    #[error("the next trust bundle is refused: {0}")]
    Step(#[from] StepError),
    #[error("the trust bundle could not be kept: {0}")]
    Store(#[from] StoreError),
    #[error("the server has {0} trust bundles, and none is signed by the root that this device was enrolled under")]
    NotOurs(u64),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Failure {
        let text = trouble.to_string();
        match trouble {
            Trouble::Fetch(error) => Failure::internal(text).hint(error.hint()),
            Trouble::Store(error) => error.into(),
            Trouble::Malformed(BundleError::Format(_)) => Failure::refused(text).hint("Install a newer signet-agent"),
            Trouble::Step(StepError::NoUsableRoot { .. }) => {
                Failure::refused(text).hint("Check this machine's clock; nothing was changed")
            }
            Trouble::Malformed(_) | Trouble::Step(_) | Trouble::NotOurs(_) => Failure::refused(text)
                .hint("Nothing was changed. Tell the administrator: compare with 'ca trust bundles'"),
        }
    }
}

/// Looks for newer bundles and takes them; the identity as it is afterwards. Trouble is told and nothing else, for what was
/// trusted before still is.
pub(crate) async fn follow<P>(
    store: &Store,
    current: Generation,
    client: &Client,
    world: &World<P>,
) -> Result<Generation, Failure> {
    let Some(start) = start_of(&current) else { return Ok(current) };
    let mut source = Source { client: Some(client), plain: plain_base(current.leaf()) };
    let walk = walk(start, &mut source, world.plausible_now()).await;
    let mut trouble = walk.trouble;
    let mut changed = false;
    if let Some(held) = &walk.held {
        match store.adopt(held) {
            Ok(()) => changed = true,
            Err(error) => trouble = Some(error.into()),
        }
        if changed {
            let bundle = held.bundle();
            let (sequence, roots) = (bundle.sequence(), bundle.roots().len());
            eprintln!("signet-agent: trust bundle {sequence} of {} is in use; roots: {roots}", bundle.trust_domain());
        }
    }
    if let Some(trouble) = trouble {
        warn(trouble);
    }
    match changed {
        true => Ok(store.current()?.unwrap_or(current)),
        false => Ok(current),
    }
}

/// Also for a server that has never heard of bundles: a failure to ask is no news, the renewal after it tells.
pub(crate) fn warn(trouble: Trouble) {
    if matches!(trouble, Trouble::Fetch(_)) {
        return;
    }
    let failure = Failure::from(trouble);
    eprintln!("signet-agent: warning: {}", failure.message);
    if let Some(hint) = &failure.hint {
        eprintln!("signet-agent: hint: {hint}");
    }
}

fn start_of(current: &Generation) -> Option<Start> {
    if let Some(held) = current.held() {
        return Some(Start::Bundle(Box::new(held.clone())));
    }
    Some(Start::Root(domain_of(current.leaf())?, current.pin()))
}

/// Of the SPIFFE id.
pub(crate) fn domain_of(leaf: &CertificateView) -> Option<TrustDomain> {
    let rest = leaf.uris.first()?.strip_prefix("spiffe://")?;
    TrustDomain::parse(rest.split('/').next()?).ok()
}

/// As far as the bundles lead. Nothing is returned whose roots have all ended.
pub(crate) async fn walk(start: Start, source: &mut impl Bundles, now: Option<UnixTime>) -> Walk {
    let (mut held, mut next, mut strange) = match &start {
        Start::Bundle(held) => ((**held).clone().into(), held.bundle().sequence() + 1, 0),
        Start::Root(..) => (None::<Held>, 1, 0),
    };
    let mut moved = false;
    let mut trouble = None;
    for _ in 0..MAX_STEPS {
        match step(held.as_ref(), &start, source.bundle(next).await) {
            Ok(Step::End) => break,
            Ok(Step::NotOurs) => strange += 1,
            Ok(Step::Follows(bundle)) => {
                held = Some(*bundle);
                moved = true;
            }
            Err(why) => {
                trouble = Some(why);
                break;
            }
        }
        next += 1;
    }
    if held.is_none() && strange > 0 && trouble.is_none() {
        trouble = Some(Trouble::NotOurs(strange));
    }
    match held.filter(|_| moved) {
        None => Walk { held: None, trouble },
        Some(held) => match held.usable_roots(now).map(|_| ()) {
            Ok(()) => Walk { held: Some(held), trouble },
            Err(error) => Walk { held: None, trouble: Some(trouble.unwrap_or(error.into())) },
        },
    }
}

enum Step {
    Follows(Box<Held>),
    /// From before the root that is trusted here.
    NotOurs,
    End,
}

fn step(held: Option<&Held>, start: &Start, fetched: Result<Option<Vec<u8>>, ClientError>) -> Result<Step, Trouble> {
    let Some(bytes) = fetched? else { return Ok(Step::End) };
    let bundle = Bundle::parse(&bytes)?;
    let next = match (held, start) {
        (Some(held), _) => held.follow(bundle)?,
        (None, Start::Root(domain, pin)) => match Held::pinned(bundle, domain, pin) {
            Err(StepError::NotOfPin(_)) => return Ok(Step::NotOurs),
            other => other?,
        },
        (None, Start::Bundle(begin)) => begin.follow(bundle)?,
    };
    Ok(Step::Follows(Box::new(next)))
}

/// Where bundles come from.
pub(crate) trait Bundles {
    async fn bundle(&mut self, sequence: u64) -> Result<Option<Vec<u8>>, ClientError>;
}

/// The server over TLS; over plain HTTP from the first failure on.
pub(crate) struct Source<'a> {
    pub(crate) client: Option<&'a Client>,
    pub(crate) plain: Option<String>,
}

impl Bundles for Source<'_> {
    async fn bundle(&mut self, sequence: u64) -> Result<Option<Vec<u8>>, ClientError> {
        let failed = match self.client {
            Some(client) => match client.trust_bundle(sequence).await {
                Ok(found) => return Ok(found),
                Err(error) => error,
            },
            None => ClientError::Unreachable("no address is known for plain HTTP".into()),
        };
        let Some(base) = &self.plain else { return Err(failed) };
        self.client = None;
        fetch_plain(base, sequence, Timeouts::default()).await
    }
}

/// `http://host[:port]` of the revocation list's address, which is the server's plain listener.
pub(crate) fn plain_base(leaf: &CertificateView) -> Option<String> {
    let host = leaf.crl_urls.iter().find_map(|url| url.strip_prefix("http://"))?.split('/').next()?;
    Some(format!("http://{host}"))
}

/// In one run. Sequences end at four digits, and nobody rolls over every week.
const MAX_STEPS: usize = 512;

#[cfg(test)]
#[path = "bundle_tests.rs"]
pub(crate) mod tests;
