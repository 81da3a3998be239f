//! From keys in files to a set of keys with stages.

use serde_json::json;
use signet_keys::PrivateKey;
use signet_pki::UnixTime;

use crate::config::{Config, ConfigError};
use crate::jwt::TokenKeys;
use crate::store::{AuditDraft, Store};

/// Notes in the store which keys are published from now on.
pub(super) async fn keys(
    keys: Vec<PrivateKey>,
    config: &Config,
    store: &dyn Store,
    now: UnixTime,
) -> Result<TokenKeys, ConfigError> {
    let kids: Vec<String> = keys.iter().filter_map(TokenKeys::kid_of).collect();
    let known = if kids.is_empty() {
        Vec::new()
    } else {
        let (kind, actor, request_id) = ("token_key.published", "signetd".into(), "own-start".into());
        let draft = AuditDraft { kind, actor, subject: String::new(), request_id, detail: json!({}), at: now };
        let noted = store.note_token_keys(kids, draft).await;
        noted.map_err(|e| ConfigError::new(e.to_string(), "check store.path"))?
    };
    let published = |kid: &str| known.iter().find(|record| record.kid == kid).map(|record| record.published_at);
    Ok(TokenKeys::new(keys, published, config.raw.oauth.key_delay_seconds))
}
