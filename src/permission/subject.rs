//! Who is meant by a question: names of a certificate or of a principal, and the record that all of them fit.

use signet_api::authz::SubjectName;
use signet_api::xfcc;
use signet_pki::name::{PrincipalKind, SpiffeId};
use signet_pki::pem;
use signet_pki::view::CertificateView;
use signet_pki::{DeviceId, Fingerprint, Serial, TrustDomain, UnixTime};

use super::reason::Reason;
use crate::store::CertificateRecord;

/// Names that were read; what they name is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub(super) by: By,
    /// A fingerprint that does not stand alone.
    fingerprint: Option<Fingerprint>,
    issuer: Option<String>,
    certificate: Option<Shown>,
    principal: Option<(Option<PrincipalKind>, DeviceId)>,
}

/// What the record is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    Serial(Serial),
    Fingerprint(Fingerprint),
    Id(DeviceId),
}

/// A whole certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    spki: Fingerprint,
    /// The issuer's name, DER.
    issuer: Vec<u8>,
    not_after: UnixTime,
    /// Of its SPIFFE name, when it has one of ours.
    id: Option<DeviceId>,
}

impl Named {
    /// # Errors
    /// With [`Reason::SubjectMissing`] when nothing is named, and the reason for a denial when something is named wrongly.
    pub fn parse(name: &SubjectName, domain: &TrustDomain) -> Result<Named, Reason> {
        let malformed = |_| Reason::SubjectMalformed;
        let view = name.certificate.as_deref().map(view).transpose()?;
        let shown = view.as_ref().map(|view| view.serial.clone());
        let serial = name.serial.as_deref().map(Serial::parse).transpose().map_err(malformed)?;
        let fingerprint = name.fingerprint.as_deref().map(fingerprint).transpose()?;
        let issuer = name.issuer.as_deref().map(issuer).transpose()?;
        let spiffe = name.spiffe.as_deref().map(|uri| spiffe_id(uri, domain)).transpose()?;
        let device = name.device.as_deref().map(DeviceId::parse).transpose().map_err(|_| Reason::SubjectMalformed)?;
        if let (Some(view), Some(fingerprint)) = (&view, &fingerprint)
            && view.fingerprint() != *fingerprint
        {
            return Err(Reason::SubjectMismatch);
        }
        let principal =
            both(spiffe.map(|(kind, id)| (Some(kind), id)), device.map(|id| (None, id)), |a, b| a.1 == b.1)?;
        let serial = both(shown, serial, |a, b| a == b)?;
        let by = match (serial, &fingerprint, &principal) {
            (Some(serial), _, _) => By::Serial(serial),
            (None, Some(fingerprint), _) => By::Fingerprint(*fingerprint),
            (None, None, Some((_, id))) => By::Id(id.clone()),
            (None, None, None) => return Err(Reason::SubjectMissing),
        };
        let certificate = view.map(|view| Shown {
            spki: view.public_key.fingerprint(),
            id: view.uris.iter().find_map(|uri| spiffe_id(uri, domain).ok()).map(|(_, id)| id),
            issuer: view.issuer,
            not_after: view.not_after,
        });
        Ok(Named { by, fingerprint, issuer, certificate, principal })
    }

    /// Whether the asker has seen a certificate: nobody guesses its number. Who names an id has shown nothing.
    pub fn shows_certificate(&self) -> bool {
        !matches!(self.by, By::Id(_))
    }

    /// The id that the question itself holds.
    pub fn id(&self) -> Option<&DeviceId> {
        let shown = || self.certificate.as_ref().and_then(|shown| shown.id.as_ref());
        self.principal.as_ref().map(|(_, id)| id).or_else(shown)
    }

    /// Whether the certificate that was shown says itself that it is over.
    pub(super) fn ended(&self, now: UnixTime) -> bool {
        self.certificate.as_ref().is_some_and(|shown| now > shown.not_after)
    }

    /// Whether the record is what all of the names mean. `issuer_name` is its issuer's, DER.
    pub(super) fn fits(&self, record: &CertificateRecord, issuer_name: Option<&[u8]>) -> bool {
        let key_id = || data_encoding::HEXLOWER.encode(&record.issuer);
        let principal = |(kind, id): &(Option<PrincipalKind>, DeviceId)| {
            *id == record.principal.id && kind.is_none_or(|kind| kind == record.principal.kind)
        };
        // The number is ours; if the key or the issuer is not, somebody else signed it with our key, or under another CA.
        let certificate =
            |shown: &Shown| shown.spki == record.spki && issuer_name.is_none_or(|name| name == shown.issuer);
        let fingerprint = |wanted: &Fingerprint| record.der.is_empty() || Fingerprint::of(&record.der) == *wanted;
        self.issuer.as_deref().is_none_or(|start| key_id().starts_with(start))
            && self.principal.as_ref().is_none_or(principal)
            && self.certificate.as_ref().is_none_or(certificate)
            && self.fingerprint.as_ref().is_none_or(fingerprint)
    }
}

/// At most one value out of two that have to agree.
fn both<T>(one: Option<T>, other: Option<T>, agree: impl Fn(&T, &T) -> bool) -> Result<Option<T>, Reason> {
    match (one, other) {
        (Some(a), Some(b)) if !agree(&a, &b) => Err(Reason::SubjectMismatch),
        (one, other) => Ok(one.or(other)),
    }
}

/// The first certificate of the text: a client sends its own before its issuer's.
fn view(text: &str) -> Result<CertificateView, Reason> {
    let malformed = || Reason::CertificateMalformed;
    // A PEM text has spaces in its first line; escaped, it has none.
    let text =
        if text.contains("-----BEGIN ") { text.to_owned() } else { xfcc::unescape(text).ok_or_else(malformed)? };
    let all = pem::certificates(text.as_bytes()).map_err(|_| malformed())?;
    CertificateView::parse(all.first().ok_or_else(malformed)?).map_err(|_| malformed())
}

fn fingerprint(text: &str) -> Result<Fingerprint, Reason> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let octets = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
    octets.and_then(|octets| octets.try_into().ok()).map(Fingerprint).ok_or(Reason::SubjectMalformed)
}

/// 64 bits at least: no two issuers of ours share so many by accident.
fn issuer(text: &str) -> Result<String, Reason> {
    let digits: String = text.chars().filter(|c| *c != ':').map(|c| c.to_ascii_lowercase()).collect();
    let good = (16..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    good.then_some(digits).ok_or(Reason::SubjectMalformed)
}

fn spiffe_id(uri: &str, domain: &TrustDomain) -> Result<(PrincipalKind, DeviceId), Reason> {
    let mut parts = uri.rsplitn(3, '/');
    let id = parts.next().and_then(|text| DeviceId::parse(text).ok()).ok_or(Reason::SubjectMalformed)?;
    let kind = parts.next().and_then(PrincipalKind::parse).ok_or(Reason::SubjectMalformed)?;
    // Somebody of another trust domain is nobody here, whatever the rest says.
    let ours = SpiffeId::new(domain, kind, &id).as_str() == uri;
    ours.then_some((kind, id)).ok_or(Reason::SubjectUnknown)
}

#[cfg(test)]
#[path = "subject_tests.rs"]
mod tests;
