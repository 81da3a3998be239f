//! What administrators see and order: devices, tokens, certificates, manual issue.

use signet_api::ErrorCode;
use signet_api::admin::{
    AuditEntry, AuditVerdict, CertificateInfo, CreateTokens, DeviceInfo, IssueRequest, IssuerInfo, Page, TokenInfo,
    TokenKind, TokenTarget,
};
use signet_api::client::{ClientError, Identity};
use signet_api::enroll::{HardwareFacts, IssuedCertificate};

use crate::support::{Device, TestKey, TestService, code, device_id, issued, leaf, order, target};

async fn devices(service: &TestService, query: &str) -> Vec<String> {
    let page: Page<DeviceInfo> = service.admin.get_json(&format!("/v1/admin/devices{query}")).await.unwrap();
    page.items.into_iter().map(|d| d.id.to_string()).collect()
}

async fn tokens(service: &TestService, query: &str) -> Vec<String> {
    let page: Page<TokenInfo> = service.admin.get_json(&format!("/v1/admin/tokens{query}")).await.unwrap();
    let mut ids: Vec<String> = page.items.into_iter().map(|t| t.device.to_string()).collect();
    ids.sort();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_found_by_id_serial_number_group_status_and_end() {
    let service = TestService::start().await;
    let grouped = |id: &str, group: &str| CreateTokens { groups: vec![group.into()], ..order(id) };
    for (id, group) in [("press-1", "hall-a"), ("press-2", "hall-b"), ("lathe-1", "hall-a")] {
        let token = service.create_token(grouped(id, group)).await;
        service.device_with(&token, TestKey::p256()).await;
    }
    let bound = TokenTarget { serial_number: Some("SN-77_x".into()), ..target("robot-1") };
    let token = service.create_token(CreateTokens { targets: vec![bound], ..order("robot-1") }).await.token;
    let facts = HardwareFacts { serial_number: Some("SN-77_x".into()), ..HardwareFacts::default() };
    issued(service.enroll_with(&token, TestKey::p256().csr(), facts).await);
    service.token("waiting-1").await;
    service.revoke_device("press-2").await;

    assert_eq!(devices(&service, "").await, ["lathe-1", "press-1", "press-2", "robot-1", "waiting-1"]);
    assert_eq!(devices(&service, "?search=press").await, ["press-1", "press-2"]);
    assert_eq!(devices(&service, "?search=SN-77").await, ["robot-1"]);
    assert_eq!(devices(&service, "?group=hall-a").await, ["lathe-1", "press-1"]);
    assert_eq!(devices(&service, "?group=hall").await, [""; 0]);
    assert_eq!(devices(&service, "?status=revoked").await, ["press-2"]);
    assert_eq!(devices(&service, "?status=preregistered").await, ["waiting-1"]);
    assert_eq!(devices(&service, "?status=active&group=hall-a&search=1").await, ["lathe-1", "press-1"]);
    assert_eq!(devices(&service, "?expiring=3600").await, [""; 0]);
    assert_eq!(devices(&service, "?expiring=90000").await, ["lathe-1", "press-1", "robot-1"]);
    // What has a meaning in SQL has none here.
    for harmless in ["%25", "_", "77_", "%27%3B--", "%5C"] {
        let found = devices(&service, &format!("?search={harmless}")).await;
        let expected: &[&str] = if matches!(harmless, "_" | "77_") { &["robot-1"] } else { &[] };
        assert_eq!(found, expected, "{harmless}");
    }
    let hidden = devices(&service, "?search=signetd").await;
    assert_eq!(hidden, [""; 0], "the service and its administrators are no devices");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let service = TestService::start().await;
    let lot = CreateTokens {
        kind: TokenKind::Batch,
        batch: Some("lot-1".into()),
        targets: (0..25).map(|i| target(&format!("d-{i:02}"))).collect(),
        ..order("unused")
    };
    service.create_tokens(&lot).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/admin/devices?limit=10{after}");
        let page: Page<DeviceInfo> = service.admin.get_json(&path).await.unwrap();
        assert!(page.items.len() <= 10);
        seen.extend(page.items.into_iter().map(|d| d.id.to_string()));
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (0..25).map(|i| format!("d-{i:02}")).collect::<Vec<_>>());
    let exact: Page<DeviceInfo> = service.admin.get_json("/v1/admin/devices?limit=25").await.unwrap();
    assert_eq!((exact.items.len(), exact.next), (25, None));

    let first: Page<TokenInfo> = service.admin.get_json("/v1/admin/tokens?limit=20").await.unwrap();
    let rest = format!("/v1/admin/tokens?limit=20&after={}", first.next.unwrap());
    let rest: Page<TokenInfo> = service.admin.get_json(&rest).await.unwrap();
    let mut ids: Vec<_> = first.items.iter().chain(&rest.items).map(|t| t.id.clone()).collect();
    ids.dedup();
    assert_eq!((ids.len(), rest.next), (25, None));
    for (limit, expected) in [("0", 1), ("100000", 25)] {
        let page: Page<DeviceInfo> = service.admin.get_json(&format!("/v1/admin/devices?limit={limit}")).await.unwrap();
        assert_eq!(page.items.len(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_listed_by_status_batch_and_device() {
    let service = TestService::start().await;
    let lot = CreateTokens {
        kind: TokenKind::Batch,
        batch: Some("lot-1".into()),
        targets: vec![target("a"), target("b")],
        ..order("unused")
    };
    let lot = service.create_tokens(&lot).await.unwrap().tokens;
    service.device("c").await;
    let revoked = service.token("d").await;
    service.revoke_token(&revoked).await;
    service.token("e").await;
    service.enroll(&lot[0].token, &TestKey::p256()).await.unwrap();
    assert_eq!(tokens(&service, "").await, ["a", "b", "c", "d", "e"]);
    assert_eq!(tokens(&service, "?batch=lot-1").await, ["a", "b"]);
    assert_eq!(tokens(&service, "?device=c").await, ["c"]);
    assert_eq!(tokens(&service, "?status=redeemed").await, ["c"]);
    assert_eq!(tokens(&service, "?status=revoked").await, ["d"]);
    assert_eq!(tokens(&service, "?status=pending").await, ["a"]);
    assert_eq!(tokens(&service, "?status=active").await, ["b", "e"]);
    service.clock().advance(15 * 60);
    assert_eq!(tokens(&service, "?status=expired").await, ["e"]);
    assert_eq!(tokens(&service, "?status=active").await, ["b"]);
    let text = service.send_as(service.installation.administrator(), "GET", "/v1/admin/tokens", &[], b"").await;
    for token in &lot {
        assert!(!text.text().contains(&token.token[15..]), "a secret is shown once");
    }
}

fn manual(id: &str, key: &TestKey) -> IssueRequest {
    IssueRequest {
        device: device_id(id),
        csr: key.csr(),
        profile: "device".into(),
        groups: vec!["desk".into()],
        dns_names: Vec::new(),
        lifetime: None,
        replace: false,
    }
}

async fn issue(service: &TestService, request: &IssueRequest) -> Result<IssuedCertificate, ClientError> {
    service.admin.post_json("/v1/admin/issue", request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_issue_is_the_administrator_s_and_stands_in_the_audit() {
    let service = TestService::start().await;
    let key = TestKey::p256();
    let certificate = issue(&service, &manual("sensor-1", &key)).await.unwrap();
    let device = Device { certificate, key };
    assert_eq!(service.as_device(&device).whoami().await.unwrap().groups, ["desk"]);
    let entries = service.audit_of("certificate.issued_manually").await;
    assert_eq!((entries.len(), entries[0].actor.as_str()), (1, "admin:admin"));
    assert_eq!(entries[0].detail["serial"], device.serial());

    let again = issue(&service, &manual("sensor-1", &TestKey::p256())).await;
    assert_eq!(code(again), ErrorCode::Conflict);
    let replace = IssueRequest { replace: true, ..manual("sensor-1", &TestKey::p256()) };
    issue(&service, &replace).await.unwrap();
    let neighbour = IssueRequest { csr: device.key.csr(), ..manual("sensor-2", &TestKey::p256()) };
    assert_eq!(code(issue(&service, &neighbour).await), ErrorCode::KeyRefused);
    service.revoke_device("sensor-1").await;
    assert_eq!(code(issue(&service, &replace).await), ErrorCode::DeviceRevoked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manual_issue_stays_within_its_profile() {
    let service = TestService::start().await;
    let long =
        IssueRequest { lifetime: Some(10 * 86_400), profile: "service".into(), ..manual("api", &TestKey::p256()) };
    let view = signet_pki::view::CertificateView::parse(&leaf(&issue(&service, &long).await.unwrap())).unwrap();
    assert_eq!(view.not_after.since(view.not_before), 7 * 86_400 + 300, "cut to the profile's longest");
    for profile in ["admin", "server", "nobody"] {
        let request = IssueRequest { profile: profile.into(), ..manual("sensor-1", &TestKey::p256()) };
        assert_eq!(code(issue(&service, &request).await), ErrorCode::InvalidArgument, "{profile}");
    }
    let named = IssueRequest { dns_names: vec!["a.example".parse().unwrap()], ..manual("sensor-1", &TestKey::p256()) };
    assert_eq!(code(issue(&service, &named).await), ErrorCode::InvalidArgument);
    for taken in ["admin", "signetd"] {
        let request = IssueRequest { replace: true, ..manual(taken, &TestKey::p256()) };
        let refused = code(issue(&service, &request).await);
        assert!(matches!(refused, ErrorCode::InvalidArgument | ErrorCode::Conflict), "{taken}: {refused:?}");
    }
    assert_eq!(service.admin.whoami().await.unwrap().kind, "admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_device_takes_the_id_of_an_administrator_or_of_the_service() {
    let service = TestService::start().await;
    for taken in ["admin", "signetd"] {
        let replace = CreateTokens { replace: true, ..order(taken) };
        for order in [order(taken), replace] {
            assert_eq!(code(service.create_tokens(&order).await), ErrorCode::Conflict, "{taken}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_issuers_are_shown() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let path = |serial: &str| format!("/v1/admin/certificates/{serial}");
    let info: CertificateInfo = service.admin.get_json(&path(device.serial())).await.unwrap();
    assert_eq!((info.device.as_str(), info.status.as_str(), info.generation), ("sensor-1", "active", 1));
    assert_eq!(info.spki, device.key.fingerprint().to_string());
    let spelled: CertificateInfo = service.admin.get_json(&path(&device.serial().to_uppercase())).await.unwrap();
    assert_eq!(spelled, info);
    assert_eq!(code(service.admin.get_json::<CertificateInfo>(&path("4f00a1")).await), ErrorCode::NotFound);
    service.clock().advance(86_401);
    let expired: CertificateInfo = service.admin.get_json(&path(device.serial())).await.unwrap();
    assert_eq!(expired.status, "expired");
    let issuers: Vec<IssuerInfo> = service.admin.get_json("/v1/admin/issuers").await.unwrap();
    assert_eq!((issuers.len(), issuers[0].id.clone()), (1, service.issuer.short_id()));
    assert_eq!(issuers[0].not_after, service.issuer.not_after().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_is_paged_filtered_and_verified() {
    let service = TestService::start().await;
    for id in ["a", "b", "c"] {
        service.device(id).await;
    }
    let all = service.audit().await;
    let newest: Page<AuditEntry> = service.admin.get_json("/v1/admin/audit?limit=2").await.unwrap();
    assert_eq!(newest.items, all[all.len() - 2..]);
    let page: Page<AuditEntry> = service.admin.get_json("/v1/admin/audit?after=1&limit=2").await.unwrap();
    assert_eq!(page.items, all[1..3]);
    assert_eq!(page.next.as_deref(), Some("3"));
    let of_b: Page<AuditEntry> = service.admin.get_json("/v1/admin/audit?subject=b").await.unwrap();
    assert!(!of_b.items.is_empty() && of_b.items.iter().all(|e| e.subject == "b"));
    let verdict: AuditVerdict = service.admin.get_json("/v1/admin/audit/verify").await.unwrap();
    let expected = AuditVerdict {
        archived: 0,
        anchor: "0".repeat(64),
        entries: all.len() as u64,
        intact: true,
        broken_at: None,
        head: all.last().unwrap().leaf_hash.clone(),
    };
    assert_eq!(verdict, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_audit_entry_is_found() {
    let service = TestService::start().await;
    service.device("sensor-1").await;
    let installation = service.stop().await;
    let database = rusqlite::Connection::open(installation.database()).unwrap();
    let changed = database.execute("UPDATE audit SET canonical = canonical || ' ' WHERE sequence = 4", []).unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let service = TestService::builder().start_in(installation).await;
    let verdict: AuditVerdict = service.admin.get_json("/v1/admin/audit/verify").await.unwrap();
    assert_eq!((verdict.intact, verdict.broken_at, verdict.entries), (false, Some(4), 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_administrator_is_made_by_the_operator_only() {
    let service = TestService::start().await;
    let name = device_id("bob");
    let directory = service.installation.path("bob");
    let made = signet::server_identity::create_admin(&service.running.service, &name, &directory).await.unwrap();
    assert_eq!(made.len(), 4);
    let bob: Identity = crate::support::installation::identity(&directory);
    assert_eq!(service.client(Some(bob)).whoami().await.unwrap().id, name.as_str());
    let key = std::fs::read(directory.join("admin.key")).unwrap();
    let again = signet::server_identity::create_admin(&service.running.service, &name, &directory).await.unwrap_err();
    assert!(again.to_string().contains("exists already") && again.hint().contains("--admin-dir"), "{again}");
    assert_eq!(std::fs::read(directory.join("admin.key")).unwrap(), key, "no key is overwritten");
}
