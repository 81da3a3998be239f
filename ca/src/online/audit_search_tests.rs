use super::*;
use crate::online::audit_archive::tests::Site;

fn found(site: &Site, subject: Option<&str>, request: Option<&str>) -> Vec<u64> {
    let (subject, request) = (subject.map(str::to_owned), request.map(str::to_owned));
    let search = Search { archive: site.path().to_owned(), subject, request, json: false };
    let mut sequences = Vec::new();
    let each = search.each(|_, entry| {
        sequences.extend(entry["seq"].as_u64());
        Ok(())
    });
    each.unwrap();
    sequences
}

#[test]
fn entries_are_found_by_what_they_are_about_and_by_nothing_that_looks_like_it() {
    let site = Site::new(24, 5);
    assert_eq!(found(&site, Some("sensor-2"), None), [2]);
    assert_eq!(found(&site, Some("sensor-24"), None), [24]);
    assert_eq!(found(&site, None, Some("r1")).len(), 24);
    assert_eq!(found(&site, Some("sensor-7"), Some("r1")), [7]);
    for nobody in ["sensor", "sensor-25", "", "sensor-2\",\"x\":\"", "admin:alice"] {
        assert!(found(&site, Some(nobody), None).is_empty(), "{nobody:?}");
    }
    assert!(found(&site, Some("sensor-7"), Some("r2")).is_empty());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let site = Site::new(10, 5);
    site.cut(6);
    let search = Search { archive: site.path().to_owned(), subject: Some("x".into()), request: None, json: false };
    let said = format!("{:?}", search.run().unwrap_err());
    assert!(said.contains("audit-000000000006-000000000010.jsonl.gz line") && said.contains("verify"), "{said}");
}

#[test]
fn what_a_device_wrote_does_not_move_the_cursor() {
    let entry =
        serde_json::json!({"seq": 4, "at": 0, "kind": "k", "actor": "a", "subject": "x\u{1b}[2J", "detail": {}});
    assert_eq!(row(&entry), "4  1970-01-01T00:00:00Z  k  a  x\\u{1b}[2J  {}\n");
}
