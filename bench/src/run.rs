//! The whole benchmark, in the order in which it disturbs itself least.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use rusqlite::{Connection, OpenFlags};

use crate::fill::{Fill, device_id, fill};
use crate::levels::{self, Level};
use crate::load::Reuse;
use crate::machine::machine;
use crate::phases::authz::{Asker, LARGEST};
use crate::phases::{Ask, Load, Phase};
use crate::report::{Memory, Report};
use crate::requests::Form;
use crate::sandbox::{Programs, Sandbox};
use crate::{crl, floor};

// The last one counts: scripts/bench gives defaults of its own in front.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct Run {
    /// The `ca` program; default: beside this one
    #[arg(long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// The `signetd` program; default: beside this one
    #[arg(long, value_name = "PATH")]
    signetd: Option<PathBuf>,
    /// Where the measured CA is made, and removed afterwards; on the disk that is to be measured
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Where the result goes, as JSON
    #[arg(long, value_name = "FILE", default_value = "bench-result.json")]
    out: PathBuf,
    /// Enrollments of the phase with 32 connections; the other phases follow from it
    #[arg(long, value_name = "N", default_value_t = 8_000)]
    operations: usize,
    #[arg(long, value_enum, default_value = "json")]
    form: Form,
    /// Only the load phases
    #[arg(long)]
    load_only: bool,
    /// Only questions about permission, also among a million devices
    #[arg(long)]
    authz_only: bool,
    /// Also ten million certificates and a million revoked ones: half an hour, 25 GB of disk
    #[arg(long)]
    full: bool,
}

impl Run {
    pub(crate) async fn run(self) -> Result<()> {
        let programs = Programs::find(self.ca.clone(), self.signetd.clone())?;
        fs::create_dir_all(&self.directory).with_context(|| self.directory.display().to_string())?;
        let directory = self.directory.canonicalize()?;
        eprintln!("bench: machine and floor");
        let machine = machine(&directory)?;
        let floor = floor::measure(FLOOR_ROUNDS)?;
        let sandbox = Sandbox::create(&programs, &directory)?;
        let (phases, mut memory) = self.load(&sandbox, floor).await?;
        let mut report = Report {
            schema: 1,
            machine,
            floor,
            phases,
            crl: Vec::new(),
            revocation: Vec::new(),
            start: Vec::new(),
            memory: Memory::default(),
        };
        if !self.load_only && !self.authz_only {
            eprintln!("bench: revocation lists in process");
            let (issuer, key) = sandbox.issuer()?;
            report.crl = crl::measure(&issuer, &key, &[1_000, 10_000, 100_000, 1_000_000])?;
            let levels = levels::measure(&programs, &directory, &self.levels()).await?;
            memory.idle_kib = levels.idle_kib;
            (report.start, report.revocation) = (levels.start, levels.revocation);
        }
        report.memory = memory;
        fs::write(&self.out, serde_json::to_vec_pretty(&report)?).with_context(|| self.out.display().to_string())?;
        print!("{}", report.table());
        eprintln!("bench: written to {}", self.out.display());
        Ok(())
    }

    async fn load(&self, sandbox: &Sandbox, floor: floor::Floor) -> Result<(Vec<Phase>, Memory)> {
        if self.authz_only {
            return self.authz(sandbox, floor).await;
        }
        let server = sandbox.start(&[]).await?;
        let mut memory = Memory { idle_kib: server.resident_kib()?, ..Memory::default() };
        let load = Load::new(sandbox, &server, floor, self.form).await?;
        // Before the load, which leaves free memory that connections would take first.
        memory.per_connection_kib = load.connection_kib(IDLE_CONNECTIONS).await?;
        let (many, few) = (self.operations, self.operations / 4);
        // Not measured: the first requests fault in the program's pages and grow the pools.
        load.enroll(2, WARM_UP, Reuse::KeepAlive).await?;
        let before = database_bytes(sandbox)?;
        let mut phases =
            vec![load.enroll(1, few, Reuse::KeepAlive).await?, load.enroll(CONNECTIONS, many, Reuse::KeepAlive).await?];
        memory.bytes_per_enrollment = database_bytes(sandbox)?.saturating_sub(before) as f64 / (few + many) as f64;
        phases.push(load.renew(1, few / RENEWALS, RENEWALS, Reuse::KeepAlive).await?);
        phases.push(load.renew(CONNECTIONS, many / 2 / RENEWALS, RENEWALS, Reuse::KeepAlive).await?);
        phases.push(load.enroll(CONNECTIONS, few, Reuse::ConnectEach).await?);
        phases.push(load.renew(CONNECTIONS, few, 1, Reuse::ConnectEach).await?);
        phases.push(load.whoami(CONNECTIONS, many * 2).await?);
        let (issuer, _) = sandbox.issuer()?;
        phases.push(load.ocsp(&issuer, Ask::Remembered, CONNECTIONS, many * 2).await?);
        phases.push(load.ocsp(&issuer, Ask::Nonce, CONNECTIONS, many).await?);
        let asker = load.asker().await?;
        phases.extend(self.questions(&load, &asker, many).await?);
        memory.after_load_kib = server.resident_kib()?;
        drop(load);
        server.stop()?;
        Ok((phases, memory))
    }

    async fn questions(&self, load: &Load<'_>, asker: &Asker, many: usize) -> Result<Vec<Phase>> {
        Ok(vec![
            load.authz(asker, 1, 1, many).await?,
            load.authz(asker, 1, CONNECTIONS, many * 2).await?,
            load.authz(asker, LARGEST, 1, many / 20).await?,
            load.authz(asker, LARGEST, CONNECTIONS, many / 10).await?,
        ])
    }

    async fn authz(&self, sandbox: &Sandbox, floor: floor::Floor) -> Result<(Vec<Phase>, Memory)> {
        let server = sandbox.start(&[]).await?;
        let load = Load::new(sandbox, &server, floor, self.form).await?;
        load.enroll(2, WARM_UP, Reuse::KeepAlive).await?;
        let asker = load.asker().await?;
        let mut phases = self.questions(&load, &asker, self.operations).await?;
        drop(load);
        server.stop()?;
        eprintln!("bench: a million devices");
        let first = fill(&sandbox.database(), Fill { live: MILLION, revoked: 0 })?.first;
        let server = sandbox.start(&[]).await?;
        let mut memory = Memory { idle_kib: server.resident_kib()?, ..Memory::default() };
        let load = Load::new(sandbox, &server, floor, self.form).await?;
        // Far apart, so that no two share a page of anything.
        let step = MILLION / self.operations as u64;
        let ids: Vec<String> = (0..self.operations as u64).map(|n| device_id(first + n * step)).collect();
        phases.push(load.authz_among(&asker, "authz, of 1M, first look", ids.clone()).await?);
        phases.push(load.authz_among(&asker, "authz, of 1M, again", ids).await?);
        memory.after_load_kib = server.resident_kib()?;
        drop(load);
        server.stop()?;
        Ok((phases, memory))
    }

    fn levels(&self) -> Vec<Level> {
        let level = |live, revoked, revocations| Level { live, revoked, revocations };
        let mut levels =
            vec![level(0, 0, 50), level(0, 10_000, 50), level(0, 100_000, 30), level(1_000_000, 100_000, 30)];
        if self.full {
            levels.extend([level(1_000_000, 1_000_000, 10), level(10_000_000, 1_000_000, 10)]);
        }
        levels
    }
}

/// Pages in use, also those that are in the write-ahead log only.
fn database_bytes(sandbox: &Sandbox) -> Result<u64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(sandbox.database(), flags)?;
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok((number("page_count")? * number("page_size")?) as u64)
}

const MILLION: u64 = 1_000_000;
const CONNECTIONS: usize = 32;
/// Of each device over one connection. A device has one or two generations in real life; more would measure something else.
pub(crate) const RENEWALS: usize = 5;
const IDLE_CONNECTIONS: usize = 500;
const WARM_UP: usize = 500;
const FLOOR_ROUNDS: usize = 200;
