//! Stream tickets: credentials for one use within seconds.

use signet_api::CredentialId;
use signet_pki::{Serial, UnixTime};

use super::access::{AccessConflict, CredentialRecord};
use super::{Answer, AuditDraft};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRecord {
    pub credential: CredentialRecord,
    /// The certificate that it was got with; the secret that it was got with is `credential.parent`.
    pub serial: Option<Serial>,
}

#[derive(Debug, Clone)]
pub struct CreateTicket {
    pub ticket: TicketRecord,
    pub draft: AuditDraft,
}

#[derive(Debug, Clone)]
pub struct TakeTicket {
    pub id: CredentialId,
    pub now: UnixTime,
    pub draft: AuditDraft,
}

/// Unused tickets of one owner at one time: a page with a few windows, and a script that opens them again and again.
pub const TICKETS_OF_ONE: u32 = 20;

pub trait TicketStore: Send + Sync {
    /// The owner must exist and be active.
    fn create_ticket(&self, order: CreateTicket) -> Answer<'_, Result<(), AccessConflict>>;
    /// Uses a ticket up. Of all who try exactly one succeeds, and only before its end.
    fn take_ticket(&self, order: TakeTicket) -> Answer<'_, Result<(), AccessConflict>>;
    /// Also one that was used.
    fn ticket(&self, id: &CredentialId) -> Answer<'_, Option<TicketRecord>>;
    /// Removes tickets that ended before; the audit log has them. Answers how many, at most `limit`.
    fn prune_tickets(&self, before: UnixTime, limit: u32) -> Answer<'_, u64>;
}
