//! `ca root`: work on the root key, on a machine without a network.

mod bundle;
mod crl;
mod cross;
mod init;
mod show;
mod sign;

use clap::Subcommand;

use crate::failure::Failure;

/// The root key: make it, sign issuers with it, revoke them, hand over to the next root (offline)
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:\n  ca root init --dir root --name 'Acme Root CA'")]
pub(crate) enum RootCommand {
    Init(init::Init),
    Sign(sign::Sign),
    Crl(crl::Crl),
    CrossSign(cross::CrossSign),
    Bundle(bundle::BundleArgs),
    Show(show::Show),
}

impl RootCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            RootCommand::Init(command) => command.run(),
            RootCommand::Sign(command) => command.run(),
            RootCommand::Crl(command) => command.run(),
            RootCommand::CrossSign(command) => command.run(),
            RootCommand::Bundle(command) => command.run(),
            RootCommand::Show(command) => command.run(),
        }
    }
}
