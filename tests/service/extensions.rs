//! T08: extensions and attributes that a request asks for.

use signet_api::ErrorCode;
use signet_pki::view::CertificateView;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::smuggling::assert_names;
use crate::support::der::{self, extension, extension_request, oid, sequence, set, tlv};
use crate::support::{TestKey, TestService, issued};

/// The certificate is what profile `device` says and nothing else.
fn assert_plain_device(service: &TestService, der: &[u8], key: &TestKey, what: &str) {
    let view = CertificateView::parse(der).unwrap();
    assert!(!view.is_ca && view.path_len.is_none(), "{what}");
    assert!(!view.key_cert_sign && !view.crl_sign, "{what}");
    assert!(view.client_auth && view.server_auth, "{what}");
    assert_eq!(view.public_key.spki(), key.spki(), "{what}");
    assert_eq!(view.subject_key_id.as_deref(), Some(&view.public_key.key_identifier()[..]), "{what}");
    assert_eq!(view.authority_key_id.as_deref(), Some(service.issuer.key_identifier()), "{what}");
    assert_eq!(view.not_after.since(view.not_before), 86_400 + 300, "{what}");
    assert!(view.unknown_critical.is_empty() && view.permitted_dns.is_none(), "{what}");
    let (_, parsed) = X509Certificate::from_der(der).unwrap();
    let mut kinds: Vec<String> = parsed.extensions().iter().map(|e| e.oid.to_id_string()).collect();
    kinds.sort();
    let expected = [
        "1.3.6.1.5.5.7.1.1", // authorityInfoAccess
        "2.5.29.14",         // subjectKeyIdentifier
        "2.5.29.15",         // keyUsage
        "2.5.29.17",         // subjectAltName
        "2.5.29.19",         // basicConstraints
        "2.5.29.31",         // cRLDistributionPoints
        "2.5.29.35",         // authorityKeyIdentifier
        "2.5.29.37",         // extendedKeyUsage
    ];
    assert_eq!(kinds, expected, "{what}");
    let usage = parsed.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.flags == 1, "{what}: digitalSignature alone");
    let purposes = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(!purposes.any && !purposes.code_signing && !purposes.ocsp_signing && purposes.other.is_empty(), "{what}");
    assert!(view.verify(service.issuer.public_key()), "{what}");
}

fn wishes() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let truth: &[u8] = &[0x01, 0x01, 0xff];
    let ca = sequence(&[truth]);
    let ca_with_path = sequence(&[truth, &[0x02, 0x01, 0x05]]);
    let any_usage = sequence(&[&oid(&[0x55, 0x1d, 0x25, 0x00])]);
    let ocsp_signing = sequence(&[&oid(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09])]);
    let constraints = sequence(&[&tlv(0xa0, &sequence(&[&tlv(0x82, b"")]))]);
    let key_id = der::octets(&[0xaa; 20]);
    let authority = sequence(&[&tlv(0x80, &[0xbb; 20])]);
    let names = sequence(&[&tlv(0x82, b"*"), &tlv(0x87, &[127, 0, 0, 1])]);
    let one = |kind: &[u8], critical, value: &[u8]| vec![extension(kind, critical, value)];
    let everything = [
        (der::BASIC_CONSTRAINTS, ca.clone()),
        (der::KEY_USAGE, vec![0x03, 0x02, 0x01, 0x06]),
        (der::EXTENDED_KEY_USAGE, any_usage.clone()),
        (der::NAME_CONSTRAINTS, constraints.clone()),
        (der::ALTERNATIVE_NAMES, names.clone()),
        (der::UNKNOWN, vec![0x05, 0x00]),
    ];
    vec![
        ("CA:TRUE", one(der::BASIC_CONSTRAINTS, true, &ca)),
        ("CA:TRUE with a path length", one(der::BASIC_CONSTRAINTS, true, &ca_with_path)),
        ("keyCertSign and cRLSign", one(der::KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06])),
        ("anyExtendedKeyUsage", one(der::EXTENDED_KEY_USAGE, false, &any_usage)),
        ("OCSP signing", one(der::EXTENDED_KEY_USAGE, false, &ocsp_signing)),
        ("name constraints", one(der::NAME_CONSTRAINTS, true, &constraints)),
        ("a chosen subject key identifier", one(der::SUBJECT_KEY_ID, false, &key_id)),
        ("a chosen authority key identifier", one(der::AUTHORITY_KEY_ID, false, &authority)),
        ("an unknown critical extension", one(der::UNKNOWN, true, &[0x05, 0x00])),
        ("garbage in a known extension", one(der::BASIC_CONSTRAINTS, true, &[0xff, 0xff, 0xff])),
        ("alternative names", one(der::ALTERNATIVE_NAMES, true, &names)),
        ("everything", everything.iter().map(|(kind, value)| extension(kind, true, value)).collect()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn t08_no_extension_of_a_request_reaches_the_certificate() {
    let service = TestService::start().await;
    for (i, (what, extensions)) in wishes().into_iter().enumerate() {
        let (id, key) = (format!("sensor-{i}"), TestKey::p256());
        let token = service.token(&id).await.token;
        let csr = der::signed(&key, &sequence(&[]), &[extension_request(&extensions)]);
        let reply = service.post_csr(&token, &csr).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        let certificate = signet_pki::pem::certificates(&reply.body).unwrap().remove(0);
        assert_plain_device(&service, &certificate, &key, what);
        assert_names(&certificate, &id, &[], what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t08_repeated_attributes_and_extensions_are_refused_and_do_not_burn_the_token() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    let one = extension(der::BASIC_CONSTRAINTS, true, &sequence(&[]));
    let other = extension(der::KEY_USAGE, true, &[0x03, 0x02, 0x07, 0x80]);
    let attribute = extension_request(std::slice::from_ref(&one));
    let lists = [tlv(0x30, &one), tlv(0x30, &other)];
    let two_values = sequence(&[&oid(der::EXTENSION_REQUEST), &set(&[&lists[0], &lists[1]])]);
    let no_value = sequence(&[&oid(der::EXTENSION_REQUEST), &set(&[])]);
    let requests: [(&str, Vec<Vec<u8>>); 5] = [
        ("the attribute twice", vec![attribute.clone(), attribute.clone()]),
        ("the attribute twice with different content", vec![attribute, extension_request(&[other])]),
        ("an extension twice", vec![extension_request(&[one.clone(), one])]),
        ("an attribute with two values", vec![two_values]),
        ("an attribute without value", vec![no_value]),
    ];
    for (what, attributes) in requests {
        let refused = service.post_csr(&token, &der::signed(&key, &sequence(&[]), &attributes)).await;
        assert_eq!(refused.problem().code, ErrorCode::CsrRefused, "{what}");
    }
    issued(service.enroll(&token, &key).await);
}
