//! Who asks.

use std::sync::Arc;

use signet_api::services::FailMode;

use crate::services::Registered;
use crate::store::PrincipalRecord;

/// Somebody who may ask at all.
#[derive(Debug, Clone)]
pub enum Asker {
    /// About what belongs to it.
    Service { registered: Arc<Registered>, record: Arc<PrincipalRecord> },
    /// About everything, and is told everything.
    Administrator { actor: String },
}

impl Asker {
    /// A service's id, an administrator's `admin:alice`: never the same.
    pub fn name(&self) -> &str {
        match self {
            Asker::Service { registered, .. } => registered.id().as_str(),
            Asker::Administrator { actor } => actor,
        }
    }

    pub fn fail_mode(&self) -> FailMode {
        match self {
            Asker::Service { registered, .. } => registered.fail_mode(),
            Asker::Administrator { .. } => FailMode::Closed,
        }
    }
}
