//! `ca revoke`: end a device, one certificate or a batch, after showing what that means.

use clap::Args;
use signet_api::admin::{CertificateInfo, Descendant, DescendantKind, DeviceDetail, RevokeReport, RevokeRequest};
use signet_api::scope::AccountId;
use signet_pki::crl::Reason;
use signet_pki::{DeviceId, Serial};

use crate::failure::Failure;
use crate::online::consent::{Confirmed, Consent};
use crate::online::context::At;
use crate::online::service::{self, CallError, Service};
use crate::online::{device, print};

/// Revoke a device, a certificate or a batch: certificates, renewals and open tokens end at once
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ca revoke sensor-17 --reason key-compromise
  ca revoke --batch spring --dry-run")]
pub(crate) struct Revoke {
    #[command(flatten)]
    at: At,
    /// Id of a device, or serial number of a certificate
    #[arg(value_name = "DEVICE|SERIAL", required_unless_present = "batch", conflicts_with = "batch")]
    target: Option<String>,
    /// Every unused token of this batch, and every device that was enrolled with one
    #[arg(long, value_name = "NAME")]
    batch: Option<String>,
    #[command(flatten)]
    how: How,
}

/// Why, and how carefully.
#[derive(Debug, Args)]
pub(super) struct How {
    /// unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, privilege-withdrawn
    #[arg(long, value_parser = reason)]
    reason: Option<Reason>,
    /// Show what would be revoked and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: Consent,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Revoke {
    pub(super) fn run(self) -> Result<(), Failure> {
        let context = self.at.open()?;
        self.how.carry_out(&context, self.request(&context)?)
    }

    fn request(&self, service: &dyn Service) -> Result<RevokeRequest, Failure> {
        let base = RevokeRequest { reason: self.how.reason, ..RevokeRequest::default() };
        match (&self.target, &self.batch) {
            (_, Some(batch)) => Ok(RevokeRequest { batch: Some(batch.clone()), ..base }),
            (Some(text), None) => Ok(match resolve(service, text)? {
                Target::Device(id) => RevokeRequest { device: Some(id), ..base },
                Target::Serial(serial) => RevokeRequest { serial: Some(serial.to_string()), ..base },
            }),
            (None, None) => Err(Failure::usage("name a device, a serial number or a batch")),
        }
    }
}

impl How {
    pub(super) fn account(&self, at: &At, id: AccountId) -> Result<(), Failure> {
        let request = RevokeRequest { account: Some(id), reason: self.reason, ..RevokeRequest::default() };
        self.carry_out(&at.open()?, request)
    }

    fn carry_out(&self, service: &dyn Service, request: RevokeRequest) -> Result<(), Failure> {
        if self.dry_run {
            return self.told(&plan(service, &request)?, &request);
        }
        let confirmed = confirm(self.consent, service, &request)?;
        self.told(&carry_out(service, &request, confirmed)?, &request)
    }

    fn told(&self, done: &RevokeReport, request: &RevokeRequest) -> Result<(), Failure> {
        show(done, self.json)?;
        if !done.living.is_empty() {
            print::note(offer(done, &command(request)));
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Target {
    Device(DeviceId),
    Serial(Serial),
}

/// A hexadecimal word can be both: a device of that name comes first, then a certificate.
fn resolve(service: &dyn Service, text: &str) -> Result<Target, Failure> {
    if let Ok(id) = DeviceId::parse(text) {
        match service::get::<DeviceDetail>(service, &device::path(&id)) {
            Ok(_) => return Ok(Target::Device(id)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(serial) = serial(text) {
        let path = format!("/v1/admin/certificates/{serial}");
        match service::get::<CertificateInfo>(service, &path) {
            Ok(_) => return Ok(Target::Serial(serial)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::refused(format!("no device and no certificate is known as {:?}", print::visible(text)))
        .hint("look for it with: ca device list --search TEXT"))
}

/// Shorter hexadecimal words are names that happen to look like numbers.
fn serial(text: &str) -> Option<Serial> {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    Serial::parse(text).ok().filter(|_| digits >= 16)
}

/// What an order would end.
fn plan(service: &dyn Service, request: &RevokeRequest) -> Result<RevokeReport, CallError> {
    service::post(service, REVOCATIONS, &RevokeRequest { dry_run: true, ..request.clone() })
}

/// Shows what an order would end, unless consent to it was given already.
pub(super) fn confirm(consent: Consent, service: &dyn Service, request: &RevokeRequest) -> Result<Confirmed, Failure> {
    let effect = match consent.is_given() {
        true => String::new(),
        false => effect(&plan(service, request)?),
    };
    consent.confirm(&effect, "Revoke?")
}

/// A plan, in whole lines.
pub(super) fn effect(plan: &RevokeReport) -> String {
    format!("{}{}\n", lines(plan), summary(plan))
}

pub(super) fn carry_out(
    service: &dyn Service,
    request: &RevokeRequest,
    _agreed: Confirmed,
) -> Result<RevokeReport, CallError> {
    service::post(service, REVOCATIONS, request)
}

pub(super) fn reason(text: &str) -> Result<Reason, String> {
    let all = || Reason::ALL.map(Reason::as_str).join(", ");
    Reason::parse(text).ok_or_else(|| format!("the reasons are {}", all()))
}

pub(super) fn show(done: &RevokeReport, json: bool) -> Result<(), Failure> {
    if json {
        print::json(done)?
    } else {
        print::data(&lines(done))?
    }
    print::note(summary(done));
    Ok(())
}

/// One thing a line, with its kind in front.
pub(super) fn lines(report: &RevokeReport) -> String {
    let devices = report.devices.iter().map(|d| format!("device       {d}\n"));
    let certificates = report.certificates.iter().map(|c| format!("certificate  {}\n", print::visible(c)));
    let tokens = report.tokens.iter().map(|t| format!("token        {t}\n"));
    let accounts = report.accounts.iter().map(|a| format!("account      {a}\n"));
    let keys = report.credentials.iter().map(|c| format!("credential   {c}\n"));
    let raised = report.raised.iter().map(|c| format!("raised       {}\n", print::visible(c)));
    let affected = report.affected.iter().map(|d| format!("loses one    {d}\n"));
    let ended = accounts.chain(devices).chain(certificates).chain(tokens).chain(keys).chain(raised).chain(affected);
    ended.chain(report.living.iter().map(living)).collect()
}

/// Something that lives on, with the command that ends it.
fn living(found: &Descendant) -> String {
    let id = print::visible(&found.id);
    let (what, command) = match found.kind {
        DescendantKind::Certificate => ("certificate", "ca revoke"),
        DescendantKind::Token => ("token", "ca token revoke"),
        DescendantKind::ApiKey => ("API key", "ca apikey revoke"),
        DescendantKind::Session => ("session", "ca oauth revoke-session"),
    };
    let of = found.device.as_ref().map(|device| format!(" of {device}")).unwrap_or_default();
    format!("lives on     {what} {id}{of}: {command} {id}\n")
}

/// What descends from the target and was not asked for, and how to end all of it at once.
pub(super) fn offer(report: &RevokeReport, command: &str) -> String {
    let count = report.living.len() as u64 + report.living_more;
    format!("{count} that descend from it live on; when its key is in other hands: {command} --reason key-compromise")
}

/// The command that names the same target.
fn command(request: &RevokeRequest) -> String {
    let target = |text: &str| format!("ca revoke {}", print::visible(text));
    match (&request.device, &request.serial, &request.batch, &request.account, &request.session) {
        (Some(device), ..) => target(device.as_str()),
        (_, Some(serial), ..) => target(serial),
        (_, _, Some(batch), ..) => target(&format!("--batch {batch}")),
        (_, _, _, Some(account), _) => format!("ca account revoke {account}"),
        (_, _, _, _, Some(session)) => format!("ca oauth revoke-session {session}"),
        (None, None, None, None, None) => target("TARGET"),
    }
}

pub(super) fn summary(report: &RevokeReport) -> String {
    let verb = if report.dry_run { "would be revoked" } else { "revoked" };
    let (devices, certificates, tokens) = (report.devices.len(), report.certificates.len(), report.tokens.len());
    let counts = format!("{verb}: {devices} devices, {certificates} certificates, {tokens} tokens");
    let (accounts, credentials) = (report.accounts.len(), report.credentials.len());
    let counts = match accounts + credentials {
        0 => counts,
        _ => format!("{counts}, {accounts} accounts, {credentials} keys"),
    };
    let raised = report.raised.len();
    let counts = match raised {
        0 => counts,
        _ => format!("{counts}, {raised} certificates with a graver reason"),
    };
    let counts = match report.blocked_keys {
        0 => counts,
        blocked => format!("{counts}; {blocked} keys are never certified again"),
    };
    match (report.dry_run, report.crl_number) {
        (true, _) => counts,
        (false, None) if report.blocked_keys == 0 && devices + certificates + tokens + accounts + credentials == 0 => {
            format!("{counts}: everything that this names was revoked before")
        }
        (false, Some(number)) => format!("{counts}; in force with CRL number {number}"),
        (false, None) => format!("{counts}; the CRL is not published yet, follow it with: ca crl show"),
    }
}

const REVOCATIONS: &str = "/v1/admin/revocations";

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
