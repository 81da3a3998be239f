//! First contact: from the fingerprint of a root to the root itself.
//!
//! Two steps, so that an on-path attacker learns nothing. First `GET /v1/trust/roots.pem` over a connection that
//! verifies nothing and carries nothing secret; the answer must hold a self-signed CA certificate with the
//! fingerprint. Then every further connection is verified in full against exactly that certificate. A wrong root is
//! an error; there is no trust on first use.

use signet_pki::view::CertificateView;
use signet_pki::{Fingerprint, chain, pem};

use super::address::Address;
use super::{Client, ClientError, Method, Timeouts, tls};

/// The pinned root certificate, DER.
pub async fn fetch_root(server: &str, pin: Fingerprint, timeouts: Timeouts) -> Result<Vec<u8>, ClientError> {
    let address = Address::parse(server)?;
    let client = Client::over(address, tls::dangerously_unverified()?, timeouts, MAX_ROOTS, Vec::new());
    let accept = [("accept", "application/x-pem-file, */*")];
    let answer = client.send(Method::GET, super::calls::ROOTS_PATH, &accept, None).await?;
    choose(&answer.body, pin)
}

/// The certificate of a PEM bundle that has the fingerprint and is a root.
pub fn choose(bundle: &[u8], pin: Fingerprint) -> Result<Vec<u8>, ClientError> {
    let offered = pem::certificates(bundle)
        .map_err(|_| ClientError::Protocol("the server's list of roots is not a list of PEM certificates".into()))?;
    let Some(root) = offered.into_iter().find(|der| Fingerprint::of(der) == pin) else {
        return Err(ClientError::Untrusted(format!("the server does not know the root {pin}")));
    };
    let view = CertificateView::parse(&root)
        .map_err(|_| ClientError::Untrusted(format!("the certificate {pin} cannot be read")))?;
    // Validity is left to the verification of the server's chain, which knows about implausible clocks.
    chain::verify(&[view], None)
        .map_err(|e| ClientError::Untrusted(format!("the certificate {pin} is not a root: {e}")))?;
    Ok(root)
}

/// A handful of roots of about a kilobyte each.
const MAX_ROOTS: usize = 256 * 1024;
