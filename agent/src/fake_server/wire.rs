//! HTTP as far as the fake server needs it.

use signet_api::{ErrorCode, Problem};
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
