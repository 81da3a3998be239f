//! What `ca doctor` says about rows of the service's database that cannot be read.

use serde_json::Value;
use signet_api::ErrorCode;
use signet_api::admin::Page;

use crate::online::doctor::{Check, Level};
use crate::online::service::{self, CallError, Service};

/// Looks at the first thousand of each list: a million devices are not read for this.
pub(super) fn examine(service: &dyn Service) -> Check {
    let what = "database rows";
    let mut names = Vec::new();
    for (kind, list) in LISTS {
        match service::get::<Page<Value>>(service, &format!("/v1/admin/{list}?limit=1000")) {
            Ok(page) => names.extend(page.damaged.iter().map(|row| format!("{kind} {} ({})", row.id, row.what))),
            // Who may not look at a list is told so elsewhere.
            Err(CallError::Refused(problem, _)) if problem.code == ErrorCode::Forbidden => {}
            Err(error) => return Check::failed(what, &error.into()),
        }
    }
    if names.is_empty() {
        return Check::new(Level::Ok, what, "those looked at can be read: the first 1000 of each list", "");
    }
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let hint = "the log of signetd names each as it is met; put the rows back from a backup: see Restore in the README";
    Check::new(Level::Fail, what, format!("{} cannot be read: {shown}{more}", names.len()), hint)
}

const LISTS: [(&str, &str); 4] =
    [("token", "tokens"), ("device", "devices"), ("account", "accounts"), ("API key", "apikeys")];
/// In one line.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::online::service::tests::Fake;

    fn service(damaged: Value) -> Fake {
        let whole = serde_json::json!({ "items": [], "next": null });
        LISTS.iter().fold(Fake::default(), |fake, (_, list)| {
            let page = if *list == "tokens" { &damaged } else { &whole };
            fake.with(&format!("/v1/admin/{list}?limit=1000"), page)
        })
    }

    #[test]
    fn damaged_rows_are_a_failure_that_names_them() {
        let row = serde_json::json!({ "id": "0123456789", "what": "status" });
        let bad = examine(&service(serde_json::json!({ "items": [], "next": null, "damaged": [row] })));
        assert_eq!((bad.level, bad.detail.as_str()), (Level::Fail, "1 cannot be read: token 0123456789 (status)"));
        let good = examine(&service(serde_json::json!({ "items": [], "next": null })));
        assert_eq!(good.level, Level::Ok);
    }
}
