use std::fs;
use std::os::unix::fs::PermissionsExt;

use clap::Parser;

use super::*;
use crate::online::service::tests::Fake;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    create: Create,
}

fn parse(line: &str) -> Create {
    Cli::try_parse_from(std::iter::once("create").chain(line.split_whitespace())).unwrap().create
}

fn request(line: &str) -> CreateTokens {
    parse(line).request(UnixTime(1_800_000_000)).unwrap()
}

fn created(batch: Option<&str>) -> CreatedTokens {
    serde_json::from_value(serde_json::json!({
        "batch": batch, "root_fingerprint": "00",
        "tokens": [{
            "id": "4f7k2m9qpz", "device": "sensor-1", "token": "sge_4f7k2m9qpz_secret",
            "link": "https://localhost:8443/e#t=sge_4f7k2m9qpz_secret&fp=00", "expires_at": "2026-11-22T10:00:00Z"
        }]
    }))
    .unwrap()
}

#[test]
fn a_single_short_token_is_interactive_and_everything_else_a_batch() {
    for line in ["", "--device a", "--ttl 15m", "--ttl 5m --serial S"] {
        assert_eq!(request(line).kind, TokenKind::Interactive, "{line}");
    }
    for line in ["--ttl 16m --serial S", "--ttl 30d --cidr 10.0.0.0/8", "--batch b", "--batch b --count 2"] {
        assert_eq!(request(line).kind, TokenKind::Batch, "{line}");
    }
    assert_eq!(request("--ttl 24h").lifetime, Some(86_400));
    assert_eq!(request("--batch b").lifetime, None, "the service's default counts");
}

#[test]
fn counted_ids_have_one_width() {
    let targets = request("--batch b --count 10 --prefix sensor-").targets;
    let ids: Vec<_> = targets.iter().map(|t| t.device.as_ref().unwrap().as_str()).collect();
    assert_eq!((ids[0], ids[9], ids.len()), ("sensor-01", "sensor-10", 10));
    assert!(request("--batch b --count 3").targets.iter().all(|t| *t == TokenTarget::default()));
}

#[test]
fn counts_and_prefixes_that_cannot_be_are_usage_errors() {
    for line in ["--batch b --count 0", "--batch b --count 10001", "--batch b --count 2 --prefix Bad_", "--spki zz"] {
        let failure = parse(line).request(UnixTime(0)).unwrap_err();
        assert!(format!("{failure:?}").contains("Usage"), "{line}: {failure:?}");
    }
}

#[test]
fn what_binds_one_device_does_not_go_with_many() {
    for line in
        ["--count 2", "--batch b --count 2 --device a", "--batch b --count 2 --serial S", "--prefix x", "--ttl 15"]
    {
        let words = std::iter::once("create").chain(line.split_whitespace());
        assert!(Cli::try_parse_from(words).is_err(), "{line}");
    }
}

#[test]
fn a_list_without_a_name_gets_one_that_is_not_used_twice() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("My Devices.csv");
    fs::write(&path, "device\na\nb\n").unwrap();
    let mut command = parse("");
    command.from = Some(path);
    let first = command.request(UnixTime(1_800_000_000)).unwrap();
    let second = command.request(UnixTime(1_800_000_001)).unwrap();
    assert_eq!(first.targets.len(), 2);
    assert!(first.batch.as_deref().unwrap().starts_with("my-devices-2027"), "{:?}", first.batch);
    assert_ne!(first.batch, second.batch);
}

#[test]
fn csv_has_the_agreed_columns() {
    let text = render(&created(Some("b")), Format::Csv).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("id,device,token,link,expires_at"));
    assert!(lines.next().unwrap().starts_with("4f7k2m9qpz,sensor-1,sge_4f7k2m9qpz_secret,https://"));
    assert_eq!(lines.next(), None);
}

#[test]
fn the_link_format_is_the_link_alone() {
    let text = render(&created(None), Format::Link).unwrap();
    assert_eq!(text, "https://localhost:8443/e#t=sge_4f7k2m9qpz_secret&fp=00\n");
}

#[test]
fn text_and_json_hold_token_and_link() {
    for format in [Format::Text, Format::Json] {
        let text = render(&created(None), format).unwrap();
        assert!(text.contains("sge_4f7k2m9qpz_secret") && text.contains("/e#t="), "{text}");
    }
    serde_json::from_str::<CreatedTokens>(&render(&created(None), Format::Json).unwrap()).unwrap();
}

#[test]
fn the_file_is_private_and_new() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("tokens.csv");
    let service = Fake::default().with("/v1/admin/tokens", &created(Some("b")));
    let mut command = parse("--batch b --format csv");
    command.out = Some(path.clone());
    let wanted = command.request(UnixTime(0)).unwrap();
    command.create(&service, &wanted).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read_to_string(&path).unwrap();
    let failure = format!("{:?}", command.create(&service, &wanted).unwrap_err());
    assert!(failure.contains("ca token revoke --batch b"), "{failure}");
    assert_eq!(fs::read_to_string(&path).unwrap(), first);
}

/// The administrator's directory does not exist, so that an attempt to ask would be another error.
#[test]
fn a_file_that_exists_is_refused_before_the_service_is_asked() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("tokens.csv");
    fs::write(&path, "old").unwrap();
    let mut command = parse("");
    command.out = Some(path.clone());
    let failure = format!("{:?}", command.run(&At::default()).unwrap_err());
    assert!(failure.contains("exists already"), "{failure}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}
