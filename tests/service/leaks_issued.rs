//! The secrets of sessions, streams, webhooks and codes, in the same search.

use serde_json::{Value, json};
use signet_api::CredentialKind;
use signet_api::client::Client;

use super::{Findings, Secret, Site};
use crate::support::{Device, wire};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

impl Site<'_> {
    pub(super) async fn sessions(&self, found: &mut Findings, admin: &Client, device: &Device) {
        let first = self.tokens(found, device, "grant_type=client_credentials&scope=offline_access").await;
        let refresh = format!("grant_type=refresh_token&refresh_token={}", first.1);
        let next = self.tokens(found, device, &refresh).await;
        for (access, refresh) in [&first, &next] {
            self.misuse_session(found, access, refresh).await;
        }
        let ticket: Value = admin.post_json("/v1/events/tickets", &json!({})).await.unwrap();
        let ticket = keep(found, CredentialKind::Ticket, &ticket["ticket"]);
        for path in
            [format!("/v1/whoami?ticket={ticket}"), format!("/v1/events?ticket={ticket}x"), format!("/{ticket}")]
        {
            assert_ne!(self.send(found, "GET", &path, &[], b"").await, 200);
        }
        self.send(found, "GET", "/v1/events", &[("x-api-key", &ticket)], b"").await;
        let hook = json!({ "url": "https://hooks.example/signet", "events": ["revocation"] });
        let hook: Value = admin.post_json("/v1/admin/webhooks", &hook).await.unwrap();
        let secret = hook["secret"].as_str().unwrap().to_owned();
        found.secrets.push(text("a webhook's secret", secret.strip_prefix("whsec_").unwrap()));
        let id = hook["webhook"]["id"].as_str().unwrap();
        let next: Value =
            admin.post_json(&format!("/v1/admin/webhooks/{id}/secret"), &json!({ "overlap": 60 })).await.unwrap();
        found.secrets.push(text("its next secret", next["secret"].as_str().unwrap().strip_prefix("whsec_").unwrap()));
        self.send(found, "POST", "/v1/hooks/x", &[("authorization", &format!("Bearer {secret}"))], b"{}").await;
        let begun = wire_form(self, "/v1/oauth/device_authorization", "client_id=x").await;
        let code = begun["device_code"].as_str().unwrap().to_owned();
        found.secrets.push(text("a device code", code.rsplit('_').next().unwrap()));
        self.send(found, "GET", &format!("/v1/admin/device-codes/{code}"), &[], b"").await;
        for path in ["/v1/admin/webhooks", "/v1/admin/oauth/sessions", "/v1/admin/device-codes"] {
            let answer: Value = admin.get_json(path).await.unwrap();
            found.said.push((path.into(), answer.to_string().into_bytes()));
        }
    }

    /// An access token and a refresh token; both are secrets from here on.
    async fn tokens(&self, found: &mut Findings, device: &Device, form: &str) -> (String, String) {
        let mut connection = wire::Wire::to(self.tls, &self.root, Some(device.identity())).await.unwrap();
        let reply = connection.send("POST", "/v1/oauth/token", &[FORM], form.as_bytes()).await.unwrap();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer: Value = reply.json();
        let access = answer["access_token"].as_str().unwrap().to_owned();
        // The signature alone is unguessable; header and claims are of no use without it.
        found.secrets.push(text("an access token", access.rsplit('.').next().unwrap()));
        (access, keep(found, CredentialKind::Refresh, &answer["refresh_token"]))
    }

    async fn misuse_session(&self, found: &mut Findings, access: &str, refresh: &str) {
        let bearer = format!("Bearer {access}");
        for headers in [
            vec![("authorization", bearer.as_str())],
            vec![("x-api-key", access)],
            vec![("x-api-key", refresh)],
            vec![("authorization", bearer.as_str()), ("x-api-key", refresh)],
        ] {
            assert_ne!(self.send(found, "GET", "/v1/whoami", &headers, b"").await, 200);
        }
        for form in [
            format!("grant_type=refresh_token&refresh_token={refresh}"),
            format!("grant_type={refresh}"),
            format!("{refresh}=1&{refresh}=2"),
            format!("grant_type=client_credentials&client_secret={refresh}"),
            format!("grant_type=client_credentials&resource={access}"),
        ] {
            assert_ne!(self.send(found, "POST", "/v1/oauth/token", &[FORM], form.as_bytes()).await, 200);
        }
        for path in
            [format!("/v1/whoami?access_token={access}"), format!("/v1/events?token={access}"), format!("/{refresh}")]
        {
            assert_ne!(self.send(found, "GET", &path, &[], b"").await, 200);
        }
    }
}

async fn wire_form(site: &Site<'_>, path: &str, form: &str) -> Value {
    let mut connection = wire::Wire::to(site.tls, &site.root, None).await.unwrap();
    connection.send("POST", path, &[FORM], form.as_bytes()).await.unwrap().json()
}

fn keep(found: &mut Findings, kind: CredentialKind, value: &Value) -> String {
    let shown = value.as_str().unwrap().to_owned();
    found.secrets.push(Secret::credential(kind, &shown));
    assert!(found.secrets.last().unwrap().is_in(shown.as_bytes()), "the search finds nothing");
    shown
}

/// A secret that is text already.
fn text(what: &str, shown: &str) -> Secret {
    let spellings = [shown.to_owned(), shown[..20].to_owned(), shown[shown.len() - 20..].to_owned()];
    Secret { what: what.into(), spellings: spellings.map(String::into_bytes).to_vec(), home: "" }
}
