//! PKCS#8 under a passphrase: PBES2 (RFC 8018 6.2) with scrypt (RFC 7914) and AES-256-CBC.

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{Decode, Encode, SecretDocument};
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::scrypt;
use pkcs8::{EncryptedPrivateKeyInfo, EncryptedPrivateKeyInfoRef};
use zeroize::Zeroizing;

use super::KeyError;
use crate::passphrase::Passphrase;
use crate::random;

pub(super) fn encrypt(plain: &[u8], passphrase: &Passphrase) -> Result<SecretDocument, KeyError> {
    let internal = |_| KeyError::Internal;
    let salt: [u8; 16] = random::bytes().map_err(|_| KeyError::Internal)?;
    let iv: [u8; 16] = random::bytes().map_err(|_| KeyError::Internal)?;
    let cost = scrypt::Params::new(LOG_N, BLOCK_SIZE, PARALLEL).map_err(|_| KeyError::Internal)?;
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(internal)?;
    let secret = parameters.encrypt(passphrase.as_bytes(), plain).map_err(internal)?;
    let encrypted_data = OctetStringRef::new(&secret).map_err(|_| KeyError::Internal)?;
    let info = EncryptedPrivateKeyInfo { encryption_algorithm: parameters.into(), encrypted_data };
    let der = info.to_der().map_err(|_| KeyError::Internal)?;
    SecretDocument::try_from(der).map_err(|_| KeyError::Internal)
}

/// What comes back may still be garbage: one wrong passphrase in 256 leaves a padding that looks right.
pub(super) fn decrypt(der: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = EncryptedPrivateKeyInfoRef::from_der(der).map_err(|_| KeyError::Unsupported)?;
    check_cost(&info.encryption_algorithm)?;
    let plain = info
        .encryption_algorithm
        .decrypt(passphrase.as_bytes(), info.encrypted_data.as_bytes())
        .map_err(|_| KeyError::WrongPassphrase)?;
    let plain = Zeroizing::new(plain);
    // Garbage is no DER of exactly this length, and then the passphrase is the likely reason.
    if super::second_opinion::is_private_key_info(&plain) { Ok(plain) } else { Err(KeyError::WrongPassphrase) }
}

/// The file decides what opening it costs, so it is asked before the work is done.
fn check_cost(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else { return Err(KeyError::Unsupported) };
    let affordable = match &parameters.kdf {
        Kdf::Scrypt(cost) => {
            let memory = cost.cost_parameter.saturating_mul(u64::from(cost.block_size)).saturating_mul(128);
            memory <= MAX_SCRYPT_MEMORY && cost.parallelization <= MAX_PARALLEL
        }
        Kdf::Pbkdf2(cost) => cost.iteration_count <= MAX_ITERATIONS,
        _ => return Err(KeyError::Unsupported),
    };
    if affordable { Ok(()) } else { Err(KeyError::TooCostly) }
}

/// N = 2^14, the most that OpenSSL 3.0 opens without being told to.
const LOG_N: u8 = 14;
const BLOCK_SIZE: u32 = 8;
const PARALLEL: u32 = 1;
/// Sixteen times what we use ourselves.
const MAX_SCRYPT_MEMORY: u64 = 256 << 20;
const MAX_PARALLEL: u16 = 16;
/// OWASP asks for 600 000; a few seconds at most.
const MAX_ITERATIONS: u32 = 10_000_000;
