//! `signet-agent`: the on-device program. It makes this machine's key, gets a certificate for it, and keeps it fresh.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod accept;
mod bundle;
mod enroll;
mod failure;
#[cfg(test)]
mod fake_server;
mod input;
mod lists;
mod register;
mod renew;
mod run;
mod schedule;
mod status;
mod store;
mod token;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use rustix::process::{Resource, Rlimit, setrlimit};

use failure::Failure;

/// Signet on the device: enroll once, renew ever after.
#[derive(Debug, Parser)]
#[command(
    name = "signet-agent",
    version,
    max_term_width = 100,
    after_help = "Example:\n  signet-agent enroll --link /run/enroll.link --dir /var/lib/signet"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Enroll(enroll::Enroll),
    Renew(renew::Renew),
    Run(run::Run),
    Register(register::Register),
    Status(status::Status),
    Token(token::Token),
}

fn main() -> ExitCode {
    // clap exits with 2 on a usage error by itself.
    let cli = Cli::parse();
    match perform(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn perform(command: Command) -> Result<(), Failure> {
    // A core file would hold the key. Where the limit cannot be set there is nothing better to do.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::internal(format!("the program could not start: {e}")))?;
    match command {
        Command::Enroll(command) => runtime.block_on(command.run()),
        Command::Renew(command) => runtime.block_on(command.run()),
        Command::Run(command) => runtime.block_on(command.run()),
        Command::Register(command) => runtime.block_on(command.run()),
        Command::Status(command) => command.run(),
        Command::Token(command) => runtime.block_on(command.run()),
    }
}
