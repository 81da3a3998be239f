//! How rcgen is used: as an encoder that is told everything and decides nothing. Leaves are written without it.

mod leaf;

use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, Issuer, KeyIdMethod, PublicKeyData, SerialNumber,
    SignatureAlgorithm, SigningKey,
};

pub(crate) use leaf::leaf_tbs;

use crate::der::{self, DerError, Writer, read_tlv};
use crate::key::{KeyAlgorithm, PublicKey, SignatureScheme};
use crate::serial::Serial;
use crate::signer::{Signer, SignerError};
use crate::time::UnixTime;

/// rcgen's view of one of our public keys. The algorithm is what the SPKI says, never what a CSR was signed with.
pub(crate) struct RcgenKey<'a>(pub(crate) &'a PublicKey);

impl PublicKeyData for RcgenKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.key_bits()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.0.algorithm() {
            KeyAlgorithm::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyAlgorithm::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyAlgorithm::Ed25519 => &rcgen::PKCS_ED25519,
            KeyAlgorithm::Rsa { .. } => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// Signs nothing: lets the encoder produce the to-be-signed bytes, which are cut out and linted first.
struct Unsigned<'a>(RcgenKey<'a>);

impl PublicKeyData for Unsigned<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for Unsigned<'_> {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(Vec::new())
    }
}

/// A real signer as rcgen sees it; used for CSRs only.
pub(crate) struct RcgenSigner<'a>(&'a dyn Signer);

impl<'a> RcgenSigner<'a> {
    pub(crate) fn new(signer: &'a dyn Signer) -> Result<Self, SignerError> {
        crate::signer::scheme(signer.public_key())?;
        Ok(RcgenSigner(signer))
    }
}

impl PublicKeyData for RcgenSigner<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.public_key().key_bits()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        RcgenKey(self.0.public_key()).algorithm()
    }
}

impl SigningKey for RcgenSigner<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// Whose name and key identifier stand in what is to be signed.
pub(crate) struct IssuerFacts<'a> {
    pub(crate) name: DistinguishedName,
    pub(crate) key: &'a PublicKey,
    pub(crate) key_identifier: Vec<u8>,
}

/// The to-be-signed bytes of a certificate for `subject_key`.
pub(crate) fn tbs(
    params: &CertificateParams,
    subject_key: &PublicKey,
    issuer: IssuerFacts<'_>,
) -> Result<Vec<u8>, String> {
    let mut issuer_params = CertificateParams::default();
    issuer_params.distinguished_name = issuer.name;
    issuer_params.key_identifier_method = KeyIdMethod::PreSpecified(issuer.key_identifier);
    let issuer = Issuer::new(issuer_params, Unsigned(RcgenKey(issuer.key)));
    let unsigned = params.signed_by(&RcgenKey(subject_key), &issuer).map_err(|e| e.to_string())?;
    let parts = SignedParts::split(unsigned.der()).map_err(|e| e.to_string())?;
    Ok(parts.tbs.to_vec())
}

/// Parameters with the fields that every certificate of ours sets, so that no default of rcgen survives.
pub(crate) fn base_params(
    serial: &Serial,
    name: DistinguishedName,
    (not_before, not_after): (UnixTime, UnixTime),
    key_identifier: [u8; 20],
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
    params.distinguished_name = name;
    params.not_before = not_before.offset();
    params.not_after = not_after.offset();
    params.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier.to_vec());
    params.use_authority_key_identifier_extension = true;
    params
}

/// `CN=…[, O=…]`, O first as people expect in a printed name. Both as UTF8String.
pub(crate) fn common_name(cn: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name.push(DnType::CommonName, cn);
    name
}

/// The DER of a name as rcgen writes it, so that it can be compared with what a certificate holds.
pub(crate) fn name_der(name: &DistinguishedName) -> Result<Vec<u8>, String> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name.clone();
    // A throw-away encoding around a fixed, valid point: only the subject is cut out of it.
    let key = PublicKey::from_uncompressed_point(&P256_GENERATOR).map_err(|e| e.to_string())?;
    let request = params.serialize_request(&Unsigned(RcgenKey(&key))).map_err(|e| e.to_string())?;
    let inner = || -> Result<Vec<u8>, DerError> {
        let (_, info, _, _) = read_tlv(SignedParts::split(request.der())?.tbs)?;
        let (_, _, _, rest) = read_tlv(info)?;
        Ok(read_tlv(rest)?.2.to_vec())
    };
    inner().map_err(|e| e.to_string())
}

/// AuthorityInfoAccess (RFC 5280 4.2.2.1): caIssuers and OCSP locations; none when both lists are empty.
pub(crate) fn authority_info_access(ca_issuers: &[String], ocsp: &[String]) -> Option<CustomExtension> {
    const CA_ISSUERS: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    const OCSP: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
    let access =
        |method: &[u8], url: &String| der::sequence(&[&der::oid(method), &der::context_primitive(6, url.as_bytes())]);
    let descriptions: Vec<Vec<u8>> =
        ocsp.iter().map(|url| access(OCSP, url)).chain(ca_issuers.iter().map(|url| access(CA_ISSUERS, url))).collect();
    if descriptions.is_empty() {
        return None;
    }
    let refs: Vec<&[u8]> = descriptions.iter().map(Vec::as_slice).collect();
    let content = der::sequence(&refs);
    Some(CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], content))
}

/// The outer SEQUENCE that certificates, CSRs and CRLs share (RFC 5280 4.1.1, 5.1.1).
pub(crate) struct SignedParts<'a> {
    pub(crate) tbs: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> SignedParts<'a> {
    pub(crate) fn split(bytes: &'a [u8]) -> Result<SignedParts<'a>, DerError> {
        let (tag, body, _, rest) = read_tlv(bytes)?;
        if tag != 0x30 || !rest.is_empty() {
            return Err(DerError::Trailing(rest.len()));
        }
        let (tbs_tag, _, tbs, rest) = read_tlv(body)?;
        let (alg_tag, _, algorithm, rest) = read_tlv(rest)?;
        let (sig_tag, signature, _, rest) = read_tlv(rest)?;
        match (tbs_tag, alg_tag, sig_tag, signature.split_first()) {
            (0x30, 0x30, 0x03, Some((0, signature))) if rest.is_empty() => {
                Ok(SignedParts { tbs, algorithm, signature })
            }
            _ => Err(DerError::NotCanonical("not a signed structure")),
        }
    }

    pub(crate) fn verify(&self, key: &PublicKey) -> bool {
        SignatureScheme::from_identifier(self.algorithm)
            .is_some_and(|scheme| key.verify(scheme, self.tbs, self.signature))
    }
}

/// The raw fields of `TBSCertificate` (RFC 5280 4.1) whose spelling is compared, each a whole element.
pub(crate) struct Fields<'a> {
    pub(crate) version: &'a [u8],
    pub(crate) algorithm: &'a [u8],
    pub(crate) validity: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(crate) fn split(tbs: &'a [u8]) -> Result<Fields<'a>, DerError> {
        let mut rest = read_tlv(tbs)?.1;
        let mut next = |expected: u8| -> Result<&'a [u8], DerError> {
            let (tag, _, whole, after) = read_tlv(rest)?;
            rest = after;
            if tag == expected { Ok(whole) } else { Err(DerError::NotCanonical("not a certificate of version 3")) }
        };
        let (version, _serial, algorithm) = (next(0xa0)?, next(0x02)?, next(0x30)?);
        let (_issuer, validity) = (next(0x30)?, next(0x30)?);
        Ok(Fields { version, algorithm, validity })
    }
}

pub(crate) fn assemble(tbs: &[u8], scheme: SignatureScheme, signature: &[u8]) -> Vec<u8> {
    let mut out = Writer::with_capacity(tbs.len() + signature.len() + 32);
    out.nested(0x30, |signed| {
        signed.put(tbs);
        signed.put(scheme.der());
        signed.nested(0x03, |bits| {
            bits.put(&[0]);
            bits.put(signature);
        });
    });
    out.finish()
}

/// `[0] EXPLICIT Version`, v3.
pub(crate) const VERSION_3: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];

/// The base point of P-256 (SEC 2 2.4.2), uncompressed.
const P256_GENERATOR: [u8; 65] = [
    0x04, 0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03,
    0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96, 0x4f, 0xe3, 0x42, 0xe2, 0xfe,
    0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce,
    0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];
