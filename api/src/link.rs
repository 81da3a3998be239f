//! The enrollment link: `https://ca.example:8443/e#t=<token>&fp=<root SHA-256>`. The secret stands in the fragment, which
//! no client sends to a server.

use std::fmt;

use signet_pki::Fingerprint;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::credential::{Credential, CredentialError, CredentialKind};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentLink {
    /// `https://host[:port]`.
    pub server: String,
    pub token: Credential,
    pub root: Fingerprint,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    #[error("an enrollment link looks like https://ca.example:8443/e#t=TOKEN&fp=FINGERPRINT")]
    Format,
    #[error("the token in the link: {0}")]
    Token(#[from] CredentialError),
    #[error("the root fingerprint in the link is not 64 hexadecimal digits")]
    Fingerprint,
}

impl EnrollmentLink {
    pub fn parse(text: &str) -> Result<EnrollmentLink, LinkError> {
        let (address, fragment) = text.trim().split_once('#').ok_or(LinkError::Format)?;
        let server = address.strip_suffix("/e").ok_or(LinkError::Format)?;
        let host = server.strip_prefix("https://").ok_or(LinkError::Format)?;
        if host.is_empty() || host.contains(['/', '@', '?', ' ']) {
            return Err(LinkError::Format);
        }
        let (mut token, mut root) = (None, None);
        for pair in fragment.split('&') {
            match pair.split_once('=') {
                Some(("t", value)) if token.is_none() => {
                    token = Some(Credential::parse(CredentialKind::Enrollment, value)?);
                }
                Some(("fp", value)) if root.is_none() => {
                    root = Some(Fingerprint::parse(value).ok_or(LinkError::Fingerprint)?);
                }
                _ => return Err(LinkError::Format),
            }
        }
        match (token, root) {
            (Some(token), Some(root)) => Ok(EnrollmentLink { server: server.to_owned(), token, root }),
            _ => Err(LinkError::Format),
        }
    }

    /// The link with its secret.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{}/e#t={}&fp={}", self.server, *self.token.expose(), self.root))
    }
}

impl fmt::Display for EnrollmentLink {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/e#t={:?}&fp={}", self.server, self.token, self.root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> EnrollmentLink {
        EnrollmentLink {
            server: "https://ca.example:8443".into(),
            token: Credential::from_random(CredentialKind::Enrollment, &[9; 24]),
            root: Fingerprint([3; 32]),
        }
    }

    #[test]
    fn a_link_survives_its_text() {
        assert_eq!(EnrollmentLink::parse(&link().expose()), Ok(link()));
    }

    #[test]
    fn links_without_pin_https_or_with_extras_are_refused() {
        let whole = link().expose();
        let no_pin = whole.split("&fp").next().unwrap().to_owned();
        for bad in [no_pin, whole.replace("https", "http"), format!("{}&x=1", *whole), whole.replace("/e#", "/x#")] {
            assert!(EnrollmentLink::parse(&bad).is_err(), "{bad}");
        }
        assert!(matches!(EnrollmentLink::parse(&format!("{}0", *whole)), Err(LinkError::Fingerprint)));
    }
}
