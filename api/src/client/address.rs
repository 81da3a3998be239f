//! `https://host[:port]`: the one way to name a server; `http://host[:port]` for what is published to everybody.

use std::fmt;

use rustls_pki_types::ServerName;

use super::ClientError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// What the certificate must say.
    pub(super) name: ServerName<'static>,
    scheme: Scheme,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

impl Scheme {
    fn prefix(self) -> &'static str {
        match self {
            Scheme::Https => "https://",
            Scheme::Http => "http://",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Https => 443,
            Scheme::Http => 80,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Scheme::Https => "https://ca.example:8443",
            Scheme::Http => "http://ca.example:8080",
        }
    }
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Address, ClientError> {
        Address::of(Scheme::Https, text)
    }

    pub(super) fn parse_plain(text: &str) -> Result<Address, ClientError> {
        Address::of(Scheme::Http, text)
    }

    fn of(scheme: Scheme, text: &str) -> Result<Address, ClientError> {
        let refuse = || {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
            ClientError::Config(format!("'{shown}' does not name a server: it looks like {}", scheme.example()))
        };
        let rest = text.trim().strip_prefix(scheme.prefix()).ok_or_else(refuse)?;
        let usual = scheme.port().to_string();
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(six) => {
                let (host, after) = six.split_once(']').ok_or_else(refuse)?;
                (host, after.strip_prefix(':').or((after.is_empty()).then_some(usual.as_str())).ok_or_else(refuse)?)
            }
            None => rest.split_once(':').unwrap_or((rest, usual.as_str())),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(refuse)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| refuse())?;
        Ok(Address { host: host.to_owned(), port, name, scheme })
    }

    /// For the `Host` header.
    pub(super) fn authority(&self) -> String {
        match (self.host.contains(':'), self.port) {
            (true, port) => format!("[{}]:{port}", self.host),
            (false, port) if port == self.scheme.port() => self.host.clone(),
            (false, port) => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.scheme.prefix(), self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Address::parse(text).unwrap().to_string()
    }

    #[test]
    fn servers_have_a_host_and_perhaps_a_port() {
        assert_eq!(shown("https://ca.example"), "https://ca.example");
        assert_eq!(shown(" https://ca.example:8443/ "), "https://ca.example:8443");
        assert_eq!(shown("https://10.0.0.1:8443"), "https://10.0.0.1:8443");
        assert_eq!(shown("https://[::1]:8443"), "https://[::1]:8443");
        assert_eq!(Address::parse("https://[::1]").unwrap().port, 443);
    }

    #[test]
    fn plain_http_is_another_kind_of_name() {
        let plain = |text: &str| Address::parse_plain(text).map(|a| (a.to_string(), a.authority()));
        assert_eq!(plain("http://ca.example"), Ok(("http://ca.example".into(), "ca.example".into())));
        assert_eq!(plain("http://ca.example:443"), Ok(("http://ca.example:443".into(), "ca.example:443".into())));
        assert_eq!(Address::parse_plain("http://ca.example").unwrap().port, 80);
        assert!(plain("https://ca.example").is_err() && plain("http://a/b").is_err() && plain("http://u@h").is_err());
    }

    #[test]
    fn other_schemes_paths_and_user_names_are_refused() {
        for bad in [
            "http://ca.example",
            "ca.example",
            "https://",
            "https://a/b",
            "https://u@h",
            "https://a:0",
            "https://a:+1",
            "https://a:99999",
            "https://[::1",
            "https://[::1]x",
            "https://a b",
        ] {
            assert!(matches!(Address::parse(bad), Err(ClientError::Config(_))), "{bad}");
        }
    }
}
