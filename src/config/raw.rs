//! The file as it is typed. Unknown keys are errors; defaults stand beside the keys.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use signet_api::approvals::Guarded;
use signet_pki::key_policy::KeyType;
use signet_pki::name::PrincipalKind;
use signet_pki::{DnsName, TrustDomain};

pub use super::browser::{RawBrowser, RawEvents};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    pub trust_domain: TrustDomain,
    /// `https://host:port` under which devices reach the service.
    pub public_url: String,
    pub listen: RawListen,
    pub store: RawStore,
    pub keys: RawKeys,
    pub issuer: RawIssuer,
    /// More issuers, below the same root or one of the newest trust bundle.
    #[serde(default)]
    pub issuers: Vec<RawIssuers>,
    pub tls: RawTls,
    pub publication: RawPublication,
    #[serde(default)]
    pub retention: RawRetention,
    #[serde(default)]
    pub trust: RawTrust,
    #[serde(default)]
    pub audit: RawAudit,
    #[serde(default)]
    pub admission: RawAdmission,
    #[serde(default)]
    pub approval: RawApproval,
    #[serde(default)]
    pub authz: RawAuthz,
    #[serde(default)]
    pub events: RawEvents,
    #[serde(default)]
    pub browser: RawBrowser,
    #[serde(default)]
    pub recovery: RawRecovery,
    #[serde(default)]
    pub oauth: RawOauth,
    #[serde(default)]
    pub services: RawServices,
    #[serde(default)]
    pub policy: RawPolicy,
    #[serde(default)]
    pub profiles: BTreeMap<String, RawProfile>,
    #[serde(default)]
    pub webhooks: RawWebhooks,
    #[serde(default)]
    pub hooks: Vec<RawHooks>,
    #[serde(default)]
    pub log: RawLog,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawListen {
    pub tls: SocketAddr,
    pub plain: SocketAddr,
    pub local: SocketAddr,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawStore {
    pub path: PathBuf,
    /// A mark outside the database by which a rolled-back one is noticed; best on another disk.
    #[serde(default = "anchor")]
    pub anchor: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawKeys {
    /// 64 hexadecimal digits: opens the issuing key and peppers the credential hashes. Never in the database.
    pub kek_file: PathBuf,
    /// SPKI SHA-256 fingerprints that are never certified, one a line, `#` begins a comment.
    #[serde(default)]
    pub blocked_spki_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawIssuer {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub root: PathBuf,
    pub root_crl: PathBuf,
    /// Hours that an issuer is published before it may become active: verifiers need its list by then.
    #[serde(default = "one_day")]
    pub activation_delay_hours: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawIssuers {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    pub key: PathBuf,
    pub certificate: PathBuf,
    #[serde(default)]
    pub names: Vec<DnsName>,
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPublication {
    /// `http://host:port` of the plain listener; stands in every certificate.
    pub base_url: String,
    #[serde(default = "one_hour")]
    pub crl_interval_seconds: i64,
    #[serde(default = "seven_days")]
    pub crl_lifetime_seconds: i64,
    /// Into so many shards new certificates are divided, each with a list of its own; a power of two, 0 for none.
    #[serde(default)]
    pub crl_shards: u16,
    /// Lists and CA certificates are also written here, for a web server.
    #[serde(default)]
    pub directory: Option<PathBuf>,
    /// Whether certificates name a responder that tells their status, and there is one.
    #[serde(default = "yes")]
    pub ocsp: bool,
    #[serde(default = "one_hour")]
    pub ocsp_lifetime_seconds: i64,
    /// Milliseconds from the receipt of a revocation until a stage of it is late: a counter and a warning, nothing else.
    #[serde(default = "one_second")]
    pub revocation_budget_ms: u64,
}

/// How long what is over is kept in full.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRetention {
    /// Days after its end that a certificate keeps its DER; afterwards a stub remains.
    pub certificate_days: u32,
    /// Days after its end that a token that nobody used is kept.
    pub token_days: u32,
}

impl Default for RawRetention {
    fn default() -> RawRetention {
        RawRetention { certificate_days: 30, token_days: 30 }
    }
}

/// How devices follow from one root to the next.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTrust {
    /// Directory with `bundle-0001.der` and so on, as `ca root bundle` makes them.
    #[serde(default)]
    pub bundles: Option<PathBuf>,
}

/// Devices whose certificate has ended.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawRecovery {
    /// Days after its end that a certificate still recovers its device; 0: none does.
    pub max_days: u32,
    /// How often a device may do so before an administrator has to allow it again.
    pub allowance: u32,
}

impl Default for RawRecovery {
    fn default() -> RawRecovery {
        // A season in a warehouse and a winter; once, so that a key out of a bin gets no second chance.
        RawRecovery { max_days: 365, allowance: 1 }
    }
}

/// Access tokens and refresh tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawOauth {
    /// Directory of the keys that sign access tokens, as `signetd oauth-key` makes them. Without one no tokens are given out.
    pub keys: PathBuf,
    /// Seconds that a further key is published before it signs: longer than anybody keeps a copy of the keys.
    pub key_delay_seconds: i64,
    /// Life of an access token that is bound to a certificate, and of one that whoever has it may use.
    pub token_seconds: i64,
    pub unbound_token_seconds: i64,
    /// Days after which a refresh token that nobody used is over, and after which the whole session is.
    pub refresh_idle_days: u32,
    pub refresh_days: u32,
    /// Names of other services that tokens may be asked for.
    pub audiences: Vec<String>,
}

impl Default for RawOauth {
    fn default() -> RawOauth {
        RawOauth {
            keys: PathBuf::from("oauth"),
            key_delay_seconds: 3600,
            token_seconds: 3600,
            unbound_token_seconds: 600,
            refresh_idle_days: 30,
            refresh_days: 90,
            audiences: Vec::new(),
        }
    }
}

/// What needs a second administrator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawApproval {
    /// `issuers`, `policy`, `batches`, `administrators`; nothing by default.
    pub required_for: Vec<Guarded>,
    /// Tokens of one order, or devices of one revocation, from which on it is a large batch.
    pub batch_size: u32,
    /// Hours for which a request waits, and in which it is carried out once it is approved.
    pub lifetime_hours: u32,
}

impl Default for RawApproval {
    fn default() -> RawApproval {
        RawApproval { required_for: Vec::new(), batch_size: 100, lifetime_hours: 24 }
    }
}

/// What becomes of old entries of the audit log.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAudit {
    /// A directory of the service's own, best on another disk. Without it every entry stays in the database.
    pub archive_directory: Option<PathBuf>,
    /// Days that an entry stays in the database.
    pub keep_days: u32,
    /// Entries of one file. At about 100 octets each in gzip the default makes files of 10 MB: few enough to list when a
    /// million devices fill forty a day, and small enough to be made in memory and copied in one go.
    pub segment_entries: u32,
}

impl Default for RawAudit {
    fn default() -> RawAudit {
        RawAudit { archive_directory: None, keep_days: 90, segment_entries: 100_000 }
    }
}

/// What the doors let in; see http/limits.rs for the limits that are not for configuring.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAdmission {
    /// Enrollments and recoveries a second from one address (an IPv6 /64), and how many may come at once.
    pub enrollments_per_second: u32,
    pub enrollment_burst: u32,
}

impl Default for RawAdmission {
    fn default() -> RawAdmission {
        // A site behind one NAT that powers on a few hundred devices at once is served within seconds.
        RawAdmission { enrollments_per_second: 100, enrollment_burst: 500 }
    }
}

/// Answers to services that ask for permission.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawAuthz {
    /// Seconds for which an answer may be kept at most; a policy may say less.
    pub ttl_seconds: u64,
    /// Questions a second from one service, and how many may come at once.
    pub checks_per_second: u32,
    pub check_burst: u32,
    /// Seconds for which a certificate still counts after the one that replaced it was used for the first time.
    pub superseded_seconds: i64,
}

impl Default for RawAuthz {
    fn default() -> RawAuthz {
        // A third of what one core answers, so that three services that ask without end leave something to the others. Five
        // minutes is how long the printed configurations keep a connection.
        RawAuthz { ttl_seconds: 30, checks_per_second: 5_000, check_burst: 10_000, superseded_seconds: 300 }
    }
}

/// Registered services.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawServices {
    /// Whether an administrator may have the service connect to registered services, to see what they show.
    pub probe: bool,
    /// Networks that it may connect to for that, and no others: `10.1.0.0/16`.
    pub allow: Vec<String>,
}

/// Live permission.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    /// The policy, when it is kept in a file; without one it is applied over the API.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// A profile of the operator's, or changes to a built-in one of the same name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawProfile {
    #[serde(default)]
    pub kind: Option<PrincipalKind>,
    #[serde(default)]
    pub usages: Option<Vec<RawUsage>>,
    #[serde(default)]
    pub lifetime_seconds: Option<i64>,
    #[serde(default)]
    pub max_lifetime_seconds: Option<i64>,
    #[serde(default)]
    pub keys: Option<Vec<KeyType>>,
    #[serde(default)]
    pub dns_suffixes: Option<Vec<DnsName>>,
    #[serde(default)]
    pub reuse_key: Option<bool>,
    #[serde(default)]
    pub revocation: Option<RawRevocation>,
}

/// Where the certificates of a profile say that their revocation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawRevocation {
    Crl,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawUsage {
    ClientAuth,
    ServerAuth,
}

/// Where webhooks may go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWebhooks {
    /// Networks beside the public addresses, for endpoints that were created as private ones.
    #[serde(default)]
    pub allow: Vec<String>,
    /// CA certificates in PEM that endpoints may have theirs from, beside our own roots.
    #[serde(default)]
    pub roots: Option<PathBuf>,
}

/// What another system may ask for, and how it proves who it is: by bearers or by signatures, with at most two live secrets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawHooks {
    pub name: String,
    pub action: RawHookAction,
    /// What becomes of a lost device.
    #[serde(default)]
    pub on_lost: RawOnLost,
    /// Files with one bearer each.
    #[serde(default)]
    pub bearer_files: Vec<PathBuf>,
    /// Variables of the environment with one bearer each.
    #[serde(default)]
    pub bearer_env: Vec<String>,
    /// Files with a secret of Standard Webhooks each.
    #[serde(default)]
    pub secret_files: Vec<PathBuf>,
    /// So many requests are carried out in an hour; what asks for more may have been taken over.
    #[serde(default = "hook_rate")]
    pub per_hour: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RawHookAction {
    /// A device that waits for approval is in the inventory.
    Approve,
    /// A device is lost or stolen.
    ReportLost,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawOnLost {
    /// It may turn up again.
    #[default]
    Suspend,
    Revoke,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLog {
    #[serde(default)]
    pub format: LogFormat,
    #[serde(default)]
    pub level: LogLevel,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
}

fn anchor() -> PathBuf {
    PathBuf::from("signet.anchor")
}

fn yes() -> bool {
    true
}

fn one_day() -> u32 {
    24
}

fn one_second() -> u64 {
    1000
}

fn hook_rate() -> u32 {
    600
}

fn one_hour() -> i64 {
    3600
}

fn seven_days() -> i64 {
    7 * 86_400
}
