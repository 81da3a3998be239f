//! Bytes that are made once and handed out as they are.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use signet_pki::Fingerprint;
use signet_pki::crl::SignedList;

/// Prepared bytes with the headers that belong to them. Clones share both.
#[derive(Debug, Clone)]
pub struct Document {
    pub bytes: Bytes,
    pub content_type: &'static str,
    /// Quoted, as HTTP wants it.
    pub etag: String,
    sha256: Arc<OnceLock<Fingerprint>>,
}

impl Document {
    /// A list under a name that no other list ever had: whose, and which number (RFC 5280 4.2.1.13, RFC 2585 4.2).
    pub(super) fn list(list: SignedList, name: &str) -> Document {
        Document::named(Bytes::from_owner(list), "application/pkix-crl", name)
    }

    /// The same as PEM.
    pub(super) fn list_pem(text: String, name: &str) -> Document {
        Document::named(text.into(), "application/x-pem-file", name)
    }

    pub fn crl(der: Vec<u8>) -> Document {
        Document::hashed(der, "application/pkix-crl")
    }

    /// RFC 2585 4.1.
    pub fn certificate(der: Vec<u8>) -> Document {
        Document::hashed(der, "application/pkix-cert")
    }

    /// Anything else that only our own programs read.
    pub fn octets(bytes: Vec<u8>) -> Document {
        Document::hashed(bytes, "application/octet-stream")
    }

    pub fn pem(text: String) -> Document {
        Document::hashed(text.into_bytes(), "application/x-pem-file")
    }

    pub fn json(text: String) -> Document {
        Document::hashed(text.into_bytes(), "application/json")
    }

    /// Of the bytes. Calculated when somebody asks: a list has millions of octets, and most are never asked for it.
    pub fn sha256(&self) -> Fingerprint {
        *self.sha256.get_or_init(|| Fingerprint::of(&self.bytes))
    }

    fn hashed(bytes: Vec<u8>, content_type: &'static str) -> Document {
        let sha256 = Fingerprint::of(&bytes);
        let etag = format!("\"{}\"", &sha256.to_string()[..32]);
        Document { bytes: bytes.into(), content_type, etag, sha256: Arc::new(OnceLock::from(sha256)) }
    }

    fn named(bytes: Bytes, content_type: &'static str, name: &str) -> Document {
        Document { bytes, content_type, etag: format!("\"{name}\""), sha256: Arc::default() }
    }
}
