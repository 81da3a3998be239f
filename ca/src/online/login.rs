//! `ca login`: a directory for an administrator who is let in by another (RFC 8628).

use std::time::Duration;

use clap::Args;
use signet_api::client::{Client, ClientConfig, ClientError, Trust};
use signet_api::link::EnrollmentLink;
use signet_api::{Credential, CredentialKind};
use signet_keys::files as key_files;
use signet_pki::Fingerprint;
use signet_pki::signer::Signer;

use crate::failure::Failure;
use crate::online::context::{self, At};
use crate::online::{admin, files, print};

/// Become an administrator: shows a code, and waits until another administrator lets it in
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca login --server https://ca.example:8443 --root-fingerprint 3f9a...64-digits --admin ./alice"
)]
pub(crate) struct Login {
    #[command(flatten)]
    at: At,
    /// https://HOST:PORT
    #[arg(long, value_name = "URL")]
    server: String,
    /// SHA-256 of the root certificate, hex; 'ca root show' prints it
    #[arg(long, value_name = "FP")]
    root_fingerprint: String,
}

impl Login {
    pub(super) fn run(self) -> Result<(), Failure> {
        let root = Fingerprint::parse(&self.root_fingerprint).ok_or_else(|| {
            Failure::usage("the root fingerprint is not 64 hexadecimal digits").hint("'ca root show' prints it")
        })?;
        let dir = self.at.path()?;
        admin::must_be_free(&dir)?;
        key_files::create_private_dir(&dir).map_err(files::failure)?;
        let key = admin::kept_key(&dir.join("admin.key"))?;
        let spki = key.public_key().fingerprint();
        let server = self.server.trim().trim_end_matches('/').to_owned();
        let token = context::runtime()?.block_on(ask(&server, root, spki))?;
        admin::enroll(&dir, &EnrollmentLink { server, token, root }, &key)
    }
}

/// Shows a code and waits for what becomes of it.
async fn ask(server: &str, root: Fingerprint, spki: Fingerprint) -> Result<Credential, Failure> {
    let said = |error: ClientError| context::said(server, error);
    let client = Client::open(ClientConfig::new(server, Trust::PinnedRoot(root))).await.map_err(said)?;
    let begun = client.begin_device_grant("ca login", Some(spki)).await.map_err(said)?;
    print::note(format!("code: {}", begun.user_code));
    print::note(format!("another administrator runs: ca code approve {} --device NAME --role ROLE", begun.user_code));
    let mut pause = Duration::from_secs(begun.interval.unsigned_abs());
    loop {
        tokio::time::sleep(pause).await;
        match client.device_grant(&begun.device_code).await.map_err(said)? {
            Ok(token) => {
                let parsed = Credential::parse(CredentialKind::Enrollment, &token.access_token);
                return parsed.map_err(|e| Failure::internal(format!("the service's token: {e}")));
            }
            Err(wait) => pause += wait,
        }
    }
}
