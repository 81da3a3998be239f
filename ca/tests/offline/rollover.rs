//! From one root to the next: cross certificates and trust bundles, on two machines that exchange files alone.

use signet_pki::bundle::{Bundle, Held};
use signet_pki::view::CertificateView;
use signet_pki::{Fingerprint, TrustDomain, chain, pem};

use crate::support::Desk;

impl Desk {
    /// Two roots, the second of its own name.
    fn with_two_roots() -> Desk {
        let desk = Desk::new().with_root();
        desk.ca("root init --dir root-2 --name Acme-2 --passphrase-file root.pass").succeeded();
        desk
    }

    fn with_first_bundle() -> Desk {
        let desk = Desk::with_two_roots();
        desk.ca(FIRST).succeeded();
        desk
    }

    /// The first two bundles, the second with both roots and both signatures.
    fn with_both_roots_in() -> Desk {
        let desk = Desk::with_first_bundle();
        desk.ca(&format!("{BUNDLE} --dir root --add-root root-2/root.pem")).succeeded();
        desk.ca(&format!("{BUNDLE} --dir root-2 --cosign root/bundle-0002.der")).succeeded();
        desk
    }

    fn bundle(&self, name: &str) -> Bundle {
        Bundle::parse(&self.read(name)).unwrap()
    }

    fn certificate(&self, name: &str) -> CertificateView {
        CertificateView::parse(&pem::decode_one(pem::Label::Certificate, &self.read(name)).unwrap()).unwrap()
    }
}

#[test]
fn a_root_hands_over_to_the_next_in_three_bundles() {
    let desk = Desk::with_both_roots_in();
    let (old, new) = (desk.certificate("root/root.pem"), desk.certificate("root-2/root.pem"));
    let remove = format!("{BUNDLE} --dir root-2 --remove-root {}", old.fingerprint().colons());
    let third = desk.ca(&remove).succeeded();
    let bundle = desk.bundle("root-2/bundle-0003.der");
    assert_eq!(third.field("bundle SHA-256"), bundle.digest().colons());
    assert!(third.stdout.contains("Next: put it into the directory of trust.bundles"), "{third:?}");

    let domain = TrustDomain::parse("acme.example").unwrap();
    let held = Held::pinned(desk.bundle("root/bundle-0001.der"), &domain, &old.fingerprint()).unwrap();
    let held = held.follow(desk.bundle("root-2/bundle-0002.der")).unwrap().follow(bundle).unwrap();
    assert_eq!(held.bundle().roots()[0].der(), new.der);
    assert_eq!(held.bundle().roots().len(), 1);
    let record = String::from_utf8(desk.read("root-2/root.toml")).unwrap();
    assert_eq!(record.matches("[[bundles]]").count(), 2, "{record}");
}

#[test]
fn a_bundle_that_brings_in_a_root_says_whose_signature_is_missing() {
    let desk = Desk::with_first_bundle();
    let run = desk.ca(&format!("{BUNDLE} --dir root --add-root root-2/root.pem")).succeeded();
    assert!(
        run.stdout.contains("CN=Acme-2 has not signed it yet") && !run.stdout.contains("restart signetd"),
        "{run:?}"
    );
    let held = Held::first(desk.bundle("root/bundle-0001.der")).unwrap();
    assert!(held.follow(desk.bundle("root/bundle-0002.der")).is_err());
    desk.ca(&format!("{BUNDLE} --dir root-2 --cosign root/bundle-0002.der")).succeeded();
    held.follow(desk.bundle("root-2/bundle-0002.der")).unwrap();
}

#[test]
fn t46_a_bundle_is_shown_with_every_root_before_it_is_signed() {
    let desk = Desk::with_first_bundle();
    let before = desk.snapshot("root");
    let ask = "root bundle --dir root --add-root root-2/root.pem --passphrase-file root.pass";
    let new = desk.certificate("root-2/root.pem").fingerprint();
    let run = desk.ca_answering("no\n", ask).refused(1, "not confirmed");
    for part in ["Trust bundle 2 of acme.example", "CN=Acme,", "CN=Acme-2,", new.colons().as_str()] {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
    assert_eq!(desk.snapshot("root"), before);
    desk.ca_answering(&format!("{}\n", &new.to_string()[..4]), ask).succeeded();
    // On the other machine it is the bundle that is compared.
    let cosign = "root bundle --dir root-2 --cosign root/bundle-0002.der --passphrase-file root.pass";
    let digest = desk.bundle("root/bundle-0002.der").digest();
    assert!(desk.ca_answering("", cosign).refused(1, "not confirmed").stderr.contains(&digest.colons()));
    desk.ca_answering(&format!("{}\n", &digest.to_string()[..4]), cosign).succeeded();
}

#[test]
fn the_rules_of_a_step_are_kept() {
    let desk = Desk::with_both_roots_in();
    let (old, new) =
        (desk.certificate("root/root.pem").fingerprint(), desk.certificate("root-2/root.pem").fingerprint());
    desk.ca("root init --dir root-3 --name Acme-3 --passphrase-file root.pass").succeeded();
    let before = (desk.snapshot("root"), desk.snapshot("root-2"), desk.snapshot("root-3"));
    let next = format!("{BUNDLE} --dir root-2");
    desk.ca(&next).refused(1, "would say what the last one says");
    desk.ca(&format!("{next} --remove-root {old} --remove-root {new}")).refused(1, "the last root cannot be taken out");
    desk.ca(&format!("{next} --remove-root {new} --add-root root-3/root.pem")).refused(1, "would go in the same step");
    desk.ca(&format!("{next} --remove-root {}", Fingerprint([7; 32]))).refused(1, "has no root with the SHA-256");
    desk.ca(&format!("{next} --add-root root/root.pem")).refused(1, "is there twice");
    desk.ca(&format!("{next} --trust-domain acme.example")).refused(1, "has signed its first bundle already");
    // A step back, and one that would leave a bundle out.
    let back = format!("{next} --previous root/bundle-0001.der --add-root root-3/root.pem");
    desk.ca(&back).refused(1, "this root is not among those of the bundle before");
    let back = format!("{BUNDLE} --dir root --previous root/bundle-0001.der --add-root root-3/root.pem");
    desk.ca(&back).refused(1, "has signed trust bundle 2 already");
    desk.ca(&format!("{BUNDLE} --dir root-3 --previous root-2/bundle-0002.der --add-root root-3/root.pem"))
        .refused(1, "this root is not among those of the bundle before");
    desk.ca(&format!("{BUNDLE} --dir root-3 --add-root root/root.pem")).refused(1, "no trust domain for the first");
    desk.ca(&format!("{BUNDLE} --dir root-3 --cosign root-2/bundle-0002.der"))
        .refused(1, "not among the roots of the bundle");
    desk.ca(&format!("{BUNDLE} --dir root-2 --cosign root-2/bundle-0002.der"))
        .refused(1, "has signed this bundle already");
    assert_eq!((desk.snapshot("root"), desk.snapshot("root-2"), desk.snapshot("root-3")), before);
    desk.ca(&format!("{next} --remove-root {new} --add-root root-3/root.pem --emergency")).succeeded();
}

#[test]
fn a_second_bundle_of_one_sequence_is_never_signed() {
    let desk = Desk::with_both_roots_in();
    // The other root has gone on, and this one is shown another second bundle of the first root.
    let record = String::from_utf8(desk.read("root/root.toml")).unwrap();
    let first = record[..record.rfind("[[bundles]]").unwrap()].to_owned();
    desk.ca("root init --dir root-3 --name Acme-3 --passphrase-file root.pass").succeeded();
    desk.write("root/root.toml", first);
    std::fs::rename(desk.path("root/bundle-0002.der"), desk.path("kept.der")).unwrap();
    desk.ca(&format!("{BUNDLE} --dir root --add-root root-2/root.pem --add-root root-3/root.pem")).succeeded();
    let forked = format!("{BUNDLE} --dir root-2 --cosign root/bundle-0002.der");
    desk.ca(&forked).refused(1, "has signed trust bundle 2 already");
    let on = format!("{BUNDLE} --dir root-2 --previous root/bundle-0002.der --remove-root");
    let old = desk.certificate("root/root.pem").fingerprint();
    desk.ca(&format!("{on} {old}")).refused(1, "this is another trust bundle 2");
}

#[test]
fn a_bundle_that_lies_there_is_not_overwritten() {
    let desk = Desk::with_first_bundle();
    desk.write("root/bundle-0002.der", "somebody's");
    let run = desk.ca(&format!("{BUNDLE} --dir root --add-root root-2/root.pem"));
    assert!(run.refused(1, "is not overwritten").stderr.contains("interrupted run"));
    assert_eq!(desk.read("root/bundle-0002.der"), b"somebody's");
}

#[test]
fn garbage_and_certificates_are_no_bundles() {
    let desk = Desk::with_first_bundle();
    desk.write("garbage", "0\x03hello");
    for file in ["garbage", "root/root.pem", "root/root.crl.der"] {
        let run = desk.ca(&format!("{BUNDLE} --dir root-2 --cosign {file}"));
        run.refused(1, "the trust bundle is malformed");
    }
    desk.write("huge", vec![0x30; 200_000]);
    desk.ca(&format!("{BUNDLE} --dir root-2 --cosign huge")).refused(1, "larger than");
}

#[test]
fn a_cross_certificate_joins_the_new_root_to_the_old() {
    let desk = Desk::with_first_bundle().with_request();
    let run = desk.ca(CROSS).succeeded();
    let (old, new, cross) =
        (desk.certificate("root/root.pem"), desk.certificate("root-2/root.pem"), desk.certificate("cross.pem"));
    assert_eq!((run.field("subject"), run.field("issuer")), ("CN=Acme-2".into(), "CN=Acme".into()));
    assert_eq!((&cross.public_key, &cross.subject, cross.path_len), (&new.public_key, &new.subject, Some(1)));
    assert_eq!(cross.not_after, old.not_after);
    let sign = "root sign --dir root-2 --request issuer/issuer.csr --out issuer.pem --yes --passphrase-file root.pass";
    desk.ca(sign).succeeded();
    chain::verify(&[desk.certificate("issuer.pem"), cross.clone(), old], None).unwrap();
    if let Some(run) = desk.openssl("verify -no-CApath -CAfile root/root.pem -untrusted cross.pem issuer.pem") {
        run.succeeded();
    }
    // It can be revoked like an issuer, and travels in the bundle.
    assert!(desk.ca("root show --dir root").succeeded().stdout.contains(&cross.serial.to_string()));
    desk.ca(&format!("{BUNDLE} --dir root --add-root root-2/root.pem --add-issuer cross.pem")).succeeded();
    assert_eq!(desk.bundle("root/bundle-0002.der").issuers()[0].der(), cross.der);
    // When the root that signed it goes, it goes too.
    desk.ca(&format!("{BUNDLE} --dir root-2 --cosign root/bundle-0002.der")).succeeded();
    let old = desk.certificate("root/root.pem").fingerprint();
    let run = desk.ca(&format!("{BUNDLE} --dir root-2 --remove-root {old}")).succeeded();
    assert!(run.stderr.contains("is left out"), "{run:?}");
    assert!(desk.bundle("root-2/bundle-0003.der").issuers().is_empty());
}

#[test]
fn only_another_root_of_another_name_is_cross_signed() {
    let desk = Desk::new().with_issuer();
    desk.ca("root init --dir twin --name Acme --passphrase-file root.pass").succeeded();
    let before = desk.snapshot("root");
    let cross = |file: &str| CROSS.replace("root-2/root.pem", file);
    desk.ca(&cross("root/root.pem")).refused(1, "this is the root that would sign");
    desk.ca(&cross("twin/root.pem")).refused(1, "same name");
    desk.ca(&cross("issuer.pem")).refused(1, "this is not a root");
    desk.write("taken", "x");
    desk.ca(&CROSS.replace("cross.pem", "taken").replace("root-2", "twin")).refused(1, "not overwritten");
    let ask = CROSS.replace(" --yes", "").replace("root-2", "twin");
    desk.ca("root init --dir root-2 --name Acme-2 --passphrase-file root.pass").succeeded();
    desk.ca_answering("no\n", &CROSS.replace(" --yes", "")).refused(1, "not confirmed");
    desk.ca(&ask).refused(1, "same name");
    assert_eq!(desk.snapshot("root"), before);
    assert!(!desk.exists("cross.pem"));
}

const BUNDLE: &str = "root bundle --yes --passphrase-file root.pass";
const FIRST: &str = "root bundle --yes --passphrase-file root.pass --dir root --trust-domain acme.example";
const CROSS: &str =
    "root cross-sign --dir root --root root-2/root.pem --out cross.pem --yes --passphrase-file root.pass";
