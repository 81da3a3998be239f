//! Trust bundles: over the verified connection, or over plain HTTP when the server cannot be verified yet. A bundle proves
//! itself by its signatures, so it does not matter who brings it.

use signet_pki::bundle::MAX_BYTES;

use super::{Answer, Client, ClientError, Method, PlainClient, Timeouts};

impl Client {
    /// `None` when the server has none of this sequence.
    pub async fn trust_bundle(&self, sequence: u64) -> Result<Option<Vec<u8>>, ClientError> {
        let path = format!("/v1/trust/bundles/{sequence}");
        bundle(self.send(Method::GET, &path, &[("accept", "*/*")], None).await)
    }
}

/// From the plain listener. `base` is `http://host[:port]`.
pub async fn fetch_plain(base: &str, sequence: u64, timeouts: Timeouts) -> Result<Option<Vec<u8>>, ClientError> {
    let client = PlainClient::new(base, timeouts, MAX_BYTES)?;
    bundle(client.get(&format!("/ca/bundles/{sequence}"), &[]).await)
}

fn bundle(answer: Result<Answer, ClientError>) -> Result<Option<Vec<u8>>, ClientError> {
    match answer {
        Ok(answer) if answer.body.len() <= MAX_BYTES => Ok(Some(answer.body.to_vec())),
        Ok(_) => Err(ClientError::Protocol(format!("the answer is larger than {MAX_BYTES} octets"))),
        Err(ClientError::Refused(problem, _)) if problem.status == 404 => Ok(None),
        // An older service, or a mirror of files.
        Err(ClientError::UnexpectedStatus { status: 404, .. }) => Ok(None),
        Err(other) => Err(other),
    }
}
