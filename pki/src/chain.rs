//! Path checks for the chains that Signet makes: leaf, issuer, root (RFC 5280 6, the part that such chains need).

use thiserror::Error;

use crate::time::UnixTime;
use crate::view::CertificateView;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ChainError {
    #[error("{child} was not issued by {parent}: the names differ")]
    Name { child: String, parent: String },
    #[error("{child} was not signed by the key of {parent}")]
    Signature { child: String, parent: String },
    #[error("{0} is not a certification authority")]
    NotCa(String),
    #[error("the path below {0} is longer than its certificate allows")]
    PathTooLong(String),
    #[error("{name} is valid from {from} to {to} only")]
    Validity { name: String, from: UnixTime, to: UnixTime },
    #[error("{name} has the critical extension {extension}, which is not understood here")]
    Critical { name: String, extension: String },
    #[error("{name} may not carry the DNS name {dns}: {constrained_by} does not permit it")]
    NotPermitted { name: String, dns: String, constrained_by: String },
    #[error("{0} is not self-signed, so it is no root")]
    NotRoot(String),
}

/// Whether `parent` issued `child`: name, CA bit, keyCertSign, signature.
pub fn issued_by(child: &CertificateView, parent: &CertificateView) -> Result<(), ChainError> {
    let names = || (child.subject_text.clone(), parent.subject_text.clone());
    if child.issuer != parent.subject {
        let (child, parent) = names();
        return Err(ChainError::Name { child, parent });
    }
    if !parent.is_ca || !parent.key_cert_sign {
        return Err(ChainError::NotCa(parent.subject_text.clone()));
    }
    if !child.verify(&parent.public_key) {
        let (child, parent) = names();
        return Err(ChainError::Signature { child, parent });
    }
    Ok(())
}

/// Checks `[leaf, issuer, …, root]` at a time. `at` is `None` for a first contact whose clock cannot be trusted.
pub fn verify(chain: &[CertificateView], at: Option<UnixTime>) -> Result<(), ChainError> {
    for (depth, cert) in chain.iter().enumerate() {
        if at.is_some_and(|at| !cert.is_valid_at(at)) {
            let name = cert.subject_text.clone();
            return Err(ChainError::Validity { name, from: cert.not_before, to: cert.not_after });
        }
        // Intermediates below this one: all but the leaf.
        let below = depth.saturating_sub(1);
        if cert.path_len.is_some_and(|limit| depth > 0 && below > limit as usize) {
            return Err(ChainError::PathTooLong(cert.subject_text.clone()));
        }
        if let Some(extension) = cert.unknown_critical.first() {
            return Err(ChainError::Critical { name: cert.subject_text.clone(), extension: extension.clone() });
        }
        names_permitted(&chain[..depth], cert)?;
    }
    for pair in chain.windows(2) {
        issued_by(&pair[0], &pair[1])?;
    }
    match chain.last() {
        Some(root) if root.is_self_issued() && issued_by(root, root).is_ok() => Ok(()),
        Some(last) => Err(ChainError::NotRoot(last.subject_text.clone())),
        None => Err(ChainError::NotRoot("an empty chain".into())),
    }
}

/// DNS name constraints of `parent` over everything below it (RFC 5280 4.2.1.10): the name itself and names under it.
fn names_permitted(below: &[CertificateView], parent: &CertificateView) -> Result<(), ChainError> {
    let Some(permitted) = &parent.permitted_dns else { return Ok(()) };
    let within = |dns: &str| {
        let dns = dns.to_ascii_lowercase();
        permitted.iter().any(|base| {
            let head = dns.strip_suffix(base.to_ascii_lowercase().as_str());
            head.is_some_and(|head| head.is_empty() || head.ends_with('.') || base.is_empty())
        })
    };
    let all = below.iter().flat_map(|cert| cert.dns_names.iter().map(move |dns| (cert, dns)));
    match all.into_iter().find(|(_, dns)| !within(dns)) {
        None => Ok(()),
        Some((cert, dns)) => Err(ChainError::NotPermitted {
            name: cert.subject_text.clone(),
            dns: dns.clone(),
            constrained_by: parent.subject_text.clone(),
        }),
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
