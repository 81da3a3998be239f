//! What a candidate would change, over the inventory as it is.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use signet_pki::UnixTime;
use signet_policy::{Certificate, Comparison, Difference, Entity, Policy, Warning};

use super::{Policies, kind, status};
use crate::store::{InventoryRow, PolicyStore, StoreError};

/// What came out of a comparison.
#[derive(Debug)]
pub struct Compared {
    pub old: Arc<Policy>,
    pub difference: Difference,
    /// Groups in which nobody is.
    pub warnings: Vec<Warning>,
}

impl Policies {
    /// Compares `new` with the policy in force for everything in the inventory. `None` while another comparison runs.
    /// Takes a few seconds for a million principals, on a thread of its own.
    pub async fn compare(
        &self,
        store: &dyn PolicyStore,
        new: Arc<Policy>,
        at: UnixTime,
        source: Option<IpAddr>,
    ) -> Result<Option<Compared>, StoreError> {
        let Ok(_alone) = self.compare_alone() else { return Ok(None) };
        let old = self.current();
        let mut comparison = Comparison::new(old.clone(), new.clone(), at, source);
        let mut groups: HashSet<String> = HashSet::new();
        let (mut row, mut seen, mut is_readable) = (0, 0, true);
        let is_whole = loop {
            let stretch = store.inventory_after(row, STRETCH).await?;
            let damaged = stretch.damaged.iter().filter_map(|damaged| damaged.id.parse().ok()).max();
            let Some(last) = stretch.items.last().map(|last| last.row).max(damaged) else { break true };
            row = last;
            is_readable &= stretch.damaged.is_empty();
            seen += stretch.items.len() + stretch.damaged.len();
            for entry in &stretch.items {
                if let Some(entity) = entity(entry) {
                    comparison.add(&entity);
                }
            }
            groups.extend(stretch.items.into_iter().flat_map(|entry| entry.groups));
            if seen >= PRINCIPALS {
                break false;
            }
        };
        let is_whole = is_whole && is_readable;
        let finished = tokio::task::spawn_blocking(move || comparison.finish()).await;
        let mut difference = finished.map_err(|e| StoreError::Unavailable(e.to_string()))?;
        difference.is_complete &= is_whole;
        let exists = |group: &str| groups.contains(group);
        // What was not looked at may be in any group.
        let warnings = if is_whole { new.unknown_groups(exists) } else { Vec::new() };
        Ok(Some(Compared { old, difference, warnings }))
    }
}

/// As live permission sees it; `None` for what never asks.
fn entity(row: &InventoryRow) -> Option<Entity<'_>> {
    let kind = kind(row.kind)?;
    let status = status(row.status);
    let certificate = row.certificate.as_ref().map(|certificate| Certificate {
        newest: true,
        issued_at: certificate.issued_at,
        not_after: certificate.not_after,
        profile: Some(&certificate.profile),
        hardware_bound: None,
    });
    Some(Entity {
        kind,
        id: &row.id,
        status,
        groups: &row.groups,
        account: row.account.as_deref(),
        profile: Some(&row.profile),
        certificate,
    })
}

/// Rows of one read: about 10 ms.
const STRETCH: u32 = 2_000;
/// Principals that are looked at: about five seconds, and a request has thirty.
const PRINCIPALS: usize = 1_000_000;
