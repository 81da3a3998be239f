//! Clients that do what a real device does with a failure: the same again.

use signet_api::ErrorCode;
use signet_api::client::ClientError;

/// Attempts after which a retry loop is stuck rather than unlucky.
const PATIENCE: usize = 20;

/// Repeats while the service says that it is not available, and checks how it says so.
pub(crate) async fn until_done<T>(step: &str, mut attempt: impl AsyncFnMut() -> Result<T, ClientError>) -> T {
    for _ in 0..PATIENCE {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert_passes_by_itself(step, &error),
        }
    }
    panic!("{step}: no end of failures");
}

/// 503 with Retry-After and a code that says that it is the store; above all never 401, which would make a device give up.
pub(crate) fn assert_passes_by_itself(step: &str, error: &ClientError) {
    let problem = error.problem().unwrap_or_else(|| panic!("{step}: {error}"));
    assert_eq!(problem.status, 503, "{step}: {error}");
    assert_eq!(problem.code, ErrorCode::StoreUnavailable, "{step}: {error}");
    assert!(error.retry_after().is_some(), "{step}: without Retry-After");
    assert!(!problem.hint.is_empty() && problem.detail.is_none(), "{step}: {problem:?}");
}
