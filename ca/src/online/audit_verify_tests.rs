use signet_api::admin::AuditSegmentInfo;

use super::*;
use crate::online::audit_archive::tests::Site;
use crate::online::audit_chain::tests::{archived, head, log};
use crate::online::service::tests::Fake;

fn path(after: usize) -> String {
    format!("/v1/admin/audit?after={after}&limit=1000")
}

/// A service that shows `entries` in pages of three, and claims what it claims.
fn service(entries: &[AuditEntry], verdict: &AuditVerdict) -> Fake {
    let pages = entries.chunks(3).enumerate().map(|(at, chunk)| {
        let next = (at * 3 + chunk.len() < entries.len()).then(|| chunk[chunk.len() - 1].sequence.to_string());
        (path(at * 3), Page { items: chunk.to_vec(), next, damaged: Vec::new() })
    });
    let nothing = archive_page(&[]);
    let empty = Fake::default().with(&path(0), &Page::<AuditEntry> { items: vec![], next: None, damaged: Vec::new() });
    let fake = pages.fold(empty, |fake, (path, page)| fake.with(&path, &page));
    fake.with("/v1/admin/audit/verify", verdict).with("/v1/admin/audit/archive?after=0&limit=1000", &nothing)
}

fn verdict(entries: &[AuditEntry]) -> AuditVerdict {
    AuditVerdict {
        entries: entries.last().map_or(0, |entry| entry.sequence),
        archived: 0,
        anchor: "0".repeat(64),
        intact: true,
        broken_at: None,
        head: head(entries),
    }
}

fn verify(service: &Fake) -> Result<(), String> {
    against(service, None)
}

#[test]
fn every_page_of_the_log_is_walked() {
    for length in [0, 1, 3, 7] {
        let entries = log(length);
        let service = service(&entries, &verdict(&entries));
        assert_eq!(verify(&service), Ok(()), "{length}");
        let pages = service.asked.borrow().iter().filter(|p| p.contains("after=")).count();
        assert_eq!(pages, entries.chunks(3).count().max(1));
    }
}

#[test]
fn a_service_that_calls_a_changed_log_intact_is_not_believed() {
    let entries = log(7);
    let mut changed = entries.clone();
    changed[4].subject = "sensor-9".into();
    let said = verify(&service(&changed, &verdict(&entries))).unwrap_err();
    assert!(said.contains("Refused") && said.contains("entry 5 is shown differently"), "{said}");
    let said = verify(&service(&entries[..6], &verdict(&entries))).unwrap_err();
    assert!(said.contains("was cut"), "{said}");
}

#[test]
fn the_services_own_doubts_count_as_well() {
    let entries = log(4);
    let doubts = AuditVerdict { intact: false, broken_at: Some(2), ..verdict(&entries) };
    let said = verify(&service(&entries, &doubts)).unwrap_err();
    assert!(said.contains("entry 2 does not fit"), "{said}");
}

fn against(service: &Fake, archive: Option<&Checked>) -> Result<(), String> {
    Verify::default().online(service, archive).map_err(|f| format!("{f:?}"))
}

fn archive_page(segments: &[(u64, u64, &str)]) -> AuditArchive {
    let segment = |(first, last, hash): &(u64, u64, &str)| AuditSegmentInfo {
        file: format!("audit-{first:012}-{last:012}.jsonl.gz"),
        first: *first,
        last: *last,
        last_hash: (*hash).to_owned(),
        root: String::new(),
        file_sha256: String::new(),
        at: "2027-01-15T08:00:00Z".into(),
    };
    let segments = segments.iter().map(segment).collect();
    AuditArchive { directory: None, problem: None, overdue_seconds: 0, segments, next: None }
}

/// Six entries in two files, of which the database remembers `recorded`; what follows is in the database.
struct Meeting {
    site: Site,
    rest: Vec<AuditEntry>,
    recorded: Vec<(u64, u64, String)>,
}

impl Meeting {
    fn new() -> Meeting {
        let (site, whole) = (Site::new(6, 3), log(9));
        let hash = |n: usize| whole[n - 1].leaf_hash.clone();
        let mut rest = whole[6..].to_vec();
        rest.push(archived(10, &head(&rest), 6, &hash(6)));
        Meeting { site, rest, recorded: vec![(1, 3, hash(3)), (4, 6, hash(6))] }
    }

    fn verify(&self) -> Result<(), String> {
        let (_, last, anchor) = self.recorded.last().unwrap().clone();
        let verdict = AuditVerdict { archived: last, anchor, ..verdict(&self.rest) };
        let recorded: Vec<_> = self.recorded.iter().map(|(first, last, hash)| (*first, *last, hash.as_str())).collect();
        let after = |n: u64| format!("/v1/admin/audit/archive?after={n}&limit=1000");
        let rest = Page { items: self.rest.clone(), next: None, damaged: Vec::new() };
        let service = Fake::default()
            .with("/v1/admin/audit/verify", &verdict)
            .with(&path(last as usize), &rest)
            .with(&after(0), &archive_page(&recorded))
            .with(&after(last), &archive_page(&[]));
        against(&service, Some(&self.site.check().unwrap()))
    }
}

#[test]
fn t31_archive_and_database_have_to_meet() {
    assert_eq!(Meeting::new().verify(), Ok(()));
    let said = |change: &dyn Fn(&mut Meeting)| {
        let mut meeting = Meeting::new();
        change(&mut meeting);
        meeting.verify().unwrap_err()
    };
    // Of two files that the database remembers one is gone, or holds something else.
    let shortened = said(&|m| m.site.remove_from(4));
    assert!(shortened.contains("audit-000000000004-000000000006.jsonl.gz, which the database recorded"), "{shortened}");
    let other = said(&|m| m.recorded[0].2 = "00".repeat(32));
    assert!(other.contains("ends with another entry than the database recorded"), "{other}");
    // The database does not go on where the archive ends.
    let gap = said(&|m| drop(m.rest.remove(0)));
    assert!(gap.contains("entry 7 is missing"), "{gap}");
    // A database from before the archive.
    let back = said(&|m| {
        m.rest = vec![archived(4, &m.recorded[0].2, 3, &m.recorded[0].2)];
        drop(m.recorded.pop());
    });
    assert!(back.contains("ends with entry 4, and the archive holds 6"), "{back}");
}

#[test]
fn a_segment_that_was_written_and_not_recorded_yet_fits_as_well() {
    let mut meeting = Meeting::new();
    let whole = log(9);
    meeting.recorded.pop();
    meeting.rest = whole[3..].to_vec();
    meeting.rest.push(archived(10, &head(&whole), 3, &meeting.recorded[0].2));
    assert_eq!(meeting.verify(), Ok(()));
}

#[test]
fn what_is_archived_during_the_walk_is_no_gap() {
    let whole = log(9);
    let hash = |n: usize| whole[n - 1].leaf_hash.clone();
    let mut rest = whole[6..].to_vec();
    rest.push(archived(10, &head(&rest), 6, &hash(6)));
    // The verdict is from before: entries 4 to 6 leave when the walk begins. It gives up after some attempts.
    let verdict = AuditVerdict { archived: 3, anchor: hash(3), ..verdict(&rest) };
    let service = Fake::default()
        .with("/v1/admin/audit/verify", &verdict)
        .with(&path(3), &Page { items: rest, next: None, damaged: Vec::new() })
        .with("/v1/admin/audit/archive?after=3&limit=1000", &archive_page(&[(4, 6, &hash(6))]));
    assert!(against(&service, None).unwrap_err().contains("entry 4 is missing"));
    assert_eq!(service.asked.borrow().iter().filter(|p| p.ends_with("/verify")).count(), ATTEMPTS);
}
