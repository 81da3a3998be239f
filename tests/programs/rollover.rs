//! From the first root to the second with the programs alone: cross certificate, bundles, a new issuer, and the old root gone.

use crate::site::Site;

/// Puts bundles into the service's directory and starts it again.
fn publish(site: &mut Site, from: &str, sequence: u32) {
    let name = format!("bundle-{sequence:04}.der");
    std::fs::create_dir_all(site.path("acme/server/bundles")).unwrap();
    std::fs::copy(site.path(&format!("{from}/{name}")), site.path(&format!("acme/server/bundles/{name}"))).unwrap();
    restart(site);
}

fn restart(site: &mut Site) {
    assert_eq!(site.stop(), Some(0));
    site.start();
}

fn enroll(site: &Site, device: &str) {
    site.write("link", &site.link(device));
    site.agent(&format!("enroll --link link --dir {device}")).succeeded();
}

fn roots(site: &Site, file: &str) -> usize {
    site.read(file).matches("-----BEGIN CERTIFICATE-----").count()
}

fn seen(site: &Site) -> Vec<String> {
    let text = site.ca("trust bundles --seen").succeeded().stdout;
    text.lines().skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn verifies(site: &Site, device: &str, root: &str) -> bool {
    let line = format!("openssl verify -no-CApath -CAfile {root} -untrusted {device}/issuer.pem {device}/device.pem");
    site.bash(".", &line).code == 0
}

fn fingerprint(site: &Site, certificate: &str) -> String {
    let shown = site.ca(&format!("root show --certificate {certificate}")).succeeded().stdout;
    shown.lines().find_map(|l| l.strip_prefix("SHA-256")).unwrap().trim().to_owned()
}

const SIGN: &str = "--yes --passphrase-file passphrase";

/// The second root and an issuer below it, installed in place of the first.
fn new_issuer(site: &mut Site) {
    site.ca("issuer request --dir issuer-2 --name Issuing-2 --passphrase-file acme/server/secrets/kek").succeeded();
    site.ca(&format!("root sign --dir root-2 --request issuer-2/issuer.csr --out issuer-2.pem {SIGN}")).succeeded();
    let install =
        "issuer install --dir issuer-2 --certificate issuer-2.pem --root root-2/root.pem --root-crl root-2/root.crl";
    site.ca(&format!("{install} --yes")).succeeded();
    assert_eq!(site.stop(), Some(0));
    let toml = site.read("acme/server/signet.toml");
    assert!(toml.contains("\"issuer/issuer.pem\""), "{toml}");
    site.write("acme/server/signet.toml", &toml.replace("\"issuer/", "\"../../issuer-2/"));
    site.signetd("setup --config acme/server/signet.toml").succeeded();
    site.start();
}

#[test]
fn a_fleet_goes_from_one_root_to_the_next_on_its_own() {
    let mut site = Site::running();
    for device in ["eager", "late", "absent"] {
        enroll(&site, device);
    }
    let toml = site.read("acme/server/signet.toml");
    site.write("acme/server/signet.toml", &format!("{toml}\n[trust]\nbundles = \"bundles\"\n"));
    site.ca(&format!("root bundle --dir acme/root --trust-domain acme.example {SIGN}")).succeeded();
    publish(&mut site, "acme/root", 1);
    site.agent("renew --dir eager --force").succeeded();
    assert_eq!((seen(&site), roots(&site, "eager/roots.pem")), (vec!["1 1".into(), "- 2".into()], 1));

    // The second root comes in, with the word of the first.
    site.ca("root init --dir root-2 --name Acme-2 --passphrase-file passphrase").succeeded();
    let cross = "root cross-sign --dir acme/root --root root-2/root.pem --out cross.pem";
    site.ca(&format!("{cross} {SIGN}")).succeeded();
    let add = "root bundle --dir acme/root --add-root root-2/root.pem --add-issuer cross.pem --add-issuer acme/server/issuer/issuer.pem";
    site.ca(&format!("{add} {SIGN}")).succeeded();
    site.ca(&format!("root bundle --dir root-2 --cosign acme/root/bundle-0002.der {SIGN}")).succeeded();
    publish(&mut site, "root-2", 2);
    site.agent("renew --dir eager --force").succeeded();
    assert_eq!((seen(&site), roots(&site, "eager/roots.pem")), (vec!["2 1".into(), "- 2".into()], 2));
    assert_eq!(roots(&site, "eager/bundle.pem"), 4, "two roots, an issuer and the cross certificate");

    // An issuer below the second root. Who knows the first alone is carried over by the cross certificate.
    new_issuer(&mut site);
    site.agent("renew --dir late --force").succeeded();
    assert_eq!(roots(&site, "late/roots.pem"), 2);
    assert!(verifies(&site, "late", "root-2/root.pem") && !verifies(&site, "late", "acme/root/root.pem"));
    site.bash(".", "cat cross.pem late/issuer.pem >path.pem").succeeded();
    let through = "openssl verify -no-CApath -CAfile acme/root/root.pem -untrusted path.pem late/device.pem";
    site.bash(".", through).succeeded();
    site.agent("renew --dir eager --force").succeeded();

    // A link that was printed before, with the first root's fingerprint, leads to a certificate under the second.
    let first = fingerprint(&site, "acme/root/root.pem");
    let link = site.link("printed");
    let (token, _) = link.split_once("&fp=").unwrap();
    site.write("link", &format!("{token}&fp={}", first.replace(':', "").to_lowercase()));
    site.agent("enroll --link link --dir printed").succeeded();
    assert!(verifies(&site, "printed", "root-2/root.pem") && roots(&site, "printed/roots.pem") == 2);

    // The administrator follows too.
    site.ca("trust bundle --out clients.pem").succeeded();
    assert_eq!(roots(&site, "clients.pem"), 4, "with the new issuer, without the root that was not followed yet");
    site.ca("trust follow").succeeded();
    assert_eq!(roots(&site, "acme/admin/roots.pem"), 2);
    site.ca("renew").succeeded();

    // The first root goes. Who missed everything learns the second one over plain HTTP, but what stands under the first is over.
    site.ca(&format!("root bundle --dir root-2 --remove-root {first} {SIGN}")).succeeded();
    publish(&mut site, "root-2", 3);
    site.agent("renew --dir late --force").succeeded();
    let absent = site.agent("renew --dir absent --force --wait 0");
    assert_ne!(absent.code, 0, "{absent:?}");
    assert!(absent.stderr.contains("trust bundle 3 of acme.example is in use"), "{absent:?}");
    site.bash(".", "cmp absent/roots.pem root-2/root.pem").succeeded();
    site.write("link", &site.ca("token create --device absent --replace --format link").succeeded().stdout);
    site.agent("enroll --link link --dir absent --force").succeeded();
    assert!(verifies(&site, "absent", "root-2/root.pem"));
    assert_eq!(roots(&site, "absent/roots.pem"), 1);
    let listed = site.ca("trust bundles").succeeded().stdout;
    assert_eq!(listed.lines().count(), 4, "{listed}");
}

#[test]
fn a_service_whose_bundles_do_not_fit_says_so_and_check_does_too() {
    let site = Site::prepared();
    let toml = site.read("acme/server/signet.toml");
    site.write("acme/server/signet.toml", &format!("{toml}\n[trust]\nbundles = \"../../root-2\"\n"));
    site.ca("root init --dir root-2 --name Acme-2 --passphrase-file passphrase").succeeded();
    site.ca(&format!("root bundle --dir root-2 --trust-domain acme.example {SIGN}")).succeeded();
    for command in ["check", "run"] {
        let run = site.signetd(&format!("{command} --config acme/server/signet.toml"));
        assert_eq!(run.code, 1, "{run:?}");
        let said = "trust bundle 1 does not have the issuer's root";
        assert!(run.stderr.contains(said) && run.stderr.contains("signetd: hint: "), "{run:?}");
    }
}
