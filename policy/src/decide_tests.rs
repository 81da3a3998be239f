use proptest::prelude::*;
use signet_pki::UnixTime;

use crate::{Certificate, Decision, Entity, Kind, Policy, Reason, Request, Status};

fn rule(id: &str, effect: &str, more: &str) -> String {
    let mut text = format!("[[rule]]\nid = \"{id}\"\neffect = \"{effect}\"\ndescription = \"d\"\n");
    for (key, value) in
        [("principal", "{ groups_any = [\"sensors\"] }"), ("actions", "[\"read\"]"), ("resource", "\"*\"")]
    {
        if !more.lines().any(|line| line.starts_with(&format!("{key} ="))) {
            text += &format!("{key} = {value}\n");
        }
    }
    format!("{text}{more}\n")
}

fn policy(rules: &[String]) -> Policy {
    Policy::parse(&rules.concat()).unwrap()
}

const NOON: UnixTime = UnixTime(1_795_348_800);

fn question(groups: &[String]) -> Request<'_> {
    let principal = Entity { groups, ..Entity::new(Kind::Device, "sensor-1") };
    let resource = Entity::new(Kind::Service, "ingest");
    Request { principal, action: "read", resource, at: NOON, source: None, path: None }
}

fn sensors() -> Vec<String> {
    vec!["sensors".to_owned()]
}

fn told(decision: &Decision) -> (Reason, Vec<&str>) {
    (decision.reason, decision.rules.iter().map(|id| &**id).collect())
}

#[test]
fn what_nothing_permits_is_denied() {
    let groups = sensors();
    assert_eq!(told(&Policy::empty().decide(&question(&groups))), (Reason::NoRule, vec![]));
    let policy = policy(&[rule("a", "permit", "actions = [\"write\"]")]);
    assert_eq!(told(&policy.decide(&question(&groups))), (Reason::NoRule, vec![]));
    assert_eq!(told(&policy.decide(&question(&[]))), (Reason::NoRule, vec![]));
    assert_eq!(policy.near_misses(&question(&groups)), [("a".into(), "the action")]);
}

#[test]
fn a_forbid_wins_and_everybody_who_decided_is_named() {
    let groups = sensors();
    let permits = policy(&[rule("b", "permit", ""), rule("a", "permit", "")]);
    assert_eq!(told(&permits.decide(&question(&groups))), (Reason::Permitted, vec!["a", "b"]));
    let both = policy(&[rule("b", "permit", ""), rule("z", "forbid", ""), rule("a", "permit", "")]);
    assert_eq!(told(&both.decide(&question(&groups))), (Reason::Forbidden, vec!["z"]));
}

#[test]
fn paths_are_whole_names_and_prefixes_and_the_whole_is_none_of_them() {
    let groups = sensors();
    let condition = "when = { paths = [\"/public/*\", \"/exact\", \"mqtt:topic/*\"] }";
    let permit = policy(&[rule("p", "permit", condition)]);
    let forbid = policy(&[rule("all", "permit", ""), rule("f", "forbid", condition)]);
    let inside = ["/public/", "/public/a", "/public/a/b", "/exact", "mqtt:topic/a"];
    let outside = ["/public", "/publics", "/exact/", "/exacter", "/", "/Public/a", "mqtt:topics", "mqtt:topic"];
    for (path, covered) in inside.map(|p| (p, true)).into_iter().chain(outside.map(|p| (p, false))) {
        let request = Request { path: Some(path), ..question(&groups) };
        assert_eq!(permit.decide(&request).is_allowed(), covered, "{path}");
        assert_eq!(forbid.decide(&request).is_allowed(), !covered, "{path}");
    }
    let whole = question(&groups);
    assert_eq!(permit.decide(&whole).unknown, ["p".into()]);
    assert!(!permit.decide(&whole).is_allowed() && !forbid.decide(&whole).is_allowed());
}

#[test]
fn t45_a_path_that_no_question_could_have_is_an_error() {
    for wrong in ["", "a", "*", "/a*", "/a/../b", "//", "/a//b", "/a/./b", "/a\\\\b", "/a;b", "/a?b", "/*/b"] {
        let text = rule("p", "permit", &format!("when = {{ paths = [\"{wrong}\"] }}"));
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains("is no path"), "{wrong}: {error}");
    }
}

#[test]
fn a_permit_is_for_the_active_unless_it_says_otherwise() {
    let groups = sensors();
    let plain = policy(&[rule("a", "permit", "")]);
    let wide = "principal = { groups_any = [\"sensors\"], status = [\"active\", \"suspended\"] }";
    let wide = policy(&[rule("a", "permit", wide)]);
    for status in Status::ALL {
        let mut request = question(&groups);
        request.principal.status = *status;
        assert_eq!(plain.decide(&request).is_allowed(), *status == Status::Active, "{status:?}");
        let expected = matches!(status, Status::Active | Status::Suspended);
        assert_eq!(wide.decide(&request).is_allowed(), expected, "{status:?}");
        let mut request = question(&groups);
        request.resource.status = *status;
        let stopped = matches!(status, Status::Suspended | Status::Revoked | Status::Retired);
        assert_eq!(plain.decide(&request).is_allowed(), !stopped, "{status:?}");
    }
}

#[test]
fn what_is_not_known_never_lets_in() {
    let groups = sensors();
    let condition = "when = { certificate = { hardware_bound = true } }";
    let permit = policy(&[rule("p", "permit", condition)]);
    let forbid = policy(&[rule("f", "forbid", condition), rule("p", "permit", "")]);
    let unless = policy(&[rule("f", "forbid", &condition.replace("when", "unless")), rule("p", "permit", "")]);
    let mut request = question(&groups);
    let known = |hardware_bound| {
        Some(Certificate { newest: true, issued_at: NOON, not_after: UnixTime::MAX, profile: None, hardware_bound })
    };
    for certificate in [None, known(None)] {
        request.principal.certificate = certificate;
        let decision = permit.decide(&request);
        assert_eq!((decision.reason, decision.unknown.len()), (Reason::NoRule, 1));
        assert_eq!(told(&forbid.decide(&request)), (Reason::Forbidden, vec!["f"]));
        assert_eq!(told(&unless.decide(&request)), (Reason::Forbidden, vec!["f"]));
        assert_eq!(&*unless.decide(&request).unknown[0], "f");
    }
    for bound in [true, false] {
        request.principal.certificate = known(Some(bound));
        assert_eq!(permit.decide(&request).is_allowed(), bound);
        assert_eq!(forbid.decide(&request).is_allowed(), !bound);
        assert_eq!(unless.decide(&request).is_allowed(), bound);
        assert!(unless.decide(&request).unknown.is_empty());
    }
}

#[test]
fn a_source_is_compared_as_the_address_that_it_is() {
    let groups = sensors();
    let policy = policy(&[rule("p", "permit", "when = { source = [\"10.0.0.0/8\", \"fd00::/8\"] }")]);
    let mut request = question(&groups);
    for (source, allowed) in
        [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("fd00::1", true), ("11.0.0.1", false), ("::1", false)]
    {
        request.source = source.parse().ok();
        assert_eq!(policy.decide(&request).is_allowed(), allowed, "{source}");
    }
    request.source = None;
    assert!(!policy.decide(&request).is_allowed());
}

#[test]
fn an_answer_is_kept_no_longer_than_it_is_true() {
    let groups = sensors();
    let mut request = question(&groups);
    let ttl = |rules: &[String], request: &Request<'_>| policy(rules).decide(request).ttl_seconds;
    assert_eq!(ttl(&[], &request), 60);
    assert_eq!(ttl(&[rule("a", "permit", "ttl_seconds = 300")], &request), 300);
    assert_eq!(ttl(&["ttl_seconds = 10\n".to_owned(), rule("a", "permit", "")], &request), 10);
    let both = [rule("a", "permit", "ttl_seconds = 300"), rule("b", "permit", "ttl_seconds = 200")];
    assert_eq!(ttl(&both, &request), 200);
    // The certificate is a day old in five seconds.
    let daily = [rule("a", "permit", "when = { certificate = { issued_within = \"24h\" } }")];
    let certificate = Certificate {
        newest: true,
        issued_at: NOON.minus(86_395),
        not_after: NOON.plus(100),
        profile: None,
        hardware_bound: None,
    };
    request.principal.certificate = Some(certificate);
    assert_eq!(ttl(&daily, &request), 5);
    // A window opens in twenty seconds.
    request.at = NOON.minus(20);
    let opens = [rule("a", "permit", "when = { time = [{ from = \"12:00\", to = \"13:00\" }] }")];
    assert_eq!(ttl(&opens, &request), 20);
    let closes =
        [rule("a", "permit", ""), rule("f", "forbid", "when = { time = [{ from = \"12:00\", to = \"13:00\" }] }")];
    assert_eq!(ttl(&closes, &request), 20);
    // While one permit goes on, the end of another changes nothing.
    let two = [rule("a", "permit", ""), opens[0].replace("\"a\"", "\"b\"")];
    assert_eq!(ttl(&two, &request), 60);
}

/// Rules over a small world, so that they meet.
fn any_rule() -> impl Strategy<Value = String> {
    let side = prop_oneof![
        Just("\"*\"".to_owned()),
        (0..3, 0..4).prop_map(|(kind, n)| {
            format!("{{ kind = \"{}\", ids = [\"x{n}\", \"x9\"] }}", Kind::ALL[kind as usize].as_str())
        }),
        (0..4).prop_map(|n| format!("{{ groups_any = [\"g{n}\", \"g{}\"] }}", n + 1)),
        (0..4).prop_map(|n| format!("{{ groups_all = [\"g{n}\"], status = [\"active\", \"suspended\"] }}")),
        (0..2).prop_map(|n| format!("{{ accounts = [\"a{n}\"] }}")),
        (0..2).prop_map(|n| format!("{{ profiles = [\"p{n}\"] }}")),
    ];
    let condition = prop_oneof![
        3 => Just(String::new()),
        1 => Just("source = [\"10.0.0.0/8\"]".to_owned()),
        2 => (0..23).prop_map(|h| format!("time = [{{ from = \"{h:02}:00\", to = \"{:02}:30\" }}]", (h + 5) % 24)),
        1 => Just("time = [{ days = [\"sun\", \"wed\"], from = \"11:58\", to = \"12:03\" }]".to_owned()),
        1 => Just("certificate = { issued_within = \"24h\" }".to_owned()),
        1 => Just("certificate = { hardware_bound = true }".to_owned()),
        1 => Just("before = 2026-11-22T12:01:00Z".to_owned()),
    ];
    let actions = prop_oneof![
        Just("\"*\"".to_owned()),
        (0..3).prop_map(|n| format!("[\"do{n}\"]")),
        Just("[\"do0\", \"do1\"]".into())
    ];
    (any::<bool>(), side.clone(), actions, side, condition.clone(), condition).prop_map(
        |(permit, principal, actions, resource, when, unless)| {
            let effect = if permit { "permit" } else { "forbid" };
            let mut text = format!("principal = {principal}\nactions = {actions}\nresource = {resource}\n");
            for (key, condition) in [("when", when), ("unless", unless)].iter().filter(|(_, c)| !c.is_empty()) {
                text += &format!("{key} = {{ {condition} }}\n");
            }
            let wide = principal == "\"*\"" && actions == "\"*\"" && resource == "\"*\"" && permit;
            rule("ID", effect, &if wide { format!("{text}allow_all = true") } else { text })
        },
    )
}

#[derive(Debug, Clone)]
struct World {
    ids: (u8, u8),
    groups: (Vec<String>, Vec<String>),
    kinds: (Kind, Kind),
    status: Status,
    account: u8,
    profile: u8,
    action: String,
    source: Option<std::net::IpAddr>,
    certificate: Option<(i64, Option<bool>)>,
}

fn any_world() -> impl Strategy<Value = World> {
    let groups = || proptest::collection::vec((0..6).prop_map(|n| format!("g{n}")), 0..4);
    let kind = || prop_oneof![Just(Kind::Device), Just(Kind::Service)];
    let status = prop_oneof![4 => Just(Status::Active), 1 => Just(Status::Suspended), 1 => Just(Status::Revoked)];
    let source = prop_oneof![Just(None), Just("10.0.0.1".parse().ok()), Just("192.0.2.1".parse().ok())];
    let certificate = proptest::option::of((86_000..86_500i64, proptest::option::of(any::<bool>())));
    let who = ((0u8..5, 0u8..5), (groups(), groups()), (kind(), kind()));
    let what = (status, 0u8..3, 0u8..3, 0..4, source, certificate);
    (who, what).prop_map(|((ids, groups, kinds), (status, account, profile, action, source, certificate))| World {
        ids,
        groups,
        kinds,
        status,
        account,
        profile,
        action: format!("do{action}"),
        source,
        certificate,
    })
}

impl World {
    fn ask(&self, policy: &Policy, at: UnixTime) -> Decision {
        let texts = [self.ids.0, self.ids.1].map(|id| format!("x{id}"));
        let (account, profile) = (format!("a{}", self.account), format!("p{}", self.profile));
        let entity = |kind, id, groups| Entity {
            groups,
            account: Some(&account),
            profile: Some(&profile),
            ..Entity::new(kind, id)
        };
        let mut principal = entity(self.kinds.0, &texts[0], &self.groups.0);
        principal.status = self.status;
        principal.certificate = self.certificate.map(|(age, hardware_bound)| Certificate {
            newest: true,
            issued_at: NOON.minus(age),
            not_after: UnixTime::MAX,
            profile: None,
            hardware_bound,
        });
        let resource = entity(self.kinds.1, &texts[1], &self.groups.1);
        policy.decide(&Request { principal, action: &self.action, resource, at, source: self.source, path: None })
    }
}

fn numbered(rules: &[String]) -> Vec<String> {
    rules.iter().enumerate().map(|(n, rule)| rule.replace("\"ID\"", &format!("\"r{n:03}\""))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A policy of one rule needs no index and no combination: from those, all of it follows.
    #[test]
    fn many_rules_together_say_what_each_says_alone(
        rules in proptest::collection::vec(any_rule(), 0..12),
        worlds in proptest::collection::vec(any_world(), 1..8),
    ) {
        let rules = numbered(&rules);
        let all = policy(&rules);
        let mut turned = rules.clone();
        turned.reverse();
        let turned = policy(&turned);
        for world in &worlds {
            let decision = world.ask(&all, NOON);
            let alone: Vec<Decision> = rules.iter().map(|rule| world.ask(&policy(std::slice::from_ref(rule)), NOON)).collect();
            let by = |reason: Reason| -> Vec<_> {
                alone.iter().filter(|d| d.reason == reason).flat_map(|d| d.rules.clone()).collect()
            };
            let (forbids, permits) = (by(Reason::Forbidden), by(Reason::Permitted));
            let expected = match (forbids.is_empty(), permits.is_empty()) {
                (false, _) => (Reason::Forbidden, forbids),
                (true, false) => (Reason::Permitted, permits),
                (true, true) => (Reason::NoRule, Vec::new()),
            };
            prop_assert_eq!((decision.reason, decision.rules.clone()), expected);
            prop_assert_eq!(&world.ask(&turned, NOON), &decision);
        }
    }

    #[test]
    fn nothing_changes_while_an_answer_may_be_kept(
        rules in proptest::collection::vec(any_rule(), 1..8),
        world in any_world(),
        later in 0u32..60,
    ) {
        let policy = policy(&numbered(&rules));
        let decision = world.ask(&policy, NOON);
        prop_assert!(decision.ttl_seconds <= 60);
        let at = later % decision.ttl_seconds.max(1);
        let then = world.ask(&policy, NOON.plus(i64::from(at)));
        prop_assert_eq!(then.is_allowed(), decision.is_allowed(), "after {} of {}", at, decision.ttl_seconds);
    }

    #[test]
    fn a_forbid_of_everything_denies_everything(rules in proptest::collection::vec(any_rule(), 0..8), world in any_world()) {
        let mut rules = numbered(&rules);
        let everything = "principal = \"*\"\nactions = \"*\"\nresource = \"*\"";
        rules.push(rule("stop", "forbid", everything));
        prop_assert_eq!(world.ask(&policy(&rules), NOON).reason, Reason::Forbidden);
    }

    #[test]
    fn without_a_permit_nobody_is_let_in(rules in proptest::collection::vec(any_rule(), 0..8), world in any_world()) {
        let rules: Vec<String> = numbered(&rules).into_iter().filter(|rule| rule.contains("\"forbid\"")).collect();
        prop_assert!(!world.ask(&policy(&rules), NOON).is_allowed());
    }
}
