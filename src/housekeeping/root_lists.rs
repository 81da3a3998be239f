//! A new list of the root is taken over while the service runs: it is how the root says that an issuer was stolen.

use std::time::SystemTime;

use serde_json::json;
use signet_pki::crl::CrlView;

use crate::app::own_context;
use crate::config::RootLists;
use crate::http::Service;
use crate::store::{AuditDraft, IssuerStep, Stage, StoreError};

/// What was seen of the file last.
#[derive(Debug, Default)]
pub struct RootWatch {
    seen: Option<(SystemTime, u64)>,
}

impl RootWatch {
    /// Looks whether the file is another one. What cannot be used is logged once and leaves everything as it is.
    pub async fn look(&mut self, service: &Service) {
        let path = service.config.path(&service.config.raw.issuer.root_crl);
        let found = std::fs::metadata(&path).and_then(|m| Ok((m.modified()?, m.len())));
        let stamp = match found {
            Ok(stamp) => stamp,
            // Gone: what was read last goes on.
            Err(_) => return,
        };
        if self.seen == Some(stamp) {
            return;
        }
        match take_over(service).await {
            Ok(()) => self.seen = Some(stamp),
            Err(Problem::Store(error)) => {
                tracing::error!(%error, "the root's list could not be followed; it will be tried again")
            }
            Err(Problem::File(what)) => {
                self.seen = Some(stamp);
                tracing::error!(path = %path.display(), what, "the root's list was not taken over; the one before goes on");
            }
        }
    }
}

enum Problem {
    File(String),
    Store(StoreError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::Store(error)
    }
}

async fn take_over(service: &Service) -> Result<(), Problem> {
    let root = service.publisher.root();
    let new = service.config.root_lists(root).map_err(|e| Problem::File(e.to_string()))?;
    let view = |lists: &RootLists| CrlView::verified(&lists.own, root).map_err(|e| Problem::File(e.to_string()));
    let (list, before) = (view(&new)?, service.publisher.root_lists());
    let last = view(&before)?.number;
    if list.number < last {
        return Err(Problem::File(format!("its number {} is smaller than {last}", list.number)));
    }
    let entries = list.entries().map_err(|e| Problem::File(e.to_string()))?;
    for issuer in service.road.issuers.all() {
        let certificate = issuer.certificate();
        let listed = entries.iter().find(|(serial, ..)| *serial == certificate.view().serial);
        let Some((_, _, reason)) = listed.filter(|_| !service.road.issuers.is_distrusted(certificate.key_identifier()))
        else {
            continue;
        };
        tracing::error!(issuer = %certificate.short_id(), "the root has revoked this issuer: it is distrusted from now on");
        let draft = AuditDraft {
            kind: "alarm.issuer_revoked_by_root",
            actor: "signetd".into(),
            subject: format!("issuer:{}", certificate.short_id()),
            request_id: own_context(service).request_id,
            detail: json!({ "stage": Stage::Distrusted.as_str(), "reason": reason.as_str(), "root_crl": list.number }),
            at: service.clock.now(),
        };
        let order = IssuerStep { key_id: certificate.key_identifier().to_vec(), to: Stage::Distrusted, draft };
        // A step to where nothing leads back cannot conflict.
        let _ = service.store.step_issuer(order).await?;
    }
    if new != *before {
        service.publisher.replace_root_lists(new);
    }
    service.follow_issuers().await?;
    Ok(())
}
