//! Instructions per operation, counted by callgrind: a figure that neighbours on the machine cannot change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;

use crate::floor::Floor;
use crate::load::Reuse;
use crate::phases::Load;
use crate::profile::by_function;
use crate::requests::Form;
use crate::sandbox::{Programs, Sandbox};

// The last one counts: scripts/bench gives defaults of its own in front.
#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct Instructions {
    /// The `ca` program; default: beside this one
    #[arg(long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// The `signetd` program; default: beside this one
    #[arg(long, value_name = "PATH")]
    signetd: Option<PathBuf>,
    /// Where the measured CA is made, and removed afterwards
    #[arg(long, value_name = "DIR", default_value = ".")]
    directory: PathBuf,
    /// Where the result goes, as JSON
    #[arg(long, value_name = "FILE", default_value = "bench-instructions.json")]
    out: PathBuf,
    /// Keep callgrind's own files here, for callgrind_annotate and kcachegrind
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Operations that are counted
    #[arg(long, value_name = "N", default_value_t = 50)]
    operations: usize,
    #[arg(long, value_enum, default_value = "json")]
    form: Form,
}

#[derive(Debug, Serialize)]
struct Counted {
    name: &'static str,
    operations: usize,
    instructions_per_op: f64,
    ratio_to_floor: f64,
    /// The ten functions in which most of it happens, callees not included.
    top: Vec<Hot>,
}

#[derive(Debug, Serialize)]
struct Hot {
    instructions_per_op: f64,
    function: String,
}

impl Instructions {
    pub(crate) async fn run(self) -> Result<()> {
        if Command::new("valgrind").arg("--version").output().is_err() {
            bail!("valgrind is not installed; the other figures need 'signet-bench run' only");
        }
        let programs = Programs::find(self.ca.clone(), self.signetd.clone())?;
        fs::create_dir_all(&self.directory)?;
        let directory = self.directory.canonicalize()?;
        let floor = floor(&directory)?;
        println!("floor: {floor:.0} instructions for one P-256 verify + sign");
        let mut results = Vec::new();
        for name in ["enroll", "renew"] {
            let counted = self.count(&programs, &directory, name, floor).await?;
            println!("\n{name}: {:.0} instructions, {:.2}x", counted.instructions_per_op, counted.ratio_to_floor);
            for hot in &counted.top {
                println!("{:>12.0}  {}", hot.instructions_per_op, hot.function);
            }
            results.push(counted);
        }
        let report = serde_json::json!({ "schema": 1, "floor": floor, "operations": results });
        fs::write(&self.out, serde_json::to_vec_pretty(&report)?)?;
        Ok(())
    }

    async fn count(&self, programs: &Programs, directory: &Path, name: &'static str, floor: f64) -> Result<Counted> {
        let sandbox = Sandbox::create(programs, directory)?;
        let out = sandbox.path(&format!("callgrind.{name}"));
        let server = sandbox.start(&callgrind(&out)).await?;
        // Processor time means nothing under an emulator.
        let unused = Floor { verify_us: 1.0, sign_us: 1.0, floor_us: 1.0, with_own_check_us: 1.0 };
        let mut load = Load::new(&sandbox, &server, unused, self.form).await?;
        // Statements are prepared and pools grown before anything is counted.
        load.enroll(1, WARM_UP, Reuse::KeepAlive).await?;
        load.callgrind = Some(Callgrind { pid: server.pid() });
        match name {
            "enroll" => load.enroll(1, self.operations, Reuse::KeepAlive).await?,
            _ => load.renew(1, 1, self.operations, Reuse::KeepAlive).await?,
        };
        drop(load);
        server.stop()?;
        let dump = with_suffix(&out, ".1");
        let counts = counts(&dump)?;
        let each = |count: u64| count as f64 / self.operations as f64;
        let per_op = each(total(&counts));
        let hot = |(function, count): (String, u64)| Hot { instructions_per_op: each(count), function };
        let counted = Counted {
            name,
            operations: self.operations,
            instructions_per_op: per_op,
            ratio_to_floor: per_op / floor,
            top: counts.into_iter().take(TOP).map(hot).collect(),
        };
        if let Some(keep) = &self.keep {
            fs::create_dir_all(keep)?;
            fs::copy(&dump, keep.join(format!("callgrind.{name}")))?;
        }
        Ok(counted)
    }
}

/// A running callgrind.
pub(crate) struct Callgrind {
    pid: u32,
}

impl Callgrind {
    /// Sets all counts to zero.
    pub(crate) fn begin(&self) -> Result<()> {
        self.control("--zero")
    }

    /// Writes the counts to a file of their own.
    pub(crate) fn end(&self) -> Result<()> {
        self.control("--dump")
    }

    fn control(&self, order: &str) -> Result<()> {
        let output = Command::new("callgrind_control").arg(order).arg(self.pid.to_string()).output();
        let output = output.context("callgrind_control, which comes with valgrind")?;
        if !output.status.success() {
            bail!("callgrind_control failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }
}

fn callgrind(out: &Path) -> Vec<String> {
    let file = format!("--callgrind-out-file={}", out.display());
    ["valgrind", "--tool=callgrind", "--quiet", &file].map(str::to_owned).to_vec()
}

/// The difference of two runs that differ in the number of pairs only.
fn floor(directory: &Path) -> Result<f64> {
    let (few, many) = (100, 300);
    let count = |pairs: usize| -> Result<u64> {
        let out = directory.join(format!("callgrind.floor.{}.{pairs}", std::process::id()));
        let mut command = callgrind(&out);
        let program = command.remove(0);
        let status = Command::new(program)
            .args(command)
            .arg(std::env::current_exe()?)
            .args(["floor", "--work", &pairs.to_string()])
            .status()?;
        if !status.success() {
            bail!("the floor could not be counted ({status})");
        }
        let counts = counts(&out)?;
        fs::remove_file(&out)?;
        Ok(total(&counts))
    };
    Ok((count(many)? - count(few)?) as f64 / (many - few) as f64)
}

fn counts(dump: &Path) -> Result<Vec<(String, u64)>> {
    let text = fs::read_to_string(dump).with_context(|| dump.display().to_string())?;
    by_function(&text).with_context(|| dump.display().to_string())
}

fn total(counts: &[(String, u64)]) -> u64 {
    counts.iter().map(|(_, count)| count).sum()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

const WARM_UP: usize = 20;
const TOP: usize = 10;
