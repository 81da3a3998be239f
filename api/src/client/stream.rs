//! A stream of Server-Sent Events (WHATWG HTML 9.2), on a connection of its own.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::connection::{Connection, broken, read};
use super::{Client, ClientError, Method, error};

/// One event. Comments and bare ids are no events; they count as signs of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// The id that came with this event.
    pub id: Option<u64>,
    /// `message` when the server does not say.
    pub name: String,
    pub data: String,
}

/// Events as they come.
pub struct EventStream {
    body: Incoming,
    /// Dropping it would end the body.
    _connection: Connection,
    parser: Parser,
    /// The id of the newest event that was given out.
    taken: Option<u64>,
    silence: Duration,
}

impl Client {
    /// Begins to read the events at `path`, after the event `last` when it is given.
    pub async fn stream(&self, path: &str, last: Option<u64>) -> Result<EventStream, ClientError> {
        let last = last.map(|id| id.to_string());
        let mut headers = vec![("accept", "text/event-stream, application/problem+json")];
        headers.extend(last.as_deref().map(|id| ("last-event-id", id)));
        let request = self.request(Method::GET, path, &headers, None)?;
        let mut connection = self.connect().await?;
        let begun = async {
            let response = connection.head(request).await?;
            let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            match response.status().is_success() && kind.starts_with("text/event-stream") {
                true => Ok(Ok(response.into_body())),
                false => Ok(Err(read(response, MAX_REFUSAL).await?)),
            }
        };
        let begun = timeout(self.timeouts.answer, begun).await.map_err(|_| ClientError::Timeout("the answer"))?;
        match begun.map_err(|failure: super::connection::Failure| failure.into_error())? {
            Ok(body) => {
                let parser = Parser::default();
                Ok(EventStream { body, _connection: connection, parser, taken: None, silence: MAX_SILENCE })
            }
            Err(answer) => {
                error::accept(answer)?;
                Err(ClientError::Protocol("the answer is no stream of events".into()))
            }
        }
    }
}

impl EventStream {
    /// The next event; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Result<Option<StreamEvent>, ClientError> {
        loop {
            if let Some(event) = self.parser.ready.pop_front() {
                self.taken = event.id.or(self.taken);
                return Ok(Some(event));
            }
            let frame = timeout(self.silence, self.body.frame());
            match frame.await.map_err(|_| ClientError::Timeout("a sign of life of the stream"))? {
                None => return Ok(None),
                Some(Err(cause)) => return Err(broken(&cause).into_error()),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        self.parser.feed(&bytes)?;
                    }
                }
            }
        }
    }

    /// Where to go on after this stream, when every event that it gave has been dealt with.
    pub fn last_id(&self) -> Option<u64> {
        // An id without an event says that everything before it has been told, which is so once those events were taken.
        if self.parser.ready.is_empty() { self.parser.last_id } else { self.taken }
    }
}

/// Lines to events. What a line, and what one event, may hold is bounded.
#[derive(Default)]
struct Parser {
    line: Vec<u8>,
    id: Option<u64>,
    last_id: Option<u64>,
    name: String,
    data: String,
    ready: VecDeque<StreamEvent>,
}

impl Parser {
    fn feed(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            self.extend(&rest[..end])?;
            let line = std::mem::take(&mut self.line);
            self.take(line.strip_suffix(b"\r").unwrap_or(&line))?;
            rest = &rest[end + 1..];
        }
        self.extend(rest)
    }

    fn extend(&mut self, part: &[u8]) -> Result<(), ClientError> {
        if self.line.len() + part.len() > MAX_LINE {
            return Err(too_long());
        }
        self.line.extend_from_slice(part);
        Ok(())
    }

    fn take(&mut self, line: &[u8]) -> Result<(), ClientError> {
        let line = std::str::from_utf8(line)
            .map_err(|_| ClientError::Protocol("the stream of events is not UTF-8 text".into()))?;
        if line.is_empty() {
            self.dispatch();
            return Ok(());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = value.parse().ok().or(self.id),
            "event" => self.name = value.to_owned(),
            "data" => {
                if self.data.len() + value.len() > MAX_LINE {
                    return Err(too_long());
                }
                self.data += value;
                self.data.push('\n');
            }
            // A comment, `retry`, and what later versions add.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self) {
        let id = self.id.take();
        self.last_id = id.or(self.last_id);
        let (mut data, name) = (std::mem::take(&mut self.data), std::mem::take(&mut self.name));
        if data.pop().is_some() {
            let name = if name.is_empty() { "message".to_owned() } else { name };
            self.ready.push_back(StreamEvent { id, name, data });
        }
    }
}

fn too_long() -> ClientError {
    ClientError::Protocol(format!("a line of the stream of events is longer than {MAX_LINE} octets"))
}

/// Octets of a line. The service keeps below 48 KiB.
const MAX_LINE: usize = 64 * 1024;
/// A problem document.
const MAX_REFUSAL: usize = 64 * 1024;
/// Three signs of life of the service.
const MAX_SILENCE: Duration = Duration::from_secs(45);

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
