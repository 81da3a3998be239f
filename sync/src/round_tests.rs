use std::fs;
use std::path::Path;

use signet_api::client::ClientError;
use tempfile::TempDir;

use super::*;
use crate::report::Verdict;
use crate::testing::{Authority, DAY, Fake, NOW, crl_pem};

/// A verifier's directory, told by a hook that writes a line each time.
struct Host {
    temp: TempDir,
    plan: Plan,
}

impl Host {
    fn new(authority: &Authority) -> Host {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        let hook = format!("test ! -e {0}/broken && echo >>{0}/told", temp.path().display());
        let options = Options {
            bundle_out: Some(path("clients.pem")),
            hook: Some(hook),
            metrics: Some(path("signet.prom")),
            ..Options::default()
        };
        let plan = Plan { out: path("crl.pem"), options, roots: vec![authority.root.clone()] };
        Host { temp, plan }
    }

    async fn round(&self, server: &Fake) -> Report {
        self.round_at(server, NOW).await
    }

    async fn round_at(&self, server: &Fake, now: UnixTime) -> Report {
        super::round(&self.plan, Ok(server), now).await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn told(&self) -> usize {
        self.read("told").lines().count()
    }
}

fn tls(authority: &Authority, number: u64) -> Fake {
    Fake::serving(Channel::Authenticated, &authority.bundle(), &authority.lists(number))
}

fn plain(authority: &Authority, number: u64) -> Fake {
    Fake::serving(Channel::Public, &authority.bundle(), &authority.lists(number))
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn the_files_appear_the_service_is_told_once_and_nothing_else_is_left_behind() {
    let ours = Authority::new("Ours");
    let (host, server) = (Host::new(&ours), tls(&ours, 5));
    let first = host.round(&server).await;
    assert_eq!((first.outcome, first.verdict()), (Outcome::Replaced, Verdict::Good), "{first:?}");
    assert_eq!(host.read("crl.pem").into_bytes(), server.documents["/v1/trust/crl.pem"]);
    assert_eq!(host.read("clients.pem"), bundle::to_pem(&ours.bundle()));
    assert_eq!(host.told(), 1);
    let again = host.round(&server).await;
    assert_eq!((again.outcome, host.told()), (Outcome::Unchanged, 1));
    let asked = server.asked.borrow().join(", ");
    assert_eq!(
        asked,
        "/v1/trust/bundle.pem, /v1/trust/crl.pem, /v1/trust/bundle.pem if changed, /v1/trust/crl.pem if changed"
    );
    let expected = ["clients.pem", "crl.pem", "crl.pem.state", "signet.prom", "told"];
    assert_eq!(names(host.temp.path()), expected, "no temporary file stays");
}

#[tokio::test]
async fn a_file_that_somebody_changed_is_fetched_anew() {
    let ours = Authority::new("Ours");
    let (host, server) = (Host::new(&ours), tls(&ours, 5));
    host.round(&server).await;
    let good = host.read("crl.pem");
    fs::write(host.path("crl.pem"), &good[..good.len() / 2]).unwrap();
    let healed = host.round(&server).await;
    assert_eq!(healed.outcome, Outcome::Replaced, "{healed:?}");
    assert_eq!(host.read("crl.pem"), good);
    fs::remove_file(host.path("clients.pem")).unwrap();
    assert_eq!(host.round(&server).await.outcome, Outcome::Replaced);
    assert_eq!(host.read("clients.pem"), bundle::to_pem(&ours.bundle()));
}

#[tokio::test]
async fn t32_refusals_leave_every_file_byte_for_byte() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let host = Host::new(&ours);
    host.round(&tls(&ours, 6)).await;
    let before = (host.read("crl.pem"), host.read("clients.pem"), host.read("crl.pem.state"));
    let with = |lists: &[Vec<u8>]| Fake::serving(Channel::Authenticated, &ours.bundle(), lists);
    let html = tls(&ours, 7).with("/v1/trust/crl.pem", "<html>");
    for (server, code) in [
        (tls(&ours, 5), "number_went_back"),
        (with(&[ours.issuer_crl(7, 7, &[])]), "list_missing"),
        (tls(&theirs, 7), "bundle_untrusted"),
        (Fake::serving(Channel::Authenticated, &ours.bundle(), &theirs.lists(7)), "foreign_list"),
        (html, "no_list"),
    ] {
        let report = host.round(&server).await;
        let problem = report.error.clone().unwrap();
        assert_eq!((report.verdict(), problem.code), (Verdict::Refused, code), "{problem:?}");
        assert_eq!((host.read("crl.pem"), host.read("clients.pem"), host.read("crl.pem.state")), before, "{code}");
    }
}

#[tokio::test]
async fn t34_a_server_that_is_down_leaves_the_files_until_they_are_stale() {
    let ours = Authority::new("Ours");
    let mut host = Host::new(&ours);
    host.round(&tls(&ours, 5)).await;
    let before = (host.read("crl.pem"), host.read("clients.pem"));
    let mut down = tls(&ours, 6);
    down.failure = Some(ClientError::UnexpectedStatus { status: 503, retry_after: Some(17) });
    let report = host.round(&down).await;
    assert_eq!((report.verdict(), report.retry_after()), (Verdict::Unreachable, Some(17)));
    assert_eq!(report.lists.len(), 2, "what is held is still looked at");
    assert!(host.read("signet.prom").contains("\nsignet_crl_stale 0\n"));
    let late = host.round_at(&down, NOW.plus(7 * DAY)).await;
    assert_eq!(late.verdict(), Verdict::Stale);
    assert!(late.complaint().unwrap().0.contains("ended on"), "{late:?}");
    assert!(host.read("signet.prom").contains("\nsignet_crl_stale 1\n"));
    host.plan.options.max_age = Some(3600);
    assert_eq!(host.round_at(&down, NOW.plus(3500)).await.verdict(), Verdict::Unreachable);
    assert_eq!(host.round_at(&down, NOW.plus(3541)).await.verdict(), Verdict::Stale);
    assert_eq!((host.read("crl.pem"), host.read("clients.pem")), before);
}

#[tokio::test]
async fn t34_a_server_that_keeps_sending_the_same_list_is_noticed_by_its_age() {
    let ours = Authority::new("Ours");
    let mut host = Host::new(&ours);
    host.plan.options.max_age = Some(3600);
    let frozen = plain(&ours, 5);
    assert_eq!(host.round(&frozen).await.verdict(), Verdict::Good);
    let report = host.round_at(&frozen, NOW.plus(2 * DAY)).await;
    assert_eq!((report.outcome, report.verdict()), (Outcome::Unchanged, Verdict::Stale));
    assert!(report.complaint().unwrap().0.contains("CN=Ours issuer"), "a root's list may be old: {report:?}");
}

#[tokio::test]
async fn a_hook_that_fails_is_run_again_although_nothing_has_changed() {
    let ours = Authority::new("Ours");
    let (host, server) = (Host::new(&ours), tls(&ours, 5));
    fs::write(host.path("broken"), "").unwrap();
    let first = host.round(&server).await;
    assert_eq!((first.outcome, first.verdict()), (Outcome::Replaced, Verdict::Unreachable));
    assert_eq!(first.reload_errors[0].code, "hook_failed");
    assert!(host.read("signet.prom").contains("\nsignet_crl_sync_reload_pending 1\n"));
    let mut down = tls(&ours, 5);
    down.failure = Some(ClientError::Timeout("connecting"));
    assert_eq!(host.round(&down).await.reload_errors.len(), 1, "also while the server is away");
    fs::remove_file(host.path("broken")).unwrap();
    let second = host.round(&server).await;
    assert_eq!((second.outcome, second.verdict(), host.told()), (Outcome::Unchanged, Verdict::Good, 1));
    host.round(&server).await;
    assert_eq!(host.told(), 1);
}

#[tokio::test]
async fn t32_on_the_way_over_plain_http_no_ca_can_be_taken_out_with_its_list() {
    let ours = Authority::new("Ours");
    let other = ours.next_issuer("Other", 100);
    let host = Host::new(&ours);
    let both = [ours.bundle(), vec![other.issuer.clone()]].concat();
    let lists = [ours.lists(5), vec![other.issuer_crl(5, 7, &[])]].concat();
    let whole = Fake::serving(Channel::Public, &both, &lists);
    assert_eq!(host.round(&whole).await.outcome, Outcome::Replaced);
    let before = (host.read("crl.pem"), host.read("clients.pem"));
    let report = host.round(&plain(&ours, 6)).await;
    assert_eq!(report.error.unwrap().code, "bundle_shrunk");
    assert_eq!((host.read("crl.pem"), host.read("clients.pem")), before);
    // The root's list revokes it, or the service itself says so.
    let serial = other.issuer.view().serial.clone();
    let revoked = [ours.issuer_crl(6, 7, &[]), ours.root_crl(6, &[serial])];
    let said = host.round(&Fake::serving(Channel::Public, &ours.bundle(), &revoked)).await;
    assert_eq!(said.outcome, Outcome::Replaced, "{said:?}");
    assert!(!host.read("clients.pem").contains(&bundle::to_pem(std::slice::from_ref(&other.issuer))));
    let host = Host::new(&ours);
    host.round(&whole).await;
    assert_eq!(host.round(&tls(&ours, 6)).await.outcome, Outcome::Replaced);
}

#[tokio::test]
async fn a_mirror_without_a_file_of_all_lists_is_asked_for_each() {
    let ours = Authority::new("Ours");
    let host = Host::new(&ours);
    let lists = ours.lists(5);
    let id = ours.issuer.short_id();
    let mirror = Fake::over(Channel::Public)
        .with("/ca/bundle.pem", bundle::to_pem(&ours.bundle()))
        .with(&format!("/crl/{id}.crl"), lists[0].clone());
    assert_eq!(host.round(&mirror).await.error.unwrap().code, "list_missing");
    let mirror = mirror.with("/crl/root.crl", lists[1].clone());
    assert_eq!(host.round(&mirror).await.outcome, Outcome::Replaced);
    assert_eq!(host.read("crl.pem"), crl_pem(&[lists[1].clone(), lists[0].clone()]));
    let bare = Fake::over(Channel::Public).with("/crl/all.pem", crl_pem(&lists));
    assert_eq!(host.round(&bare).await.outcome, Outcome::Replaced, "the bundle is known by now");
    assert_eq!(Host::new(&ours).round(&bare).await.error.unwrap().code, "bundle_absent");
}

#[tokio::test]
async fn der_files_stand_beside_and_follow() {
    let ours = Authority::new("Ours");
    let mut host = Host::new(&ours);
    let dir = host.path("der");
    host.plan.options.der_dir = Some(dir.clone());
    assert_eq!(host.round(&tls(&ours, 5)).await.error.unwrap().code, "file", "directories are not made");
    fs::create_dir(&dir).unwrap();
    let server = tls(&ours, 6);
    host.round(&server).await;
    let der = |ca: &IssuerCert| fs::read(dir.join(format!("{}.crl", ca.short_id()))).unwrap();
    let text = crl_pem(&[der(&ours.issuer), der(&ours.root)]);
    assert_eq!(text.into_bytes(), server.documents["/v1/trust/crl.pem"]);
}

#[tokio::test]
async fn keys_and_links_under_the_names_of_outputs_are_left_alone() {
    let ours = Authority::new("Ours");
    for name in ["crl.pem", "clients.pem"] {
        let host = Host::new(&ours);
        fs::write(host.path(name), "-----BEGIN PRIVATE KEY-----\n").unwrap();
        let report = host.round(&tls(&ours, 5)).await;
        assert_eq!(report.error.unwrap().code, "file_not_ours");
        assert_eq!(host.read(name), "-----BEGIN PRIVATE KEY-----\n");
        fs::remove_file(host.path(name)).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", host.path(name)).unwrap();
        assert_eq!(host.round(&tls(&ours, 5)).await.error.unwrap().code, "file", "{name}");
    }
}

#[tokio::test]
async fn a_damaged_memory_is_told_and_starts_anew() {
    let ours = Authority::new("Ours");
    let (host, server) = (Host::new(&ours), tls(&ours, 5));
    host.round(&server).await;
    fs::write(host.path("crl.pem.state"), "{").unwrap();
    let report = host.round(&server).await;
    assert!(report.warnings[0].contains("crl.pem.state is damaged"), "{report:?}");
    assert_eq!((report.outcome, report.verdict()), (Outcome::Unchanged, Verdict::Good));
    assert!(host.round(&server).await.warnings.is_empty());
}

#[tokio::test]
async fn the_metrics_have_a_line_for_each_list() {
    let ours = Authority::new("Ours");
    let host = Host::new(&ours);
    host.round(&tls(&ours, 5)).await;
    let text = host.read("signet.prom");
    let id = ours.issuer.short_id();
    for line in [
        format!("signet_crl_number{{issuer=\"{id}\",name=\"CN=Ours issuer\"}} 5"),
        format!(
            "signet_crl_next_update_timestamp_seconds{{issuer=\"{id}\",name=\"CN=Ours issuer\"}} {}",
            NOW.0 + 7 * DAY
        ),
        format!("signet_crl_sync_last_success_timestamp_seconds {}", NOW.0),
        "signet_crl_sync_failed 0".to_owned(),
        "signet_crl_stale 0".to_owned(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    let nothing = Host::new(&ours);
    nothing.round(&Fake::over(Channel::Public)).await;
    let text = nothing.read("signet.prom");
    assert!(text.contains("\nsignet_crl_stale 1\n") && text.contains("\nsignet_crl_sync_failed 1\n"), "{text}");
}
