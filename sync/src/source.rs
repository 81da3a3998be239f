//! Where lists and CA certificates come from: the service's TLS port, or plain HTTP.

use std::future::Future;
use std::time::Duration;

use signet_api::ErrorCode;
use signet_api::client::{Answer, Client, ClientConfig, ClientError, Method, PlainClient, Timeouts, Trust};
use signet_pki::ca::IssuerCert;

use crate::decision::MAX_ANSWER;

/// A server that is asked for documents. Tests have their own.
pub trait Source {
    /// `https://host[:port]` or `http://host[:port]`.
    fn name(&self) -> &str;

    fn channel(&self) -> Channel;

    /// `etag` is a validator of an earlier answer (RFC 9110 13.1.2).
    fn get(&self, path: &str, etag: Option<&str>) -> impl Future<Output = Result<Fetched, ClientError>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// The server proved that it is below a pinned root: what it leaves out is over.
    Authenticated,
    /// Anybody on the path may have taken something out.
    Public,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    Document {
        bytes: Vec<u8>,
        etag: Option<String>,
    },
    /// 304: what the validator stands for is still the newest.
    NotModified,
    /// 404.
    Absent,
}

/// A real server.
pub struct Remote {
    name: String,
    connection: Connection,
}

enum Connection {
    Tls(Client),
    Plain(PlainClient),
}

impl Remote {
    /// Nothing is sent yet. `timeout` is for each whole answer.
    pub async fn open(server: &str, roots: &[IssuerCert], timeout: Duration) -> Result<Remote, ClientError> {
        let timeouts = Timeouts { connect: timeout.min(Timeouts::default().connect), answer: timeout };
        let connection = if server.trim().starts_with("http://") {
            Connection::Plain(PlainClient::new(server, timeouts, MAX_ANSWER)?)
        } else {
            let trust = Trust::Roots(roots.iter().map(|root| root.der().to_vec()).collect());
            let config = ClientConfig { timeouts, max_answer: MAX_ANSWER, ..ClientConfig::new(server, trust) };
            Connection::Tls(Client::open(config).await?)
        };
        Ok(Remote { name: server.trim().trim_end_matches('/').to_owned(), connection })
    }
}

impl Source for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn channel(&self) -> Channel {
        match self.connection {
            Connection::Tls(_) => Channel::Authenticated,
            Connection::Plain(_) => Channel::Public,
        }
    }

    async fn get(&self, path: &str, etag: Option<&str>) -> Result<Fetched, ClientError> {
        let headers: Vec<(&str, &str)> =
            [Some(("accept", "*/*")), etag.map(|tag| ("if-none-match", tag))].into_iter().flatten().collect();
        let answer = match &self.connection {
            Connection::Tls(client) => client.send(Method::GET, path, &headers, None).await,
            Connection::Plain(client) => client.get(path, &headers).await,
        };
        understand(answer)
    }
}

fn understand(answer: Result<Answer, ClientError>) -> Result<Fetched, ClientError> {
    match answer {
        // Only a whole document is one: a part was never asked for.
        Ok(answer) if answer.status == 200 => {
            let etag = answer.header("etag").filter(|tag| tag.len() <= MAX_ETAG).map(str::to_owned);
            Ok(Fetched::Document { bytes: answer.body.to_vec(), etag })
        }
        Ok(answer) => Err(ClientError::UnexpectedStatus { status: answer.status, retry_after: None }),
        Err(ClientError::UnexpectedStatus { status: 304, .. }) => Ok(Fetched::NotModified),
        Err(ClientError::UnexpectedStatus { status: 404, .. }) => Ok(Fetched::Absent),
        Err(ClientError::Refused(problem, _)) if problem.code == ErrorCode::NotFound => Ok(Fetched::Absent),
        Err(other) => Err(other),
    }
}

/// Longer than anybody's validator.
const MAX_ETAG: usize = 256;
