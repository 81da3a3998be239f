//! The URL of an endpoint, taken apart once.

use std::net::{IpAddr, SocketAddr};

use hyper::Uri;
use rustls::pki_types::ServerName;
use signet_pki::DnsName;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    #[error("the URL has to be of the form https://HOST[:PORT]/PATH, in at most 2000 ASCII characters")]
    Form,
    #[error("the URL is not https")]
    Scheme,
    #[error("the URL carries a user name: secrets do not belong there, and the signature is what the endpoint checks")]
    UserInfo,
    #[error("the URL has a fragment, which is not sent")]
    Fragment,
    #[error("the host is neither a DNS name nor an address")]
    Host,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: Host,
    port: u16,
    path: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(DnsName),
    Address(IpAddr),
}

impl Target {
    pub fn parse(url: &str) -> Result<Target, UrlError> {
        if url.len() > MAX_URL || !url.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(UrlError::Form);
        }
        if url.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = url.parse().map_err(|_| UrlError::Form)?;
        if uri.scheme_str() != Some("https") {
            return Err(if uri.scheme().is_some() { UrlError::Scheme } else { UrlError::Form });
        }
        let authority = uri.authority().ok_or(UrlError::Form)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let port = match authority.port() {
            Some(port) => Some(port.as_u16()).filter(|port| *port > 0).ok_or(UrlError::Form)?,
            // "host:" and "host:99999" have a colon and no port.
            None if authority.as_str().rsplit(']').next().is_some_and(|rest| rest.contains(':')) => {
                return Err(UrlError::Form);
            }
            None => 443,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Target { host: Host::parse(authority.host())?, port, path })
    }

    /// The address, when the URL names one.
    pub fn literal(&self) -> Option<SocketAddr> {
        match &self.host {
            Host::Address(address) => Some(SocketAddr::new(*address, self.port)),
            Host::Name(_) => None,
        }
    }

    /// What a resolver is asked.
    pub(super) fn name(&self) -> (String, u16) {
        let host = match &self.host {
            Host::Name(name) => name.to_string(),
            Host::Address(address) => address.to_string(),
        };
        (host, self.port)
    }

    /// Whom the certificate has to name.
    pub(super) fn server_name(&self) -> Result<ServerName<'static>, UrlError> {
        match &self.host {
            Host::Name(name) => ServerName::try_from(name.to_string()).map_err(|_| UrlError::Host),
            Host::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        }
    }

    /// The header `host`.
    pub(super) fn authority(&self) -> String {
        let host = match &self.host {
            Host::Name(name) => name.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
        };
        if self.port == 443 { host } else { format!("{host}:{}", self.port) }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl Host {
    fn parse(text: &str) -> Result<Host, UrlError> {
        if let Some(inner) = text.strip_prefix('[') {
            let address = inner.strip_suffix(']').and_then(|text| text.parse().ok());
            return address.map(|address| Host::Address(IpAddr::V6(address))).ok_or(UrlError::Host);
        }
        if let Ok(address) = text.parse() {
            return Ok(Host::Address(IpAddr::V4(address)));
        }
        let name = DnsName::parse(&text.to_ascii_lowercase()).map_err(|_| UrlError::Host)?;
        // Resolvers read "127.1" and "0x7f000001" as addresses; no top-level domain begins with a digit (RFC 3696 2).
        let last = name.as_str().rsplit('.').next().unwrap_or_default();
        if last.starts_with(|c: char| c.is_ascii_digit()) { Err(UrlError::Host) } else { Ok(Host::Name(name)) }
    }
}

/// Longer than any URL that a receiver hands out.
const MAX_URL: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("https://Hooks.Example.com/in?to=x").unwrap();
        assert_eq!(target.name(), ("hooks.example.com".into(), 443));
        assert_eq!((target.authority().as_str(), target.path()), ("hooks.example.com", "/in?to=x"));
        let target = Target::parse("https://[2001:db8::1]:8443").unwrap();
        assert_eq!((target.authority().as_str(), target.path()), ("[2001:db8::1]:8443", "/"));
        assert_eq!(target.literal(), Some("[2001:db8::1]:8443".parse().unwrap()));
        assert_eq!(Target::parse("https://localhost:1/").unwrap().literal(), None);
    }

    #[test]
    fn t24_what_is_not_plainly_https_to_a_host_is_refused() {
        let long = format!("https://a.example/{}", "x".repeat(2000));
        let cases: &[(&str, UrlError)] = &[
            ("http://a.example/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Form),
            ("gopher://a.example/", UrlError::Scheme),
            ("a.example", UrlError::Form),
            ("/path", UrlError::Form),
            ("//a.example/", UrlError::Form),
            ("https://", UrlError::Form),
            ("https:///x", UrlError::Form),
            ("https://user@a.example/", UrlError::UserInfo),
            ("https://user:secret@a.example/", UrlError::UserInfo),
            ("https://a.example@127.0.0.1/", UrlError::UserInfo),
            ("https://a.example/#x", UrlError::Fragment),
            ("https://a.example:0/", UrlError::Form),
            ("https://a.example:99999/", UrlError::Form),
            ("https://a.example/ x", UrlError::Form),
            ("https://a.example/\r\nx: y", UrlError::Form),
            ("https://ä.example/", UrlError::Form),
            ("https://127.1/", UrlError::Host),
            ("https://2130706433/", UrlError::Host),
            ("https://0x7f000001/", UrlError::Host),
            ("https://0177.0.0.1/", UrlError::Host),
            ("https://a.0x7f/", UrlError::Host),
            ("https://*.example/", UrlError::Host),
            ("https://a..example/", UrlError::Host),
            ("https://[::1%25eth0]/", UrlError::Host),
            (&long, UrlError::Form),
        ];
        for (url, expected) in cases {
            let refused = Target::parse(url);
            assert!(refused.is_err(), "{url}");
            // The parser of the authority may be the first to say no.
            let refused = refused.unwrap_err();
            assert!(refused == *expected || refused == UrlError::Form, "{url}: {refused:?}");
        }
    }
}
