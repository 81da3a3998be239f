use super::*;
use crate::der::{context, integer, null, octet_string, oid, sequence, tlv};
use crate::ocsp::{IdHash, IssuerIds};
use crate::serial::Serial;
use crate::testing::openssl::openssl;
use crate::testing::request::{UNKNOWN, extension};
use crate::testing::{Authority, authority};
use crate::{key::KeyAlgorithm, pem, pem::Label};

fn id(hash: IdHash, number: u8) -> CertId {
    CertId::new(hash, &authority().issuer, &Serial::from_random([number; 20]))
}

fn one() -> Vec<u8> {
    sequence(&[id(IdHash::Sha1, 1).der()])
}

/// A request with these elements in its signed part.
fn of(parts: &[&[u8]]) -> Result<OcspRequest, RequestError> {
    OcspRequest::parse(&sequence(&[&sequence(parts)]))
}

fn list(requests: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &requests.concat())
}

fn with_extensions(extensions: &[Vec<u8>]) -> Result<OcspRequest, RequestError> {
    of(&[&list(&[one()]), &context(2, &tlv(0x30, &extensions.concat()))])
}

fn nonce(octets: &[u8]) -> Vec<u8> {
    extension(OID_NONCE, false, &octet_string(octets))
}

#[test]
fn what_is_written_is_read() {
    for nonce in [None, Some(vec![7]), Some(vec![8; 32]), Some(vec![9; 128])] {
        for count in [1, 2, MAX_CERTIFICATES as u8] {
            let ids: Vec<CertId> = (1..=count).map(|n| id(IdHash::Sha256, n)).collect();
            let request = OcspRequest::new(ids, nonce.clone()).unwrap();
            assert!(request.to_der().len() <= Limits::OCSP_REQUEST.bytes);
            assert_eq!(OcspRequest::parse(&request.to_der()).unwrap(), request);
        }
    }
}

#[test]
fn certificates_are_counted() {
    let many = |count| (0..count).map(|_| id(IdHash::Sha1, 1)).collect::<Vec<_>>();
    assert_eq!(OcspRequest::new(many(0), None).unwrap_err(), RequestError::Certificates);
    assert_eq!(OcspRequest::new(many(33), None).unwrap_err(), RequestError::Certificates);
    assert_eq!(of(&[&list(&[])]).unwrap_err(), RequestError::Certificates);
    assert_eq!(of(&[&list(&vec![one(); 33])]).unwrap_err(), RequestError::Certificates);
    assert_eq!(of(&[&list(&vec![one(); 32])]).unwrap().ids().len(), 32);
}

#[test]
fn a_nonce_has_1_to_128_octets() {
    assert_eq!(with_extensions(&[nonce(&[5; 32])]).unwrap().nonce(), Some(&[5; 32][..]));
    assert_eq!(with_extensions(&[nonce(&[5])]).unwrap().nonce(), Some(&[5][..]));
    assert_eq!(with_extensions(&[nonce(&[])]).unwrap_err(), RequestError::Nonce);
    assert_eq!(with_extensions(&[nonce(&[5; 129])]).unwrap_err(), RequestError::Nonce);
    // Octets without the OCTET STRING around them, and with something behind it.
    assert_eq!(with_extensions(&[extension(OID_NONCE, false, &[5; 16])]).unwrap_err(), RequestError::Nonce);
    let more = [octet_string(&[5; 16]), null()].concat();
    assert_eq!(with_extensions(&[extension(OID_NONCE, false, &more)]).unwrap_err(), RequestError::Nonce);
    assert_eq!(with_extensions(&[nonce(&[5; 16]), nonce(&[6; 16])]).unwrap_err(), RequestError::Duplicate);
    assert!(with_extensions(&[extension(OID_NONCE, true, &octet_string(&[5]))]).is_ok(), "critical and understood");
    let refused = OcspRequest::new(vec![id(IdHash::Sha1, 1)], Some(Vec::new())).unwrap_err();
    assert_eq!(refused, RequestError::Nonce);
}

#[test]
fn extensions_may_be_there_and_may_not_insist() {
    let some = |critical| extension(UNKNOWN, critical, &null());
    assert_eq!(with_extensions(&[some(false), nonce(&[5])]).unwrap().nonce(), Some(&[5][..]));
    assert_eq!(with_extensions(&[some(true)]).unwrap_err(), RequestError::Critical);
    assert_eq!(with_extensions(&[some(false), some(false)]).unwrap_err(), RequestError::Duplicate);
    assert_eq!(with_extensions(&[]).unwrap_err(), RequestError::Structure);
    let single = |critical| {
        let extensions = context(0, &tlv(0x30, &some(critical)));
        of(&[&list(&[sequence(&[id(IdHash::Sha1, 1).der(), &extensions])])])
    };
    assert!(single(false).is_ok());
    assert_eq!(single(true).unwrap_err(), RequestError::Critical);
    // A nonce belongs to the request, not to one of its certificates.
    let misplaced = context(0, &tlv(0x30, &extension(OID_NONCE, true, &octet_string(&[5]))));
    let refused = of(&[&list(&[sequence(&[id(IdHash::Sha1, 1).der(), &misplaced])])]).unwrap_err();
    assert_eq!(refused, RequestError::Critical);
}

#[test]
fn a_name_and_a_signature_are_not_looked_at() {
    let name = context(1, &tlv(0x82, b"somebody.example"));
    assert!(of(&[&name, &list(&[one()])]).is_ok());
    let tbs = sequence(&[&list(&[one()])]);
    let algorithm = sequence(&[&oid(UNKNOWN)]);
    let signature = context(0, &sequence(&[&algorithm, &crate::der::bit_string(&[1, 2, 3])]));
    assert!(OcspRequest::parse(&sequence(&[&tbs, &signature])).is_ok());
    assert_eq!(OcspRequest::parse(&sequence(&[&tbs, &algorithm])).unwrap_err(), RequestError::Structure);
    let twice = sequence(&[&tbs, &signature, &signature]);
    assert_eq!(OcspRequest::parse(&twice).unwrap_err(), RequestError::Structure);
}

#[test]
fn other_structures_are_refused() {
    let refused = |parts: &[&[u8]]| assert_eq!(of(parts).unwrap_err(), RequestError::Structure, "{parts:02x?}");
    let list = list(&[one()]);
    // v1 is the default and not written in DER; v2 does not exist.
    refused(&[&context(0, &integer(&[0])), &list]);
    refused(&[&context(0, &integer(&[1])), &list]);
    refused(&[&list, &list]);
    refused(&[&list, &context(3, &null())]);
    refused(&[&tlv(0x31, &one())]);
    refused(&[&tlv(0x30, &tlv(0x31, id(IdHash::Sha1, 1).der()))]);
    assert!(OcspRequest::parse(&[]).is_err() && OcspRequest::parse(b"GET / HTTP/1.1").is_err());
    let long = sequence(&[&sequence(&[&list]), &context(0, &octet_string(&[0; 5000]))]);
    assert_eq!(OcspRequest::parse(&long).unwrap_err(), DerError::TooLong(4096).into());
}

#[test]
fn a_certificate_is_named_by_either_hash_in_either_spelling() {
    let ids = IssuerIds::of(&authority().issuer);
    let (root, other) = (IssuerIds::of(&authority().root), Authority::new(KeyAlgorithm::P256));
    let serial = Serial::from_random([1; 20]);
    for hash in [IdHash::Sha1, IdHash::Sha256] {
        let own = CertId::new(hash, &authority().issuer, &serial);
        let (_, body, _, _) = read_tlv(own.der()).unwrap();
        let (_, algorithm, _, rest) = read_tlv(body).unwrap();
        // Without the NULL.
        let bare = sequence(&[&sequence(&[read_tlv(algorithm).unwrap().2]), rest]);
        let (bare, _) = CertId::read(&bare).unwrap();
        let odd = sequence(&[&sequence(&[read_tlv(algorithm).unwrap().2, &integer(&[1])]), rest]);
        let (odd, _) = CertId::read(&odd).unwrap();
        assert!(ids.named_by(&own) && ids.named_by(&bare) && !ids.named_by(&odd));
        assert_eq!((own.serial(), bare.serial()), (Some(&serial), Some(&serial)));
        assert_ne!(own, bare, "an answer repeats the spelling");
        assert!(!root.named_by(&own) && !ids.named_by(&CertId::new(hash, &other.issuer, &serial)));
    }
}

#[test]
fn numbers_that_no_certificate_of_ours_has_can_be_asked_about() {
    let issuer = [octet_string(&[1; 20]), octet_string(&[2; 20])].concat();
    let with = |number: &[u8]| {
        let algorithm = sequence(&[&oid(&[0x2b, 0x0e, 0x03, 0x02, 0x1a])]);
        let id = sequence(&[&algorithm, &issuer, &tlv(0x02, number)]);
        of(&[&list(&[sequence(&[&id])])]).map(|request| request.ids()[0].serial().cloned())
    };
    for number in [&[0][..], &[0xff], &[0x01; 21], &[0x01; 300]] {
        assert_eq!(with(number), Ok(None));
    }
    assert_eq!(with(&[0x00, 0x80]).unwrap().unwrap().to_string(), "80");
    assert!(with(&[]).is_err() && with(&[0x00, 0x01]).is_err(), "no second spelling");
}

#[test]
fn openssl_s_requests_are_read_and_ours_are_read_by_openssl() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let issuer = &authority().issuer;
    std::fs::write(directory.join("issuer"), pem::encode(Label::Certificate, issuer.der())).unwrap();
    for (hash, algorithm) in [("-sha1", IdHash::Sha1), ("-sha256", IdHash::Sha256)] {
        let arguments =
            ["ocsp", hash, "-issuer", "issuer", "-serial", "0x4f01", "-serial", "0x4f02", "-reqout", "request"];
        let (fine, text) = openssl(directory, &arguments);
        assert!(fine, "{text}");
        let request = OcspRequest::parse(&std::fs::read(directory.join("request")).unwrap()).unwrap();
        let expected = ["4f01", "4f02"].map(|n| CertId::new(algorithm, issuer, &Serial::parse(n).unwrap()));
        assert_eq!(request.ids(), expected);
        assert!(request.nonce().is_some_and(|nonce| nonce.len() >= 16));
    }
    let request = OcspRequest::new(vec![id(IdHash::Sha1, 1), id(IdHash::Sha256, 2)], Some(vec![0xab; 32])).unwrap();
    std::fs::write(directory.join("ours"), request.to_der()).unwrap();
    let (_, text) = openssl(directory, &["ocsp", "-reqin", "ours", "-req_text"]);
    assert!(text.contains("Hash Algorithm: sha1") && text.contains("Hash Algorithm: sha256"), "{text}");
    assert!(text.contains("OCSP Nonce") && text.contains("ABABABAB"), "{text}");
}
