use std::fs;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::ServerSessionMemoryCache;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use signet_keys::PrivateKey;
use signet_pki::Serial;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::Label;
use signet_pki::view::CertificateView;

use super::*;
use crate::online::admin_dir::tests::{Authority, crl_pem, new_key, request};

/// The template as it is printed, compiled.
#[path = "../../templates/rustls.rs"]
#[allow(dead_code, unreachable_pub)]
mod template;

fn text(kind: Kind, dir: &str) -> Result<String, Failure> {
    Config { kind, dir: dir.into() }.text()
}

/// Directives without comments.
fn directives(text: &str) -> Vec<String> {
    let code = text.lines().map(|l| l.split('#').next().unwrap());
    code.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|l| !l.is_empty()).collect()
}

#[test]
fn t14_nginx_keeps_no_sessions_and_checks_every_ca() {
    let lines = directives(&text(Kind::Nginx, DEFAULT_DIR).unwrap());
    for wanted in [
        "ssl_client_certificate /etc/signet/clients.pem;",
        "ssl_verify_client on;",
        "ssl_verify_depth 2;",
        "ssl_crl /etc/signet/crl.pem;",
        "ssl_session_cache off;",
        "ssl_session_tickets off;",
        "ssl_early_data off;",
    ] {
        assert!(lines.iter().any(|l| l == wanted), "{wanted}");
        let directive = wanted.split(' ').next().unwrap();
        assert_eq!(lines.iter().filter(|l| l.starts_with(&format!("{directive} "))).count(), 1, "{directive}");
    }
    assert!(!lines.iter().any(|l| l.contains("ssl_session_ticket_key") || l.contains("optional")));
}

#[test]
fn the_directory_is_put_in_everywhere_and_cannot_carry_code() {
    for kind in [Kind::Nginx, Kind::Rustls] {
        let text = text(kind, "/srv/pki/").unwrap();
        assert!(text.contains("/srv/pki") && !text.contains("/etc/signet"), "{text}");
    }
    for bad in ["", "/", "/a b", "/a;include /x", "/a\nb", "/a\"b", "/a{", "$x"] {
        assert!(text(Kind::Nginx, bad).is_err(), "{bad:?}");
    }
}

struct Site {
    dir: tempfile::TempDir,
    authority: Authority,
    device: (Vec<u8>, PrivateKey),
}

impl Site {
    /// A service's directory as the two commands fill it, and a device.
    fn new() -> Site {
        let (dir, authority) = (tempfile::tempdir().unwrap(), Authority::new("Ours"));
        let (server, device) = (new_key(), new_key());
        let leaf = authority.leaf(request(&server, "server"), PrincipalKind::Server, "server");
        let at = |name: &str| dir.path().join(name);
        let certificate = |der: &[u8]| pem::encode(Label::Certificate, der);
        fs::write(at("clients.pem"), authority.bundle_pem()).unwrap();
        fs::write(at("server.pem"), certificate(&leaf) + &certificate(authority.issuer.der())).unwrap();
        fs::write(at("server.key"), server.to_pem().unwrap().as_bytes()).unwrap();
        let certificate = authority.leaf(request(&device, "device"), PrincipalKind::Device, "device");
        let site = Site { dir, authority, device: (certificate, device) };
        site.publish(&[site.authority.issuer_crl(1, 7, &[]), site.authority.root_crl(1, 400)]);
        site
    }

    fn publish(&self, lists: &[Vec<u8>]) {
        fs::write(self.dir.path().join("crl.pem"), crl_pem(lists)).unwrap();
    }

    fn serial(&self) -> Serial {
        CertificateView::parse(&self.device.0).unwrap().serial
    }

    fn server(&self) -> ServerConfig {
        template::server_config_from(self.dir.path()).unwrap()
    }

    fn device(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.root.der().to_vec())).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.device.1.pkcs8_der().to_vec()));
        // The leaf only, as many devices do.
        let chain = vec![CertificateDer::from(self.device.0.clone())];
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap())
    }

    fn handshake(&self, device: &Arc<ClientConfig>) -> Result<HandshakeKind, rustls::Error> {
        handshake(device, &Arc::new(self.server()))
    }
}

/// A whole handshake in memory, as the server sees it.
fn handshake(device: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Result<HandshakeKind, rustls::Error> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(device.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    while server.is_handshaking() || client.wants_write() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    Ok(server.handshake_kind().unwrap())
}

#[test]
fn the_rustls_configuration_lets_a_good_device_in_and_a_revoked_one_not() {
    let site = Site::new();
    site.handshake(&site.device()).unwrap();
    site.publish(&[site.authority.issuer_crl(2, 7, &[site.serial()]), site.authority.root_crl(1, 400)]);
    let error = site.handshake(&site.device()).unwrap_err();
    let revoked = rustls::Error::InvalidCertificate(rustls::CertificateError::Revoked);
    assert_eq!(error, revoked);
}

#[test]
fn t14_the_rustls_configuration_never_resumes() {
    let site = Site::new();
    let (device, server) = (site.device(), Arc::new(site.server()));
    for _ in 0..3 {
        assert_ne!(handshake(&device, &server).unwrap(), HandshakeKind::Resumed);
    }
    assert!(!server.session_storage.can_cache() && !server.ticketer.enabled());
    assert_eq!((server.send_tls13_tickets, server.max_early_data_size), (0, 0));
    // The same device does resume where those lines are missing, so that the loop above says something.
    let mut careless = site.server();
    careless.session_storage = ServerSessionMemoryCache::new(8);
    careless.send_tls13_tickets = 2;
    let (device, careless) = (site.device(), Arc::new(careless));
    handshake(&device, &careless).unwrap();
    assert_eq!(handshake(&device, &careless).unwrap(), HandshakeKind::Resumed);
}

#[test]
fn an_expired_or_missing_crl_refuses_everybody() {
    let site = Site::new();
    site.publish(&[site.authority.issuer_crl(1, -1, &[]), site.authority.root_crl(1, 400)]);
    site.handshake(&site.device()).unwrap_err();
    site.publish(&[site.authority.root_crl(1, 400)]);
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownRevocationStatus);
    assert_eq!(site.handshake(&site.device()).unwrap_err(), unknown);
    site.publish(&[]);
    assert!(template::server_config_from(site.dir.path()).is_err());
}

#[test]
fn a_bundle_replaces_a_bundle_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("clients.pem");
    let authority = Authority::new("Ours");
    write(&path, &authority.bundle_pem()).unwrap();
    write(&path, &authority.bundle_pem()).unwrap();
    let key = new_key().to_pem().unwrap().to_string();
    for precious in [key.clone(), authority.bundle_pem() + &key, "notes".into()] {
        fs::write(&path, &precious).unwrap();
        write(&path, &authority.bundle_pem()).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), precious);
    }
}
