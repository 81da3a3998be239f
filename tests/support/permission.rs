//! Policies of tests.

use signet_api::policy::{PolicyInfo, PolicyOrder};

use super::TestService;

impl TestService {
    /// The rules from now on, as an administrator applies them.
    pub(crate) async fn policy(&self, text: &str) {
        let PolicyInfo { revision, .. } = self.admin.get_json("/v1/admin/policy").await.unwrap();
        let order = PolicyOrder { text: text.to_owned(), instead_of: revision };
        let body = serde_json::to_vec(&order).unwrap();
        let admin = self.installation.administrator();
        let reply = self.send_as(admin, "PUT", "/v1/admin/policy", &[], &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}
