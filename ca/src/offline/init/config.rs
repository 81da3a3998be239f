//! The `signet.toml` that `ca init` writes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use signet_pki::{DnsName, TrustDomain};

/// How devices reach the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Name(DnsName),
    Address(IpAddr),
}

#[derive(Debug)]
pub(super) struct ServerConfig {
    pub(super) trust_domain: TrustDomain,
    /// At least one.
    pub(super) hosts: Vec<Host>,
    pub(super) bind: IpAddr,
    pub(super) tls_port: u16,
    pub(super) plain_port: u16,
    pub(super) local_port: u16,
}

impl Host {
    pub(super) fn parse(text: &str) -> Result<Host, String> {
        if let Ok(address) = text.parse() {
            return Ok(Host::Address(address));
        }
        DnsName::parse(text).map(Host::Name).map_err(|e| e.to_string())
    }

    /// As it stands in a URL (RFC 3986 3.2.2).
    fn in_url(&self) -> String {
        match self {
            Host::Name(name) => name.to_string(),
            Host::Address(IpAddr::V4(address)) => address.to_string(),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
        }
    }
}

impl ServerConfig {
    pub(super) fn root_crl_url(&self) -> String {
        format!("{}/crl/root.crl", self.base_url())
    }

    pub(super) fn root_certificate_url(&self) -> String {
        format!("{}/ca/root.cer", self.base_url())
    }

    fn base_url(&self) -> String {
        format!("http://{}:{}", self.host(), self.plain_port)
    }

    fn host(&self) -> String {
        self.hosts.first().map_or_else(|| "localhost".to_owned(), Host::in_url)
    }

    /// Every value is of a type that has no quotes in it, so nothing needs escaping.
    pub(super) fn to_toml(&self) -> String {
        let listen = |port| SocketAddr::new(self.bind, port);
        let quoted = |values: &[String]| values.iter().map(|v| format!("\"{v}\"")).collect::<Vec<_>>().join(", ");
        let mut names = Vec::new();
        let mut addresses = Vec::new();
        for host in &self.hosts {
            match host {
                Host::Name(name) => names.push(name.to_string()),
                Host::Address(address) => addresses.push(address.to_string()),
            }
        }
        let bind = self.bind.to_string();
        if !self.bind.is_unspecified() && !addresses.contains(&bind) {
            addresses.push(bind);
        }
        TEMPLATE
            .replace("{trust_domain}", self.trust_domain.as_str())
            .replace("{public_url}", &format!("https://{}:{}", self.host(), self.tls_port))
            .replace("{tls}", &listen(self.tls_port).to_string())
            .replace("{plain}", &listen(self.plain_port).to_string())
            .replace("{local}", &SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), self.local_port).to_string())
            .replace("{names}", &quoted(&names))
            .replace("{addresses}", &quoted(&addresses))
            .replace("{base_url}", &self.base_url())
    }
}

const TEMPLATE: &str = r#"# Configuration of signetd, written by `ca init`. Paths are relative to this file.
trust_domain = "{trust_domain}"
# Where devices and administrators reach the service.
public_url = "{public_url}"

[listen]
tls = "{tls}"
# Revocation lists, CA certificates and OCSP only.
plain = "{plain}"
# Health and metrics.
local = "{local}"

[store]
path = "signet.db"

[keys]
# Opens the issuer's key and the secrets in the database. Keep a copy apart from the database's backup.
kek_file = "secrets/kek"

[issuer]
certificate = "issuer/issuer.pem"
key = "issuer/issuer.key"
root = "issuer/root.pem"
root_crl = "issuer/root.crl"

[tls]
key = "tls/server.key"
certificate = "tls/server.pem"
names = [{names}]
addresses = [{addresses}]

[publication]
base_url = "{base_url}"
# Every certificate names an OCSP responder, and the service is one.
ocsp = true

# The profiles device, service and intermittent are built in. Others are added here, for example:
#
# [profiles.gateway]
# kind = "device"
# usages = ["client-auth", "server-auth"]
# lifetime_seconds = 43200
# max_lifetime_seconds = 172800
# keys = ["p256"]
# dns_suffixes = ["gateways.example.org"]
"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(hosts: &[&str], bind: &str) -> ServerConfig {
        ServerConfig {
            trust_domain: TrustDomain::parse("acme.example").unwrap(),
            hosts: hosts.iter().map(|h| Host::parse(h).unwrap()).collect(),
            bind: bind.parse().unwrap(),
            tls_port: 8443,
            plain_port: 0,
            local_port: 9090,
        }
    }

    fn parsed(config: &ServerConfig) -> toml::Table {
        config.to_toml().parse().unwrap()
    }

    #[test]
    fn names_and_addresses_go_to_their_places() {
        let table = parsed(&config(&["ca.acme.example", "10.0.0.7"], "0.0.0.0"));
        assert_eq!(table["public_url"].as_str(), Some("https://ca.acme.example:8443"));
        assert_eq!(table["listen"]["tls"].as_str(), Some("0.0.0.0:8443"));
        assert_eq!(table["listen"]["local"].as_str(), Some("127.0.0.1:9090"));
        assert_eq!(table["tls"]["names"].to_string(), r#"["ca.acme.example"]"#);
        assert_eq!(table["tls"]["addresses"].to_string(), r#"["10.0.0.7"]"#);
        assert_eq!(table["publication"]["base_url"].as_str(), Some("http://ca.acme.example:0"));
    }

    #[test]
    fn addresses_of_version_6_stand_in_brackets_in_urls_only() {
        let table = parsed(&config(&["fd00::7"], "::1"));
        assert_eq!(table["public_url"].as_str(), Some("https://[fd00::7]:8443"));
        assert_eq!(table["listen"]["plain"].as_str(), Some("[::1]:0"));
        assert_eq!(table["tls"]["addresses"].to_string(), r#"["fd00::7", "::1"]"#);
    }

    #[test]
    fn what_is_neither_name_nor_address_is_refused() {
        for bad in ["", "a b", "*.x.org", "x\"y", "https://x", "10.0.0.300"] {
            assert!(Host::parse(bad).is_err(), "{bad:?}");
        }
    }
}
