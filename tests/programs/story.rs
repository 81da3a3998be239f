//! From nothing to a revoked device, with the programs alone.

use crate::site::Site;

#[test]
fn the_quick_start_works_as_it_is_written() {
    let mut site = Site::running();
    site.ca("doctor").succeeded();
    site.ca("token create --device sensor-1 --format link --out sensor-1.link").succeeded();
    let enrolled = site.agent("enroll --link sensor-1.link --dir sensor-1").succeeded();
    assert!(enrolled.stdout.starts_with("enrolled: sensor-1\n"), "{enrolled:?}");
    let again = site.agent("enroll --link sensor-1.link --dir sensor-1").succeeded();
    assert!(again.stdout.starts_with("already enrolled: sensor-1\n"), "{again:?}");
    let status = site.agent("status --dir sensor-1").succeeded();
    assert!(status.stdout.contains("spiffe://acme.example/device/sensor-1"), "{status:?}");

    let before = site.read("sensor-1/device.pem");
    site.agent("renew --dir sensor-1 --force").succeeded();
    assert_ne!(site.read("sensor-1/device.pem"), before);

    site.ca("crl fetch --out lists.pem").succeeded();
    assert!(verify(&site).stdout.contains("sensor-1/device.pem: OK"));
    let revoked = site.ca("revoke sensor-1 --reason key-compromise --yes").succeeded();
    assert!(revoked.stderr.contains("in force with CRL number"), "{revoked:?}");
    site.ca("crl fetch --out lists.pem").succeeded();
    let judged = verify(&site);
    assert!(judged.stderr.contains("certificate revoked"), "{judged:?}");
    let again = site.ca("revoke sensor-1 --yes").succeeded();
    assert!(again.stderr.contains("was revoked before"), "{again:?}");

    site.agent("renew --dir sensor-1 --force --wait 1").refused(1, "The device was revoked.");
    assert!(site.ca("audit verify").succeeded().stdout.starts_with("intact"));
    assert_eq!(site.stop(), Some(0));
    site.ca("token list").refused(3, "Connection refused");
}

fn verify(site: &Site) -> crate::site::Run {
    let trust = "cat acme/admin/roots.pem lists.pem >trust.pem";
    site.bash(".", &format!("{trust} && openssl verify -CAfile trust.pem -untrusted sensor-1/issuer.pem -crl_check_all sensor-1/device.pem"))
}

#[test]
fn a_set_up_service_starts_again_with_everything_that_it_knew() {
    let mut site = Site::running();
    site.write("one.link", &site.link("sensor-1"));
    site.agent("enroll --link one.link --dir one").succeeded();
    assert_eq!(site.stop(), Some(0));
    site.signetd("migrate --config acme/server/signet.toml").succeeded();
    assert!(site.signetd("check --config acme/server/signet.toml").succeeded().stdout.contains("configuration: ok"));
    site.start();
    site.agent("renew --dir one --force").succeeded();
    assert!(site.ca("device list").succeeded().stdout.contains("sensor-1"));
}

#[test]
fn a_second_administrator_is_made_while_the_service_rests() {
    let mut site = Site::running();
    let setup = "setup --config acme/server/signet.toml --admin bob --admin-dir bob";
    site.signetd(setup).refused(1, "in use by another process");
    site.stop();
    let key = site.read("acme/server/tls/server.key");
    site.signetd(setup).succeeded();
    assert_eq!(site.read("acme/server/tls/server.key"), key, "the service keeps its key");
    site.start();
    site.ca("token list --admin bob").succeeded();
    site.ca("token list").succeeded();
}

#[test]
fn a_batch_of_tokens_enrolls_after_approval() {
    let site = Site::running();
    site.ca("token create --batch spring --count 2 --prefix s- --format csv --out tokens.csv").succeeded();
    let csv = site.read("tokens.csv");
    let link = csv.lines().nth(1).unwrap().split(',').nth(3).unwrap();
    site.write("one.link", link);
    site.agent("enroll --link one.link --dir one --wait 0").refused(1, "the enrollment of s-1 waits for approval");
    site.ca("device approve s-1").succeeded();
    site.agent("enroll --link one.link --dir one --wait 0").succeeded();
}
