use signet_keys::KeyKind;
use signet_pki::ca::{CaName, IssuerPlan, certify_issuer, self_signed};
use signet_pki::crl::{self, CrlPlan, Entries};
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::key_policy::{KeyPolicy, KeyType};
use signet_pki::name::PrincipalKind;
use signet_pki::profile::Usage;
use tempfile::TempDir;

use super::*;

const NOW: UnixTime = UnixTime(1_800_000_000);
const DAY: i64 = 86_400;

/// What `ca init` writes, without its comments.
const GOOD: &str = r#"trust_domain = "acme.example"
public_url = "https://ca.acme.example:8443"

[listen]
tls = "0.0.0.0:8443"
plain = "0.0.0.0:8080"
local = "127.0.0.1:9090"

[store]
path = "signet.db"

[keys]
kek_file = "secrets/kek"

[issuer]
certificate = "issuer/issuer.pem"
key = "issuer/issuer.key"
root = "issuer/root.pem"
root_crl = "issuer/root.crl"

[tls]
key = "tls/server.key"
certificate = "tls/server.pem"
names = ["ca.acme.example"]
addresses = ["10.0.0.7"]

[publication]
base_url = "http://ca.acme.example:8080"
"#;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, PathBuf::from("/etc/signet"))
}

/// The refusal of `GOOD` with one piece replaced, which must be there.
fn refusal(from: &str, to: &str) -> ConfigError {
    assert!(GOOD.contains(from), "{from}");
    let error = parse(&GOOD.replacen(from, to, 1)).err().unwrap_or_else(|| panic!("{to} was accepted"));
    assert!(!error.hint().is_empty());
    error
}

#[test]
fn the_configuration_of_ca_init_is_accepted_with_its_defaults() {
    let config = parse(GOOD).unwrap();
    assert_eq!(config.database(), Path::new("/etc/signet/signet.db"));
    assert_eq!(config.path(Path::new("/absolute")), Path::new("/absolute"));
    assert_eq!(config.raw.publication.crl_interval_seconds, 3600);
    assert_eq!(config.raw.publication.crl_lifetime_seconds, 7 * DAY);
    assert_eq!(config.raw.publication.revocation_budget_ms, 1000);
    let profiles = Profiles::compile(&config.raw.profiles).unwrap();
    assert_eq!(profiles.device_names(), ["device", "intermittent", "service"]);
    assert!(profiles.for_devices(ADMIN_PROFILE).is_none() && profiles.for_devices(SERVER_PROFILE).is_none());
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let sections = ["[listen]", "[store]", "[keys]", "[issuer]", "[tls]", "[publication]"];
    for section in sections {
        let error = refusal(section, &format!("{section}\ncolour = 1")).to_string();
        let line = GOOD.lines().position(|l| l == section).unwrap() + 2;
        assert!(error.contains("colour") && error.contains(&format!("line {line},")), "{section}: {error}");
    }
    let error = refusal("trust_domain", "colour = 1\ntrust_domain").to_string();
    assert!(error.contains("colour") && error.contains("line 1,"), "{error}");
    for (section, key) in [("log", "colour"), ("retention", "colour"), ("admission", "colour"), ("profiles.x", "color")]
    {
        let error = parse(&format!("{GOOD}\n[{section}]\n{key} = 1\n")).err().unwrap().to_string();
        assert!(error.contains(key), "{error}");
    }
    let error = parse(&format!("{GOOD}\n[colours]\n")).err().unwrap().to_string();
    assert!(error.contains("colours"), "{error}");
}

#[test]
fn a_key_that_is_missing_twice_or_of_a_wrong_type_is_named() {
    let cases = [
        ("trust_domain = \"acme.example\"\n", "", "trust_domain"),
        ("kek_file = \"secrets/kek\"\n", "", "kek_file"),
        ("base_url = \"http://ca.acme.example:8080\"\n", "", "base_url"),
        ("path = \"signet.db\"", "path = 7", "path"),
        ("names = [\"ca.acme.example\"]", "names = \"ca.acme.example\"", "names"),
        ("tls = \"0.0.0.0:8443\"", "tls = 8443", "tls"),
        ("path = \"signet.db\"", "path = \"a\"\npath = \"b\"", "path"),
        ("[store]", "[store", "store"),
    ];
    for (from, to, named) in cases {
        let error = refusal(from, to).to_string();
        assert!(error.contains(named), "{to}: {error}");
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let cases = [
        ("\"acme.example\"", "\"*.acme.example\"", "trust domain"),
        ("\"acme.example\"", "\"Acme.Example\"", "trust domain"),
        ("\"0.0.0.0:8443\"", "\"0.0.0.0\"", "socket address"),
        ("\"0.0.0.0:8443\"", "\"localhost:8443\"", "socket address"),
        ("[\"ca.acme.example\"]", "[\"*.acme.example\"]", "DNS name"),
        ("[\"10.0.0.7\"]", "[\"10.0.0.300\"]", "IP address"),
        ("\"127.0.0.1:9090\"", "\"0.0.0.0:9090\"", "loopback"),
        ("\"127.0.0.1:9090\"", "\"10.0.0.7:9090\"", "loopback"),
    ];
    for (from, to, what) in cases {
        let error = refusal(from, to).to_string();
        assert!(error.contains(what), "{to}: {error}");
    }
    let nameless = GOOD.replace("names = [\"ca.acme.example\"]\naddresses = [\"10.0.0.7\"]\n", "");
    assert!(parse(&nameless).err().unwrap().to_string().contains("tls.names"));
}

#[test]
fn urls_are_a_scheme_a_host_and_perhaps_a_port() {
    for url in ["https://ca.example", "https://10.0.0.7:1", "https://[::1]:8443", "https://ca.example/"] {
        assert!(parse(&GOOD.replace("https://ca.acme.example:8443", url)).is_ok(), "{url}");
    }
    for url in [
        "http://ca.example",
        "ca.example",
        "https://",
        "https:///",
        "https://a/b",
        "https://a?b",
        "https://a#b",
        "https://u@h",
        "https://a b",
        "https://\u{e4}.example",
        "",
    ] {
        let error = refusal("https://ca.acme.example:8443", url).to_string();
        assert!(error.starts_with("public_url"), "{url}: {error}");
    }
    // Lists are fetched before anything is trusted: over https a verifier would need the list to fetch the list.
    let error = refusal("http://ca.acme.example:8080", "https://ca.acme.example:8080").to_string();
    assert!(error.starts_with("publication.base_url"), "{error}");
}

#[test]
fn shards_are_a_power_of_two_and_no_more_than_4096() {
    let shards = |text: &str| parse(&format!("{GOOD}crl_shards = {text}\n")).map(|c| c.raw.publication.crl_shards);
    assert_eq!(parse(GOOD).unwrap().raw.publication.crl_shards, 0);
    for good in [0, 1, 2, 256, 4096] {
        assert_eq!(shards(&good.to_string()).unwrap(), good);
    }
    for bad in ["3", "4095", "8192", "32768"] {
        let error = shards(bad).unwrap_err();
        assert!(error.to_string().contains("publication.crl_shards"), "{error}");
        assert!(!error.hint().is_empty());
    }
    for bad in ["-1", "65536", "\"4\""] {
        assert!(shards(bad).is_err(), "{bad}");
    }
}

#[test]
fn lists_live_at_least_two_intervals() {
    let with = |interval: i64, lifetime: i64| {
        parse(&format!("{GOOD}crl_interval_seconds = {interval}\ncrl_lifetime_seconds = {lifetime}\n"))
    };
    assert!(with(60, 120).is_ok());
    for (interval, lifetime) in
        [(59, 120), (0, 0), (-60, 600), (60, 119), (i64::MAX, i64::MAX - 1), (i64::MAX / 2 + 1, 5)]
    {
        assert!(with(interval, lifetime).is_err(), "{interval} {lifetime}");
    }
}

#[test]
fn a_revocation_has_some_time() {
    let with = |budget: i64| parse(&format!("{GOOD}revocation_budget_ms = {budget}\n"));
    assert_eq!(with(250).unwrap().raw.publication.revocation_budget_ms, 250);
    assert!(with(0).is_err() && with(-1).is_err());
}

#[test]
fn retention_and_admission_have_least_values() {
    let with = |text: &str| parse(&format!("{GOOD}\n{text}\n"));
    assert!(with("[retention]\ncertificate_days = 2\ntoken_days = 0").is_ok());
    for bad in [
        "[retention]\ncertificate_days = 1",
        "[retention]\ntoken_days = -1",
        "[admission]\nenrollments_per_second = 0",
        "[admission]\nenrollment_burst = 0",
        "[log]\nlevel = \"trace\"",
        "[log]\nformat = \"xml\"",
    ] {
        assert!(with(bad).is_err(), "{bad}");
    }
}

fn profiles(text: &str) -> Result<Profiles, ConfigError> {
    parse(&format!("{GOOD}\n{text}\n")).map(|config| Profiles::compile(&config.raw.profiles).unwrap())
}

#[test]
fn a_profile_of_the_operator_s_says_what_it_is() {
    let text = "[profiles.gateway]\nkind = \"device\"\nusages = [\"client-auth\"]\nlifetime_seconds = 43200\n\
                max_lifetime_seconds = 172800\nkeys = [\"p256\"]\ndns_suffixes = [\"gw.example\"]\nreuse_key = true";
    let gateway = profiles(text).unwrap().for_devices("gateway").unwrap();
    assert_eq!((gateway.lifetime, gateway.max_lifetime), (43_200, 172_800));
    assert_eq!((gateway.usages.as_slice(), gateway.reuse_key), (&[Usage::ClientAuth][..], true));
    assert!(gateway.allows_dns(&"a.gw.example".parse().unwrap()) && !gateway.allows_dns(&"a.example".parse().unwrap()));
}

#[test]
fn a_built_in_profile_changes_in_what_is_named_and_nothing_else() {
    let changed = profiles("[profiles.device]\nlifetime_seconds = 7200").unwrap();
    let device = changed.for_devices("device").unwrap();
    assert_eq!((device.lifetime, device.max_lifetime, device.usages.len()), (7200, DAY, 2));
    let longer = profiles("[profiles.device]\nlifetime_seconds = 172800").unwrap();
    assert_eq!(longer.for_devices("device").unwrap().max_lifetime, 172_800);
    let admin = profiles("[profiles.admin]\nlifetime_seconds = 3600").unwrap();
    assert!(admin.for_devices("admin").is_none(), "still not for tokens");
    assert_eq!(admin.named("admin").unwrap().lifetime, 3600);
    assert!(profiles("[profiles.legacy]\nkind = \"service\"\nlifetime_seconds = 3600\nkeys = [\"rsa\"]").is_ok());
    let keys = KeyPolicy::new([KeyType::Rsa]);
    assert_ne!(format!("{keys:?}"), format!("{:?}", device.keys), "RSA is not there unless it is named");
}

#[test]
fn a_profile_that_makes_no_sense_is_refused_by_its_name() {
    let gateway = |rest: &str| format!("[profiles.gateway]\n{rest}");
    let complete = |rest: &str| gateway(&format!("kind = \"device\"\nlifetime_seconds = 3600\n{rest}"));
    let cases = [
        gateway("lifetime_seconds = 3600"),
        gateway("kind = \"device\""),
        gateway("kind = \"admin\"\nlifetime_seconds = 3600"),
        gateway("kind = \"server\"\nlifetime_seconds = 3600"),
        gateway("kind = \"device\"\nlifetime_seconds = 599"),
        gateway("kind = \"device\"\nlifetime_seconds = 31622401"),
        complete("max_lifetime_seconds = 3599"),
        complete("max_lifetime_seconds = 31622401"),
        complete("usages = []"),
        complete("usages = [\"client-auth\", \"client-auth\"]"),
        complete("keys = []"),
        complete("revocation = \"none\"\nmax_lifetime_seconds = 86401"),
        "[profiles.service]\nrevocation = \"none\"".to_owned(),
        "[profiles.intermittent]\nrevocation = \"none\"".to_owned(),
        "[profiles.ocsp]\nusages = [\"client-auth\"]".to_owned(),
        "[profiles.ocsp]\nrevocation = \"none\"\nlifetime_seconds = 3600\nmax_lifetime_seconds = 3600".to_owned(),
        "[profiles.ocsp]\nlifetime_seconds = 691200".to_owned(),
        "[profiles.ocsp]\nkind = \"device\"".to_owned(),
        "[profiles.device]\nkind = \"service\"".to_owned(),
        "[profiles.admin]\nkind = \"device\"".to_owned(),
    ];
    for text in cases {
        let error = profiles(&text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        assert!(error.to_string().starts_with("[profiles."), "{error}");
    }
    for text in [
        complete("usages = [\"any\"]"),
        complete("usages = [\"code-signing\"]"),
        complete("usages = [\"ocsp-signing\"]"),
        complete("revocation = \"ocsp\""),
        complete("keys = [\"p192\"]"),
        complete("dns_suffixes = [\"*\"]"),
        gateway("kind = \"robot\"\nlifetime_seconds = 3600"),
        "[profiles.\"Gate Way\"]\nkind = \"device\"\nlifetime_seconds = 3600".to_owned(),
        "[profiles.\"..\"]\nkind = \"device\"\nlifetime_seconds = 3600".to_owned(),
    ] {
        assert!(profiles(&text).is_err(), "{text}");
    }
}

#[test]
fn certificates_without_revocation_live_for_a_day_and_the_refusal_says_why() {
    use signet_pki::profile::Revocation;
    let found = profiles("[profiles.device]\nrevocation = \"none\"").unwrap().named("device").unwrap();
    assert_eq!((found.revocation, found.max_lifetime), (Revocation::Unavailable, DAY));
    let kept = profiles("[profiles.device]\nrevocation = \"crl\"").unwrap().named("device").unwrap();
    assert_eq!(kept.revocation, Revocation::Published);
    assert!(profiles("[profiles.service]\nrevocation = \"none\"\nmax_lifetime_seconds = 86400").is_ok());
    let error = profiles("[profiles.service]\nrevocation = \"none\"").unwrap_err();
    assert!(error.to_string().contains("24 hours") && error.to_string().contains("nobody can learn"), "{error}");
    assert!(error.hint().contains("max_lifetime_seconds"), "{}", error.hint());
}

#[test]
fn the_responder_s_profile_is_the_service_s_own() {
    let all = profiles("[profiles.ocsp]\nlifetime_seconds = 86400").unwrap();
    let found = all.named(OCSP_PROFILE).unwrap();
    assert_eq!((found.kind, found.usages.as_slice()), (PrincipalKind::Server, &[Usage::OcspSigning][..]));
    assert_eq!((found.lifetime, found.max_lifetime), (DAY, 7 * DAY));
    assert!(all.for_devices(OCSP_PROFILE).is_none());
}

#[test]
fn a_file_that_is_no_configuration_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("signet.toml");
    let missing = Config::load(&path).unwrap_err();
    assert!(missing.to_string().contains("signet.toml") && missing.hint().contains("ca init"), "{missing}");
    for content in [&b"\xff\xfe"[..], b"{}", b"[listen", &[0; 100]] {
        std::fs::write(&path, content).unwrap();
        assert!(Config::load(&path).unwrap_err().to_string().contains("signet.toml"));
    }
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(Config::load(&path).is_err(), "a megabyte is no configuration");
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(Config::load(&path).is_err());
}

/// A directory with every file that `GOOD` names.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        for name in ["secrets", "issuer"] {
            std::fs::create_dir(files.0.path().join(name)).unwrap();
        }
        let kek = Passphrase::new("5a".repeat(32)).unwrap();
        let (root_key, issuer_key) = (key(), key());
        let name = |text: &str| CaName::new(text, None).unwrap();
        let validity = (NOW.minus(DAY), NOW.plus(3650 * DAY));
        let root = self_signed(&root_key, &name("Root"), validity, [0x11; 20]).unwrap();
        let issuer = issuer(&root, &root_key, &issuer_key);
        files.write("secrets/kek", format!("{}\n", "5a".repeat(32)).as_bytes());
        files.write("issuer/issuer.key", issuer_key.to_encrypted_pem(&kek).unwrap().as_bytes());
        files.write("issuer/issuer.pem", pem::encode(Label::Certificate, issuer.der()).as_bytes());
        files.write("issuer/root.pem", pem::encode(Label::Certificate, root.der()).as_bytes());
        files.write("issuer/root.crl", pem::encode(Label::Crl, &list(&root, &root_key)).as_bytes());
        files
    }

    fn write(&self, name: &str, content: &[u8]) {
        std::fs::write(self.0.path().join(name), content).unwrap();
    }

    fn material_of(&self, text: &str, now: UnixTime) -> Result<Material, ConfigError> {
        Config::parse(text, self.0.path().to_owned()).unwrap().material(now)
    }

    fn material(&self) -> Result<Material, ConfigError> {
        self.material_of(GOOD, NOW)
    }

    /// The refusal names the file, and the hint says what to do.
    fn assert_refused(&self, named: &str, hint: &str) {
        let error = self.material().err().unwrap_or_else(|| panic!("accepted; expected {named}"));
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.hint().contains(hint), "{}", error.hint());
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate(KeyKind::P256).unwrap()
}

fn issuer(root: &IssuerCert, root_key: &PrivateKey, issuer_key: &PrivateKey) -> IssuerCert {
    let plan = IssuerPlan {
        request: CheckedCsr::from_der(&csr::make(issuer_key, "x").unwrap(), &KeyPolicy::standard()).unwrap(),
        name: CaName::new("Issuer", None).unwrap(),
        validity: (NOW.minus(DAY), NOW.plus(365 * DAY)),
        locations: Locations { crl: vec!["http://ca.example/crl/root.crl".into()], ..Locations::default() },
        permitted_dns: Vec::new(),
    };
    certify_issuer(root, root_key, plan, [0x22; 20]).unwrap()
}

fn list(root: &IssuerCert, root_key: &PrivateKey) -> Vec<u8> {
    let plan = CrlPlan::full(1, NOW, NOW.plus(400 * DAY), Entries::new());
    crl::sign(root, root_key, plan).unwrap().der().to_vec()
}

#[test]
fn files_that_belong_together_are_opened() {
    let files = Files::new();
    let material = files.material().unwrap();
    assert_eq!(*material.kek, [0x5a; 32]);
    let (issuer, key) = &material.issuers[0];
    assert_eq!(key.public_key(), issuer.public_key());
    assert!(material.blocked.is_empty());
}

#[test]
fn a_missing_file_is_named() {
    for name in ["secrets/kek", "issuer/issuer.key", "issuer/issuer.pem", "issuer/root.pem", "issuer/root.crl"] {
        let files = Files::new();
        std::fs::remove_file(files.0.path().join(name)).unwrap();
        files.assert_refused(name, "check the path");
    }
}

#[test]
fn files_that_hold_something_else_are_refused() {
    let files = Files::new();
    files.write("secrets/kek", b"not hexadecimal");
    files.assert_refused("64 hexadecimal digits", "backup");
    files.write("secrets/kek", "5b".repeat(32).as_bytes());
    files.assert_refused("issuer.key", "same installation");
    for (name, hint) in [("issuer/issuer.pem", "CA certificate"), ("issuer/root.pem", "CA certificate")] {
        let files = Files::new();
        files.write(name, b"-----BEGIN NOTHING-----");
        files.assert_refused(name, hint);
    }
    let files = Files::new();
    files.write("issuer/root.crl", b"nothing");
    files.assert_refused("root.crl", "ca root crl");
}

#[test]
fn keys_and_certificates_that_do_not_belong_together_are_refused() {
    let (files, others) = (Files::new(), Files::new());
    let copy = |name: &str| {
        files.write(name, &std::fs::read(others.0.path().join(name)).unwrap());
    };
    copy("issuer/root.crl");
    files.assert_refused("root.crl", "ca root crl");
    copy("issuer/root.pem");
    files.assert_refused("the issuer's certificate is not usable", "ca issuer install");
    copy("issuer/issuer.pem");
    files.assert_refused("is not the key of the issuer's certificate", "ca issuer install");
    copy("issuer/issuer.key");
    assert!(files.material().is_ok(), "now everything is the others'");
}

#[test]
fn an_issuer_out_of_its_time_is_refused() {
    let files = Files::new();
    for now in [NOW.minus(2 * DAY), NOW.plus(366 * DAY)] {
        let error = files.material_of(GOOD, now).err().unwrap();
        assert!(error.to_string().contains("not usable"), "{error}");
    }
}

#[test]
fn a_secret_behind_a_link_is_read_as_kubernetes_mounts_it() {
    let files = Files::new();
    let path = |name: &str| files.0.path().join(name);
    std::fs::rename(path("secrets/kek"), path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(path("elsewhere"), path("secrets/kek")).unwrap();
    files.material().unwrap();
}

#[test]
fn a_list_of_the_root_that_cannot_be_read_is_named_with_its_line() {
    let files = Files::new();
    let good = std::fs::read_to_string(files.0.path().join("issuer/root.crl")).unwrap();
    files.write("issuer/root.crl", format!("\u{feff}\r\n{good}").as_bytes());
    files.material().unwrap();
    files.write("issuer/root.crl", format!("{good}-----BEGIN X509 CRL-----\n!\n-----END X509 CRL-----\n").as_bytes());
    let line = good.lines().count() + 1;
    let message = files.material().err().unwrap().message;
    assert!(message.contains(&format!("line {line}: ")) && message.contains("not base64"), "{message}");
}

#[test]
fn blocked_keys_stand_one_a_line() {
    let files = Files::new();
    let text = GOOD.replace("[keys]", "[keys]\nblocked_spki_file = \"blocked.txt\"");
    let fingerprint = Fingerprint([0xab; 32]);
    files.write(
        "blocked.txt",
        format!("# a comment\n\n{}\n  {fingerprint} # another\n", fingerprint.colons()).as_bytes(),
    );
    assert_eq!(files.material_of(&text, NOW).unwrap().blocked, [fingerprint, fingerprint]);
    files.write("blocked.txt", b"# first\nabc\n");
    let error = files.material_of(&text, NOW).err().unwrap();
    assert!(error.to_string().contains("blocked.txt line 2"), "{error}");
    std::fs::remove_file(files.0.path().join("blocked.txt")).unwrap();
    let error = files.material_of(&text, NOW).err().unwrap();
    assert!(error.to_string().contains("blocked.txt"), "a list that is missing blocks nobody: {error}");
}

#[test]
fn the_archive_of_the_audit_log_is_off_until_it_is_named() {
    let config = parse(GOOD).unwrap();
    assert_eq!((config.audit_archive(), config.raw.audit.keep_days), (None, 90));
    let with = |lines: &str| parse(&format!("{GOOD}\n[audit]\n{lines}\n"));
    let named = with("archive_directory = \"audit\"\nkeep_days = 7\nsegment_entries = 10").unwrap();
    assert_eq!(named.audit_archive().as_deref(), Some(Path::new("/etc/signet/audit")));
    for (line, said) in [
        ("keep_days = 6", "at least 7"),
        ("segment_entries = 9", "from 10 to 300000"),
        ("segment_entries = 300001", "from 10 to 300000"),
        ("archive = \"audit\"", "unknown field"),
    ] {
        let error = with(line).err().unwrap_or_else(|| panic!("{line} was accepted"));
        assert!(error.to_string().contains(said) && !error.hint().is_empty(), "{line}: {error}");
    }
}
