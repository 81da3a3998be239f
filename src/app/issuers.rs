//! From certificates and keys in files to issuers with stages.

use std::sync::Arc;

use serde_json::json;
use signet_keys::PrivateKey;
use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::chain;

use crate::config::{Config, ConfigError, OCSP_PROFILE};
use crate::issuer::{Issuer, Issuers, Newest};
use crate::store::{AuditDraft, NoteIssuers, Stage, Store, StoreError, short_id};
use crate::trust::TrustBundles;

pub(super) struct Opened {
    pub(super) issuers: Arc<Issuers>,
    /// How many lists of shards each has, in the same order.
    pub(super) shards: Vec<u16>,
}

pub(super) async fn open(
    loaded: Vec<(IssuerCert, PrivateKey)>,
    config: &Config,
    (root, trust): (&IssuerCert, &TrustBundles),
    store: &dyn Store,
    now: UnixTime,
) -> Result<Opened, ConfigError> {
    for (issuer, _) in &loaded {
        let usable =
            std::iter::once(root).chain(trust.roots()).any(|r| IssuerCert::below(issuer.der(), r, now).is_ok());
        if !usable {
            return Err(ConfigError::new(
                format!("the issuer {} is over, or not below a root that is configured", issuer.view().subject_text),
                "take its [[issuers]] table out of the configuration, or install another certificate for its key",
            ));
        }
    }
    check_missing(&loaded, root, store, now).await?;
    let newest = Newest::at(store.last_issued_at().await.map_err(store_error)?);
    let configured = config.raw.publication.crl_shards;
    let (mut issuers, mut shards) = (Vec::new(), Vec::new());
    let names = loaded.iter().map(|(c, _)| (c.key_identifier().to_vec(), c.der().to_vec())).collect();
    for (certificate, key) in loaded {
        // Before the first certificate names a shard, the store knows how many there are.
        let noted = store.shard(certificate.key_identifier(), configured, draft("crl.sharded", "crl", now)).await;
        shards.push(noted.map_err(store_error)?.lists);
        let locations = config.locations(&certificate);
        let issuer = Issuer::new(certificate, Box::new(key), locations, configured, newest.clone());
        let limits = |e| ConfigError::new(format!("no thread for signing: {e}"), "check the limits of the process");
        issuers.push(issuer.map_err(limits)?);
    }
    let order = NoteIssuers { issuers: names, draft: draft("issuer.published", "issuer", now) };
    let records = store.note_issuers(order).await.map_err(store_error)?;
    Ok(Opened { issuers: Arc::new(Issuers::new(issuers, records)), shards })
}

/// An issuer whose certificates are still out there has to go on with its lists.
async fn check_missing(
    loaded: &[(IssuerCert, PrivateKey)],
    root: &IssuerCert,
    store: &dyn Store,
    now: UnixTime,
) -> Result<(), ConfigError> {
    for record in store.issuers().await.map_err(store_error)? {
        let here = loaded.iter().any(|(issuer, _)| issuer.key_identifier() == record.key_id);
        if here || record.stage == Stage::Distrusted {
            continue;
        }
        // Below another root: that one was left with everything under it.
        let Ok(issuer) = IssuerCert::from_der(&record.der) else { continue };
        if chain::issued_by(issuer.view(), root.view()).is_err() {
            continue;
        }
        let used = store.issuer_use(&record.key_id, now, OCSP_PROFILE).await.map_err(store_error)?;
        if let Some(end) = used.last_not_after {
            let message = format!(
                "the issuer {} ({}) is not in the configuration, and {} of its certificates are good until {end}",
                short_id(&record.key_id),
                issuer.view().subject_text,
                used.live
            );
            let hint = "put its certificate and key back, as [issuer] or as an [[issuers]] table; 'ca issuer list' says when \
                        it may go";
            return Err(ConfigError::new(message, hint));
        }
    }
    Ok(())
}

fn draft(kind: &'static str, subject: &str, at: UnixTime) -> AuditDraft {
    let (actor, subject) = ("signetd".into(), subject.to_owned());
    AuditDraft { kind, actor, subject, request_id: "own-start".into(), detail: json!({}), at }
}

fn store_error(error: StoreError) -> ConfigError {
    ConfigError::new(error.to_string(), "check store.path")
}
