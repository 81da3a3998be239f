//! Comments of the wire types, read from their sources: what they say to the reader of the code is said to that of the document.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// By `Type` and `Type.field`.
pub(crate) fn comments() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root.join("src")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            read(&fs::read_to_string(&path).unwrap(), &mut found);
        }
    }
    for path in ["../pki/src/crl.rs", "../pki/src/name.rs"] {
        read(&fs::read_to_string(root.join(path)).unwrap(), &mut found);
    }
    assert!(found.contains_key("CreateTokens.targets") || found.contains_key("CreateTokens"), "no comments were found");
    found
}

fn read(source: &str, found: &mut BTreeMap<String, String>) {
    let (mut owner, mut comment) = (String::new(), Vec::new());
    for line in source.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push(text.trim());
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        let name =
            |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned();
        let item = if let Some(rest) = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum ")) {
            owner = name(rest);
            Some(owner.clone())
        } else {
            let field = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": "));
            field.map(|(field, _)| format!("{owner}.{}", field.trim_start_matches("r#")))
        };
        let text = std::mem::take(&mut comment).join(" ");
        if let Some(item) = item.filter(|_| !text.is_empty()) {
            found.insert(item, text);
        }
    }
}

#[test]
fn comments_belong_to_what_stands_below_them() {
    let mut found = BTreeMap::new();
    read(
        "/// A\n/// and b.\n#[x]\npub struct One {\n    /// C.\n    pub two: u8,\n    pub three: u8,\n}\n",
        &mut found,
    );
    let expected = [("One".to_owned(), "A and b.".to_owned()), ("One.two".to_owned(), "C.".to_owned())];
    assert_eq!(found, expected.into());
}
