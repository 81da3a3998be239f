//! An audit entry as a verifier may see it. What is not named here never leaves.

use axum::body::Bytes;
use data_encoding::HEXLOWER;
use serde_json::{Map, Value, json};
use signet_api::alarms::{explain, is_alarm};
use signet_pki::Serial;
use signet_pki::crl::Reason;

use super::line::Ending;
use crate::store::AuditRow;

/// What happened, under the name that subscribers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Revocation,
    Suspended,
    Resumed,
    Retired,
    /// A superseded certificate came back and was revoked.
    Quarantined,
    /// Something that an administrator has to look at; verifiers are not told.
    Alarm,
    /// An issuer is trusted no more, and nothing that it issued.
    Distrusted,
    /// A backup was put back: revocations may have been adopted, and positions before it may not be those of now.
    Restored,
    Enrolled,
    Renewed,
    Pending,
    Approved,
    Denied,
}

impl Kind {
    /// `None` for what verifiers have no use for.
    fn of(kind: &str) -> Option<Kind> {
        Some(match kind {
            "revocation" => Kind::Revocation,
            "device.suspended" => Kind::Suspended,
            "device.resumed" => Kind::Resumed,
            "device.retired" => Kind::Retired,
            "alarm.superseded_certificate_used" => Kind::Quarantined,
            "store.restored" => Kind::Restored,
            "issuer.distrusted" => Kind::Distrusted,
            "certificate.enrolled" | "certificate.recovered" | "certificate.issued_manually" => Kind::Enrolled,
            "certificate.renewed" => Kind::Renewed,
            "enrollment.pending" => Kind::Pending,
            "enrollment.approved" => Kind::Approved,
            "enrollment.denied" => Kind::Denied,
            kind if is_alarm(kind) => Kind::Alarm,
            _ => return None,
        })
    }

    /// What only those get who ask for it: there is one for every certificate, and verifiers decide nothing by it.
    pub fn is_on_request(self) -> bool {
        Kind::ON_REQUEST.contains(&self)
    }

    pub const ON_REQUEST: [Kind; 5] = [Kind::Enrolled, Kind::Renewed, Kind::Pending, Kind::Approved, Kind::Denied];

    /// Stable.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Revocation => "revocation",
            Kind::Suspended => "device.suspended",
            Kind::Resumed => "device.resumed",
            Kind::Retired => "device.retired",
            Kind::Quarantined => "certificate.quarantined",
            Kind::Alarm => "alarm",
            Kind::Distrusted => "issuer.distrusted",
            Kind::Restored => "gap",
            Kind::Enrolled => "device.enrolled",
            Kind::Renewed => "device.renewed",
            Kind::Pending => "enrollment.pending",
            Kind::Approved => "enrollment.approved",
            Kind::Denied => "enrollment.denied",
        }
    }

    /// What becomes of open connections with these certificates.
    pub fn ending(self) -> Option<Ending> {
        match self {
            Kind::Revocation => Some(Ending::Identity("revoked")),
            Kind::Suspended => Some(Ending::Identity("suspended")),
            Kind::Retired => Some(Ending::Identity("retired")),
            Kind::Quarantined => Some(Ending::Identity("superseded")),
            Kind::Distrusted => Some(Ending::Identity("issuer_distrusted")),
            Kind::Resumed | Kind::Restored | Kind::Alarm => None,
            Kind::Enrolled | Kind::Renewed | Kind::Pending | Kind::Approved | Kind::Denied => None,
        }
    }
}

/// One entry, rendered once for all who get it.
#[derive(Debug)]
pub struct Event {
    pub sequence: u64,
    pub kind: Kind,
    pub serials: Vec<Serial>,
    /// Name of the issuer that ended, DER.
    pub issuer: Option<Vec<u8>>,
    /// Stays inside: the latency of the request is measured by it.
    pub request: String,
    for_services: Bytes,
    for_administrators: Bytes,
}

/// What a subscriber may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Service,
    Administrator,
}

impl Event {
    /// `None` for entries that concern no verifier, for those that ended unused tokens alone, and for those on request that
    /// nobody wants: they are many.
    pub fn of(row: &AuditRow, wanted: impl Fn(Kind) -> bool) -> Option<Event> {
        let kind = Kind::of(&row.kind).filter(|kind| !kind.is_on_request() || wanted(*kind))?;
        // The canonical text is JSON of our own making.
        let whole: Value = serde_json::from_str(&row.canonical).unwrap_or_default();
        let detail = &whole["detail"];
        if kind == Kind::Alarm {
            return Some(Event::alarm(row, detail));
        }
        let listed = |key: &str| -> Vec<&str> {
            detail[key].as_array().map(|all| all.iter().filter_map(Value::as_str).collect()).unwrap_or_default()
        };
        let (devices, serials) = match kind {
            Kind::Revocation => (listed("devices"), listed("certificates")),
            Kind::Suspended | Kind::Resumed | Kind::Retired => (vec![row.subject.as_str()], listed("certificates")),
            // The device stays good; only this certificate of it is not.
            Kind::Quarantined => (Vec::new(), detail["serial"].as_str().into_iter().collect()),
            Kind::Restored | Kind::Distrusted | Kind::Alarm => (Vec::new(), Vec::new()),
            Kind::Enrolled | Kind::Renewed | Kind::Pending | Kind::Approved | Kind::Denied => {
                (vec![row.subject.as_str()], detail["serial"].as_str().into_iter().collect())
            }
        };
        if !matches!(kind, Kind::Restored | Kind::Distrusted) && devices.is_empty() && serials.is_empty() {
            return None;
        }
        let reason = match kind {
            Kind::Revocation => detail["reason"].as_str(),
            Kind::Retired => Some(Reason::CessationOfOperation.as_str()),
            Kind::Quarantined => Some(Reason::Superseded.as_str()),
            Kind::Restored => Some("restored"),
            // What administrators wrote about an issuer is for administrators.
            Kind::Suspended | Kind::Resumed | Kind::Distrusted | Kind::Alarm => None,
            Kind::Enrolled | Kind::Renewed | Kind::Pending | Kind::Approved | Kind::Denied => None,
        };
        let render = |actor| {
            let common = Common { row, kind, reason, actor };
            common.frames(&devices, &serials).into()
        };
        Some(Event {
            sequence: row.sequence,
            kind,
            serials: serials.iter().filter_map(|s| Serial::parse(s).ok()).collect(),
            issuer: (kind == Kind::Distrusted).then(|| name_of_issuer(detail)).flatten(),
            request: whole["request"].as_str().unwrap_or_default().to_owned(),
            for_services: render(None),
            for_administrators: render(Some(row.actor.as_str())),
        })
    }

    fn alarm(row: &AuditRow, detail: &Value) -> Event {
        let (meaning, _) = explain(&row.kind);
        let data = json!({
            "time": row.at.to_string(), "kind": row.kind, "subject": row.subject, "actor": row.actor, "detail": detail,
            "meaning": meaning,
        });
        Event {
            sequence: row.sequence,
            kind: Kind::Alarm,
            serials: Vec::new(),
            issuer: None,
            request: String::new(),
            for_services: Bytes::new(),
            for_administrators: frame(Kind::Alarm.as_str(), Some(row.sequence), &data).into(),
        }
    }

    /// The octets of the event in a stream; none when the subscriber is not told of it.
    pub fn frames(&self, scope: Scope) -> Bytes {
        match scope {
            Scope::Service => self.for_services.clone(),
            Scope::Administrator => self.for_administrators.clone(),
        }
    }
}

struct Common<'a> {
    row: &'a AuditRow,
    kind: Kind,
    reason: Option<&'a str>,
    actor: Option<&'a str>,
}

impl Common<'_> {
    /// A large batch is told in parts, so that no line is longer than a reader accepts. Only the last carries the id: who is
    /// cut off between them gets all of them again.
    fn frames(&self, devices: &[&str], serials: &[&str]) -> String {
        let parts = devices.len().max(serials.len()).div_ceil(PART).max(1);
        let mut text = String::new();
        for part in 0..parts {
            let mut data = Map::new();
            data.insert("time".into(), self.row.at.to_string().into());
            data.insert("devices".into(), piece(devices, part).into());
            data.insert("serials".into(), piece(serials, part).into());
            data.insert("reason".into(), self.reason.into());
            if self.kind == Kind::Distrusted {
                data.insert("issuer".into(), self.row.subject.trim_start_matches("issuer:").into());
            }
            if let Some(actor) = self.actor {
                data.insert("actor".into(), actor.into());
            }
            if parts > 1 {
                data.insert("part".into(), (part + 1).into());
                data.insert("parts".into(), parts.into());
            }
            let id = (part + 1 == parts).then_some(self.row.sequence);
            text += &frame(self.kind.as_str(), id, &Value::Object(data));
        }
        text
    }
}

fn name_of_issuer(detail: &Value) -> Option<Vec<u8>> {
    HEXLOWER.decode(detail["name"].as_str()?.as_bytes()).ok()
}

fn piece(all: &[&str], part: usize) -> Vec<Value> {
    all.iter().skip(part * PART).take(PART).map(|one| Value::from(*one)).collect()
}

/// One event of a stream (WHATWG HTML 9.2.6). JSON text has no line breaks, so `data` is one line.
pub(super) fn frame(name: &str, id: Option<u64>, data: &Value) -> String {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("{id}event: {name}\ndata: {data}\n\n")
}

/// Devices and serial numbers to a line: at 66 and 43 octets each it stays below 48 KiB.
const PART: usize = 400;

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
