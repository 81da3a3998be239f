//! What pages in browsers may do, and what streams take for those who cannot send headers.

use serde::Deserialize;

use super::ConfigError;
use super::raw::RawListen;

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawEvents {
    /// Streams take an API key as `?key=` and an access token as `?token=`: for clients that can do nothing else. Addresses
    /// stand in the logs of proxies and in the history of browsers.
    pub query_secrets: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawBrowser {
    /// Pages of these origins may follow events: `https://console.example`, as browsers send it (RFC 6454 6.2).
    pub origins: Vec<String>,
    /// Lets `*` and plain `http://` stand among them; on a machine that nobody else reaches.
    pub development: bool,
}

impl RawBrowser {
    pub(super) fn check(&self, listen: &RawListen) -> Result<(), ConfigError> {
        if self.origins.len() > MOST {
            return Err(ConfigError::new(
                format!("browser.origins: at most {MOST}"),
                "list the pages that follow events",
            ));
        }
        let loopback = [listen.tls, listen.plain, listen.local].iter().all(|address| address.ip().is_loopback());
        if self.development && !loopback {
            let hint = "listen on 127.0.0.1, or leave it out and list the origins";
            return Err(ConfigError::new("browser.development is for loopback addresses", hint));
        }
        match self.origins.iter().find(|origin| !self.is_origin(origin)) {
            None => Ok(()),
            Some(origin) => Err(ConfigError::new(
                format!("browser.origins: {origin:?} is not of the form https://HOST[:PORT]"),
                "write each as the browser sends it: lower case, no path, no default port; * with browser.development alone",
            )),
        }
    }

    fn is_origin(&self, text: &str) -> bool {
        if text == ANY {
            return self.development;
        }
        let rest = match text.strip_prefix("https://") {
            Some(rest) => Some(rest).filter(|rest| !rest.ends_with(":443")),
            None => text.strip_prefix("http://").filter(|rest| self.development && !rest.ends_with(":80")),
        };
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-:[]".contains(c);
        rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(good))
    }

    /// Whether pages of this origin may follow events.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|listed| listed == origin) || self.allows_any()
    }

    /// Also those that are not listed: without anything that the browser holds for them.
    pub fn allows_any(&self) -> bool {
        self.origins.iter().any(|listed| listed == ANY)
    }
}

const ANY: &str = "*";
/// Compared one by one at every request with an origin.
const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&str], development: bool, tls: &str) -> bool {
        let [tls, plain, local] = [tls, "127.0.0.1:2", "127.0.0.1:3"].map(|address| address.parse().unwrap());
        let origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        RawBrowser { origins, development }.check(&RawListen { tls, plain, local }).is_ok()
    }

    #[test]
    fn t43_origins_are_exact_and_everybody_is_for_development_alone() {
        let (near, far) = ("127.0.0.1:1", "192.0.2.1:8443");
        for good in ["https://console.example", "https://console.example:8444", "https://[2001:db8::1]:444"] {
            assert!(check(&[good], false, far), "{good}");
        }
        for bad in [
            "*",
            "null",
            "",
            "https://",
            "console.example",
            "http://console.example",
            "https://console.example/",
            "https://Console.example",
            "https://console.example:443",
            "https://*.example",
            "https://a@b",
            "https://a b",
        ] {
            assert!(!check(&[bad], false, far), "{bad}");
        }
        assert!(check(&["*"], true, near) && check(&["http://localhost:5173"], true, near));
        assert!(!check(&["*"], false, near) && !check(&[], true, far));
        let browser = RawBrowser { origins: vec!["https://a.example".into()], development: false };
        assert!(browser.allows("https://a.example") && !browser.allows_any());
        for other in ["https://a.example.evil.example", "https://a.example:444", "http://a.example", "null", "*"] {
            assert!(!browser.allows(other), "{other}");
        }
    }
}
