//! A subscriber: the events of a stream as they come.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use signet_api::client::Identity;

use super::{Protocol, TestService, Wire};

/// What stands between two empty lines.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: Value,
    /// As it came, for what must not be in it.
    pub(crate) text: String,
}

impl Frame {
    fn parse(text: &str) -> Frame {
        let field = |name: &str| text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "));
        Frame {
            id: field("id").map(|id| id.parse().unwrap()),
            name: field("event").unwrap_or_default().to_owned(),
            data: field("data").map(|data| serde_json::from_str(data).unwrap()).unwrap_or_default(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        let all = self.data[key].as_array().unwrap_or_else(|| panic!("no {key}: {self:?}"));
        all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    }
}

pub(crate) struct Stream {
    body: Incoming,
    rest: String,
    pub(crate) wire: Wire,
    /// As a browser keeps it.
    pub(crate) last_id: Option<u64>,
}

impl Stream {
    pub(crate) async fn open(
        service: &TestService,
        identity: Identity,
        protocol: Protocol,
        after: Option<u64>,
    ) -> Stream {
        let mut wire = service.wire(Some(identity), protocol).await;
        let after = after.map(|id| id.to_string());
        let headers: Vec<(&str, &str)> = after.as_deref().map(|id| ("last-event-id", id)).into_iter().collect();
        let response = wire.begin("GET", "/v1/events", &headers, b"").await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut stream = Stream { body: response.into_body(), rest: String::new(), wire, last_id: None };
        // The stream stands when it says where it is: nothing that happens from here on is missed.
        if after.is_none() {
            while stream.frame().await.unwrap().id.is_none() {}
        }
        stream
    }

    /// `None` at the end of the stream.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.rest.split_once("\n\n") {
                let (frame, rest) = (Frame::parse(frame), rest.to_owned());
                self.rest = rest;
                self.last_id = frame.id.or(self.last_id);
                return Some(frame);
            }
            let next = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("the stream is silent");
            let bytes = next?.ok()?.into_data().unwrap();
            self.rest += std::str::from_utf8(&bytes).unwrap();
        }
    }

    /// The next event of the log, or the last of the stream.
    pub(crate) async fn event(&mut self) -> Frame {
        loop {
            let frame = self.frame().await.expect("the stream has ended");
            if !frame.name.is_empty() && frame.name != "crl.published" {
                return frame;
            }
        }
    }

    pub(crate) async fn ended(mut self) -> bool {
        while self.frame().await.is_some() {}
        self.wire.closed().await
    }
}

/// Longer than anything here takes; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(20);
