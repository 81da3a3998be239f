//! `ca crl`: what the service publishes, and a verified copy of it.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use signet_api::admin::CrlInfo;
use signet_keys::files::Mode;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;

use crate::failure::Failure;
use crate::online::context::{self, At};
use crate::online::crl_file::{self, List};
use crate::online::service::{self, Call, Service};
use crate::online::{bundle, duration, files, print};

#[derive(Debug, Subcommand)]
pub(crate) enum CrlCommand {
    Show(Show),
    Fetch(Fetch),
}

impl CrlCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            CrlCommand::Show(command) => command.run(at),
            CrlCommand::Fetch(command) => {
                let context = at.open()?;
                command.fetch(&context, context.roots(), context::now())
            }
        }
    }
}

/// Show the published CRLs
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca crl show")]
pub(crate) struct Show {
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, at: &At) -> Result<(), Failure> {
        let lists: Vec<CrlInfo> = service::get(&at.open()?, "/v1/admin/crl")?;
        if self.json { print::json(&lists) } else { print::data(&table(&lists, context::now())) }
    }
}

/// Fetch the CRLs of all CAs, verify them and replace the file; an older CRL never replaces a newer one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca crl fetch --out /etc/signet/crl.pem")]
pub(crate) struct Fetch {
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// All CRLs, one after the other (the default)
    #[arg(long, conflicts_with_all = ["der", "issuer"])]
    pem: bool,
    /// One CRL in DER; needs --issuer when there are several
    #[arg(long)]
    der: bool,
    /// Id of the CA whose CRL is wanted in DER
    #[arg(long, value_name = "ID", requires = "der")]
    issuer: Option<String>,
}

impl Fetch {
    fn fetch(&self, service: &dyn Service, roots: &[IssuerCert], now: UnixTime) -> Result<(), Failure> {
        let bundle = bundle::fetch(service, roots)?;
        let answer = service.call(Call::Get { path: "/v1/trust/crl.pem" })?;
        let mut lists = crl_file::check(&answer, &bundle, now)?;
        let mut scope = bundle;
        if self.der {
            lists = vec![self.only(lists)?];
            scope.retain(|ca| ca.public_key() == lists[0].issuer.public_key());
        }
        if std::fs::symlink_metadata(&self.out).is_ok() {
            let old = files::read_own(&self.out, MAX_CRL)?;
            crl_file::must_be_newer(&lists, &old, &scope)?;
        }
        let bytes = if self.der { lists[0].der.clone() } else { crl_file::to_pem(&lists).into_bytes() };
        files::replace(&self.out, &bytes, Mode::Public)?;
        for list in &lists {
            let (view, name) = (&list.view, &list.issuer.view().subject_text);
            print::note(format!("{name}: number {}, good until {}", view.number, view.next_update));
        }
        for ca in crl_file::uncovered(&lists, &scope) {
            let name = &ca.view().subject_text;
            print::note(format!("warning: {name} has no CRL; nginx, haproxy and rustls will refuse every device"));
        }
        Ok(())
    }

    fn only(&self, mut lists: Vec<List>) -> Result<List, Failure> {
        let ids: Vec<String> =
            lists.iter().map(|l| format!("{} ({})", l.issuer.short_id(), l.issuer.view().subject_text)).collect();
        if let Some(id) = &self.issuer {
            lists.retain(|list| list.issuer.short_id() == *id);
        }
        match (lists.pop(), lists.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(Failure::refused("DER holds one CRL, and it is not clear which one is meant")
                .hint(format!("use --issuer with one of: {}", ids.join(", ")))),
        }
    }
}

fn table(lists: &[CrlInfo], now: UnixTime) -> String {
    let row = |c: &CrlInfo| {
        let left = UnixTime::parse_rfc3339(&c.next_update).map(|end| duration::in_words(end.since(now)));
        vec![
            c.issuer.clone(),
            c.number.to_string(),
            c.entries.to_string(),
            c.bytes.to_string(),
            c.this_update.clone(),
            c.next_update.clone(),
            print::or_dash(left),
        ]
    };
    let rows: Vec<_> = lists.iter().map(row).collect();
    print::table(&["issuer", "number", "entries", "bytes", "from", "to", "ends"], &rows)
}

/// A CRL of a million entries has 49 MB, and there is one for each CA.
const MAX_CRL: usize = 256 << 20;

#[cfg(test)]
#[path = "crl_tests.rs"]
mod tests;
