//! `signet-agent token`: an access token for scripts that ask other services.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::renew::client;
use crate::store::{Store, StoreError};
use crate::world::{RealPause, World};

/// Print an access token for this device; it is good only together with the device's certificate
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  signet-agent token --dir /var/lib/signet --audience https://files.acme.example
  signet-agent token --dir /var/lib/signet --json")]
pub(crate) struct Token {
    /// Where the identity is kept
    #[arg(long)]
    dir: PathBuf,
    /// What the token may do at Signet; default: everything that the device may
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// The service that the token is for; default: Signet itself
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
}

impl Token {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let current = Store::peek(&self.dir)?.ok_or_else(|| StoreError::Missing(self.dir.join("device.pem")))?;
        let world = World { clock: Default::default(), pause: RealPause };
        let server = client(&current, &world).await?;
        let token = server.access_token(self.scope.as_deref(), self.audience.as_deref()).await?;
        let text = match self.json {
            true => serde_json::to_string_pretty(&token).map_err(Failure::internal)?,
            false => token.access_token,
        };
        writeln!(std::io::stdout().lock(), "{text}").map_err(|e| Failure::internal(format!("stdout: {e}")))
    }
}
