//! `ca trust config`: configurations of other people's programs under which a revoked device is refused.
//!
//! `scripts/interop` starts each of these programs with the text that is printed here.

use clap::{Args, ValueEnum};

use crate::failure::Failure;

/// Print a configuration under which a revoked device is refused
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca trust config nginx --dir /etc/signet > /etc/nginx/conf.d/signet.conf")]
pub(crate) struct Config {
    /// Program, or language of a program of your own
    #[arg(value_name = "PROGRAM")]
    kind: Kind,
    /// Where the service keeps clients.pem, crl.pem, server.pem and server.key
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    dir: String,
    /// Also ask Signet at this address about every request; for nginx and envoy
    #[arg(long, value_name = "HOST[:PORT]")]
    authz: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Nginx,
    Haproxy,
    Envoy,
    Caddy,
    Stunnel,
    Mosquitto,
    Freeradius,
    Postgresql,
    Rustls,
    Go,
    Python,
}

impl Config {
    /// The text with the directory in its place.
    ///
    /// # Errors
    /// Refused for a program that cannot check a CRL.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let dir = self.dir.trim_end_matches('/');
        // Quoting rules differ between the formats; a path that needs none is the same in all of them.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@');
        if dir.is_empty() || !dir.chars().all(plain) {
            return Err(Failure::usage("--dir is a path of letters, digits and . _ - + @ /, for example /etc/signet"));
        }
        let Some(authz) = &self.authz else { return Ok(self.kind.template()?.replace(DEFAULT_DIR, dir)) };
        let (host, port) = authz.split_once(':').unwrap_or((authz, "8443"));
        let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        if !is_host || port.parse::<u16>().is_err() {
            return Err(Failure::usage("--authz is the service's name and port, for example ca.acme.example:8443"));
        }
        let text = self.kind.asking_template()?.replace(DEFAULT_DIR, dir);
        let text = text.replace("ca.example:8443", &format!("{host}:{port}"));
        Ok(text.replace("ca.example", host).replace("port_value: 8443", &format!("port_value: {port}")))
    }
}

impl Kind {
    fn asking_template(self) -> Result<&'static str, Failure> {
        match self {
            Kind::Nginx => Ok(include_str!("../../templates/nginx-authz.conf")),
            Kind::Envoy => Ok(include_str!("../../templates/envoy-authz.yaml")),
            _ => Err(Failure::refused("--authz is printed for nginx and envoy")
                .hint("other programs ask at /v1/authz/check; see the README on permission")),
        }
    }

    fn template(self) -> Result<&'static str, Failure> {
        Ok(match self {
            Kind::Nginx => include_str!("../../templates/nginx.conf"),
            Kind::Haproxy => include_str!("../../templates/haproxy.cfg"),
            Kind::Envoy => include_str!("../../templates/envoy.yaml"),
            // Whoever pasted one would believe that revocation works: what Caddy has, `client_auth`, looks at no CRL, and
            // its Caddyfile cannot turn off tickets.
            Kind::Caddy => {
                return Err(Failure::refused("Caddy does not check CRLs, so a revoked device would be let in").hint(
                    "let another program take the connections and pass them on to Caddy: ca trust config haproxy",
                ));
            }
            Kind::Stunnel => include_str!("../../templates/stunnel.conf"),
            Kind::Mosquitto => include_str!("../../templates/mosquitto.conf"),
            Kind::Freeradius => include_str!("../../templates/freeradius.conf"),
            Kind::Postgresql => include_str!("../../templates/postgresql.conf"),
            Kind::Rustls => include_str!("../../templates/rustls.rs"),
            Kind::Go => include_str!("../../templates/server.go"),
            Kind::Python => include_str!("../../templates/server.py"),
        })
    }
}

const DEFAULT_DIR: &str = "/etc/signet";

#[cfg(test)]
#[path = "trust_config_tests.rs"]
mod tests;
