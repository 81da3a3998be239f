//! Media types of bodies (RFC 9110 8.3.1): type and subtype in either case, with parameters. All of ours are UTF-8.

use axum::http::{HeaderMap, header};
use signet_api::ErrorCode;

use super::refusal::Refusal;

/// Type and subtype in lower case, without parameters; `None` when the request does not say.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut named = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (named.next(), named.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(refused("two Content-Type headers; send one")),
    };
    let text = value.to_str().map_err(|_| refused("a Content-Type that is not ASCII"))?;
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        if name.trim().eq_ignore_ascii_case("charset") && !is_ours(value.trim()) {
            return Err(refused(&format!("charset {:?}; bodies are UTF-8", value.trim())));
        }
    }
    Ok(Some(essence))
}

fn is_ours(charset: &str) -> bool {
    let bare = charset.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(charset);
    ["utf-8", "utf8", "us-ascii"].iter().any(|ours| bare.eq_ignore_ascii_case(ours))
}

fn refused(told: &str) -> Refusal {
    Refusal::told(ErrorCode::UnsupportedMedia, told)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(value: &str) -> Result<Option<String>, ErrorCode> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(value).unwrap());
        of(&headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn parameters_are_read_and_a_foreign_charset_is_refused() {
        let json = Ok(Some("application/json".to_owned()));
        let good = ["application/json", "Application/JSON; charset=utf-8", "application/json ;charset=\"UTF-8\"; x=y"];
        for value in good {
            assert_eq!(read(value), json, "{value}");
        }
        for value in ["application/json; charset=utf-16", "application/json;charset=latin1", "text/plain; charset"] {
            assert_eq!(read(value), Err(ErrorCode::UnsupportedMedia), "{value}");
        }
        assert_eq!(of(&HeaderMap::new()).unwrap(), None);
    }
}
