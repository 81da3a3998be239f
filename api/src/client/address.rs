//! `https://host[:port]`: the one way to name a server.

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
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Address, ClientError> {
        let refuse = || {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
            ClientError::Config(format!("'{shown}' does not name a server: it looks like https://ca.example:8443"))
        };
        let rest = text.trim().strip_prefix("https://").ok_or_else(refuse)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(six) => {
                let (host, after) = six.split_once(']').ok_or_else(refuse)?;
                (host, after.strip_prefix(':').or((after.is_empty()).then_some("443")).ok_or_else(refuse)?)
            }
            None => rest.split_once(':').unwrap_or((rest, "443")),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(refuse());
        }
        let port = port.parse().ok().filter(|p| *p != 0).ok_or_else(refuse)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| refuse())?;
        Ok(Address { host: host.to_owned(), port, name })
    }

    /// `http://host[:port]`.
    pub(super) fn parse_plain(text: &str) -> Result<Address, ClientError> {
        let refuse = || ClientError::Config(format!("'{text}' does not look like http://ca.example:8080"));
        let rest = text.strip_prefix("http://").ok_or_else(refuse)?;
        let has_port = rest.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let port = if has_port { "" } else { ":80" };
        Address::parse(&format!("https://{rest}{port}")).map_err(|_| refuse())
    }

    /// For the `Host` header.
    pub(super) fn authority(&self) -> String {
        match (self.host.contains(':'), self.port) {
            (true, port) => format!("[{}]:{port}", self.host),
            (false, 443) => self.host.clone(),
            (false, port) => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
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
    fn plain_addresses_have_a_port_of_their_own() {
        let port = |text: &str| Address::parse_plain(text).unwrap().port;
        assert_eq!((port("http://ca.example"), port("http://ca.example:8080"), port("http://[::1]")), (80, 8080, 80));
        for bad in ["https://ca.example", "http://", "http://a/b", "http://u@h:1"] {
            assert!(matches!(Address::parse_plain(bad), Err(ClientError::Config(_))), "{bad}");
        }
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
