//! `ca issue`: a certificate on the administrator's word, for a given request or for a key that is made here.

use std::path::{Path, PathBuf};

use clap::Args;
use signet_api::admin::IssueRequest;
use signet_api::enroll::IssuedCertificate;
use signet_keys::files::{self as key_files, Mode};
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::ca::IssuerCert;
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::key::PublicKey;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, DnsName, chain};

use crate::failure::Failure;
use crate::online::context::At;
use crate::online::duration::Seconds;
use crate::online::files::{self, MAX_PEM};
use crate::online::print;
use crate::online::service::{self, Service};

/// Issue a certificate by hand; the issue is audited
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca issue --csr printer.csr --device printer-3 --out printer-3.pem
  ca issue --name backup-1 --profile service --dir backup-1")]
pub(crate) struct Issue {
    #[command(flatten)]
    at: At,
    /// Request (PKCS#10, PEM or DER); only its public key is used
    #[arg(long, value_name = "FILE", requires_all = ["device", "out"], required_unless_present = "name")]
    csr: Option<PathBuf>,
    /// Id that the certificate names, with --csr
    #[arg(long, value_name = "ID", requires = "csr")]
    device: Option<DeviceId>,
    /// New file for the certificate and its issuer, with --csr
    #[arg(long, value_name = "FILE", requires = "csr")]
    out: Option<PathBuf>,
    /// Make the key here, for this id
    #[arg(long, value_name = "ID", requires = "dir", conflicts_with_all = ["csr", "device", "out"])]
    name: Option<DeviceId>,
    /// Directory for key.pem, cert.pem and chain.pem, with --name
    #[arg(long, value_name = "DIR", requires = "name")]
    dir: Option<PathBuf>,
    /// What it gets: usages, lifetime, key types
    #[arg(long, default_value = "device")]
    profile: String,
    /// Group; may be repeated
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
    /// DNS name; may be repeated
    #[arg(long = "dns", value_name = "NAME")]
    dns_names: Vec<DnsName>,
    /// Lifetime, cut to the profile's maximum
    #[arg(long, value_name = "24h")]
    ttl: Option<Seconds>,
    /// Allow a device that is already enrolled
    #[arg(long)]
    replace: bool,
}

impl Issue {
    pub(super) fn run(self) -> Result<(), Failure> {
        match (&self.csr, &self.device, &self.out, &self.name, &self.dir) {
            (Some(csr), Some(device), Some(out), _, _) => self.for_request(csr, device, out),
            (_, _, _, Some(name), Some(dir)) => {
                let paths = Paths::in_dir(dir)?;
                let context = self.at.open()?;
                self.with_new_key(&context, context.roots(), name, &paths)
            }
            _ => Err(Failure::usage("use --csr, --device and --out together, or --name and --dir")),
        }
    }

    fn for_request(&self, path: &Path, device: &DeviceId, out: &Path) -> Result<(), Failure> {
        let bytes = files::read(path, MAX_PEM)?;
        let refused = |what: String| {
            Failure::refused(format!("{}: {what}", path.display())).hint(
                "make one, for example: openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
                 -subj /CN=device -keyout device.key -out device.csr",
            )
        };
        let der = pem::pem_or_der(Label::Request, &bytes).map_err(|e| refused(e.to_string()))?;
        let checked = CheckedCsr::from_der(&der, &KeyPolicy::any()).map_err(|e| refused(e.to_string()))?;
        files::must_be_new(out)?;
        let context = self.at.open()?;
        let issued = self.ask(&context, device, &der)?;
        check(&issued, checked.public_key(), context.roots())?;
        files::write_new(out, whole(&issued).as_bytes(), Mode::Public)?;
        said(&issued, out);
        Ok(())
    }

    fn with_new_key(
        &self,
        service: &dyn Service,
        roots: &[IssuerCert],
        name: &DeviceId,
        paths: &Paths,
    ) -> Result<(), Failure> {
        let key = PrivateKey::generate(KeyKind::P256).map_err(|e| Failure::internal(&e).hint(e.hint()))?;
        let request = csr::make(&key, name.as_str()).map_err(Failure::internal)?;
        let text = key.to_pem().map_err(Failure::internal)?;
        // Before the request, so that no certificate is issued for a key that could not be kept.
        files::write_new(&paths.key, text.as_bytes(), Mode::Private)?;
        let outcome = self.ask(service, name, &request).and_then(|issued| {
            check(&issued, key.public_key(), roots)?;
            files::write_new(&paths.certificate, issued.certificate.as_bytes(), Mode::Public)?;
            files::write_new(&paths.chain, whole(&issued).as_bytes(), Mode::Public)?;
            Ok(issued)
        });
        match outcome {
            Ok(issued) => {
                said(&issued, &paths.chain);
                print::note(format!("the key is in {}", paths.key.display()));
                Ok(())
            }
            Err(failure) => {
                // A key made a moment ago that nobody certified; left here it would block the next attempt.
                paths.remove();
                Err(failure)
            }
        }
    }

    fn ask(&self, service: &dyn Service, device: &DeviceId, der: &[u8]) -> Result<IssuedCertificate, Failure> {
        let request = IssueRequest {
            device: device.clone(),
            csr: pem::encode(Label::Request, der),
            profile: self.profile.clone(),
            groups: self.groups.clone(),
            dns_names: self.dns_names.clone(),
            lifetime: self.ttl.map(|ttl| ttl.0),
            replace: self.replace,
        };
        Ok(service::post(service, "/v1/admin/issue", &request)?)
    }
}

/// Files that do not exist yet, in a directory that does.
struct Paths {
    key: PathBuf,
    certificate: PathBuf,
    chain: PathBuf,
}

impl Paths {
    fn in_dir(dir: &Path) -> Result<Paths, Failure> {
        key_files::create_private_dir(dir).map_err(files::failure)?;
        let at = |name: &str| dir.join(name);
        let paths = Paths { key: at("key.pem"), certificate: at("cert.pem"), chain: at("chain.pem") };
        [&paths.key, &paths.certificate, &paths.chain].into_iter().try_for_each(|p| files::must_be_new(p))?;
        Ok(paths)
    }

    /// Only after `in_dir` found all three absent and this run made them.
    fn remove(&self) {
        for path in [&self.key, &self.certificate, &self.chain] {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The answer is for our key and stands below our root, or it is not kept.
pub(super) fn check(issued: &IssuedCertificate, key: &PublicKey, roots: &[IssuerCert]) -> Result<(), Failure> {
    let wrong = |what: String| {
        Failure::internal(format!("the certificate of the service is refused: {what}"))
            .hint(format!("revoke it: ca revoke {}", print::visible(&issued.serial)))
    };
    let parse = |text: &str| -> Result<CertificateView, Failure> {
        let der = pem::decode_one(Label::Certificate, text.as_bytes()).map_err(|e| wrong(e.to_string()))?;
        CertificateView::parse(&der).map_err(|e| wrong(e.to_string()))
    };
    let (leaf, issuer) = (parse(&issued.certificate)?, parse(&issued.chain)?);
    if leaf.public_key != *key {
        return Err(wrong("it is for another key".into()));
    }
    let below = |root: &IssuerCert| chain::verify(&[leaf.clone(), issuer.clone(), root.view().clone()], None).is_ok();
    if roots.iter().any(below) { Ok(()) } else { Err(wrong("it does not stand below a trusted root".into())) }
}

/// Leaf and issuer, as servers want it.
pub(super) fn whole(issued: &IssuedCertificate) -> String {
    format!("{}{}", issued.certificate, issued.chain)
}

fn said(issued: &IssuedCertificate, path: &Path) {
    print::note(format!(
        "{} has certificate {} until {}, written to {}",
        issued.device,
        issued.serial,
        issued.not_after,
        path.display()
    ));
}

#[cfg(test)]
#[path = "issue_tests.rs"]
mod tests;
