//! `ca service`: which services are registered, and registering one for somebody.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use signet_api::services::{
    FailMode, ProbeOutcome, ProbeReport, ProbeRequest, RegisterService, ServiceDetail, ServiceInfo,
};
use signet_pki::{DeviceId, DnsName};

use crate::failure::Failure;
use crate::online::consent::Consent;
use crate::online::context::At;
use crate::online::service::{self, Service};
use crate::online::{files, print};

#[derive(Debug, Subcommand)]
pub(crate) enum ServiceCommand {
    List(List),
    Show(Show),
    Register(Register),
    Deregister(Deregister),
    Probe(Probe),
}

impl ServiceCommand {
    pub(super) fn run(self, at: &At) -> Result<(), Failure> {
        match self {
            ServiceCommand::List(command) => command.run(&at.open()?),
            ServiceCommand::Show(command) => command.run(&at.open()?),
            ServiceCommand::Register(command) => command.run(&at.open()?),
            ServiceCommand::Deregister(command) => command.run(&at.open()?),
            ServiceCommand::Probe(command) => command.run(&at.open()?),
        }
    }
}

/// List the registered services
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca service list")]
pub(crate) struct List {
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl List {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let all: Vec<ServiceInfo> = service::get(service, "/v1/services")?;
        if self.json { print::json(&all) } else { print::data(&table(&all)) }
    }
}

/// Show a registration, and what the service should present to its clients now
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca service show broker --chain > broker.pem")]
pub(crate) struct Show {
    id: DeviceId,
    /// Print the certificate chain that the service should present, PEM
    #[arg(long, conflicts_with = "json")]
    chain: bool,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let detail: ServiceDetail = service::get(service, &path(&self.id))?;
        if self.json {
            return print::json(&detail);
        }
        if !self.chain {
            return print::data(&text(&detail));
        }
        let present = detail.present.ok_or_else(|| {
            Failure::refused(format!("{} has no certificate that is good", self.id))
                .hint(format!("renew or enroll it: ca token create --device {} --replace", self.id))
        })?;
        print::data(&present.chain)
    }
}

/// Register a service for somebody who runs it; a service with an agent does so itself
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  ca service register broker --chain b.pem --proof b.proof --dns broker.internal --port 8883"
)]
pub(crate) struct Register {
    id: DeviceId,
    /// What it serves with: its certificate, then the issuer's, PEM
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// What 'signet-agent register --prove' printed on its machine: the key's word for this
    #[arg(long, value_name = "FILE")]
    proof: PathBuf,
    /// A name under which clients reach it
    #[arg(long, value_name = "NAME", required = true)]
    dns: Vec<DnsName>,
    #[arg(long, value_name = "PORT", required = true)]
    port: Vec<u16>,
    /// What belongs to it, when not what is registered already: service:ID, or a prefix such as mqtt:topic/*
    #[arg(long, value_name = "KIND:NAME")]
    resource: Vec<String>,
    /// It lets requests pass when permission cannot be asked for; otherwise it refuses them
    #[arg(long)]
    fail_open: bool,
    /// Where it is, when its names do not lead there
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Register {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let request = RegisterService {
            chain: files::read_text(&self.chain, files::MAX_PEM)?.to_string(),
            dns_names: self.dns,
            ports: self.port,
            resources: Some(self.resource).filter(|resources| !resources.is_empty()),
            fail_mode: if self.fail_open { FailMode::Open } else { FailMode::Closed },
            address: self.address,
            proof: Some(files::read_text(&self.proof, 4096)?.trim().to_owned()),
        };
        let detail: ServiceDetail = service::put(service, &path(&self.id), &request)?;
        if self.json { print::json(&detail) } else { print::data(&text(&detail)) }
    }
}

/// Take a registration away; the service's certificates stay as they are
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca service deregister broker")]
pub(crate) struct Deregister {
    id: DeviceId,
    #[command(flatten)]
    consent: Consent,
}

impl Deregister {
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        self.consent.confirm(&format!("service {}: its registration is removed", self.id), "Deregister?")?;
        let _: ServiceInfo = service::delete(service, &path(&self.id))?;
        print::note(format!(
            "{} is not registered any more; its agent may register it again, unless it is told: \
                             signet-agent register --withdraw",
            self.id
        ));
        Ok(())
    }
}

/// Let the CA connect to a service as its clients do, and say what they would see
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  ca service probe broker --port 8883")]
pub(crate) struct Probe {
    id: DeviceId,
    /// One of its registered names; the first when left out
    #[arg(long, value_name = "NAME")]
    dns: Option<DnsName>,
    /// One of its registered ports; the first when left out
    #[arg(long)]
    port: Option<u16>,
    /// Print the service's answer as JSON
    #[arg(long)]
    json: bool,
}

impl Probe {
    /// Exit 0 when clients accept the service.
    fn run(self, service: &dyn Service) -> Result<(), Failure> {
        let request = ProbeRequest { dns_name: self.dns, port: self.port };
        let report: ProbeReport = service::post(service, &format!("{}/probe", path(&self.id)), &request)?;
        if self.json {
            print::json(&report)?
        } else {
            print::data(&seen(&report))?
        }
        let why = report.reason.unwrap_or_default();
        match report.outcome {
            ProbeOutcome::Good => Ok(()),
            ProbeOutcome::Refused => Err(Failure::refused(format!("clients refuse {}: {why}", self.id))
                .hint(format!("what it should show: ca service show {} --chain", self.id))),
            ProbeOutcome::Unreachable => Err(Failure::refused(format!("{} does not answer: {why}", self.id))
                .hint(format!("is it running? Where it should be: ca service show {}", self.id))),
        }
    }
}

fn path(id: &DeviceId) -> String {
    format!("/v1/services/{id}")
}

fn table(all: &[ServiceInfo]) -> String {
    let row = |s: &ServiceInfo| {
        vec![
            s.id.to_string(),
            s.status.clone(),
            print::list(&s.dns_names),
            print::list(&s.ports),
            s.fail_mode.as_str().to_owned(),
            print::list(&s.resources),
        ]
    };
    print::table(&["id", "status", "names", "ports", "fails", "resources"], &all.iter().map(row).collect::<Vec<_>>())
}

fn text(detail: &ServiceDetail) -> String {
    let s = &detail.service;
    let mut pairs = vec![
        ("id", s.id.to_string()),
        ("status", s.status.clone()),
        ("names", print::list(&s.dns_names)),
        ("ports", print::list(&s.ports)),
        ("address", print::or_dash(s.address)),
        ("resources", print::list(&s.resources)),
        ("fails", s.fail_mode.as_str().to_owned()),
        ("registered", format!("{} by {}", s.registered_at, s.registered_by)),
        ("changed", s.changed_at.clone()),
        ("with", s.serial.clone()),
    ];
    match &detail.present {
        None => pairs.push(("presents", "-".to_owned())),
        Some(present) => {
            pairs.push(("presents", format!("{} until {}", present.serial, present.not_after)));
            pairs.push(("missing names", print::list(&present.missing_names)));
        }
    }
    print::fields(&pairs)
}

fn seen(report: &ProbeReport) -> String {
    let outcome = match report.outcome {
        ProbeOutcome::Good => "good",
        ProbeOutcome::Refused => "refused",
        ProbeOutcome::Unreachable => "unreachable",
    };
    let mut pairs = vec![
        ("outcome", outcome.to_owned()),
        ("reason", print::or_dash(report.reason.as_ref())),
        ("reached", format!("{} at {} port {}", report.dns_name, report.address, report.port)),
        ("protocol", print::or_dash(report.protocol.as_ref())),
    ];
    if let Some(shown) = &report.shown {
        let current = if shown.current { "" } else { ", and not the one that it should show" };
        pairs.push(("shows", format!("{}, {}{current}", shown.serial, shown.status)));
        pairs.push(("until", shown.not_after.clone()));
        pairs.push(("missing names", print::list(&shown.missing_names)));
    }
    print::fields(&pairs)
}

#[cfg(test)]
#[path = "service_registry_tests.rs"]
mod tests;
