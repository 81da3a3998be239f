//! The rules for root and issuer certificates.

use x509_parser::certificate::TbsCertificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer;

use super::{Frame, LintError, NameRule, Rule, broken, extensions, frame, only, require};
use crate::ca::{CaName, IssuerCert};
use crate::der::{self, Limits};
use crate::issue::Locations;
use crate::key::PublicKey;
use crate::name::DnsName;
use crate::serial::Serial;
use crate::signer;
use crate::time::UnixTime;

pub(crate) struct CaExpectation<'a> {
    /// The root that signs; none for the root itself.
    pub(crate) root: Option<&'a IssuerCert>,
    pub(crate) name: &'a CaName,
    pub(crate) key: &'a PublicKey,
    pub(crate) serial: &'a Serial,
    pub(crate) validity: (UnixTime, UnixTime),
    pub(crate) locations: &'a Locations,
    pub(crate) permitted_dns: &'a [DnsName],
}

pub(crate) fn ca(bytes: &[u8], plan: &CaExpectation<'_>) -> Result<(), LintError> {
    let CaExpectation { root, name, key, serial, validity, locations, permitted_dns } = *plan;
    let own_id = key.key_identifier();
    let subject = NameRule::Text { organization: name.organization(), common_name: name.common_name() };
    let usable = signer::scheme(key).is_ok();
    require(usable, "keys of this type cannot sign certificates here")?;
    let (issuer, signing_key, signing_key_id) = match root {
        None => (subject, key, own_id.as_slice()),
        Some(root) => {
            below_root(root, subject, key, validity)?;
            (NameRule::Same(root.subject()), root.public_key(), root.key_identifier())
        }
    };
    der::check(bytes, Limits::CERTIFICATE)?;
    let list = frame(bytes, &Frame { issuer, signing_key, subject, key, serial, validity })?;
    let Locations { crl, ocsp, ca_issuers } = locations;
    let wanted = [
        Some(Rule::AuthorityKeyId(signing_key_id)),
        // keyCertSign (5) and cRLSign (6), most significant bit first, one unused bit: 0000 0110.
        Some(Rule::KeyUsage([0x01, 0x06])),
        Some(Rule::SubjectKeyId(own_id)),
        Some(Rule::Authority { path_length: root.map(|_| 0) }),
        (!crl.is_empty()).then_some(Rule::Lists(crl, None)),
        (!ocsp.is_empty() || !ca_issuers.is_empty()).then_some(Rule::Access { ocsp, ca_issuers }),
        (!permitted_dns.is_empty()).then_some(Rule::PermittedDns(permitted_dns)),
    ];
    extensions(list, &wanted)?;
    understood(bytes)
}

/// The plan itself is nonsense when another reader cannot make sense of what follows it.
fn understood(bytes: &[u8]) -> Result<(), LintError> {
    let Ok(([], tbs)) = TbsCertificate::from_der(bytes) else {
        return Err(broken("the bytes are not a certificate"));
    };
    let unclear = tbs.extensions().iter().find(|extension| {
        let parsed = extension.parsed_extension();
        matches!(parsed, ParsedExtension::ParseError { .. } | ParsedExtension::UnsupportedExtension { .. })
    });
    match unclear {
        None => Ok(()),
        Some(extension) => Err(LintError(format!("extension {} cannot be read back", extension.oid))),
    }
}

fn below_root(
    root: &IssuerCert,
    subject: NameRule<'_>,
    key: &PublicKey,
    (_, to): (UnixTime, UnixTime),
) -> Result<(), LintError> {
    require(root.view().path_len != Some(0), "the signing CA may not certify another CA")?;
    // Equal names make the certificate self-issued (RFC 5280 3.2), which path lengths do not count.
    let same = only(root.subject(), 0x30).is_some_and(|name| subject.fits(name));
    require(!same, "an issuer needs another name than its root")?;
    require(key != root.public_key(), "an issuer needs another key than its root")?;
    require(to <= root.not_after(), "the certificate outlives its root")
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
