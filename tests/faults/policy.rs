//! What is in force is what the store says, also when its answer was lost.

use signet::housekeeping::PolicyWatch;
use signet_api::client::{ClientError, Method};
use signet_api::policy::{POLICY_PATH, PolicyInfo, PolicyOrder};

use crate::calls::start;
use crate::faulty::Fault;
use crate::support::TestService;

const STOP: &str = "[[rule]]\nid = \"stop\"\neffect = \"forbid\"\ndescription = \"d\"\nprincipal = \"*\"\nactions = \"*\"\n\
                    resource = \"*\"\n";

async fn info(service: &TestService) -> PolicyInfo {
    service.admin.get_json(POLICY_PATH).await.unwrap()
}

async fn put(service: &TestService, instead_of: &str) -> Result<PolicyInfo, ClientError> {
    let order = PolicyOrder { text: STOP.into(), instead_of: instead_of.into() };
    let body = ("application/json", serde_json::to_vec(&order).unwrap());
    service.admin.send(Method::PUT, POLICY_PATH, &[], Some(body)).await?.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_applied_policy_whose_answer_was_lost_comes_into_force_by_itself() {
    let (service, faulty) = start().await;
    let before = info(&service).await.revision;
    faulty.fail_next("apply_policy", Fault::Lost);
    put(&service, &before).await.unwrap_err();
    PolicyWatch::default().look(&service.running.service).await;
    assert_eq!(info(&service).await.revision, before);
    faulty.fail_next("apply_policy", Fault::DoneButReported);
    put(&service, &before).await.unwrap_err();
    // What housekeeping does within five seconds.
    PolicyWatch::default().look(&service.running.service).await;
    let after = info(&service).await;
    assert_eq!((after.rules, after.problem), (1, None));
    // The administrator repeats it, and nothing is written twice.
    put(&service, &before).await.unwrap();
    assert_eq!(service.audit_of("policy.applied").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_could_not_be_read_is_read_later() {
    let (service, faulty) = start().await;
    put(&service, &info(&service).await.revision).await.unwrap();
    faulty.fail_next("inventory_after", Fault::Lost);
    let candidate = signet_api::policy::PolicyCandidate::default();
    let path = format!("{POLICY_PATH}/diff");
    let lost = service.admin.post_json::<_, signet_api::policy::PolicyDiff>(&path, &candidate).await;
    assert_eq!(lost.unwrap_err().problem().unwrap().status, 503);
    service.admin.post_json::<_, signet_api::policy::PolicyDiff>(&path, &candidate).await.unwrap();
}
