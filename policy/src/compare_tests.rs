use std::sync::Arc;

use signet_pki::UnixTime;

use crate::{Certificate, Comparison, Difference, Entity, Kind, Policy, Status};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn rule(id: &str, effect: &str, group: &str, actions: &str, more: &str) -> String {
    format!(
        "[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\ndescription = \"d\"\nprincipal = {{ groups_any = [\"{group}\"] }}\n\
         actions = {actions}\nresource = {{ kind = \"service\", groups_any = [\"ingest\"] }}\n{more}\n"
    )
}

/// Two hundred sensors, ten of them suspended, a hundred with an old certificate; fifty meters; three services.
fn inventory() -> Vec<(Kind, String, Status, Vec<String>, i64)> {
    let group = |name: &str| vec![name.to_owned(), "all".to_owned()];
    let sensors = (0..200).map(|n| {
        let status = if n % 20 == 0 { Status::Suspended } else { Status::Active };
        (Kind::Device, format!("sensor-{n:03}"), status, group("sensors"), (n % 2) * 90_000)
    });
    let meters = (0..50).map(|n| (Kind::Device, format!("meter-{n:03}"), Status::Active, group("meters"), 0));
    let services = (0..3).map(|n| (Kind::Service, format!("ingest-{n}"), Status::Active, group("ingest"), 0));
    sensors.chain(meters).chain(services).collect()
}

fn compare(old: &str, new: &str) -> Difference {
    let (old, new) = (Policy::parse(old).unwrap(), Policy::parse(new).unwrap());
    let mut comparison = Comparison::new(Arc::new(old), Arc::new(new), NOW, None);
    for (kind, id, status, groups, age) in &inventory() {
        let certificate = Certificate {
            newest: true,
            issued_at: NOW.minus(*age),
            not_after: NOW.plus(100_000),
            profile: None,
            hardware_bound: None,
        };
        comparison.add(&Entity { status: *status, groups, certificate: Some(certificate), ..Entity::new(*kind, id) });
    }
    comparison.finish()
}

#[test]
fn who_gains_and_who_loses_is_counted_with_the_rules_and_examples() {
    let old = rule("sensors", "permit", "sensors", "[\"write\"]", "");
    let new = rule("meters", "permit", "meters", "[\"write\", \"read\"]", "");
    let found = compare(&old, &new);
    assert!(found.is_complete);
    assert_eq!((found.entities, found.affected), (253, 190 + 50));
    let told: Vec<_> = found
        .changes
        .iter()
        .map(|c| (c.is_allowed, c.action.as_deref().unwrap(), c.principals, c.resources, c.examples[0].0.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (false, "write", 190, 3, "sensor-001"),
            (true, "read", 50, 3, "meter-000"),
            (true, "write", 50, 3, "meter-000")
        ]
    );
    assert_eq!(found.changes[0].examples.len(), crate::limits::EXAMPLES);
    assert_eq!(found.changes[0].before, ["sensors".into()]);
    assert!(found.changes[0].after.is_empty());
}

#[test]
fn a_condition_on_certificates_divides_those_who_are_alike_otherwise() {
    let old = rule("sensors", "permit", "sensors", "[\"write\"]", "");
    let daily = "unless = { certificate = { issued_within = \"24h\" } }";
    let new = format!("{old}{}", rule("old-certificates", "forbid", "all", "\"*\"", daily));
    let found = compare(&old, &new);
    assert_eq!((found.affected, found.changes.len()), (100, 1));
    assert_eq!(found.changes[0].after, ["old-certificates".into()]);
}

#[test]
fn t45_what_lets_in_or_locks_out_everybody_shows_in_numbers() {
    let old = rule("sensors", "permit", "sensors", "[\"write\"]", "");
    let everybody = old.replace("sensors\"] }", "all\"] }").replace("[\"write\"]", "\"*\"");
    let found = compare(&old, &everybody);
    // Also to do what nobody has ever named.
    assert!(found.changes.iter().any(|c| c.action.is_none() && c.is_allowed && c.principals == 243));
    assert_eq!(found.affected, 243);
    let nobody = format!("{old}{}", rule("stop", "forbid", "all", "\"*\"", ""));
    let found = compare(&old, &nobody);
    assert_eq!((found.affected, found.changes.len(), found.changes[0].is_allowed), (190, 1, false));
}

#[test]
fn what_means_the_same_changes_nothing() {
    let old = rule("sensors", "permit", "sensors", "[\"write\"]", "ttl_seconds = 30");
    let renamed = rule("other", "permit", "sensors", "[\"write\"]", "");
    assert_eq!(compare(&old, &renamed).affected, 0);
    // A second permit for the same.
    assert_eq!(compare(&old, &format!("{old}{}", rule("b", "permit", "sensors", "[\"write\"]", ""))).affected, 0);
    let wider = rule("all", "permit", "all", "[\"write\"]", "");
    let found = compare(&wider, &format!("{wider}{}", rule("b", "permit", "sensors", "[\"write\"]", "")));
    assert!(found.changes.is_empty() && found.is_complete);
}

#[test]
fn a_rule_about_paths_that_stays_hides_no_change_elsewhere() {
    let old = rule("no-admin", "forbid", "sensors", "[\"write\"]", "when = { paths = [\"/admin/*\"] }");
    let new = format!("{old}{}", rule("sensors", "permit", "sensors", "[\"write\"]", ""));
    let found = compare(&old, &new);
    assert_eq!((found.affected, found.changes.len()), (190, 1), "{found:?}");
    let narrow =
        format!("{old}{}", rule("sensors", "permit", "sensors", "[\"write\"]", "when = { paths = [\"/admin/x\"] }"));
    assert_eq!(compare(&old, &narrow).affected, 0);
}
