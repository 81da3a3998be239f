//! `ca doctor`: is everything in place, and for how long?

use clap::Args;
use serde::Serialize;
use signet_api::admin::{AuditArchive, IssuerInfo};
use signet_api::events::EventsInfo;
use signet_api::policy::{POLICY_PATH, PolicyInfo};
use signet_pki::UnixTime;
use signet_pki::view::CertificateView;

use crate::failure::Failure;
use crate::online::admin_dir::AdminDir;
use crate::online::context::{self, At, Context, NEW_ADMIN};
use crate::online::crl_file::{self, List};
use crate::online::duration::{self, DAY};
use crate::online::service::{self, Call, Service};
use crate::online::{alarm, bundle, doctor_keys, doctor_rows, print};

/// Check the administrator's files, the service, the clocks, the CRLs and all ends of validity
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca doctor")]
pub(crate) struct Doctor {
    #[command(flatten)]
    at: At,
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let checks = examine(&self.at, context::now());
        if self.json {
            print::json(&checks)?;
        } else {
            print::data(&checks.iter().map(Check::line).collect::<String>())?;
        }
        match checks.iter().filter(|c| c.level == Level::Fail).count() {
            0 => Ok(()),
            failed => Err(Failure::refused(format!("{failed} of {} checks failed", checks.len()))
                .hint("each line says what to do; then repeat: ca doctor")),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub(super) level: Level,
    what: String,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

impl Check {
    pub(super) fn new(level: Level, what: impl Into<String>, detail: impl Into<String>, hint: &str) -> Check {
        // A hint beside what is well would send people off to mend it.
        let hint = (level != Level::Ok && !hint.is_empty()).then(|| hint.to_owned());
        Check { level, what: what.into(), detail: detail.into(), hint }
    }

    pub(super) fn failed(what: &str, failure: &Failure) -> Check {
        Check::new(Level::Fail, what, failure.message(), failure.hint_text().unwrap_or_default())
    }

    pub(super) fn line(&self) -> String {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        let hint = self.hint.as_deref().map(|h| format!("      hint: {}\n", print::visible(h))).unwrap_or_default();
        format!("{level:4}  {}: {}\n{hint}", print::visible(&self.what), print::visible(&self.detail))
    }
}

/// What depends on a failed check is left out: its failure would say nothing new.
fn examine(at: &At, now: UnixTime) -> Vec<Check> {
    if at.has_key() {
        return match at.open() {
            Ok(context) => roots(context.roots(), now).into_iter().chain(remote(&context, now)).collect(),
            Err(failure) => vec![Check::failed("API key", &failure)],
        };
    }
    let dir = match at.read() {
        Ok(dir) => dir,
        Err(failure) => return vec![Check::failed("administrator's directory", &failure)],
    };
    let mut checks = local(&dir, now);
    match Context::new(dir) {
        Ok(context) => checks.extend(remote(&context, now)),
        Err(failure) => checks.push(Check::failed("service", &failure)),
    }
    checks
}

fn local(dir: &AdminDir, now: UnixTime) -> Vec<Check> {
    let mut checks = vec![Check::new(Level::Ok, "administrator's directory", dir.path.display().to_string(), "")];
    let leaf = dir.leaf();
    // An administrator's certificate may live for a day only.
    let margin = (leaf.not_after.since(leaf.not_before) / 4).min(7 * DAY);
    checks.push(ends("administrator's certificate", leaf, margin, now, NEW_ADMIN));
    checks.extend(roots(&dir.roots, now));
    checks
}

fn roots(roots: &[signet_pki::ca::IssuerCert], now: UnixTime) -> Vec<Check> {
    let hint = "plan a new root and hand it out before this one ends: ca root init";
    let judge = |root: &signet_pki::ca::IssuerCert| {
        ends(&format!("root {}", root.view().subject_text), root.view(), ROOT_MARGIN, now, hint)
    };
    roots.iter().map(judge).collect()
}

fn remote(context: &Context, now: UnixTime) -> Vec<Check> {
    let server = &context.place().server;
    let answer = match context.send(Call::Get { path: "/v1/admin/issuers" }) {
        Ok(answer) => answer,
        Err(error) => return vec![Check::failed("service", &error.into())],
    };
    let mut checks = vec![
        Check::new(Level::Ok, "service", format!("{server} answers, its certificate is right, and we are let in"), ""),
        clock(answer.server_time(), now),
    ];
    match answer.json::<Vec<IssuerInfo>>() {
        Ok(issuers) => checks.extend(judge_issuers(&issuers, now)),
        Err(error) => checks.push(Check::new(Level::Fail, "issuers", error.to_string(), &error.hint())),
    }
    match service::get::<EventsInfo>(context, "/v1/admin/events") {
        Ok(info) => {
            checks.push(revocations(&info));
            checks.extend(secrets_in_addresses(&info));
            checks.extend(second_person(&info));
        }
        Err(error) => checks.push(Check::failed("revocations", &error.into())),
    }
    checks.extend(crls(context, context.roots(), now));
    checks.push(alarm::examine(context));
    checks.push(archive(context));
    checks.push(policy(context));
    checks.extend(doctor_keys::examine(context, now));
    checks.push(doctor_rows::examine(context));
    checks
}

/// Nothing that is wrong here stops a device, but the database grows.
fn archive(service: &dyn Service) -> Check {
    let what = "audit archive";
    let archive: AuditArchive = match service::get(service, "/v1/admin/audit/archive?limit=1") {
        Ok(archive) => archive,
        Err(error) => return Check::failed(what, &error.into()),
    };
    let Some(directory) = archive.directory else {
        return Check::new(Level::Ok, what, "not configured: every entry stays in the database", "");
    };
    let hint = "look at audit.archive_directory on the issuing host: its space, its owner, and the log of signetd";
    match archive.problem {
        Some(problem) => Check::new(Level::Warn, what, problem, hint),
        None if archive.overdue_seconds > DAY => {
            let since = duration::in_words(-archive.overdue_seconds);
            Check::new(Level::Warn, what, format!("{directory} lags: a segment could have been closed {since}"), hint)
        }
        None => Check::new(Level::Ok, what, format!("{directory} is written"), ""),
    }
}

/// Whether live permission is decided by the policy that is wished for.
fn policy(service: &dyn Service) -> Check {
    let what = "policy";
    let info: PolicyInfo = match service::get(service, POLICY_PATH) {
        Ok(info) => info,
        Err(error) => return Check::failed(what, &error.into()),
    };
    let in_force = match &info.applied_at {
        None => "none: nothing is permitted by live permission".to_owned(),
        Some(at) => format!("revision {} with {} rules since {at}", info.revision, info.rules),
    };
    match info.problem {
        None => Check::new(Level::Ok, what, in_force, ""),
        Some(problem) => {
            let hint = "mend the file that is named ('ca policy check FILE'); until then the policy before goes on";
            Check::new(Level::Fail, what, format!("{problem}; in force is {in_force}"), hint)
        }
    }
}

/// How fast revocations have counted lately.
fn revocations(info: &EventsInfo) -> Check {
    let late: u64 = info.stages.iter().map(|stage| stage.over_budget).sum();
    let budget = info.budget_ms;
    let (level, detail) = match &info.last_over_budget {
        None => (Level::Ok, format!("each counted within {budget} ms since the service was started")),
        Some(last) => {
            let level = if last.seconds_ago < 86_400 { Level::Warn } else { Level::Ok };
            let ago = duration::in_words(-i64::try_from(last.seconds_ago).unwrap_or(i64::MAX).max(1));
            let (stage, took) = (&last.stage, last.took_ms);
            (level, format!("{late} over the budget of {budget} ms, the last {ago}: stage {stage} after {took} ms"))
        }
    };
    let hint = "the service's log has a line for each; is its disk or its processor busy?";
    Check::new(level, "revocations", detail, hint)
}

/// Says nothing where it is off, as it should be.
fn secrets_in_addresses(info: &EventsInfo) -> Option<Check> {
    let detail = "streams of events take keys and tokens from the address, which proxies and browsers write down";
    let hint = "move the clients to headers or tickets, then take events.query_secrets out of signet.toml";
    info.query_secrets.then(|| Check::new(Level::Warn, "secrets in addresses", detail, hint))
}

/// Says nothing where nothing is guarded.
fn second_person(info: &EventsInfo) -> Option<Check> {
    let guards = info.guards.iter().map(|guarded| guarded.as_str()).collect::<Vec<_>>().join(", ");
    let (level, detail) = match (info.guards.is_empty(), info.approvers) {
        (true, _) => return None,
        (false, 2..) => (Level::Ok, format!("{} administrators may approve what needs two ({guards})", info.approvers)),
        (false, few) => (Level::Warn, format!("{guards} need two administrators, and {few} may approve")),
    };
    let hint = "invite another: ca admin invite NAME --role auditor --permission requests:approve --out NAME.link";
    Some(Check::new(level, "approvals", detail, hint))
}

fn clock(server: Option<UnixTime>, now: UnixTime) -> Check {
    let Some(server) = server else {
        return Check::new(Level::Warn, "clocks", "the service sends no date", "is there a proxy in front of it?");
    };
    let skew = now.since(server);
    let level = match skew.abs() {
        0..=30 => Level::Ok,
        31..=BACKDATE => Level::Warn,
        _ => Level::Fail,
    };
    let detail = match skew {
        0 => "this machine and the service agree".to_owned(),
        1.. => format!("this machine is {skew} s ahead of the service"),
        _ => format!("this machine is {} s behind the service", -skew),
    };
    Check::new(level, "clocks", detail, "set both clocks by NTP, and find out which one is wrong first")
}

fn judge_issuers(issuers: &[IssuerInfo], now: UnixTime) -> Vec<Check> {
    let hint = "make the next one in time: ca issuer request, then ca root sign and ca issuer install";
    let active: Vec<_> = issuers.iter().filter(|issuer| issuer.active).collect();
    if active.is_empty() {
        return vec![Check::new(Level::Fail, "issuers", "none is active, so nothing can be issued", hint)];
    }
    let judge = |issuer: &&IssuerInfo| {
        let name = format!("issuer {}", issuer.subject);
        match UnixTime::parse_rfc3339(&issuer.not_after) {
            Some(end) => until(&name, end, ISSUER_MARGIN, now, hint),
            None => Check::new(Level::Fail, name, format!("unreadable end {:?}", issuer.not_after), ""),
        }
    };
    let responders = active.iter().filter_map(|issuer| {
        issuer.responder.as_ref().map(|r| judge_responder(&issuer.subject, r.not_after.as_deref(), now))
    });
    active.iter().map(judge).chain(responders).collect()
}

/// Without it verifiers that ask by OCSP refuse every certificate.
fn judge_responder(issuer: &str, not_after: Option<&str>, now: UnixTime) -> Check {
    let name = format!("OCSP responder of {issuer}");
    let hint = "the service should have renewed its certificate long ago: look at its log";
    match not_after.map(UnixTime::parse_rfc3339) {
        Some(Some(end)) => until(&name, end, RESPONDER_MARGIN, now, hint),
        Some(None) => Check::new(Level::Fail, name, format!("unreadable end {not_after:?}"), ""),
        None => Check::new(Level::Fail, name, "has no certificate, so it answers nobody", hint),
    }
}

/// Looks at the very bytes that verifiers get.
fn crls(service: &dyn Service, roots: &[signet_pki::ca::IssuerCert], now: UnixTime) -> Vec<Check> {
    let fetched = bundle::fetch(service, roots).and_then(|bundle| {
        let text = service.call(Call::Get { path: "/v1/trust/crl.pem" })?;
        Ok((crl_file::check(&text, &bundle, now)?, bundle))
    });
    let (lists, bundle) = match fetched {
        Ok(fetched) => fetched,
        Err(failure) => return vec![Check::failed("CRLs", &failure)],
    };
    let fresh = |list: &List| {
        let view = &list.view;
        let name = format!("CRL of {}", list.issuer.view().subject_text);
        let margin = view.next_update.since(view.this_update) / 4;
        let hint = if list.issuer.view().is_self_issued() {
            "sign a new one with the root key: ca root crl"
        } else {
            "the service should have made a new one long ago: look at its log"
        };
        until(&name, view.next_update, margin, now, hint)
    };
    let missing = |ca: &signet_pki::ca::IssuerCert| {
        let name = format!("CRL of {}", ca.view().subject_text);
        let hint = "nginx, haproxy and openssl refuse every device without it; for a root, sign one with: ca root crl";
        Check::new(Level::Warn, name, "not published", hint)
    };
    lists.iter().map(fresh).chain(crl_file::uncovered(&lists, &bundle).into_iter().map(missing)).collect()
}

fn ends(what: &str, certificate: &CertificateView, margin: i64, now: UnixTime, hint: &str) -> Check {
    if now < certificate.not_before {
        let detail = format!("not valid before {}", certificate.not_before);
        return Check::new(Level::Fail, what, detail, "check the clock of this machine");
    }
    until(what, certificate.not_after, margin, now, hint)
}

fn until(what: &str, end: UnixTime, margin: i64, now: UnixTime, hint: &str) -> Check {
    let left = end.since(now);
    let level = match left {
        ..=0 => Level::Fail,
        left if left < margin => Level::Warn,
        _ => Level::Ok,
    };
    let verb = if left <= 0 { "ended" } else { "ends" };
    Check::new(level, what, format!("{verb} {} ({end})", duration::in_words(left)), hint)
}

/// Certificates are backdated by so much: beyond it, fresh ones are "not valid yet" on one of the machines.
const BACKDATE: i64 = signet_pki::profile::BACKDATE;
/// Months are needed to hand out a new root.
const ROOT_MARGIN: i64 = 120 * DAY;
const ISSUER_MARGIN: i64 = 90 * DAY;
/// Of its seven days three and a half are left when the service renews it.
const RESPONDER_MARGIN: i64 = 3 * DAY;

#[cfg(test)]
#[path = "doctor_tests.rs"]
mod tests;
