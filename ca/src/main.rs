//! `ca`: the offline root tool and the administrator's command line.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod failure;
mod offline;
#[cfg(feature = "online")]
mod online;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Signet's certificate authority on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "ca",
    version,
    max_term_width = 100,
    after_help = "Example:\n  ca init acme --name Acme --trust-domain acme.example --host ca.acme.example"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(offline::init::Init),
    #[command(subcommand)]
    Root(offline::root::RootCommand),
    #[command(subcommand)]
    Issuer(IssuerCommand),
    #[cfg(feature = "online")]
    #[command(flatten)]
    Online(online::OnlineCommand),
}

/// The issuers: their keys and certificates (offline), and which of them signs
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Examples:\n  ca issuer request --dir issuer --name 'Acme Issuing CA' --passphrase-file secrets/kek\n  ca issuer list"
)]
enum IssuerCommand {
    #[command(flatten)]
    Offline(offline::issuer::IssuerCommand),
    #[cfg(feature = "online")]
    #[command(flatten)]
    Online(online::issuers::IssuersCommand),
}

fn main() -> ExitCode {
    // clap exits with 2 on a usage error by itself.
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Init(command) => command.run(),
        Command::Root(command) => command.run(),
        Command::Issuer(IssuerCommand::Offline(command)) => command.run(),
        #[cfg(feature = "online")]
        Command::Issuer(IssuerCommand::Online(command)) => command.run(),
        #[cfg(feature = "online")]
        Command::Online(command) => command.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
