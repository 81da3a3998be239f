//! Why an answer is not put into the place of what is held.

use signet_pki::UnixTime;
use signet_pki::pem::PemError;
use thiserror::Error;

/// One sentence each, in the words "the CRL …"; nothing was written when one of these is returned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the answer has more than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
    #[error("one cannot be read: {0}")]
    Damaged(PemError),
    #[error("there is none: what was sent holds no X509 CRL")]
    NoList,
    #[error("one cannot be read: {0}")]
    Unreadable(String),
    #[error("one is not signed by a CA of the bundle")]
    Foreign,
    #[error("the one of {name} is not signed by a CA of the bundle: its signature does not verify")]
    Signature { name: String },
    #[error("there are two of {name}")]
    Twice { name: String },
    #[error("the one of {name} ended on {at}")]
    Ended { name: String, at: UnixTime },
    #[error("the one of {name} is from the future ({at})")]
    FromFuture { name: String, at: UnixTime },
    #[error("the CRL of {name} is missing from the service's answer")]
    Missing { name: String },
    #[error("the CRL of {name} has number {offered}, the file has {held} already")]
    Lower { name: String, offered: u64, held: u64 },
    #[error("the CRL of {name} is of {offered}, the file's is of {held}")]
    Older { name: String, offered: UnixTime, held: UnixTime },
    #[error("there are two different CRLs of {name} with number {number}")]
    SameNumber { name: String, number: u64 },
    #[error("the file holds no CRL and is not overwritten")]
    NotLists,
    #[error("the CRLs in the file cannot be read and are not overwritten: {0}")]
    HeldUnreadable(PemError),
    #[error("the file holds something else than certificates and is not overwritten")]
    NotCertificates,
    #[error("{0}")]
    BundleUnreadable(String),
    #[error("{0} certificates")]
    BundleTooMany(usize),
    #[error("{name} does not stand below a trusted root")]
    BundleStranger { name: String },
    #[error("{name} is missing from it, and nothing says that this CA is over")]
    BundleShrunk { name: String },
    #[error("the server publishes none there")]
    BundleAbsent,
}

impl Refusal {
    /// Stable, for scripts and alarms.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::TooLarge { .. } => "too_large",
            Refusal::Damaged(_) => "damaged",
            Refusal::NoList => "no_list",
            Refusal::Unreadable(_) => "unreadable",
            Refusal::Foreign => "foreign_list",
            Refusal::Signature { .. } => "wrong_signature",
            Refusal::Twice { .. } => "two_lists",
            Refusal::Ended { .. } => "ended",
            Refusal::FromFuture { .. } => "from_future",
            Refusal::Missing { .. } => "list_missing",
            Refusal::Lower { .. } => "number_went_back",
            Refusal::Older { .. } => "date_went_back",
            Refusal::SameNumber { .. } => "number_used_twice",
            Refusal::NotLists | Refusal::HeldUnreadable(_) | Refusal::NotCertificates => "file_not_ours",
            Refusal::BundleUnreadable(_) => "bundle_unreadable",
            Refusal::BundleTooMany(_) => "bundle_too_large",
            Refusal::BundleStranger { .. } => "bundle_untrusted",
            Refusal::BundleShrunk { .. } => "bundle_shrunk",
            Refusal::BundleAbsent => "bundle_absent",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Refusal::TooLarge { .. } | Refusal::Damaged(_) | Refusal::NoList | Refusal::Unreadable(_) => {
                "is that the address of the service? look at what it sends: curl -v URL/crl/all.pem"
            }
            Refusal::Foreign | Refusal::Signature { .. } | Refusal::Twice { .. } | Refusal::Missing { .. } => {
                "nothing was written; compare with what the service publishes: ca crl show"
            }
            Refusal::Ended { .. } => {
                "the service, or whoever has the root key, has to make a new one; look with: ca crl show"
            }
            Refusal::FromFuture { .. } => "check this machine's clock, then the service's: ca doctor",
            Refusal::Lower { .. } | Refusal::Older { .. } | Refusal::SameNumber { .. } => {
                "nothing was written; somebody may be replaying an old CRL: compare it with 'ca crl show'"
            }
            Refusal::NotLists | Refusal::HeldUnreadable(_) | Refusal::NotCertificates => {
                "choose another name, or move it away first"
            }
            Refusal::BundleUnreadable(_) | Refusal::BundleTooMany(_) | Refusal::BundleStranger { .. } => {
                "compare the pinned roots with the root on the issuing host: ca root show"
            }
            Refusal::BundleShrunk { .. } => {
                "take the bundle over TLS once, with the https address of the service: ca crl-sync --server https://…"
            }
            Refusal::BundleAbsent => "use the https address of the service: ca crl-sync --server https://…",
        }
    }

    /// Whether it is about the CA certificates and not about the lists.
    pub fn is_about_bundle(&self) -> bool {
        self.code().starts_with("bundle_")
    }
}
