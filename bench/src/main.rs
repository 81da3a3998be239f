//! `signet-bench`: measures the service, and puts the same load on any other CA.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod crl;
mod fill;
mod floor;
mod instructions;
mod key;
mod latency;
mod levels;
mod load;
mod machine;
mod peer;
mod phases;
mod prepare;
mod profile;
mod report;
mod requests;
mod run;
mod sandbox;
mod tls;
mod usage;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measures Signet, and puts the same load on any other CA.
#[derive(Debug, Parser)]
#[command(name = "signet-bench", version, max_term_width = 100, after_help = "Example:\n  scripts/bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole benchmark: a table on standard output, the figures in a JSON file
    #[command(after_help = "Example:\n  signet-bench run --directory target/bench --out bench-result.json")]
    Run(run::Run),
    /// Put prepared requests on any HTTP endpoint and measure its answers
    #[command(after_help = peer::EXAMPLE)]
    Load(peer::Peer),
    /// Make keys, CSRs and request bodies for `load`
    #[command(after_help = prepare::EXAMPLE)]
    Prepare(prepare::Prepare),
    /// Fill the database of a stopped service with synthetic devices
    #[command(after_help = "Example:\n  signet-bench fill --database acme/server/signet.db --live 100000")]
    Fill(Fill),
    /// Revocation lists by size, in process: what one entry costs
    #[command(after_help = "Example:\n  signet-bench crl --entries 1000,100000,1000000")]
    Crl(crl::Crl),
    /// What one P-256 verification and one signature cost here
    #[command(after_help = "Example:\n  signet-bench floor")]
    Floor(Floor),
    /// Instructions per operation, counted by valgrind's callgrind
    #[command(after_help = "Example:\n  scripts/bench --instructions")]
    Instructions(instructions::Instructions),
}

#[derive(Debug, clap::Args)]
struct Fill {
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// Devices with a valid certificate
    #[arg(long, value_name = "N", default_value_t = 0)]
    live: u64,
    /// Devices with a revoked certificate
    #[arg(long, value_name = "N", default_value_t = 0)]
    revoked: u64,
}

#[derive(Debug, clap::Args)]
struct Floor {
    /// Do so many pairs and print nothing, for counting instructions
    #[arg(long, value_name = "N")]
    work: Option<usize>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("signet-bench: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    // One thread, so that the load leaves the other core to the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Run(run) => runtime.block_on(run.run()),
        Command::Load(peer) => runtime.block_on(peer.run()),
        Command::Prepare(prepare) => prepare.run(),
        Command::Fill(Fill { database, live, revoked }) => {
            let filled = fill::fill(&database, fill::Fill { live, revoked })?;
            println!("{}", serde_json::to_string_pretty(&filled)?);
            Ok(())
        }
        Command::Crl(crl) => crl.run(),
        Command::Floor(Floor { work: Some(pairs) }) => floor::work(pairs),
        Command::Floor(Floor { work: None }) => {
            println!("{}", serde_json::to_string_pretty(&floor::measure(200)?)?);
            Ok(())
        }
        Command::Instructions(instructions) => runtime.block_on(instructions.run()),
    }
}
