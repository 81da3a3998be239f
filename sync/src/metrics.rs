//! Numbers for node_exporter's textfile collector, in the text format of Prometheus.

use std::fmt::Write as _;

use signet_pki::UnixTime;

use crate::report::Report;

pub(crate) fn text(report: &Report, last_success: UnixTime) -> String {
    let mut out = String::new();
    let mut gauge = |name: &str, help: &str, rows: Vec<(String, i128)>| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP signet_crl_{name} {help}\n# TYPE signet_crl_{name} gauge");
        for (labels, value) in rows {
            let _ = writeln!(out, "signet_crl_{name}{labels} {value}");
        }
    };
    let one = |value: i128| vec![(String::new(), value)];
    let is_stale = report.stale.is_some() || report.lists.is_empty();
    gauge(
        "sync_last_success_timestamp_seconds",
        "When what is held was last found to be the newest.",
        one(last_success.0.into()),
    );
    gauge("sync_failed", "1 when the last round brought nothing up to date.", one(report.error.is_some().into()));
    gauge(
        "sync_reload_pending",
        "1 while a service has not been told of the newest files.",
        one((!report.reload_errors.is_empty()).into()),
    );
    gauge("stale", "1 when what is held must not be relied upon.", one(is_stale.into()));
    let each = |value: fn(&crate::report::ListStatus) -> i128| {
        report
            .lists
            .iter()
            .map(|l| (format!("{{issuer=\"{}\",name=\"{}\"}}", l.issuer, label(&l.name)), value(l)))
            .collect()
    };
    gauge("number", "Number of the CRL that is held.", each(|l| l.number.into()));
    gauge("this_update_timestamp_seconds", "When it was made.", each(|l| l.times.0.0.into()));
    gauge("next_update_timestamp_seconds", "When it ends.", each(|l| l.times.1.0.into()));
    out
}

/// A label's value: backslash, quote and line feed are escaped.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
