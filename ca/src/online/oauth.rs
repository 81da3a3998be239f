//! `ca oauth keys|sessions|revoke-session`: who holds refresh tokens, and which keys sign access tokens.

use clap::{Args, Subcommand};
use signet_api::CredentialId;
use signet_api::access::CredentialQuery;
use signet_api::admin::RevokeRequest;
use signet_api::oauth::{RevokedSession, SessionInfo, TokenKeyInfo, TokenKeys};
use signet_api::scope::AccountId;
use signet_pki::DeviceId;
use signet_pki::crl::Reason;

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::service::{self, Paging};
use crate::online::{print, revoke};

#[derive(Debug, Subcommand)]
pub(crate) enum OauthCommand {
    Keys(Keys),
    Sessions(Sessions),
    RevokeSession(RevokeSession),
}

impl OauthCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            OauthCommand::Keys(command) => command.run(at),
            OauthCommand::Sessions(command) => command.run(at),
            OauthCommand::RevokeSession(command) => command.run(at),
        }
    }
}

/// List the keys that sign access tokens: published, signing, retiring, retired
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca oauth keys")]
pub(crate) struct Keys {
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Keys {
    fn run(self, at: &At) -> Result<(), Failure> {
        let keys: TokenKeys = service::get(&at.open()?, "/v1/admin/oauth/keys")?;
        if self.json {
            return print::json(&keys);
        }
        if keys.keys.is_empty() {
            print::note("no key signs tokens; the operator makes one: signetd oauth-key --config FILE");
        }
        print::data(&key_table(&keys.keys))
    }
}

/// List the sessions that are open: those who hold a refresh token
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca oauth sessions --device sensor-17")]
pub(crate) struct Sessions {
    #[arg(long, value_name = "ID")]
    device: Option<DeviceId>,
    #[arg(long, value_name = "ID", value_parser = AccountId::parse)]
    account: Option<AccountId>,
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Sessions {
    fn run(self, at: &At) -> Result<(), Failure> {
        let context = at.open()?;
        let page = service::pages::<SessionInfo>(self.paging, |after, limit| {
            let (device, account) = (self.device.clone(), self.account.clone());
            let query = CredentialQuery { device, account, after, limit, ..CredentialQuery::default() };
            service::ask(&context, "/v1/admin/oauth/sessions", &query)
        })?;
        service::show_page(&page, self.json, session_table)
    }
}

/// End a session: its refresh token and its access tokens; the certificate stays (see 'ca revoke')
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca oauth revoke-session 4f7k2m9qpz
  ca oauth revoke-session 4f7k2m9qpz --reason key-compromise")]
pub(crate) struct RevokeSession {
    /// Id of the session, from 'ca oauth sessions'
    #[arg(value_parser = CredentialId::parse)]
    id: CredentialId,
    /// key-compromise: everything that was made with its access tokens ends as well
    #[arg(long, value_parser = revoke::reason)]
    reason: Option<Reason>,
    #[command(flatten)]
    consent: Consent,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl RevokeSession {
    fn run(self, at: &At) -> Result<(), Failure> {
        if self.reason.is_some() {
            let context = at.open()?;
            let request = RevokeRequest { session: Some(self.id), reason: self.reason, ..RevokeRequest::default() };
            let confirmed = revoke::confirm(self.consent, &context, &request)?;
            return revoke::show(&revoke::carry_out(&context, &request, confirmed)?, self.json);
        }
        let effect = format!("session {}: its refresh token and its access tokens end\n", self.id);
        self.consent.confirm(&effect, "End it?")?;
        let path = format!("/v1/admin/oauth/sessions/{}/revoke", self.id);
        let revoked: RevokedSession = service::post(&at.open()?, &path, &serde_json::json!({}))?;
        if self.json { print::json(&revoked) } else { print::data(&format!("session {} is over\n", self.id)) }
    }
}

fn key_table(keys: &[TokenKeyInfo]) -> String {
    let row = |key: &TokenKeyInfo| {
        let (until, verifies) = (print::or_dash(key.signs_until.as_ref()), print::or_dash(key.verifies_until.as_ref()));
        vec![key.kid.clone(), key.stage.clone(), key.signs_from.clone(), until, verifies]
    };
    print::table(
        &["key", "stage", "signs from", "signs until", "verifies until"],
        &keys.iter().map(row).collect::<Vec<_>>(),
    )
}

fn session_table(sessions: &[SessionInfo]) -> String {
    let row = |session: &SessionInfo| {
        let owner = match (&session.account, &session.device) {
            (Some(account), _) => format!("account:{account}"),
            (None, device) => print::or_dash(device.as_ref()),
        };
        let bound = if session.bound { "yes" } else { "no" };
        let (refreshed, idle) = (session.refreshed_at.clone(), session.idle_until.clone());
        let (id, scopes) = (session.id.to_string(), session.scopes.to_string());
        vec![id, owner, bound.into(), refreshed, idle, session.ends_at.clone(), scopes]
    };
    let head = ["id", "owner", "bound", "refreshed", "idle until", "ends", "scopes"];
    print::table(&head, &sessions.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_a_line_with_its_owner_and_a_key_one_with_its_stage() {
        let session: SessionInfo = serde_json::from_value(serde_json::json!({
            "id": "4f7k2m9qpz", "device": "sensor-1", "scopes": "", "bound": true, "refreshed_at": "r", "idle_until": "i",
            "ends_at": "e",
        }))
        .unwrap();
        let text = session_table(std::slice::from_ref(&session));
        assert!(text.lines().nth(1).unwrap().starts_with("4f7k2m9qpz  sensor-1  yes"), "{text}");
        let account = AccountId::parse("acme").ok();
        let text = session_table(&[SessionInfo { account, device: None, bound: false, ..session }]);
        assert!(text.contains("account:acme  no"), "{text}");
        let key = TokenKeyInfo {
            kid: "k".into(),
            stage: "signing".into(),
            published_at: "p".into(),
            signs_from: "f".into(),
            signs_until: None,
            verifies_until: None,
        };
        assert!(key_table(&[key]).contains("signing"));
    }
}
