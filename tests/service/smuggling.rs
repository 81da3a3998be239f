//! T06 and T07: requests that prove nothing, and requests that ask for names.

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DnType, DnValue, SanType};
use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, TokenTarget};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::support::der::{self, COMMON_NAME, ORGANIZATION, oid, rdn, sequence, set, tlv};
use crate::support::{TestKey, TestService, issued, leaf, order, target};

#[tokio::test(flavor = "multi_thread")]
async fn t06_requests_without_proof_of_possession_do_not_burn_the_token() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let (own, foreign) = (TestKey::p256(), TestKey::p256());
    let info = der::info(&sequence(&[]), &foreign.spki(), &[]);
    let signed_by_other = der::request(&info, der::ECDSA_SHA256, &own.sign(&info));
    let own_info = der::info(&sequence(&[]), &own.spki(), &[]);
    let signature = own.sign(&own_info);
    let mut flipped = signature.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let zeros = sequence(&[&[0x02, 0x01, 0x00], &[0x02, 0x01, 0x00]]);
    let other_content = der::info(&sequence(&[&rdn(COMMON_NAME, 0x0c, b"x")]), &own.spki(), &[]);
    let sha1 = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
    let requests = [
        ("signed by another key", signed_by_other),
        ("a flipped bit", der::request(&own_info, der::ECDSA_SHA256, &flipped)),
        ("an empty signature", der::request(&own_info, der::ECDSA_SHA256, &[])),
        ("r = s = 0", der::request(&own_info, der::ECDSA_SHA256, &zeros)),
        ("a signature over something else", der::request(&other_content, der::ECDSA_SHA256, &signature)),
        ("SHA-1", der::request(&own_info, sha1, &signature)),
        ("no signature", sequence(&[&own_info])),
    ];
    for (what, request) in requests {
        let refused = service.post_csr(&token, &request).await;
        assert_eq!(refused.problem().code, ErrorCode::CsrRefused, "{what}");
        assert!(refused.problem().detail.is_some(), "{what}: the holder of a token may know why");
    }
    assert!(service.show("sensor-1").await.certificates.is_empty());
    issued(service.enroll(&token, &own).await);
}

/// What the policy says that a device's certificate names, encoded here and not by the service.
fn expected_names(id: &str, dns: &[&str]) -> (Vec<u8>, Vec<u8>) {
    let subject = sequence(&[&rdn(COMMON_NAME, 0x0c, id.as_bytes())]);
    let mut names = tlv(0x86, format!("spiffe://acme.example/device/{id}").as_bytes());
    for name in dns {
        names.extend(tlv(0x82, name.as_bytes()));
    }
    (subject, tlv(0x30, &names))
}

pub(crate) fn assert_names(certificate: &[u8], id: &str, dns: &[&str], what: &str) {
    let (_, parsed) = X509Certificate::from_der(certificate).unwrap();
    let (subject, names) = expected_names(id, dns);
    assert_eq!(parsed.subject().as_raw(), subject, "{what}");
    let san: Vec<_> = parsed.extensions().iter().filter(|e| e.oid.to_id_string() == "2.5.29.17").collect();
    assert_eq!(san.len(), 1, "{what}");
    assert_eq!(san[0].value, names, "{what}");
}

fn wishing(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut wishes = CertificateParams::default();
    change(&mut wishes);
    wishes
}

/// Requests that a library would write.
fn library_wishes() -> Vec<(&'static str, CertificateParams)> {
    let text = |t: &str| Ia5String::try_from(t).unwrap();
    let names = |names: Vec<SanType>| wishing(|w| w.subject_alt_names = names);
    let subject = |kind: DnType, value: &str| wishing(|w| w.distinguished_name.push(kind, value));
    vec![
        ("another device", names(vec![SanType::URI(text("spiffe://acme.example/device/victim"))])),
        ("an administrator", names(vec![SanType::URI(text("spiffe://acme.example/admin/admin"))])),
        ("a foreign trust domain", names(vec![SanType::URI(text("spiffe://bank.example/device/x"))])),
        ("a DNS name", names(vec![SanType::DnsName(text("ca.acme.example"))])),
        ("a wildcard", names(vec![SanType::DnsName(text("*.acme.example"))])),
        ("localhost", names(vec![SanType::DnsName(text("localhost"))])),
        ("an address", names(vec![SanType::IpAddress("127.0.0.1".parse().unwrap())])),
        ("a mailbox", names(vec![SanType::Rfc822Name(text("admin@acme.example"))])),
        (
            "a user principal name",
            names(vec![SanType::OtherName((
                vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
                rcgen::OtherNameValue::Utf8String("administrator@acme.example".into()),
            ))]),
        ),
        ("kubernetes masters", subject(DnType::OrganizationName, "system:masters")),
        ("the service's name", subject(DnType::CommonName, "signetd")),
        ("a name with a zero", subject(DnType::CommonName, "victim\0.acme.example")),
        ("a homoglyph", subject(DnType::CommonName, "\u{430}dmin")),
        ("text that turns around", subject(DnType::CommonName, "\u{202e}nimda")),
        ("terminal commands", subject(DnType::CommonName, "\u{1b}[2J\u{1b}]0;x\u{7}")),
        ("SQL", subject(DnType::CommonName, "'; DROP TABLE certificate; --")),
        (
            "a BMP string",
            wishing(|w| {
                let value = DnValue::BmpString("admin".try_into().unwrap());
                w.distinguished_name.push(DnType::CommonName, value);
            }),
        ),
        ("a hundred names", names((0..100).map(|i| SanType::DnsName(text(&format!("h{i}.acme.example")))).collect())),
    ]
}

/// Subjects that a library would not write.
fn hand_made_subjects() -> Vec<(&'static str, Vec<u8>)> {
    let cn = |value: &[u8]| rdn(COMMON_NAME, 0x0c, value);
    let pair = |kind: &[u8], value: &[u8]| sequence(&[&oid(kind), &tlv(0x0c, value)]);
    vec![
        ("no name", sequence(&[])),
        ("two common names", sequence(&[&cn(b"sensor"), &cn(b"admin")])),
        (
            "several attributes in one RDN",
            sequence(&[&set(&[&pair(COMMON_NAME, b"admin"), &pair(ORGANIZATION, b"system:masters")])]),
        ),
        ("a common name of 15000 characters", sequence(&[&cn(&[b'a'; 15_000])])),
        ("an unknown attribute", sequence(&[&rdn(der::UNKNOWN, 0x0c, b"x")])),
        ("a teletex string", sequence(&[&rdn(COMMON_NAME, 0x14, b"adm\xefn")])),
        ("a number as name", sequence(&[&rdn(COMMON_NAME, 0x02, b"\x01")])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn t07_issued_names_are_the_policy_s_whatever_was_asked() {
    let service = TestService::start().await;
    let mut requests: Vec<(&str, Vec<u8>)> =
        library_wishes().into_iter().map(|(what, wishes)| (what, TestKey::p256().csr_of(&wishes))).collect();
    for (what, subject) in hand_made_subjects() {
        requests.push((what, der::signed(&TestKey::p256(), &subject, &[])));
    }
    for (i, (what, request)) in requests.into_iter().enumerate() {
        let id = format!("sensor-{i}");
        let token = service.token(&id).await.token;
        let reply = service.post_csr(&token, &request).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
        let certificate = signet_pki::pem::certificates(&reply.body).unwrap().remove(0);
        assert_names(&certificate, &id, &[], what);
    }
    // What was asked for is kept for people, and cannot harm them.
    for entry in service.audit_of("certificate.enrolled").await {
        let wish = entry.detail["csr_subject"].as_str().unwrap();
        assert!(!wish.contains(['\u{1b}', '\0', '\u{202e}', '\n']) && wish.chars().count() <= 256, "{wish:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t07_names_beyond_every_limit_are_refused_before_anything_is_read() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    let key = TestKey::p256();
    let no_text = sequence(&[&rdn(COMMON_NAME, 0x0c, b"\xff\xfe\xc0\x80")]);
    let refused = service.post_csr(&token, &der::signed(&key, &no_text, &[])).await;
    assert_eq!(refused.problem().code, ErrorCode::CsrRefused, "UTF-8 that is none");
    let subject = |length: usize| sequence(&[&rdn(COMMON_NAME, 0x0c, &vec![b'a'; length])]);
    let long = service.post_csr(&token, &der::signed(&key, &subject(20_000), &[])).await;
    assert_eq!(long.problem().code, ErrorCode::CsrRefused);
    let longer = service.post_csr(&token, &der::signed(&key, &subject(64 * 1024), &[])).await;
    assert_eq!(longer.problem().code, ErrorCode::BodyTooLarge);
    issued(service.enroll(&token, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t07_names_from_the_order_are_issued_and_none_beside_them() {
    let gateway =
        "[profiles.gateway]\nkind = \"device\"\nlifetime_seconds = 3600\ndns_suffixes = [\"gw.acme.example\"]";
    let service = TestService::builder().toml(gateway).start().await;
    let named = |dns: &[&str]| {
        let dns_names = dns.iter().map(|d| d.parse().unwrap()).collect();
        CreateTokens {
            profile: "gateway".into(),
            targets: vec![TokenTarget { dns_names, ..target("gate-1") }],
            ..order("gate-1")
        }
    };
    for outside in ["acme.example", "evilgw.acme.example", "gw.acme.example.evil.example"] {
        let refused = service.create_tokens(&named(&[outside])).await;
        assert_eq!(crate::support::code(refused), ErrorCode::InvalidArgument, "{outside}");
    }
    let token = service.create_token(named(&["a.gw.acme.example", "gw.acme.example"])).await.token;
    let wishes = wishing(|w| w.subject_alt_names = vec![SanType::DnsName("b.gw.acme.example".try_into().unwrap())]);
    let csr = signet_pki::pem::encode(signet_pki::pem::Label::Request, &TestKey::p256().csr_of(&wishes));
    let certificate = issued(service.enroll_with(&token, csr, Default::default()).await);
    let names = ["a.gw.acme.example", "gw.acme.example"];
    assert_names(&leaf(&certificate), "gate-1", &names, "the order's names");
    assert_eq!(certificate.spiffe_id, "spiffe://acme.example/device/gate-1");
}
