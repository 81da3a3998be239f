//! What a credential or a principal may do: scopes, and the roles that stand for sets of them.

use std::fmt;
use std::ops::BitAnd;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use signet_pki::DeviceId;
use thiserror::Error;

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// One right (RFC 6749 3.3). Texts are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope { $($(#[$doc])* $name,)* }

        impl Scope {
            pub const ALL: &[Scope] = &[$(Scope::$name,)*];

            pub fn as_str(self) -> &'static str {
                match self { $(Scope::$name => $text,)* }
            }
        }
    };
}

scopes! {
    /// The inventory, certificates and how issuance stands.
    DevicesRead = "devices:read";
    /// Groups, profile, suspension, retirement, recoveries of devices and services.
    DevicesWrite = "devices:write";
    /// Enrollments that wait.
    EnrollmentsApprove = "enrollments:approve";
    TokensRead = "tokens:read";
    /// Enrollment tokens: making and revoking them.
    TokensWrite = "tokens:write";
    /// A certificate without a token.
    CertificatesIssue = "certificates:issue";
    RevocationsWrite = "revocations:write";
    /// The log, and why a request was refused.
    AuditRead = "audit:read";
    IssuersRead = "issuers:read";
    IssuersWrite = "issuers:write";
    PolicyRead = "policy:read";
    PolicyWrite = "policy:write";
    AccountsRead = "accounts:read";
    /// Accounts, API keys, and what administrators may do.
    AccountsWrite = "accounts:write";
    WebhooksRead = "webhooks:read";
    WebhooksWrite = "webhooks:write";
    ServicesRead = "services:read";
    ServicesWrite = "services:write";
    /// What verifiers are told: which devices and certificates ended.
    EventsRead = "events:read";
    /// The same with who did it, and alarms.
    EventsSecurity = "events:security";
    /// Asking whether a device may do something.
    AuthzCheck = "authz:check";
    /// RFC 7662, about other people's tokens.
    TokensIntrospect = "tokens:introspect";
    /// The second signature under what needs two.
    RequestsApprove = "requests:approve";
}

/// A set of scopes; its text has them in order with a space between (RFC 6749 3.3).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scopes(u64);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScopeError {
    #[error("there is no scope {0:?}")]
    Scope(String),
    #[error("there is no role {0:?}; there are owner, issuer, revoker, auditor and clerk")]
    Role(String),
    #[error("a list of scopes has at most {MOST} characters")]
    Long,
}

/// All scopes with their separators fit several times.
const MOST: usize = 2048;

impl Scopes {
    pub const NONE: Scopes = Scopes(0);

    pub fn all() -> Scopes {
        Scope::ALL.iter().copied().collect()
    }

    pub fn contains(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    pub fn contains_all(self, others: Scopes) -> bool {
        self.0 & others.0 == others.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn with(self, others: Scopes) -> Scopes {
        Scopes(self.0 | others.0)
    }

    /// Those that are not in `others`.
    pub fn beyond(self, others: Scopes) -> Scopes {
        Scopes(self.0 & !others.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.contains(*scope))
    }
}

/// What both allow.
impl BitAnd for Scopes {
    type Output = Scopes;

    fn bitand(self, other: Scopes) -> Scopes {
        Scopes(self.0 & other.0)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Scopes {
        Scopes(scopes.into_iter().fold(0, |set, scope| set | bit(scope)))
    }
}

impl FromStr for Scopes {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Scopes, ScopeError> {
        words(text)?.map(|word| scope(word).ok_or_else(|| ScopeError::Scope(word.to_owned()))).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&texts.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl TryFrom<String> for Scopes {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Scopes, ScopeError> {
        text.parse()
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> String {
        scopes.to_string()
    }
}

/// What people are, as a name for a set of scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Everything.
    Owner,
    /// Issuers, tokens, certificates by hand.
    Issuer,
    /// Takes devices away.
    Revoker,
    /// Reads everything and changes nothing.
    Auditor,
    /// Hands out enrollment tokens and lets devices in.
    Clerk,
}

impl Role {
    pub const ALL: [Role; 5] = [Role::Owner, Role::Issuer, Role::Revoker, Role::Auditor, Role::Clerk];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Issuer => "issuer",
            Role::Revoker => "revoker",
            Role::Auditor => "auditor",
            Role::Clerk => "clerk",
        }
    }

    pub fn scopes(self) -> Scopes {
        use Scope::*;
        let few: &[Scope] = match self {
            Role::Owner => return Scopes::all(),
            Role::Issuer => &[
                DevicesRead,
                DevicesWrite,
                EnrollmentsApprove,
                TokensRead,
                TokensWrite,
                CertificatesIssue,
                IssuersRead,
                IssuersWrite,
                ServicesRead,
                ServicesWrite,
                EventsRead,
            ],
            Role::Revoker => &[DevicesRead, TokensRead, RevocationsWrite, EventsRead, EventsSecurity],
            Role::Auditor => &[
                DevicesRead,
                TokensRead,
                AuditRead,
                IssuersRead,
                PolicyRead,
                AccountsRead,
                WebhooksRead,
                ServicesRead,
                EventsRead,
                EventsSecurity,
            ],
            Role::Clerk => &[DevicesRead, EnrollmentsApprove, TokensRead, TokensWrite],
        };
        few.iter().copied().collect()
    }
}

/// What a principal was given: roles and single scopes. Its text is theirs, roles as `role:auditor`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permissions {
    roles: Vec<Role>,
    scopes: Scopes,
}

impl Permissions {
    pub fn of(roles: &[Role], scopes: Scopes) -> Permissions {
        let mut roles = roles.to_vec();
        roles.sort();
        roles.dedup();
        Permissions { roles, scopes }
    }

    /// All of them, roles spelled out.
    pub fn scopes(&self) -> Scopes {
        self.roles.iter().fold(self.scopes, |set, role| set.with(role.scopes()))
    }

    pub fn roles(&self) -> &[Role] {
        &self.roles
    }
}

impl FromStr for Permissions {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Permissions, ScopeError> {
        let (mut roles, mut scopes) = (Vec::new(), Scopes::NONE);
        for word in words(text)? {
            match word.strip_prefix("role:") {
                Some(name) => {
                    let role = Role::ALL.into_iter().find(|role| role.as_str() == name);
                    roles.push(role.ok_or_else(|| ScopeError::Role(name.to_owned()))?);
                }
                None => scopes = scopes.with(word.parse()?),
            }
        }
        Ok(Permissions::of(&roles, scopes))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roles = self.roles.iter().map(|role| format!("role:{}", role.as_str()));
        let scopes = self.scopes.iter().map(|scope| scope.as_str().to_owned());
        f.write_str(&roles.chain(scopes).collect::<Vec<_>>().join(" "))
    }
}

impl TryFrom<String> for Permissions {
    type Error = ScopeError;

    fn try_from(text: String) -> Result<Permissions, ScopeError> {
        text.parse()
    }
}

impl From<Permissions> for String {
    fn from(permissions: Permissions) -> String {
        permissions.to_string()
    }
}

/// Names an account: like a device's id, 1 to 63 of `a-z`, `0-9` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountId(DeviceId);

impl AccountId {
    pub fn parse(text: &str) -> Result<AccountId, signet_pki::name::NameError> {
        DeviceId::parse(text).map(AccountId)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<String> for AccountId {
    type Error = signet_pki::name::NameError;

    fn try_from(text: String) -> Result<AccountId, Self::Error> {
        AccountId::parse(&text)
    }
}

impl From<AccountId> for String {
    fn from(id: AccountId) -> String {
        id.as_str().to_owned()
    }
}

fn bit(scope: Scope) -> u64 {
    1 << scope as u64
}

fn scope(text: &str) -> Option<Scope> {
    Scope::ALL.iter().copied().find(|scope| scope.as_str() == text)
}

fn words(text: &str) -> Result<impl Iterator<Item = &str>, ScopeError> {
    if text.len() > MOST { Err(ScopeError::Long) } else { Ok(text.split(' ').filter(|word| !word.is_empty())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_survives_its_text() {
        for scope in Scope::ALL {
            let one: Scopes = [*scope].into_iter().collect();
            assert_eq!(one.to_string().parse::<Scopes>(), Ok(one));
            assert!(Scopes::all().contains(*scope) && !Scopes::NONE.contains(*scope));
        }
        assert_eq!(Scopes::all().to_string().parse(), Ok(Scopes::all()));
        assert_eq!("".parse(), Ok(Scopes::NONE));
        assert_eq!(" events:read  devices:read".parse::<Scopes>().unwrap().to_string(), "devices:read events:read");
        let given: Permissions = "tokens:read role:auditor role:auditor role:clerk".parse().unwrap();
        assert_eq!(given.to_string(), "role:auditor role:clerk tokens:read");
        assert!(given.scopes().contains(Scope::TokensWrite) && given.scopes().contains(Scope::AuditRead));
    }

    #[test]
    fn what_is_no_scope_is_named() {
        assert_eq!("devices:read root".parse::<Scopes>(), Err(ScopeError::Scope("root".into())));
        assert_eq!("role:king".parse::<Permissions>(), Err(ScopeError::Role("king".into())));
        assert_eq!("a ".repeat(2000).parse::<Scopes>(), Err(ScopeError::Long));
        assert!(AccountId::parse("Not An Id").is_err());
    }

    #[test]
    fn only_the_owner_has_everything_and_the_auditor_changes_nothing() {
        let writes = [Scope::DevicesWrite, Scope::TokensWrite, Scope::RevocationsWrite, Scope::AccountsWrite];
        for role in Role::ALL {
            assert_eq!(role.scopes() == Scopes::all(), role == Role::Owner);
            assert!(role == Role::Owner || !role.scopes().contains(Scope::AccountsWrite), "{role:?}");
        }
        assert!(writes.iter().all(|scope| !Role::Auditor.scopes().contains(*scope)));
        let rest = Role::Owner.scopes().beyond(Role::Auditor.scopes());
        assert!(rest.contains(Scope::AccountsWrite) && !rest.contains(Scope::AuditRead));
        assert_eq!(rest & Role::Auditor.scopes(), Scopes::NONE);
    }
}
