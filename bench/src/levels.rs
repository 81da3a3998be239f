//! How starting and revoking change with what is in the database already.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use signet_api::admin::{RevokeReport, RevokeRequest};
use signet_api::client::Client;
use signet_pki::crl::Reason;
use signet_pki::{DeviceId, Serial};

use crate::fill::{Fill, device_id, fill};
use crate::key::DeviceKey;
use crate::latency::Percentiles;
use crate::requests::{self, Form};
use crate::sandbox::{Programs, Sandbox, Server};
use crate::usage::tick_us;
use crate::wire::Connection;

/// How many certificates the database has when a level is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Level {
    pub(crate) live: u64,
    pub(crate) revoked: u64,
    pub(crate) revocations: usize,
}

/// From the start of the process to the first "ready", with nothing of the database in the page cache.
#[derive(Debug, Serialize)]
pub(crate) struct Start {
    pub(crate) certificates: u64,
    pub(crate) revoked: u64,
    pub(crate) ready_ms: f64,
    pub(crate) resident_kib: u64,
    pub(crate) database_bytes: u64,
    /// A device with its certificate, token, audit entry and all indexes. Absent where there are too few to tell.
    pub(crate) bytes_per_certificate: Option<f64>,
    pub(crate) fill_seconds: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Revocations {
    pub(crate) live: u64,
    pub(crate) revoked: u64,
    pub(crate) ops: usize,
    /// From the request to its answer, which leaves after the list was published.
    pub(crate) published: Percentiles,
    /// From the request until the serial was found in the list that anyone can fetch.
    pub(crate) fetched: Percentiles,
    pub(crate) server_cpu_us_per_op: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Levels {
    pub(crate) start: Vec<Start>,
    pub(crate) revocation: Vec<Revocations>,
    pub(crate) idle_kib: u64,
}

/// Levels in ascending order, in one database that grows.
pub(crate) async fn measure(programs: &Programs, directory: &Path, levels: &[Level]) -> Result<Levels> {
    let sandbox = Sandbox::create(programs, directory)?;
    let mut result = Levels::default();
    result.idle_kib = enroll_template(&sandbox).await?;
    let mut have = Fill { live: 0, revoked: 0 };
    for level in levels {
        let victims = level.revocations as u64;
        let order = Fill {
            live: level.live.saturating_sub(have.live).max(victims),
            revoked: level.revoked.saturating_sub(have.revoked),
        };
        eprintln!("bench: {} live and {} revoked certificates", level.live, level.revoked);
        let filled = fill(&sandbox.database(), order)?;
        let server = sandbox.start(&[]).await?;
        // What housekeeping does in the first moments is part of what an idle service holds.
        tokio::time::sleep(SETTLE).await;
        result.start.push(Start {
            certificates: filled.certificates,
            revoked: level.revoked,
            ready_ms: server.ready_after.as_secs_f64() * 1e3,
            resident_kib: server.resident_kib()?,
            database_bytes: filled.bytes,
            bytes_per_certificate: (filled.certificates >= ENOUGH)
                .then(|| filled.bytes as f64 / filled.certificates as f64),
            fill_seconds: filled.seconds,
        });
        // Live ones are filled before revoked ones.
        let devices = (filled.first..filled.first + victims).map(device_id).collect();
        result.revocation.push(revoke(&sandbox, &server, *level, devices).await?);
        server.stop()?;
        have = Fill { live: have.live + order.live - victims, revoked: have.revoked + order.revoked + victims };
    }
    Ok(result)
}

/// One real enrollment, that the filled rows are copies of. What an empty service holds, in KiB.
async fn enroll_template(sandbox: &Sandbox) -> Result<u64> {
    let server = sandbox.start(&[]).await?;
    tokio::time::sleep(SETTLE).await;
    let idle = server.resident_kib()?;
    let token = requests::tokens(&sandbox.administrator().await?, 1, "template").await?.remove(0);
    let target = sandbox.target()?;
    let request = requests::enroll(&target, &token, &DeviceKey::generate()?, Form::Json)?;
    let answer = Connection::open(&target, Some(&sandbox.anonymous()?)).await?.exchange(&request).await?;
    if answer.status != 200 {
        bail!("the first enrollment was refused with {}: {}", answer.status, String::from_utf8_lossy(&answer.body));
    }
    server.stop()?;
    Ok(idle)
}

async fn revoke(sandbox: &Sandbox, server: &Server, level: Level, devices: Vec<String>) -> Result<Revocations> {
    let admin = sandbox.administrator().await?;
    let (issuer, _) = sandbox.issuer()?;
    let (mut published, mut fetched) = (Vec::new(), Vec::new());
    let before = server.cpu()?;
    for device in &devices {
        let begin = Instant::now();
        let serial = revoke_one(&admin, device).await?;
        published.push(begin.elapsed());
        loop {
            let list = server.list(&issuer).await?;
            if list.body.windows(serial.as_bytes().len()).any(|w| w == serial.as_bytes()) {
                break;
            }
            if begin.elapsed() > VISIBLE {
                bail!("{device} was revoked and is on no list after {} seconds", VISIBLE.as_secs());
            }
        }
        fetched.push(begin.elapsed());
    }
    let ops = devices.len();
    Ok(Revocations {
        live: level.live,
        revoked: level.revoked,
        ops,
        published: Percentiles::of(&published),
        fetched: Percentiles::of(&fetched),
        server_cpu_us_per_op: server.cpu()?.since(&before, tick_us()).us / ops as f64,
    })
}

async fn revoke_one(admin: &Client, device: &str) -> Result<Serial> {
    let device = Some(DeviceId::parse(device)?);
    let order = RevokeRequest { device, reason: Some(Reason::KeyCompromise), ..RevokeRequest::default() };
    let report: RevokeReport = admin.post_json("/v1/admin/revocations", &order).await?;
    let serial = report.certificates.first().context("the revocation ended no certificate")?;
    Ok(Serial::parse(serial)?)
}

const SETTLE: Duration = Duration::from_secs(1);
const VISIBLE: Duration = Duration::from_secs(60);
/// Fewer rows than these are drowned by what every database has.
const ENOUGH: u64 = 10_000;
