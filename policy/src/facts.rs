//! What a decision is made on: facts that the asker looks up, borrowed from wherever it keeps them.

use std::net::IpAddr;

use signet_pki::UnixTime;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $set:ident { $($(#[$about:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$about])* $variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            pub fn parse(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }

        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub(crate) struct $set(u16);

        impl $set {
            pub(crate) fn of(list: &[$name]) -> $set {
                $set(list.iter().fold(0, |bits, one| bits | 1 << *one as u16))
            }

            pub(crate) fn contains(self, one: $name) -> bool {
                self.0 & 1 << one as u16 != 0
            }
        }
    };
}

words! {
    /// What can ask and be asked about.
    Kind, KindSet {
        Device = "device",
        Service = "service",
        Admin = "admin",
        Account = "account",
    }
}

words! {
    /// Life of a principal, as in its record.
    Status, StatusSet {
        Preregistered = "preregistered",
        Pending = "pending",
        Active = "active",
        Suspended = "suspended",
        Revoked = "revoked",
        Retired = "retired",
    }
}

/// One side of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entity<'a> {
    pub kind: Kind,
    pub id: &'a str,
    pub status: Status,
    pub groups: &'a [String],
    /// The account that owns it.
    pub account: Option<&'a str>,
    /// Of its record.
    pub profile: Option<&'a str>,
    /// The certificate that it shows; of a resource it is not looked at. `None`: not known.
    pub certificate: Option<Certificate<'a>>,
}

impl<'a> Entity<'a> {
    /// An active one of which nothing else is known.
    pub fn new(kind: Kind, id: &'a str) -> Entity<'a> {
        Entity { kind, id, status: Status::Active, groups: &[], account: None, profile: None, certificate: None }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// Neither revoked nor superseded by a newer generation.
    pub newest: bool,
    pub issued_at: UnixTime,
    pub not_after: UnixTime,
    pub profile: Option<&'a str>,
    /// Whether its key is known to sit in hardware. `None`: not known.
    pub hardware_bound: Option<bool>,
}

/// May `principal` do `action` to `resource`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    pub principal: Entity<'a>,
    pub action: &'a str,
    pub resource: Entity<'a>,
    /// What of the resource is meant: the path of a request to it, or the name of something that belongs to it. `None`: all of it.
    pub path: Option<&'a str>,
    pub at: UnixTime,
    /// Where the principal comes from. `None`: not known.
    pub source: Option<IpAddr>,
}
