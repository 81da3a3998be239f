//! Policies of tests.

use std::sync::Arc;

use signet_policy::Policy;

use super::TestService;

impl TestService {
    /// The rules from now on.
    pub(crate) fn policy(&self, text: &str) {
        let policy = Policy::parse(text).unwrap_or_else(|errors| panic!("{errors}"));
        self.running.service.policies.store(Arc::new(policy));
    }
}
