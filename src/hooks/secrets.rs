//! The one or two live secrets of a hook, from files and the environment.

use std::path::Path;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use signet_api::standard_webhooks::SigningSecret;
use signet_keys::files;
use signet_pki::text;
use zeroize::Zeroizing;

use crate::config::raw::RawHooks;
use crate::config::{Config, ConfigError};

pub(super) struct Secrets {
    /// SHA-256 of each: of equal length, so that they can be compared in constant time.
    bearers: Vec<Digest>,
    signing: Vec<SigningSecret>,
}

impl Secrets {
    pub(super) fn load(config: &Config, raw: &RawHooks) -> Result<Secrets, ConfigError> {
        let refuse = |message: String| ConfigError::new(format!("hooks {}: {message}", raw.name), HINT);
        let mut bearers = Vec::new();
        for path in &raw.bearer_files {
            let text = read(&config.path(path)).map_err(refuse)?;
            bearers.push(bearer(&text).map_err(|e| refuse(format!("{}: {e}", path.display())))?);
        }
        for name in &raw.bearer_env {
            let text = std::env::var(name).map(Zeroizing::new);
            let text = text.map_err(|_| refuse(format!("the variable {name:?} is not set")))?;
            bearers.push(bearer(&text).map_err(|e| refuse(format!("the variable {name:?}: {e}")))?);
        }
        let mut signing = Vec::new();
        for path in &raw.secret_files {
            let text = read(&config.path(path)).map_err(refuse)?;
            signing.push(SigningSecret::parse(&text).map_err(|e| refuse(format!("{}: {e}", path.display())))?);
        }
        match (bearers.len(), signing.len()) {
            (1..=MAX_LIVE, 0) | (0, 1..=MAX_LIVE) => Ok(Secrets { bearers, signing }),
            (0, 0) => Err(refuse("it has no secret".into())),
            (0, _) | (_, 0) => Err(refuse(format!("it has more than {MAX_LIVE} live secrets"))),
            _ => Err(refuse("it wants bearers and signatures both".into())),
        }
    }

    /// Known to nobody: all zeros are neither the hash of anything nor a key that is handed out.
    pub(super) fn of_nobody() -> Secrets {
        let signing = SigningSecret::from_octets(&[0; 32]).into_iter().collect();
        Secrets { bearers: Vec::new(), signing }
    }

    pub(super) fn matches(&self, shown: &str) -> bool {
        let shown = digest(&SHA256, shown.as_bytes());
        let mut good = false;
        for bearer in &self.bearers {
            good |= verify_slices_are_equal(bearer.as_ref(), shown.as_ref()).is_ok();
        }
        good
    }

    pub(super) fn signing(&self) -> &[SigningSecret] {
        &self.signing
    }
}

fn bearer(text: &str) -> Result<Digest, &'static str> {
    let text = text.trim();
    // RFC 6750 2.1: what else a header could not carry.
    if text.len() < MIN_BEARER || text.len() > MAX_BEARER || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a bearer has 20 to 512 visible ASCII characters");
    }
    Ok(digest(&SHA256, text.as_bytes()))
}

fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let bytes = Zeroizing::new(files::read_named(path, 4096).map_err(|e| e.to_string())?);
    let text = text::plain(&bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// The one in use, and the next or the last.
const MAX_LIVE: usize = 2;
/// Shorter ones can be searched.
const MIN_BEARER: usize = 20;
pub(super) const MAX_BEARER: usize = 512;
const HINT: &str = "name one or two of bearer_files and bearer_env ('openssl rand -hex 32'), or one or two secret_files \
     (whsec_ and base64, from the sender)";
