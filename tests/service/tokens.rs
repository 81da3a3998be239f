//! T01: what a stolen, unused token is good for.

use signet_api::admin::{CreateTokens, DeviceAction, DeviceChange, RevokedTokens, TokenInfo, TokenKind, TokenTarget};
use signet_api::client::Enrolled;
use signet_api::enroll::HardwareFacts;
use signet_api::{Credential, CredentialKind, ErrorCode};

use crate::support::{TestKey, TestService, code, issued, order, target};

const APPROVE: DeviceChange = DeviceChange {
    action: Some(DeviceAction::Approve),
    groups: None,
    profile: None,
    recoveries: None,
    account: None,
    permissions: None,
    generation: None,
    token: None,
    spki: None,
};
const DENY: DeviceChange = DeviceChange {
    action: Some(DeviceAction::Deny),
    groups: None,
    profile: None,
    recoveries: None,
    account: None,
    permissions: None,
    generation: None,
    token: None,
    spki: None,
};

fn serial_number(text: &str) -> HardwareFacts {
    HardwareFacts { serial_number: Some(text.into()), ..HardwareFacts::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_token_bound_to_a_serial_number_is_good_for_that_machine_only() {
    let service = TestService::start().await;
    let bound = TokenTarget { serial_number: Some("SN-1".into()), ..target("sensor-1") };
    let token = service.create_token(CreateTokens { targets: vec![bound], ..order("sensor-1") }).await.token;
    let key = TestKey::p256();
    for facts in [HardwareFacts::default(), serial_number("SN-2"), serial_number("sn-1"), serial_number("")] {
        let refused = service.enroll_with(&token, key.csr(), facts).await;
        assert_eq!(code(refused), ErrorCode::TokenConstraint);
    }
    assert_eq!(service.post_csr(&token, &key.csr_der()).await.problem().code, ErrorCode::TokenConstraint);
    issued(service.enroll_with(&token, key.csr(), serial_number("SN-1")).await);
    assert_eq!(service.show("sensor-1").await.device.serial_number.as_deref(), Some("SN-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_bare_request_states_its_serial_number_in_a_header() {
    let service = TestService::start().await;
    let bound = TokenTarget { serial_number: Some("SN-1".into()), ..target("sensor-1") };
    let token = service.create_token(CreateTokens { targets: vec![bound], ..order("sensor-1") }).await.token;
    let bearer = format!("Bearer {token}");
    let post = async |serial: &str| {
        let headers = [("authorization", bearer.as_str()), ("signet-hardware-serial", serial)];
        service.send("POST", "/v1/enroll", &headers, TestKey::p256().csr().as_bytes()).await
    };
    assert_eq!(post("SN-2").await.problem().code, ErrorCode::TokenConstraint);
    assert_eq!(post("SN-1").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_token_bound_to_a_network_is_refused_from_elsewhere() {
    let service = TestService::start().await;
    let from = |cidr: &str, id: &str| CreateTokens { cidr: Some(cidr.into()), ..order(id) };
    for (cidr, id) in [("10.0.0.0/8", "a"), ("::1/128", "b"), ("127.0.0.2/32", "c")] {
        let token = service.create_token(from(cidr, id)).await.token;
        assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::TokenConstraint, "{cidr}");
    }
    let token = service.create_token(from("127.0.0.0/8", "d")).await.token;
    issued(service.enroll(&token, &TestKey::p256()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_token_bound_to_a_key_is_refused_with_another() {
    let service = TestService::start().await;
    let (key, other) = (TestKey::p256(), TestKey::p256());
    let bound = TokenTarget { spki: Some(key.fingerprint().to_string()), ..target("sensor-1") };
    let token = service.create_token(CreateTokens { targets: vec![bound], ..order("sensor-1") }).await.token;
    assert_eq!(code(service.enroll(&token, &other).await), ErrorCode::TokenConstraint);
    issued(service.enroll(&token, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_an_expired_token_is_refused_and_only_its_holder_is_told() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await.token;
    service.clock().advance(15 * 60 - 1);
    let in_time = service.token("sensor-2").await.token;
    issued(service.enroll(&in_time, &TestKey::p256()).await);
    service.clock().advance(1);
    assert_eq!(code(service.enroll(&token, &TestKey::p256()).await), ErrorCode::TokenExpired);
    let same_id_other_secret = with_other_secret(&token);
    assert_eq!(code(service.enroll(&same_id_other_secret, &TestKey::p256()).await), ErrorCode::TokenInvalid);
    assert!(service.show("sensor-1").await.certificates.is_empty());
}

/// The same id, another secret, proper check characters.
pub(crate) fn with_other_secret(token: &str) -> String {
    let id = crate::support::credential(token).id().clone();
    // The id is the first ten characters of the encoded eight octets.
    let mut random: [u8; 24] = signet_keys::random::bytes().unwrap();
    random[..8].copy_from_slice(&decode_id(id.as_str()));
    let other = Credential::from_random(CredentialKind::Enrollment, &random);
    assert_eq!(*other.id(), id);
    other.expose().to_string()
}

/// Fifty bits of Crockford base32, filled with zeros to eight octets.
pub(crate) fn decode_id(id: &str) -> [u8; 8] {
    let alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
    let number = id.chars().fold(0u64, |n, c| n << 5 | alphabet.find(c).unwrap() as u64);
    (number << 14).to_be_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_an_unbound_batch_token_waits_for_an_administrator() {
    let service = TestService::start().await;
    let batch = CreateTokens { kind: TokenKind::Batch, batch: Some("lot-1".into()), ..order("sensor-1") };
    let token = service.create_token(batch).await;
    let (key, other) = (TestKey::p256(), TestKey::p256());
    for _ in 0..2 {
        let Ok(Enrolled::Pending(pending)) = service.enroll(&token.token, &key).await else { panic!("not pending") };
        assert_eq!((pending.status.as_str(), pending.device.as_str()), ("pending", "sensor-1"));
    }
    assert_eq!(service.post_csr(&token.token, &key.csr_der()).await.header("retry-after"), Some("30"));
    assert_eq!(service.show("sensor-1").await.device.status, "pending");
    assert_eq!(code(service.enroll(&token.token, &other).await), ErrorCode::TokenBoundToOtherKey);
    assert_eq!(service.audit_of("enrollment.pending").await.len(), 1);
    assert_eq!(service.audit_of("alarm.token_reuse_other_key").await.len(), 1);

    service.change("sensor-1", &APPROVE).await.unwrap();
    assert_eq!(code(service.enroll(&token.token, &other).await), ErrorCode::TokenBoundToOtherKey);
    let certificate = issued(service.enroll(&token.token, &key).await);
    assert_eq!(service.show("sensor-1").await.certificates[0].serial, certificate.serial);
    assert_eq!(code(service.change("sensor-1", &APPROVE).await), ErrorCode::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_denied_enrollment_stays_denied() {
    let service = TestService::start().await;
    let token = service.create_token(CreateTokens { approval: true, ..order("sensor-1") }).await;
    let key = TestKey::p256();
    assert!(matches!(service.enroll(&token.token, &key).await, Ok(Enrolled::Pending(_))));
    service.change("sensor-1", &DENY).await.unwrap();
    for _ in 0..2 {
        assert_eq!(code(service.enroll(&token.token, &key).await), ErrorCode::DeviceDenied);
    }
    assert_eq!(code(service.change("sensor-1", &APPROVE).await), ErrorCode::Conflict);
    assert!(service.show("sensor-1").await.certificates.is_empty());
    // The id is free for a second attempt with a new token.
    service.device("sensor-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_an_approved_token_that_expires_before_it_is_fetched_is_dead() {
    let service = TestService::start().await;
    let token = service.create_token(CreateTokens { approval: true, ..order("sensor-1") }).await;
    let key = TestKey::p256();
    assert!(matches!(service.enroll(&token.token, &key).await, Ok(Enrolled::Pending(_))));
    service.change("sensor-1", &APPROVE).await.unwrap();
    service.clock().advance(15 * 60);
    assert_eq!(code(service.enroll(&token.token, &key).await), ErrorCode::TokenExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_token_is_revoked_by_its_id() {
    let service = TestService::start().await;
    let (stolen, kept) = (service.token("sensor-1").await, service.token("sensor-2").await);
    assert_eq!(service.revoke_token(&stolen).await.tokens, std::slice::from_ref(&stolen.id));
    assert_eq!(service.revoke_token(&stolen).await.tokens, []);
    assert_eq!(code(service.enroll(&stolen.token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    issued(service.enroll(&kept.token, &TestKey::p256()).await);
    let info: TokenInfo = service.admin.get_json(&format!("/v1/admin/tokens/{}", stolen.id)).await.unwrap();
    assert_eq!(info.status, "revoked");
    let entries = service.audit_of("token.revoked").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].actor.as_str(), entries[0].subject.clone()),
        ("admin:admin", format!("token:{}", stolen.id))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_a_whole_batch_of_tokens_is_revoked_at_once() {
    let service = TestService::start().await;
    let lot = |name: &str, ids: &[&str]| CreateTokens {
        kind: TokenKind::Batch,
        batch: Some(name.into()),
        cidr: Some("127.0.0.0/8".into()),
        targets: ids.iter().map(|id| target(id)).collect(),
        ..order("unused")
    };
    let lot_1 = service.create_tokens(&lot("lot-1", &["a", "b", "c"])).await.unwrap().tokens;
    let lot_2 = service.create_tokens(&lot("lot-2", &["d"])).await.unwrap().tokens;
    let used = service.device_with(&lot_1[0], TestKey::p256()).await;
    let revoked: RevokedTokens = service.admin.post_json("/v1/admin/batches/lot-1/revoke", &()).await.unwrap();
    let mut expected = vec![lot_1[1].id.clone(), lot_1[2].id.clone()];
    expected.sort();
    let mut tokens = revoked.tokens;
    tokens.sort();
    assert_eq!(tokens, expected);
    for token in &lot_1[1..] {
        assert_eq!(code(service.enroll(&token.token, &TestKey::p256()).await), ErrorCode::TokenRevoked);
    }
    issued(service.enroll(&lot_2[0].token, &TestKey::p256()).await);
    // Tokens only: what was enrolled before goes on.
    assert_eq!(service.as_device(&used).whoami().await.unwrap().id.as_str(), "a");
    let unknown = service.admin.post_json::<(), RevokedTokens>("/v1/admin/batches/lot-9/revoke", &()).await;
    assert_eq!(code(unknown), ErrorCode::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_the_use_of_a_token_stands_in_the_audit() {
    let service = TestService::start().await;
    let token = service.token("sensor-1").await;
    let certificate = issued(service.enroll(&token.token, &TestKey::p256()).await);
    let entries = service.audit_of("certificate.enrolled").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].actor, format!("token:{}", token.id));
    assert_eq!(entries[0].subject, "sensor-1");
    assert_eq!(entries[0].detail["serial"], certificate.serial.as_str());
    assert_eq!(entries[0].detail["remote"], "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn t01_orders_beyond_the_limits_are_refused_whole() {
    let service = TestService::start().await;
    let base = || order("sensor-1");
    let two = vec![target("a"), target("b")];
    let orders = [
        CreateTokens { lifetime: Some(4 * 60), ..base() },
        CreateTokens { lifetime: Some(16 * 60), ..base() },
        CreateTokens { kind: TokenKind::Batch, lifetime: Some(91 * 86_400), ..base() },
        CreateTokens { kind: TokenKind::Batch, targets: two.clone(), ..base() },
        CreateTokens { batch: Some("lot".into()), targets: two, ..base() },
        CreateTokens { kind: TokenKind::Batch, batch: Some("Lot 1".into()), ..base() },
        CreateTokens { cidr: Some("10.0.0.0/33".into()), ..base() },
        CreateTokens { groups: vec!["Not A Group".into()], ..base() },
        CreateTokens { profile: "admin".into(), ..base() },
        CreateTokens { profile: "server".into(), ..base() },
        CreateTokens { profile: "nobody".into(), ..base() },
        CreateTokens { targets: Vec::new(), ..base() },
        CreateTokens { targets: vec![TokenTarget { spki: Some("12".into()), ..target("sensor-1") }], ..base() },
        CreateTokens {
            targets: vec![TokenTarget { serial_number: Some("a\nb".into()), ..target("sensor-1") }],
            ..base()
        },
        CreateTokens {
            kind: TokenKind::Batch,
            batch: Some("lot".into()),
            targets: vec![target("x"), target("x")],
            ..base()
        },
    ];
    let before = service.audit().await.len();
    for order in orders {
        assert_eq!(code(service.create_tokens(&order).await), ErrorCode::InvalidArgument, "{order:?}");
    }
    assert_eq!(service.audit().await.len(), before);
}
