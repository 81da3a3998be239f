//! PEM in and out. The only module that knows the archived `rustls-pemfile`; replacing it is a change to this file.

use data_encoding::BASE64;
use rustls_pemfile::Item;
use thiserror::Error;
use zeroize::Zeroizing;

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
}

#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PemError {
    #[error("the PEM text is damaged")]
    Damaged,
    #[error("there is no {0} block in the PEM text")]
    Missing(&'static str),
    #[error("there is more than one {0} block in the PEM text")]
    Several(&'static str),
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

/// All blocks of this label, in order. Other blocks and the text between blocks are passed over.
pub fn decode_all(label: Label, text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let relabelled = relabel(label, text);
    let text = relabelled.as_ref().map_or(text, |t| t.as_bytes());
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((item, after)) = rustls_pemfile::read_one_from_slice(rest).map_err(|_| PemError::Damaged)? {
        rest = after;
        match (label, item) {
            (Label::Certificate, Item::X509Certificate(der)) => found.push(der.to_vec()),
            (Label::Request, Item::Csr(der)) => found.push(der.to_vec()),
            (Label::Crl, Item::Crl(der)) => found.push(der.to_vec()),
            (Label::PrivateKey | Label::EncryptedPrivateKey, Item::Pkcs8Key(der)) => {
                found.push(der.secret_pkcs8_der().to_vec());
            }
            _ => {}
        }
    }
    Ok(found)
}

/// Labels that the reader does not know, turned into ones that it does: it has none for encrypted keys, which are the
/// PKCS#8 label with a prefix, nor for the older name of a request, which keytool still writes (RFC 7468 7).
fn relabel(label: Label, text: &[u8]) -> Option<Zeroizing<String>> {
    let lossy = || Zeroizing::new(String::from_utf8_lossy(text).into_owned());
    match label {
        Label::EncryptedPrivateKey => {
            // A key in the clear must not pass for an encrypted one.
            let hidden = Zeroizing::new(lossy().replace("-----BEGIN PRIVATE KEY", "-----BEGIN OTHER KEY"));
            let hidden = Zeroizing::new(hidden.replace("-----END PRIVATE KEY", "-----END OTHER KEY"));
            Some(Zeroizing::new(hidden.replace("ENCRYPTED PRIVATE KEY", "PRIVATE KEY")))
        }
        Label::Request if text.windows(4).any(|four| four == b"NEW ") => {
            Some(Zeroizing::new(lossy().replace("NEW CERTIFICATE REQUEST", "CERTIFICATE REQUEST")))
        }
        Label::Request | Label::Certificate | Label::Crl | Label::PrivateKey => None,
    }
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
    if bytes.first() == Some(&0x30) { Ok(bytes.to_vec()) } else { decode_one(label, bytes) }
}

/// Certificates of a chain or bundle file; at least one.
pub fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    let all = decode_all(Label::Certificate, text)?;
    if all.is_empty() { Err(PemError::Missing(Label::Certificate.text())) } else { Ok(all) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips() {
        for length in 0..200u8 {
            let der: Vec<u8> = (0..length).collect();
            let text = encode(Label::Certificate, &der);
            assert_eq!(decode_one(Label::Certificate, text.as_bytes()), Ok(der));
            assert!(text.lines().all(|l| l.len() <= 64));
        }
    }

    #[test]
    fn missing_several_and_damaged_are_told_apart() {
        let one = encode(Label::Crl, b"x");
        assert!(matches!(decode_one(Label::Request, one.as_bytes()), Err(PemError::Missing(_))));
        assert!(matches!(decode_one(Label::Crl, one.repeat(2).as_bytes()), Err(PemError::Several(_))));
        let cut = &one[..one.len() - 12];
        assert!(decode_one(Label::Crl, cut.as_bytes()).is_err());
    }

    #[test]
    fn encrypted_and_plain_keys_are_not_taken_for_each_other() {
        let (plain, sealed) = (encode(Label::PrivateKey, b"plain"), encode(Label::EncryptedPrivateKey, b"sealed"));
        for file in [format!("{plain}{sealed}"), format!("{sealed}{plain}")] {
            assert_eq!(decode_one(Label::PrivateKey, file.as_bytes()), Ok(b"plain".to_vec()));
            assert_eq!(decode_one(Label::EncryptedPrivateKey, file.as_bytes()), Ok(b"sealed".to_vec()));
        }
        assert!(matches!(decode_one(Label::EncryptedPrivateKey, plain.as_bytes()), Err(PemError::Missing(_))));
        assert!(matches!(decode_one(Label::PrivateKey, sealed.as_bytes()), Err(PemError::Missing(_))));
    }

    #[test]
    fn the_older_label_of_a_request_is_read_too() {
        let text = encode(Label::Request, b"x").replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST");
        assert_eq!(decode_one(Label::Request, text.as_bytes()), Ok(b"x".to_vec()));
        let both = text + &encode(Label::Request, b"y");
        assert!(matches!(decode_one(Label::Request, both.as_bytes()), Err(PemError::Several(_))));
        let crlf = encode(Label::Request, &[7; 100]).replace('\n', "\r\n");
        assert_eq!(decode_one(Label::Request, crlf.as_bytes()), Ok(vec![7; 100]));
    }

    #[test]
    fn text_that_is_no_utf8_does_not_hurt_the_block_behind_it() {
        let text = [&[0xff, 0xfe, b'\n'][..], encode(Label::Request, b"x").as_bytes()].concat();
        assert_eq!(decode_one(Label::Request, &text), Ok(b"x".to_vec()));
    }

    #[test]
    fn a_sealed_key_round_trips() {
        let key = encode(Label::EncryptedPrivateKey, b"abc");
        assert_eq!(decode_one(Label::EncryptedPrivateKey, key.as_bytes()), Ok(b"abc".to_vec()));
    }
}
