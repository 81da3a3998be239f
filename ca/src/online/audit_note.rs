//! Heads of the archived log, signed: read and judged here by rules of their own, as a checkpoint (c2sp.org/tlog-checkpoint) in
//! a signed note (c2sp.org/signed-note).

use data_encoding::BASE64;
use signet_pki::Fingerprint;
use signet_pki::ca::IssuerCert;
use signet_pki::signer;

/// A note whose signatures were not looked at yet.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) origin: String,
    /// Leaves from the beginning of the log.
    pub(super) size: u64,
    pub(super) root: [u8; 32],
    text: String,
    /// Name, and key id with signature.
    signatures: Vec<(String, Vec<u8>)>,
}

impl Note {
    pub(super) fn parse(note: &str) -> Result<Note, String> {
        let odd = || "it is not a checkpoint".to_owned();
        let (text, signatures) = note.rsplit_once("\n\n").ok_or_else(odd)?;
        let mut lines = text.lines();
        let mut line = || lines.next().filter(|line| !line.is_empty()).ok_or_else(odd);
        let (origin, size, root) = (line()?, line()?, line()?);
        let number: u64 = size.parse().map_err(|_| odd())?;
        let root: Option<[u8; 32]> = BASE64.decode(root.as_bytes()).ok().and_then(|root| root.try_into().ok());
        let (Some(root), true) = (root, number.to_string() == size) else { return Err(odd()) };
        let signatures: Option<Vec<_>> = signatures.lines().map(signature).collect();
        let signatures = signatures.filter(|all| !all.is_empty()).ok_or_else(odd)?;
        Ok(Note { origin: origin.to_owned(), size: number, root, text: format!("{text}\n"), signatures })
    }

    /// The issuer whose signature it carries. Those of strangers, witnesses for example, are passed over.
    pub(super) fn signed_by<'a>(&self, issuers: &'a [IssuerCert]) -> Result<&'a IssuerCert, String> {
        for (name, whole) in self.signatures.iter().filter(|(name, _)| *name == self.origin) {
            let mut known = issuers.iter().filter(|ca| whole.starts_with(&ca.public_key().fingerprint().0[..4]));
            let Some(issuer) = known.next() else { continue };
            let key = issuer.public_key();
            let good = |scheme| key.verify(scheme, self.text.as_bytes(), &whole[4..]);
            if signer::scheme(key).is_ok_and(good) {
                return Ok(issuer);
            }
            return Err(format!("the signature of {name} is wrong"));
        }
        Err("no issuer that your root certified has signed it".into())
    }
}

/// `— NAME BASE64`.
fn signature(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let whole = BASE64.decode(encoded.as_bytes()).ok().filter(|whole| whole.len() > 4)?;
    Some((name.to_owned(), whole))
}

/// The Merkle tree of RFC 6962 2.1, as the roots of its complete subtrees, the largest first.
#[derive(Debug, Default)]
pub(super) struct Tree {
    complete: Vec<(u32, [u8; 32])>,
}

impl Tree {
    pub(super) fn push(&mut self, leaf: [u8; 32]) {
        let (mut height, mut hash) = (0, leaf);
        while let Some((_, left)) = self.complete.pop_if(|(other, _)| *other == height) {
            hash = inner(&left, &hash);
            height += 1;
        }
        self.complete.push((height, hash));
    }

    pub(super) fn root(&self) -> [u8; 32] {
        let mut subtrees = self.complete.iter().rev().map(|(_, hash)| *hash);
        let Some(smallest) = subtrees.next() else { return Fingerprint::of(&[]).0 };
        subtrees.fold(smallest, |right, left| inner(&left, &right))
    }
}

/// RFC 6962 2.1: SHA-256 over 0x00 and the bytes of the leaf.
pub(super) fn leaf(canonical: &str) -> [u8; 32] {
    Fingerprint::of(&[&[0], canonical.as_bytes()].concat()).0
}

fn inner(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Fingerprint::of(&[&[1], left.as_slice(), right].concat()).0
}

/// A note with room for the signatures of many witnesses.
pub(super) const MAX_NOTE: usize = 64 << 10;

#[cfg(test)]
#[path = "audit_note_tests.rs"]
mod tests;
