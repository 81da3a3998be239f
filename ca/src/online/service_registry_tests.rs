use signet_api::services::{Presentation, ShownCertificate};

use super::*;
use crate::online::service::tests::Fake;

fn id() -> DeviceId {
    DeviceId::parse("broker").unwrap()
}

fn name() -> DnsName {
    DnsName::parse("broker.internal").unwrap()
}

fn detail() -> ServiceDetail {
    ServiceDetail {
        service: ServiceInfo {
            id: id(),
            status: "active".into(),
            dns_names: vec![name()],
            ports: vec![443, 8883],
            resources: vec!["service:broker".into()],
            fail_mode: FailMode::Closed,
            address: None,
            serial: "0a".into(),
            registered_by: "service:broker".into(),
            registered_at: "2026-11-22T08:00:00Z".into(),
            changed_at: "2026-11-22T08:00:00Z".into(),
        },
        present: Some(Presentation {
            serial: "0b".into(),
            not_after: "2026-11-23T08:00:00Z".into(),
            chain: "PEM".into(),
            missing_names: vec![name()],
        }),
    }
}

fn report(outcome: ProbeOutcome) -> ProbeReport {
    ProbeReport {
        service: id(),
        dns_name: name(),
        port: 8883,
        address: [10, 0, 0, 7].into(),
        outcome,
        reason: Some("it is revoked".into()),
        protocol: None,
        shown: Some(ShownCertificate {
            serial: "0a".into(),
            not_after: "2026-11-23T08:00:00Z".into(),
            status: "revoked".into(),
            missing_names: Vec::new(),
            current: false,
        }),
    }
}

#[test]
fn a_registration_reads_as_table_and_as_fields() {
    let text = table(&[detail().service]);
    assert!(text.starts_with("ID") && text.contains("443,8883") && text.contains("closed"), "{text}");
    let text = super::text(&detail());
    assert!(text.contains("presents       0b until") && text.contains("missing names  broker.internal"), "{text}");
}

#[test]
fn a_probe_ends_well_only_when_clients_accept_the_service() {
    let probe = |outcome| {
        let fake = Fake::default().with("/v1/services/broker/probe", &report(outcome));
        Probe { id: id(), dns: None, port: None, json: false }.run(&fake)
    };
    assert!(probe(ProbeOutcome::Good).is_ok());
    let refused = format!("{:?}", probe(ProbeOutcome::Refused).unwrap_err());
    assert!(refused.contains("it is revoked") && refused.contains("ca service show broker --chain"), "{refused}");
    assert!(probe(ProbeOutcome::Unreachable).is_err());
    assert!(seen(&report(ProbeOutcome::Refused)).contains("revoked, and not the one that it should show"));
}

#[test]
fn files_are_read_before_anything_is_sent() {
    let (fake, missing) = (Fake::default(), PathBuf::from("/nonexistent/chain.pem"));
    let command = Register {
        id: id(),
        chain: missing.clone(),
        proof: missing,
        dns: vec![name()],
        port: vec![443],
        resource: Vec::new(),
        fail_open: false,
        address: None,
        json: false,
    };
    assert!(command.run(&fake).is_err() && fake.asked.borrow().is_empty());
}

#[test]
fn what_is_not_registered_is_not_found_and_taking_it_away_is_one_call() {
    let fake = Fake::default().with("/v1/services/broker", &detail().service);
    // The tests have no terminal.
    Deregister { id: id(), consent: Consent::ASK }.run(&fake).unwrap_err();
    assert!(fake.asked.borrow().is_empty(), "nothing was done");
    Deregister { id: id(), consent: Consent::YES }.run(&fake).unwrap();
    assert_eq!(*fake.asked.borrow(), ["DELETE /v1/services/broker"]);
    assert!(Show { id: DeviceId::parse("other").unwrap(), chain: false, json: false }.run(&fake).is_err());
}
