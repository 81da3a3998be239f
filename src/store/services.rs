//! Registered services: where they are reached and what belongs to them.

use std::net::IpAddr;

use signet_api::services::FailMode;
use signet_pki::{DeviceId, DnsName, Serial, UnixTime};

use super::{Answer, AuditDraft, Listed, PrincipalStatus, Resource};

/// A registration has no life of its own: it counts while its principal is active, which every read says.
pub trait ServiceStore: Send + Sync {
    /// Registers a service, or changes its registration. What stands there already is no change and leaves no entry.
    fn register_service(&self, order: RegisterOrder) -> Answer<'_, Result<ServiceRecord, RegisterConflict>>;
    /// What was removed; `None` when there was nothing.
    fn deregister_service(&self, id: &DeviceId, draft: AuditDraft) -> Answer<'_, Option<ServiceRecord>>;
    fn service(&self, id: &DeviceId) -> Answer<'_, Option<ServiceRecord>>;
    /// By id, without those whose principal has ended: a suspended service comes back to what it had, they do not. At most
    /// [`MAX_SERVICES`].
    fn services(&self) -> Answer<'_, Listed<ServiceRecord>>;
}

/// Registrations at one time. All of them are kept in memory: at their largest 25 KiB each, together 50 MiB.
pub const MAX_SERVICES: usize = 2000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRecord {
    pub id: DeviceId,
    /// Of the principal, as it is now.
    pub status: PrincipalStatus,
    pub facts: ServiceFacts,
    /// The certificate that it was registered with.
    pub serial: Serial,
    /// The actor of the first registration.
    pub registered_by: String,
    pub registered_at: UnixTime,
    pub changed_at: UnixTime,
}

/// What a registration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFacts {
    pub dns_names: Vec<DnsName>,
    pub ports: Vec<u16>,
    pub resources: Vec<Resource>,
    pub fail_mode: FailMode,
    pub address: Option<IpAddr>,
}

#[derive(Debug, Clone)]
pub struct RegisterOrder {
    pub id: DeviceId,
    pub facts: ServiceFacts,
    /// What was registered when this was decided: a service repeats what it was given, and what it was given may change.
    pub before: Option<ServiceFacts>,
    /// The certificate that was checked; it has to count still.
    pub serial: Serial,
    /// Of a first registration; the store names a change `service.changed`, and writes the facts into the detail.
    pub draft: AuditDraft,
}

/// Why nothing was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterConflict {
    /// The principal is no service, or has ended or was suspended meanwhile.
    Principal(Option<PrincipalStatus>),
    /// The certificate is another's, or has ended meanwhile.
    Certificate,
    /// Another service has this resource, or one that contains it or is contained in it.
    Taken {
        resource: Resource,
        by: DeviceId,
    },
    /// The registration is not any more what it was when this was decided.
    Changed,
    Full,
}
