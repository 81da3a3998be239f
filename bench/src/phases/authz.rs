//! Live permission: a registered service asks about devices, one by one and in batches.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use signet_api::admin::{CreateTokens, CreatedTokens, TokenKind, TokenTarget};
use signet_api::authz::{BATCH, Check, CheckRequest, SubjectName};
use signet_api::client::Method;
use signet_api::enroll::IssuedCertificate;
use signet_api::policy::{PolicyInfo, PolicyOrder};
use signet_api::services::{FailMode, RegisterService};
use signet_pki::{DeviceId, DnsName, pem};

use super::{Load, Phase};
use crate::key::DeviceKey;
use crate::load::{Bodies, Lane, Plan, Reuse, deal};
use crate::requests::{self, Form};
use crate::tls::{self, Identity};
use crate::wire::Connection;

/// A registered service, under a policy that lets some of what it asks about.
pub(crate) struct Asker(Arc<ClientConfig>);

impl Load<'_> {
    pub(crate) async fn asker(&self) -> Result<Asker> {
        self.apply_policy().await?;
        let dns = DnsName::parse(NAME)?;
        let order = CreateTokens {
            kind: TokenKind::Interactive,
            profile: "service".into(),
            groups: Vec::new(),
            lifetime: None,
            batch: None,
            cidr: None,
            approval: false,
            replace: false,
            permissions: None,
            targets: vec![TokenTarget {
                device: Some(DeviceId::parse("web")?),
                dns_names: vec![dns.clone()],
                ..TokenTarget::default()
            }],
        };
        let mut created: CreatedTokens = self.admin.post_json("/v1/admin/tokens", &order).await?;
        let (token, key) = (created.tokens.remove(0).token, DeviceKey::generate()?);
        let request = requests::enroll(&self.target, &token, &key, Form::Json)?;
        let answer = Connection::open(&self.target, Some(&self.anonymous)).await?.exchange(&request).await?;
        let issued: IssuedCertificate =
            serde_json::from_slice(&answer.body).with_context(|| String::from_utf8_lossy(&answer.body).into_owned())?;
        let text = issued.certificate + &issued.chain;
        let identity = Identity { chain: pem::certificates(text.as_bytes())?, key: key.pkcs8()? };
        let asker = Asker(tls::config(&self.roots, Some(identity))?);
        let registration = RegisterService {
            chain: text,
            dns_names: vec![dns],
            ports: vec![443],
            resources: None,
            fail_mode: FailMode::Closed,
            address: None,
            proof: None,
        };
        let body = serde_json::to_vec(&registration)?;
        let mut request = requests::post(&self.target, "/v1/services/web", JSON, &body);
        request.splice(..4, *b"PUT");
        let answer = Connection::open(&self.target, Some(&asker.0)).await?.exchange(&request).await?;
        if answer.status != 200 {
            bail!("the service was not registered: {}", String::from_utf8_lossy(&answer.body));
        }
        Ok(asker)
    }

    /// About devices by their serial numbers, in turn; each request asks `batch` questions.
    pub(crate) async fn authz(&self, asker: &Asker, batch: usize, connections: usize, ops: usize) -> Result<Phase> {
        let devices = self.devices(DEVICES, &format!("authz-{batch}-{connections}")).await?;
        let subject =
            |device: &super::Device| SubjectName { serial: Some(device.serial.to_string()), ..SubjectName::default() };
        let name = if batch == 1 { "authz, single".to_owned() } else { format!("authz, {batch} at once") };
        self.ask(asker, name, devices.iter().map(subject).collect(), (batch, connections, ops)).await
    }

    /// One by one about devices by their ids, each of which was never looked at before.
    pub(crate) async fn authz_among(&self, asker: &Asker, name: &str, ids: Vec<String>) -> Result<Phase> {
        let ops = ids.len();
        let subject = |id| SubjectName { device: Some(id), ..SubjectName::default() };
        self.ask(asker, name.to_owned(), ids.into_iter().map(subject).collect(), (1, 1, ops)).await
    }

    async fn ask(
        &self,
        asker: &Asker,
        name: String,
        subjects: Vec<SubjectName>,
        (batch, connections, ops): (usize, usize, usize),
    ) -> Result<Phase> {
        let mut all = subjects.iter().cycle().cloned();
        let check = |subject| Check { subject, action: "read".into(), resource: None, source: None };
        let mut request = || -> Result<Vec<u8>> {
            let mut checks: Vec<Check> = all.by_ref().take(batch).map(check).collect();
            let question = match (batch, checks.pop()) {
                (1, Some(Check { subject, action, .. })) => {
                    CheckRequest { subject: Some(subject), action: Some(action), ..CheckRequest::default() }
                }
                (_, last) => {
                    checks.extend(last);
                    CheckRequest { checks, ..CheckRequest::default() }
                }
            };
            Ok(requests::post(&self.target, "/v1/authz/check", JSON, &serde_json::to_vec(&question)?))
        };
        let requests = (0..ops).map(|_| request()).collect::<Result<Vec<_>>>()?;
        let lane = |requests: Vec<Vec<u8>>| {
            // Not one of those that are measured: who was looked at is in the page cache.
            let greeting = Some(requests::whoami(&self.target));
            vec![Lane { tls: Some(asker.0.clone()), requests, greeting }]
        };
        let workers = deal(requests, connections).into_iter().map(lane).collect();
        let plan =
            Plan { target: self.target.clone(), workers, reuse: Reuse::KeepAlive, bodies: Bodies::Drop, limit: None };
        self.measure_plan(name, connections, plan).await
    }

    /// A hundred rules about groups, of which one is about these devices.
    async fn apply_policy(&self) -> Result<()> {
        let rule = |number: usize| {
            let group = if number == 0 { "bench".to_owned() } else { format!("group-{number}") };
            format!(
                "[[rule]]\nid = \"rule-{number}\"\neffect = \"permit\"\ndescription = \"measured\"\nactions = [\"read\", \"write\"]\n\
                 principal = {{ kind = \"device\", groups_any = [\"{group}\"] }}\nresource = {{ kind = \"service\", ids = [\"web\"] }}\n\n"
            )
        };
        let PolicyInfo { revision, .. } = self.admin.get_json("/v1/admin/policy").await?;
        let order = PolicyOrder { text: (0..RULES).map(rule).collect(), instead_of: revision };
        let body = Some(("application/json", serde_json::to_vec(&order)?));
        self.admin.send(Method::PUT, "/v1/admin/policy", &[], body).await?;
        Ok(())
    }
}

pub(crate) const LARGEST: usize = BATCH;
const NAME: &str = "web.bench.example";
const JSON: &str = "Content-Type: application/json\r\n";
const DEVICES: usize = 200;
const RULES: usize = 100;
