//! Access tokens for whoever the connection's certificate says, and enrollment tokens by the device grant.

use std::time::Duration;

use signet_pki::Fingerprint;

use super::{Client, ClientError, Method, escape};
use crate::ErrorCode;
use crate::device_codes::{DEVICE_CODE_GRANT, DeviceAuthorization, DeviceToken};
use crate::oauth::TokenResponse;

impl Client {
    /// By client credentials over mTLS (RFC 8705). Without a scope: everything that the certificate allows; without an
    /// audience: for the service itself.
    pub async fn access_token(
        &self,
        scope: Option<&str>,
        audience: Option<&str>,
    ) -> Result<TokenResponse, ClientError> {
        let mut form = "grant_type=client_credentials".to_owned();
        for (name, value) in [("scope", scope), ("resource", audience)] {
            if let Some(value) = value {
                form += &format!("&{name}={}", escape(value));
            }
        }
        self.send(Method::POST, TOKEN, &[], Some(self::form(form))).await?.json()
    }

    /// Begins the device grant (RFC 8628 3.1). `spki`: the key that the token is to be bound to.
    pub async fn begin_device_grant(
        &self,
        client_id: &str,
        spki: Option<Fingerprint>,
    ) -> Result<DeviceAuthorization, ClientError> {
        let spki = spki.map(|spki| format!("&spki={spki}")).unwrap_or_default();
        let body = format!("client_id={}{spki}", escape(client_id));
        self.send(Method::POST, "/v1/oauth/device_authorization", &[], Some(form(body))).await?.json()
    }

    /// Asks what became of it (RFC 8628 3.4): the token, or by how much longer to wait until the next question.
    pub async fn device_grant(&self, device_code: &str) -> Result<Result<DeviceToken, Duration>, ClientError> {
        let grant = escape(DEVICE_CODE_GRANT);
        let body = format!("grant_type={grant}&device_code={}", escape(device_code));
        match self.send(Method::POST, TOKEN, &[], Some(form(body))).await {
            Ok(answer) => Ok(Ok(answer.json()?)),
            Err(ClientError::Refused(problem, _)) if problem.code == ErrorCode::AuthorizationPending => {
                Ok(Err(Duration::ZERO))
            }
            Err(ClientError::Refused(problem, _)) if problem.code == ErrorCode::SlowDown => Ok(Err(SLOWER)),
            Err(error) => Err(error),
        }
    }
}

fn form(text: String) -> (&'static str, Vec<u8>) {
    ("application/x-www-form-urlencoded", text.into_bytes())
}

const TOKEN: &str = "/v1/oauth/token";
/// RFC 8628 3.5.
const SLOWER: Duration = Duration::from_secs(5);
