//! What reads hand out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use signet_api::CredentialId;
use signet_api::admin::{Damaged, TokenKind};
use signet_api::scope::{AccountId, Permissions, Role, Scope, Scopes};
use signet_pki::crl::{Entries, Reason};
use signet_pki::name::PrincipalKind;
use signet_pki::{DeviceId, DnsName, Fingerprint, Serial, UnixTime};

use crate::audit::Actor;
use crate::audit::merkle::Frontier;
use crate::audit::segment::SegmentName;

/// An enumeration that is stored as text.
macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
    };
}

pub(super) use text_enum;

text_enum! {
    /// Life of a principal. A revoked or retired one never comes back.
    PrincipalStatus {
        Preregistered = "preregistered",
        Pending = "pending",
        Active = "active",
        Suspended = "suspended",
        Revoked = "revoked",
        Retired = "retired",
    }
}

text_enum! {
    CertificateStatus {
        Pending = "pending",
        Active = "active",
        Superseded = "superseded",
        Revoked = "revoked",
    }
}

text_enum! {
    TokenStatus {
        Active = "active",
        Pending = "pending",
        Approved = "approved",
        Denied = "denied",
        Redeemed = "redeemed",
        Revoked = "revoked",
    }
}

text_enum! {
    /// What an issuer may do.
    Stage {
        /// It is known to verifiers, has a list and a responder, and signs no certificate yet.
        Published = "published",
        /// The one that signs.
        Active = "active",
        /// It signs no certificate any more, and lists until its last certificate is over.
        Retiring = "retiring",
        /// Somebody else has its key: its certificates count for nothing here. For good.
        Distrusted = "distrusted",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerRecord {
    pub key_id: Vec<u8>,
    pub der: Vec<u8>,
    pub stage: Stage,
    /// When the service had it for the first time.
    pub published_at: UnixTime,
    pub changed_at: UnixTime,
}

/// What an issuer has to answer for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IssuerUse {
    /// Certificates that are neither over nor revoked.
    pub live: u64,
    /// The end of the last certificate that is not over yet, revoked or not.
    pub last_not_after: Option<UnixTime>,
}

/// As in [`IssuerCert::short_id`](signet_pki::ca::IssuerCert::short_id).
pub fn short_id(key_id: &[u8]) -> String {
    key_id.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalRecord {
    pub id: DeviceId,
    pub kind: PrincipalKind,
    pub status: PrincipalStatus,
    pub profile: String,
    pub groups: Vec<String>,
    pub dns_names: Vec<DnsName>,
    pub addresses: Vec<IpAddr>,
    pub hardware_serial: Option<String>,
    /// Sequence of the trust bundle that it said it holds when it renewed last.
    pub bundle_seen: Option<u64>,
    pub created_at: UnixTime,
    /// How often it may still recover; `None` as long as nothing has changed what the configuration allows.
    pub recoveries: Option<u32>,
    /// Whose it is.
    pub account: Option<AccountId>,
    /// `None`: what its kind may.
    pub permissions: Option<Permissions>,
    /// Grows with every change; a commit names the version that it was decided on.
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRecord {
    pub serial: Serial,
    pub principal: PrincipalRecord,
    pub profile: String,
    pub status: CertificateStatus,
    pub generation: u64,
    pub spki: Fingerprint,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
    pub issued_at: UnixTime,
    pub first_used_at: Option<UnixTime>,
    pub revoked_at: Option<UnixTime>,
    pub reason: Option<Reason>,
    pub review: bool,
    pub der: Vec<u8>,
    /// Key identifier of the issuer that signed it.
    pub issuer: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRecord {
    pub id: CredentialId,
    pub kind: TokenKind,
    /// HMAC-SHA-256 of the secret.
    pub hash: [u8; 32],
    pub status: TokenStatus,
    pub batch: Option<String>,
    pub device: DeviceId,
    pub profile: String,
    pub groups: Vec<String>,
    pub dns_names: Vec<DnsName>,
    pub hardware_serial: Option<String>,
    pub spki: Option<Fingerprint>,
    pub cidr: Option<String>,
    pub approval: bool,
    pub replace: bool,
    pub created_at: UnixTime,
    pub created_by: String,
    pub expires_at: UnixTime,
    /// The key that presented a token which needs approval.
    pub claimed_spki: Option<Fingerprint>,
    pub redeemed_at: Option<UnixTime>,
    pub redeemed_serial: Option<Serial>,
}

/// One line of the inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    pub principal: PrincipalRecord,
    pub certificate: Option<CertificateRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    pub sequence: u64,
    pub at: UnixTime,
    pub kind: String,
    pub actor: String,
    pub subject: String,
    pub canonical: String,
    pub leaf_hash: [u8; 32],
}

/// Entries of the log that stand in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSegment {
    pub name: SegmentName,
    /// Hash of the last leaf: the next entry follows it.
    pub last_hash: [u8; 32],
    /// Of the Merkle tree over the whole log up to here.
    pub frontier: Frontier,
    /// Of the file as it lies in the archive.
    pub file_sha256: [u8; 32],
    pub at: UnixTime,
}

impl PrincipalRecord {
    /// One that no store knows yet: preregistered, without names and groups.
    pub fn new(id: DeviceId, kind: PrincipalKind, profile: &str, now: UnixTime) -> PrincipalRecord {
        PrincipalRecord {
            id,
            kind,
            status: PrincipalStatus::Preregistered,
            profile: profile.to_owned(),
            groups: Vec::new(),
            dns_names: Vec::new(),
            addresses: Vec::new(),
            hardware_serial: None,
            created_at: now,
            recoveries: None,
            bundle_seen: None,
            account: None,
            permissions: None,
            version: 0,
        }
    }

    /// `admin:alice`, `device:sensor-1`.
    pub fn name(&self) -> String {
        format!("{}:{}", self.kind.as_str(), self.id)
    }

    /// What it may do by itself.
    pub fn scopes(&self) -> Scopes {
        let by_kind = || match self.kind {
            PrincipalKind::Admin => Permissions::of(&[Role::Owner], Scopes::NONE).scopes(),
            PrincipalKind::Service => [Scope::EventsRead, Scope::AuthzCheck].into_iter().collect(),
            PrincipalKind::Device | PrincipalKind::Server => Scopes::NONE,
        };
        self.permissions.as_ref().map_or_else(by_kind, Permissions::scopes)
    }
}

impl CertificateRecord {
    /// Its holder, by this certificate.
    pub fn actor(&self) -> Actor {
        Actor::with(self.principal.name(), format!("certificate:{}", self.serial))
    }

    /// Whether its holder may be given it again: it is live, and its bytes have not been taken away by the retention.
    pub fn can_be_repeated(&self) -> bool {
        self.status_is_live() && !self.der.is_empty()
    }

    /// Neither revoked nor superseded.
    pub fn status_is_live(&self) -> bool {
        matches!(self.status, CertificateStatus::Active | CertificateStatus::Pending)
    }
}

/// How many live devices hold a trust bundle; `None` for those that never named one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleHolders {
    pub sequence: Option<u64>,
    pub devices: u64,
}

/// Whether a certificate may be relied on, as far as its issuer is concerned. Its end is in the certificate itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Good,
    Revoked { at: UnixTime, reason: Reason },
}

/// How entries that were read stand to those that were read before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// They follow them.
    #[default]
    News,
    /// They take their place: an earlier entry was replaced.
    Whole,
}

/// What a revocation list has to grow by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationDelta {
    pub entries: Entries,
    pub extent: Extent,
    /// Where the next delta begins.
    pub sequence: u64,
}

/// What the lists of shards have to grow by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardedDelta {
    pub shards: BTreeMap<u16, Entries>,
    /// Shards whose earlier entries were replaced: their lists are made of all that there is.
    pub replaced: BTreeSet<u16>,
    /// Revocations of certificates that name the full list.
    pub unsharded: u64,
    /// Where the next delta begins.
    pub sequence: u64,
}

/// What was noted about the number of shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sharding {
    /// Shards 0 up to this one, exclusive, need a list: some certificate may still name it.
    pub lists: u16,
}

/// The rows of a list that can be read, in order, and those that cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<T> {
    pub items: Vec<T>,
    pub damaged: Vec<Damaged>,
}

impl<T> FromIterator<Result<T, Damaged>> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = Result<T, Damaged>>>(rows: I) -> Listed<T> {
        let mut listed = Listed { items: Vec::new(), damaged: Vec::new() };
        for row in rows {
            match row {
                Ok(item) => listed.items.push(item),
                Err(damaged) => listed.damaged.push(damaged),
            }
        }
        listed
    }
}

/// Since the store was opened. Requests beyond commits shared a transaction with another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounters {
    pub commits: u64,
    pub requests: u64,
    /// Another number after every write that may have revoked something, before that write is answered. Whoever read this
    /// first and a [`Standing`] then may believe it until the number changes.
    pub revision: u64,
}
