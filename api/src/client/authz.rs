//! Calls about permission, typed.

use super::{Client, ClientError};
use crate::authz::{CheckAnswer, CheckAnswers, CheckRequest};

impl Client {
    /// One question, by a registered service about itself or by an administrator.
    pub async fn check(&self, question: &CheckRequest) -> Result<CheckAnswer, ClientError> {
        self.post_json("/v1/authz/check", question).await
    }

    /// The questions of `checks`.
    pub async fn check_all(&self, questions: &CheckRequest) -> Result<CheckAnswers, ClientError> {
        self.post_json("/v1/authz/check", questions).await
    }
}
