//! The load phases: the same requests that devices send, at one and at many connections.

pub(crate) mod authz;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::ClientConfig;
use serde::Serialize;
use signet_api::client::Client;
use signet_api::enroll::IssuedCertificate;
use signet_pki::ca::IssuerCert;
use signet_pki::ocsp::{CertId, IdHash};
use signet_pki::pem;
use signet_pki::serial::Serial;
use signet_pki::signer::Signer;
use signet_pki::view::CertificateView;

use crate::floor::Floor;
use crate::instructions::Callgrind;
use crate::key::DeviceKey;
use crate::latency::Percentiles;
use crate::load::{Bodies, Lane, Outcome, Plan, Reuse, deal};
use crate::requests::{self, Form};
use crate::sandbox::{Sandbox, Server};
use crate::tls::{self, Identity};
use crate::usage::{Cpu, Used, tick_us};
use crate::wire::Target;

/// One measured phase. "Per op" is per good answer; commits are transactions of the store, each with one flush.
#[derive(Debug, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) connections: usize,
    pub(crate) ops: usize,
    pub(crate) seconds: f64,
    pub(crate) per_second: f64,
    #[serde(flatten)]
    pub(crate) latency: Percentiles,
    pub(crate) server_cpu_us_per_op: f64,
    pub(crate) server_system_us_per_op: f64,
    /// Server's processor time over the floor of the same run.
    pub(crate) ratio_to_floor: f64,
    /// The same without what the kernel did for the network, the threads and the disk.
    pub(crate) ratio_to_floor_user: f64,
    pub(crate) client_cpu_us_per_op: f64,
    pub(crate) commits: Option<u64>,
    pub(crate) commits_per_second: Option<f64>,
    pub(crate) ops_per_commit: Option<f64>,
}

/// A device with its certificate, ready to connect.
struct Device {
    tls: Arc<ClientConfig>,
    serial: Serial,
}

/// How the OCSP responder is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// `GET` without a nonce, about few certificates: answered from memory.
    Remembered,
    /// `POST` with a nonce: one look into the store and one signature each.
    Nonce,
}

pub(crate) struct Load<'a> {
    pub(crate) server: &'a Server,
    pub(crate) admin: Client,
    pub(crate) floor: Floor,
    pub(crate) form: Form,
    /// Counts instructions of the measured part of a phase only.
    pub(crate) callgrind: Option<Callgrind>,
    target: Target,
    roots: Vec<Vec<u8>>,
    anonymous: Arc<ClientConfig>,
}

impl<'a> Load<'a> {
    pub(crate) async fn new(sandbox: &Sandbox, server: &'a Server, floor: Floor, form: Form) -> Result<Load<'a>> {
        let admin = sandbox.administrator().await?;
        let (target, roots, anonymous) = (sandbox.target()?, sandbox.roots()?, sandbox.anonymous()?);
        Ok(Load { server, admin, floor, form, callgrind: None, target, roots, anonymous })
    }

    /// Distinct keys, distinct tokens, `connections` requests under way at any time.
    pub(crate) async fn enroll(&self, connections: usize, ops: usize, reuse: Reuse) -> Result<Phase> {
        let batch = format!("{}-{connections}", word(reuse));
        let requests = requests::tokens(&self.admin, ops, &batch).await?;
        let requests = requests
            .iter()
            .map(|token| requests::enroll(&self.target, token, &DeviceKey::generate()?, self.form))
            .collect::<Result<Vec<_>>>()?;
        let lane = |requests| vec![Lane { tls: Some(self.anonymous.clone()), requests, greeting: None }];
        let workers = deal(requests, connections).into_iter().map(lane).collect();
        self.measure(format!("enroll, {}", word(reuse)), connections, workers, reuse).await
    }

    /// `per_device` renewals of each device's certificate, with new keys. With [`Reuse::KeepAlive`] the first use of
    /// the certificate is over before the measurement begins; with [`Reuse::ConnectEach`] it is part of it.
    pub(crate) async fn renew(
        &self,
        connections: usize,
        devices: usize,
        per_device: usize,
        reuse: Reuse,
    ) -> Result<Phase> {
        let devices = self.devices(devices, &format!("renew-{}-{connections}", word(reuse))).await?;
        let mut lanes = Vec::new();
        for device in devices {
            let requests = (0..per_device)
                .map(|_| requests::renew(&self.target, &DeviceKey::generate()?, self.form))
                .collect::<Result<Vec<_>>>()?;
            lanes.push(Lane { tls: Some(device.tls), requests, greeting: Some(requests::whoami(&self.target)) });
        }
        let workers = deal(lanes, connections);
        self.measure(format!("renew, {}", word(reuse)), connections, workers, reuse).await
    }

    /// The cheapest authenticated request: what HTTP, TLS and one look into the store cost without any signature.
    pub(crate) async fn whoami(&self, connections: usize, ops: usize) -> Result<Phase> {
        let lane = |device: Device| {
            let request = requests::whoami(&self.target);
            let requests = vec![request.clone(); ops / connections];
            vec![Lane { tls: Some(device.tls), requests, greeting: Some(request) }]
        };
        let workers = self.devices(connections, "whoami").await?.into_iter().map(lane).collect();
        self.measure("whoami, kept".into(), connections, workers, Reuse::KeepAlive).await
    }

    /// Over kept connections to the plain listener, about a hundred certificates.
    pub(crate) async fn ocsp(&self, issuer: &IssuerCert, ask: Ask, connections: usize, ops: usize) -> Result<Phase> {
        let (name, batch) = match ask {
            Ask::Remembered => ("ocsp, get", "ocsp-get"),
            Ask::Nonce => ("ocsp, nonce", "ocsp-nonce"),
        };
        let address = self.server.plain();
        let target = Target { address, name: self.target.name.clone(), authority: address.to_string() };
        let devices = self.devices(OCSP_CERTIFICATES, batch).await?;
        let id = |device: &Device| CertId::new(IdHash::Sha1, issuer, &device.serial);
        let ids: Vec<CertId> = devices.iter().map(id).collect();
        let requests = ids.iter().cycle().take(ops).enumerate().map(|(number, id)| match ask {
            Ask::Remembered => requests::ocsp_get(&target, id.clone()),
            Ask::Nonce => requests::ocsp_post(&target, id.clone(), number as u128),
        });
        let requests = requests.collect::<Result<Vec<_>>>()?;
        let lane = |requests: Vec<Vec<u8>>| {
            let greeting = requests.first().cloned();
            vec![Lane { tls: None, requests, greeting }]
        };
        let workers = deal(requests, connections).into_iter().map(lane).collect();
        let plan = Plan { target, workers, reuse: Reuse::KeepAlive, bodies: Bodies::Drop, limit: None };
        self.measure_plan(name.into(), connections, plan).await
    }

    /// Resident memory for each of `count` connections that only stand there.
    pub(crate) async fn connection_kib(&self, count: usize) -> Result<f64> {
        let before = self.server.resident_kib()?;
        let lane = |_| vec![Lane { tls: Some(self.anonymous.clone()), requests: Vec::new(), greeting: None }];
        let workers = (0..count).map(lane).collect();
        let standing = self.plan(workers, Reuse::KeepAlive, Bodies::Drop).open().await?;
        let after = self.server.resident_kib()?;
        drop(standing);
        Ok(after.saturating_sub(before) as f64 / count as f64)
    }

    async fn devices(&self, count: usize, batch: &str) -> Result<Vec<Device>> {
        let mut keys = HashMap::new();
        let mut requests = Vec::new();
        for token in requests::tokens(&self.admin, count, batch).await? {
            let key = DeviceKey::generate()?;
            requests.push(requests::enroll(&self.target, &token, &key, self.form)?);
            keys.insert(key.public_key().fingerprint(), key);
        }
        let lane = |requests| vec![Lane { tls: Some(self.anonymous.clone()), requests, greeting: None }];
        let workers = deal(requests, 8).into_iter().map(lane).collect();
        let outcome = self.plan(workers, Reuse::KeepAlive, Bodies::Keep).open().await?.run().await?.all_good()?;
        let device = |body: &Vec<u8>| -> Result<Device> {
            let issued: IssuedCertificate = serde_json::from_slice(body)?;
            let mut chain = pem::certificates(issued.certificate.as_bytes())?;
            let leaf = CertificateView::parse(chain.first().context("an empty answer")?)?;
            let key = keys.get(&leaf.public_key.fingerprint()).context("a certificate for a key of nobody")?;
            chain.extend(pem::certificates(issued.chain.as_bytes())?);
            let serial = leaf.serial.clone();
            Ok(Device { serial, tls: tls::config(&self.roots, Some(Identity { chain, key: key.pkcs8()? }))? })
        };
        outcome.bodies.iter().map(device).collect()
    }

    fn plan(&self, workers: Vec<Vec<Lane>>, reuse: Reuse, bodies: Bodies) -> Plan {
        Plan { target: self.target.clone(), workers, reuse, bodies, limit: None }
    }

    async fn measure(&self, name: String, connections: usize, workers: Vec<Vec<Lane>>, reuse: Reuse) -> Result<Phase> {
        self.measure_plan(name, connections, self.plan(workers, reuse, Bodies::Drop)).await
    }

    async fn measure_plan(&self, name: String, connections: usize, plan: Plan) -> Result<Phase> {
        eprintln!("bench: {name}, {connections} at a time");
        let ready = plan.open().await?;
        let commits = self.server.counter(COMMITS).await?;
        let (server, client) = (self.server.cpu()?, Cpu::of(std::process::id())?);
        self.callgrind.as_ref().map_or(Ok(()), Callgrind::begin)?;
        let outcome = ready.run().await?.all_good().with_context(|| name.clone())?;
        self.callgrind.as_ref().map_or(Ok(()), Callgrind::end)?;
        let (server, client) =
            (self.server.cpu()?.since(&server, tick_us()), Cpu::of(std::process::id())?.since(&client, tick_us()));
        let commits = self.server.counter(COMMITS).await?.zip(commits).map(|(after, before)| after - before);
        Ok(self.phase(name, connections, &outcome, server, client, commits))
    }

    fn phase(
        &self,
        name: String,
        connections: usize,
        outcome: &Outcome,
        server: Used,
        client: Used,
        commits: Option<u64>,
    ) -> Phase {
        let ops = outcome.latencies.len();
        let seconds = outcome.elapsed.max(Duration::from_nanos(1)).as_secs_f64();
        let each = |us: f64| us / ops as f64;
        Phase {
            name,
            connections,
            ops,
            seconds,
            per_second: ops as f64 / seconds,
            latency: Percentiles::of(&outcome.latencies),
            server_cpu_us_per_op: each(server.us),
            server_system_us_per_op: each(server.system_us),
            ratio_to_floor: each(server.us) / self.floor.floor_us,
            ratio_to_floor_user: each(server.us - server.system_us) / self.floor.floor_us,
            client_cpu_us_per_op: each(client.us),
            commits,
            commits_per_second: commits.map(|n| n as f64 / seconds),
            ops_per_commit: commits.filter(|n| *n > 0).map(|n| ops as f64 / n as f64),
        }
    }
}

fn word(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::KeepAlive => "kept",
        Reuse::ConnectEach => "connect-each",
    }
}

/// Far fewer than the service remembers.
const OCSP_CERTIFICATES: usize = 100;
/// The service's count of its transactions.
const COMMITS: &str = "signet_store_commits_total";
