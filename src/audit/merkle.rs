//! The head of a Merkle tree (RFC 6962 2.1) over leaves that come one after the other, in a memory that grows with the
//! logarithm of their number.

use aws_lc_rs::digest::{Context, SHA256, digest};

/// The complete subtrees of a tree that is not full, the largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<[u8; 32]>,
}

impl Frontier {
    /// What [`peaks`](Frontier::peaks) gave for a tree of `size` leaves; `None` when it cannot be that.
    pub fn restore(size: u64, peaks: &[u8]) -> Option<Frontier> {
        let (chunks, rest) = peaks.as_chunks::<32>();
        let fits = rest.is_empty() && chunks.len() as u32 == size.count_ones();
        fits.then(|| Frontier { size, peaks: chunks.to_vec() })
    }

    /// 32 octets for every bit that is set in the size.
    pub fn peaks(&self) -> Vec<u8> {
        self.peaks.concat()
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf: [u8; 32]) {
        let mut node = leaf;
        // Every bit that carries when one is added to the size is a pair of equal subtrees that join.
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            node = parent(&left, &node);
        }
        self.peaks.push(node);
        self.size += 1;
    }

    pub fn root(&self) -> [u8; 32] {
        match self.peaks.split_last() {
            None => octets(digest(&SHA256, &[]).as_ref()),
            Some((last, larger)) => larger.iter().rev().fold(*last, |right, left| parent(left, &right)),
        }
    }
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(&[1]);
    context.update(left);
    context.update(right);
    octets(context.finish().as_ref())
}

fn octets(digest: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{hex, leaf_hash};

    /// Leaves and heads of the test tree of the Certificate Transparency reference implementation.
    const TREE: [(&str, &str); 8] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
    ];

    #[test]
    fn heads_are_those_of_certificate_transparency() {
        let mut tree = Frontier::default();
        assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (leaf, head) in TREE {
            tree.push(leaf_hash(&data_encoding::HEXLOWER.decode(leaf.as_bytes()).unwrap()));
            assert_eq!(hex(&tree.root()), head, "{} leaves", tree.size());
        }
    }

    #[test]
    fn a_tree_that_was_put_away_grows_on() {
        let (mut whole, mut kept) = (Frontier::default(), Frontier::default());
        for n in 0..300u32 {
            let leaf = leaf_hash(&n.to_be_bytes());
            whole.push(leaf);
            kept.push(leaf);
            kept = Frontier::restore(kept.size(), &kept.peaks()).unwrap();
        }
        assert_eq!(kept, whole);
        for (size, length) in [(300, 32), (300, 4 * 32 + 1), (0, 32)] {
            assert_eq!(Frontier::restore(size, &vec![0; length]), None, "{size} leaves in {length} octets");
        }
    }
}
