//! Wire types of the policy of live permission: reading, comparing and applying it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub const POLICY_PATH: &str = "/v1/admin/policy";

/// The policy in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInfo {
    /// 16 hexadecimal digits. Also there when no policy was ever applied.
    pub revision: String,
    /// Empty when no policy was ever applied: nothing is permitted then.
    pub text: String,
    pub rules: u64,
    /// Tests that stand in the text.
    pub tests: u64,
    /// `api` or `file`; absent when no policy was ever applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_by: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
    /// The file that the policy comes from, when the configuration names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Why something else is in force than was wished for: the file as it is now cannot be used, for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// One line of the history, the newest first; asked for alone, it has its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStep {
    pub number: u64,
    pub revision: String,
    /// `api` or `file`.
    pub origin: String,
    pub applied_by: String,
    /// RFC 3339.
    pub applied_at: String,
    /// Absent in the list, and when it is too old to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// `PUT /v1/admin/policy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyOrder {
    pub text: String,
    /// The revision that is to be replaced: when it is not in force any more, nothing is done.
    pub instead_of: String,
}

/// `POST /v1/admin/policy/diff`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCandidate {
    pub text: String,
    /// RFC 3339; now, when it is absent. Rules by time answer as they will then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// The address that principals come from. Absent: not known, so that a `permit` by network does not apply and a `forbid`
    /// does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
}

/// What a candidate would change for the inventory as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyDiff {
    /// Revisions.
    pub from: String,
    pub to: String,
    /// Ids of rules that come, go, or say something else.
    pub rules_added: Vec<String>,
    pub rules_removed: Vec<String>,
    pub rules_changed: Vec<String>,
    /// Devices, services and administrators that were looked at.
    pub entities: u64,
    /// Principals for which any answer changes.
    pub affected: u64,
    /// Principals for which an answer becomes allow, and those for which one becomes deny, in `changes`.
    pub changes: Vec<PolicyChange>,
    /// When there was more to look at than a comparison may: the numbers are the least that there are.
    pub is_complete: bool,
    /// Mistakes that harm nothing: groups in which nobody is.
    pub warnings: Vec<String>,
    /// Tests of the candidate's text, and what failed of them.
    pub tests: u64,
    pub failed_tests: Vec<String>,
}

/// Answers that change in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// `*` for every action that no rule names.
    pub action: String,
    /// `allow` or `deny`: what the answer becomes.
    pub becomes: String,
    /// Rules that decided before, and those that would: none when it is that nothing permits it.
    pub before: Vec<String>,
    pub after: Vec<String>,
    pub principals: u64,
    pub resources: u64,
    /// At most twenty.
    pub examples: Vec<PolicyExample>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyExample {
    pub principal: String,
    pub resource: String,
}
