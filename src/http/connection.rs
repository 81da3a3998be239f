//! What is known about a connection before its first request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConnection;
use signet_pki::view::CertificateView;

use crate::authorize::PeerCertificate;
use crate::events::Line;

#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) remote: IpAddr,
    pub(super) certificate: Option<PeerCertificate>,
    /// Told when the identity behind the connection has ended: the connection takes no more requests.
    pub(super) line: Arc<Line>,
}

impl Peer {
    pub(super) fn plain(remote: SocketAddr) -> Peer {
        Peer { remote: remote.ip().to_canonical(), certificate: None, line: Arc::default() }
    }

    /// The certificate has been verified by TLS; here it is only read.
    pub(super) fn tls(remote: SocketAddr, connection: &ServerConnection) -> Peer {
        let leaf = connection.peer_certificates().and_then(|chain| chain.first());
        let certificate = leaf.and_then(|der| CertificateView::parse(der).ok()).map(|view| PeerCertificate {
            spki: view.public_key.fingerprint(),
            serial: view.serial,
            not_after: view.not_after,
            issuer: view.issuer,
        });
        Peer { certificate, ..Peer::plain(remote) }
    }
}
