use std::net::Ipv4Addr;

use super::*;
use crate::random::SystemRandom;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn beginning(last: u8) -> Beginning {
    Beginning { client: "a sensor".into(), spki: None, remote: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)) }
}

fn begun(codes: &DeviceCodes) -> Begun {
    codes.begin(beginning(1), NOW, &SystemRandom).unwrap()
}

fn approved() -> Verdict {
    let device = DeviceId::parse("sensor-1").unwrap();
    Verdict::Approved(Approved { token: Zeroizing::new("secret".into()), device, expires_at: NOW.plus(900) })
}

#[test]
fn a_code_is_found_however_it_is_typed_and_decided_once() {
    let codes = DeviceCodes::default();
    let one = begun(&codes);
    let typed = one.user_code.to_lowercase().replace('-', " ");
    assert_eq!(codes.find(&typed, NOW).unwrap().user_code, one.user_code);
    assert!(codes.find("BBBB-BBBC", NOW).is_none() && codes.find("", NOW).is_none());
    assert!(matches!(codes.ask(&one.device_code, NOW), Answer::Pending));
    assert!(codes.decide(&one.user_code, approved(), NOW));
    assert!(!codes.decide(&one.user_code, Verdict::Denied, NOW) && codes.waiting(NOW).is_empty());
    for _ in 0..2 {
        assert!(matches!(codes.ask(&one.device_code, NOW), Answer::Approved(a) if a.token.as_str() == "secret"));
    }
    assert!(matches!(codes.ask(&one.user_code, NOW), Answer::Expired), "the shown code is not the one to ask with");
}

#[test]
fn who_asks_too_often_waits_longer_each_time() {
    let codes = DeviceCodes::default();
    let one = begun(&codes);
    let at = |seconds: i64| codes.ask(&one.device_code, NOW.plus(seconds));
    assert!(matches!(at(0), Answer::Pending) && matches!(at(4), Answer::SlowDown));
    assert!(matches!(at(13), Answer::SlowDown), "ten seconds by now");
    assert!(matches!(at(28), Answer::Pending));
}

#[test]
fn t05_codes_end_and_are_few() {
    let codes = DeviceCodes::default();
    let one = begun(&codes);
    assert!(matches!(codes.ask(&one.device_code, NOW.plus(LIFETIME)), Answer::Expired));
    assert!(!codes.decide(&one.user_code, approved(), NOW.plus(LIFETIME)));
    let codes = DeviceCodes::default();
    for _ in 0..MOST_OF_ADDRESS {
        begun(&codes);
    }
    assert!(matches!(codes.begin(beginning(1), NOW, &SystemRandom), Err(BeginError::Full)));
    codes.begin(beginning(2), NOW, &SystemRandom).unwrap();
    codes.begin(beginning(1), NOW.plus(LIFETIME), &SystemRandom).unwrap();
}

#[test]
fn t05_codes_of_a_whole_network_of_ipv6_count_as_one_address() {
    let codes = DeviceCodes::default();
    let from = |last: u16| Beginning { remote: IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, last]), ..beginning(1) };
    for last in 0..MOST_OF_ADDRESS as u16 {
        codes.begin(from(last), NOW, &SystemRandom).unwrap();
    }
    assert!(matches!(codes.begin(from(99), NOW, &SystemRandom), Err(BeginError::Full)));
    let elsewhere = Beginning { remote: IpAddr::from([0x2001, 0xdb8, 0, 2, 0, 0, 0, 1]), ..beginning(1) };
    codes.begin(elsewhere, NOW, &SystemRandom).unwrap();
}
