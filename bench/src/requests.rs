//! Requests of the native protocol, as octets that only have to be sent.

use anyhow::{Result, bail};
use data_encoding::BASE64_NOPAD;
use signet_api::admin::{CreateTokens, CreatedTokens, TokenKind, TokenTarget};
use signet_api::client::Client;
use signet_api::enroll::{EnrollRequest, HardwareFacts, RenewRequest};
use signet_pki::ocsp::{CertId, OcspRequest};

use crate::key::DeviceKey;
use crate::wire::Target;

/// How a device sends its CSR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// The JSON envelope, as the agent sends it
    Json,
    /// The bare PKCS#10 request, as curl sends it
    Bare,
}

/// One-time tokens that need no approval: they are good on this host only.
pub(crate) async fn tokens(admin: &Client, count: usize, batch: &str) -> Result<Vec<String>> {
    let mut tokens = Vec::with_capacity(count);
    while tokens.len() < count {
        let now = (count - tokens.len()).min(ORDER);
        let order = CreateTokens {
            kind: TokenKind::Batch,
            profile: "device".into(),
            groups: vec!["bench".into()],
            lifetime: None,
            batch: Some(format!("{batch}-{}", tokens.len())),
            cidr: Some("127.0.0.0/8".into()),
            approval: false,
            permissions: None,
            replace: false,
            targets: vec![TokenTarget::default(); now],
        };
        let created: CreatedTokens = admin.post_json("/v1/admin/tokens", &order).await?;
        if created.tokens.len() != now {
            bail!("{now} tokens were ordered and {} came", created.tokens.len());
        }
        tokens.extend(created.tokens.into_iter().map(|t| t.token));
    }
    Ok(tokens)
}

pub(crate) fn enroll(target: &Target, token: &str, key: &DeviceKey, form: Form) -> Result<Vec<u8>> {
    let csr = key.request_pem()?;
    let body = match form {
        Form::Json => serde_json::to_vec(&EnrollRequest { csr, facts: HardwareFacts::default() })?,
        Form::Bare => csr.into_bytes(),
    };
    Ok(post(target, "/v1/enroll", &content(form, &format!("Authorization: Bearer {token}\r\n")), &body))
}

pub(crate) fn renew(target: &Target, key: &DeviceKey, form: Form) -> Result<Vec<u8>> {
    let csr = key.request_pem()?;
    let body = match form {
        Form::Json => serde_json::to_vec(&RenewRequest { csr, device: None, profile: None, groups: None })?,
        Form::Bare => csr.into_bytes(),
    };
    Ok(post(target, "/v1/renew", &content(form, ""), &body))
}

pub(crate) fn whoami(target: &Target) -> Vec<u8> {
    format!("GET /v1/whoami HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority).into_bytes()
}

/// `GET` without a nonce. Padding alone has to be escaped for this parser; slashes and plus signs travel as they are.
pub(crate) fn ocsp_get(target: &Target, id: CertId) -> Result<Vec<u8>> {
    let text = BASE64_NOPAD.encode(&OcspRequest::new(vec![id], None)?.to_der());
    Ok(format!("GET /ocsp/{text} HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority).into_bytes())
}

/// `POST` with a nonce of its own.
pub(crate) fn ocsp_post(target: &Target, id: CertId, nonce: u128) -> Result<Vec<u8>> {
    let body = OcspRequest::new(vec![id], Some(nonce.to_be_bytes().to_vec()))?.to_der();
    Ok(post(target, "/ocsp", "Content-Type: application/ocsp-request\r\n", &body))
}

/// `headers` are whole lines.
pub(crate) fn post(target: &Target, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let (host, length) = (&target.authority, body.len());
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n").into_bytes();
    request.extend_from_slice(body);
    request
}

fn content(form: Form, more: &str) -> String {
    match form {
        Form::Json => format!("Content-Type: application/json\r\nAccept: application/json\r\n{more}"),
        // The answer is asked for in JSON, because the certificates are used afterwards.
        Form::Bare => format!("Content-Type: application/pkcs10\r\nAccept: application/json\r\n{more}"),
    }
}

/// Half of what one order may have.
const ORDER: usize = 5_000;
