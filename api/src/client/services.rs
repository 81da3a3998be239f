//! Calls about registered services, typed.

use signet_pki::DeviceId;

use super::{Client, ClientError, Method, json_body};
use crate::services::{RegisterService, ServiceDetail};

impl Client {
    /// As the service itself, over mTLS with the certificate that is registered; or as an administrator with a proof.
    pub async fn register_service(
        &self,
        id: &DeviceId,
        request: &RegisterService,
    ) -> Result<ServiceDetail, ClientError> {
        let path = format!("/v1/services/{id}");
        self.send(Method::PUT, &path, &[], Some(json_body(request)?)).await?.json()
    }

    pub async fn service(&self, id: &DeviceId) -> Result<ServiceDetail, ClientError> {
        self.get_json(&format!("/v1/services/{id}")).await
    }
}
