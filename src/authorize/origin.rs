//! What a caller presented, for the lineage of what it makes.

use super::Caller;
use crate::store::Origin;

impl Caller {
    pub fn origin(&self) -> Origin {
        Origin {
            certificate: self.identity().map(|identity| identity.record().serial.clone()),
            credential: self.presented().lineage().cloned(),
        }
    }
}
