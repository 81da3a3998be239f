//! `/v1/services`: what a service serves with, under which names it is reached, and what belongs to it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use signet_pki::{DeviceId, DnsName};

/// `PUT /v1/services/{id}`. The same again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterService {
    /// What the service shows to clients: its certificate, then the issuer's, PEM.
    pub chain: String,
    /// Each of them stands in the certificate; one at least.
    pub dns_names: Vec<DnsName>,
    /// One at least.
    pub ports: Vec<u16>,
    /// Names, or prefixes that end in `/*` or `:*`. Absent: what is registered already, else `service:<id>` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<String>>,
    #[serde(default)]
    pub fail_mode: FailMode,
    /// Where it is, when its names do not lead there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// From an administrator: Base64 of the certificate key's signature over `signet_pki::registration::statement`. The
    /// service itself proves its key by its connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

/// What the service does with a request when permission cannot be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    /// It refuses.
    #[default]
    Closed,
    /// It lets it pass. Somebody has to want that.
    Open,
}

impl FailMode {
    pub fn as_str(self) -> &'static str {
        match self {
            FailMode::Closed => "closed",
            FailMode::Open => "open",
        }
    }

    pub fn parse(text: &str) -> Option<FailMode> {
        [FailMode::Closed, FailMode::Open].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// A registration as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInfo {
    pub id: DeviceId,
    /// Of the principal; the registration counts while it is `active`.
    pub status: String,
    pub dns_names: Vec<DnsName>,
    pub ports: Vec<u16>,
    pub resources: Vec<String>,
    pub fail_mode: FailMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Serial of the certificate that it was registered with.
    pub serial: String,
    pub registered_by: String,
    /// RFC 3339.
    pub registered_at: String,
    pub changed_at: String,
}

/// `GET /v1/services/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDetail {
    #[serde(flatten)]
    pub service: ServiceInfo,
    /// What the service should show to clients now; absent when it has no certificate that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<Presentation>,
}

/// The newest good certificate of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    /// Lower-case hex.
    pub serial: String,
    /// RFC 3339.
    pub not_after: String,
    /// Certificate, then issuer, PEM.
    pub chain: String,
    /// Registered names that the certificate does not have: clients refuse the service under them.
    pub missing_names: Vec<DnsName>,
}

/// `POST /v1/services/{id}/probe`: a name and a port that are registered; the first ones when left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<DnsName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What a connection to the service found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    pub service: DeviceId,
    pub dns_name: DnsName,
    pub port: u16,
    pub address: IpAddr,
    pub outcome: ProbeOutcome,
    /// Why it is not `good`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `TLSv1.3`, `TLSv1.2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<ShownCertificate>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProbeOutcome {
    /// A client with the present bundle and lists accepts it.
    Good,
    /// It answered, and such a client refuses it or will: the CA knows of an end before the lists do.
    Refused,
    /// There was no connection, or no TLS in it.
    Unreachable,
}

/// The certificate that the service showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownCertificate {
    pub serial: String,
    pub not_after: String,
    /// As the store knows it: `active`, `pending`, `superseded`, `revoked`, or `unknown`.
    pub status: String,
    pub missing_names: Vec<DnsName>,
    /// Whether it is the one that the service should show now.
    pub current: bool,
}
