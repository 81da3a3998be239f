//! What proxies say about a client's certificate: Envoy's `X-Forwarded-Client-Cert`, and percent escapes as nginx writes them.

use std::borrow::Cow;

/// One element of the header: the certificate of one connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// SHA-256 of the certificate, hex.
    pub hash: Option<String>,
    /// PEM, without escapes.
    pub certificate: Option<String>,
    /// URI names of the certificate, in order.
    pub uris: Vec<String>,
}

/// Elements of the header, the nearest connection last. `None` for what is no such header; keys that nothing here needs are
/// passed over, a key that may stand once and stands twice is not.
pub fn elements(header: &str) -> Option<Vec<Element>> {
    let mut rest = header;
    let mut all = vec![Element::default()];
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = value(after)?;
        all.last_mut()?.take(key.trim(), value)?;
        match after.chars().next() {
            None => return Some(all),
            Some(';') => {}
            Some(',') if all.len() < ELEMENTS => all.push(Element::default()),
            Some(_) => return None,
        }
        rest = &after[1..];
    }
}

impl Element {
    fn take(&mut self, key: &str, value: Cow<'_, str>) -> Option<()> {
        let once = |slot: &mut Option<String>, value: String| slot.replace(value).is_none().then_some(());
        // Keys are case-insensitive.
        match key.to_ascii_lowercase().as_str() {
            "hash" => once(&mut self.hash, value.into_owned()),
            "cert" => once(&mut self.certificate, unescape(&value)?),
            "uri" => {
                self.uris.push(value.into_owned());
                (self.uris.len() <= URIS).then_some(())
            }
            "by" | "subject" | "dns" | "chain" => Some(()),
            _ => None,
        }
    }
}

/// A value and what follows it. An equals sign inside, as URIs have it, is no separator. In quotes a value may hold separators, and
/// quotes behind a backslash.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (!value.contains('"')).then_some((value.into(), rest));
    };
    let mut out = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((out.into(), &quoted[at + 1..])),
            '\\' => out.push(characters.next()?.1),
            other => out.push(other),
        }
    }
    None
}

/// Percent escapes become octets, which have to be UTF-8; a plus sign stays one. `None` for an escape that is none.
pub fn unescape(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        out.push(match octet {
            b'%' => hex(octets.next()?)? << 4 | hex(octets.next()?)?,
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// Proxies behind one another; nobody has so many.
const ELEMENTS: usize = 16;
/// Certificates of ours have one.
const URIS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_writes_is_read() {
        let header = "By=spiffe://a/service/web;Hash=0badc0de;Cert=\"-----BEGIN%20CERTIFICATE-----%0AQUJD%2B%0A\";\
            Subject=\"CN=a,O=\\\"b;c\\\"\";URI=spiffe://a/device/x;DNS=x.example";
        let all = elements(header).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].hash.as_deref(), Some("0badc0de"));
        assert_eq!(all[0].certificate.as_deref(), Some("-----BEGIN CERTIFICATE-----\nQUJD+\n"));
        assert_eq!(all[0].uris, ["spiffe://a/device/x"]);
    }

    #[test]
    fn elements_of_several_connections_stay_apart() {
        let all = elements("Hash=aa;URI=spiffe://a/device/x?b=c,Hash=bb;URI=").unwrap();
        let hashes: Vec<_> = all.iter().map(|e| e.hash.as_deref().unwrap()).collect();
        assert_eq!(hashes, ["aa", "bb"]);
        assert_eq!((all[0].uris[0].as_str(), all[1].uris[0].as_str()), ("spiffe://a/device/x?b=c", ""));
    }

    #[test]
    fn t23_a_header_that_could_be_read_in_two_ways_is_none() {
        let many = "Hash=a,".repeat(17) + "Hash=a";
        let wrong = [
            "",
            "Hash",
            "Hash=aa;Hash=bb",
            "Cert=\"a\";cert=\"b\"",
            "Hash=\"aa",
            "Hash=\"aa\"x;URI=b",
            "Hash=a\"b",
            "Cert=%4",
            "Cert=%zz",
            "Cert=%ff",
            "Hash=aa;",
            "Hash=aa,",
            "Other=1;Hash=aa",
            &many,
        ];
        for header in wrong {
            assert_eq!(elements(header), None, "{header}");
        }
    }

    #[test]
    fn t20_a_long_header_costs_no_more_than_its_length() {
        let long = format!("Subject=\"{}\"", "\\\"".repeat(30_000));
        assert_eq!(elements(&long), Some(vec![Element::default()]));
        assert_eq!(
            elements(&"Hash=".repeat(6_000)),
            Some(vec![Element { hash: Some("Hash=".repeat(5_999)), ..Element::default() }])
        );
        assert_eq!(elements(&"URI=a;".repeat(6_000)), None);
    }

    #[test]
    fn escapes_are_taken_away_once() {
        assert_eq!(unescape("a%2520b+%2B").as_deref(), Some("a%20b++"));
        for wrong in ["%", "%2", "%g0", "%ff"] {
            assert_eq!(unescape(wrong), None);
        }
    }
}
