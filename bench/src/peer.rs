//! `load`: the same load on any other CA, so that two of them are measured by the same generator on the same machine.

use std::fs;
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustls::pki_types::ServerName;
use serde::Serialize;
use signet_keys::PrivateKey;
use signet_pki::pem;

use crate::floor;
use crate::latency::Percentiles;
use crate::load::{Bodies, Lane, Plan, Reuse, deal};
use crate::requests::post;
use crate::tls::{self, Identity};
use crate::usage::{Cpu, tick_us};
use crate::wire::Target;

pub(crate) const EXAMPLE: &str = "\
Each prepared body is sent once; `signet-bench prepare` makes them.
Examples:
  A JSON endpoint that signs a CSR for a one-time token:
    signet-bench prepare --count 5000 --template body.json --tokens tokens.txt --out bodies
    signet-bench load --url https://ca.test:9000/1.0/sign --ca root.pem --requests bodies \\
      --content-type application/json --connections 32 --pid $(pidof ca-server)
  EST simple enrollment (RFC 7030) with HTTP Basic, the header in a file:
    signet-bench prepare --count 5000 --form base64 --out bodies
    signet-bench load --url https://est.test:8443/.well-known/est/simpleenroll --ca root.pem \\
      --requests bodies --content-type application/pkcs10 --header-file basic.txt";

#[derive(Debug, Args)]
pub(crate) struct Peer {
    /// Where requests are posted to: `https://host[:port]/path`, or `http://` for a CA behind a proxy
    #[arg(long, alias = "peer")]
    url: String,
    /// The root certificates that the server is verified against, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A client certificate with its chain, PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key, PKCS#8 PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// A directory of bodies, one a file, sent in the order of their names; or a single body
    #[arg(long, value_name = "DIR|FILE")]
    requests: PathBuf,
    #[arg(long, value_name = "TYPE", default_value = "application/pkcs10")]
    content_type: String,
    /// Further headers for every request, one `Name: value` a line; secrets belong here, not on the command line
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    #[arg(long, value_name = "N", default_value_t = 32)]
    connections: usize,
    /// Stop earlier than at the last body
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// A connection and a handshake for every request
    #[arg(long)]
    connect_each: bool,
    /// The server's process on this host, for its processor time
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Where the result goes as well
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Loaded {
    url: String,
    connections: usize,
    ops: usize,
    refused: u64,
    per_second: f64,
    #[serde(flatten)]
    latency: Percentiles,
    server_cpu_us_per_op: Option<f64>,
    floor_us: f64,
    ratio_to_floor: Option<f64>,
}

impl Peer {
    pub(crate) async fn run(self) -> Result<()> {
        let url = Url::parse(&self.url)?;
        let tls = self.tls(&url)?;
        let headers = self.headers()?;
        let bodies = bodies(&self.requests)?;
        let requests: Vec<Vec<u8>> = bodies.iter().map(|body| post(&url.target, &url.path, &headers, body)).collect();
        let connections = self.connections.clamp(1, requests.len().max(1));
        let lane = |requests| vec![Lane { tls: tls.clone(), requests, greeting: None }];
        let plan = Plan {
            target: url.target.clone(),
            workers: deal(requests, connections).into_iter().map(lane).collect(),
            reuse: if self.connect_each { Reuse::ConnectEach } else { Reuse::KeepAlive },
            bodies: Bodies::Drop,
            limit: self.seconds.map(Duration::from_secs),
        };
        let floor = floor::measure(100)?;
        let ready = plan.open().await?;
        let before = self.pid.map(Cpu::of).transpose()?;
        let outcome = ready.run().await?;
        let used =
            self.pid.map(Cpu::of).transpose()?.zip(before).map(|(after, before)| after.since(&before, tick_us()));
        for (status, (count, told)) in &outcome.refused {
            eprintln!("signet-bench: {count} answers with status {status}: {told}");
        }
        let ops = outcome.latencies.len();
        if ops == 0 {
            bail!("no request was answered with success");
        }
        let each = used.map(|cpu| cpu.us / ops as f64);
        let result = Loaded {
            url: self.url,
            connections,
            ops,
            refused: outcome.refusals(),
            per_second: ops as f64 / outcome.elapsed.as_secs_f64(),
            latency: Percentiles::of(&outcome.latencies),
            server_cpu_us_per_op: each,
            floor_us: floor.floor_us,
            ratio_to_floor: each.map(|us| us / floor.floor_us),
        };
        let text = serde_json::to_string_pretty(&result)?;
        println!("{text}");
        if let Some(out) = &self.out {
            fs::write(out, text + "\n").with_context(|| out.display().to_string())?;
        }
        Ok(())
    }

    fn tls(&self, url: &Url) -> Result<Option<std::sync::Arc<rustls::ClientConfig>>> {
        if !url.secure {
            return Ok(None);
        }
        let ca = self.ca.as_ref().context("https needs --ca FILE: whom to believe")?;
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let key = PrivateKey::from_pem(&fs::read_to_string(key)?)?;
                Some(Identity { chain: pem::certificates(&fs::read(certificate)?)?, key: key.pkcs8_der().to_vec() })
            }
            _ => None,
        };
        tls::config(&pem::certificates(&fs::read(ca)?)?, identity).map(Some)
    }

    fn headers(&self) -> Result<String> {
        let mut headers = format!("Content-Type: {}\r\n", self.content_type);
        if let Some(file) = &self.header_file {
            let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
                if !line.contains(':') {
                    bail!("a line of {} is not of the form 'Name: value'", file.display());
                }
                headers += line;
                headers += "\r\n";
            }
        }
        Ok(headers)
    }
}

#[derive(Debug)]
struct Url {
    target: Target,
    path: String,
    secure: bool,
}

impl Url {
    fn parse(text: &str) -> Result<Url> {
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => bail!("{text:?} begins with neither https:// nor http://"),
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let port = authority.rsplit_once(':').filter(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        let (host, port) = match port {
            Some((host, port)) => (host, port.parse().context("the port")?),
            None => (authority, if secure { 443 } else { 80 }),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = (host, port).to_socket_addrs().with_context(|| host.to_owned())?.next().context("no address")?;
        let name = ServerName::try_from(host.to_owned()).context("the host's name")?;
        Ok(Url { target: Target { address, name, authority: authority.to_owned() }, path: path.to_owned(), secure })
    }
}

fn bodies(path: &Path) -> Result<Vec<Vec<u8>>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.sort();
    }
    let read = |file: &PathBuf| fs::read(file).with_context(|| file.display().to_string());
    files.iter().filter(|file| file.is_file()).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_at_the_right_places() {
        let url = Url::parse("https://127.0.0.1:9000/1.0/sign?x=a:1").unwrap();
        assert_eq!((url.target.address.to_string().as_str(), url.secure), ("127.0.0.1:9000", true));
        assert_eq!((url.target.authority.as_str(), url.path.as_str()), ("127.0.0.1:9000", "/1.0/sign?x=a:1"));
        let url = Url::parse("http://[::1]").unwrap();
        assert_eq!((url.target.address.to_string().as_str(), url.path.as_str()), ("[::1]:80", "/"));
        assert!(Url::parse("ftp://127.0.0.1/").is_err());
    }
}
