use std::fs;
use std::io::Write;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use signet_keys::PrivateKey;
use signet_pki::pem::Label;
use signet_pki::signer::Signer;

use super::*;
use crate::online::admin_dir::tests::{Authority, new_key};
use crate::online::audit_chain::tests::log;

/// An archive as a service writes it.
pub(in crate::online) struct Site {
    directory: tempfile::TempDir,
    authority: Authority,
    lines: Vec<String>,
    per_segment: usize,
}

impl Site {
    pub(in crate::online) fn new(entries: u64, per_segment: usize) -> Site {
        let lines = log(entries).into_iter().map(|entry| entry.canonical).collect();
        let authority = Authority::new("Ours");
        let site = Site { directory: tempfile::tempdir().unwrap(), authority, lines, per_segment };
        site.write_all(&site.lines);
        site.write("issuer-x.pem", pem::encode(Label::Certificate, site.authority.issuer.der()).as_bytes());
        site
    }

    pub(in crate::online) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(in crate::online) fn check(&self) -> Result<Checked, String> {
        self.check_with(None)
    }

    /// Segments from the one that begins with `first` on are not there any more.
    pub(in crate::online) fn remove_from(&self, first: usize) {
        for at in (first..=self.lines.len()).step_by(self.per_segment) {
            fs::remove_file(self.path().join(self.file(at))).unwrap();
            fs::remove_file(self.path().join(self.file(at).replace(".jsonl.gz", ".checkpoint"))).unwrap();
        }
    }

    /// The file of the segment that begins with `first` loses its last octets.
    pub(in crate::online) fn cut(&self, first: usize) {
        let bytes = self.read(&self.file(first));
        self.write(&self.file(first), &bytes[..bytes.len() - 20]);
    }

    fn check_with(&self, kept: Option<&Note>) -> Result<Checked, String> {
        let archive = Archive::open(self.path()).unwrap();
        let issuers = archive.issuers(std::slice::from_ref(&self.authority.root)).unwrap();
        archive.check(&issuers, kept).map_err(|finding| finding.to_string())
    }

    fn file(&self, first: usize) -> String {
        let last = (first - 1 + self.per_segment).min(self.lines.len());
        format!("audit-{first:012}-{last:012}.jsonl.gz")
    }

    /// Every segment with the checkpoint that belongs to these lines.
    fn write_all(&self, lines: &[String]) {
        let mut tree = Tree::default();
        for (at, piece) in lines.chunks(self.per_segment).enumerate() {
            let first = at * self.per_segment + 1;
            piece.iter().for_each(|line| tree.push(leaf(line)));
            self.write(&self.file(first), &gz(piece));
            self.sign(first, &note("ours", first - 1 + piece.len(), tree.root(), &self.authority.issuer_key));
        }
    }

    fn sign(&self, first: usize, note: &str) {
        self.write(&self.file(first).replace(".jsonl.gz", ".checkpoint"), note.as_bytes());
    }

    fn note(&self, first: usize) -> Note {
        let text = self.read(&self.file(first).replace(".jsonl.gz", ".checkpoint"));
        Note::parse(std::str::from_utf8(&text).unwrap()).unwrap()
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.path().join(file), bytes).unwrap();
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.path().join(file)).unwrap()
    }
}

fn gz(lines: &[String]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    lines.iter().for_each(|line| writeln!(out, "{line}").unwrap());
    out.finish().unwrap()
}

/// The last line was begun and not ended.
fn unfinished(lines: &[String]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    write!(out, "{}\n{{", lines.join("\n")).unwrap();
    out.finish().unwrap()
}

fn note(origin: &str, size: usize, root: [u8; 32], key: &PrivateKey) -> String {
    let text = format!("{origin}\n{size}\n{}\n", BASE64.encode(&root));
    let whole = [&key.public_key().fingerprint().0[..4], &key.sign(text.as_bytes()).unwrap()].concat();
    format!("{text}\n\u{2014} {origin} {}\n", BASE64.encode(&whole))
}

/// The lines from `from` on written anew, so that each follows the one before.
fn rewritten(lines: &[String], from: usize) -> Vec<String> {
    let mut out = lines[..from - 1].to_vec();
    for line in &lines[from - 1..] {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value["actor"] = "admin:mallory".into();
        value["prev"] = out.last().map_or_else(|| "0".repeat(64), |line| hex(&leaf(line))).into();
        out.push(value.to_string());
    }
    out
}

#[test]
fn a_whole_archive_is_intact() {
    for (entries, per_segment) in [(1, 5), (5, 5), (12, 5), (40, 1)] {
        let site = Site::new(entries, per_segment);
        let checked = site.check().unwrap();
        assert_eq!((checked.entries, checked.unfinished), (entries, None));
        assert_eq!(checked.ends.last().unwrap(), &(entries, log(entries).pop().unwrap().leaf_hash));
        assert_eq!(checked.ends.len(), (entries as usize).div_ceil(per_segment));
    }
}

#[test]
fn the_first_line_that_is_wrong_is_named_by_file_and_number() {
    let site = Site::new(15, 5);
    let changed = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = site.lines[5..10].to_vec();
        change(&mut lines);
        site.write(&site.file(6), &gz(&lines));
        site.check().unwrap_err()
    };
    for (expected, said) in [
        ("line 4: entry 9 does not follow line 3", changed(&|l| l[2] = l[2].replace("alice", "malice"))),
        (
            "line 1: entry 6 does not follow the last line of the segment before",
            changed(&|l| l[0] = l[0].replace("prev\":\"", "prev\":\"0")),
        ),
        ("line 3: entry 9 stands where 8 belongs", changed(&|l| l.swap(2, 3))),
        ("line 3: entry 9 stands where 8 belongs", changed(&|l| drop(l.remove(2)))),
        ("line 2: it is not JSON", changed(&|l| l[1] = "{".into())),
        ("line 5: it ends with entry 9", changed(&|l| drop(l.pop()))),
        ("line 6: it has a line more than its name says: 5 entries", changed(&|l| l.push(site.lines[10].clone()))),
    ] {
        assert!(said.starts_with(&format!("{} {expected}", site.file(6))), "{expected}: {said}");
    }
    // The last line of a file has nothing behind it but the checkpoint.
    let last = changed(&|l| l[4] = l[4].replace("alice", "malice"));
    assert!(last.starts_with("audit-000000000006-000000000010.checkpoint: ") && last.contains("last line"), "{last}");
}

#[test]
fn a_log_that_was_written_anew_is_not_what_was_signed() {
    let site = Site::new(15, 5);
    for from in [1, 6, 8, 15] {
        for (at, piece) in rewritten(&site.lines, from).chunks(5).enumerate() {
            site.write(&site.file(at * 5 + 1), &gz(piece));
        }
        let said = site.check().unwrap_err();
        let segment = site.file((from - 1) / 5 * 5 + 1).replace(".jsonl.gz", ".checkpoint");
        assert!(said.starts_with(&segment) && said.contains("not what was signed"), "{from}: {said}");
    }
}

#[test]
fn damaged_files_gaps_and_overlaps_are_named() {
    let said = |change: &dyn Fn(&Site)| {
        let site = Site::new(15, 5);
        change(&site);
        site.check().unwrap_err()
    };
    let whole = |site: &Site, first| site.read(&site.file(first));
    let cases = [
        ("000006-000000000010.jsonl.gz line ", said(&|s| s.cut(6))),
        ("something follows", said(&|s| s.write(&s.file(6), &[whole(s, 6), gz(&[])].concat()))),
        ("cannot be read", said(&|s| s.write(&s.file(6), s.lines.concat().as_bytes()))),
        ("line 6: it ends in the middle of a line", said(&|s| s.write(&s.file(6), &unfinished(&s.lines[5..10])))),
        ("from 6 to 10 are missing", said(&|s| fs::remove_file(s.path().join(s.file(6))).unwrap())),
        ("from 1 to 5 are missing", said(&|s| fs::remove_file(s.path().join(s.file(1))).unwrap())),
        ("it overlaps the segment before", said(&|s| s.write("audit-000000000005-000000000008.jsonl.gz", b""))),
        ("it overlaps the segment before", said(&|s| s.write("audit-000000000006-000000000012.jsonl.gz", b""))),
        (
            "000010.checkpoint",
            said(&|s| fs::remove_file(s.path().join("audit-000000000006-000000000010.checkpoint")).unwrap()),
        ),
    ];
    for (expected, said) in cases {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn t31_only_an_issuer_below_the_root_signs_heads() {
    let said = |change: &dyn Fn(&Site, &Tree)| {
        let site = Site::new(10, 5);
        let mut tree = Tree::default();
        site.lines.iter().for_each(|line| tree.push(leaf(line)));
        change(&site, &tree);
        site.check().unwrap_err()
    };
    let thief = new_key();
    let cases = [
        ("no issuer that your root", said(&|s, t| s.sign(6, &note("ours", 10, t.root(), &thief)))),
        ("of 9 entries, not 10", said(&|s, t| s.sign(6, &note("ours", 9, t.root(), &s.authority.issuer_key)))),
        ("of another log: theirs", said(&|s, t| s.sign(6, &note("theirs", 10, t.root(), &s.authority.issuer_key)))),
        ("not what was signed", said(&|s, _| s.sign(6, &note("ours", 10, [7; 32], &s.authority.issuer_key)))),
        ("not a checkpoint", said(&|s, _| s.sign(6, "nonsense"))),
        // The thief brings an authority along.
        (
            "no issuer that your root",
            said(&|s, t| {
                let theirs = Authority::new("Ours");
                s.write("issuer-x.pem", pem::encode(Label::Certificate, theirs.issuer.der()).as_bytes());
                s.sign(1, &note("ours", 5, t.root(), &theirs.issuer_key));
            }),
        ),
    ];
    for (expected, said) in cases {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn t31_an_archive_that_was_rolled_back_is_told_by_a_checkpoint_that_was_kept() {
    let site = Site::new(20, 5);
    let (early, late) = (site.note(6), site.note(16));
    assert!(site.check_with(Some(&early)).is_ok() && site.check_with(Some(&late)).is_ok());
    site.remove_from(16);
    // Shorter, and whole in itself.
    assert_eq!(site.check().unwrap().entries, 15);
    assert!(site.check_with(Some(&early)).is_ok());
    let said = site.check_with(Some(&late)).unwrap_err();
    assert!(said.contains("of 20 entries") && said.contains("ends with 15"), "{said}");
    // Somebody with the issuing key writes it anew, with good heads.
    let site = Site { lines: rewritten(&site.lines, 3), ..site };
    site.write_all(&site.lines);
    assert!(site.check().is_ok());
    assert!(site.check_with(Some(&early)).unwrap_err().contains("the log was rewritten"));
    assert!(site.check_with(Some(&late)).unwrap_err().contains("the log was rewritten"));
    // What was kept has to be genuine itself.
    let forged = Note::parse(&note("ours", 10, [7; 32], &new_key())).unwrap();
    assert!(site.check_with(Some(&forged)).unwrap_err().contains("that was kept: no issuer"));
}

#[test]
fn a_last_file_without_a_checkpoint_is_not_finished() {
    let site = Site::new(10, 5);
    fs::remove_file(site.path().join("audit-000000000006-000000000010.checkpoint")).unwrap();
    let checked = site.check().unwrap();
    assert_eq!((checked.entries, checked.unfinished), (5, Some(site.file(6))));
}
