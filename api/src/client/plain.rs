//! Published documents over plain HTTP: lists and certificates are signed, and everybody may have them. Nothing that is
//! secret can be sent from here: there is no body, no credential and no client certificate.

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};

use super::address::Address;
use super::connection::Connection;
use super::{Answer, ClientError, Timeouts, error};

/// `http://host[:port]`, asked over a new connection each time.
#[derive(Debug, Clone)]
pub struct PlainClient {
    address: Address,
    timeouts: Timeouts,
    max_answer: usize,
}

impl PlainClient {
    /// `max_answer` is in octets. Nothing is sent yet.
    pub fn new(server: &str, timeouts: Timeouts, max_answer: usize) -> Result<PlainClient, ClientError> {
        Ok(PlainClient { address: Address::parse_plain(server)?, timeouts, max_answer })
    }

    /// Any answer but a 2xx is an error, as with [`super::Client::send`]. No redirect is followed.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Result<Answer, ClientError> {
        let mut request = Request::get(path)
            .header(HOST, self.address.authority())
            .header(USER_AGENT, concat!("signet/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .header(CONNECTION, "close");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::new()))
            .map_err(|_| ClientError::Config("the path or a header cannot be sent in an HTTP request".into()))?;
        let mut connection = Connection::open_plain(&self.address, self.timeouts.connect).await?;
        let outcome = connection.exchange(request, self.timeouts.answer, self.max_answer).await;
        error::accept(outcome.map_err(super::connection::Failure::into_error)?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with these octets; what was asked comes back.
    async fn once(answer: &str) -> (PlainClient, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let served = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = [0; 2048];
            let count = socket.read(&mut asked).await.unwrap();
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&asked[..count]).into_owned()
        });
        let timeouts = Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(5) };
        (PlainClient::new(&url, timeouts, 100).unwrap(), served)
    }

    #[tokio::test]
    async fn a_document_and_its_validator_come_over() {
        let (client, served) = once("HTTP/1.1 200 OK\r\netag: \"a\"\r\ncontent-length: 3\r\n\r\nabc").await;
        let answer = client.get("/crl/all.pem", &[("if-none-match", "\"b\"")]).await.unwrap();
        assert_eq!((&answer.body[..], answer.header("etag")), (&b"abc"[..], Some("\"a\"")));
        let asked = served.await.unwrap();
        assert!(
            asked.starts_with("GET /crl/all.pem HTTP/1.1\r\n") && asked.contains("if-none-match: \"b\"\r\n"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn what_is_too_large_or_unchanged_or_elsewhere_is_an_error() {
        let (client, _served) = once("HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n").await;
        assert!(matches!(client.get("/", &[]).await, Err(ClientError::Protocol(_))));
        for status in [304, 301] {
            let (client, _served) = once(&format!("HTTP/1.1 {status} X\r\nlocation: http://x/\r\n\r\n")).await;
            let refused = client.get("/", &[]).await.unwrap_err();
            assert_eq!(refused, ClientError::UnexpectedStatus { status, retry_after: None });
        }
    }
}
