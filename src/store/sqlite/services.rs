//! Registered services in SQL.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;
use signet_api::services::FailMode;
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, UnixTime};

use super::super::*;
use super::issuing::json as text_of;
use super::listing::{Of, list};
use super::writer::{Verdict, WriteError, WriteTx};
use super::{ReadError, SqliteStore, decode, reads};

impl ServiceStore for SqliteStore {
    fn register_service(&self, order: RegisterOrder) -> Answer<'_, Result<ServiceRecord, RegisterConflict>> {
        self.writer.submit(move |tx| register(tx, &order))
    }

    fn deregister_service(&self, id: &DeviceId, draft: AuditDraft) -> Answer<'_, Option<ServiceRecord>> {
        let id = id.clone();
        self.writer.submit(move |tx| deregister(tx, &id, &draft))
    }

    fn service(&self, id: &DeviceId) -> Answer<'_, Option<ServiceRecord>> {
        self.read(|c| one(c, id))
    }

    fn services(&self) -> Answer<'_, Listed<ServiceRecord>> {
        self.read_long(all)
    }
}

impl Verdict for Result<ServiceRecord, RegisterConflict> {
    fn keeps_changes(&self) -> bool {
        self.is_ok()
    }
}

impl Verdict for Option<ServiceRecord> {
    fn keeps_changes(&self) -> bool {
        true
    }
}

fn register(
    tx: &mut WriteTx<'_>,
    order: &RegisterOrder,
) -> Result<Result<ServiceRecord, RegisterConflict>, WriteError> {
    if let Err(conflict) = check(tx.connection, order)? {
        return Ok(Err(conflict));
    }
    let before = one(tx.connection, &order.id)?;
    if let Some(same) = before.as_ref().filter(|b| b.facts == order.facts && b.serial == order.serial) {
        return Ok(Ok(same.clone()));
    }
    if before.as_ref().map(|b| &b.facts) != order.before.as_ref() {
        return Ok(Err(RegisterConflict::Changed));
    }
    let facts = &order.facts;
    let resources: Vec<&str> = facts.resources.iter().map(Resource::as_str).collect();
    tx.connection
        .prepare_cached(
            "INSERT INTO service (principal, dns_names, ports, resources, fail_mode, address, serial,
                                  registered_by, registered_at, changed_at)
             VALUES ((SELECT rowid FROM principal WHERE id = ?1), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
             ON CONFLICT (principal) DO UPDATE SET dns_names = excluded.dns_names, ports = excluded.ports,
                 resources = excluded.resources, fail_mode = excluded.fail_mode, address = excluded.address,
                 serial = excluded.serial, changed_at = excluded.changed_at",
        )?
        .execute((
            order.id.as_str(),
            text_of(&facts.dns_names)?,
            text_of(&facts.ports)?,
            text_of(&resources)?,
            facts.fail_mode.as_str(),
            facts.address.map(|address| address.to_string()),
            order.serial.as_bytes(),
            order.draft.actor.name(),
            order.draft.at.0,
        ))?;
    let kind = if before.is_some() { "service.changed" } else { order.draft.kind };
    let detail = json!({
        "address": facts.address,
        "dns_names": facts.dns_names,
        "fail_mode": facts.fail_mode,
        "ports": facts.ports,
        "resources": resources,
        "serial": order.serial.to_string(),
    });
    tx.audit(&AuditDraft { kind, detail, ..order.draft.clone() })?;
    one(tx.connection, &order.id)?.map(Ok).ok_or(WriteError::Corrupt("a service that was just written is not there"))
}

/// What was checked before may have ended on the way here.
fn check(c: &Connection, order: &RegisterOrder) -> Result<Result<(), RegisterConflict>, WriteError> {
    let principal = reads::principal(c, &order.id)?;
    let good = |p: &&PrincipalRecord| p.kind == PrincipalKind::Service && p.status == PrincipalStatus::Active;
    if principal.as_ref().filter(good).is_none() {
        let service = principal.filter(|p| p.kind == PrincipalKind::Service);
        return Ok(Err(RegisterConflict::Principal(service.map(|p| p.status))));
    }
    let certificate = reads::certificate(c, &order.serial)?;
    if !certificate.is_some_and(|c| c.principal.id == order.id && c.status_is_live()) {
        return Ok(Err(RegisterConflict::Certificate));
    }
    let Listed { items, damaged } = all(c)?;
    if damaged.iter().any(|other| other.id != order.id.as_str()) {
        // Whose resources they are cannot be said.
        return Err(WriteError::Corrupt("a registered service"));
    }
    let others: Vec<_> = items.into_iter().filter(|other| other.id != order.id).collect();
    for resource in &order.facts.resources {
        let taken = others.iter().find(|other| other.facts.resources.iter().any(|r| r.overlaps(resource)));
        if let Some(other) = taken {
            return Ok(Err(RegisterConflict::Taken { resource: resource.clone(), by: other.id.clone() }));
        }
    }
    Ok(if others.len() >= MAX_SERVICES { Err(RegisterConflict::Full) } else { Ok(()) })
}

fn deregister(tx: &mut WriteTx<'_>, id: &DeviceId, draft: &AuditDraft) -> Result<Option<ServiceRecord>, WriteError> {
    let Some(found) = one(tx.connection, id)? else { return Ok(None) };
    tx.connection
        .prepare_cached("DELETE FROM service WHERE principal = (SELECT rowid FROM principal WHERE id = ?1)")?
        .execute([id.as_str()])?;
    tx.audit(draft)?;
    Ok(Some(found))
}

macro_rules! columns {
    () => {
        "SELECT p.id, p.status, s.dns_names, s.ports, s.resources, s.fail_mode, s.address, s.serial, s.registered_by,
                s.registered_at, s.changed_at
         FROM service s JOIN principal p ON p.rowid = s.principal"
    };
}

fn one(c: &Connection, id: &DeviceId) -> Result<Option<ServiceRecord>, ReadError> {
    const SQL: &str = concat!(columns!(), " WHERE p.id = ?1");
    Ok(c.prepare_cached(SQL)?.query_row([id.as_str()], record).optional()?)
}

fn all(c: &Connection) -> Result<Listed<ServiceRecord>, ReadError> {
    const SQL: &str = concat!(columns!(), " WHERE p.status NOT IN ('revoked', 'retired') ORDER BY p.id");
    list(c, Of("service", 0), SQL, [], record)
}

fn record(row: &Row<'_>) -> rusqlite::Result<ServiceRecord> {
    let resources: Vec<String> = decode::json(row, 4)?;
    let resources = resources.iter().map(|text| Resource::parse(text)).collect::<Result<_, _>>();
    let address: Option<String> = row.get(6)?;
    let address = address.map(|text| text.parse()).transpose().map_err(|_| decode::impossible(6))?;
    Ok(ServiceRecord {
        id: decode::device_id(row, 0)?,
        status: decode::text(row, 1, PrincipalStatus::parse)?,
        facts: ServiceFacts {
            dns_names: decode::json(row, 2)?,
            ports: decode::json(row, 3)?,
            resources: resources.map_err(|_| decode::impossible(4))?,
            fail_mode: decode::text(row, 5, FailMode::parse)?,
            address,
        },
        serial: decode::serial(row, 7)?,
        registered_by: row.get(8)?,
        registered_at: UnixTime(row.get(9)?),
        changed_at: UnixTime(row.get(10)?),
    })
}
