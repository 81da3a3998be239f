//! A text is understood or refused with lines that it has; what is understood decides, and never lets in what it forbids.
#![no_main]

use libfuzzer_sys::fuzz_target;
use signet_pki::UnixTime;
use signet_policy::{Certificate, Effect, Entity, Fixtures, Kind, Policy, PolicyErrors, Request};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = Fixtures::parse(text);
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(PolicyErrors(errors)) => {
            let lines = text.split('\n').count();
            assert!(!errors.is_empty() && errors.iter().all(|error| (1..=lines).contains(&error.line)));
            return;
        }
    };
    let again = Policy::parse(policy.text()).expect("what was understood once is understood again");
    assert_eq!(again.revision(), policy.revision());
    assert_eq!(policy.fixtures().run(&policy), again.fixtures().run(&again));
    let groups = ["g".to_owned(), "sensors".to_owned()];
    // A date of the text lies somewhere; early and late both matter.
    for at in [0, 1_800_000_000, UnixTime::MAX.0].map(UnixTime) {
        let certificate = Certificate {
            newest: true,
            issued_at: at.minus(60),
            not_after: at.plus(60),
            profile: Some("device"),
            hardware_bound: None,
        };
        let entity = Entity { groups: &groups, certificate: Some(certificate), ..Entity::new(Kind::Device, "a") };
        let request = Request { principal: entity, action: "read", resource: entity, at, source: None, path: None };
        let decision = policy.decide(&request);
        let effect = |id: &str| policy.rule(id).expect("a rule that decided is one of the policy's").effect();
        let wanted = if decision.is_allowed() { Effect::Permit } else { Effect::Forbid };
        assert!(decision.rules.iter().all(|id| effect(id) == wanted));
        assert!(!decision.is_allowed() || !decision.rules.is_empty());
    }
});
