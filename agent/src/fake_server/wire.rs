//! HTTP as far as the fake server needs it.

use signet_api::services::{FailMode, RegisterService, ServiceDetail, ServiceInfo};
use signet_api::{ErrorCode, Problem};
use signet_pki::DeviceId;
use signet_pki::view::CertificateView;
use tokio::io::AsyncReadExt;

pub(super) fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

pub(super) fn refusal(code: ErrorCode, after: Option<u64>) -> String {
    let after = after.map(|s| format!("retry-after: {s}\r\n")).unwrap_or_default();
    let headers = format!("content-type: application/problem+json\r\n{after}");
    reply(code.status(), &headers, &json(&Problem::new(code, None, "req-7".into())))
}

pub(super) fn reply(status: u16, headers: &str, body: &str) -> String {
    let rfc2822 = time::format_description::well_known::Rfc2822;
    let date = time::OffsetDateTime::now_utc().format(&rfc2822).unwrap().replace("+0000", "GMT");
    format!("HTTP/1.1 {status} X\r\ndate: {date}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

/// What a registration is answered with; also what taking it back is.
pub(super) fn registered(path: &str, body: &str, peer: &CertificateView) -> String {
    let id = peer.common_name.clone().unwrap();
    if path != format!("/v1/services/{id}") {
        return refusal(ErrorCode::Forbidden, None);
    }
    let asked = serde_json::from_str::<RegisterService>(body).ok();
    let info = ServiceInfo {
        status: "active".into(),
        dns_names: asked.as_ref().map(|asked| asked.dns_names.clone()).unwrap_or_default(),
        ports: asked.as_ref().map(|asked| asked.ports.clone()).unwrap_or_default(),
        resources: asked.and_then(|asked| asked.resources).unwrap_or_else(|| vec![format!("service:{id}")]),
        fail_mode: FailMode::Closed,
        address: None,
        serial: peer.serial.to_string(),
        registered_by: format!("service:{id}"),
        registered_at: peer.not_before.to_string(),
        changed_at: peer.not_before.to_string(),
        id: DeviceId::parse(&id).unwrap(),
    };
    reply(200, "", &json(&ServiceDetail { service: info, present: None }))
}

pub(super) async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
