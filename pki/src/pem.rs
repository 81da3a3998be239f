//! PEM in and out (RFC 7468): the one reader of the text files that hold certificates, requests, CRLs and keys.
//!
//! Which blocks there are is decided here, so that none is passed over in silence; what is between the two lines of one is decoded
//! by the archived `rustls-pemfile`, which this module alone knows.

use data_encoding::BASE64;
use rustls_pemfile::Item;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::text::{self, TextError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Certificate,
    Request,
    Crl,
    PrivateKey,
    EncryptedPrivateKey,
}

impl Label {
    fn text(self) -> &'static str {
        match self {
            Label::Certificate => "CERTIFICATE",
            Label::Request => "CERTIFICATE REQUEST",
            Label::Crl => "X509 CRL",
            Label::PrivateKey => "PRIVATE KEY",
            Label::EncryptedPrivateKey => "ENCRYPTED PRIVATE KEY",
        }
    }

    /// Its own name, or an older one that is still written (RFC 7468 5 to 7).
    fn is_written(self, name: &[u8]) -> bool {
        let older: &[&str] = match self {
            Label::Certificate => &["X509 CERTIFICATE", "X.509 CERTIFICATE"],
            Label::Request => &["NEW CERTIFICATE REQUEST"],
            Label::Crl => &["CRL"],
            Label::PrivateKey | Label::EncryptedPrivateKey => &[],
        };
        self.text().as_bytes() == name || older.iter().any(|other| other.as_bytes() == name)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PemError {
    #[error("line {line}: {what}")]
    Damaged { line: usize, what: Damage },
    #[error("there is no {0} block in the PEM text")]
    Missing(&'static str),
    #[error("there is more than one {0} block in the PEM text")]
    Several(&'static str),
    #[error(transparent)]
    Text(#[from] TextError),
}

/// What was found in place of a block that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damage {
    #[error("a block labelled '{0}', which is none that is known here")]
    UnknownLabel(String),
    #[error("a line with '-----{0}' that neither begins nor ends a block")]
    Boundary(&'static str),
    #[error("the {0} block that begins here has no END line")]
    NoEnd(String),
    #[error("an END line of '{0}' that belongs to no block")]
    WrongEnd(String),
    #[error("the {0} block that begins here cannot be read: it is not base64")]
    NotBase64(String),
    #[error("the {0} block that begins here has header lines, which are not read here")]
    Headers(String),
}

/// One block with lines of 64 characters (RFC 7468).
pub fn encode(label: Label, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let mut out = String::with_capacity(base64.len() / 64 * 65 + 130 + 2 * label.text().len());
    out.push_str("-----BEGIN ");
    out.push_str(label.text());
    out.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label.text());
    out.push_str("-----\n");
    out
}

/// All blocks of this label, in order.
///
/// Read as RFC 7468 2 allows: explanatory text around blocks, blank lines, blanks around lines, every kind of line end, a
/// byte-order mark. A block of another label that is known is passed over. A block is never skipped for any other reason:
/// what begins like one and cannot be read is an error with its line.
pub fn decode_all(label: Label, text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let text = text::without_mark(text)?;
    let mut lines = Lines { rest: text, number: 0 };
    let mut found = Vec::new();
    while let Some((line, content)) = lines.next() {
        match boundary(content).map_err(|what| PemError::Damaged { line, what })? {
            None => {}
            Some(Boundary::End(name)) => return Err(PemError::Damaged { line, what: Damage::WrongEnd(shown(name)) }),
            Some(Boundary::Begin(name)) => {
                let block = Block { name, line };
                let wanted = label.is_written(name);
                if !wanted && !PASSED_OVER.iter().any(|known| known.as_bytes() == name) {
                    return Err(block.damaged(Damage::UnknownLabel));
                }
                let base64 = block.body(&mut lines)?;
                if wanted {
                    found.push(block.decode(label, &base64)?);
                }
            }
        }
    }
    Ok(found)
}

/// A block whose BEGIN line was read.
struct Block<'a> {
    name: &'a [u8],
    line: usize,
}

impl Block<'_> {
    /// Everything up to the END line, without blanks and line ends.
    fn body(&self, lines: &mut Lines<'_>) -> Result<Zeroizing<Vec<u8>>, PemError> {
        // Room for everything at once: a buffer that grows leaves copies of keys behind.
        let room = text::find(lines.rest, END).ok_or_else(|| self.damaged(Damage::NoEnd))?;
        let mut base64 = Zeroizing::new(Vec::with_capacity(room));
        for (line, content) in lines.by_ref() {
            match boundary(content).map_err(|what| PemError::Damaged { line, what })? {
                None => base64.extend(content.iter().filter(|b| !b.is_ascii_whitespace())),
                Some(Boundary::End(name)) if name == self.name => return Ok(base64),
                Some(Boundary::End(name)) => {
                    return Err(PemError::Damaged { line, what: Damage::WrongEnd(shown(name)) });
                }
                Some(Boundary::Begin(_)) => break,
            }
        }
        Err(self.damaged(Damage::NoEnd))
    }

    fn decode(&self, label: Label, base64: &[u8]) -> Result<Vec<u8>, PemError> {
        // The encapsulated headers of RFC 1421, which RFC 7468 2 does without.
        if base64.contains(&b':') {
            return Err(self.damaged(Damage::Headers));
        }
        let damaged = || self.damaged(Damage::NotBase64);
        // The decoder passes over labels that it does not know: an encrypted key goes under that of a plain one.
        let name = if label == Label::EncryptedPrivateKey { Label::PrivateKey } else { label }.text().as_bytes();
        let pieces = [b"-----BEGIN ", name, DASHES, b"\n", base64, b"\n-----END ", name, DASHES, b"\n"];
        let mut block = Zeroizing::new(Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum()));
        pieces.iter().for_each(|piece| block.extend_from_slice(piece));
        match rustls_pemfile::read_one_from_slice(&block) {
            Ok(Some((Item::X509Certificate(der), _))) => Ok(der.to_vec()),
            Ok(Some((Item::Csr(der), _))) => Ok(der.to_vec()),
            Ok(Some((Item::Crl(der), _))) => Ok(der.to_vec()),
            Ok(Some((Item::Pkcs8Key(der), _))) => Ok(der.secret_pkcs8_der().to_vec()),
            Ok(_) | Err(_) => Err(damaged()),
        }
    }

    fn damaged(&self, what: fn(String) -> Damage) -> PemError {
        PemError::Damaged { line: self.line, what: what(shown(self.name)) }
    }
}

enum Boundary<'a> {
    Begin(&'a [u8]),
    End(&'a [u8]),
}

/// A line that has the words of a boundary and is none is refused: the block that it was meant for would be lost.
fn boundary(line: &[u8]) -> Result<Option<Boundary<'_>>, Damage> {
    let label = |prefix: &[u8]| line.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(DASHES));
    if let Some(name) = label(b"-----BEGIN ") {
        return Ok(Some(Boundary::Begin(name)));
    }
    if let Some(name) = label(b"-----END ") {
        return Ok(Some(Boundary::End(name)));
    }
    // Base64 has no dashes: most lines are not searched.
    let has = |word: &[u8]| line.contains(&b'-') && text::find(line, word).is_some();
    match (has(BEGIN), has(END)) {
        (true, _) => Err(Damage::Boundary("BEGIN")),
        (_, true) => Err(Damage::Boundary("END")),
        (false, false) => Ok(None),
    }
}

/// Lines with their numbers from 1, without line ends (CRLF, CR or LF, RFC 7468 3) and the blanks around them.
struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Iterator for Lines<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<(usize, &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(self.rest.len());
        let (line, after) = self.rest.split_at(end);
        let ending = if after.starts_with(b"\r\n") { 2 } else { after.len().min(1) };
        self.rest = &after[ending..];
        self.number += 1;
        Some((self.number, line.trim_ascii()))
    }
}

/// A label for people: bounded, and safe for a terminal.
fn shown(label: &[u8]) -> String {
    label.iter().take(40).map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '?' }).collect()
}

/// Exactly one block of this label.
pub fn decode_one(label: Label, text: &[u8]) -> Result<Vec<u8>, PemError> {
    let mut all = decode_all(label, text)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(PemError::Several(label.text())),
        (None, _) => Err(PemError::Missing(label.text())),
    }
}

/// A document that may arrive as PEM (text in front of the block is passed over) or as DER: DER begins with a SEQUENCE.
pub fn pem_or_der(label: Label, bytes: &[u8]) -> Result<Vec<u8>, PemError> {
    if is_der(bytes) { Ok(bytes.to_vec()) } else { decode_one(label, bytes) }
}

/// All documents of a file: those of PEM text, at least one, or one in DER.
pub fn all_or_der(label: Label, bytes: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    if is_der(bytes) {
        return Ok(vec![bytes.to_vec()]);
    }
    let all = decode_all(label, bytes)?;
    if all.is_empty() { Err(PemError::Missing(label.text())) } else { Ok(all) }
}

/// Text in front of a block may begin with the digit that is a SEQUENCE in DER; its second octet is then a short length.
fn is_der(bytes: &[u8]) -> bool {
    let is_long = bytes.get(1).is_some_and(|length| *length >= 0x80);
    bytes.first() == Some(&0x30) && (is_long || text::find(bytes, BEGIN).is_none())
}

/// Certificates of a chain or bundle file; at least one.
pub fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let all = decode_all(Label::Certificate, text)?;
    if all.is_empty() { Err(PemError::Missing(Label::Certificate.text())) } else { Ok(all) }
}

const DASHES: &[u8] = b"-----";
const BEGIN: &[u8] = b"-----BEGIN";
const END: &[u8] = b"-----END";
/// What stands beside the wanted blocks in files of other programs, and is read by others.
const PASSED_OVER: [&str; 19] = [
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "X.509 CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "X509 CRL",
    "CRL",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
    "DSA PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PUBLIC KEY",
    "EC PARAMETERS",
    "DH PARAMETERS",
    "PKCS7",
    "CMS",
    "ATTRIBUTE CERTIFICATE",
];

#[cfg(test)]
#[path = "pem_tests.rs"]
mod tests;
