use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn delivery(attempts: u64, first_at: Option<UnixTime>) -> Delivery {
    let webhook = CredentialId::parse("0123456789").unwrap();
    Delivery { id: 1, webhook, message: "msg_1".into(), body: "{}".into(), attempts, first_at }
}

fn pause_of(attempts: u64, spread: f64) -> i64 {
    match judge(&Ok(500), &delivery(attempts, None), NOW, spread) {
        Fate::Later { next_at, .. } => next_at.since(NOW),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pauses_grow_fourfold_to_an_hour_and_are_spread() {
    let pauses: Vec<i64> = (0..8).map(|n| pause_of(n, 1.0)).collect();
    assert_eq!(pauses, [5, 20, 80, 320, 1280, 3600, 3600, 3600]);
    assert_eq!((pause_of(4, 0.8), pause_of(4, 1.2)), (1024, 1536));
    assert_eq!(pause_of(u64::MAX, 1.0), 3600);
}

#[test]
fn a_delivery_is_given_up_a_day_after_its_first_attempt() {
    let tried = |ago: i64| judge(&Err(SendError::Late), &delivery(9, Some(NOW.minus(ago))), NOW, 1.0);
    assert!(matches!(tried(86_399), Fate::Later { .. }));
    assert_eq!(tried(86_400), Fate::Dead { error: "no answer in time".into() });
    // However long it waited behind others, it has a day of its own.
    assert!(matches!(judge(&Ok(503), &delivery(0, None), NOW, 1.0), Fate::Later { .. }));
}

#[test]
fn only_what_the_endpoint_refuses_as_such_lets_others_pass() {
    let pause = |outcome| match judge(&outcome, &delivery(0, None), NOW, 1.0) {
        Fate::Later { pause, .. } => pause,
        other => panic!("{other:?}"),
    };
    for status in [400, 409, 413, 415, 422] {
        assert_eq!(pause(Ok(status)), Pause::Message, "{status}");
    }
    for status in [100, 301, 302, 307, 308, 401, 403, 404, 408, 429, 500, 502, 503] {
        assert_eq!(pause(Ok(status)), Pause::Endpoint, "{status}");
    }
    assert_eq!(pause(Err(SendError::Late)), Pause::Endpoint);
    for status in [200, 201, 202, 204] {
        assert_eq!(judge(&Ok(status), &delivery(0, None), NOW, 1.0), Fate::Delivered);
    }
    assert!(matches!(judge(&Ok(410), &delivery(0, None), NOW, 1.0), Fate::Gone { .. }));
}
