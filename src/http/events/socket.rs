//! A stream as WebSocket messages: the frames that Server-Sent Events get, each as one JSON object.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use signet_api::events::SocketMessage;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::reader::Reader;
use super::stream::{self, Stop};
use super::{App, limits, take_note};
use crate::events::Subscription;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Starts a task that has the connection until the stream ends.
pub(super) fn start(service: App, subscription: Subscription, reader: Reader, upgrade: OnUpgrade) {
    let line = reader.peer.line.clone();
    line.carries_stream();
    let taken = line.take_over();
    tokio::spawn(async move {
        let _taken = taken;
        // Who asked and went away: the connection ends, and with it this.
        let Ok(Ok(upgraded)) = tokio::time::timeout(service.config.patience.answer, upgrade).await else { return };
        let mut socket = Socket::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(configuration())).await;
        let (frames, written) = mpsc::channel(1);
        let identity = reader.identity.clone();
        let last = tokio::select! {
            stop = stream::write(service.clone(), subscription, reader, frames) => Last::of(stop),
            last = converse(&service, &identity, &mut socket, written) => last,
        };
        // Who does not read is not waited for.
        let _ = tokio::time::timeout(limits::FAREWELL, say_goodbye(&mut socket, last)).await;
    });
}

/// How a conversation ends.
enum Last {
    /// The other side does not answer any more.
    Gone,
    /// The other side has said goodbye.
    Heard,
    Say(CloseCode, &'static str),
}

impl Last {
    /// RFC 6455 7.4.1, and 1013 of its registry.
    fn of(stop: Stop) -> Last {
        match stop {
            Stop::Gone => Last::Gone,
            Stop::Slow => Last::Say(CloseCode::Again, "too_slow"),
            Stop::Because(reason @ ("stopping" | "old_connection")) => Last::Say(CloseCode::Away, reason),
            Stop::Because(reason @ "store_unavailable") => Last::Say(CloseCode::Again, reason),
            Stop::Because(reason) => Last::Say(CloseCode::Policy, reason),
        }
    }

    fn because(error: &Error) -> Last {
        match error {
            Error::Capacity(_) => Last::Say(CloseCode::Size, "too_large"),
            Error::Utf8(_) => Last::Say(CloseCode::Invalid, "malformed_request"),
            Error::Protocol(_) => Last::Say(CloseCode::Protocol, "malformed_request"),
            _ => Last::Gone,
        }
    }
}

/// Sends what is written and hears what is acknowledged, until one of the two sides is done.
async fn converse(service: &App, identity: &str, socket: &mut Socket, mut written: mpsc::Receiver<Bytes>) -> Last {
    let patience = service.config.patience.headers;
    let (mut unanswered, mut heard) = (0, 0);
    loop {
        tokio::select! {
            frames = written.recv() => {
                let Some(frames) = frames else { return Last::Gone };
                for message in messages(&String::from_utf8_lossy(&frames)) {
                    if matches!(message, Message::Ping(_)) {
                        if unanswered >= limits::PINGS {
                            return Last::Gone;
                        }
                        (unanswered, heard) = (unanswered + 1, 0);
                    }
                    match send(socket, message, patience).await {
                        Ok(()) => {}
                        Err(last) => return last,
                    }
                }
            }
            message = socket.next() => {
                (unanswered, heard) = (0, heard + 1);
                let last = match message {
                    None => Last::Gone,
                    Some(Err(error)) => Last::because(&error),
                    Some(Ok(message)) => match hear(service, identity, &message) {
                        None if heard > limits::CLIENT_MESSAGES => Last::Say(CloseCode::Policy, "too_many_requests"),
                        None => continue,
                        Some(last) => last,
                    },
                };
                return last;
            }
        }
    }
}

async fn send(socket: &mut Socket, message: Message, patience: Duration) -> Result<(), Last> {
    match tokio::time::timeout(patience, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Last::because(&error)),
        Err(_) => Err(Last::Say(CloseCode::Again, "too_slow")),
    }
}

/// `None`: the conversation goes on.
fn hear(service: &App, identity: &str, message: &Message) -> Option<Last> {
    match message {
        Message::Text(text) => match serde_json::from_str::<SocketMessage>(text) {
            Ok(SocketMessage { ack }) => take_note(service, identity, ack)
                .err()
                .map(|refusal| Last::Say(CloseCode::Policy, refusal.code.as_str())),
            Err(_) => Some(Last::Say(CloseCode::Policy, "malformed_request")),
        },
        Message::Binary(_) => Some(Last::Say(CloseCode::Unsupported, "malformed_request")),
        Message::Close(_) => Some(Last::Heard),
        // Pings are answered by the protocol.
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => None,
    }
}

async fn say_goodbye(socket: &mut Socket, last: Last) {
    match last {
        Last::Gone => return,
        Last::Heard => {}
        Last::Say(code, reason) => {
            if socket.close(Some(CloseFrame { code, reason: reason.into() })).await.is_err() {
                return;
            }
        }
    }
    // Until the other side has answered, or the answer to it is out.
    while let Some(Ok(_)) = socket.next().await {}
    let _ = socket.flush().await;
    let _ = socket.get_mut().shutdown().await;
}

/// Of each frame (WHATWG HTML 9.2.6) what its reader needs: a sign of life as a ping, what has an id or a name as an object.
fn messages(frames: &str) -> Vec<Message> {
    frames.split("\n\n").flat_map(|frame| [ping(frame), object(frame)]).flatten().collect()
}

fn ping(frame: &str) -> Option<Message> {
    frame.starts_with(": alive").then(|| Message::Ping(Bytes::new()))
}

fn object(frame: &str) -> Option<Message> {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let (id, name, data) = (field("id"), field("event"), field("data"));
    if id.is_none() && name.is_none() {
        return None;
    }
    let id = id.map(|id| format!("\"id\":{id},")).unwrap_or_default();
    // A place in the log without an event.
    let (name, data) = (name.unwrap_or("position"), data.unwrap_or("{}"));
    Some(Message::text(format!("{{{id}\"event\":\"{name}\",\"data\":{data}}}")))
}

/// Clients acknowledge and nothing else.
fn configuration() -> WebSocketConfig {
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits::SOCKET_MESSAGE))
        .max_frame_size(Some(limits::SOCKET_MESSAGE))
        .read_buffer_size(4096);
    // Every message leaves at once.
    config.write_buffer_size(0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::events;

    fn objects(frames: &str) -> Vec<Value> {
        let texts =
            messages(frames).into_iter().filter_map(|message| message.into_text().ok()).filter(|text| !text.is_empty());
        texts.map(|text| serde_json::from_str(&text).unwrap()).collect()
    }

    #[test]
    fn a_frame_becomes_an_object_and_a_sign_of_life_a_ping() {
        let frame = "id: 7\nevent: revocation\ndata: {\"devices\":[\"a\"]}\n\n";
        assert_eq!(objects(frame), [json!({ "id": 7, "event": "revocation", "data": { "devices": ["a"] } })]);
        assert_eq!(objects("retry: 1000\n\n"), [Value::Null; 0]);
        assert_eq!(objects("id: 9\n\n"), [json!({ "id": 9, "event": "position", "data": {} })]);
        let alive = messages(": alive\nid: 9\n\n");
        assert!(matches!(&alive[..], [Message::Ping(_), Message::Text(_)]), "{alive:?}");
        let gap = objects(&events::gap(1, 4, "archived"));
        assert_eq!(gap, [json!({ "event": "gap", "data": { "after": 1, "next": 4, "reason": "archived" } })]);
        assert_eq!(objects(&format!("{frame}{frame}")).len(), 2, "a batch in parts");
    }
}
