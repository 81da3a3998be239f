//! A disk that is full: nothing is issued, nothing is half-written, everything that only reads goes on.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use signet_api::client::{Client, ClientError, Enrolled};
use signet_api::enroll::EnrollRequest;
use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::auditor::{assert_clean, violations};
use crate::daemon::Daemon;
use crate::fleet::{Member, enroll, members};
use crate::retry::assert_passes_by_itself;
use crate::support::{Installation, client, credential, wire};

/// A small file system of its own.
pub(crate) struct Small(PathBuf);

impl Small {
    /// `None` where mounting is not permitted.
    pub(crate) fn mount(at: PathBuf) -> Option<Small> {
        fs::create_dir(&at).unwrap();
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(&at).output();
        done.is_ok_and(|output| output.status.success()).then_some(Small(at))
    }

    /// Takes all the space that is left.
    pub(crate) fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [65_536, 4096, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

async fn try_enroll(client: &Client, member: &Member) -> Result<Enrolled, ClientError> {
    let request = EnrollRequest { csr: member.key.csr(), facts: Default::default() };
    client.enroll(&credential(&member.token), &request).await
}

/// While nothing can be written: every enrollment is told so, lists and certificates are served, readiness is red.
async fn is_away_but_serves(daemon: &Daemon, installation: &Installation, fleet: &[Member]) {
    let client = client(daemon.tls, &installation.root(), None);
    for member in fleet {
        assert_passes_by_itself("enroll on a full disk", &try_enroll(&client, member).await.unwrap_err());
    }
    let list = format!("/crl/{}.crl", installation.issuer().short_id());
    assert_eq!(wire::get_plain(daemon.plain, &list).await.status, 200);
    assert_eq!(wire::get_plain(daemon.local, "/healthz").await.status, 200);
    assert_eq!(client.roots().await.unwrap().len(), 1);
    let ready = wire::get_plain(daemon.local, "/readyz").await;
    assert_eq!(ready.status, 503, "ready, although nothing can be written: {}", ready.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_issuing_and_an_emptied_one_resumes_it() {
    let installation = Installation::new().await;
    let Some(small) = Small::mount(installation.path("small")) else {
        println!("mounting is not permitted here: a_file_that_may_not_grow_stops_issuing stands in for this test");
        return;
    };
    let database = move_database(&installation, &small.0);
    let daemon = block_in_place(|| Daemon::start(&installation));
    let mut fleet = members(&daemon, &installation, "full", 40).await;
    let late = fleet.split_off(20);
    let (_place, seen) = watch::channel(Some(daemon.tls));
    let early = enroll(fleet, &installation.root(), seen.clone(), Arc::default()).await;
    let filler = small.fill();
    is_away_but_serves(&daemon, &installation, &late).await;
    assert!(violations(&installation, &database).is_empty());
    fs::remove_file(filler).unwrap();
    // No restart. The tokens are as good as before, and so are the certificates of those who came in time.
    let done = enroll(late, &installation.root(), seen.clone(), Arc::default()).await;
    assert_eq!(done.len(), 20);
    for member in enroll(early, &installation.root(), seen, Arc::default()).await {
        assert_eq!(member.received[0], member.received[1]);
    }
    assert_eq!(wire::get_plain(daemon.local, "/readyz").await.status, 200);
    block_in_place(|| daemon.stop());
    assert_eq!(violations(&installation, &database), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_grow_stops_issuing() {
    let installation = Installation::new().await;
    let daemon = block_in_place(|| Daemon::start(&installation));
    let fleet = members(&daemon, &installation, "limit", 12).await;
    block_in_place(|| daemon.stop());
    // A write-ahead log of 64 KiB holds what is written at the start, and little more. The shared-memory file needs 32.
    let before = "ulimit -f 128; trap '' XFSZ";
    let daemon = block_in_place(|| Daemon::start_below(before, &installation));
    let client = client(daemon.tls, &installation.root(), None);
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    for member in fleet {
        match try_enroll(&client, &member).await {
            Ok(_) => done.push(member),
            Err(error) => {
                assert_passes_by_itself("enroll", &error);
                refused.push(member);
            }
        }
    }
    assert!(!refused.is_empty(), "the limit was never reached");
    is_away_but_serves(&daemon, &installation, &refused).await;
    block_in_place(|| daemon.kill());
    // With room again, nobody is stranded, and who was served before still is.
    let daemon = block_in_place(|| Daemon::start(&installation));
    let (_place, seen) = watch::channel(Some(daemon.tls));
    done.extend(refused);
    assert_eq!(enroll(done, &installation.root(), seen, Arc::default()).await.len(), 12);
    block_in_place(|| daemon.stop());
    assert_clean(&installation);
}

fn move_database(installation: &Installation, to: &Path) -> PathBuf {
    let database = to.join("signet.db");
    fs::rename(installation.database(), &database)
        .or_else(|_| fs::copy(installation.database(), &database).map(|_| ()))
        .unwrap();
    installation.replace_toml("path = \"signet.db\"", &format!("path = {database:?}"));
    database
}
