use signet_keys::KeyKind;

use super::*;

const DELAY: i64 = 600;

/// Keys that were first published at these times; their thumbprints beside.
fn keys(published: &[i64]) -> (TokenKeys, Vec<String>) {
    let keys: Vec<PrivateKey> = published.iter().map(|_| PrivateKey::generate(KeyKind::P256).unwrap()).collect();
    let kids: Vec<String> = keys.iter().map(|key| TokenKeys::kid_of(key).unwrap()).collect();
    let at = |kid: &str| kids.iter().position(|known| known == kid).map(|at| UnixTime(published[at]));
    (TokenKeys::new(keys, at, DELAY), kids.clone())
}

fn stages(keys: &TokenKeys, now: i64) -> Vec<&'static str> {
    keys.staged(UnixTime(now)).iter().map(|key| key.stage.as_str()).collect()
}

#[test]
fn a_first_key_signs_at_once_and_for_ever() {
    let (keys, kids) = keys(&[1000]);
    for now in [0, 1000, 1_000_000_000] {
        assert_eq!(stages(&keys, now), ["signing"]);
        assert_eq!(keys.signing(UnixTime(now)).unwrap().kid(), kids[0]);
    }
    assert_eq!(keys.staged(UnixTime(0))[0].signs_until, None);
}

#[test]
fn a_further_key_goes_through_its_stages_by_the_clock() {
    let (keys, kids) = keys(&[1000, 5000]);
    let (switch, end) = (5000 + DELAY, 5000 + DELAY + LONGEST_TOKEN);
    assert_eq!(stages(&keys, 5000), ["signing", "published"]);
    assert_eq!(stages(&keys, switch - 1), ["signing", "published"]);
    assert_eq!(stages(&keys, switch), ["retiring", "signing"]);
    assert_eq!(stages(&keys, end - 1), ["retiring", "signing"]);
    assert_eq!(stages(&keys, end), ["retired", "signing"]);
    let seen = |now| keys.set(UnixTime(now)).keys.into_iter().map(|key| key.kid).collect::<Vec<_>>();
    assert_eq!(seen(5000), kids);
    assert_eq!(seen(end - 1), kids);
    assert_eq!(seen(end), kids[1..]);
    assert!(keys.verifying(&kids[0], UnixTime(end - 1)).is_some());
    assert!(keys.verifying(&kids[0], UnixTime(end)).is_none());
    assert!(keys.verifying("", UnixTime(0)).is_none());
}

#[test]
fn there_is_always_exactly_one_that_signs() {
    for published in [&[1000, 1000, 1000][..], &[5000, 1000, 5100], &[1000, 1001, 1002, 1003]] {
        let (keys, _) = keys(published);
        for now in (0..12_000).step_by(50) {
            let signing = stages(&keys, now).into_iter().filter(|stage| *stage == "signing").count();
            assert_eq!(signing, 1, "{published:?} at {now}: {:?}", stages(&keys, now));
        }
    }
}

#[test]
fn the_next_key_signs_at_once_when_the_first_is_taken_away() {
    let (keys, _) = keys(&[5000]);
    assert_eq!(stages(&keys, 5001), ["signing"]);
    let none = TokenKeys::new(Vec::new(), |_| None, DELAY);
    assert!(none.is_empty() && none.signing(UnixTime(0)).is_none() && none.set(UnixTime(0)).keys.is_empty());
}
