//! An independent reader of issued certificates: RustCrypto's strict `x509-cert` and `p256`, and rules written anew
//! from RFC 5280. It shares no code with encoder, lint or view.

use std::collections::BTreeMap;
use std::net::IpAddr;

use p256::ecdsa::signature::Verifier;
use x509_cert::Certificate;
use x509_cert::certificate::Version;
use x509_cert::der::asn1::{ObjectIdentifier, OctetString, Utf8StringRef};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};

use crate::ca::IssuerCert;
use crate::issue::{Locations, Subject};
use crate::profile::{Profile, Revocation, Usage};
use crate::time::UnixTime;

pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a IssuerCert,
    pub(crate) locations: &'a Locations,
    pub(crate) profile: &'a Profile,
    pub(crate) subject: &'a Subject,
    pub(crate) spki: &'a [u8],
    pub(crate) now: UnixTime,
    pub(crate) shard: Option<u16>,
}

const NOCHECK: &str = "1.3.6.1.5.5.7.48.1.5";
const NO_REV_AVAIL: &str = "2.5.29.56";

macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}

pub(crate) fn audit(bytes: &[u8], expected: &Expected<'_>) -> Result<(), String> {
    let cert = Certificate::from_der(bytes).map_err(|e| format!("not strict DER: {e}"))?;
    let again = cert.to_der().map_err(|e| e.to_string())?;
    ensure!(again == bytes, "the strict encoder writes other bytes");
    let tbs = cert.tbs_certificate();
    let issuer = Certificate::from_der(expected.issuer.der()).map_err(|e| format!("the issuer: {e}"))?;
    ensure!(tbs.version() == Version::V3, "version {:?}", tbs.version());
    ensure!(tbs.signature() == cert.signature_algorithm(), "the algorithm inside is not the one outside");
    ensure!(tbs.issuer() == issuer.tbs_certificate().subject(), "issuer name");
    ensure!(tbs.issuer_unique_id().is_none() && tbs.subject_unique_id().is_none(), "unique ids");
    let spki = tbs.subject_public_key_info().to_der().map_err(|e| e.to_string())?;
    ensure!(spki == expected.spki, "the public key is another one");
    serial(tbs.serial_number().as_bytes())?;
    subject(tbs, expected.subject)?;
    validity(tbs, &issuer, expected)?;
    extensions(tbs, &issuer, expected)?;
    signature(bytes, &cert, &issuer)
}

/// `content`: the INTEGER's octets.
fn serial(content: &[u8]) -> Result<(), String> {
    ensure!(!content.is_empty() && content.len() <= 20, "a serial of {} octets", content.len());
    ensure!(content[0] < 0x80, "a negative serial");
    ensure!(content.len() >= 16 && content.iter().any(|b| *b != 0), "a serial that cannot be random");
    Ok(())
}

fn subject(tbs: &x509_cert::TbsCertificate, subject: &Subject) -> Result<(), String> {
    let attributes: Vec<_> = tbs.subject().iter().collect();
    ensure!(attributes.len() == 1 && tbs.subject().len() == 1, "the subject has {} attributes", attributes.len());
    ensure!(attributes[0].oid == ObjectIdentifier::new_unwrap("2.5.4.3"), "the subject is no common name");
    let text = attributes[0].value.decode_as::<Utf8StringRef<'_>>().map_err(|e| e.to_string())?;
    ensure!(text.as_str() == subject.id.as_str(), "the common name is {:?}", text.as_str());
    Ok(())
}

fn validity(tbs: &x509_cert::TbsCertificate, issuer: &Certificate, expected: &Expected<'_>) -> Result<(), String> {
    let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs() as i64;
    let (from, to) = (seconds(tbs.validity().not_before), seconds(tbs.validity().not_after));
    let issuer_end = seconds(issuer.tbs_certificate().validity().not_after);
    let now = expected.now.0;
    ensure!(from <= now && now - from <= 300, "notBefore is {from}, now is {now}");
    ensure!(to > now, "it is born expired");
    ensure!(to <= issuer_end, "it outlives its issuer");
    ensure!(to - now <= expected.profile.max_lifetime, "it outlives its profile");
    Ok(())
}

fn extensions(tbs: &x509_cert::TbsCertificate, issuer: &Certificate, expected: &Expected<'_>) -> Result<(), String> {
    let list = tbs.extensions().ok_or("no extensions")?;
    let found: BTreeMap<String, bool> = list.iter().map(|e| (e.extn_id.to_string(), e.critical)).collect();
    ensure!(found.len() == list.len(), "an extension is there twice");
    let mut wanted = BTreeMap::from([
        ("2.5.29.14", false),
        ("2.5.29.15", true),
        ("2.5.29.17", false),
        ("2.5.29.19", true),
        ("2.5.29.35", false),
        ("2.5.29.37", false),
    ]);
    let (lists, ocsp) = revocation(expected);
    wanted.extend((!lists.is_empty()).then_some(("2.5.29.31", false)));
    let access = !ocsp.is_empty() || !expected.locations.ca_issuers.is_empty();
    wanted.extend(access.then_some(("1.3.6.1.5.5.7.1.1", false)));
    wanted.extend(expected.profile.usages.contains(&Usage::OcspSigning).then_some((NOCHECK, false)));
    wanted.extend((expected.profile.revocation == Revocation::Unavailable).then_some((NO_REV_AVAIL, false)));
    for mark in list.iter().filter(|e| [NOCHECK, NO_REV_AVAIL].contains(&e.extn_id.to_string().as_str())) {
        ensure!(mark.extn_value.as_bytes() == [0x05, 0x00], "{} is not NULL", mark.extn_id);
    }
    let found: BTreeMap<&str, bool> = found.iter().map(|(oid, critical)| (oid.as_str(), *critical)).collect();
    ensure!(found == wanted, "the extensions are {found:?}");
    let basic: BasicConstraints = one(tbs)?;
    ensure!(!basic.ca && basic.path_len_constraint.is_none(), "{basic:?}");
    let usage: KeyUsage = one(tbs)?;
    ensure!(usage == KeyUsage(KeyUsages::DigitalSignature.into()), "{usage:?}");
    let purposes: ExtendedKeyUsage = one(tbs)?;
    let purposes: Vec<String> = purposes.0.iter().map(ObjectIdentifier::to_string).collect();
    ensure!(purposes == profile_purposes(expected.profile), "{purposes:?}");
    key_identifiers(tbs, issuer)?;
    names(tbs, expected.subject)?;
    places(tbs, &lists, &ocsp, &expected.locations.ca_issuers)
}

/// The lists and the responders that the certificate shall name.
fn revocation(expected: &Expected<'_>) -> (Vec<String>, Vec<String>) {
    let silent = expected.profile.usages.contains(&Usage::OcspSigning);
    if silent || expected.profile.revocation == Revocation::Unavailable {
        return (Vec::new(), Vec::new());
    }
    let lists = expected.locations.crl.iter().map(|url| match expected.shard {
        None => url.clone(),
        Some(shard) => url.replace("issuer.crl", &format!("issuer/{shard}.crl")),
    });
    (lists.collect(), expected.locations.ocsp.clone())
}

fn one<'a, T: Decode<'a> + x509_cert::der::oid::AssociatedOid>(tbs: &'a x509_cert::TbsCertificate) -> Result<T, String>
where
    T::Error: std::fmt::Display + From<x509_cert::der::Error>,
{
    let found = tbs.get_extension::<T>().map_err(|e| format!("{}: {e}", T::OID))?;
    found.map(|(_, value)| value).ok_or_else(|| format!("{} is missing", T::OID))
}

fn profile_purposes(profile: &Profile) -> Vec<String> {
    let text = |usage: &Usage| match usage {
        Usage::ServerAuth => "1.3.6.1.5.5.7.3.1".to_owned(),
        Usage::ClientAuth => "1.3.6.1.5.5.7.3.2".to_owned(),
        Usage::OcspSigning => "1.3.6.1.5.5.7.3.9".to_owned(),
    };
    profile.usages.iter().map(text).collect()
}

fn key_identifiers(tbs: &x509_cert::TbsCertificate, issuer: &Certificate) -> Result<(), String> {
    let own: SubjectKeyIdentifier = one(tbs)?;
    let bits = tbs.subject_public_key_info().subject_public_key.raw_bytes();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bits);
    ensure!(own.0.as_bytes() == &digest.as_ref()[..20], "the subject key identifier is not RFC 7093 method 1");
    let authority: AuthorityKeyIdentifier = one(tbs)?;
    let issuers: SubjectKeyIdentifier = one(issuer.tbs_certificate())?;
    let found = authority.key_identifier.as_ref().map(OctetString::as_bytes);
    ensure!(found == Some(issuers.0.as_bytes()), "the authority key identifier is not the issuer's SKI");
    let alone = authority.authority_cert_issuer.is_none() && authority.authority_cert_serial_number.is_none();
    ensure!(alone, "the authority key identifier says more than the key");
    Ok(())
}

fn names(tbs: &x509_cert::TbsCertificate, subject: &Subject) -> Result<(), String> {
    let found: SubjectAltName = one(tbs)?;
    let mut wanted = vec![format!("uri:spiffe://{}/{}/{}", subject.domain, subject.kind.as_str(), subject.id)];
    wanted.extend(subject.dns_names.iter().map(|dns| format!("dns:{dns}")));
    wanted.extend(subject.addresses.iter().map(|address| format!("ip:{address}")));
    let found: Vec<String> = found
        .0
        .iter()
        .map(|name| match name {
            GeneralName::UniformResourceIdentifier(uri) => format!("uri:{}", uri.as_str()),
            GeneralName::DnsName(dns) => format!("dns:{}", dns.as_str()),
            GeneralName::IpAddress(octets) => {
                match (<[u8; 4]>::try_from(octets.as_bytes()), <[u8; 16]>::try_from(octets.as_bytes())) {
                    (Ok(four), _) => format!("ip:{}", IpAddr::from(four)),
                    (_, Ok(sixteen)) => format!("ip:{}", IpAddr::from(sixteen)),
                    _ => "an address of odd length".to_owned(),
                }
            }
            other => format!("{other:?}"),
        })
        .collect();
    ensure!(found == wanted, "the names are {found:?}");
    Ok(())
}

fn places(
    tbs: &x509_cert::TbsCertificate,
    lists: &[String],
    ocsp: &[String],
    ca_issuers: &[String],
) -> Result<(), String> {
    let uri = |name: &GeneralName| match name {
        GeneralName::UniformResourceIdentifier(uri) => uri.as_str().to_owned(),
        other => format!("{other:?}"),
    };
    if !lists.is_empty() {
        let points: CrlDistributionPoints = one(tbs)?;
        let [point] = points.0.as_slice() else { return Err("more than one distribution point".into()) };
        ensure!(point.reasons.is_none() && point.crl_issuer.is_none(), "a partial distribution point");
        let Some(DistributionPointName::FullName(found)) = &point.distribution_point else {
            return Err("a distribution point without full name".into());
        };
        let found: Vec<String> = found.iter().map(uri).collect();
        ensure!(found == lists, "CRLs at {found:?}");
    }
    if !ocsp.is_empty() || !ca_issuers.is_empty() {
        let access: AuthorityInfoAccessSyntax = one(tbs)?;
        let found = access.0.iter().map(|a| (a.access_method.to_string(), uri(&a.access_location)));
        let found: Vec<(String, String)> = found.collect();
        let ocsp = ocsp.iter().map(|url| ("1.3.6.1.5.5.7.48.1".to_owned(), url.clone()));
        let issuers = ca_issuers.iter().map(|url| ("1.3.6.1.5.5.7.48.2".to_owned(), url.clone()));
        ensure!(found == ocsp.chain(issuers).collect::<Vec<_>>(), "access at {found:?}");
    }
    Ok(())
}

/// With the `p256` crate over the bytes as they were received; other issuers are left to the caller's own check.
fn signature(bytes: &[u8], cert: &Certificate, issuer: &Certificate) -> Result<(), String> {
    let algorithm = cert.signature_algorithm();
    if algorithm.oid != ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2") {
        return Ok(());
    }
    ensure!(algorithm.parameters.is_none(), "ECDSA with parameters");
    let key = issuer.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes();
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|e| e.to_string())?;
    let signature = cert.signature().as_bytes().ok_or("a signature with unused bits")?;
    let signature = p256::ecdsa::Signature::from_der(signature).map_err(|e| e.to_string())?;
    let tbs = cert.tbs_certificate().to_der().map_err(|e| e.to_string())?;
    ensure!(bytes.windows(tbs.len()).any(|w| w == tbs), "the signed part was re-encoded");
    key.verify(&tbs, &signature).map_err(|e| e.to_string())
}
