//! `[oauth]`: lifetimes, audiences, and the files of the keys that sign access tokens.

use std::path::PathBuf;

use signet_keys::files::{self, Mode};
use signet_keys::private::KeyError;
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::UnixTime;

use super::{Config, ConfigError};

/// The longest life of an access token, seconds (product.md). Keys that no longer sign are published so much longer.
pub const LONGEST_TOKEN: i64 = 3600;
/// Copies of the set of keys are older than this nowhere: our answer says 300 s, the common libraries keep 300 or 600.
const SHORTEST_DELAY: i64 = 600;
/// Keys in the directory: the one that signs, its successor, its predecessor, and some that nobody took away.
const MOST_KEYS: usize = 16;

impl Config {
    pub fn token_key_directory(&self) -> PathBuf {
        self.path(&self.raw.oauth.keys)
    }

    /// Every `*.key` of the directory by name, which begins with its time; none when there is no directory.
    pub(super) fn token_keys(&self) -> Result<Vec<PrivateKey>, ConfigError> {
        let directory = self.token_key_directory();
        let failed = |e: std::io::Error| ConfigError::new(format!("{}: {e}", directory.display()), "check oauth.keys");
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            // Relative to the configuration, as every path is that it reads.
            let path = self.raw.oauth.keys.join(entry.map_err(failed)?.file_name());
            if path.extension().is_some_and(|extension| extension == "key") {
                names.push(path);
            }
        }
        names.sort();
        if names.len() > MOST_KEYS {
            let message = format!("{} holds {} keys, more than {MOST_KEYS}", directory.display(), names.len());
            return Err(ConfigError::new(message, "take those away that 'ca oauth keys' shows as retired"));
        }
        names.iter().map(|path| self.token_key(path)).collect()
    }

    fn token_key(&self, path: &std::path::Path) -> Result<PrivateKey, ConfigError> {
        let key = self.issuer_key(path)?;
        if key.kind() == KeyKind::P256 {
            return Ok(key);
        }
        let message = format!("{} is not a P-256 key", self.path(path).display());
        Err(ConfigError::new(message, "make keys for tokens with 'signetd oauth-key --config FILE'"))
    }

    /// Makes the first key where there is none; an installation that has its directory decides for itself.
    pub fn first_token_key(&self, now: UnixTime) -> Result<Option<PathBuf>, ConfigError> {
        if self.token_key_directory().exists() { Ok(None) } else { self.make_token_key(now).map(Some) }
    }

    /// Makes a further key, encrypted under the KEK, and says where it is.
    pub fn make_token_key(&self, now: UnixTime) -> Result<PathBuf, ConfigError> {
        let directory = self.token_key_directory();
        let refused = |e: files::FileError| ConfigError::new(e.to_string(), "check oauth.keys and who may write there");
        let unusable = |e: KeyError| ConfigError::new(e.to_string(), e.hint());
        files::create_private_dir(&directory).map_err(refused)?;
        let key = PrivateKey::generate(KeyKind::P256).map_err(unusable)?;
        let sealed = key.to_encrypted_pem(&self.passphrase()?).map_err(unusable)?;
        let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
        // Two within a second, as a script makes them, both get a name.
        let names = (1..=9).map(|n| if n == 1 { format!("{stamp}.key") } else { format!("{stamp}-{n}.key") });
        let free = names.map(|name| directory.join(name)).find(|path| !path.exists());
        let path = free.unwrap_or_else(|| directory.join(format!("{stamp}.key")));
        files::write_new(&path, sealed.as_bytes(), Mode::Private).map_err(refused)?;
        Ok(path)
    }

    pub(super) fn check_oauth(&self) -> Result<(), ConfigError> {
        let oauth = &self.raw.oauth;
        let refused = |message: &str, hint: &str| Err(ConfigError::new(message, hint));
        let lives = 60..=LONGEST_TOKEN;
        if !lives.contains(&oauth.token_seconds) || !lives.contains(&oauth.unbound_token_seconds) {
            let message = "oauth.token_seconds and oauth.unbound_token_seconds are 60 to 3600";
            return refused(message, "leave both out for 3600 and 600");
        }
        if oauth.key_delay_seconds < SHORTEST_DELAY {
            let message = "oauth.key_delay_seconds is at least 600: verifiers keep copies of the keys for so long";
            return refused(message, "leave it out for an hour");
        }
        if !(7..=90).contains(&oauth.refresh_idle_days) || !(oauth.refresh_idle_days..=90).contains(&oauth.refresh_days)
        {
            let message = "oauth.refresh_idle_days is 7 to 90, and oauth.refresh_days between it and 90";
            return refused(message, "leave both out for 30 and 90 days");
        }
        let is_name = |name: &&String| (1..=512).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        if let Some(bad) = oauth.audiences.iter().find(|name| !is_name(name)) {
            let message = format!("oauth.audiences: {bad:?} is not 1 to 512 visible ASCII characters");
            return refused(&message, "give the URL of the service, or its id");
        }
        Ok(())
    }
}
