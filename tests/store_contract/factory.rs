//! Material for orders: one authority for the whole run, keys and certificates as cheap as they come.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
pub(crate) use signet::store::AuditDraft;
use signet::store::{
    ChangeDevice, Claim, CreateTokens, IssueCommit, Mode, Origin, PrincipalRecord, PrincipalStatus, Prune, Redemption,
    Restoration, RestoredList, RevokeOrder, RevokeTarget, RevokeTokens, Step, TokenRecord, TokenSelection, TokenStatus,
};
use signet_api::admin::TokenKind;
use signet_api::credential::{Credential, CredentialKind};
use signet_api::scope::Scopes;
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::ca::{CaName, IssuerCert, IssuerPlan, certify_issuer, self_signed};
use signet_pki::crl::Reason;
use signet_pki::csr::{self, CheckedCsr};
use signet_pki::issue::{LeafPlan, LintedTbs, Locations, Signed, Subject};
use signet_pki::key_policy::KeyPolicy;
use signet_pki::name::PrincipalKind;
use signet_pki::profile::{Profile, Revocation, Usage};
use signet_pki::{DeviceId, Serial, TrustDomain, UnixTime};

pub(crate) const NOW: UnixTime = UnixTime(1_800_000_000);
pub(crate) const DAY: i64 = 86_400;

pub(crate) struct Authority {
    pub(crate) issuer: IssuerCert,
    signer: PrivateKey,
}

pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let (root_signer, signer) = (key(), key());
        let name = |text| CaName::new(text, Some("Example")).unwrap();
        let validity = (NOW.minus(DAY), NOW.plus(3650 * DAY));
        let root = self_signed(&root_signer, &name("Root"), validity, [0x11; 20]).unwrap();
        let request = csr::make(&signer, "issuer").unwrap();
        let plan = IssuerPlan {
            request: CheckedCsr::parse(&request, &KeyPolicy::any()).unwrap(),
            name: name("Issuer"),
            validity,
            locations: Locations::default(),
            permitted_dns: Vec::new(),
        };
        let issuer = certify_issuer(&root, &root_signer, plan, [0x22; 20]).unwrap();
        Authority { issuer, signer }
    })
}

pub(crate) fn key() -> PrivateKey {
    PrivateKey::generate(KeyKind::P256).unwrap()
}

/// Twenty octets that no other call of this run gives.
pub(crate) fn unique() -> [u8; 20] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bytes = [0x5a; 20];
    bytes[12..].copy_from_slice(&NEXT.fetch_add(1, Ordering::SeqCst).to_be_bytes());
    bytes
}

pub(crate) fn id(text: &str) -> DeviceId {
    DeviceId::parse(text).unwrap()
}

/// A device that nobody knows yet, as it shall be.
pub(crate) fn device(name: &str) -> PrincipalRecord {
    PrincipalRecord {
        id: id(name),
        kind: PrincipalKind::Device,
        status: PrincipalStatus::Active,
        profile: "device".into(),
        groups: vec!["sensors".into()],
        dns_names: Vec::new(),
        addresses: Vec::new(),
        hardware_serial: None,
        bundle_seen: None,
        created_at: NOW,
        recoveries: None,
        account: None,
        permissions: None,
        version: 0,
    }
}

pub(crate) fn token(device: &str) -> TokenRecord {
    let unique = unique();
    let mut random = [7; 24];
    // The id is made of the first fifty bits.
    random[..8].copy_from_slice(&unique[14..].iter().rev().copied().chain([0, 0]).collect::<Vec<u8>>());
    TokenRecord {
        id: Credential::from_random(CredentialKind::Enrollment, &random).id().clone(),
        kind: TokenKind::Interactive,
        hash: [9; 32],
        status: TokenStatus::Active,
        batch: None,
        device: id(device),
        profile: "device".into(),
        groups: vec!["sensors".into()],
        dns_names: Vec::new(),
        hardware_serial: None,
        spki: None,
        cidr: None,
        approval: false,
        replace: false,
        created_at: NOW,
        created_by: "admin:alice".into(),
        expires_at: NOW.plus(900),
        claimed_spki: None,
        redeemed_at: None,
        redeemed_serial: None,
    }
}

pub(crate) fn batch_token(device: &str, batch: &str) -> TokenRecord {
    TokenRecord { kind: TokenKind::Batch, batch: Some(batch.into()), ..token(device) }
}

pub(crate) fn approval_token(device: &str) -> TokenRecord {
    TokenRecord { approval: true, ..token(device) }
}

pub(crate) fn draft(kind: &'static str, subject: &str) -> AuditDraft {
    let number = u64::from_be_bytes(unique()[12..].try_into().unwrap());
    AuditDraft {
        kind,
        actor: "admin:alice".into(),
        subject: subject.into(),
        request_id: format!("req-{number}"),
        detail: json!({}),
        at: NOW,
    }
}

pub(crate) fn order(tokens: &[TokenRecord]) -> CreateTokens {
    CreateTokens {
        tokens: tokens.to_vec(),
        kind: PrincipalKind::Device,
        permissions: None,
        outranked_by: Scopes::all(),
        large_batch: None,
        origin: Origin::default(),
        draft: draft("token.created", "tokens"),
    }
}

pub(crate) fn sign(principal: &PrincipalRecord, key: &PrivateKey, now: UnixTime, serial: [u8; 20]) -> Signed {
    sign_in_shard(principal, key, now, serial, None)
}

fn sign_in_shard(
    principal: &PrincipalRecord,
    key: &PrivateKey,
    now: UnixTime,
    serial: [u8; 20],
    shard: Option<u16>,
) -> Signed {
    let authority = authority();
    let profile = Profile {
        name: principal.profile.clone(),
        kind: principal.kind,
        usages: vec![Usage::ClientAuth],
        lifetime: DAY,
        max_lifetime: 7 * DAY,
        keys: KeyPolicy::any(),
        dns_suffixes: Vec::new(),
        reuse_key: false,
        revocation: Revocation::Published,
    };
    let subject = Subject {
        domain: TrustDomain::parse("example.org").unwrap(),
        kind: principal.kind,
        id: principal.id.clone(),
        dns_names: principal.dns_names.clone(),
        addresses: principal.addresses.clone(),
    };
    let request = CheckedCsr::parse(&csr::make(key, "x").unwrap(), &KeyPolicy::any()).unwrap();
    let plan = LeafPlan::new(&profile, subject, request, &authority.issuer, now, None, serial).unwrap();
    let linted = LintedTbs::prepare(&authority.issuer, &locations(shard), plan.in_shard(shard)).unwrap();
    linted.sign(&authority.issuer, &authority.signer).unwrap()
}

fn locations(shard: Option<u16>) -> Locations {
    let crl = shard.map(|_| "http://ca.example/crl/issuer.crl".to_owned()).into_iter().collect();
    Locations { crl, ..Locations::default() }
}

/// The revocations of a list that somebody still had.
pub(crate) fn restoration(issuer: &[u8], serials: &[Serial]) -> Restoration {
    let revocations = serials.iter().map(|serial| (serial.clone(), NOW, Reason::KeyCompromise)).collect();
    Restoration {
        lists: vec![RestoredList { issuer: issuer.to_vec(), number: 1, revocations }],
        now: NOW,
        draft: draft("store.restored", "store"),
    }
}

pub(crate) fn issue(redemption: Redemption, principal: PrincipalRecord, key: &PrivateKey) -> IssueCommit {
    issue_at(redemption, principal, key, NOW)
}

pub(crate) fn issue_at(
    redemption: Redemption,
    principal: PrincipalRecord,
    key: &PrivateKey,
    now: UnixTime,
) -> IssueCommit {
    let signed = sign(&principal, key, now, unique());
    let detail = json!({ "serial": signed.facts().serial.to_string() });
    let draft = AuditDraft { detail, at: now, ..draft("certificate.enrolled", principal.id.as_str()) };
    IssueCommit { signed, redemption, origin: Origin::default(), principal, now, entry: (&draft).into() }
}

/// By an administrator's word, on the list of a shard.
pub(crate) fn issue_in_shard(principal: PrincipalRecord, shard: u16) -> IssueCommit {
    let signed = sign_in_shard(&principal, &key(), NOW, unique(), Some(shard));
    let draft = draft("certificate.issued", principal.id.as_str());
    let (redemption, origin) = (Redemption::Manual, Origin::default());
    IssueCommit { signed, redemption, origin, principal, now: NOW, entry: (&draft).into() }
}

pub(crate) fn claim(token: &TokenRecord, key: &PrivateKey) -> Claim {
    use signet_pki::signer::Signer;
    Claim {
        token: token.id.clone(),
        spki: key.public_key().fingerprint(),
        hardware_serial: Some("HW-1".into()),
        now: NOW,
        draft: draft("enrollment.pending", token.device.as_str()),
    }
}

pub(crate) fn step(device: &str, step: Step) -> ChangeDevice {
    ChangeDevice::step(id(device), step, NOW, draft("device.changed", device))
}

pub(crate) fn revocation(target: RevokeTarget, mode: Mode) -> RevokeOrder {
    RevokeOrder { target, reason: Reason::KeyCompromise, now: NOW, mode, draft: draft("revocation", "target") }
}

/// Everything that ended before `end`.
pub(crate) fn prune(end: UnixTime, limit: u32) -> Prune {
    Prune { certificates_before: end, revocations_before: end, tokens_before: end, alarms_before: end, limit }
}

pub(crate) fn revoke_tokens(which: TokenSelection) -> RevokeTokens {
    RevokeTokens { which, now: NOW, draft: draft("token.revoked", "tokens") }
}

pub(crate) fn target_device(device: &str) -> RevokeTarget {
    RevokeTarget::Device(id(device))
}

pub(crate) fn target_serial(serial: &Serial) -> RevokeTarget {
    RevokeTarget::Serial(serial.clone())
}
