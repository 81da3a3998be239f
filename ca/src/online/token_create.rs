//! `ca token create`: tokens for one device or for a batch, shown once.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use signet_api::admin::{CreateTokens, CreatedToken, CreatedTokens, TokenKind, TokenTarget};
use signet_keys::files::Mode;
use signet_pki::{DeviceId, DnsName, UnixTime};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::online::context::{self, At};
use crate::online::device_csv::{self, MAX_TARGETS};
use crate::online::duration::Seconds;
use crate::online::service::{self, Service};
use crate::online::{files, print};

/// Make an enrollment token, or a batch of them; each is shown once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca token create --device sensor-17 --format link --out sensor-17.link
  ca token create --device sensor-17 --serial SN4711
  ca token create --batch spring --count 100 --prefix sensor- --out tokens.csv --format csv
  ca token create --batch autumn --from devices.csv --ttl 30d --out tokens.csv --format csv")]
pub(crate) struct Create {
    /// Id of the device; made up by the service when absent
    #[arg(long, value_name = "ID", conflicts_with_all = ["count", "from"])]
    device: Option<DeviceId>,
    /// What the device gets: usages, lifetime, key types
    #[arg(long, default_value = "device")]
    profile: String,
    /// Group of the device; may be repeated
    #[arg(long = "group", value_name = "G")]
    groups: Vec<String>,
    /// How long it lives: up to 15m for a person who stands there, up to 90d (default 30d) for a batch
    #[arg(long, value_name = "15m")]
    ttl: Option<Seconds>,
    /// Name of the batch, by which it can be revoked
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    /// How many tokens
    #[arg(long, value_name = "N", requires = "batch", conflicts_with = "from")]
    count: Option<usize>,
    /// Ids are this and a number
    #[arg(long, value_name = "sensor-", requires = "count")]
    prefix: Option<String>,
    /// List of devices: a CSV with the columns device,serial_number,spki,dns_names
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Hardware serial number that the device must state
    #[arg(long, value_name = "S", conflicts_with_all = ["count", "from"])]
    serial: Option<String>,
    /// SHA-256 of the public key (SPKI) that the device must use
    #[arg(long, value_name = "HEX", conflicts_with_all = ["count", "from"])]
    spki: Option<String>,
    /// Network that the request must come from
    #[arg(long, value_name = "10.20.0.0/16")]
    cidr: Option<String>,
    /// Let an administrator approve each enrollment
    #[arg(long)]
    approval: bool,
    /// Allow a device that is already enrolled to enroll again
    #[arg(long)]
    replace: bool,
    /// DNS name for the certificate; may be repeated
    #[arg(long = "dns", value_name = "NAME", conflicts_with_all = ["count", "from"])]
    dns_names: Vec<DnsName>,
    /// Write to a new file with mode 0600 instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// `link` is the enrollment link alone, one a line, as `signet-agent enroll --link` reads it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Link,
    Json,
    Csv,
}

impl Create {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        let request = self.request(context::now())?;
        if let Some(path) = &self.out {
            files::must_be_new(path)?;
        }
        let context = at.open()?;
        self.create(&context, &request)
    }

    fn create(&self, service: &dyn Service, request: &CreateTokens) -> Result<(), Failure> {
        let created: CreatedTokens = service::post(service, "/v1/admin/tokens", request)?;
        let text = Zeroizing::new(render(&created, self.format)?);
        match &self.out {
            Some(path) => files::write_new(path, text.as_bytes(), Mode::Private).map_err(|failure| {
                failure.hint(format!("the tokens are lost; revoke them and start again: {}", undo(&created)))
            })?,
            None => print::data(&text)?,
        }
        self.explain(request, &created);
        Ok(())
    }

    /// What the service is asked for; everything that can be refused here is refused here.
    fn request(&self, now: UnixTime) -> Result<CreateTokens, Failure> {
        let targets = self.targets()?;
        let long = self.ttl.is_some_and(|ttl| ttl.0 > INTERACTIVE);
        let batch = match (&self.batch, &self.from) {
            (None, Some(path)) => Some(batch_name(path, now)),
            (name, _) => name.clone(),
        };
        let kind = if batch.is_some() || long { TokenKind::Batch } else { TokenKind::Interactive };
        Ok(CreateTokens {
            kind,
            profile: self.profile.clone(),
            groups: self.groups.clone(),
            lifetime: self.ttl.map(|ttl| ttl.0),
            batch,
            cidr: self.cidr.clone(),
            approval: self.approval,
            permissions: None,
            replace: self.replace,
            targets,
        })
    }

    fn targets(&self) -> Result<Vec<TokenTarget>, Failure> {
        if let Some(path) = &self.from {
            return device_csv::parse(&path.display().to_string(), &files::read_text(path, MAX_CSV)?);
        }
        let Some(count) = self.count else {
            let spki = self.spki.as_deref().map(device_csv::spki).transpose().map_err(Failure::usage)?;
            return Ok(vec![TokenTarget {
                device: self.device.clone(),
                serial_number: self.serial.clone(),
                spki,
                dns_names: self.dns_names.clone(),
            }]);
        };
        if !(1..=MAX_TARGETS).contains(&count) {
            return Err(Failure::usage(format!("--count is between 1 and {MAX_TARGETS}")));
        }
        let width = count.to_string().len();
        let target = |n: usize| {
            let device = self.prefix.as_ref().map(|p| DeviceId::parse(&format!("{p}{n:0width$}"))).transpose();
            device.map(|device| TokenTarget { device, ..TokenTarget::default() })
        };
        (1..=count).map(target).collect::<Result<_, _>>().map_err(|e| Failure::usage(format!("--prefix: {e}")))
    }

    fn explain(&self, request: &CreateTokens, created: &CreatedTokens) {
        let unbound = |t: &TokenTarget| t.serial_number.is_none() && t.spki.is_none() && request.cidr.is_none();
        if request.approval || request.kind == TokenKind::Batch && request.targets.iter().any(unbound) {
            print::note("enrollments wait until an administrator approves them: ca device approve ID");
        }
        if let Some(batch) = &created.batch {
            print::note(format!("batch {batch}: {} tokens; revoke with: {}", created.tokens.len(), undo(created)));
        }
        if let Some(path) = &self.out {
            print::note(format!("written to {} (mode 0600); it cannot be shown again", path.display()));
        } else if self.format == Format::Text {
            print::note(
                "the token is shown this once; give the link to the device by file or stdin, never as an argument",
            );
        }
        match self.format {
            Format::Text => print::note(
                "next, on the device: signet-agent enroll --link FILE --dir DIR (--format link --out FILE makes that file)",
            ),
            Format::Link => print::note("next, on the device: signet-agent enroll --link FILE --dir DIR"),
            Format::Json | Format::Csv => {}
        }
    }
}

fn render(created: &CreatedTokens, format: Format) -> Result<String, Failure> {
    let row = |t: &CreatedToken| {
        vec![t.id.to_string(), t.device.to_string(), t.token.clone(), t.link.clone(), t.expires_at.clone()]
    };
    match format {
        Format::Json => Ok(serde_json::to_string_pretty(created).map_err(Failure::internal)? + "\n"),
        Format::Csv => {
            let rows: Vec<_> = created.tokens.iter().map(row).collect();
            print::csv(&HEAD, &rows)
        }
        Format::Link => Ok(created.tokens.iter().map(|t| format!("{}\n", t.link)).collect()),
        Format::Text => {
            let one = |t| {
                let pairs: Vec<_> = HEAD.into_iter().zip(row(t)).collect();
                print::fields(&pairs)
            };
            Ok(created.tokens.iter().map(one).collect::<Vec<_>>().join("\n"))
        }
    }
}

fn undo(created: &CreatedTokens) -> String {
    match (&created.batch, created.tokens.first()) {
        (Some(batch), _) => format!("ca token revoke --batch {batch}"),
        (None, Some(token)) => format!("ca token revoke {}", token.id),
        (None, None) => "ca token list --status active".into(),
    }
}

/// Unique, so that a later list of the same name does not join an older batch.
fn batch_name(path: &std::path::Path, now: UnixTime) -> String {
    let stem = path.file_stem().map(|s| s.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(32).collect();
    let stamp: String = now.to_string().chars().filter(char::is_ascii_digit).collect();
    format!("{}-{stamp}", stem.trim_matches('-')).trim_start_matches('-').to_owned()
}

const HEAD: [&str; 5] = ["id", "device", "token", "link", "expires_at"];
/// The longest life of a token for a person who is standing there.
const INTERACTIVE: i64 = 15 * 60;
/// Ten thousand rows with long names fit well.
const MAX_CSV: usize = 16 << 20;

#[cfg(test)]
#[path = "token_create_tests.rs"]
mod tests;
