//! A subscriber over WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use signet_api::client::Identity;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::{Protocol, Reply, TestService, Wire};

/// What a client sends to become a WebSocket (RFC 6455 1.3).
pub(crate) const HANDSHAKE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

pub(crate) struct Socket {
    pub(crate) socket: WebSocketStream<TokioIo<Upgraded>>,
    /// Of the last message that had one.
    pub(crate) last_id: Option<u64>,
}

impl Socket {
    /// A stream that must be let in.
    pub(crate) async fn open(service: &TestService, identity: Option<Identity>, query: &str) -> Socket {
        match Socket::try_open(service, identity, query, &[]).await {
            Ok(socket) => socket,
            Err(reply) => panic!("{}: {}", reply.status, reply.text()),
        }
    }

    /// The answer, when it is not an upgrade.
    pub(crate) async fn try_open(
        service: &TestService,
        identity: Option<Identity>,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, Reply> {
        let mut wire: Wire = service.wire(identity, Protocol::Http1).await;
        let headers = [&HANDSHAKE, headers].concat();
        let response = wire.begin("GET", &format!("/v1/events/ws{query}"), &headers, b"").await.unwrap();
        if response.status() != 101 {
            return Err(Reply::of(response).await);
        }
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        let mut socket = Socket { socket, last_id: None };
        // The stream stands when it says where it is: nothing that happens from here on is missed.
        while !query.contains("after=") && socket.message().await.unwrap()["event"] != "position" {}
        Ok(socket)
    }

    /// `None` at the end; pings are answered on the way.
    pub(crate) async fn message(&mut self) -> Option<Value> {
        loop {
            match self.frame().await? {
                Message::Text(text) => {
                    let value: Value = serde_json::from_str(&text).unwrap();
                    self.last_id = value["id"].as_u64().or(self.last_id);
                    return Some(value);
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next event of the log.
    pub(crate) async fn event(&mut self) -> Value {
        loop {
            let message = self.message().await.expect("the stream has ended");
            if message["event"] != "crl.published" && message["event"] != "position" {
                return message;
            }
        }
    }

    /// Code and reason with which the other side closes, after whatever comes before.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        loop {
            match self.frame().await.expect("it ended without a word") {
                Message::Close(Some(frame)) => {
                    let told = (u16::from(frame.code), frame.reason.to_string());
                    assert!(self.frame().await.is_none(), "the connection ends with the stream");
                    return told;
                }
                Message::Close(None) => panic!("without a code"),
                _ => {}
            }
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn frame(&mut self) -> Option<Message> {
        let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("the stream is silent");
        next?.ok()
    }
}

pub(crate) fn list(message: &Value, key: &str) -> Vec<String> {
    let all = message["data"][key].as_array().unwrap_or_else(|| panic!("no {key}: {message}"));
    all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
