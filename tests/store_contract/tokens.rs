//! Tokens and the devices that they announce.

use signet::store::{
    CreateTokens, PrincipalStatus, RevokeTarget, Step, TokenConflict, TokenRecord, TokenSelection, TokenStatus,
};
use signet_pki::name::PrincipalKind;

use crate::bench::Bench;
use crate::factory::{batch_token, id, key, order, revoke_tokens, step, target_device, token};

pub(crate) async fn tokens_register_their_devices(bench: Bench) {
    let bound = TokenRecord {
        dns_names: vec![signet_pki::DnsName::parse("a.dev.example").unwrap()],
        hardware_serial: Some("HW-9".into()),
        spki: Some(signet_pki::Fingerprint::of(b"key")),
        cidr: Some("10.0.0.0/8".into()),
        approval: true,
        replace: true,
        ..batch_token("a", "spring")
    };
    bench.create(std::slice::from_ref(&bound)).await;
    assert_eq!(bench.token(&bound).await, bound);
    let principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
    assert_eq!((principal.status, principal.version), (PrincipalStatus::Preregistered, 1));
    assert_eq!((&principal.groups, &principal.dns_names), (&bound.groups, &bound.dns_names));
    assert_eq!(principal.kind, PrincipalKind::Device);
}

pub(crate) async fn one_conflict_creates_no_token_at_all(bench: Bench) {
    bench.enrolled("taken").await;
    let (good, bad) = (token("fresh"), token("taken"));
    let refused = bench.unchanged_by(bench.store.create_tokens(order(&[good.clone(), bad]))).await.unwrap();
    assert_eq!(refused, Err(TokenConflict::Exists(id("taken"))));
    assert_eq!(bench.store.token(&good.id).await.unwrap(), None);
    assert_eq!(bench.store.principal(&id("fresh")).await.unwrap(), None);
}

pub(crate) async fn an_enrolled_device_needs_replace(bench: Bench) {
    bench.enrolled("a").await;
    let replace = TokenRecord { replace: true, ..token("a") };
    bench.create(std::slice::from_ref(&replace)).await;
    bench.enroll(&replace, &key()).await;
    assert_eq!(bench.certificates("a").await.len(), 2);
}

pub(crate) async fn ended_devices_and_other_kinds_get_no_token(bench: Bench) {
    for name in ["revoked", "retired", "living"] {
        bench.enrolled(name).await;
    }
    bench.revoke(target_device("revoked")).await;
    bench.store.change_device(step("retired", Step::Retire)).await.unwrap().unwrap().unwrap();
    for name in ["revoked", "retired"] {
        let wanted = TokenRecord { replace: true, ..token(name) };
        let refused = bench.unchanged_by(bench.store.create_tokens(order(&[wanted]))).await.unwrap();
        assert_eq!(refused, Err(TokenConflict::Ended(id(name))));
    }
    let service = CreateTokens { kind: PrincipalKind::Service, ..order(&[token("living")]) };
    let refused = bench.unchanged_by(bench.store.create_tokens(service)).await.unwrap();
    assert_eq!(refused, Err(TokenConflict::Ended(id("living"))));
}

pub(crate) async fn the_newest_order_describes_a_device_that_is_not_enrolled_yet(bench: Bench) {
    bench.create(&[token("a")]).await;
    let second = TokenRecord { groups: vec!["cameras".into()], profile: "intermittent".into(), ..token("a") };
    bench.create(std::slice::from_ref(&second)).await;
    let principal = bench.store.principal(&id("a")).await.unwrap().unwrap();
    assert_eq!((principal.groups, principal.profile), (second.groups, second.profile));
    assert_eq!(principal.version, 2);
}

pub(crate) async fn open_tokens_are_revoked_by_id_and_by_batch(bench: Bench) {
    let batch = [batch_token("a", "spring"), batch_token("b", "spring"), batch_token("c", "spring")];
    let (other, lone) = (batch_token("d", "autumn"), token("e"));
    bench.create(&batch).await;
    bench.create(&[other.clone(), lone.clone()]).await;
    bench.enroll(&batch[2], &key()).await;
    let one = bench.store.revoke_tokens(revoke_tokens(TokenSelection::Id(lone.id.clone()))).await.unwrap();
    assert_eq!(one, std::slice::from_ref(&lone.id));
    let mut ended = bench.store.revoke_tokens(revoke_tokens(TokenSelection::Batch("spring".into()))).await.unwrap();
    ended.sort_by_key(ToString::to_string);
    let mut expected = vec![batch[0].id.clone(), batch[1].id.clone()];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(ended, expected);
    assert_eq!(bench.token(&batch[2]).await.status, TokenStatus::Redeemed);
    assert_eq!(bench.token(&other).await.status, TokenStatus::Active);
    for nothing in [TokenSelection::Batch("spring".into()), TokenSelection::Id(token("x").id)] {
        let none = bench.unchanged_by(bench.store.revoke_tokens(revoke_tokens(nothing))).await.unwrap();
        assert!(none.is_empty());
    }
}

pub(crate) async fn t01_a_revoked_token_is_dead(bench: Bench) {
    let token = token("a");
    bench.create(std::slice::from_ref(&token)).await;
    bench.store.revoke_tokens(revoke_tokens(TokenSelection::Id(token.id.clone()))).await.unwrap();
    assert!(bench.unchanged_by(bench.try_enroll(&token, &key())).await.is_err());
    assert_eq!(bench.token(&token).await.status, TokenStatus::Revoked);
    // The device itself is not ended by it.
    let batch = RevokeTarget::Batch("none".into());
    assert!(!bench.revoke(batch).await.known);
    assert_eq!(bench.status("a").await, PrincipalStatus::Preregistered);
}
