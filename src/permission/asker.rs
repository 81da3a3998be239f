//! Who asks.

use std::sync::Arc;

use signet_api::services::FailMode;
use signet_pki::DeviceId;

use crate::services::Registered;
use crate::store::PrincipalRecord;

/// Somebody who may ask at all.
#[derive(Debug, Clone)]
pub enum Asker {
    /// About what belongs to it.
    Service { registered: Arc<Registered>, record: Arc<PrincipalRecord> },
    /// About everything, and is told everything.
    Administrator { id: DeviceId },
}

impl Asker {
    pub fn id(&self) -> &DeviceId {
        match self {
            Asker::Service { registered, .. } => registered.id(),
            Asker::Administrator { id } => id,
        }
    }

    pub fn fail_mode(&self) -> FailMode {
        match self {
            Asker::Service { registered, .. } => registered.fail_mode(),
            Asker::Administrator { .. } => FailMode::Closed,
        }
    }
}
