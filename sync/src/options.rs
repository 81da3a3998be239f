//! The options that both programs have.

use std::path::PathBuf;

use clap::Args;

use crate::reload::{Reload, SignalTarget};

#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Options {
    /// File for the root and issuer certificates; replaced only by ones below the pinned roots
    #[arg(long, value_name = "FILE")]
    pub bundle_out: Option<PathBuf>,
    /// Directory for each CRL in DER as well, named by the id of its CA
    #[arg(long, value_name = "DIR")]
    pub der_dir: Option<PathBuf>,
    /// Command for /bin/sh after each change; it runs again in the next round until it succeeds
    #[arg(long, value_name = "COMMAND")]
    pub hook: Option<String>,
    /// Seconds that the hook may take before it is ended [default: 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600), requires = "hook")]
    pub hook_timeout: Option<u64>,
    /// Send a signal after each change: a file with a process id, and HUP, USR1 or USR2
    #[arg(long, value_name = "PIDFILE:SIGNAL")]
    pub signal: Option<SignalTarget>,
    /// HAProxy's admin socket: the lists are put into the running process
    #[arg(long, value_name = "SOCKET")]
    pub haproxy: Option<PathBuf>,
    /// File for node_exporter's textfile collector (name it *.prom)
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
    /// An issuer's CRL that is older counts as stale; one past its end always does
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_age: Option<u32>,
}

impl Options {
    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        *self == Options::default()
    }

    /// In the order in which the services are told.
    pub(crate) fn reloads(&self) -> Vec<Reload> {
        let haproxy = self.haproxy.clone().map(Reload::Haproxy);
        let signal = self.signal.clone().map(Reload::Signal);
        let timeout = self.hook_timeout.unwrap_or(60);
        let hook = self.hook.clone().map(|command| Reload::Hook { command, timeout });
        [haproxy, signal, hook].into_iter().flatten().collect()
    }
}
