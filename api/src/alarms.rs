//! Alarms: what an administrator has to look at, open until one closes it with a reason. Times are RFC 3339.

use serde::{Deserialize, Serialize};

/// Where alarms are listed; with `/{id}` behind it, where one is read and closed.
pub const ALARMS_PATH: &str = "/v1/admin/alarms";

/// Query of `GET /v1/admin/alarms`: oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmQuery {
    /// Closed ones as well.
    #[serde(default)]
    pub all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Only those with a larger id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmInfo {
    /// Audit sequence of its first entry.
    pub id: u64,
    /// `alarm.token_reuse_other_key`.
    pub kind: String,
    /// What it is about: a device, an issuer, a family of tokens.
    pub subject: String,
    pub first_at: String,
    pub last_at: String,
    /// How often it happened. The first ones have an audit entry each, later ones one a minute.
    pub times: u64,
    /// Audit sequence of its newest entry.
    pub sequence: u64,
    /// Facts of the newest entry.
    pub detail: serde_json::Value,
    /// What it means.
    pub meaning: String,
    /// What to do.
    pub advice: String,
    pub closed_at: Option<String>,
    pub closed_by: Option<String>,
    pub reason: Option<String>,
}

/// `POST /v1/admin/alarms/{id}`: closes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseAlarm {
    /// What was found and done; stands in the audit log. One line, at most 200 characters.
    pub reason: String,
}

/// Whether an audit entry of this kind is an alarm.
pub fn is_alarm(kind: &str) -> bool {
    kind.starts_with("alarm.") && kind != ALARM_CLOSED
}

/// Kind of the audit entry that closes one.
pub const ALARM_CLOSED: &str = "alarm.closed";

/// What a kind of alarm means and what to do about it: `(kind, meaning, advice)`.
pub const KINDS: &[(&str, &str, &str)] = &[
    (
        "alarm.token_reuse_other_key",
        "An enrollment token that one key had redeemed was presented with another key: one of the two machines has a copy \
         of the token that it should not have.",
        "Find out which machine is the device. If the first is not: 'ca revoke DEVICE --reason key-compromise', then a new \
         token. If it is, look at how the token was handed out.",
    ),
    (
        "alarm.superseded_certificate_used",
        "A certificate came back after its successor had been used: two machines hold the identity of this device, as after \
         a copied disk image. The certificate that came back is revoked; the successor is good.",
        "Find the second machine. If it holds the rightful device: 'ca revoke DEVICE --reason key-compromise', then a new token \
         with --replace.",
    ),
    (
        "alarm.recovery_with_superseded_key",
        "A recovery was tried with a key that a later certificate had replaced: a copy of an older key is about.",
        "Find the machine by the address in the detail. The device itself goes on; if in doubt, revoke it and enroll it again.",
    ),
    (
        "alarm.renewal_escalation",
        "A device asked in a renewal for another identity or profile than its own. Nothing was issued.",
        "Look at the software of this device; if it was not changed by you, suspend it: 'ca device suspend DEVICE'.",
    ),
    (
        "alarm.refresh_token_reused",
        "A refresh token that was used already came back, or came with another key: it was copied. Its whole family is revoked.",
        "The rightful client signs in again. Find out where the token was kept: 'ca oauth sessions'.",
    ),
    (
        "alarm.administrator_set_up",
        "An administrator was made or renewed on the issuing host with 'signetd setup --admin', which needs no second administrator.",
        "Close it if you know who did it. If not: 'ca revoke DEVICE --reason key-compromise', and find out who has the host.",
    ),
    (
        "alarm.issuer_revoked_by_root",
        "The root's list revokes this issuer. It is distrusted, and everything that it issued is refused.",
        "If that was planned, close this alarm when all devices have renewed. If not, find out who used the root key.",
    ),
];

/// Meaning and advice for a kind; a general one for kinds that this version does not know.
pub fn explain(kind: &str) -> (&'static str, &'static str) {
    let known = KINDS.iter().find(|(name, ..)| *name == kind);
    known.map_or(("This version has no explanation for this kind.", "Look at the detail."), |(_, meaning, advice)| {
        (meaning, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_an_alarm_raises_none() {
        assert!(is_alarm("alarm.token_reuse_other_key"));
        assert!(!is_alarm(ALARM_CLOSED) && !is_alarm("approval.requested") && !is_alarm("alarm"));
    }
}
