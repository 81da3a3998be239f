use super::*;
use crate::enroll::enroll;
use crate::failure::Kind;
use crate::fake_server::{Fake, snapshot, world};

#[tokio::test]
async fn each_condition_has_its_name_and_its_verdict() {
    let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
    let dir = temp.path().join("signet");
    let now = Clock::System.read();
    assert_eq!(examine(&dir, now).unwrap().condition, Condition::Missing);
    enroll(&dir, &server.plan(1), world(Clock::System)).await.unwrap();
    let before = snapshot(&dir);
    for (at, condition, good) in [
        (now, Condition::Valid, true),
        (now.plus(50_000), Condition::RenewalDue, true),
        (now.plus(90_000), Condition::Expired, false),
        (now.minus(1000), Condition::NotYetValid, false),
        (UnixTime(0), Condition::ClockImplausible, true),
    ] {
        let report = examine(&dir, at).unwrap();
        assert_eq!((report.condition, report.verdict().is_ok()), (condition, good));
        assert!(report.text().contains("device: sensor-1\n"));
    }
    assert_eq!(snapshot(&dir), before, "looking changes nothing");
    std::fs::write(dir.join("gen-0001/device.key"), "nonsense").unwrap();
    let report = examine(&dir, now).unwrap();
    assert_eq!(report.condition, Condition::Damaged);
    assert_eq!(report.verdict().unwrap_err().kind, Kind::Refused);
}

#[tokio::test]
async fn json_holds_the_facts_and_never_the_key() {
    let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
    let dir = temp.path().join("signet");
    enroll(&dir, &server.plan(1), world(Clock::System)).await.unwrap();
    let report = examine(&dir, Clock::System.read()).unwrap();
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!(value["condition"], "valid");
    assert_eq!(value["device"], "sensor-1");
    assert_eq!(value["spiffe_id"], "spiffe://example.org/device/sensor-1");
    assert_eq!(value["key_matches"], true);
    assert_eq!(value["server"], server.url);
    assert!(!value.to_string().contains("PRIVATE"));
}
