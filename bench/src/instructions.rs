//! Instructions per operation, counted by callgrind: a figure that neighbours on the machine cannot change.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::floor::Floor;
use crate::load::Reuse;
use crate::phases::Load;
use crate::profile::by_function;
use crate::requests::Form;
use crate::run::RENEWALS;
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
    /// An earlier result to stand beside the new one; default: the one that the repository keeps
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Counted {
    name: String,
    operations: usize,
    instructions_per_op: f64,
    ratio_to_floor: f64,
    /// The functions in which most of it happens, callees not included.
    top: Vec<Hot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Hot {
    instructions_per_op: f64,
    function: String,
}

/// The file that is written, and read again as what was before.
#[derive(Debug, Serialize, Deserialize)]
struct Profile {
    schema: u32,
    floor: f64,
    operations: Vec<Counted>,
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
        let before = self.before()?;
        let mut operations = Vec::new();
        for name in ["enroll", "renew"] {
            let counted = self.count(&programs, &directory, name, floor).await?;
            print!("{}", side_by_side(before.operations.iter().find(|o| o.name == name), &counted));
            operations.push(counted);
        }
        let report = Profile { schema: 1, floor, operations };
        fs::write(&self.out, serde_json::to_vec_pretty(&report)?)?;
        Ok(())
    }

    fn before(&self) -> Result<Profile> {
        let Some(path) = &self.before else { return Ok(serde_json::from_str(KEPT)?) };
        let bytes = fs::read(path).with_context(|| path.display().to_string())?;
        serde_json::from_slice(&bytes).with_context(|| path.display().to_string())
    }

    async fn count(&self, programs: &Programs, directory: &Path, name: &str, floor: f64) -> Result<Counted> {
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
            _ => load.renew(1, self.operations.div_ceil(RENEWALS), RENEWALS, Reuse::KeepAlive).await?,
        };
        drop(load);
        server.stop()?;
        let dump = with_suffix(&out, ".1");
        let counts = counts(&dump)?;
        let each = |count: u64| count as f64 / self.operations as f64;
        let per_op = each(total(&counts));
        let hot = |(function, count): (String, u64)| Hot { instructions_per_op: each(count), function };
        let counted = Counted {
            name: name.to_owned(),
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

/// Both profiles as one table: what is now, most first, then what was among the first and is no more.
fn side_by_side(before: Option<&Counted>, now: &Counted) -> String {
    let earlier = |function: &str| before.and_then(|b| b.top.iter().find(|hot| hot.function == function));
    let figure = |count: Option<f64>| count.map_or_else(|| "-".to_owned(), |count| format!("{count:.0}"));
    let mut text = format!("\n{}: instructions for one\n{:>12} {:>12}\n", now.name, "before", "now");
    let mut line = |before: Option<f64>, now: Option<f64>, what: &str| {
        text += &format!("{:>12} {:>12}  {what}\n", figure(before), figure(now));
    };
    line(before.map(|b| b.instructions_per_op), Some(now.instructions_per_op), "in all");
    let ratio = |of: f64| format!("{of:.2}x");
    let ratios = format!(
        "ratio to the floor: {}{}",
        before.map_or_else(String::new, |b| ratio(b.ratio_to_floor) + " before, "),
        ratio(now.ratio_to_floor) + " now"
    );
    for hot in now.top.iter().take(SHOWN) {
        line(earlier(&hot.function).map(|h| h.instructions_per_op), Some(hot.instructions_per_op), &hot.function);
    }
    let gone = |hot: &&Hot| now.top.iter().take(SHOWN).all(|h| h.function != hot.function);
    for hot in before.iter().flat_map(|b| b.top.iter().take(SHOWN)).filter(gone) {
        let still = now.top.iter().find(|h| h.function == hot.function);
        line(Some(hot.instructions_per_op), still.map(|h| h.instructions_per_op), &hot.function);
    }
    text + &ratios + "\n"
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
/// Kept in the file: enough to find a function again that has become cheap.
const TOP: usize = 60;
const SHOWN: usize = 12;
/// What was counted before the encoder, the store and the audit log were made cheaper.
const KEPT: &str = include_str!("../instructions-before.json");
