//! From one issuer to the next: everything that was issued stays good and can be revoked, and one that was stolen ends at once.

use std::time::Instant;

use data_encoding::BASE64;
use signet::housekeeping::RootWatch;
use signet_api::ErrorCode;
use signet_api::admin::{IssuerAction, IssuerChange, IssuerInfo};
use signet_api::client::{Client, ClientError};
use signet_api::enroll::{IssuedCertificate, RecoverRequest};
use signet_pki::ca::IssuerCert;
use signet_pki::chain::issued_by;
use signet_pki::crl::CrlView;
use signet_pki::pem::{self, Label};
use signet_pki::{PublicKey, recovery};

use crate::malleability::{openssl_below, webpki_below};
use crate::support::{Builder, Device, Installation, Protocol, TestKey, TestService, code, issued};

/// A service with a second issuer that may become active at once.
async fn start() -> (TestService, IssuerCert) {
    let installation = Installation::new().await;
    // Time is the gate's own test.
    installation.replace_toml("root_crl = ", "activation_delay_hours = 0\nroot_crl = ");
    start_in(installation).await
}

async fn start_in(installation: Installation) -> (TestService, IssuerCert) {
    let next = installation.add_issuer("issuer-2", "Test Issuing CA 2").await;
    (Builder::default().start_in(installation).await, next)
}

fn change(action: IssuerAction) -> IssuerChange {
    IssuerChange { action, force: false, reason: None }
}

fn forced(action: IssuerAction) -> IssuerChange {
    IssuerChange { action, force: true, reason: Some("a drill".into()) }
}

async fn step(admin: &Client, issuer: &IssuerCert, change: &IssuerChange) -> Result<Vec<IssuerInfo>, ClientError> {
    admin.post_json(&format!("/v1/admin/issuers/{}", issuer.short_id()), change).await
}

async fn infos(service: &TestService) -> Vec<IssuerInfo> {
    service.admin.get_json("/v1/admin/issuers").await.unwrap()
}

async fn stages(service: &TestService) -> Vec<String> {
    infos(service).await.into_iter().map(|issuer| issuer.stage).collect()
}

async fn activate(service: &TestService, issuer: &IssuerCert) {
    step(&service.admin, issuer, &change(IssuerAction::Activate)).await.unwrap();
}

fn is_under(device: &Device, issuer: &IssuerCert) -> bool {
    let chain = pem::certificates(device.certificate.chain.as_bytes()).unwrap();
    issued_by(&device.view(), issuer.view()).is_ok() && chain == [issuer.der().to_vec()]
}

async fn list_of(service: &TestService, issuer: &IssuerCert) -> Vec<String> {
    let reply = service.plain(&format!("/crl/{}.crl", issuer.short_id())).await;
    let entries = CrlView::verified(&reply.body, issuer).unwrap().entries().unwrap();
    entries.into_iter().map(|(serial, ..)| serial.to_string()).collect()
}

async fn all_lists(service: &TestService) -> Vec<Vec<u8>> {
    pem::decode_all(Label::Crl, &service.plain("/crl/all.pem").await.body).unwrap()
}

async fn bundle(service: &TestService) -> Vec<Vec<u8>> {
    pem::certificates(&service.plain("/ca/bundle.pem").await.body).unwrap()
}

async fn recover(service: &TestService, old: &Device) -> Result<Device, ClientError> {
    let key = TestKey::p256();
    let public = PublicKey::from_spki(&key.spki()).unwrap();
    let statement = recovery::statement(&old.view().serial, &public);
    let request = RecoverRequest {
        csr: key.csr(),
        certificate: old.certificate.certificate.clone(),
        signature: BASE64.encode(&old.key.sign(statement.as_bytes())),
    };
    let certificate: IssuedCertificate = service.anonymous.recover(&request).await?;
    Ok(Device { key, certificate })
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_go_from_one_issuer_to_the_next_and_both_stay_verifiable() {
    let (service, next) = start().await;
    let old = service.issuer.clone();
    assert_eq!(stages(&service).await, ["active", "published"]);
    let mut devices = Vec::new();
    for id in ["sensor-1", "sensor-2", "sensor-3"] {
        devices.push(service.device(id).await);
    }
    assert!(devices.iter().all(|device| is_under(device, &old)));
    // The next one is known to verifiers before it signs anything.
    assert!(bundle(&service).await.contains(&next.der().to_vec()));
    assert!(list_of(&service, &next).await.is_empty());
    assert_eq!(service.plain(&format!("/ca/{}.cer", next.short_id())).await.body, next.der());
    activate(&service, &next).await;
    assert_eq!(stages(&service).await, ["retiring", "active"]);
    let renewed = service.renew(&devices[0]).await.unwrap();
    assert!(is_under(&renewed, &next));
    let lists = all_lists(&service).await;
    assert_eq!(lists.len(), 3);
    let directory = tempfile::tempdir().unwrap();
    for (device, issuer) in [(&renewed, &next), (&devices[1], &old), (&devices[2], &old)] {
        assert_eq!(service.as_device(device).whoami().await.unwrap().serial.as_deref(), Some(device.serial()));
        assert_eq!(webpki_below(&service.root, issuer, &device.der(), &lists), Ok(()));
        let (good, text) = openssl_below(directory.path(), (&service.root, issuer), &device.der(), &lists);
        assert!(good, "{text}");
    }
    let [first, second] = infos(&service).await.try_into().unwrap();
    assert!(!first.removable && first.live >= 3 && second.live >= 1, "{first:?} {second:?}");
    let entry = service.audit_of("issuer.activated").await.pop().unwrap();
    assert_eq!((entry.subject, entry.actor), (format!("issuer:{}", next.short_id()), "admin:admin".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_key_may_go_when_its_last_certificate_is_over() {
    let (service, next) = start().await;
    service.device("sensor-1").await;
    activate(&service, &next).await;
    assert!(!infos(&service).await[0].removable);
    // Administrators have the longest-lived certificates here.
    service.clock().advance(400 * 86_400);
    let store = &service.running.service.store;
    let now = signet::clock::Clock::now(service.clock().as_ref());
    let used = store.issuer_use(service.issuer.key_identifier(), now, "ocsp").await.unwrap();
    assert_eq!((used.live, used.last_not_after), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_verifiers_may_not_know_is_activated_by_force_only() {
    let (service, next) = start_in(Installation::new().await).await;
    let refused = step(&service.admin, &next, &change(IssuerAction::Activate)).await;
    let ClientError::Refused(problem, _) = refused.unwrap_err() else { panic!("no problem document") };
    assert_eq!(problem.code, ErrorCode::Conflict);
    let detail = problem.detail.unwrap();
    assert!(detail.contains("0 of 24 hours") && detail.contains("--force --reason"), "{detail}");
    assert!(infos(&service).await[1].waits_for.as_ref().is_some_and(|why| why.contains("24 hours")));
    let without_reason = IssuerChange { reason: None, ..forced(IssuerAction::Activate) };
    assert_eq!(code(step(&service.admin, &next, &without_reason).await), ErrorCode::InvalidArgument);
    assert_eq!(stages(&service).await, ["active", "published"]);
    step(&service.admin, &next, &forced(IssuerAction::Activate)).await.unwrap();
    assert_eq!(stages(&service).await, ["retiring", "active"]);
    let entry = service.audit_of("issuer.activated").await.pop().unwrap();
    assert_eq!(entry.detail["reason"], "a drill");
    assert!(entry.detail["forced"].as_str().unwrap().contains("0 of 24 hours"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_active_issuer_does_not_retire_without_a_successor() {
    let (service, next) = start().await;
    let old = service.issuer.clone();
    assert_eq!(code(step(&service.admin, &old, &change(IssuerAction::Retire)).await), ErrorCode::Conflict);
    step(&service.admin, &next, &change(IssuerAction::Retire)).await.unwrap();
    assert_eq!(stages(&service).await, ["active", "retiring"]);
    let device = service.device("sensor-1").await;
    assert!(is_under(&device, &old));
    let nobody: Result<Vec<IssuerInfo>, _> =
        service.admin.post_json("/v1/admin/issuers/0000000000000000", &change(IssuerAction::Retire)).await;
    assert_eq!(code(nobody), ErrorCode::NotFound);
    let body = serde_json::to_vec(&change(IssuerAction::Retire)).unwrap();
    let path = format!("/v1/admin/issuers/{}", next.short_id());
    let headers = [("content-type", "application/json")];
    assert_eq!(service.send_as(device.identity(), "POST", &path, &headers, &body).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_answer_is_repeated_with_its_own_issuer() {
    let (service, next) = start().await;
    let (token, key) = (service.token("sensor-1").await, TestKey::p256());
    let first = issued(service.enroll(&token.token, &key).await);
    activate(&service, &next).await;
    let again = issued(service.enroll(&token.token, &key).await);
    assert_eq!((again.certificate, again.chain), (first.certificate, first.chain));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_lands_on_the_list_of_the_issuer_that_signed() {
    let (service, next) = start().await;
    let old_device = service.device("sensor-1").await;
    activate(&service, &next).await;
    let new_device = service.device("sensor-2").await;
    let number = service.revoke_device("sensor-1").await.crl_number.unwrap();
    assert_eq!(list_of(&service, &service.issuer).await, [old_device.serial()]);
    assert!(list_of(&service, &next).await.is_empty());
    assert!(service.revoke_device("sensor-2").await.crl_number.unwrap() > 0 && number > 0);
    assert_eq!(list_of(&service, &service.issuer).await, [old_device.serial()]);
    assert_eq!(list_of(&service, &next).await, [new_device.serial()]);
    let lists = all_lists(&service).await;
    assert!(webpki_below(&service.root, &service.issuer, &old_device.der(), &lists).is_err());
    assert!(webpki_below(&service.root, &next, &new_device.der(), &lists).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_outlive_a_restart_and_a_missing_key_with_live_certificates_is_refused() {
    let (service, next) = start().await;
    let device = service.device("sensor-1").await;
    activate(&service, &next).await;
    let installation = service.stop().await;
    let toml = std::fs::read_to_string(installation.config_path()).unwrap();
    // The new one in the place of the old, which is gone.
    let table = crate::support::installation::issuer_table("issuer-2");
    let swapped = toml.replace(&table, "").replace("\"issuer/issuer.", "\"issuer-2/issuer.");
    std::fs::write(installation.config_path(), &swapped).unwrap();
    let Err((installation, error)) = Builder::default().try_start_in(installation).await else { panic!("it started") };
    assert!(error.to_string().contains("is not in the configuration"), "{error}");
    assert!(error.hint().contains("[[issuers]]"), "{}", error.hint());
    // Both again, in the other order.
    installation.append_toml(&crate::support::installation::issuer_table("issuer"));
    let service = Builder::default().start_in(installation).await;
    assert_eq!(stages(&service).await, ["active", "retiring"]);
    assert_eq!(service.as_device(&device).whoami().await.unwrap().serial.as_deref(), Some(device.serial()));
    assert!(is_under(&service.renew(&device).await.unwrap(), &next));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_issuers_of_one_name_are_refused_at_the_start() {
    let installation = Installation::new().await;
    installation.add_issuer("issuer-2", "Test Issuing CA").await;
    let Err((_, error)) = Builder::default().try_start_in(installation).await else { panic!("it started") };
    assert!(error.to_string().contains("have the name"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t37_the_drill_of_a_stolen_issuer() {
    let (service, next) = start().await;
    let old = service.issuer.clone();
    let (stolen, mut open) = {
        let device = service.device("sensor-1").await;
        let open = service.wire(Some(device.identity()), Protocol::Http1).await;
        (device, open)
    };
    assert_eq!(open.get("/v1/whoami").await.unwrap().status, 200);
    let begun = Instant::now();
    let mut log = Vec::new();
    step(&service.admin, &next, &forced(IssuerAction::Activate)).await.unwrap();
    log.push(("another issuer signs", begun.elapsed()));
    let sibling = service.device("sensor-2").await;
    assert!(is_under(&sibling, &next));
    // Whoever gives the order must not be cut off by it.
    let distrust = IssuerChange { reason: Some("a drill".into()), ..change(IssuerAction::Distrust) };
    assert_eq!(code(step(&service.admin, &old, &distrust).await), ErrorCode::Conflict);
    let admin = renewed_administrator(&service).await;
    step(&admin, &old, &distrust).await.unwrap();
    log.push(("the stolen one counts for nothing here", begun.elapsed()));
    // Cut off at once, or refused on the way out.
    if let Ok(refused) = open.get("/v1/whoami").await {
        assert_eq!(refused.problem().code, ErrorCode::IssuerDistrusted);
    }
    assert_eq!(code(service.as_device(&stolen).whoami().await), ErrorCode::IssuerDistrusted);
    assert_eq!(code(service.renew(&stolen).await.map(|_| ())), ErrorCode::IssuerDistrusted);
    assert_eq!(service.as_device(&sibling).whoami().await.unwrap().serial.as_deref(), Some(sibling.serial()));
    assert!(!bundle(&service).await.contains(&old.der().to_vec()));
    let back = recover(&service, &stolen).await.unwrap();
    assert!(is_under(&back, &next));
    assert_eq!(service.as_device(&back).whoami().await.unwrap().serial.as_deref(), Some(back.serial()));
    log.push(("its devices are back", begun.elapsed()));
    let number = service.clock_ms() + 1_000_000;
    service.installation.write_root_crl(number, &[&old]).await;
    RootWatch::default().look(&service.running.service).await;
    let lists = all_lists(&service).await;
    assert!(webpki_below(&service.root, &old, &stolen.der(), &lists).is_err(), "the root has revoked its issuer");
    assert_eq!(webpki_below(&service.root, &next, &back.der(), &lists), Ok(()));
    log.push(("verifiers can know", begun.elapsed()));
    let again = step(&admin, &old, &forced(IssuerAction::Activate)).await;
    assert_eq!(code(again), ErrorCode::Conflict, "it never comes back");
    log.iter().for_each(|(what, after)| println!("{:>6} ms  {what}", after.as_millis()));
}

/// The administrator's next certificate, under the issuer that signs now.
async fn renewed_administrator(service: &TestService) -> Client {
    let key = TestKey::p256();
    let request = signet_api::enroll::RenewRequest { csr: key.csr(), device: None, profile: None, groups: None };
    let certificate = service.admin.renew(&request).await.unwrap();
    service.client(Some(Device { key, certificate }.identity()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_on_the_list_of_the_root_is_distrusted_and_an_older_list_is_not_taken() {
    let (service, next) = start().await;
    let device = service.device("sensor-1").await;
    let before = service.plain("/crl/root.crl").await.body;
    // An older number, with the other issuer on it.
    service.installation.write_root_crl(1, &[&next]).await;
    RootWatch::default().look(&service.running.service).await;
    assert_eq!(service.plain("/crl/root.crl").await.body, before);
    assert_eq!(stages(&service).await, ["active", "published"]);
    service.installation.write_root_crl(service.clock_ms() + 1_000_000, &[&next]).await;
    RootWatch::default().look(&service.running.service).await;
    assert_eq!(stages(&service).await, ["active", "distrusted"]);
    assert_ne!(service.plain("/crl/root.crl").await.body, before);
    let entry = service.audit_of("alarm.issuer_revoked_by_root").await.pop().unwrap();
    assert_eq!(entry.subject, format!("issuer:{}", next.short_id()));
    assert_eq!(service.as_device(&device).whoami().await.unwrap().serial.as_deref(), Some(device.serial()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thief_cannot_sign_for_a_serial_of_the_other_issuer() {
    let (service, next) = start().await;
    step(&service.admin, &next, &forced(IssuerAction::Activate)).await.unwrap();
    let device = service.device("sensor-1").await;
    // The old key is stolen; the thief is the device itself, which wants a longer life.
    let forged = forged(&service, &device);
    let identity = signet_api::client::Identity {
        chain: vec![forged, service.issuer.der().to_vec()],
        key: device.key.pkcs8().into(),
    };
    assert_eq!(code(service.client(Some(identity)).whoami().await), ErrorCode::CertificateUnknown);
}

/// The device's certificate as the first issuer would have signed it.
fn forged(service: &TestService, device: &Device) -> Vec<u8> {
    let mut wanted = rcgen::CertificateParams::default();
    wanted.distinguished_name = rcgen::DistinguishedName::new();
    wanted.distinguished_name.push(rcgen::DnType::CommonName, "sensor-1");
    wanted.serial_number = Some(device.view().serial.as_bytes().to_vec().into());
    wanted.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let mut issuer = rcgen::CertificateParams::default();
    issuer.distinguished_name = rcgen::DistinguishedName::new();
    issuer.distinguished_name.push(rcgen::DnType::CommonName, "Test Issuing CA");
    let stolen = rcgen::KeyPair::try_from(service.installation.issuer_key().pkcs8_der()).unwrap();
    wanted.signed_by(&device.key.pair, &rcgen::Issuer::new(issuer, stolen)).unwrap().der().to_vec()
}
