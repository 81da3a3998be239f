//! The step to another issuer is cut: it happened or it did not, and the service says which.

use signet_api::ErrorCode;
use signet_api::admin::{IssuerAction, IssuerChange, IssuerInfo};

use crate::faulty::{Fault, FaultyStore};
use crate::support::{Builder, Installation, TestService, code};

async fn stages(service: &TestService) -> Vec<String> {
    let infos: Vec<IssuerInfo> = service.admin.get_json("/v1/admin/issuers").await.unwrap();
    infos.into_iter().map(|issuer| issuer.stage).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_whose_answer_was_lost_counts_and_one_that_was_lost_does_not() {
    let installation = Installation::new().await;
    let next = installation.add_issuer("issuer-2", "Test Issuing CA 2").await;
    let slot = std::sync::Arc::new(std::sync::OnceLock::new());
    let kept = slot.clone();
    let wrapped = Builder::default().store(move |inner| {
        let faulty = FaultyStore::around(inner);
        assert!(kept.set(faulty.clone()).is_ok());
        faulty
    });
    let service = wrapped.start_in(installation).await;
    let faulty = slot.get().unwrap();
    let path = format!("/v1/admin/issuers/{}", next.short_id());
    let order = IssuerChange { action: IssuerAction::Activate, force: true, reason: Some("a test".into()) };
    for (fault, expected) in [(Fault::Lost, ["active", "published"]), (Fault::DoneButReported, ["retiring", "active"])]
    {
        faulty.fail_next("step_issuer", fault);
        let answer = service.admin.post_json::<_, Vec<IssuerInfo>>(&path, &order).await;
        assert_eq!(code(answer), ErrorCode::StoreUnavailable);
        faulty.recover();
        assert_eq!(stages(&service).await, expected);
    }
    // The order again is answered as if nothing had happened.
    service.admin.post_json::<_, Vec<IssuerInfo>>(&path, &order).await.unwrap();
    assert_eq!(service.audit_of("issuer.activated").await.len(), 2, "the first start, and once");
    let installation = service.stop().await;
    let service = Builder::default().start_in(installation).await;
    assert_eq!(stages(&service).await, ["retiring", "active"]);
}
