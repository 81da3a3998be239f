use signet_pki::signer::Signer;

use super::*;
use crate::online::admin_dir::tests::{Authority, new_key};

fn bytes(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}

#[test]
fn heads_are_those_of_certificate_transparency() {
    // The test tree of the reference implementation: leaves, and the head after each.
    let known = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ];
    let mut tree = Tree::default();
    assert_eq!(tree.root().to_vec(), bytes("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    for (octets, head) in known {
        tree.push(Fingerprint::of(&[vec![0], bytes(octets)].concat()).0);
        assert_eq!(tree.root().to_vec(), bytes(head), "{octets}");
    }
}

/// A line of a signature, with the key id of this key.
fn line(name: &str, key: &dyn Signer, text: &str) -> String {
    let whole = [&key.public_key().fingerprint().0[..4], &key.sign(text.as_bytes()).unwrap()].concat();
    format!("\u{2014} {name} {}\n", BASE64.encode(&whole))
}

#[test]
fn signatures_of_strangers_are_passed_over_and_wrong_ones_are_not() {
    let (ours, theirs) = (Authority::new("Ours"), Authority::new("Theirs"));
    let issuers = [ours.issuer.clone()];
    let text = format!("log\n5\n{}\n", BASE64.encode(&[9; 32]));
    let signed = |lines: &[String]| {
        let note = Note::parse(&format!("{text}\n{}", lines.concat())).unwrap();
        note.signed_by(&issuers).map(|issuer| issuer.short_id())
    };
    let good = line("log", &ours.issuer_key, &text);
    let witness = line("witness", &new_key(), &text);
    assert_eq!(signed(&[witness.clone(), good.clone()]), Ok(ours.issuer.short_id()));
    assert_eq!(signed(&[good, witness.clone()]), Ok(ours.issuer.short_id()));
    assert!(signed(&[witness]).unwrap_err().contains("no issuer"));
    assert!(signed(&[line("log", &theirs.issuer_key, &text)]).unwrap_err().contains("no issuer"));
    assert!(signed(&[line("other", &ours.issuer_key, &text)]).unwrap_err().contains("no issuer"));
    assert!(signed(&[line("log", &ours.issuer_key, "log\n6\n")]).unwrap_err().contains("is wrong"));
}

#[test]
fn what_is_no_checkpoint_is_not_read_as_one() {
    let (root, signature) = (BASE64.encode(&[9; 32]), format!("\u{2014} log {}\n", BASE64.encode(&[1; 9])));
    let note = |text: &str| Note::parse(&format!("{text}\n\n{signature}"));
    assert_eq!(note(&format!("log\n5\n{root}")).unwrap().size, 5);
    // Lines that somebody may add one day are signed and not understood.
    assert_eq!(note(&format!("log\n5\n{root}\nmore")).unwrap().size, 5);
    for text in ["", "log\n5", "log\n05\nROOT", "log\n+5\nROOT", "log\n-1\nROOT", "\n5\nROOT", "log\nfive\nROOT"] {
        assert!(note(&text.replace("ROOT", &root)).is_err(), "{text:?}");
    }
    assert!(note(&format!("log\n5\n{}", BASE64.encode(&[9; 31]))).is_err());
    for bad in ["", "log AAAA\n", "\u{2014} log AAAA\n", "\u{2014} log\n", "\u{2014} log !!!!!!!!\n"] {
        assert!(Note::parse(&format!("log\n5\n{root}\n\n{bad}")).is_err(), "{bad:?}");
    }
}
