//! `ca events tail` against the service itself.

use std::io::{BufRead, BufReader};
use std::process::Child;

use crate::site::Site;

/// Ends with the test, whatever became of it.
struct Tail(Child);

impl Drop for Tail {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Tail {
    /// The first line with these words.
    fn wait_for(&mut self, words: &str) -> String {
        let lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        lines.map(Result::unwrap).find(|line| line.contains(words)).unwrap()
    }
}

#[test]
fn a_service_follows_the_events_over_a_restart_with_the_directory_of_its_agent() {
    let mut site = Site::running();
    site.ca("token create --device api --profile service --format link --out api.link").succeeded();
    site.agent("enroll --link api.link --dir api").succeeded();
    for id in ["one", "two"] {
        site.ca(&format!("token create --device {id} --format link --out {id}.link")).succeeded();
        site.agent(&format!("enroll --link {id}.link --dir {id}")).succeeded();
    }
    site.write("take", "#!/bin/sh\ncat >> taken\n");
    site.bash(".", "chmod 700 take").succeeded();
    let mut tail = Tail(site.ca_in_background("events tail --json --after 0 --service api --exec ./take"));
    site.ca("revoke one --reason key-compromise --yes").succeeded();
    assert_eq!(site.stop(), Some(0));
    site.start();
    site.ca("revoke two --yes").succeeded();
    // It comes back by itself, and was told both.
    let line = tail.wait_for("\"devices\":[\"two\"]");
    assert!(line.contains("\"event\":\"revocation\"") && !line.contains("admin:"), "{line}");
    drop(tail);
    let taken = site.read("taken");
    assert!(taken.contains("\"devices\":[\"one\"]") && taken.contains("key-compromise"), "{taken}");
    let doctor = site.ca("doctor").succeeded();
    assert!(doctor.stdout.contains("revocations: "), "{doctor:?}");
}

#[test]
fn a_device_is_told_that_events_are_not_for_it() {
    let site = Site::running();
    site.write("one.link", &site.link("sensor-1"));
    site.agent("enroll --link one.link --dir one").succeeded();
    site.ca("events tail --service one").refused(1, "has no permission events:read");
    site.ca("events tail --service nothing").refused(1, "nothing");
}
