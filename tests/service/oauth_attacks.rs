//! T39 and T40: forged tokens, and refresh tokens in the wrong hands.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use signet::jwt::TokenKeys;
use signet::store::Owner;
use signet_api::jwt::Confirmation;
use signet_api::oauth::TokenResponse;
use signet_api::{Credential, CredentialKind, ErrorCode};
use signet_keys::{KeyKind, PrivateKey};
use signet_pki::Fingerprint;
use signet_pki::signer::Signer;

use crate::support::oauth::{As, oauth_error, signed};
use crate::support::{Device, TestService};

fn encode(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

/// Whatever header and claims somebody likes, signed by a key of ours or somebody else's.
fn forged(header: &str, claims: &str, key: &PrivateKey) -> String {
    let text = format!("{}.{}", encode(header), encode(claims));
    let der = key.sign(text.as_bytes()).unwrap();
    let signature = p256::ecdsa::Signature::from_der(&der).unwrap();
    format!("{text}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

async fn refused(service: &TestService, token: &str, what: &str) -> ErrorCode {
    let reply = service.bearer(None, token, "/v1/admin/devices").await;
    assert_eq!(reply.status, 401, "{what}: {}", reply.text());
    assert!(!service.introspect(token).await.active, "{what}");
    reply.problem().code
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_no_token_with_another_header_is_believed_even_with_our_key_behind_it() {
    let service = TestService::start().await;
    let account = service.account("acme", "role:owner").await.id;
    assert_eq!(account.as_str(), "acme");
    let (key, kid) = (service.token_key(), TokenKeys::kid_of(&service.token_key()).unwrap());
    let claims = service.claims("account:acme");
    // The claims are good: this is what the thief of the key could do.
    let reply = service.bearer(None, &signed(&claims, &key), "/v1/admin/devices").await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let claims = serde_json::to_string(&claims).unwrap();
    let header = |rest: &str| format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"{rest}}}"#);
    let good = forged(&header(""), &claims, &key);
    assert_eq!(service.bearer(None, &good, "/v1/admin/devices").await.status, 200);
    let other = PrivateKey::generate(KeyKind::P256).unwrap();
    let (own_kid, jwk) = (TokenKeys::kid_of(&other).unwrap(), signet_api::jwt::Jwk::of(other.public_key()).unwrap());
    let jwk = serde_json::to_string(&jwk).unwrap();
    let headers = [
        header(r#","jku":"https://thief.example/jwks.json""#),
        header(r#","x5u":"https://thief.example/key.pem""#),
        header(&format!(r#","jwk":{jwk}"#)),
        header(r#","x5c":["MIIB"]"#),
        header(r#","crit":["exp"],"exp":1"#),
        header(r#","b64":false,"crit":["b64"]"#),
        header(r#","zip":"DEF""#),
        header(&format!(r#","kid":"{kid}""#)),
        header(r#","alg":"none""#),
        format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"es256","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES384","typ":"at+jwt","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#),
        r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned(),
        format!(r#"["ES256","at+jwt","{kid}"]"#),
        format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{own_kid}"}}"#),
        r#"{"alg":"ES256","typ":"at+jwt","kid":"../../../../dev/null"}"#.to_owned(),
        r#"{"alg":"ES256","typ":"at+jwt","kid":"' OR 1=1 --"}"#.to_owned(),
        r#"{"alg":"ES256","typ":"at+jwt","kid":["x"]}"#.to_owned(),
    ];
    for header in &headers {
        for key in [&key, &other] {
            assert_eq!(refused(&service, &forged(header, &claims, key), header).await, ErrorCode::CredentialInvalid);
        }
    }
    // The right header and somebody else's key.
    refused(&service, &forged(&header(""), &claims, &other), "another key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_no_algorithm_but_ours_and_no_signature_but_the_one_of_64_octets() {
    let service = TestService::start().await;
    service.stored_account("acme", "role:owner").await;
    let (key, kid) = (service.token_key(), TokenKeys::kid_of(&service.token_key()).unwrap());
    let token = signed(&service.claims("account:acme"), &key);
    let (text, signature) = token.rsplit_once('.').unwrap();
    let raw = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    let with = |bytes: &[u8]| format!("{text}.{}", BASE64URL_NOPAD.encode(bytes));
    let claims = text.split_once('.').unwrap().1;
    // The public key as the secret of an HMAC, in each form in which a library may hold it.
    let spki = key.public_key().spki().to_vec();
    let lines = data_encoding::BASE64.encode(&spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &lines[..64], &lines[64..]);
    for secret in [&spki[..], key.public_key().key_bits(), pem.as_bytes()] {
        let text = format!("{}.{claims}", encode(&format!(r#"{{"alg":"HS256","typ":"at+jwt","kid":"{kid}"}}"#)));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        refused(&service, &format!("{text}.{}", BASE64URL_NOPAD.encode(tag.as_ref())), "HS256").await;
    }
    let none = format!("{}.{claims}.", encode(&format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{kid}"}}"#)));
    refused(&service, &none, "none").await;
    refused(&service, &format!("{text}."), "an empty signature").await;
    refused(&service, &with(&raw[..63]), "a short signature").await;
    refused(&service, &with(&[&raw[..], &[0]].concat()), "a long signature").await;
    refused(&service, &with(&[0; 64]), "zeros").await;
    let der = p256::ecdsa::Signature::from_slice(&raw).unwrap().to_der();
    refused(&service, &with(der.as_bytes()), "DER").await;
    refused(&service, &format!("{token}="), "padding").await;
    refused(&service, &format!("{token}.x"), "four parts").await;
    refused(&service, &format!("{text}.+{}", &signature[1..]), "another alphabet").await;
    // The last character of 64 octets carries four bits that nobody needs.
    let last = signature.chars().last().unwrap();
    let twin = char::from_u32(last as u32 + 1).unwrap();
    refused(&service, &format!("{text}.{}{twin}", &signature[..signature.len() - 1]), "the twin of the end").await;
    // With the other s the signature holds as well: the token is the same one by its jti, and is revoked with it.
    let s = p256::ecdsa::Signature::from_slice(&raw).unwrap();
    let (r, s) = (s.r(), -*s.s());
    let twin = with(&p256::ecdsa::Signature::from_scalars(r.to_bytes(), s.to_bytes()).unwrap().to_bytes());
    assert_ne!(twin, token);
    assert_eq!(service.bearer(None, &twin, "/v1/admin/devices").await.status, 200);
    assert_eq!(service.form(As::Nobody, "/v1/oauth/revoke", &[("token", &token)]).await.status, 200);
    for one in [&token, &twin] {
        assert_eq!(refused(&service, one, "revoked").await, ErrorCode::CredentialRevoked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn t39_claims_that_are_not_ours_are_refused_although_the_signature_holds() {
    let service = TestService::start().await;
    service.stored_account("acme", "role:owner").await;
    let device = service.device("sensor-1").await;
    let key = service.token_key();
    let good = service.claims("account:acme");
    let now = good.iat;
    let mut wrong = Vec::new();
    let mut change = |what: &'static str, apply: &dyn Fn(&mut signet_api::jwt::Claims)| {
        let mut claims = good.clone();
        apply(&mut claims);
        wrong.push((what, signed(&claims, &key)));
    };
    change("another issuer", &|c| c.iss = "https://thief.example".into());
    change("expired", &|c| c.exp = now);
    change("from the future", &|c| c.iat = now + 61);
    change("nobody", &|c| c.sub = "account:nobody".into());
    change("no kind", &|c| c.sub = "acme".into());
    change("another kind's name", &|c| c.sub = "device:acme".into());
    change("a session that never was", &|c| {
        c.sid = Some(Credential::from_random(CredentialKind::Refresh, &[9; 24]).id().clone());
    });
    change("a key that never was", &|c| {
        c.key = Some(Credential::from_random(CredentialKind::ApiKey, &[9; 24]).id().clone());
    });
    change("a certificate that never was", &|c| c.cert = Some("01".into()));
    for (what, token) in &wrong {
        refused(&service, token, what).await;
    }
    let mut claims = good.clone();
    claims.aud = "https://files.example".into();
    let foreign = service.bearer(None, &signed(&claims, &key), "/v1/admin/devices").await;
    assert_eq!(foreign.problem().code, ErrorCode::CredentialInvalid);
    // A clock a minute off, but no more, is a clock.
    let mut claims = good.clone();
    claims.iat = now + 60;
    assert_eq!(service.bearer(None, &signed(&claims, &key), "/v1/admin/devices").await.status, 200);
    // The binding is looked at before anything else that might let it in.
    let mut claims = good.clone();
    claims.cnf = Some(Confirmation { certificate: Fingerprint([7; 32]) });
    let bound = signed(&claims, &key);
    for who in [None, Some(&device)] {
        assert_eq!(service.bearer(who, &bound, "/v1/admin/devices").await.problem().code, ErrorCode::CredentialInvalid);
    }
    let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, TokenKeys::kid_of(&key).unwrap());
    let text = serde_json::to_string(&good).unwrap();
    let body = text.strip_suffix('}').unwrap();
    let claims = [
        format!("{body},\"nbf\":{}}}", now + 3600),
        format!("{body},\"sub\":\"admin:admin\"}}"),
        format!("{body},\"exp\":{}}}", now + 999_999),
        text.replace(&format!("\"exp\":{}", good.exp), "\"exp\":1e99"),
        text.replace(&format!("\"exp\":{}", good.exp), "\"exp\":\"9999999999\""),
        text.replace(&format!(",\"exp\":{}", good.exp), ""),
        format!("[{text}]"),
        format!("{text}{text}"),
        "{}".into(),
        String::new(),
    ];
    for claims in &claims {
        refused(&service, &forged(&header, claims, &key), claims).await;
    }
}

async fn session(service: &TestService, device: &Device) -> TokenResponse {
    service.access_token(As::Device(device), "offline_access").await
}

#[tokio::test(flavor = "multi_thread")]
async fn t40_a_thief_with_another_certificate_ends_the_session_and_gets_nothing() {
    let service = TestService::start().await;
    let (device, thief) = (service.device("sensor-1").await, service.device("thief").await);
    let first = session(&service, &device).await;
    let token = first.refresh_token.clone().unwrap();
    let next: TokenResponse = service.refresh(As::Device(&device), &token).await.json();
    let next_token = next.refresh_token.clone().unwrap();
    assert_ne!(next_token, token);
    let reply = service.refresh(As::Device(&thief), &next_token).await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (400, "invalid_grant"));
    let reply = service.refresh(As::Device(&device), &next_token).await;
    assert_eq!(oauth_error(&reply), "invalid_grant");
    for access in [&first.access_token, &next.access_token] {
        assert!(!service.introspect(access).await.active);
        let reply = service.bearer(Some(&device), access, "/v1/whoami").await;
        assert_eq!(reply.problem().code, ErrorCode::CredentialRevoked);
    }
    let alarms = service.audit_of("alarm.refresh_token_reused").await;
    assert_eq!(alarms.len(), 1);
    assert!(alarms[0].canonical.contains("device:thief"));
    // The certificate itself is good: the device begins anew.
    session(&service, &device).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn t40_a_thief_without_a_key_gets_nothing_and_changes_nothing() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let token = session(&service, &device).await.refresh_token.unwrap();
    let account = service.account("acme", "role:owner").await.id;
    let entries = service.audit().await.len();
    let reply = service.refresh(As::Nobody, &token).await;
    assert_eq!((reply.status, oauth_error(&reply).as_str()), (400, "invalid_grant"));
    assert_eq!(service.audit().await.len(), entries);
    assert_eq!(service.refresh(As::Device(&device), &token).await.status, 200);
    // A key of somebody else is a proof of being somebody else.
    let (key, _) = service.api_key(Owner::Account(account), "", None).await;
    let token = session(&service, &device).await.refresh_token.unwrap();
    assert_eq!(oauth_error(&service.refresh(As::Key(&key), &token).await), "invalid_grant");
    assert_eq!(oauth_error(&service.refresh(As::Device(&device), &token).await), "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn t40_a_token_used_twice_ends_the_session_when_it_is_no_retry() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    // After the window.
    let token = session(&service, &device).await.refresh_token.unwrap();
    let next: TokenResponse = service.refresh(As::Device(&device), &token).await.json();
    service.clock().advance(61);
    assert_eq!(oauth_error(&service.refresh(As::Device(&device), &token).await), "invalid_grant");
    let next_token = next.refresh_token.unwrap();
    assert_eq!(oauth_error(&service.refresh(As::Device(&device), &next_token).await), "invalid_grant");
    assert!(!service.introspect(&next.access_token).await.active);
    // Inside it, after the successor was used.
    let token = session(&service, &device).await.refresh_token.unwrap();
    let next: TokenResponse = service.refresh(As::Device(&device), &token).await.json();
    let last: TokenResponse = service.refresh(As::Device(&device), &next.refresh_token.unwrap()).await.json();
    assert_eq!(oauth_error(&service.refresh(As::Device(&device), &token).await), "invalid_grant");
    let last_token = last.refresh_token.unwrap();
    assert_eq!(oauth_error(&service.refresh(As::Device(&device), &last_token).await), "invalid_grant");
    assert_eq!(service.audit_of("alarm.refresh_token_reused").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn t05_unknown_refresh_tokens_and_wrong_secrets_look_alike_and_slow_the_guesser_down() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let token = session(&service, &device).await.refresh_token.unwrap();
    let own = Credential::parse(CredentialKind::Refresh, &token).unwrap();
    let unknown = Credential::from_random(CredentialKind::Refresh, &[9; 24]).expose().to_string();
    // The right id with another secret, and a check that fits.
    let wrong = (0..)
        .map(|n: u64| {
            let mut random = [0; 24];
            random[8..16].copy_from_slice(&n.to_be_bytes());
            Credential::from_random(CredentialKind::Refresh, &random).expose().to_string()
        })
        .map(|text| with_id(&text, own.id().as_str()))
        .find(|text| Credential::parse(CredentialKind::Refresh, text).is_ok_and(|c| c.id() == own.id()))
        .unwrap();
    let tell = |reply: &crate::support::Reply| {
        let problem: signet_api::Problem = reply.json();
        (reply.status, problem.code, problem.detail, problem.error, problem.error_description)
    };
    let (one, other) =
        (service.refresh(As::Device(&device), &unknown).await, service.refresh(As::Device(&device), &wrong).await);
    assert_eq!(tell(&one), tell(&other));
    assert_eq!(one.json::<signet_api::Problem>().code, ErrorCode::InvalidGrant);
    let mut status = 400;
    for _ in 0..200 {
        status = service.refresh(As::Device(&device), &unknown).await.status;
        if status == 429 {
            break;
        }
    }
    assert_eq!(status, 429);
}

/// Another id in front, and the check that belongs to it.
fn with_id(text: &str, id: &str) -> String {
    let secret = &text.rsplit('_').next().unwrap()[..26];
    let mut crc = flate2::Crc::new();
    crc.update(format!("sgr_{id}_{secret}").as_bytes());
    let mut specification = data_encoding::Specification::new();
    specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    let check = specification.encoding().unwrap().encode(&crc.sum().to_be_bytes());
    format!("sgr_{id}_{secret}{check}")
}

#[tokio::test(flavor = "multi_thread")]
async fn t28_the_database_holds_no_token_and_nothing_to_make_one_of() {
    let service = TestService::start().await;
    let device = service.device("sensor-1").await;
    let first = session(&service, &device).await;
    let next: TokenResponse = service.refresh(As::Device(&device), &first.refresh_token.clone().unwrap()).await.json();
    let mut secrets = Vec::new();
    for token in [&first, &next] {
        let refresh = Credential::parse(CredentialKind::Refresh, token.refresh_token.as_deref().unwrap()).unwrap();
        secrets.push(refresh.expose_secret().to_vec());
        secrets.push(token.refresh_token.clone().unwrap().rsplit('_').next().unwrap().as_bytes()[..26].to_vec());
        secrets.push(token.access_token.rsplit('.').next().unwrap().as_bytes().to_vec());
    }
    let key = service.token_key();
    let scalar = p256::pkcs8::DecodePrivateKey::from_pkcs8_der(key.pkcs8_der());
    let scalar: p256::ecdsa::SigningKey = scalar.unwrap();
    secrets.push(scalar.to_bytes().to_vec());
    let installation = service.stop().await;
    for (path, bytes) in installation.all_files() {
        for secret in &secrets {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "{}", path.display());
        }
    }
}
