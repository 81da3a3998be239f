//! A caller goes away, or its time is up, and the work for it is dropped wherever it stood. Every place where it can stand
//! is tried: the first suspension, the second, and so on until the work ends by itself.

use std::future::poll_fn;
use std::task::Poll;

use signet::authorize::{Context, Enrollment, Evidence};
use signet::enrollment::Outcome;
use signet::revocation::Wish;
use signet::store::{Mode, PrincipalStatus, RevokeTarget};
use signet_pki::crl::Reason;

use crate::auditor::{assert_clean, certificates_of};
use crate::support::{TestKey, TestService, credential, device_id};

fn context() -> Context {
    Context { request_id: "test".into(), remote: [127, 0, 0, 1].into() }
}

/// Drops `work` at its `nth` suspension; `None` when it was dropped.
pub(crate) async fn dropped_at<T>(nth: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = Box::pin(work);
    let mut suspensions = 0;
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => {
            suspensions += 1;
            if suspensions >= nth { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_whose_caller_went_away_is_carried_out_and_published() {
    let service = TestService::start().await;
    let inner = service.running.service.clone();
    let earlier = service.device("earlier").await;
    service.revoke_device("earlier").await;
    // A signature may be ready before anybody waits for it: several walks find every place.
    let (mut walk, mut nth) = (0, 0);
    while walk < WALKS {
        nth += 1;
        let name = format!("device-{walk}-{nth}");
        let device = service.device(&name).await;
        let target = RevokeTarget::Device(device_id(&name));
        let wish = Wish { target, reason: Reason::Unspecified, mode: Mode::Apply };
        let context = context();
        let done = dropped_at(nth, inner.revocation.revoke(wish, "admin:test".into(), &context)).await;
        // Nobody asks for a list here: what was begun ends by itself.
        let published = async {
            while !service.is_on_crl(device.serial()).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, published).await.unwrap_or_else(|_| panic!("dropped at {nth}: never published"));
        let status = inner.store.principal(&device_id(&name)).await.unwrap().unwrap().status;
        assert_eq!(status, PrincipalStatus::Revoked);
        assert!(service.is_on_crl(earlier.serial()).await, "dropped at {nth}: an earlier revocation left the list");
        if done.is_some() {
            (walk, nth) = (walk + 1, 0);
        }
    }
    assert_clean(&service.stop().await);
}

/// A list that was being built when its builder was dropped takes no earlier revocation with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_dropped_half_way_loses_no_revocation() {
    let service = TestService::start().await;
    let inner = service.running.service.clone();
    let earlier = service.device("earlier").await;
    service.revoke_device("earlier").await;
    let (mut walk, mut nth) = (0, 0);
    while walk < WALKS {
        nth += 1;
        let done = dropped_at(nth, inner.publisher.rebuild("test")).await;
        inner.publisher.rebuild("test").await.unwrap();
        assert!(service.is_on_crl(earlier.serial()).await, "dropped at {nth}: an earlier revocation left the list");
        if done.is_some() {
            (walk, nth) = (walk + 1, 0);
        }
    }
}

/// Only a test that fails waits for it.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_enrollment_that_was_dropped_half_way_is_finished_by_the_retry() {
    let service = TestService::start().await;
    let inner = service.running.service.clone();
    for nth in 1.. {
        let name = format!("device-{nth}");
        let (token, key) = (service.token(&name).await, TestKey::p256());
        let walk = || {
            let evidence = Evidence::Token { credential: credential(&token.token), facts: Default::default() };
            inner.road.walk(Enrollment { csr: key.csr_der(), evidence, context: context() })
        };
        let done = dropped_at(nth, walk()).await;
        let (Outcome::Issued(retried) | Outcome::Replayed(retried)) = walk().await.unwrap() else { panic!("pending") };
        if let Some(Ok(Outcome::Issued(first))) = &done {
            assert_eq!(first.der(), retried.der());
        }
        assert_eq!(certificates_of(&service.installation.database(), &name), [retried.der()], "dropped at {nth}");
        if done.is_some() {
            break;
        }
    }
    assert_clean(&service.stop().await);
}

const WALKS: usize = 8;
