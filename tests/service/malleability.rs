//! T36: an ECDSA signature has a twin, and with it every certificate. Both are revoked by one serial number.

use std::path::Path;
use std::process::Command;

use p256::ecdsa::Signature;
use rustls::pki_types::{CertificateDer, UnixTime as PkiTime};
use signet::clock::{Clock, SystemClock};
use signet_api::ErrorCode;
use signet_api::client::Identity;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};
use signet_pki::view::CertificateView;
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder,
};

use crate::support::der::{self, bits, sequence};
use crate::support::{TestService, code};

/// The same certificate with s replaced by n - s.
fn twin(certificate: &[u8]) -> Vec<u8> {
    let (_, body, _) = der::read(certificate);
    let (_, _, after_tbs) = der::read(body);
    let (_, _, after_algorithm) = der::read(after_tbs);
    let (_, signature, _) = der::read(after_algorithm);
    let tbs_and_algorithm = &body[..body.len() - after_algorithm.len()];
    let (r, s) = Signature::from_der(&signature[1..]).unwrap().split_scalars();
    let other = Signature::from_scalars(r, -*s).unwrap();
    sequence(&[tbs_and_algorithm, &bits(other.to_der().as_bytes())])
}

/// What webpki says about a certificate under the published lists.
pub(crate) fn webpki(service: &TestService, certificate: &[u8], lists: &[Vec<u8>]) -> Result<(), webpki::Error> {
    webpki_below(&service.root, &service.issuer, certificate, lists)
}

pub(crate) fn webpki_below(
    root: &IssuerCert,
    issuer: &IssuerCert,
    certificate: &[u8],
    lists: &[Vec<u8>],
) -> Result<(), webpki::Error> {
    let leaf = CertificateDer::from(certificate);
    let leaf = EndEntityCert::try_from(&leaf)?;
    let root = CertificateDer::from(root.der());
    let anchors = [webpki::anchor_from_trusted_cert(&root)?];
    let intermediates = [CertificateDer::from(issuer.der())];
    let lists: Vec<CertRevocationList<'_>> =
        lists.iter().map(|l| BorrowedCertRevocationList::from_der(l).unwrap().into()).collect();
    let lists: Vec<&CertRevocationList<'_>> = lists.iter().collect();
    let revocation = RevocationOptionsBuilder::new(&lists).unwrap().with_depth(RevocationCheckDepth::Chain).build();
    let now = PkiTime::since_unix_epoch(std::time::Duration::from_secs(SystemClock.now().0 as u64));
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
    let usage = KeyUsage::client_auth();
    leaf.verify_for_usage(algorithms, &anchors, &intermediates, now, usage, Some(revocation), None).map(|_| ())
}

/// What OpenSSL says; it must be installed.
pub(crate) fn openssl(
    directory: &Path,
    service: &TestService,
    certificate: &[u8],
    lists: &[Vec<u8>],
) -> (bool, String) {
    openssl_below(directory, (&service.root, &service.issuer), certificate, lists)
}

pub(crate) fn openssl_below(
    directory: &Path,
    (root, issuer): (&IssuerCert, &IssuerCert),
    certificate: &[u8],
    lists: &[Vec<u8>],
) -> (bool, String) {
    let write = |name: &str, text: String| std::fs::write(directory.join(name), text).unwrap();
    write("leaf.pem", pem::encode(Label::Certificate, certificate));
    write("root.pem", pem::encode(Label::Certificate, root.der()));
    write("issuer.pem", pem::encode(Label::Certificate, issuer.der()));
    write("lists.pem", lists.iter().map(|l| pem::encode(Label::Crl, l)).collect());
    let arguments =
        "verify -CAfile root.pem -untrusted issuer.pem -CRLfile lists.pem -crl_check_all leaf.pem".split(' ');
    let output = Command::new("openssl").args(arguments).current_dir(directory).output();
    let output = output.expect("the openssl command is needed for this test");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (output.status.success(), text)
}

async fn lists(service: &TestService) -> Vec<Vec<u8>> {
    pem::decode_all(Label::Crl, &service.plain("/crl/all.pem").await.body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn t36_a_certificate_with_the_other_signature_is_revoked_with_the_first() {
    let service = TestService::start().await;
    let directory = tempfile::tempdir().unwrap();
    let device = service.device("sensor-1").await;
    let (first, second) = (device.der(), twin(&device.der()));
    let view = CertificateView::parse(&second).unwrap();
    assert!(view.verify(service.issuer.public_key()), "the twin is a good certificate");
    assert_ne!(view.fingerprint(), device.view().fingerprint());
    let as_twin = || {
        let chain = vec![second.clone(), service.issuer.der().to_vec()];
        service.client(Some(Identity { chain, key: device.key.pkcs8().into() }))
    };
    let before = lists(&service).await;
    for certificate in [&first, &second] {
        assert_eq!(webpki(&service, certificate, &before), Ok(()));
        let (good, text) = openssl(directory.path(), &service, certificate, &before);
        assert!(good, "{text}");
    }
    assert_eq!(as_twin().whoami().await.unwrap().id.as_str(), "sensor-1");

    service.revoke_device("sensor-1").await;
    let after = lists(&service).await;
    for certificate in [&first, &second] {
        assert_eq!(webpki(&service, certificate, &after), Err(webpki::Error::CertRevoked));
        let (good, text) = openssl(directory.path(), &service, certificate, &after);
        assert!(!good && text.contains("certificate revoked"), "{text}");
    }
    assert_eq!(code(as_twin().whoami().await), ErrorCode::DeviceRevoked);
    assert_eq!(code(service.as_device(&device).whoami().await), ErrorCode::DeviceRevoked);
}
