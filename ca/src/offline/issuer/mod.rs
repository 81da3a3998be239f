//! `ca issuer`: the issuing host's side of the ceremony.

pub(crate) mod install;
pub(crate) mod request;

use clap::Subcommand;

use crate::failure::Failure;

/// The issuer's key: request its certificate from the root, and install it (offline)
#[derive(Debug, Subcommand)]
#[command(
    after_help = "Example:\n  ca issuer request --dir issuer --name 'Acme Issuing CA' --passphrase-file secrets/kek"
)]
pub(crate) enum IssuerCommand {
    Request(request::Request),
    Install(install::Install),
}

impl IssuerCommand {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            IssuerCommand::Request(command) => command.run(),
            IssuerCommand::Install(command) => command.run(),
        }
    }
}

const KEY: &str = "issuer.key";
const REQUEST: &str = "issuer.csr";
const CERTIFICATE: &str = "issuer.pem";
const ROOT: &str = "root.pem";
const ROOT_CRL: &str = "root.crl";
