use std::fs;

use super::*;
use crate::online::admin_dir::tests::{Authority, new_key};

#[test]
fn a_bundle_replaces_a_bundle_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("clients.pem");
    let authority = Authority::new("Ours");
    write(&path, &authority.bundle_pem()).unwrap();
    write(&path, &authority.bundle_pem()).unwrap();
    let key = new_key().to_pem().unwrap().to_string();
    for precious in [key.clone(), authority.bundle_pem() + &key, "notes".into()] {
        fs::write(&path, &precious).unwrap();
        write(&path, &authority.bundle_pem()).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), precious);
    }
}
