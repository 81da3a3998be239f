//! The cheapest HTTP/1.1 client that is still correct for one request at a time: prepared bytes out, one answer in.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Where requests go. `name` is what the certificate is checked for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) name: ServerName<'static>,
    /// The `Host` header.
    pub(crate) authority: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Plain without a configuration, else TLS with the handshake done.
    pub(crate) async fn open(target: &Target, tls: Option<&Arc<ClientConfig>>) -> Result<Connection> {
        let socket = TcpStream::connect(target.address).await.with_context(|| format!("to {}", target.address))?;
        socket.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match tls {
            None => Box::new(socket),
            Some(config) => {
                let connector = TlsConnector::from(config.clone());
                Box::new(connector.connect(target.name.clone(), socket).await.context("the TLS handshake")?)
            }
        };
        Ok(Connection { stream, buffer: Vec::with_capacity(8 * 1024) })
    }

    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        loop {
            let head_end = self.head().await?;
            let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
            self.buffer.drain(..head_end);
            let status = status(&head)?;
            // 1xx answers come before the real one (RFC 9110 15.2).
            if (100..200).contains(&status) {
                continue;
            }
            let body = self.body(&head, status).await?;
            return Ok(Answer { status, body });
        }
    }

    async fn head(&mut self) -> Result<usize> {
        let mut searched = 0usize;
        loop {
            let from = searched.saturating_sub(3);
            if let Some(at) = self.buffer[from..].windows(4).position(|w| w == b"\r\n\r\n") {
                return Ok(from + at + 4);
            }
            searched = self.buffer.len();
            if searched > MAX_HEAD {
                bail!("the head of the answer is longer than {MAX_HEAD} octets");
            }
            self.more().await?;
        }
    }

    async fn body(&mut self, head: &str, status: u16) -> Result<Vec<u8>> {
        if status == 204 || status == 304 {
            return Ok(Vec::new());
        }
        if header(head, "transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return self.chunks().await;
        }
        let length = header(head, "content-length").context("an answer without content-length")?;
        let length: usize = length.parse().context("content-length")?;
        self.take(length).await
    }

    /// RFC 9112 7.1.
    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).context("the length of a chunk")?;
            if length == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.take(length).await?);
            self.line().await?;
        }
    }

    async fn line(&mut self) -> Result<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..at]).into_owned();
                self.buffer.drain(..at + 2);
                return Ok(line);
            }
            self.more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

/// One request over plain HTTP on its own connection: the service's metrics, health and lists.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    let name = ServerName::IpAddress(address.ip().into());
    let target = Target { address, name, authority: address.to_string() };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    Connection::open(&target, None).await?.exchange(request.as_bytes()).await
}

fn status(head: &str) -> Result<u16> {
    let code = head.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    code.and_then(|c| c.trim().parse().ok()).context("the answer is not HTTP/1.1")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// No CA's answer has more.
const MAX_HEAD: usize = 64 * 1024;

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
