use std::fs;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::ServerSessionMemoryCache;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection};
use signet_keys::PrivateKey;
use signet_pki::Serial;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::{self, Label};
use signet_pki::view::CertificateView;

use super::*;
use crate::online::admin_dir::tests::{Authority, crl_pem, new_key, request};

/// The template as it is printed, compiled.
#[path = "../../templates/rustls.rs"]
#[allow(dead_code, unreachable_pub)]
mod template;

fn text(kind: Kind, dir: &str) -> Result<String, Failure> {
    Config { kind, dir: dir.into(), authz: None }.text()
}

/// Lines that are no comments, with single spaces.
fn directives(text: &str) -> Vec<String> {
    let code = text.lines().filter(|l| !l.trim_start().starts_with(['#', ';']) && !l.trim_start().starts_with("//"));
    code.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|l| !l.is_empty()).collect()
}

#[test]
fn t14_no_configuration_keeps_sessions_and_each_asks_for_every_list() {
    for (kind, wanted, once) in EXPECTED {
        let lines = directives(&text(*kind, DEFAULT_DIR).unwrap());
        for wanted in *wanted {
            assert!(lines.iter().any(|l| l.contains(wanted)), "{kind:?}: {wanted}");
        }
        // A second one further down would be the one that counts.
        for once in *once {
            assert_eq!(lines.iter().filter(|l| l.contains(once)).count(), 1, "{kind:?}: {once}");
        }
    }
    let named: Vec<_> = EXPECTED.iter().map(|(kind, _, _)| *kind).collect();
    for kind in Kind::value_variants() {
        assert!(named.contains(kind) || matches!(kind, Kind::Caddy | Kind::Rustls), "{kind:?} is not in the table");
    }
}

#[test]
fn a_configuration_that_asks_signet_has_all_of_the_one_that_does_not() {
    for kind in [Kind::Nginx, Kind::Envoy] {
        let asking = |authz: &str| Config { kind, dir: "/srv/x".into(), authz: Some(authz.into()) }.text();
        let lines = directives(&asking("ca.acme.example:9443").unwrap());
        let whole = lines.join("\n");
        // What is sent about the certificate grows.
        for line in directives(&text(kind, "/srv/x").unwrap()) {
            assert!(line.starts_with("set_current_client_cert_details") || lines.contains(&line), "{kind:?}: {line}");
        }
        assert!(whole.contains("ca.acme.example") && whole.contains("9443"), "{whole}");
        assert!(!whole.contains("ca.example") && !whole.contains("8443"), "{whole}");
        assert!(asking("10.0.0.7").unwrap().contains("8443"));
        for wrong in ["", "a b", "https://ca.acme.example", "ca.acme.example:", "ca:99999", "ca;x"] {
            assert!(asking(wrong).is_err(), "{wrong}");
        }
    }
    let other = Config { kind: Kind::Haproxy, dir: "/srv/x".into(), authz: Some("ca.acme.example".into()) };
    assert!(other.text().unwrap_err().hint_text().unwrap().contains("/v1/authz/check"));
}

#[test]
fn t23_nginx_passes_nothing_of_its_client_on_when_it_asks() {
    let text = Config { kind: Kind::Nginx, dir: DEFAULT_DIR.into(), authz: Some("ca.acme.example".into()) }.text();
    let lines = directives(&text.unwrap());
    let begin = lines.iter().position(|line| line == "location = /_signet {").unwrap();
    let asking = &lines[begin..];
    for wanted in [
        "internal;",
        "proxy_pass_request_headers off;",
        "proxy_pass_request_body off;",
        "proxy_set_header X-Client-Cert $ssl_client_escaped_cert;",
        "proxy_set_header X-Client-Verify $ssl_client_verify;",
        "proxy_set_header X-Original-Method $request_method;",
        "proxy_set_header X-Original-URI $request_uri;",
        "proxy_set_header X-Real-IP $remote_addr;",
        "proxy_ssl_verify on;",
    ] {
        assert_eq!(asking.iter().filter(|line| *line == wanted).count(), 1, "{wanted}");
    }
}

/// What each has to say, and what it may say only once.
const EXPECTED: &[(Kind, &[&str], &[&str])] = &[
    (
        Kind::Nginx,
        &[
            "ssl_client_certificate /etc/signet/clients.pem;",
            "ssl_verify_client on;",
            "ssl_verify_depth 2;",
            "ssl_crl /etc/signet/crl.pem;",
            "ssl_session_cache off;",
            "ssl_session_tickets off;",
            "ssl_early_data off;",
        ],
        &["ssl_session_t", "ssl_session_c", "ssl_early", "ssl_verify_c", "ssl_verify_d", "ssl_crl", "ssl_client_c"],
    ),
    (
        Kind::Haproxy,
        &[
            "ca-file /etc/signet/clients.pem verify required crl-file /etc/signet/crl.pem",
            "no-tls-tickets",
            "tune.ssl.cachesize 0",
        ],
        &["bind ", "cachesize", "verify "],
    ),
    (
        Kind::Envoy,
        &[
            "require_client_certificate: true",
            "disable_stateless_session_resumption: true",
            "disable_stateful_session_resumption: true",
            "validation_context_sds_secret_config:",
        ],
        &["require_client", "stateless", "stateful", "validation_context"],
    ),
    (
        Kind::Stunnel,
        &[
            "CAfile = /etc/signet/clients.pem",
            "verifyChain = yes",
            "CRLfile = /etc/signet/crl.pem",
            "sessionResume = no",
            "options = NO_TICKET",
        ],
        &["verify", "CRLfile", "sessionResume"],
    ),
    (
        Kind::Mosquitto,
        &["require_certificate true", "crlfile /etc/signet/crl.pem", "allow_anonymous false"],
        &["require_certificate", "crlfile", "listener", "allow_anonymous"],
    ),
    (
        Kind::Freeradius,
        &["check_crl = yes", "allow_expired_crl = no", "enable = no"],
        &["check_crl", "allow_expired", "enable"],
    ),
    (
        Kind::Postgresql,
        &["ssl = on", "ssl_ca_file = '/etc/signet/clients.pem'", "ssl_crl_file = '/etc/signet/crl.pem'"],
        &["ssl_ca", "ssl_crl"],
    ),
    (
        Kind::Go,
        &["tls.RequireAndVerifyClientCert", "SessionTicketsDisabled: true", "VerifyConnection: found.check"],
        &["ClientAuth:", "SessionTicketsDisabled:", "VerifyConnection:"],
    ),
    (
        Kind::Python,
        &[
            "context.minimum_version = ssl.TLSVersion.TLSv1_3",
            "context.num_tickets = 0",
            "context.verify_mode = ssl.CERT_REQUIRED",
            "context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN",
        ],
        &["verify_mode", "verify_flags", "num_tickets", "minimum_version"],
    ),
];

#[test]
fn every_configuration_ends_with_what_to_do_after_a_new_list() {
    for kind in Kind::value_variants().iter().filter(|k| **k != Kind::Caddy) {
        let text = text(*kind, DEFAULT_DIR).unwrap();
        let at = text.rfind("After each 'ca crl-sync' or 'ca crl fetch'").unwrap_or_else(|| panic!("{kind:?}"));
        assert!(text[at..].lines().count() <= 5, "{kind:?}");
        assert!(text.contains("ca trust bundle --out /etc/signet/clients.pem"), "{kind:?}");
        let program = |l: &str| !l.is_empty() && !l.trim_start().starts_with(['#', ';', '/', '}']);
        assert!(!text[at..].lines().skip(1).any(program), "{kind:?}");
    }
}

#[test]
fn t14_no_configuration_is_given_for_a_program_that_checks_no_list() {
    let refused = text(Kind::Caddy, DEFAULT_DIR).unwrap_err();
    assert!(refused.message().contains("does not check CRLs"), "{refused:?}");
    assert!(refused.hint_text().is_some_and(|h| h.contains("ca trust config haproxy")), "{refused:?}");
}

#[test]
fn the_directory_is_put_in_everywhere_and_cannot_carry_code() {
    for &kind in Kind::value_variants().iter().filter(|k| **k != Kind::Caddy) {
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
