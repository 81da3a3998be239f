//! `ca root bundle`: the first trust bundle, and each next one.

use std::path::{Path, PathBuf};

use clap::Args;
use signet_keys::PrivateKey;
use signet_pki::bundle::{Bundle, Draft, Held, StepError};
use signet_pki::ca::IssuerCert;
use signet_pki::name::printable;
use signet_pki::{Fingerprint, TrustDomain, chain};

use crate::failure::Failure;
use crate::offline::authority::Authority;
use crate::offline::clock::Now;
use crate::offline::confirm::{self, Consent};
use crate::offline::secret::PassphraseArgs;
use crate::offline::{clock, documents};

/// Sign a trust bundle, by which devices follow from one root to the next on their own
#[derive(Debug, Args)]
#[command(after_help = "Examples (the first; bring in a root, then let it sign too; take the old one out):\n  \
    ca root bundle --dir root --trust-domain acme.example --add-issuer issuer.pem\n  \
    ca root bundle --dir root --add-root root-2/root.pem --add-issuer cross.pem\n  \
    ca root bundle --dir root-2 --cosign root/bundle-0002.der\n  \
    ca root bundle --dir root-2 --remove-root \\\n    \
    1F2E3D4C5B6A79880716253443526170AABBCCDDEEFF00112233445566778899")]
pub(crate) struct BundleArgs {
    /// Directory of the root that signs; the bundle is written there
    #[arg(long)]
    dir: PathBuf,
    /// For the first bundle: the trust domain, as in signet.toml
    #[arg(long, value_name = "DOMAIN", conflicts_with = "previous")]
    trust_domain: Option<TrustDomain>,
    /// The newest bundle, when another root signed it; otherwise the newest in --dir
    #[arg(long, value_name = "FILE")]
    previous: Option<PathBuf>,
    /// Bring in a root (repeatable)
    #[arg(long, value_name = "FILE")]
    add_root: Vec<PathBuf>,
    /// Take out the root with this SHA-256 (repeatable)
    #[arg(long, value_name = "SHA-256", value_parser = fingerprint)]
    remove_root: Vec<Fingerprint>,
    /// Publish an issuer or a cross certificate (repeatable)
    #[arg(long, value_name = "FILE")]
    add_issuer: Vec<PathBuf>,
    /// No longer publish the issuer with this SHA-256 (repeatable)
    #[arg(long, value_name = "SHA-256", value_parser = fingerprint)]
    remove_issuer: Vec<Fingerprint>,
    /// Add this root's signature to the bundle that brings it in
    #[arg(long, value_name = "FILE", conflicts_with_all = ["trust_domain", "previous", "add_root", "remove_root",
        "add_issuer", "remove_issuer", "emergency"])]
    cosign: Option<PathBuf>,
    /// Take out the signing root in the same step that brings in another: who reads files by hand is cut off
    #[arg(long)]
    emergency: bool,
    /// Do not ask: the roots' SHA-256 were compared already
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl BundleArgs {
    pub(super) fn run(self) -> Result<(), Failure> {
        let now = clock::now()?;
        let authority = Authority::open(&self.dir)?;
        match &self.cosign {
            Some(path) => self.add_signature(authority, documents::bundle(path)?),
            None => self.make(authority, now),
        }
    }

    fn make(&self, mut authority: Authority, now: Now) -> Result<(), Failure> {
        let before = self.before(&authority)?;
        let draft = self.draft(&authority, before.as_ref(), now)?;
        authority.check_unsigned(draft.sequence, None)?;
        let key = self.agreed(&authority, &draft, None)?;
        let bundle = draft.sign(&key)?;
        let roots = before.as_ref().map_or(&[][..], Bundle::roots);
        check_step(before.clone(), &bundle)?;
        let path = authority.keep_bundle(&bundle)?;
        say(&bundle, &path);
        let missing: Vec<&IssuerCert> = bundle.missing_signatures(roots).collect();
        for root in &missing {
            println!(
                "{} has not signed it yet. Next, on its machine: ca root bundle --dir DIR --cosign FILE",
                printable(&root.view().subject_text, 256)
            );
        }
        if missing.is_empty() {
            println!("{NEXT}");
        }
        Ok(())
    }

    fn add_signature(&self, mut authority: Authority, bundle: Bundle) -> Result<(), Failure> {
        let own = authority.root.der();
        if !bundle.roots().iter().any(|root| root.der() == own) {
            return Err(Failure::refused("this root is not among the roots of the bundle")
                .hint("bring it in first: ca root bundle --dir OLD --add-root FILE"));
        }
        authority.check_unsigned(bundle.sequence(), Some(bundle.digest()))?;
        let draft = Draft {
            trust_domain: bundle.trust_domain().clone(),
            sequence: bundle.sequence(),
            previous: bundle.previous(),
            created: bundle.created(),
            roots: bundle.roots().to_vec(),
            issuers: bundle.issuers().to_vec(),
        };
        let key = self.agreed(&authority, &draft, Some(bundle.digest()))?;
        let bundle = bundle.cosign(&key)?;
        let path = authority.keep_bundle(&bundle)?;
        say(&bundle, &path);
        println!("{NEXT}");
        Ok(())
    }

    /// The bundle that this one continues; none for the first.
    fn before(&self, authority: &Authority) -> Result<Option<Bundle>, Failure> {
        let before = match &self.previous {
            Some(path) => Some(documents::bundle(path)?),
            None => authority.newest_bundle()?,
        };
        match (&before, &self.trust_domain) {
            (Some(_), Some(_)) => Err(Failure::refused("this root has signed its first bundle already")
                .hint("leave out --trust-domain for the next one: ca root bundle --dir DIR")),
            (None, None) => Err(Failure::refused("there is no bundle yet, and no trust domain for the first")
                .hint("name it as in signet.toml with --trust-domain, or the newest bundle with --previous FILE")),
            (Some(bundle), None) => {
                authority.check_history(bundle)?;
                if !bundle.roots().iter().any(|root| root.der() == authority.root.der()) {
                    return Err(Failure::refused(
                        "this root is not among those of the bundle before, so nobody would follow it",
                    )
                    .hint("sign with a root that is: ca root bundle --dir DIR --previous FILE"));
                }
                Ok(before)
            }
            (None, Some(_)) => Ok(None),
        }
    }

    fn draft(&self, authority: &Authority, before: Option<&Bundle>, now: Now) -> Result<Draft, Failure> {
        let own = &authority.root;
        let (mut roots, mut issuers) = match before {
            Some(bundle) => (bundle.roots().to_vec(), bundle.issuers().to_vec()),
            None => (vec![own.clone()], Vec::new()),
        };
        let changes = [self.add_root.len(), self.remove_root.len(), self.add_issuer.len(), self.remove_issuer.len()];
        if before.is_some() && changes == [0; 4] {
            return Err(Failure::refused("the next bundle would say what the last one says")
                .hint("say what changes: --add-root, --remove-root, --add-issuer or --remove-issuer"));
        }
        self.remove_root.iter().try_for_each(|hash| remove(&mut roots, hash, "root"))?;
        self.remove_issuer.iter().try_for_each(|hash| remove(&mut issuers, hash, "issuer"))?;
        for path in &self.add_root {
            roots.push(documents::ca_certificate(path)?);
        }
        if roots.is_empty() {
            return Err(Failure::refused("the last root cannot be taken out: nobody could follow to anything")
                .hint("bring in its successor first: ca root bundle --dir DIR --add-root FILE"));
        }
        let signer_goes = !roots.iter().any(|root| root.der() == own.der());
        if signer_goes && !self.add_root.is_empty() && !self.emergency {
            return Err(Failure::refused("the signing root would go in the same step in which another comes")
                .hint("bring in the new root first and take out the old one when devices and services hold that bundle; or --emergency"));
        }
        issuers.retain(|issuer| stays(issuer, &roots));
        for path in &self.add_issuer {
            issuers.push(documents::ca_certificate(path)?);
        }
        let (sequence, previous) = before.map_or((1, None), |b| (b.sequence() + 1, Some(b.digest())));
        let trust_domain = before.map(Bundle::trust_domain).or(self.trust_domain.as_ref()).cloned();
        let trust_domain = trust_domain.ok_or_else(|| Failure::internal("a bundle without a trust domain"))?;
        Ok(Draft { trust_domain, sequence, previous, created: now.time, roots, issuers })
    }

    /// Shows everything, asks, and opens the key. What is compared is the bundle itself when it came from another machine,
    /// else the root that comes in.
    fn agreed(&self, authority: &Authority, draft: &Draft, bundle: Option<Fingerprint>) -> Result<PrivateKey, Failure> {
        eprint!("{}", review(draft, bundle));
        let newcomer = draft.roots.last().map(|root| root.view().fingerprint());
        let (what, hash) = match bundle {
            Some(digest) => ("the bundle's SHA-256", digest.to_string()),
            None => ("the SHA-256 of the last root", newcomer.map(|f| f.to_string()).unwrap_or_default()),
        };
        confirm::compared(Consent::from_flag(self.yes), what, &hash)?;
        authority.key(&self.passphrase.for_existing("the root key")?)
    }
}

/// What devices will say to it. Only a signature that is still to come may be missing.
fn check_step(before: Option<Bundle>, bundle: &Bundle) -> Result<(), Failure> {
    let step = match before {
        Some(before) => Held::verified_before(before).follow(bundle.clone()),
        None => Held::first(bundle.clone()),
    };
    match step {
        Ok(_) | Err(StepError::NoPossession { .. }) => Ok(()),
        Err(error) => Err(Failure::refused(error).hint("nothing was written; look at the bundle before this one")),
    }
}

fn remove(from: &mut Vec<IssuerCert>, hash: &Fingerprint, what: &str) -> Result<(), Failure> {
    let count = from.len();
    from.retain(|cert| cert.view().fingerprint() != *hash);
    if from.len() < count {
        return Ok(());
    }
    Err(Failure::refused(format!("the bundle before has no {what} with the SHA-256 {}", hash.colons()))
        .hint("the SHA-256 of a certificate: ca root show --certificate FILE"))
}

/// Issuers of a root that was taken out go with it.
fn stays(issuer: &IssuerCert, roots: &[IssuerCert]) -> bool {
    let below = roots.iter().any(|root| chain::issued_by(issuer.view(), root.view()).is_ok());
    if !below {
        eprintln!("{} is left out: none of the roots has issued it.", printable(&issuer.view().subject_text, 256));
    }
    below
}

fn review(draft: &Draft, digest: Option<Fingerprint>) -> String {
    let mut text = format!("Trust bundle {} of {}:\n", draft.sequence, draft.trust_domain);
    let mut row = |name: &str, cert: &IssuerCert| {
        let view = cert.view();
        let subject = printable(&view.subject_text, 256);
        text.push_str(&format!(
            "  {name:<8}{subject}, until {}\n          {}\n",
            view.not_after,
            view.fingerprint().colons()
        ));
    };
    draft.roots.iter().for_each(|root| row("root", root));
    draft.issuers.iter().for_each(|issuer| row("issuer", issuer));
    if let Some(previous) = draft.previous {
        text.push_str(&format!("  follows {}\n", previous.colons()));
    }
    if let Some(digest) = digest {
        text.push_str(&format!("  SHA-256 {}\n", digest.colons()));
    }
    text + "\n"
}

fn say(bundle: &Bundle, path: &Path) {
    println!("sequence        {}", bundle.sequence());
    println!("bundle SHA-256  {}", bundle.digest().colons());
    println!("roots           {}", bundle.roots().len());
    println!("\nWrote {}.", path.display());
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    Fingerprint::parse(text).ok_or_else(|| "a SHA-256 has 64 hexadecimal digits, with or without colons".into())
}

const NEXT: &str = "Next: put it into the directory of trust.bundles on the issuing host, and restart signetd.";
