//! Why somebody was denied, before any policy was asked. The codes are stable.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $name,)* }

        impl Reason {
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The question names nobody.
    SubjectMissing = "subject.missing",
    SubjectMalformed = "subject.malformed",
    /// The names that were given are those of different ones.
    SubjectMismatch = "subject.mismatch",
    SubjectUnknown = "subject.unknown",
    /// The service's own certificates ask for nothing.
    SubjectKind = "subject.kind",
    StatusPreregistered = "status.preregistered",
    StatusPending = "status.pending",
    StatusSuspended = "status.suspended",
    StatusRevoked = "status.revoked",
    StatusRetired = "status.retired",
    /// The account that owns it has ended.
    AccountRevoked = "account.revoked",
    AccountSuspended = "account.suspended",
    CertificateMalformed = "certificate.malformed",
    /// The proxy could not verify it.
    CertificateUnverified = "certificate.unverified",
    /// Nothing here ever handed it out.
    CertificateUnknown = "certificate.unknown",
    CertificateRevoked = "certificate.revoked",
    CertificateSuperseded = "certificate.superseded",
    CertificateExpired = "certificate.expired",
    /// The principal has none that is good now.
    CertificateNone = "certificate.none",
    IssuerDistrusted = "issuer.distrusted",
    /// The path has another meaning for a reader that folds it.
    ResourceAmbiguous = "resource.ambiguous",
    ResourceUnknown = "resource.unknown",
    /// There is no policy, or no rule of it allows this.
    NotPermitted = "not_permitted",
    /// All that a service hears about an id of which it has shown no certificate.
    Denied = "denied",
    /// An allow without a look at anything: the store cannot be read, and the service is registered to go on then.
    Degraded = "degraded.fail_open",
}
