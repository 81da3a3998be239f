//! After a backup was put back: what must not live again is ended, what was revoked since is revoked again.

use serde_json::json;
use signet_pki::UnixTime;
use signet_pki::crl::{CrlError, CrlView};

use crate::app::own_context;
use crate::config::ConfigError;
use crate::http::Service;
use crate::store::{Adopted, AuditDraft, Restoration, StoreError};

/// Voids every open token, and takes over the revocations of a list that was published before the restore.
///
/// `crl` is the newest list that anybody still has, DER; without one, revocations made after the backup are lost.
pub async fn accept(service: &Service, crl: Option<&[u8]>) -> Result<Adopted, ConfigError> {
    let unusable = |e: CrlError| {
        ConfigError::new(e.to_string(), "give the newest list of this issuer, from a mirror or a verifier")
    };
    let (issuer, list) = read(service, crl).map_err(unusable)?;
    let revocations = match &list {
        None => Vec::new(),
        Some(list) => list.entries().map_err(unusable)?,
    };
    let crl_number = list.map(|list| list.number);
    let now = service.clock.now();
    let draft = AuditDraft {
        kind: "store.restored",
        actor: "signetd".into(),
        subject: "store".into(),
        request_id: own_context(service).request_id,
        detail: json!({ "revocations_in_list": revocations.len() }),
        at: now,
    };
    let adopted = service.store.restored(Restoration { issuer, revocations, crl_number, now, draft }).await;
    adopted.map_err(|e: StoreError| ConfigError::new(e.to_string(), "nothing was changed; try again"))
}

/// Whose list it is, which its signature says.
fn read(service: &Service, crl: Option<&[u8]>) -> Result<(Vec<u8>, Option<CrlView>), CrlError> {
    let issuers = service.road.issuers.all();
    // Never empty: the configuration has an [issuer].
    let first = issuers[0].certificate();
    let Some(der) = crl else { return Ok((first.key_identifier().to_vec(), None)) };
    let mine = issuers.iter().map(|issuer| issuer.certificate()).find(|issuer| CrlView::verified(der, issuer).is_ok());
    let issuer = mine.unwrap_or(first);
    Ok((issuer.key_identifier().to_vec(), Some(CrlView::verified(der, issuer)?)))
}

/// Writes down that an operator vouches for the clock as it stands now.
pub async fn accept_clock(service: &Service) -> Result<UnixTime, ConfigError> {
    let now = service.clock.now();
    let draft = AuditDraft {
        kind: "clock.accepted",
        actor: "signetd".into(),
        subject: "clock".into(),
        request_id: own_context(service).request_id,
        detail: json!({ "now": now.0 }),
        at: now,
    };
    let hint = "nothing was changed; try again";
    service.store.accept_clock(draft).await.map_err(|e| ConfigError::new(e.to_string(), hint))?;
    Ok(now)
}
