//! `ca root show`

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use signet_pki::crl::CrlView;
use signet_pki::name::printable;
use signet_pki::view::CertificateView;

use crate::failure::Failure;
use crate::offline::authority::Authority;
use crate::offline::describe::Summary;
use crate::offline::ledger::Issued;
use crate::offline::{documents, refusals};

/// Show a root with what it has issued, or any single certificate
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca root show --dir root --json")]
#[group(skip)]
pub(crate) struct Show {
    /// Directory of the root
    #[arg(long, required_unless_present = "certificate", conflicts_with = "certificate")]
    dir: Option<PathBuf>,
    /// A certificate (PEM or DER)
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown<'a> {
    root: Summary,
    crl: List,
    crl_urls: &'a [String],
    ca_urls: &'a [String],
    issuers: &'a [Issued],
}

#[derive(Serialize)]
struct List {
    number: u64,
    this_update: String,
    next_update: String,
    revoked: usize,
}

impl Show {
    pub(super) fn run(self) -> Result<(), Failure> {
        match (&self.dir, &self.certificate) {
            (_, Some(path)) => {
                let view = CertificateView::parse(&documents::certificate(path)?)
                    .map_err(|e| refusals::in_file(path, e).hint("check that this is a certificate"))?;
                let summary = Summary::of(&view);
                if self.json { print_json(&summary) } else { print_text(&summary.to_string()) }
            }
            (Some(dir), None) => self.show_root(dir),
            (None, None) => Err(Failure::usage("name a directory or a certificate").hint("ca root show --dir DIR")),
        }
    }

    fn show_root(&self, dir: &Path) -> Result<(), Failure> {
        let authority = Authority::open(dir)?;
        let path = authority.crl_path();
        let view = CrlView::verified(&authority.last_crl()?, &authority.root).map_err(|e| refusals::crl(&path, e))?;
        let shown = Shown {
            root: Summary::of(authority.root.view()),
            crl: List {
                number: view.number,
                this_update: view.this_update.to_string(),
                next_update: view.next_update.to_string(),
                revoked: view.entries().map_err(|e| refusals::crl(&path, e))?.len(),
            },
            crl_urls: &authority.ledger.crl_urls,
            ca_urls: &authority.ledger.ca_urls,
            issuers: &authority.ledger.issuers,
        };
        if self.json { print_json(&shown) } else { print_text(&text(&shown)) }
    }
}

fn text(shown: &Shown<'_>) -> String {
    let crl = &shown.crl;
    let mut text = format!("{}\n", shown.root);
    text.push_str(&format!(
        "root CRL        number {}, {} revoked, good until {}\n",
        crl.number, crl.revoked, crl.next_update
    ));
    for (name, urls) in [("CRL URL", shown.crl_urls), ("certificate URL", shown.ca_urls)] {
        urls.iter().for_each(|url| text.push_str(&format!("{name:<16}{url}\n")));
    }
    if shown.issuers.is_empty() {
        text.push_str("\nThis root has issued nothing yet.\n");
    }
    for issuer in shown.issuers {
        let status = match &issuer.revoked {
            Some(revoked) => format!("revoked {} ({})", revoked.at, revoked.reason.as_str()),
            None => format!("until {}", issuer.not_after),
        };
        text.push_str(&format!("\nissuer          {}\n", printable(&issuer.name, 256)));
        text.push_str(&format!("  serial        {}\n  status        {status}\n", issuer.serial));
        text.push_str(&format!("  key SHA-256   {}\n", issuer.key));
    }
    text
}

fn print_text(text: &str) -> Result<(), Failure> {
    print!("{text}");
    Ok(())
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value).map_err(Failure::internal)?);
    Ok(())
}
