//! `ca webhook`: endpoints of other systems, and the secrets that they check signatures with.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use signet_api::CredentialId;
use signet_api::webhooks::{
    CreateWebhook, RotateSecret, WebhookAction, WebhookChange, WebhookEvent, WebhookInfo, WebhookSecret, WebhookTest,
};
use signet_keys::files::Mode;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::duration::{DAY, Seconds};
use crate::online::webhook_dead::DeadCommand;
use crate::online::{files, print, service};

#[derive(Debug, Subcommand)]
pub(crate) enum WebhookCommand {
    Create(Create),
    List(List),
    Show(Show),
    /// Deliver again, at once, also what came meanwhile
    #[command(after_help = "Example:\n  ca webhook enable 4f7k2m9qpz")]
    Enable(One),
    /// Deliver nothing until it is enabled
    #[command(after_help = "Example:\n  ca webhook disable 4f7k2m9qpz")]
    Disable(One),
    /// Remove an endpoint with everything that waits for it
    #[command(after_help = "Example:\n  ca webhook delete 4f7k2m9qpz")]
    Delete(Delete),
    RotateSecret(Rotate),
    Test(Test),
    /// What was given up: list, redeliver, drop
    #[command(subcommand, after_help = "Example:\n  ca webhook dead list")]
    Dead(DeadCommand),
}

impl WebhookCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            WebhookCommand::Create(command) => command.run(at),
            WebhookCommand::List(command) => command.run(at),
            WebhookCommand::Show(command) => command.run(at),
            WebhookCommand::Enable(one) => one.act(at, WebhookAction::Enable),
            WebhookCommand::Disable(one) => one.act(at, WebhookAction::Disable),
            WebhookCommand::Delete(delete) => delete.run(at),
            WebhookCommand::RotateSecret(command) => command.run(at),
            WebhookCommand::Test(command) => command.run(at),
            WebhookCommand::Dead(command) => command.run(at),
        }
    }
}

/// Tell an endpoint what happens from now on; its secret is shown once
///
/// Messages are signed as Standard Webhooks. The secret goes to stdout, or with --secret-out into a file and nowhere else.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca webhook create --url https://hooks.acme.example/signet --secret-out hook.secret
  ca webhook create --url https://siem.acme.example/in --event security --event revocation --private")]
pub(crate) struct Create {
    /// https, without a user name
    #[arg(long)]
    url: String,
    /// revocation, device.suspended, device.resumed, device.retired, certificate.quarantined or security; may be repeated
    ///
    /// Without any: all but security. With security the messages also say who did it.
    #[arg(long = "event", value_name = "EVENT", value_parser = parse_event)]
    events: Vec<WebhookEvent>,
    /// It may be in a network that webhooks.allow of the service's configuration lists
    #[arg(long)]
    private: bool,
    /// A new file for the secret
    #[arg(long, value_name = "FILE")]
    secret_out: Option<PathBuf>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Create {
    fn run(self, at: &At) -> Result<(), Failure> {
        let Create { url, events, private, secret_out, json } = self;
        secret_out.as_deref().map_or(Ok(()), files::must_be_new)?;
        let order = CreateWebhook { url, events, private };
        let made: WebhookSecret = service::post(&at.open()?, PATH, &order)?;
        tell(made, secret_out.as_deref(), json)
    }
}

/// List the endpoints, what waits for each, and how the last delivery went
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca webhook list --json")]
pub(crate) struct List {
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, at: &At) -> Result<(), Failure> {
        let all: Vec<WebhookInfo> = service::get(&at.open()?, PATH)?;
        if self.json { print::json(&all) } else { print::data(&table(&all)) }
    }
}

/// Show one endpoint
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca webhook show 4f7k2m9qpz")]
pub(crate) struct Show {
    /// From 'ca webhook list'
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, at: &At) -> Result<(), Failure> {
        let webhook: WebhookInfo = service::get(&at.open()?, &path(&self.id, ""))?;
        if self.json { print::json(&webhook) } else { print::data(&details(&webhook)) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// From 'ca webhook list'
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl One {
    fn act(self, at: &At, action: WebhookAction) -> Result<(), Failure> {
        let webhook: WebhookInfo = service::post(&at.open()?, &path(&self.id, ""), &WebhookChange { action })?;
        if self.json {
            return print::json(&webhook);
        }
        match action {
            WebhookAction::Delete => {
                print::note(format!("{} is deleted, with {} that waited", webhook.id, webhook.waiting + webhook.dead));
                Ok(())
            }
            WebhookAction::Enable | WebhookAction::Disable => print::data(&details(&webhook)),
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    one: One,
    #[command(flatten)]
    consent: Consent,
}

impl Delete {
    fn run(self, at: &At) -> Result<(), Failure> {
        let effect = format!("webhook {}: it is told nothing any more, and what waits for it is removed", self.one.id);
        self.consent.confirm(&effect, "Delete?")?;
        self.one.act(at, WebhookAction::Delete)
    }
}

/// Make the next secret; the one before signs as well until the overlap ends
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca webhook rotate-secret 4f7k2m9qpz --secret-out hook.next
  ca webhook rotate-secret 4f7k2m9qpz --now --secret-out hook.next")]
pub(crate) struct Rotate {
    /// From 'ca webhook list'
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// How long both sign; at most 7d
    #[arg(long, value_name = "24h", default_value = "24h", conflicts_with = "now")]
    overlap: Seconds,
    /// The old secret is known to somebody: it signs nothing any more
    #[arg(long)]
    now: bool,
    /// A new file for the secret
    #[arg(long, value_name = "FILE")]
    secret_out: Option<PathBuf>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Rotate {
    fn run(self, at: &At) -> Result<(), Failure> {
        let Rotate { id, overlap, now, secret_out, json } = self;
        if overlap.0 > 7 * DAY {
            return Err(Failure::usage("--overlap is at most 7d").hint("leave it out for 24h"));
        }
        secret_out.as_deref().map_or(Ok(()), files::must_be_new)?;
        let order = RotateSecret { overlap: if now { 0 } else { overlap.0 } };
        let made: WebhookSecret = service::post(&at.open()?, &path(&id, "/secret"), &order)?;
        tell(made, secret_out.as_deref(), json)
    }
}

/// Send a ping now, and say what came back; exit code 1 when it was not taken
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca webhook test 4f7k2m9qpz")]
pub(crate) struct Test {
    /// From 'ca webhook list'
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Test {
    fn run(self, at: &At) -> Result<(), Failure> {
        let outcome: WebhookTest = service::post(&at.open()?, &path(&self.id, "/test"), &serde_json::json!({}))?;
        if self.json {
            print::json(&outcome)?;
        } else {
            print::data(&print::fields(&[
                ("message", outcome.message.clone()),
                ("status", print::or_dash(outcome.status)),
                ("error", print::or_dash(outcome.error.as_ref())),
            ]))?;
        }
        if outcome.delivered {
            return Ok(());
        }
        let why = outcome.error.unwrap_or_else(|| format!("it answered {}", print::or_dash(outcome.status)));
        Err(Failure::refused(print::visible(&format!("the endpoint did not take the message: {why}")))
            .hint(format!("see what it has refused so far: ca webhook show {}", self.id)))
    }
}

/// The secret leaves once: into the file if one is named, else to stdout.
fn tell(made: WebhookSecret, out: Option<&Path>, json: bool) -> Result<(), Failure> {
    let WebhookSecret { webhook, secret } = made;
    let secret = Zeroizing::new(secret);
    if let Some(path) = out {
        files::write_new(path, format!("{}\n", *secret).as_bytes(), Mode::Private).map_err(|e| {
            e.hint(format!("the secret is lost; make another: ca webhook rotate-secret {} --now", webhook.id))
        })?;
        if json {
            print::json(&webhook)?
        } else {
            print::data(&details(&webhook))?
        }
        print::note(format!("the secret is in {}", path.display()));
        return Ok(());
    }
    if json {
        return print::json(&WebhookSecret { webhook, secret: secret.to_string() });
    }
    let text = Zeroizing::new(format!(
        "{}{}\n",
        details(&webhook),
        print::fields(&[("secret", secret.to_string())]).trim_end()
    ));
    print::data(&text)?;
    print::note("the secret is not shown again");
    Ok(())
}

fn parse_event(text: &str) -> Result<WebhookEvent, String> {
    let names = || WebhookEvent::ALL.map(WebhookEvent::as_str).join(", ");
    WebhookEvent::parse(text).ok_or_else(|| format!("one of {}", names()))
}

fn events(webhook: &WebhookInfo) -> String {
    match webhook.events.is_empty() {
        true => "all but security".into(),
        false => print::list(&webhook.events.iter().map(|event| event.as_str()).collect::<Vec<_>>()),
    }
}

fn table(all: &[WebhookInfo]) -> String {
    let row = |w: &WebhookInfo| {
        vec![
            w.id.to_string(),
            w.status.clone(),
            w.url.clone(),
            events(w),
            w.waiting.to_string(),
            w.dead.to_string(),
            print::or_dash(w.last_success_at.as_ref()),
            print::or_dash(w.last_error.as_ref()),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    print::table(&["id", "status", "url", "events", "waiting", "dead", "last success", "last error"], &rows)
}

fn details(w: &WebhookInfo) -> String {
    print::fields(&[
        ("id", w.id.to_string()),
        ("status", w.status.clone()),
        ("url", w.url.clone()),
        ("events", events(w)),
        ("addresses", if w.private { "public, and those of webhooks.allow" } else { "public" }.into()),
        ("created", format!("{} by {}", w.created_at, w.created_by)),
        ("previous secret until", print::or_dash(w.previous_secret_until.as_ref())),
        ("told up to", w.position.to_string()),
        ("waiting", w.waiting.to_string()),
        ("dead", w.dead.to_string()),
        ("failures in a row", w.failures.to_string()),
        ("last success", print::or_dash(w.last_success_at.as_ref())),
        ("last error", print::or_dash(w.last_error.as_ref())),
        ("paused until", print::or_dash(w.paused_until.as_ref())),
    ])
}

fn path(id: &CredentialId, below: &str) -> String {
    format!("{PATH}/{id}{below}")
}

const PATH: &str = "/v1/admin/webhooks";

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
