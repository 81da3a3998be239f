//! Devices that were off too long come back with their old key: once, and only as themselves.

use data_encoding::BASE64;
use signet_api::ErrorCode;
use signet_api::admin::{DeviceAction, DeviceChange};
use signet_api::client::ClientError;
use signet_api::enroll::{IssuedCertificate, RecoverRequest};
use signet_pki::{PublicKey, recovery};

use crate::support::{Device, TestKey, TestService, code};

const DAY: i64 = 86_400;

fn request(old: &Device, new: &TestKey) -> RecoverRequest {
    let new_key = PublicKey::from_spki(&new.spki()).unwrap();
    let statement = recovery::statement(&old.view().serial, &new_key);
    RecoverRequest {
        csr: new.csr(),
        certificate: old.certificate.certificate.clone(),
        signature: BASE64.encode(&old.key.sign(statement.as_bytes())),
    }
}

async fn recover(service: &TestService, old: &Device, new: &TestKey) -> Result<IssuedCertificate, ClientError> {
    service.anonymous.recover(&request(old, new)).await
}

async fn asleep(service: &TestService) -> Device {
    let device = service.device("sensor-1").await;
    service.clock().advance(2 * DAY);
    device
}

fn allow(count: u32) -> DeviceChange {
    DeviceChange { recoveries: Some(count), ..DeviceChange::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_certificate_has_ended_gets_one_for_a_new_key() {
    let service = TestService::start().await;
    let device = asleep(&service).await;
    let key = TestKey::p256();
    let certificate = recover(&service, &device, &key).await.unwrap();
    let recovered = Device { key, certificate };
    assert_eq!(recovered.view().public_key.fingerprint(), recovered.key.fingerprint());
    // TLS reads the machine's clock, so the tests look at what the certificate says.
    let now = signet::clock::Clock::now(service.clock().as_ref());
    assert!(recovered.view().is_valid_at(now) && !device.view().is_valid_at(now));
    assert_eq!(recovered.certificate.device.as_str(), "sensor-1");
    let entry = service.audit_of("certificate.recovered").await.pop().unwrap();
    assert_eq!((entry.subject.as_str(), entry.actor.as_str()), ("sensor-1", "device:sensor-1"));
    assert_eq!(service.show("sensor-1").await.device.recoveries, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_repeated_and_another_key_is_another_recovery() {
    let service = TestService::start().await;
    let device = asleep(&service).await;
    let key = TestKey::p256();
    let first = recover(&service, &device, &key).await.unwrap();
    assert_eq!(recover(&service, &device, &key).await.unwrap(), first);
    let other = TestKey::p256();
    assert_eq!(code(recover(&service, &device, &other).await), ErrorCode::RecoveryExhausted);
    assert_eq!(service.show("sensor-1").await.certificates.len(), 2);
    assert_eq!(service.change("sensor-1", &allow(1)).await.unwrap().recoveries, Some(1));
    let second = recover(&service, &device, &other).await.unwrap();
    assert_ne!(second.serial, first.serial);
    assert_eq!(service.show("sensor-1").await.device.recoveries, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proved_tells_nothing_and_leaves_nothing_behind() {
    let service = TestService::start().await;
    let (device, stranger) = (asleep(&service).await, service.device("sensor-2").await);
    let (key, entries) = (TestKey::p256(), service.audit().await.len());
    let good = request(&device, &key);
    // A certificate that this authority never made: same name, own key, own signature.
    let forged = Device {
        key: TestKey::p256(),
        certificate: IssuedCertificate { certificate: foreign(&device), ..device.certificate.clone() },
    };
    let unproved = [
        RecoverRequest { signature: request(&stranger, &key).signature, ..good.clone() },
        RecoverRequest { signature: request(&device, &TestKey::p256()).signature, ..good.clone() },
        RecoverRequest { csr: TestKey::p256().csr(), ..good.clone() },
        RecoverRequest { signature: BASE64.encode(b"nothing"), ..good.clone() },
        request(&Device { key: TestKey::p256(), certificate: device.certificate.clone() }, &key),
        RecoverRequest { certificate: forged.certificate.certificate.clone(), ..good.clone() },
    ];
    let mut answers = Vec::new();
    for wrong in unproved {
        let body = serde_json::to_vec(&wrong).unwrap();
        let reply = service.send("POST", "/v1/recover", &[("content-type", "application/json")], &body).await;
        let mut problem = reply.problem();
        problem.request_id.clear();
        answers.push((reply.status, problem));
    }
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:?}");
    assert_eq!((answers[0].0, answers[0].1.code), (401, ErrorCode::RecoveryInvalid));
    assert_eq!(service.audit().await.len(), entries, "nothing was written");
    recover(&service, &device, &key).await.unwrap();
}

/// The same serial in a certificate of nobody's.
fn foreign(device: &Device) -> String {
    let mut params = rcgen::CertificateParams::default();
    params.serial_number = Some(device.view().serial.as_bytes().to_vec().into());
    let pair = rcgen::KeyPair::generate().unwrap();
    params.self_signed(&pair).unwrap().pem()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_cannot_be_read_is_told_what_is_wrong() {
    let service = TestService::start().await;
    let device = asleep(&service).await;
    let good = request(&device, &TestKey::p256());
    let cases = [
        RecoverRequest { certificate: "no certificate".into(), ..good.clone() },
        RecoverRequest { signature: "not base64!".into(), ..good.clone() },
    ];
    for (wrong, what) in cases.into_iter().zip(["certificate", "signature"]) {
        let refused = service.anonymous.recover(&wrong).await.unwrap_err();
        let problem = refused.problem().unwrap();
        assert_eq!(problem.code, ErrorCode::InvalidArgument);
        assert!(problem.detail.as_ref().unwrap().starts_with(what), "{problem:?}");
    }
    let bare = service.send("POST", "/v1/recover", &[], good.csr.as_bytes()).await;
    assert_eq!(bare.problem().code, ErrorCode::UnsupportedMedia);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_still_good_is_renewed_and_not_recovered() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let refused = recover(&service, &device, &TestKey::p256()).await;
    assert_eq!(code(refused), ErrorCode::RecoveryNotNeeded);
    assert_eq!(service.show("sensor-1").await.device.recoveries, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_ended_does_not_come_back() {
    let service = TestService::start().await;
    let device = asleep(&service).await;
    let act = |action| DeviceChange { action: Some(action), ..DeviceChange::default() };
    service.change("sensor-1", &act(DeviceAction::Suspend)).await.unwrap();
    assert_eq!(code(recover(&service, &device, &TestKey::p256()).await), ErrorCode::DeviceSuspended);
    service.change("sensor-1", &act(DeviceAction::Resume)).await.unwrap();
    service.change("sensor-1", &allow(0)).await.unwrap();
    assert_eq!(code(recover(&service, &device, &TestKey::p256()).await), ErrorCode::RecoveryExhausted);
    service.revoke_device("sensor-1").await;
    assert_eq!(code(recover(&service, &device, &TestKey::p256()).await), ErrorCode::DeviceRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn t16_an_older_generation_recovers_nothing_and_sets_off_an_alarm() {
    let service = TestService::start().await;
    let old = service.device("sensor-1").await;
    let new = service.renew(&old).await.unwrap();
    service.as_device(&new).whoami().await.unwrap();
    service.clock().advance(2 * DAY);
    assert_eq!(code(recover(&service, &old, &TestKey::p256()).await), ErrorCode::CertificateSuperseded);
    let alarm = service.audit_of("alarm.recovery_with_superseded_key").await.pop().unwrap();
    assert_eq!(alarm.detail["serial"], old.serial());
    recover(&service, &new, &TestKey::p256()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_says_how_long_and_how_often() {
    let service = TestService::builder().toml("[recovery]\nmax_days = 3\nallowance = 2\n").start().await;
    let device = asleep(&service).await;
    recover(&service, &device, &TestKey::p256()).await.unwrap();
    recover(&service, &device, &TestKey::p256()).await.unwrap();
    assert_eq!(code(recover(&service, &device, &TestKey::p256()).await), ErrorCode::RecoveryExhausted);
    let late = service.device("sensor-2").await;
    service.clock().advance(4 * DAY + 1);
    assert_eq!(code(recover(&service, &late, &TestKey::p256()).await), ErrorCode::RecoveryTooLate);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_s_certificate_is_not_recovered() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let identity = service.installation.administrator();
    let chain = signet_pki::pem::encode(signet_pki::pem::Label::Certificate, &identity.chain[0]);
    let key = TestKey::from_pkcs8(&identity.key);
    service.clock().advance(8 * DAY);
    let certificate = IssuedCertificate { certificate: chain, ..device.certificate.clone() };
    let refused = recover(&service, &Device { key, certificate }, &TestKey::p256()).await;
    assert_eq!(code(refused), ErrorCode::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_racers_get_one_recovery() {
    let service = std::sync::Arc::new(TestService::start().await);
    let device = std::sync::Arc::new(asleep(&service).await);
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (service, device) = (service.clone(), device.clone());
        racers.spawn(async move { recover(&service, &device, &TestKey::p256()).await });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    for refused in outcomes.into_iter().filter(Result::is_err) {
        assert!(matches!(code(refused), ErrorCode::RecoveryExhausted | ErrorCode::Busy));
    }
    assert_eq!(service.show("sensor-1").await.certificates.len(), 2);
}

/// The lines of the README, by curl and openssl.
#[tokio::test(flavor = "multi_thread")]
async fn the_script_of_the_readme_recovers_a_device() {
    let service = TestService::start().await;
    let device = asleep(&service).await;
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    let pem = |label, der: &[u8]| signet_pki::pem::encode(label, der);
    write("server", &format!("https://localhost:{}\n", service.tls_address().port()));
    write("root.pem", &pem(signet_pki::pem::Label::Certificate, service.root.der()));
    write("device.pem", &format!("{}{}", device.certificate.certificate, device.certificate.chain));
    write("device.key", &device.key.pair.serialize_pem());
    let readme = include_str!("../../README.md");
    let block = readme.split("<!-- test:curl-recover -->\n```sh\n").nth(1).unwrap();
    write("recover.sh", block.split("\n```").next().unwrap());
    let mut bash = std::process::Command::new("bash");
    bash.arg("recover.sh").current_dir(directory.path());
    let output = tokio::task::spawn_blocking(move || bash.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = std::fs::read(directory.path().join("device.pem")).unwrap();
    let leaf = signet_pki::pem::certificates(&text).unwrap().remove(0);
    let view = signet_pki::view::CertificateView::parse(&leaf).unwrap();
    assert_eq!(view.common_name.as_deref(), Some("sensor-1"));
    assert_ne!(view.public_key.fingerprint(), device.key.fingerprint());
    assert_eq!(service.audit_of("certificate.recovered").await.len(), 1);
}
