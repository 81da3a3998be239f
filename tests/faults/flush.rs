//! A disk that reports an error when it is told to flush. `strace` plays the disk; `scripts/faults` runs this.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::block_in_place;

use crate::auditor::{assert_clean, certificates_of};
use crate::daemon::{Daemon, NO_RATES};
use crate::fleet::{Progress, enroll, members};
use crate::support::Installation;

/// The flush that fails is the one that `SIGNET_FAULT_FLUSH` counts to, after the start.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs strace; scripts/faults runs it"]
async fn a_flush_that_fails_loses_nobody() {
    let nth: u32 = std::env::var("SIGNET_FAULT_FLUSH").map_or(3, |text| text.parse().unwrap());
    let installation = Installation::new().await;
    installation.append_toml(NO_RATES);
    let daemon = block_in_place(|| Daemon::start(&installation));
    let fleet = members(&daemon, &installation, "flush", 32).await;
    block_in_place(|| daemon.stop());
    // The start itself flushes a few times; a service that cannot start says so, and that is tested by starting again.
    let trace = installation.path("trace");
    let before = format!(
        "set -- strace -D -f -qq -o {} -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO:when={nth} \"$@\"",
        trace.display()
    );
    let daemon = match block_in_place(|| Daemon::try_start_below(&before, &installation)) {
        Ok(daemon) => daemon,
        Err(log) => {
            assert!(log.contains("error:") && log.contains("hint:"), "{log}");
            block_in_place(|| Daemon::start(&installation))
        }
    };
    let (place, seen) = watch::channel(Some(daemon.tls));
    let progress = Arc::new(Progress::default());
    let fleet = enroll(fleet, &installation.root(), seen.clone(), progress.clone()).await;
    place.send_replace(None);
    // What was answered is there after a crash, whatever the disk said in between.
    block_in_place(|| daemon.kill());
    let daemon = block_in_place(|| Daemon::start(&installation));
    place.send_replace(Some(daemon.tls));
    for member in enroll(fleet, &installation.root(), seen, progress).await {
        assert_eq!(member.received[0], member.received[1], "{}", member.name);
        assert_eq!(certificates_of(&installation.database(), &member.name), member.received[..1]);
    }
    block_in_place(|| daemon.stop());
    assert_clean(&installation);
    assert!(std::fs::read_to_string(trace).unwrap().contains("INJECTED"), "flush {nth} never came");
}
