use signet_keys::PrivateKey;
use signet_pki::UnixTime;
use signet_pki::bundle::Draft;
use signet_pki::ca::{CaName, self_signed};
use signet_pki::{Fingerprint, TrustDomain};

use super::*;
use crate::online::admin_dir::tests::new_key;
use crate::online::service::tests::Fake;

struct Root {
    key: PrivateKey,
    cert: IssuerCert,
}

fn root(name: &str) -> Root {
    let key = new_key();
    let now = context::now();
    let name = CaName::new(name, None).unwrap();
    let validity = (now.minus(86_400), now.plus(1_000 * 86_400));
    let cert = self_signed(&key, &name, validity, signet_keys::random::bytes().unwrap()).unwrap();
    Root { key, cert }
}

/// One after the other: which roots, and who signs.
fn chain(steps: &[(&[&Root], &[&Root])]) -> Vec<Bundle> {
    let mut all: Vec<Bundle> = Vec::new();
    for (roots, signers) in steps {
        let draft = Draft {
            trust_domain: TrustDomain::parse("acme.example").unwrap(),
            sequence: all.len() as u64 + 1,
            previous: all.last().map(Bundle::digest),
            created: UnixTime(1_800_000_000),
            roots: roots.iter().map(|r| r.cert.clone()).collect(),
            issuers: Vec::new(),
        };
        let first = draft.sign(&signers[0].key).unwrap();
        all.push(signers[1..].iter().fold(first, |bundle, root| bundle.cosign(&root.key).unwrap()));
    }
    all
}

fn serving(bundles: &[Bundle]) -> Fake {
    let path = |bundle: &Bundle| format!("/v1/trust/bundles/{}", bundle.sequence());
    bundles.iter().fold(Fake::default(), |fake, one| fake.with_bytes(&path(one), one.der().to_vec()))
}

#[test]
fn an_administrator_follows_from_any_root_to_the_newest() {
    let (old, new) = (root("Old"), root("New"));
    let all = chain(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new]), (&[&new], &[&new])]);
    for known in [&old, &new] {
        let held = follow(&serving(&all), std::slice::from_ref(&known.cert)).unwrap().unwrap();
        assert_eq!(held.bundle().sequence(), 3);
        assert_eq!(held.bundle().roots()[0].der(), new.cert.der());
    }
    assert!(follow(&Fake::default(), &[old.cert]).unwrap().is_none());
}

#[test]
fn bundles_of_another_root_and_a_fork_are_refused() {
    let (old, new, thief) = (root("Old"), root("New"), root("Thief"));
    let strange = serving(&chain(&[(&[&thief], &[&thief])]));
    let said = format!("{:?}", follow(&strange, std::slice::from_ref(&old.cert)).unwrap_err());
    assert!(said.contains("none of the trust bundles"), "{said}");
    let mut all = chain(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new]), (&[&new], &[&new])]);
    all[1] = chain(&[(&[&old], &[&old]), (&[&old, &thief], &[&old, &thief])]).remove(1);
    let said = format!("{:?}", follow(&serving(&all), std::slice::from_ref(&old.cert)).unwrap_err());
    assert!(said.contains("somebody has made two"), "{said}");
}

#[test]
fn the_published_certificates_are_accepted_below_a_root_that_follows_from_ours() {
    let (old, new, thief) = (root("Old"), root("New"), root("Thief"));
    let all = chain(&[(&[&old], &[&old]), (&[&old, &new], &[&old, &new])]);
    let published = |certs: &[IssuerCert]| bundle::to_pem(certs).into_bytes();
    let both = [old.cert.clone(), new.cert.clone()];
    let service = serving(&all).with_bytes("/v1/trust/bundle.pem", published(&both));
    assert_eq!(bundle::fetch(&service, std::slice::from_ref(&old.cert)).unwrap().len(), 2);
    let mixed = [old.cert.clone(), thief.cert.clone()];
    let service = serving(&all).with_bytes("/v1/trust/bundle.pem", published(&mixed));
    assert!(bundle::fetch(&service, &[old.cert]).is_err());
}

#[test]
fn the_tables_name_roots_and_count_devices() {
    let info = TrustBundleInfo {
        sequence: 2,
        created: "2027-01-15T08:00:00Z".into(),
        sha256: Fingerprint([0xab; 32]).to_string(),
        roots: vec![signet_api::admin::TrustRoot {
            subject: "CN=Acme".into(),
            sha256: Fingerprint([0xcd; 32]).to_string(),
            not_after: "2047-01-15T08:00:00Z".into(),
        }],
        issuers: 1,
    };
    let text = list(&[info]);
    assert!(text.contains("CN=Acme (cdcdcdcdcdcdcdcd, until 2047") && text.contains("abababababababab"), "{text}");
    let seen = |sequence, devices| BundleHolders { sequence, devices };
    let text = holders(&[seen(Some(2), 40), seen(None, 3)]);
    let lines: Vec<_> = text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines, [["BUNDLE", "DEVICES"], ["2", "40"], ["-", "3"]]);
}
