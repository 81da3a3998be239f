//! Every alarm that the service raises is explained to the administrator who reads it.

use std::collections::BTreeSet;

use signet_api::alarms::{ALARM_CLOSED, KINDS};

use crate::sources;

#[test]
fn every_alarm_is_explained_in_the_api_and_in_the_readme() {
    let mut raised = BTreeSet::new();
    for source in sources::all(".rs").iter().filter(|s| s.path.starts_with("src/") && !s.is_test()) {
        for (_, line) in source.code() {
            raised.extend(line.split('"').skip(1).step_by(2).filter(|text| is_kind(text)).map(str::to_owned));
        }
    }
    raised.remove(ALARM_CLOSED);
    let explained: BTreeSet<String> = KINDS.iter().map(|(kind, ..)| (*kind).to_owned()).collect();
    assert_eq!(raised, explained);
    let readme = sources::read("README.md");
    let missing: Vec<_> = explained.iter().filter(|kind| !readme.contains(kind.as_str())).collect();
    assert!(missing.is_empty(), "README.md, page Alarms: {missing:?}");
}

fn is_kind(text: &str) -> bool {
    text.strip_prefix("alarm.")
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
}
