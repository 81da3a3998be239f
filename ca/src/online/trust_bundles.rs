//! `ca trust bundles` and `ca trust follow`: which roots the service hands out, who holds them, and holding them oneself.

use clap::Args;
use signet_api::admin::{BundleHolders, TrustBundleInfo, TrustBundles};
use signet_keys::files::Mode;
use signet_pki::bundle::{Bundle, Held, StepError};
use signet_pki::ca::IssuerCert;

use crate::failure::Failure;
use crate::online::context::{self, At, Context};
use crate::online::service::{self, Call, CallError, Service};
use crate::online::{bundle, files, print};

/// List the trust bundles that the service hands out; with --seen, how far the devices have followed
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca trust bundles --seen")]
pub(crate) struct Bundles {
    /// How many devices with a good certificate hold which bundle
    #[arg(long)]
    seen: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Bundles {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let found: TrustBundles = service::get(&at.open()?, "/v1/admin/trust/bundles")?;
        match (self.json, self.seen) {
            (true, _) => print::json(&found),
            (false, true) => print::data(&holders(&found.holders)),
            (false, false) => print::data(&list(&found.bundles)),
        }
    }
}

fn list(bundles: &[TrustBundleInfo]) -> String {
    let row = |bundle: &TrustBundleInfo| {
        let roots: Vec<String> = bundle
            .roots
            .iter()
            .map(|r| format!("{} ({}, until {})", r.subject, short(&r.sha256), r.not_after))
            .collect();
        vec![bundle.sequence.to_string(), bundle.created.clone(), short(&bundle.sha256).to_owned(), print::list(&roots)]
    };
    let rows: Vec<_> = bundles.iter().map(row).collect();
    print::table(&["sequence", "created", "sha-256", "roots"], &rows)
}

fn holders(holders: &[BundleHolders]) -> String {
    let rows: Vec<_> = holders.iter().map(|h| vec![print::or_dash(h.sequence), h.devices.to_string()]).collect();
    print::table(&["bundle", "devices"], &rows)
}

/// The head of a hash: enough to tell a handful apart.
fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

/// Take over the newest roots into roots.pem of the administrator's directory, from one trust bundle to the next
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca trust follow")]
pub(crate) struct Follow {}

impl Follow {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let held = follow(&OverAnything(&context), context.roots())?.ok_or_else(|| {
            Failure::refused("the service hands out no trust bundle")
                .hint("it names their directory in signet.toml: trust.bundles; they are made by ca root bundle")
        })?;
        let roots = held.usable_roots(Some(context::now())).map_err(refused)?.len();
        let path = context.place().path.join("roots.pem");
        files::replace(&path, bundle::to_pem(held.bundle().roots()).as_bytes(), Mode::Public)?;
        let (sequence, all) = (held.bundle().sequence(), held.bundle().roots().len());
        print::note(format!(
            "trust bundle {sequence} with {all} roots, {roots} of them good now, is in {}",
            path.display()
        ));
        Ok(())
    }
}

/// From the roots that are trusted to the newest bundle; none when the service has no bundles.
pub(super) fn follow(service: &dyn Service, roots: &[IssuerCert]) -> Result<Option<Held>, Failure> {
    let mut held: Option<Held> = None;
    for sequence in 1..=MAX_STEPS {
        let path = format!("/v1/trust/bundles/{sequence}");
        let bytes = match service.call(Call::Get { path: &path }) {
            Err(error) if error.is_not_found() && (sequence == 1 || held.is_some()) => return Ok(held),
            Err(error) if error.is_not_found() => {
                return Err(refused("none of the trust bundles of the service is signed by a root of roots.pem"));
            }
            other => other?,
        };
        let next = Bundle::parse(&bytes).map_err(refused)?;
        held = match held {
            Some(before) => Some(before.follow(next).map_err(refused)?),
            None => begin(next, roots)?,
        };
    }
    Ok(held)
}

/// The first bundle that one of the trusted roots has signed.
fn begin(bundle: Bundle, roots: &[IssuerCert]) -> Result<Option<Held>, Failure> {
    let domain = bundle.trust_domain().clone();
    for root in roots {
        match Held::pinned(bundle.clone(), &domain, &root.view().fingerprint()) {
            Ok(held) => return Ok(Some(held)),
            Err(StepError::NotOfPin(_)) => {}
            Err(other) => return Err(refused(other)),
        }
    }
    Ok(None)
}

fn refused(why: impl ToString) -> Failure {
    Failure::refused(why).hint("nothing was changed; compare with the root's directory: ca root show --dir DIR")
}

/// Over TLS, and over plain HTTP when the service stands under a root that is not known here yet.
struct OverAnything<'a>(&'a Context);

impl Service for OverAnything<'_> {
    fn call(&self, request: Call<'_>) -> Result<Vec<u8>, CallError> {
        match (self.0.call(request), request) {
            (Err(CallError::Failed(failure)), Call::Get { path }) => {
                let sequence = path.rsplit('/').next().and_then(|n| n.parse().ok());
                sequence.and_then(|n| self.0.plain_bundle(n)).unwrap_or(Err(CallError::Failed(failure)))
            }
            (outcome, _) => outcome,
        }
    }
}

/// Sequences have four digits.
const MAX_STEPS: u64 = 9999;

#[cfg(test)]
#[path = "trust_bundles_tests.rs"]
mod tests;
