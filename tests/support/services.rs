//! Services with certificates, and what they send to be registered.

use std::sync::Arc;

use data_encoding::BASE64;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use signet_api::admin::{CreateTokens, TokenTarget};
use signet_api::client::ClientError;
use signet_api::services::{FailMode, RegisterService, ServiceDetail};
use signet_pki::{DnsName, registration};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{Builder, Device, TestKey, TestService, device_id, order, target};

/// A service under test whose operator allows names for services; `more` is more configuration.
pub(crate) fn with_names(more: &str) -> Builder {
    let profile = "[profiles.service]\ndns_suffixes = [\"acme.example\", \"localhost\"]\n";
    TestService::builder().toml(profile).toml(more)
}

impl TestService {
    /// A service with a certificate for these names.
    pub(crate) async fn service(&self, id: &str, names: &[&str]) -> Device {
        let target = TokenTarget { dns_names: names.iter().map(|name| dns(name)).collect(), ..target(id) };
        let order = CreateTokens { profile: "service".into(), targets: vec![target], ..order(id) };
        let token = self.create_token(order).await;
        self.device_with(&token, TestKey::p256()).await
    }

    /// By the service itself.
    pub(crate) async fn register(
        &self,
        service: &Device,
        request: &RegisterService,
    ) -> Result<ServiceDetail, ClientError> {
        self.as_device(service).register_service(&service.certificate.device, request).await
    }

    /// By the administrator.
    pub(crate) async fn register_for(&self, id: &str, request: &RegisterService) -> Result<ServiceDetail, ClientError> {
        self.admin.register_service(&device_id(id), request).await
    }
}

impl Device {
    /// What it serves with: certificate and issuer.
    pub(crate) fn served(&self) -> String {
        format!("{}{}", self.certificate.certificate, self.certificate.chain)
    }

    /// Its registration under these names at port 8883, and nothing that needs to be said beyond.
    pub(crate) fn registration(&self, names: &[&str]) -> RegisterService {
        RegisterService {
            chain: self.served(),
            dns_names: names.iter().map(|name| dns(name)).collect(),
            ports: vec![8883],
            resources: None,
            fail_mode: FailMode::Closed,
            address: None,
            proof: None,
        }
    }

    /// The word of its key for whoever registers it.
    pub(crate) fn proof(&self, id: &str) -> Option<String> {
        let statement = registration::statement(&device_id(id), &self.view().serial);
        Some(BASE64.encode(&self.key.sign(statement.as_bytes())))
    }
}

pub(crate) fn dns(name: &str) -> DnsName {
    DnsName::parse(name).unwrap()
}

/// Serves TLS with this certificate on a port of its own until the test ends.
pub(crate) async fn serve(service: &Device) -> u16 {
    let identity = service.identity();
    let chain = identity.chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.to_vec()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let _ = stream.read(&mut [0; 16]).await;
                }
            });
        }
    });
    port
}
