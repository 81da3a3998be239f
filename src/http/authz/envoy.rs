//! `/v1/authz/envoy` for `ext_authz` over HTTP: any method and any path behind the prefix are those of the proxy's client.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::routing::any;
use signet_api::authz::SubjectName;
use signet_api::xfcc;

use super::proxy::{About, Asked, answer, known_action, once, source};
use super::{App, Refusal};
use crate::permission::{Reason, path};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/v1/authz/envoy/", any(envoy)).route("/v1/authz/envoy/{*path}", any(envoy))
}

async fn envoy(State(service): State<App>, incoming: Request) -> Result<Response<Body>, Refusal> {
    answer(service, incoming, question).await
}

/// Method and path are the client's own, behind the prefix; the certificate stands where Envoy writes it.
fn question(incoming: &Request) -> Result<Asked, Refusal> {
    let headers = incoming.headers();
    let subject = once(headers, "x-forwarded-client-cert")?.filter(|v| !v.is_empty()).map(|header| {
        let mut all = xfcc::elements(header).ok_or(Reason::CertificateMalformed)?;
        // Another proxy's word about another connection would be one that this one has passed on unseen.
        let (Some(element), true) = (all.pop(), all.is_empty()) else { return Err(Reason::CertificateUnverified) };
        let spiffe = element.uris.into_iter().find(|uri| uri.starts_with("spiffe://"));
        let xfcc::Element { hash: fingerprint, certificate, .. } = element;
        Ok(SubjectName { certificate, fingerprint, spiffe, ..SubjectName::default() })
    });
    let whole = incoming.uri().path_and_query().map_or("/", |p| p.as_str());
    let target = whole.strip_prefix(ENVOY).filter(|rest| !rest.is_empty()).unwrap_or("/").to_owned();
    let action = known_action(path::action(incoming.method().as_str()))?;
    Ok(Asked { subject, action, about: About::Path(target), source: source(headers)? })
}

const ENVOY: &str = "/v1/authz/envoy";
