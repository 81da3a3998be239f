//! What ends something for good needs a person at the terminal, or `--yes`.

use crate::site::Site;

#[test]
fn a_pipe_is_no_consent_and_nothing_ends() {
    let site = Site::running();
    site.write("link", &site.link("sensor-1"));
    site.agent("enroll --link link --dir sensor-1").succeeded();
    site.write("n", "n\n");
    site.write("y", "y\n");
    let ends = [
        "revoke sensor-1",
        "revoke --batch spring",
        "device retire sensor-1",
        "device deny sensor-1",
        "token revoke 0123456789",
        "apikey revoke 0123456789",
        "account revoke acme",
        "webhook delete 0123456789",
        "webhook dead drop 1",
        "oauth revoke-session 0123456789",
        "service deregister broker",
    ];
    for (answer, line) in ["n", "y"].into_iter().flat_map(|answer| ends.iter().map(move |line| (answer, line))) {
        let piped = site.bash(".", &format!("ca {line} <{answer} 2>log"));
        assert!(matches!(piped.code, 1 | 2), "{line}: {piped:?}");
    }
    assert!(site.ca("device show sensor-1").succeeded().stdout.contains("active"));
    site.ca("revoke sensor-1 --yes").succeeded();
    assert!(site.ca("device show sensor-1").succeeded().stdout.contains("revoked"));
}
