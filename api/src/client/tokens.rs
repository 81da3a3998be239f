//! Access tokens, for whoever the connection's certificate says.

use super::{Client, ClientError, Method};
use crate::oauth::TokenResponse;

impl Client {
    /// By client credentials over mTLS (RFC 8705). Without a scope: everything that the certificate allows; without an
    /// audience: for the service itself.
    pub async fn access_token(
        &self,
        scope: Option<&str>,
        audience: Option<&str>,
    ) -> Result<TokenResponse, ClientError> {
        let mut form = "grant_type=client_credentials".to_owned();
        for (name, value) in [("scope", scope), ("resource", audience)] {
            if let Some(value) = value {
                form += &format!("&{name}={}", encode(value));
            }
        }
        let body = ("application/x-www-form-urlencoded", form.into_bytes());
        self.send(Method::POST, "/v1/oauth/token", &[], Some(body)).await?.json()
    }
}

/// Everything but what needs no encoding anywhere (RFC 3986 2.3).
fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_form_is_encoded() {
        assert_eq!(encode("devices:read a&b=c+d%é"), "devices%3Aread%20a%26b%3Dc%2Bd%25%C3%A9");
    }
}
