//! Who counts as a person.

use signet_pki::DeviceId;

/// An administrator who proved in this request, by a certificate of their own, who they are. Made by
/// [`Caller::person`](super::Caller::person) only. Two persons are two principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person(DeviceId);

impl Person {
    pub(super) fn of(id: DeviceId) -> Person {
        Person(id)
    }

    pub fn id(&self) -> &DeviceId {
        &self.0
    }
}
