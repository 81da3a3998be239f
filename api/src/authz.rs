//! `/v1/authz/*`: whether somebody may do something, asked by the service that it would be done to.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::services::FailMode;

/// `POST /v1/authz/check`: one question, or up to [`BATCH`] of them in `checks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The asking service when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Where the subject comes from, for rules about networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
}

/// One question of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub subject: SubjectName,
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Where the subject comes from, for rules about networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// Who is meant. One field is enough; whatever is given has to fit together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectName {
    /// The client certificate: PEM, or PEM with percent escapes as proxies give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Serial number of the certificate, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Key identifier of the certificate's issuer, hex, or its first 16 digits or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// SHA-256 of the certificate, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// `spiffe://<trust domain>/<kind>/<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spiffe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Query of `GET /v1/authz/nginx`, from the configuration of the proxy: in place of its client's method and path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Allow,
    Deny,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnswer {
    pub decision: Verdict,
    /// Stable codes such as `status.revoked`, and `rule:<id>` of the policy. Those of an `allow` name what allowed it.
    pub reasons: Vec<String>,
    /// Seconds for which the answer may be kept. An answer that is not kept counts a revocation at once.
    pub ttl: u64,
    /// Revision of the policy.
    pub policy: String,
    pub subject: SubjectInfo,
    /// What the asking service said at its registration that it does when Signet cannot be reached.
    pub fail_mode: FailMode,
    /// The store could not be asked, and the answer is what the service's registration wants then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub degraded: bool,
}

/// The answers to `checks`, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnswers {
    pub answers: Vec<CheckAnswer>,
}

/// Who it is, as far as the asking service may know it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectInfo {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `device`, `service` or `admin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// Of the certificate that counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
}

/// Questions in one request. At 20 us each the answer takes about 2 ms of one core.
pub const BATCH: usize = 100;

fn is_false(flag: &bool) -> bool {
    !flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_reads_as_the_document_says_and_unknown_keys_are_refused() {
        let text = r#"{"subject":{"serial":"0a"},"action":"http:GET"}"#;
        let request: CheckRequest = serde_json::from_str(text).unwrap();
        assert_eq!(request.subject.as_ref().unwrap().serial.as_deref(), Some("0a"));
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        for wrong in [r#"{"subjct":{}}"#, r#"{"subject":{"cert":"x"}}"#, r#"{"checks":[{"action":"read"}]}"#] {
            assert!(serde_json::from_str::<CheckRequest>(wrong).is_err(), "{wrong}");
        }
    }
}
