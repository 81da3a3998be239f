//! `ca admin`: who administers, and what each may do; and `ca join`, by which one becomes an administrator.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use signet_api::admin::{CreateTokens, CreatedTokens, DeviceChange, DeviceInfo, DeviceQuery, TokenKind, TokenTarget};
use signet_api::client::{Client, ClientConfig, Enrolled, Trust};
use signet_api::enroll::{EnrollRequest, HardwareFacts};
use signet_api::link::EnrollmentLink;
use signet_api::scope::{Permissions, Role};
use signet_keys::files::Mode;
use signet_keys::{KeyKind, PrivateKey, files as key_files};
use signet_pki::ca::IssuerCert;
use signet_pki::name::PrincipalKind;
use signet_pki::pem::{self, Label};
use signet_pki::signer::Signer;
use signet_pki::{DeviceId, csr};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::online::context::{self, At};
use crate::online::files::{self, MAX_PEM};
use crate::online::service::{self, Paging, Service, escape};
use crate::online::{issue, print};

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    List(List),
    Invite(Invite),
    Permit(Permit),
}

impl AdminCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            AdminCommand::List(command) => command.run(&at.open()?),
            AdminCommand::Invite(command) => command.run(at),
            AdminCommand::Permit(command) => command.run(&at.open()?),
        }
    }
}

/// What somebody is given.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// owner, issuer, revoker, auditor or clerk; may be repeated
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    roles: Vec<Role>,
    /// A single permission beside, such as requests:approve; may be repeated
    #[arg(long = "permission", value_name = "SCOPE")]
    scopes: Vec<String>,
}

impl Given {
    pub(super) fn is_empty(&self) -> bool {
        self.roles.is_empty() && self.scopes.is_empty()
    }

    pub(super) fn permissions(&self) -> Result<Permissions, Failure> {
        let scopes = self.scopes.join(" ").parse();
        let scopes =
            scopes.map_err(|e| Failure::usage(e).hint("'ca admin list --json' shows the names of all of them"))?;
        if self.is_empty() {
            return Err(Failure::usage("nothing is given").hint("for example: --role auditor"));
        }
        Ok(Permissions::of(&self.roles, scopes))
    }
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.as_str() == text);
    found.ok_or_else(|| format!("there are {}", Role::ALL.map(Role::as_str).join(", ")))
}

/// List administrators: what each may do, and until when the certificate lasts
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca admin list")]
pub(crate) struct List {
    #[command(flatten)]
    paging: Paging,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let page = service::pages::<DeviceInfo>(self.paging, |after, limit| {
            let query = DeviceQuery { kind: Some(PrincipalKind::Admin), after, limit, ..DeviceQuery::default() };
            service::ask(service, "/v1/admin/devices", &query)
        })?;
        service::show_page(&page, self.json, table)
    }
}

fn table(admins: &[DeviceInfo]) -> String {
    let row = |admin: &DeviceInfo| {
        let owner = || Permissions::of(&[Role::Owner], Default::default()).to_string();
        vec![
            admin.id.to_string(),
            admin.status.clone(),
            admin.permissions.as_ref().map_or_else(owner, Permissions::to_string),
            print::or_dash(admin.certificate.as_ref().map(|c| &c.not_after)),
        ]
    };
    let rows: Vec<_> = admins.iter().map(row).collect();
    print::table(&["name", "status", "permissions", "until"], &rows)
}

/// Invite somebody to administer: a link for 'ca join', good once and for 15 minutes
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca admin invite bob --role auditor --out bob.link
  ca admin invite carol --role revoker --permission requests:approve --out carol.link")]
pub(crate) struct Invite {
    /// The administrator's name
    name: DeviceId,
    #[command(flatten)]
    given: Given,
    /// Write to a new file with mode 0600 instead of stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Invite {
    fn run(self, at: &At) -> Result<(), Failure> {
        let permissions = self.given.permissions()?;
        if let Some(path) = &self.out {
            files::must_be_new(path)?;
        }
        self.ask(&at.open()?, permissions)
    }

    fn ask(&self, service: &dyn Service, permissions: Permissions) -> Result<(), Failure> {
        let order = CreateTokens {
            kind: TokenKind::Interactive,
            profile: "admin".into(),
            groups: Vec::new(),
            lifetime: None,
            batch: None,
            cidr: None,
            approval: false,
            replace: false,
            permissions: Some(permissions),
            targets: vec![TokenTarget { device: Some(self.name.clone()), ..TokenTarget::default() }],
        };
        let created: CreatedTokens = service::post(service, "/v1/admin/tokens", &order)?;
        let token = created.tokens.first().ok_or_else(|| Failure::internal("the service made no token"))?;
        let text = Zeroizing::new(format!("{}\n", token.link));
        match &self.out {
            None => print::data(&text)?,
            Some(path) => files::write_new(path, text.as_bytes(), Mode::Private)
                .map_err(|failure| failure.hint(format!("the link is lost: ca token revoke {}", token.id)))?,
        }
        print::note(format!("until {}, {} joins with: ca join --link FILE", token.expires_at, self.name));
        Ok(())
    }
}

/// Say what an administrator may do from now on; it counts at the next request
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca admin permit bob --role auditor --permission requests:approve")]
pub(crate) struct Permit {
    /// The administrator's name
    name: DeviceId,
    #[command(flatten)]
    given: Given,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Permit {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let change = DeviceChange { permissions: Some(self.given.permissions()?), ..DeviceChange::default() };
        let path = format!("/v1/admin/devices/{}", escape(self.name.as_str()));
        let changed: DeviceInfo = service::post(service, &path, &change)?;
        if self.json {
            return print::json(&changed);
        }
        let permissions = changed.permissions.map(|p| p.to_string()).unwrap_or_default();
        print::note(format!("{} may from now on: {permissions}", changed.id));
        Ok(())
    }
}

/// Become an administrator with the link of an invitation
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca join --link bob.link --admin ./bob")]
pub(crate) struct Join {
    #[command(flatten)]
    at: At,
    /// File with the link; '-' for standard input
    #[arg(long, value_name = "FILE")]
    link: PathBuf,
}

impl Join {
    pub(super) fn run(self) -> Result<(), Failure> {
        let link = read_link(&self.link)?;
        let dir = self.at.path()?;
        must_be_free(&dir)?;
        key_files::create_private_dir(&dir).map_err(files::failure)?;
        // Kept from here on: with the same key a lost answer is got again.
        let key = kept_key(&dir.join("admin.key"))?;
        enroll(&dir, &link, &key)
    }
}

pub(super) fn must_be_free(dir: &Path) -> Result<(), Failure> {
    if !dir.join("admin.pem").exists() {
        return Ok(());
    }
    let text = format!("{} is the directory of an administrator already", dir.display());
    Err(Failure::refused(text).hint("choose another with --admin DIR; nothing is overwritten"))
}

pub(super) fn enroll(dir: &Path, link: &EnrollmentLink, key: &PrivateKey) -> Result<(), Failure> {
    let runtime = context::runtime()?;
    let config = ClientConfig::new(&link.server, Trust::PinnedRoot(link.root));
    let der = csr::make(key, "administrator").map_err(Failure::internal)?;
    let request = EnrollRequest { csr: pem::encode(Label::Request, &der), facts: HardwareFacts::default() };
    let outcome = runtime.block_on(async {
        let client = Client::open(config).await?;
        let enrolled = client.enroll(&link.token, &request).await?;
        Ok((enrolled, client.trusted_roots().to_vec()))
    });
    let (enrolled, roots) = outcome.map_err(|error| context::said(&link.server, error))?;
    let Enrolled::Issued { certificate: issued, .. } = enrolled else {
        return Err(Failure::internal("the invitation waits for an approval, which invitations do not"));
    };
    let parsed: Result<Vec<_>, _> = roots.iter().map(|der| IssuerCert::from_der(der)).collect();
    issue::check(&issued, key.public_key(), &parsed.map_err(Failure::internal)?)?;
    let roots: String = roots.iter().map(|der| pem::encode(Label::Certificate, der)).collect();
    files::replace(&dir.join("roots.pem"), roots.as_bytes(), Mode::Public)?;
    files::replace(&dir.join("ca.toml"), format!("server = {:?}\n", link.server).as_bytes(), Mode::Public)?;
    // The certificate last: with it the directory is whole.
    files::replace(&dir.join("admin.pem"), issue::whole(&issued).as_bytes(), Mode::Public)?;
    print::note(format!("{} administers {} until {}", issued.device, link.server, issued.not_after));
    print::note(format!("the key is in {}; renew in time with 'ca renew'", dir.join("admin.key").display()));
    Ok(())
}

pub(super) fn kept_key(path: &Path) -> Result<PrivateKey, Failure> {
    if path.exists() {
        let text = files::read_text(path, MAX_PEM)?;
        return PrivateKey::open(&text, None).map_err(|e| Failure::refused(format!("{}: {e}", path.display())));
    }
    let key = PrivateKey::generate(KeyKind::P256).map_err(|e| Failure::internal(&e).hint(e.hint()))?;
    let text = key.to_pem().map_err(|e| Failure::internal(&e).hint(e.hint()))?;
    files::write_new(path, text.as_bytes(), Mode::Private)?;
    Ok(key)
}

fn read_link(path: &Path) -> Result<EnrollmentLink, Failure> {
    let shown = path.to_string_lossy();
    if shown.starts_with("https:") || shown.starts_with("sge_") {
        // Not repeated: it would end up in the log of whoever started us.
        return Err(Failure::usage("--link takes a file, not the link itself")
            .hint("other users can read arguments: treat the link as lost and ask for another"));
    }
    let text = files::read_text(path, MAX_PEM)?;
    EnrollmentLink::parse(&text).map_err(|e| Failure::refused(e).hint("ask for another invitation: ca admin invite"))
}
