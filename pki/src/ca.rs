//! CA certificates: the self-signed root, the issuers below it, and the request that travels between the two hosts.

use rcgen::{BasicConstraints, CrlDistributionPoint, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints};
use thiserror::Error;

use crate::chain::{self, ChainError};
use crate::csr::CheckedCsr;
use crate::encode::{IssuerFacts, authority_info_access, base_params, common_name, name_der, tbs};
use crate::issue::{IssueError, Locations, sign_tbs};
use crate::key::PublicKey;
use crate::lint::{self, Below, CaExpectation};
use crate::name::{DnsName, is_printable};
use crate::serial::Serial;
use crate::signer::{self, Signer};
use crate::time::UnixTime;
use crate::view::{CertificateView, ViewError};

/// A CA certificate that was parsed, may sign certificates and CRLs, and whose name we can write byte for byte.
#[derive(Debug, Clone)]
pub struct IssuerCert {
    view: CertificateView,
    key_identifier: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IssuerError {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error("{0} is not a certification authority that may sign certificates and CRLs")]
    NotCa(String),
    #[error("{0} has no subject key identifier")]
    NoKeyId(String),
    #[error("{0} has a name of another shape than CN with an optional O, which cannot be written back exactly")]
    Name(String),
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl IssuerCert {
    pub fn from_der(bytes: &[u8]) -> Result<IssuerCert, IssuerError> {
        let view = CertificateView::parse(bytes)?;
        let who = view.subject_text.clone();
        if !view.is_ca || !view.key_cert_sign || !view.crl_sign {
            return Err(IssuerError::NotCa(who));
        }
        if let Some(extension) = view.unknown_critical.first() {
            return Err(ChainError::Critical { name: who, extension: extension.clone() }.into());
        }
        let key_identifier = view.subject_key_id.clone().ok_or(IssuerError::NoKeyId(who.clone()))?;
        let issuer = IssuerCert { view, key_identifier };
        let rewritten = name_der(&issuer.name()).map_err(|_| IssuerError::Name(who.clone()))?;
        if rewritten != issuer.view.subject {
            return Err(IssuerError::Name(who));
        }
        Ok(issuer)
    }

    /// Also checks the chain `[self, root]` at a time.
    pub fn below(bytes: &[u8], root: &IssuerCert, at: UnixTime) -> Result<IssuerCert, IssuerError> {
        let issuer = IssuerCert::from_der(bytes)?;
        chain::verify(&[issuer.view.clone(), root.view.clone()], Some(at))?;
        Ok(issuer)
    }

    pub fn view(&self) -> &CertificateView {
        &self.view
    }

    pub fn der(&self) -> &[u8] {
        &self.view.der
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.view.public_key
    }

    /// The subject, DER.
    pub fn subject(&self) -> &[u8] {
        &self.view.subject
    }

    pub fn not_after(&self) -> UnixTime {
        self.view.not_after
    }

    pub fn key_identifier(&self) -> &[u8] {
        &self.key_identifier
    }

    /// A short stable name for files and URLs: the first eight octets of the key identifier in hex.
    pub fn short_id(&self) -> String {
        self.key_identifier.iter().take(8).map(|b| format!("{b:02x}")).collect()
    }

    pub(crate) fn facts(&self) -> IssuerFacts<'_> {
        IssuerFacts { name: self.name(), key: self.public_key(), key_identifier: self.key_identifier.clone() }
    }

    fn name(&self) -> rcgen::DistinguishedName {
        common_name(self.view.common_name.as_deref().unwrap_or_default(), self.view.organization.as_deref())
    }
}

/// A name for a CA: CN and optional O, each of 1 to 64 printable characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaName {
    common_name: String,
    organization: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a CA's name and organisation have 1 to 64 printable characters each")]
pub struct CaNameError;

impl CaName {
    pub fn new(common_name: &str, organization: Option<&str>) -> Result<CaName, CaNameError> {
        // RFC 5280 appendix A: ub-common-name and ub-organization-name are 64.
        let good = |t: &str| (1..=64).contains(&t.chars().count()) && t.chars().all(is_printable);
        if !good(common_name) || !organization.is_none_or(good) {
            return Err(CaNameError);
        }
        Ok(CaName { common_name: common_name.to_owned(), organization: organization.map(str::to_owned) })
    }

    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    fn to_rcgen(&self) -> rcgen::DistinguishedName {
        common_name(&self.common_name, self.organization.as_deref())
    }
}

/// A self-signed root over the signer's own key.
pub fn self_signed(
    signer: &dyn Signer,
    name: &CaName,
    validity: (UnixTime, UnixTime),
    random: [u8; 20],
) -> Result<IssuerCert, IssueError> {
    let key = signer.public_key();
    let scheme = signer::scheme(key)?;
    let serial = Serial::from_random(random);
    let locations = Locations::default();
    let expected = CaExpectation {
        root: None,
        below: Below::Anything,
        name,
        key,
        serial: &serial,
        validity,
        locations: &locations,
        permitted_dns: &[],
    };
    let facts = IssuerFacts { name: name.to_rcgen(), key, key_identifier: key.key_identifier().to_vec() };
    let bytes = tbs(&ca_params(&expected), key, facts).map_err(IssueError::Encoding)?;
    lint::ca(&bytes, &expected)?;
    let der = crate::encode::assemble(&bytes, scheme, &signer.sign(&bytes)?);
    let root = IssuerCert::from_der(&der).map_err(|e| IssueError::Encoding(e.to_string()))?;
    chain::issued_by(&root.view, &root.view).map_err(|_| IssueError::BadSignature)?;
    Ok(root)
}

/// What the root will certify for an issuer: extensions are decided here, never by the request.
#[derive(Debug)]
pub struct IssuerPlan {
    pub request: CheckedCsr,
    pub name: CaName,
    pub validity: (UnixTime, UnixTime),
    /// Where the root's own CRL and certificate are published.
    pub locations: Locations,
    /// DNS name constraints; empty for none. Never URI constraints: webpki rejects SPIFFE leaves under them.
    pub permitted_dns: Vec<DnsName>,
}

/// Certifies an issuer with path length 0. Its end is cut to the root's.
pub fn certify_issuer(
    root: &IssuerCert,
    signer: &dyn Signer,
    plan: IssuerPlan,
    random: [u8; 20],
) -> Result<IssuerCert, IssueError> {
    let IssuerPlan { request, name, validity: (from, to), locations, permitted_dns } = plan;
    let validity = (from, to.min(root.not_after()));
    if validity.1 <= validity.0 {
        return Err(IssueError::IssuerEnds(root.not_after()));
    }
    locations.check()?;
    let key = request.into_public_key();
    let expected = CaExpectation {
        root: Some(root),
        below: Below::Leaves,
        name: &name,
        key: &key,
        serial: &Serial::from_random(random),
        validity,
        locations: &locations,
        permitted_dns: &permitted_dns,
    };
    issue(root, signer, &expected)
}

/// Certifies another root by this one, so that verifiers which know this one alone accept chains of the other: its name
/// and its key, issued here (a cross certificate, RFC 5280 3.2). Its end is cut to that of both roots.
pub fn certify_cross(
    root: &IssuerCert,
    signer: &dyn Signer,
    other: &IssuerCert,
    (from, to): (UnixTime, UnixTime),
    locations: &Locations,
    random: [u8; 20],
) -> Result<IssuerCert, IssueError> {
    // Its own signature is the proof that it has its key.
    chain::verify(std::slice::from_ref(&other.view), None).map_err(|e| IssueError::Encoding(e.to_string()))?;
    let validity = (from.max(other.view.not_before), to.min(other.not_after()).min(root.not_after()));
    if validity.1 <= validity.0 {
        return Err(IssueError::IssuerEnds(root.not_after().min(other.not_after())));
    }
    locations.check()?;
    let encoding = |e: CaNameError| IssueError::Encoding(e.to_string());
    let view = &other.view;
    let name = CaName::new(view.common_name.as_deref().unwrap_or_default(), view.organization.as_deref());
    let expected = CaExpectation {
        root: Some(root),
        below: Below::Issuers,
        name: &name.map_err(encoding)?,
        key: other.public_key(),
        serial: &Serial::from_random(random),
        validity,
        locations,
        permitted_dns: &[],
    };
    let cross = issue(root, signer, &expected)?;
    // Chains are built by name and key identifier: one that does not join is of no use.
    if cross.subject() != other.subject() || cross.key_identifier() != other.key_identifier() {
        return Err(IssueError::Encoding(
            "the root's name or key identifier cannot be written as it stands there".into(),
        ));
    }
    Ok(cross)
}

fn issue(root: &IssuerCert, signer: &dyn Signer, expected: &CaExpectation<'_>) -> Result<IssuerCert, IssueError> {
    let bytes = tbs(&ca_params(expected), expected.key, root.facts()).map_err(IssueError::Encoding)?;
    lint::ca(&bytes, expected)?;
    let der = sign_tbs(&bytes, signer::scheme(root.public_key())?, root, signer)?;
    IssuerCert::from_der(&der).map_err(|e| IssueError::Encoding(e.to_string()))
}

fn ca_params(plan: &CaExpectation<'_>) -> rcgen::CertificateParams {
    let mut params = base_params(plan.serial, plan.name.to_rcgen(), plan.validity, plan.key.key_identifier());
    params.is_ca = IsCa::Ca(match plan.below {
        Below::Anything => BasicConstraints::Unconstrained,
        Below::Issuers => BasicConstraints::Constrained(1),
        Below::Leaves => BasicConstraints::Constrained(0),
    });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let Locations { crl, ca_issuers, ocsp } = plan.locations;
    if !crl.is_empty() {
        params.crl_distribution_points = vec![CrlDistributionPoint { uris: crl.clone() }];
    }
    params.custom_extensions.extend(authority_info_access(ca_issuers, ocsp));
    if !plan.permitted_dns.is_empty() {
        let subtree = |dns: &DnsName| GeneralSubtree::DnsName(dns.as_str().to_owned());
        let permitted_subtrees = plan.permitted_dns.iter().map(subtree).collect();
        params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    }
    params
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
