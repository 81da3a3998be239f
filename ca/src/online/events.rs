//! `ca events tail`: what ends devices, as it happens.

use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use signet_api::client::{Client, ClientError, EventStream, StreamEvent};
use signet_api::events::{Acknowledge, Acknowledged};

use crate::failure::Failure;
use crate::online::admin_dir::AdminDir;
use crate::online::context::{At, Context};
use crate::online::print;

#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    Tail(Tail),
}

impl EventsCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            EventsCommand::Tail(command) => command.run(at),
        }
    }
}

/// Print revocations, suspensions and new lists as they come, until it is ended
///
/// After a lost connection it goes on where it was. What was printed, or what the program has taken, is acknowledged.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca events tail --json --exec /usr/local/bin/reload-nginx")]
pub(crate) struct Tail {
    /// One line of JSON for each event: id, event, data
    #[arg(long)]
    json: bool,
    /// Begin after this audit sequence; without it, with what happens from now on
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// A program to run for each event, with the line of JSON on its standard input; after a failure it gets the event again
    #[arg(long, value_name = "PROGRAM")]
    exec: Option<PathBuf>,
    /// A service's directory as signet-agent keeps it, instead of an administrator's
    #[arg(long, value_name = "DIR")]
    service: Option<PathBuf>,
}

/// Why one stream is over.
enum Over {
    /// Come back, at once or after a while.
    Again(Pause, String),
    /// Nobody reads our output any more.
    NoReader,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pause {
    /// The stream had worked: the shortest one.
    Shortest,
    Longer,
}

impl Tail {
    fn run(self, at: &At) -> Result<(), Failure> {
        let mut position = self.after;
        let mut pause = SHORTEST;
        loop {
            // Read each time: an identity that was renewed meanwhile is used from here on.
            let context = match &self.service {
                Some(dir) => Context::new(AdminDir::of_agent(dir)?)?,
                None => at.open()?,
            };
            let over = context.with_client(async |client| self.follow(&context, client, &mut position).await)?;
            match over {
                Over::NoReader => return Ok(()),
                Over::Again(kind, why) => {
                    pause = next_pause(pause, kind);
                    print::note(format!("{why}; trying again in {} s", pause.as_secs()));
                    context.with_client(async |_| {
                        tokio::time::sleep(pause).await;
                        Ok(())
                    })?;
                }
            }
        }
    }

    /// One stream from its beginning to its end.
    async fn follow(&self, context: &Context, client: Client, position: &mut Option<u64>) -> Result<Over, Failure> {
        let mut stream = match client.stream(PATH, *position).await {
            Ok(stream) => stream,
            Err(error) => return again(context, error, Pause::Longer),
        };
        let mut pause = Pause::Longer;
        loop {
            let event = match stream.next().await {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(Over::Again(Pause::Shortest, "the service ended the stream".into())),
                Err(error) => return again(context, error, pause),
            };
            pause = Pause::Shortest;
            match self.deal_with(&event) {
                Ok(()) => {}
                Err(Trouble::NoReader) => return Ok(Over::NoReader),
                Err(Trouble::Program(why)) => return Ok(Over::Again(Pause::Longer, why)),
            }
            acknowledge(&client, &event, &stream, position).await;
        }
    }

    fn deal_with(&self, event: &StreamEvent) -> Result<(), Trouble> {
        let line = as_json(event);
        let shown = if self.json { line.clone() } else { as_text(event) };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{shown}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Err(Trouble::NoReader),
            Err(error) => return Err(Trouble::Program(format!("stdout: {error}"))),
            Ok(()) => {}
        }
        match &self.exec {
            Some(program) => hand_over(program, &line).map_err(Trouble::Program),
            None => Ok(()),
        }
    }
}

enum Trouble {
    NoReader,
    Program(String),
}

/// What passes by itself is waited for; anything else is told.
fn again(context: &Context, error: ClientError, pause: Pause) -> Result<Over, Failure> {
    if error.is_transient() {
        return Ok(Over::Again(pause, error.to_string()));
    }
    Err(context.failure(error))
}

/// The position moves when the event was dealt with. An acknowledgement that does not arrive is made up for by the next.
async fn acknowledge(client: &Client, event: &StreamEvent, stream: &EventStream, position: &mut Option<u64>) {
    *position = stream.last_id().or(*position);
    if let Some(id) = event.id {
        let answer = client.post_json::<_, Acknowledged>(ACK_PATH, &Acknowledge { id }).await;
        if let Err(error) = answer {
            print::note(format!("event {id} could not be acknowledged: {error}"));
        }
    }
}

fn hand_over(program: &Path, line: &str) -> Result<(), String> {
    let failed = |what: &dyn std::fmt::Display| format!("{}: {what}", program.display());
    let mut child = Command::new(program).stdin(Stdio::piped()).spawn().map_err(|e| failed(&e))?;
    if let Some(mut input) = child.stdin.take() {
        match writeln!(input, "{line}") {
            // A program may end well without having read everything.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(failed(&error)),
            _ => {}
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(&status)),
        Err(error) => Err(failed(&error)),
    }
}

fn as_json(event: &StreamEvent) -> String {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_else(|_| Value::from(event.data.as_str()));
    json!({ "id": event.id, "event": event.name, "data": data }).to_string()
}

/// `412  revocation  time=2026-11-22T06:00:00Z devices=sensor-1 serials=4f00a1 reason=key-compromise`.
fn as_text(event: &StreamEvent) -> String {
    let data: Value = serde_json::from_str(&event.data).unwrap_or_default();
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => print::list(&all.iter().map(|v| v.as_str().unwrap_or_default()).collect::<Vec<_>>()),
        other => other.to_string(),
    };
    let fields = data.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={}", word(value))).collect();
    print::visible(&format!("{}  {}  {}", print::or_dash(event.id), event.name, fields.join(" ")))
}

fn next_pause(last: Duration, kind: Pause) -> Duration {
    match kind {
        Pause::Shortest => SHORTEST,
        Pause::Longer => (last * 2).min(LONGEST),
    }
}

const PATH: &str = "/v1/events";
const ACK_PATH: &str = "/v1/events/ack";
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> StreamEvent {
        StreamEvent { id: Some(7), name: "revocation".into(), data: data.into() }
    }

    #[test]
    fn a_line_shows_every_field_and_obeys_none() {
        let data = r#"{"actor":null,"devices":["a","b"],"reason":"x\u001b[2J\nfake","serials":[]}"#;
        let text = as_text(&event(data));
        assert_eq!(text, r"7  revocation  devices=a,b reason=x\u{1b}[2J\nfake serials=-");
        assert_eq!(as_json(&event(data)).lines().count(), 1);
    }

    #[test]
    fn pauses_grow_to_half_a_minute_and_begin_again_after_a_stream_that_worked() {
        let mut pause = SHORTEST;
        let mut seen = Vec::new();
        for _ in 0..7 {
            pause = next_pause(pause, Pause::Longer);
            seen.push(pause.as_secs());
        }
        assert_eq!(seen, [2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(next_pause(pause, Pause::Shortest), SHORTEST);
    }

    #[test]
    fn a_program_gets_the_event_and_its_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (script, out) = (dir.path().join("take"), dir.path().join("out"));
        let text = format!("#!/bin/sh\ncat > {}\n", out.display());
        signet_keys::files::write_new(&script, text.as_bytes(), signet_keys::files::Mode::Private).unwrap();
        let mut mode = std::fs::metadata(&script).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o700);
        std::fs::set_permissions(&script, mode).unwrap();
        hand_over(&script, &as_json(&event("{}"))).unwrap();
        let got = std::fs::read_to_string(out).unwrap();
        assert_eq!(got, "{\"data\":{},\"event\":\"revocation\",\"id\":7}\n");
        assert!(hand_over(Path::new("/bin/false"), "{}").unwrap_err().contains("exit status: 1"));
        assert!(hand_over(Path::new("/nowhere/program"), "{}").is_err());
    }
}
