//! The handshake of RFC 6455 over HTTP/1.1, section 4.2.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};
use axum::response::IntoResponse;
use data_encoding::BASE64;
use signet_api::ErrorCode;

use super::super::refusal::Refusal;

/// A request that asks for a WebSocket as it has to.
pub(super) struct Handshake {
    accept: String,
    names_protocol: bool,
}

impl Handshake {
    pub(super) fn of(request: &Request) -> Result<Handshake, Refusal> {
        let headers = request.headers();
        let malformed = |what: &str| Refusal::told(ErrorCode::MalformedRequest, format!("no WebSocket: {what}"));
        if request.version() != Version::HTTP_11 {
            return Err(malformed("it begins with an upgrade, which is HTTP/1.1"));
        }
        if !has_token(headers, header::CONNECTION, "upgrade") || !has_token(headers, header::UPGRADE, "websocket") {
            return Err(malformed("the request does not say Connection: Upgrade and Upgrade: websocket"));
        }
        if only(headers, header::SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
            return Err(malformed("Sec-WebSocket-Version is not 13"));
        }
        let key = only(headers, header::SEC_WEBSOCKET_KEY).unwrap_or_default();
        if BASE64.decode(key).map(|octets| octets.len()) != Ok(16) {
            return Err(malformed("Sec-WebSocket-Key is not 16 octets in Base64"));
        }
        let names_protocol = has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
        Ok(Handshake { accept: accept(key), names_protocol })
    }

    pub(super) fn answer(self) -> Response<Body> {
        let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")];
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        // Base64 is a header's value.
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            response.headers_mut().insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.names_protocol {
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
        }
        response
    }
}

/// A refusal says which version there is (RFC 6455 4.4).
pub(super) fn with_version(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    response
}

/// RFC 6455 4.2.2. What SHA-1 does here is no protection of anything.
fn accept(key: &[u8]) -> String {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(context.finish().as_ref())
}

fn has_token(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

fn only(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

const PROTOCOL: &str = "signet.events.v1";
const VERSION: &str = "13";

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl Fn(&mut HeaderMap)) -> Request {
        let mut request = Request::builder()
            .uri("/v1/events/ws")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(Body::empty())
            .unwrap();
        change(request.headers_mut());
        request
    }

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        let answer = Handshake::of(&request(|_| ())).unwrap().answer();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!answer.headers().contains_key("sec-websocket-protocol"));
        let offer =
            |h: &mut HeaderMap| drop(h.insert("sec-websocket-protocol", "chat, signet.events.v1".parse().unwrap()));
        let answer = Handshake::of(&request(offer)).unwrap().answer();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "signet.events.v1");
    }

    #[test]
    fn what_is_not_a_handshake_is_refused() {
        let set = |name: &'static str, value: &'static str| {
            move |h: &mut HeaderMap| drop(h.insert(name, value.parse().unwrap()))
        };
        type Change = Box<dyn Fn(&mut HeaderMap)>;
        let bad: [Change; 8] = [
            Box::new(set("connection", "close")),
            Box::new(set("upgrade", "h2c")),
            Box::new(set("sec-websocket-version", "8")),
            Box::new(set("sec-websocket-key", "c2hvcnQ=")),
            Box::new(set("sec-websocket-key", "not base64")),
            Box::new(|h| drop(h.remove("sec-websocket-key"))),
            Box::new(|h| assert!(h.append("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==".parse().unwrap()))),
            Box::new(|h| assert!(h.append("sec-websocket-version", "13".parse().unwrap()))),
        ];
        for change in bad {
            assert_eq!(Handshake::of(&request(change)).err().unwrap().code, ErrorCode::MalformedRequest);
        }
        let mut other = request(|_| ());
        *other.version_mut() = Version::HTTP_2;
        assert!(Handshake::of(&other).is_err());
    }
}
