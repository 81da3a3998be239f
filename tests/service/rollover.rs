//! Trust bundles: what is handed out, what is refused at the start, and who says that he holds what.

use signet_api::ErrorCode;
use signet_api::admin::{BundleHolders, TrustBundles};
use signet_api::client::{Client, ClientConfig, Trust, fetch_plain};
use signet_keys::{KeyKind, PrivateKey, random};
use signet_pki::bundle::{Bundle, Draft, Held};
use signet_pki::ca::{CaName, IssuerCert, certify_cross, self_signed};
use signet_pki::issue::Locations;
use signet_pki::{TrustDomain, UnixTime, pem};

use crate::support::{Builder, Installation, TestKey, TestService};

struct Root {
    key: PrivateKey,
    cert: IssuerCert,
}

fn new_root(name: &str) -> Root {
    let key = PrivateKey::generate(KeyKind::P256).unwrap();
    let name = CaName::new(name, None).unwrap();
    let validity = (UnixTime(1_790_000_000), UnixTime(2_400_000_000));
    let cert = self_signed(&key, &name, validity, random::bytes().unwrap()).unwrap();
    Root { key, cert }
}

fn draft(domain: &str, before: Option<&Bundle>, roots: &[&Root]) -> Draft {
    Draft {
        trust_domain: TrustDomain::parse(domain).unwrap(),
        sequence: before.map_or(1, |b| b.sequence() + 1),
        previous: before.map(Bundle::digest),
        created: UnixTime(1_800_000_000),
        roots: roots.iter().map(|root| root.cert.clone()).collect(),
        issuers: Vec::new(),
    }
}

fn signed(draft: Draft, signers: &[&Root]) -> Bundle {
    let first = draft.sign(&signers[0].key).unwrap();
    signers[1..].iter().fold(first, |bundle, root| bundle.cosign(&root.key).unwrap())
}

struct Story {
    installation: Installation,
    old: Root,
    new: Root,
    bundles: Vec<Bundle>,
}

/// The installation's root alone, then with a second one and its cross certificate.
async fn story() -> Story {
    let installation = Installation::new().await;
    let old = Root { key: Installation::root_key().await, cert: installation.root() };
    let new = new_root("New Root CA");
    let validity = (UnixTime(1_790_000_000), UnixTime::MAX);
    let cross = certify_cross(&old.cert, &old.key, &new.cert, validity, &Locations::default(), [7; 20]).unwrap();
    let one = signed(draft("acme.example", None, &[&old]), &[&old]);
    let issuers = vec![installation.issuer(), cross];
    let two = signed(Draft { issuers, ..draft("acme.example", Some(&one), &[&old, &new]) }, &[&old, &new]);
    Story { installation, old, new, bundles: vec![one, two] }
}

impl Story {
    fn write(&self) {
        for bundle in &self.bundles {
            self.put(bundle.sequence(), bundle.der());
        }
    }

    fn put(&self, sequence: u64, bytes: &[u8]) {
        let dir = self.installation.path("server/bundles");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("bundle-{sequence:04}.der")), bytes).unwrap();
    }

    async fn start(self) -> TestService {
        self.write();
        Builder::default().toml(CONFIGURED).start_in(self.installation).await
    }

    /// The sentence with which it does not start.
    async fn refused(self) -> String {
        let tried = Builder::default().toml(CONFIGURED).try_start_in(self.installation).await;
        let (_, error) = tried.err().expect("it started");
        assert!(!error.hint().is_empty());
        error.to_string()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bundle_is_handed_out_on_both_listeners_byte_for_byte() {
    let story = story().await;
    let (bundles, old) = (story.bundles.clone(), story.old.cert.clone());
    let service = story.start().await;
    for bundle in &bundles {
        let path = format!("bundles/{}", bundle.sequence());
        let reply = service.send("GET", &format!("/v1/trust/{path}"), &[], b"").await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, bundle.der());
        assert!(reply.header("cache-control").unwrap().contains("immutable"));
        let etag = reply.header("etag").unwrap();
        let again = service.send("GET", &format!("/v1/trust/{path}"), &[("if-none-match", etag)], b"").await;
        assert_eq!(again.status, 304);
        assert_eq!(service.plain(&format!("/ca/{path}")).await.body, bundle.der());
    }
    let latest = service.send("GET", "/v1/trust/bundles/latest", &[], b"").await;
    assert_eq!(latest.body, bundles[1].der());
    assert!(!latest.header("cache-control").unwrap().contains("immutable"));
    for absent in ["3", "0", "01", "-1", "latest2", "18446744073709551616"] {
        let reply = service.send("GET", &format!("/v1/trust/bundles/{absent}"), &[], b"").await;
        assert_eq!(reply.problem().code, ErrorCode::NotFound, "{absent}");
    }
    // With the client's own calls, from a root to the newest.
    let base = format!("http://{}", service.running.plain);
    let mut held =
        Held::first(Bundle::parse(&service.anonymous.trust_bundle(1).await.unwrap().unwrap()).unwrap()).unwrap();
    let mut next = 2;
    while let Some(bytes) = fetch_plain(&base, next, Default::default()).await.unwrap() {
        held = held.follow(Bundle::parse(&bytes).unwrap()).unwrap();
        next += 1;
    }
    assert_eq!(held.bundle().roots()[0].der(), old.der());
    assert_eq!((next, held.bundle().roots().len()), (3, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trust_documents_have_every_root_issuer_and_cross_certificate() {
    let story = story().await;
    let (new, cross) = (story.new.cert.clone(), story.bundles[1].issuers()[1].clone());
    let service = story.start().await;
    let certificates = async |path: &str| {
        let reply = service.send("GET", path, &[], b"").await;
        pem::certificates(&reply.body).unwrap()
    };
    assert_eq!(certificates("/v1/trust/roots.pem").await, [service.root.der(), new.der()]);
    let whole = [service.root.der(), new.der(), service.issuer.der(), cross.der()];
    assert_eq!(certificates("/v1/trust/bundle.pem").await, whole);
    assert_eq!(pem::certificates(&service.plain("/ca/root.pem").await.body).unwrap(), [service.root.der()]);
    let spiffe: serde_json::Value = service.send("GET", "/v1/trust/spiffe-bundle.json", &[], b"").await.json();
    assert_eq!(spiffe["keys"].as_array().unwrap().len(), 2);
    // Enrollment answers go on as before.
    let device = service.device("sensor-1").await;
    assert_eq!(pem::certificates(device.certificate.chain.as_bytes()).unwrap(), [service.issuer.der()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_bundles_everything_is_as_it_was_and_there_are_none() {
    let service = TestService::start().await;
    assert_eq!(service.anonymous.trust_bundle(1).await, Ok(None));
    let base = format!("http://{}", service.running.plain);
    assert_eq!(fetch_plain(&base, 1, Default::default()).await, Ok(None));
    let found: TrustBundles = service.admin.get_json("/v1/admin/trust/bundles").await.unwrap();
    assert!(found.bundles.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_says_which_bundle_the_device_holds_and_the_newest_word_counts() {
    let service = story().await.start().await;
    let mut device = service.device("sensor-1").await;
    service.device("sensor-2").await;
    let holders = async || -> Vec<(Option<u64>, u64)> {
        let found: TrustBundles = service.admin.get_json("/v1/admin/trust/bundles").await.unwrap();
        assert_eq!(found.bundles.iter().map(|b| b.roots.len()).collect::<Vec<_>>(), [1, 2]);
        found.holders.into_iter().map(|BundleHolders { sequence, devices }| (sequence, devices)).collect()
    };
    assert_eq!(holders().await, [(None, 2)]);
    for (held, expected) in [(Some(2), (Some(2), 1)), (None, (Some(2), 1)), (Some(1), (Some(1), 1))] {
        let key = TestKey::p256();
        let request = signet_api::enroll::RenewRequest { csr: key.csr(), device: None, profile: None, groups: None };
        let certificate = service.as_device(&device).renew_holding(&request, held).await.unwrap();
        device = crate::support::Device { key, certificate };
        assert_eq!(holders().await, [expected, (None, 1)], "{held:?}");
    }
    // The end of a device is the end of its count.
    service.revoke_device("sensor-1").await;
    assert_eq!(holders().await, [(None, 1)]);
    for wrong in ["", "x", "-1", "12345", "1 2"] {
        let csr = TestKey::p256().csr();
        let headers = [("signet-bundle", wrong)];
        let other = service.device(&format!("other-{}", wrong.len())).await;
        let reply = service.send_as(other.identity(), "POST", "/v1/renew", &headers, csr.as_bytes()).await;
        assert_eq!(reply.problem().code, ErrorCode::InvalidArgument, "{wrong:?}");
    }
    let anonymous = service.send("GET", "/v1/admin/trust/bundles", &[], b"").await;
    assert_eq!(anonymous.problem().code, ErrorCode::NotAuthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_that_do_not_fit_together_stop_the_start() {
    let empty = story().await;
    std::fs::create_dir(empty.installation.path("server/bundles")).unwrap();
    assert!(empty.refused().await.contains("there is no bundle-0001.der"));

    let absent = story().await;
    assert!(absent.refused().await.contains("trust.bundles"));

    let gap = story().await;
    gap.put(2, gap.bundles[1].der());
    assert!(gap.refused().await.contains("trust bundle 1 is missing"));

    let damaged = story().await;
    damaged.write();
    damaged.put(2, &damaged.bundles[1].der()[..200]);
    assert!(damaged.refused().await.contains("bundle-0002.der: the trust bundle is malformed"));

    let misnamed = story().await;
    misnamed.write();
    misnamed.put(2, misnamed.bundles[0].der());
    assert!(misnamed.refused().await.contains("where 2 comes next"));

    let mut unsigned = story().await;
    unsigned.bundles[1] =
        signed(draft("acme.example", Some(&unsigned.bundles[0]), &[&unsigned.old, &unsigned.new]), &[&unsigned.old]);
    unsigned.write();
    assert!(unsigned.refused().await.contains("CN=New Root CA, whose key has not signed it"));

    let mut elsewhere = story().await;
    elsewhere.bundles = vec![signed(draft("other.example", None, &[&elsewhere.old]), &[&elsewhere.old])];
    elsewhere.write();
    assert!(elsewhere.refused().await.contains("are for other.example, and trust_domain is acme.example"));

    let mut gone = story().await;
    let third = signed(draft("acme.example", Some(&gone.bundles[1]), &[&gone.new]), &[&gone.new]);
    gone.bundles.push(third);
    gone.write();
    assert!(gone.refused().await.contains("trust bundle 3 does not have the issuer's root CN=Test Root CA"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t11_the_key_of_a_root_that_is_still_to_come_is_not_certified() {
    let story = story().await;
    let request = signet_pki::csr::make(&story.new.key, "device").unwrap();
    let service = story.start().await;
    let token = service.token("sensor-1").await;
    let reply = service.post_csr(&token.token, &request).await;
    assert_eq!(reply.problem().code, ErrorCode::KeyRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_files_in_the_directory_are_none_of_our_business() {
    let story = story().await;
    story.write();
    let dir = story.installation.path("server/bundles");
    for name in ["README", "bundle-2.der", "bundle-0009.der.old", "root.toml"] {
        std::fs::write(dir.join(name), "x").unwrap();
    }
    let service = story.start().await;
    let trust = Trust::Roots(vec![service.root.der().to_vec()]);
    let client = Client::open(ClientConfig::new(service.url(), trust)).await.unwrap();
    assert!(client.trust_bundle(2).await.unwrap().is_some());
}

const CONFIGURED: &str = "[trust]\nbundles = \"bundles\"\n";
