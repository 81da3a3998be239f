//! Percent encoding.

/// A path segment, a query's or a form's value that may hold anything (RFC 3986 2.3).
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_form_is_encoded() {
        assert_eq!(escape("devices:read a&b=c+d%é"), "devices%3Aread%20a%26b%3Dc%2Bd%25%C3%A9");
    }
}
