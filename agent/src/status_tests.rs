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

#[tokio::test]
async fn every_file_that_other_programs_read_counts() {
    let (server, temp) = (Fake::start().await, tempfile::tempdir().unwrap());
    let dir = temp.path().join("signet");
    let now = Clock::System.read();
    enroll(&dir, &server.plan(1), world(Clock::System)).await.unwrap();
    for name in ["issuer.pem", "device.pem", "roots.pem", "device.key"] {
        let path = dir.join(name);
        let good = std::fs::read(&path).unwrap();
        for bad in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA", &[0; 20]] {
            std::fs::write(&path, bad).unwrap();
            let report = examine(&dir, now).unwrap();
            assert!(matches!(report.condition, Condition::NotUsable | Condition::Damaged), "{name}: {report:?}");
            assert_eq!(report.verdict().unwrap_err().kind, Kind::Refused);
        }
        std::fs::write(&path, good).unwrap();
        assert_eq!(examine(&dir, now).unwrap().condition, Condition::Valid);
    }
    std::fs::remove_file(dir.join("issuer.pem")).unwrap();
    let report = examine(&dir, now).unwrap();
    assert!(report.condition == Condition::NotUsable && report.detail.unwrap().contains("issuer.pem"));
}
