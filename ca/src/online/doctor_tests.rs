use super::*;
use crate::online::admin_dir::tests::{self as admin, Authority, crl_pem};
use crate::online::service::tests::Fake;

const NOW: UnixTime = UnixTime(1_800_000_000);

fn levels(checks: &[Check]) -> Vec<Level> {
    checks.iter().map(|c| c.level).collect()
}

fn published(authority: &Authority, lists: &[Vec<u8>]) -> Vec<Check> {
    let service = Fake::default()
        .with_bytes("/v1/trust/bundle.pem", authority.bundle_pem().into_bytes())
        .with_bytes("/v1/trust/crl.pem", crl_pem(lists).into_bytes());
    crls(&service, std::slice::from_ref(&authority.root), context::now())
}

fn issuer(active: bool, days: i64) -> IssuerInfo {
    let not_after = NOW.plus(days * DAY).to_string();
    let (id, subject, key) = ("1".into(), "CN=Issuer".into(), "ECDSA P-256".into());
    IssuerInfo { id, subject, key, not_after, active, ..IssuerInfo::default() }
}

#[test]
fn a_clock_may_differ_by_seconds_but_not_by_minutes() {
    for (skew, level) in [(0, Level::Ok), (30, Level::Ok), (-31, Level::Warn), (300, Level::Warn), (301, Level::Fail)] {
        assert_eq!(clock(Some(NOW.minus(skew)), NOW).level, level, "{skew}");
    }
    assert!(clock(Some(NOW.plus(40)), NOW).detail.contains("40 s behind"));
    assert_eq!(clock(None, NOW).level, Level::Warn);
}

#[test]
fn what_ends_soon_is_a_warning_and_what_ended_a_failure() {
    let of = |days: i64| until("x", NOW.plus(days * DAY), 10 * DAY, NOW, "mend it");
    assert_eq!((of(10).level, of(9).level, of(0).level), (Level::Ok, Level::Warn, Level::Fail));
    assert_eq!(of(11).hint, None);
    assert!(of(9).line().contains("\n      hint: mend it\n"));
    assert!(until("x", NOW.minus(5), 0, NOW, "").line().starts_with("fail  x: ended 5 s ago"));
}

#[test]
fn issuers_are_judged_when_they_are_active() {
    assert_eq!(levels(&judge_issuers(&[issuer(true, 400), issuer(false, -5)], NOW)), [Level::Ok]);
    assert_eq!(levels(&judge_issuers(&[issuer(true, 30)], NOW)), [Level::Warn]);
    assert_eq!(levels(&judge_issuers(&[issuer(false, 400)], NOW)), [Level::Fail]);
    let unreadable = IssuerInfo { not_after: "soon".into(), ..issuer(true, 1) };
    assert_eq!(levels(&judge_issuers(&[unreadable], NOW)), [Level::Fail]);
}

#[test]
fn a_responder_is_judged_where_there_should_be_one() {
    let with = |active, not_after: Option<String>| {
        let responder = Some(signet_api::admin::ResponderInfo { not_after });
        levels(&judge_issuers(&[IssuerInfo { responder, ..issuer(active, 400) }, issuer(true, 400)], NOW))
    };
    let days = |days: i64| Some(NOW.plus(days * DAY).to_string());
    assert_eq!(with(true, days(4)), [Level::Ok, Level::Ok, Level::Ok]);
    assert_eq!(with(true, days(2)), [Level::Ok, Level::Ok, Level::Warn]);
    assert_eq!(with(true, None), [Level::Ok, Level::Ok, Level::Fail]);
    assert_eq!(with(true, Some("soon".into())), [Level::Ok, Level::Ok, Level::Fail]);
    assert_eq!(with(false, None), [Level::Ok], "an issuer at rest needs none");
}

#[test]
fn crls_are_good_stale_missing_or_forged() {
    let authority = Authority::new("Ours");
    let good = published(&authority, &[authority.issuer_crl(5, 7, &[]), authority.root_crl(1, 400)]);
    assert_eq!(levels(&good), [Level::Ok, Level::Ok], "{good:?}");
    let alone = published(&authority, &[authority.issuer_crl(5, 7, &[])]);
    assert_eq!(levels(&alone), [Level::Ok, Level::Warn]);
    assert!(alone[1].line().contains("ca root crl"));
    assert_eq!(levels(&published(&authority, &[authority.issuer_crl(5, -1, &[])])), [Level::Fail]);
    let other = Authority::new("Other");
    assert_eq!(levels(&published(&authority, &[other.issuer_crl(5, 7, &[])])), [Level::Fail]);
}

#[test]
fn the_directory_is_checked_before_the_service() {
    let temp = tempfile::tempdir().unwrap();
    let dir = AdminDir::read(&admin::write(temp.path(), "https://localhost:1")).unwrap();
    // Directory, a certificate of one day, and a root of 1000 days.
    assert_eq!(levels(&local(&dir, context::now())), [Level::Ok, Level::Ok, Level::Ok]);
    assert_eq!(levels(&local(&dir, context::now().plus(2 * DAY))), [Level::Ok, Level::Fail, Level::Ok]);
    assert_eq!(levels(&local(&dir, context::now().minus(10 * DAY)))[1], Level::Fail, "not valid yet");
    assert_eq!(levels(&local(&dir, context::now().plus(900 * DAY)))[2], Level::Warn);
}

#[test]
fn a_line_cannot_be_forged_by_what_the_service_says() {
    let line = Check::new(Level::Fail, "x\nok    y", "\u{1b}[1A", "h\rh").line();
    assert_eq!(line.lines().count(), 2, "{line:?}");
    assert!(!line.contains('\u{1b}') && !line.contains('\r'));
}

#[test]
fn an_archive_that_cannot_be_written_or_lags_is_a_warning() {
    let judged = |directory: Option<&str>, problem: Option<&str>, overdue_seconds: i64| {
        let (directory, problem) = (directory.map(str::to_owned), problem.map(str::to_owned));
        let answer = AuditArchive { directory, problem, overdue_seconds, segments: Vec::new(), next: None };
        archive(&Fake::default().with("/v1/admin/audit/archive?limit=1", &answer))
    };
    assert_eq!(judged(None, None, 0).level, Level::Ok);
    assert_eq!(judged(Some("/srv/audit"), None, DAY).level, Level::Ok);
    let lags = judged(Some("/srv/audit"), None, 3 * DAY);
    assert!(
        lags.level == Level::Warn && lags.detail.contains("/srv/audit") && lags.detail.contains("3 d ago"),
        "{lags:?}"
    );
    let full = judged(Some("/srv/audit"), Some("there is no space left"), 0);
    assert!(full.level == Level::Warn && full.line().contains("audit.archive_directory"), "{full:?}");
    assert_eq!(archive(&Fake::default()).level, Level::Fail);
}

#[test]
fn a_revocation_over_its_budget_is_a_warning_for_a_day() {
    use signet_api::events::{OverBudget, StageInfo};
    let info = |last_over_budget: Option<OverBudget>| EventsInfo {
        position: 9,
        subscribers: Vec::new(),
        budget_ms: 1000,
        stages: vec![StageInfo { stage: "crl".into(), over_budget: u64::from(last_over_budget.is_some()) }],
        last_over_budget,
        query_secrets: false,
        guards: Vec::new(),
        approvers: 0,
    };
    let over = |seconds_ago| Some(OverBudget { stage: "crl".into(), took_ms: 4000, seconds_ago });
    assert_eq!(revocations(&info(None)).level, Level::Ok);
    let late = revocations(&info(over(60)));
    assert_eq!(late.level, Level::Warn);
    assert!(late.detail.contains("stage crl after 4000 ms"), "{late:?}");
    assert_eq!(revocations(&info(over(86_400))).level, Level::Ok);
    assert_eq!(secrets_in_addresses(&info(None)), None);
    assert_eq!(second_person(&info(None)), None);
    let guarded =
        |approvers| EventsInfo { guards: vec![signet_api::approvals::Guarded::Policy], approvers, ..info(None) };
    assert_eq!(second_person(&guarded(2)).unwrap().level, Level::Ok);
    let alone = second_person(&guarded(1)).unwrap();
    assert!(alone.level == Level::Warn && alone.line().contains("policy need two administrators, and 1"), "{alone:?}");
    let told = secrets_in_addresses(&EventsInfo { query_secrets: true, ..info(None) }).unwrap();
    assert!(told.level == Level::Warn && told.line().contains("events.query_secrets"), "{told:?}");
}

#[test]
fn a_policy_that_cannot_be_in_force_fails_and_the_one_before_is_named() {
    let of = |info: &PolicyInfo| policy(&Fake::default().with(POLICY_PATH, info));
    let applied = PolicyInfo {
        revision: "0123456789abcdef".into(),
        rules: 3,
        applied_at: Some("2027-01-15T08:00:00Z".into()),
        ..PolicyInfo::default()
    };
    assert_eq!(of(&PolicyInfo::default()).level, Level::Ok);
    assert!(of(&applied).line().contains("revision 0123456789abcdef with 3 rules since 2027-01-15T08:00:00Z"));
    let problem = Some("policy.toml: line 3: effect is missing".to_owned());
    let broken = of(&PolicyInfo { problem, ..applied });
    assert_eq!(broken.level, Level::Fail);
    assert!(broken.line().contains("line 3: effect is missing; in force is revision 0123456789abcdef"), "{broken:?}");
}
