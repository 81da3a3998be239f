//! The calls that devices make, typed.

use signet_pki::pem;

use super::{Client, ClientError, Method, json_body};
use crate::credential::Credential;
use crate::enroll::{EnrollRequest, IssuedCertificate, PendingEnrollment, RecoverRequest, RenewRequest, WhoAmI};
use crate::{HEADER_BUNDLE, HEADER_REPLAY};

/// The two good answers to an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    Issued {
        certificate: Box<IssuedCertificate>,
        delivery: Delivery,
    },
    /// An administrator has to approve; the same request is sent again later.
    Pending(PendingEnrollment),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    First,
    /// The answer of an earlier request with the same token and key.
    Replay,
}

impl Client {
    pub async fn enroll(&self, token: &Credential, request: &EnrollRequest) -> Result<Enrolled, ClientError> {
        let bearer = zeroize::Zeroizing::new(format!("Bearer {}", *token.expose()));
        let headers = [("authorization", bearer.as_str())];
        let answer = self.send(Method::POST, "/v1/enroll", &headers, Some(json_body(request)?)).await?;
        if answer.status == 202 {
            return Ok(Enrolled::Pending(answer.json()?));
        }
        let delivery = match answer.header(HEADER_REPLAY) {
            Some("true") => Delivery::Replay,
            _ => Delivery::First,
        };
        Ok(Enrolled::Issued { certificate: Box::new(answer.json()?), delivery })
    }

    /// Over mTLS with the current identity.
    pub async fn renew(&self, request: &RenewRequest) -> Result<IssuedCertificate, ClientError> {
        self.renew_holding(request, None).await
    }

    /// The same, and tells the server which trust bundle this machine holds.
    pub async fn renew_holding(
        &self,
        request: &RenewRequest,
        bundle: Option<u64>,
    ) -> Result<IssuedCertificate, ClientError> {
        let sequence = bundle.map(|n| n.to_string());
        let headers: Vec<(&str, &str)> = sequence.iter().map(|n| (HEADER_BUNDLE, n.as_str())).collect();
        self.send(Method::POST, "/v1/renew", &headers, Some(json_body(request)?)).await?.json()
    }

    /// Without an identity: the one that the device has is over.
    pub async fn recover(&self, request: &RecoverRequest) -> Result<IssuedCertificate, ClientError> {
        self.post_json("/v1/recover", request).await
    }

    pub async fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.get_json("/v1/whoami").await
    }

    /// The roots that the service publishes, DER. No more trustworthy than the connection.
    pub async fn roots(&self) -> Result<Vec<Vec<u8>>, ClientError> {
        self.certificates(ROOTS_PATH).await
    }

    /// Issuers and roots, DER.
    pub async fn bundle(&self) -> Result<Vec<Vec<u8>>, ClientError> {
        self.certificates("/v1/trust/bundle.pem").await
    }

    async fn certificates(&self, path: &str) -> Result<Vec<Vec<u8>>, ClientError> {
        let answer = self.send(Method::GET, path, &[("accept", "application/x-pem-file, */*")], None).await?;
        pem::certificates(&answer.body).map_err(|e| ClientError::Protocol(format!("the answer to {path}: {e}")))
    }
}

pub(super) const ROOTS_PATH: &str = "/v1/trust/roots.pem";
