//! The trust bundles that are handed out, and how far the fleet has followed.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use signet_api::admin::{BundleHolders, TrustBundleInfo, TrustBundles, TrustRoot};
use signet_api::scope::Scope;
use signet_pki::bundle::Bundle;
use signet_pki::ca::IssuerCert;

use super::Asked;
use crate::http::App;
use crate::http::refusal::Refusal;
use crate::http::request::answer;

pub(super) async fn bundles(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    Asked::with(&service, incoming, Scope::IssuersRead).await?;
    let holders = service.store.bundle_holders(service.clock.now()).await?;
    let holders = holders.into_iter().map(|h| BundleHolders { sequence: h.sequence, devices: h.devices }).collect();
    answer(&TrustBundles { bundles: service.trust.all().map(info).collect(), holders })
}

fn info(bundle: &Bundle) -> TrustBundleInfo {
    TrustBundleInfo {
        sequence: bundle.sequence(),
        created: bundle.created().to_string(),
        sha256: bundle.digest().to_string(),
        roots: bundle.roots().iter().map(root).collect(),
        issuers: bundle.issuers().len() as u64,
    }
}

fn root(root: &IssuerCert) -> TrustRoot {
    let view = root.view();
    TrustRoot {
        subject: view.subject_text.clone(),
        sha256: view.fingerprint().to_string(),
        not_after: view.not_after.to_string(),
    }
}
