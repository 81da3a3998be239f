//! What an entry of the log is about, for streams whose right may hang on it. Kinds do not matter: whoever is named is looked at
//! again, and what that look finds decides.

use serde_json::Value;
use signet_api::CredentialId;
use signet_api::scope::AccountId;
use signet_pki::{DeviceId, Serial};

use crate::store::AuditRow;

/// Somebody or something that a right hangs on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Concern(String);

impl Concern {
    pub fn account(id: &AccountId) -> Concern {
        Concern(format!("account:{id}"))
    }

    pub fn principal(id: &DeviceId) -> Concern {
        Concern(format!("principal:{id}"))
    }

    pub fn credential(id: &CredentialId) -> Concern {
        Concern(format!("credential:{id}"))
    }

    pub fn certificate(serial: &Serial) -> Concern {
        Concern(format!("certificate:{serial}"))
    }
}

/// Whom an entry is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A whole issuer, or all that there is.
    Everybody,
    These(Vec<Concern>),
}

impl About {
    pub(super) fn of(row: &AuditRow) -> About {
        if matches!(row.kind.as_str(), "store.restored" | "issuer.distrusted") {
            return About::Everybody;
        }
        let mut all = vec![match row.subject.split_once(':') {
            Some(("account", id)) => Concern(format!("account:{id}")),
            // `apikey:ID`, `ticket:ID` and whatever else there will be.
            Some((_, id)) => Concern(format!("credential:{id}")),
            None => Concern(format!("principal:{}", row.subject)),
        }];
        // Thousands of entries a second have none of these, and need not be read.
        if LISTS.iter().any(|(key, _)| row.canonical.contains(&format!("\"{key}\":["))) {
            let whole: Value = serde_json::from_str(&row.canonical).unwrap_or_default();
            for (key, what) in LISTS {
                let named = whole["detail"][key].as_array().into_iter().flatten().filter_map(Value::as_str);
                all.extend(named.map(|id| Concern(format!("{what}:{id}"))));
            }
        }
        About::These(all)
    }
}

/// Lists of an entry's detail.
const LISTS: [(&str, &str); 4] =
    [("accounts", "account"), ("credentials", "credential"), ("devices", "principal"), ("certificates", "certificate")];

#[cfg(test)]
mod tests {
    use serde_json::json;
    use signet_pki::UnixTime;

    use super::*;
    use crate::audit::{self, AuditDraft};

    fn about(kind: &'static str, subject: &str, detail: Value) -> About {
        let draft = AuditDraft {
            kind,
            actor: "admin:alice".into(),
            subject: subject.into(),
            request_id: "req-1".into(),
            detail,
            at: UnixTime(1_800_000_000),
        };
        let leaf = audit::Entry::from(&draft).append(&audit::GENESIS, 7);
        About::of(&AuditRow {
            sequence: 7,
            at: draft.at,
            kind: kind.into(),
            actor: draft.actor.name().into(),
            subject: draft.subject,
            canonical: leaf.canonical,
            leaf_hash: leaf.hash,
        })
    }

    #[test]
    fn whoever_is_named_in_subject_or_lists_is_concerned() {
        let these = |all: &[&str]| About::These(all.iter().map(|one| Concern((*one).to_owned())).collect());
        assert_eq!(about("anything", "account:acme", json!({})), these(&["account:acme"]));
        assert_eq!(about("apikey.disabled", "apikey:0123456789", json!({})), these(&["credential:0123456789"]));
        assert_eq!(about("device.suspended", "sensor-1", json!({ "groups": ["a"] })), these(&["principal:sensor-1"]));
        let detail = json!({ "devices": ["a"], "certificates": ["0a"], "accounts": ["acme"], "credentials": ["c"] });
        let all = ["credential:lot", "account:acme", "credential:c", "principal:a", "certificate:0a"];
        assert_eq!(about("revocation", "batch:lot", detail), these(&all));
        assert_eq!(about("issuer.distrusted", "issuer:0a0b", json!({})), About::Everybody);
        assert_eq!(Concern::account(&AccountId::parse("acme").unwrap()), Concern("account:acme".into()));
    }
}
