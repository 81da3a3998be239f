//! The parts of live permission.

use std::sync::Arc;

use crate::config::Config;
use crate::enrollment::Road;
use crate::permission::{Parts, Permission};
use crate::policy::Policies;
use crate::services::Registry;
use crate::store::Store;

/// The policy in force. One that cannot be read permits nothing until it can be.
pub(super) async fn policies(store: &dyn Store) -> Policies {
    let policies = Policies::default();
    if let Err(error) = policies.follow(store).await {
        tracing::error!(%error, "the policy could not be read: nothing is permitted until it can be");
    }
    policies
}

pub(super) fn permission(config: &Config, road: &Road, registry: &Arc<Registry>, policies: &Policies) -> Permission {
    Permission::new(Parts {
        store: road.store.clone(),
        issuers: road.issuers.clone(),
        registry: registry.clone(),
        policies: policies.shared(),
        clock: road.clock.clone(),
        domain: road.domain.clone(),
        rules: config.raw.authz,
    })
}
