//! The public key of a PKCS#8 document, found without the library that signs: stored, recomputed, and compared.

use p256::elliptic_curve::ALGORITHM_OID;
use p256::elliptic_curve::sec1::ToSec1Point;
use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{Decode, Reader, Tag, TagNumber, Tagged};
use pkcs8::{AssociatedOid, DecodePrivateKey, PrivateKeyInfoRef};

use super::{KeyError, KeyKind};

/// Whether a key may come without the public key that proves it undamaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoredPublicKey {
    Required,
    Optional,
}

/// Whether these bytes are a `PrivateKeyInfo` from the first to the last: what random bytes do not look like.
pub(super) fn is_private_key_info(der: &[u8]) -> bool {
    PrivateKeyInfoRef::from_der(der).is_ok()
}

pub(super) fn kind(der: &[u8]) -> Result<KeyKind, KeyError> {
    let info = PrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Unsupported)?;
    let has = |curve| info.algorithm.assert_oids(ALGORITHM_OID, curve).is_ok();
    match (has(p256::NistP256::OID), has(p384::NistP384::OID)) {
        (true, _) => Ok(KeyKind::P256),
        (_, true) => Ok(KeyKind::P384),
        _ => Err(KeyError::Unsupported),
    }
}

/// The uncompressed point that belongs to the scalar.
pub(super) fn public_point(der: &[u8], kind: KeyKind, stored: StoredPublicKey) -> Result<Vec<u8>, KeyError> {
    let computed = match kind {
        KeyKind::P256 => {
            let key = p256::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Damaged)?;
            key.public_key().to_sec1_point(false).as_bytes().to_vec()
        }
        KeyKind::P384 => {
            let key = p384::SecretKey::from_pkcs8_der(der).map_err(|_| KeyError::Damaged)?;
            key.public_key().to_sec1_point(false).as_bytes().to_vec()
        }
    };
    match (stored_point(der).map_err(|_| KeyError::Damaged)?, stored) {
        (Some(point), _) if point == computed.as_slice() => Ok(computed),
        (None, StoredPublicKey::Optional) => Ok(computed),
        _ => Err(KeyError::Damaged),
    }
}

/// `publicKey [1]` of `ECPrivateKey` (RFC 5915 3).
fn stored_point(der: &[u8]) -> pkcs8::der::Result<Option<&[u8]>> {
    let info = PrivateKeyInfoRef::from_der(der)?;
    AnyRef::from_der(info.private_key.as_bytes())?.sequence(|fields| {
        while !fields.is_finished() {
            let field: AnyRef<'_> = fields.decode()?;
            if field.tag() == PUBLIC_KEY {
                return Ok(BitStringRef::from_der(field.value())?.as_bytes());
            }
        }
        Ok(None)
    })
}

const PUBLIC_KEY: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(1) };
