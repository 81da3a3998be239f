//! `ca root sign`: the ceremony in which a root certifies an issuer.

use std::path::PathBuf;

use clap::Args;
use signet_keys::files::{self, FileError, Mode};
use signet_pki::ca::{CaName, IssuerPlan};
use signet_pki::csr::{CheckedCsr, Wishes};
use signet_pki::issue::Locations;
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::printable;
use signet_pki::pem::{self, Label};
use signet_pki::{DnsName, Fingerprint};

use crate::failure::Failure;
use crate::offline::authority::Authority;
use crate::offline::confirm::{self, Consent};
use crate::offline::describe::Summary;
use crate::offline::refusals;
use crate::offline::secret::PassphraseArgs;
use crate::offline::{clock, documents};

/// Certify an issuer from its request, after a person has compared it
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca root sign --dir root --request /media/usb/issuer.csr --out /media/usb/issuer.pem"
)]
pub(crate) struct Sign {
    /// Directory of the root
    #[arg(long)]
    dir: PathBuf,
    /// The request (PEM or DER) that `ca issuer request` wrote
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// Where to write the certificate; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Name of the issuer (CN); default: the one in the request
    #[arg(long)]
    name: Option<String>,
    /// Organisation of the issuer (O); default with no --name: the one in the request
    #[arg(long)]
    org: Option<String>,
    #[arg(long, value_name = "YEARS", default_value_t = 3, value_parser = clap::value_parser!(i64).range(1..=20))]
    lifetime_years: i64,
    /// Allow DNS names only in and below this domain (repeatable)
    #[arg(long, value_name = "DOMAIN")]
    permit_dns: Vec<DnsName>,
    /// Do not ask: the request was compared already
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

impl Sign {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.out.symlink_metadata().is_ok() {
            return Err(FileError::AlreadyExists { path: self.out }.into());
        }
        let now = clock::now()?;
        let request_der = documents::request(&self.request)?;
        let request_hash = Fingerprint::of(&request_der);
        let request = CheckedCsr::from_der(&request_der, &KeyPolicy::standard())
            .map_err(|e| refusals::request(&self.request, e))?;
        let mut authority = Authority::open(&self.dir)?;
        check_key(&authority, &request)?;
        let name = self.issuer_name(request.wishes())?;
        let root = authority.root.view();
        if Some(name.common_name()) == root.common_name.as_deref()
            && name.organization() == root.organization.as_deref()
        {
            return Err(
                Failure::refused("the issuer would have the same name as the root").hint("choose one: --name NAME")
            );
        }
        let ledger = &authority.ledger;
        let plan = IssuerPlan {
            request,
            name,
            validity: authority.issuer_validity(now, self.lifetime_years)?,
            locations: Locations {
                crl: ledger.crl_urls.clone(),
                ca_issuers: ledger.ca_urls.clone(),
                ..Locations::default()
            },
            permitted_dns: self.permit_dns.clone(),
        };
        eprint!("{}", review(&authority, &plan, request_hash));
        confirm::compared(Consent::from_flag(self.yes), "the request's SHA-256", &request_hash.to_string())?;
        let key = authority.key(&self.passphrase.for_existing("the root key")?)?;
        let issuer = authority.certify(&key, plan, request_hash)?;
        files::write_new(&self.out, pem::encode(Label::Certificate, issuer.der()).as_bytes(), Mode::Public)?;
        print!("{}", Summary::of(issuer.view()));
        println!("request SHA-256 {request_hash}");
        println!("\nWrote {}. Carry it to the issuing host, together with", self.out.display());
        println!("  {} and {}", authority.certificate_path().display(), authority.crl_path().display());
        println!(
            "Next, on the issuing host: ca issuer install --dir DIR --certificate FILE --root FILE --root-crl FILE"
        );
        Ok(())
    }

    /// From the command line, or from the request when that holds a plain text that a person can read and confirm.
    fn issuer_name(&self, wishes: &Wishes) -> Result<CaName, Failure> {
        if let Some(name) = &self.name {
            return Ok(CaName::new(name, self.org.as_deref())?);
        }
        let plain = |text: &Option<String>| text.clone().filter(|t| printable(t, t.len()) == *t);
        let organization = self.org.clone().or_else(|| plain(&wishes.organization));
        plain(&wishes.common_name).and_then(|name| CaName::new(&name, organization.as_deref()).ok()).ok_or_else(|| {
            Failure::refused("the request holds no name that an issuer could have")
                .hint("choose one: --name 'Acme Issuing CA'")
        })
    }
}

fn check_key(authority: &Authority, request: &CheckedCsr) -> Result<(), Failure> {
    if request.public_key() == authority.root.public_key() {
        return Err(Failure::refused("the request is for the root's own key")
            .hint("an issuer has a key of its own, made on the issuing host: ca issuer request --dir DIR"));
    }
    let key = request.public_key().fingerprint().to_string();
    match authority.ledger.issuers.iter().find(|i| i.key == key && i.revoked.is_some()) {
        None => Ok(()),
        Some(revoked) => {
            Err(Failure::refused(format!("the request is for the key of the revoked issuer {}", revoked.serial))
                .hint("make a new key on the issuing host: ca issuer request --dir DIR"))
        }
    }
}

/// Everything that a person has to agree to.
fn review(authority: &Authority, plan: &IssuerPlan, request_hash: Fingerprint) -> String {
    let wishes = plan.request.wishes();
    let key = plan.request.public_key();
    let list = |values: &[String]| if values.is_empty() { "none".to_owned() } else { values.join(", ") };
    let extensions = match wishes.extensions.as_slice() {
        [] => "none".to_owned(),
        some => format!("{} (all of them are ignored)", some.join(", ")),
    };
    let name = match plan.name.organization() {
        Some(organization) => format!("O={organization}, CN={}", plan.name.common_name()),
        None => format!("CN={}", plan.name.common_name()),
    };
    let permitted: Vec<String> = plan.permitted_dns.iter().map(|d| d.to_string()).collect();
    let rows = [
        ("subject", wishes.subject.clone()),
        ("extensions", extensions),
        ("key", key.algorithm().to_string()),
        ("key SHA-256", key.fingerprint().to_string()),
        ("request SHA-256", request_hash.to_string()),
    ];
    let issued = [
        ("subject", name),
        ("issuer", printable(&authority.root.view().subject_text, 256)),
        ("valid", format!("{} to {}", plan.validity.0, plan.validity.1)),
        ("authority", "yes, path length 0".to_owned()),
        ("usages", "keyCertSign, cRLSign".to_owned()),
        ("CRL", list(&plan.locations.crl)),
        ("root certificate", list(&plan.locations.ca_issuers)),
        ("only below DNS", list(&permitted)),
    ];
    let table = |rows: &[(&str, String)]| rows.iter().map(|(n, v)| format!("  {n:<18}{v}\n")).collect::<String>();
    let mut text = format!("The request:\n{}\nWill be issued:\n{}\n", table(&rows), table(&issued));
    let fingerprint = key.fingerprint().to_string();
    for earlier in authority.ledger.issuers.iter().filter(|i| i.key == fingerprint) {
        text.push_str(&format!(
            "This key has a certificate already: {} (until {}).\n\n",
            earlier.serial, earlier.not_after
        ));
    }
    text
}
