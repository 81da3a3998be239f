//! One round: fetch, decide, replace, tell. Whatever fails, every file is the old one or the new one.

use std::path::PathBuf;

use signet_pki::UnixTime;
use signet_pki::ca::IssuerCert;
use signet_pki::pem::{self, Label};

use crate::decision::{self, Decision, Held, Offered};
use crate::lists::{self, List};
use crate::options::Options;
use crate::output::{self, Changed};
use crate::refusal::Refusal;
use crate::report::{ListStatus, Outcome, Problem, Report, staleness};
use crate::source::{Channel, Fetched, Source};
use crate::state::State;
use crate::{bundle, metrics};

/// What is kept fresh, and below which roots.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The file of lists, PEM.
    pub out: PathBuf,
    pub options: Options,
    pub roots: Vec<IssuerCert>,
}

impl Plan {
    /// What is remembered, beside the file of lists.
    fn state(&self) -> PathBuf {
        let mut name = self.out.clone().into_os_string();
        name.push(".state");
        name.into()
    }
}

/// Never fails: what went wrong stands in the report. A source that could not be opened is as good as one that is silent.
pub async fn round<S: Source>(plan: &Plan, source: Result<S, Problem>, now: UnixTime) -> Report {
    let (mut state, warning) = State::read(&plan.state());
    let known = state.clone();
    let exchanged = match source {
        Ok(source) => exchange(plan, &source, &mut state, now).await,
        Err(problem) => Err(problem),
    };
    let mut warnings: Vec<String> = warning.into_iter().collect();
    let held = held(plan, &state);
    let reload_errors = tell(plan, &mut state).await;
    let mut report = Report {
        outcome: exchanged.as_ref().map_or_else(|problem| problem.outcome, |outcome| *outcome),
        error: exchanged.err(),
        stale: staleness(&held, plan.options.max_age, now),
        reload_errors,
        warnings: Vec::new(),
        lists: held.iter().map(ListStatus::from).collect(),
    };
    let saved = if state == known { Ok(()) } else { state.write(&plan.state()) };
    warnings.extend(saved.err().map(|e| e.to_string()));
    if let Some(path) = &plan.options.metrics {
        let text = metrics::text(&report, state.last_success);
        let written = signet_keys::files::replace(path, text.as_bytes(), signet_keys::files::Mode::Public);
        warnings.extend(written.err().map(|e| e.to_string()));
    }
    report.warnings = warnings;
    report
}

async fn exchange<S: Source>(plan: &Plan, source: &S, state: &mut State, now: UnixTime) -> Result<Outcome, Problem> {
    let known = known_chain(plan, state);
    let (chain, chain_tag) = fetch_bundle(source, state, &known, &plan.roots).await?;
    let before = output::read(&plan.out)?;
    let is_known = before.as_ref().is_some_and(|file| output::hash(file) == state.lists);
    let validator = if is_known { state.etags.get(&lists_url(source)).cloned() } else { None };
    let (answer, tag) = fetch_lists(source, &chain, validator.as_deref()).await?;

    let _lock = output::lock(&plan.out).await?;
    // Another process may have been faster.
    let file = output::read(&plan.out)?;
    let held = Held { file: file.as_deref(), marks: &state.marks };
    let offered = answer.as_deref().map_or(Offered::NotModified, Offered::Lists);
    let (new, mut changed) = match decision::decide(held, offered, &chain, now) {
        Decision::Refuse(refusal) => return Err(refusal.into()),
        Decision::Keep(_, lists) => (lists, Changed::No),
        Decision::Replace(lists) => (lists, Changed::Yes),
    };
    if let (Channel::Public, Some(ca)) = (source.channel(), bundle::lost(&known, &chain, &new, now).first()) {
        return Err(Refusal::BundleShrunk { name: ca.view().subject_text.clone() }.into());
    }
    let text = lists::to_pem(&new);
    // The lists first: a list of a CA that is not known yet harms nobody, a CA without its list locks its devices out.
    if changed == Changed::Yes {
        output::write_lists(&plan.out, &text)?;
    }
    decision::remember(&mut state.marks, &new);
    if let Some(dir) = &plan.options.der_dir {
        changed = either(changed, output::write_der(dir, &new)?);
    }
    let chain = bundle::to_pem(&chain);
    if let Some(path) = &plan.options.bundle_out {
        changed = either(changed, output::write_bundle(path, &chain)?);
    }
    state.bundle = chain;
    state.lists = output::hash(text.as_bytes());
    state.etags = [(bundle_url(source), chain_tag), (lists_url(source), tag)]
        .into_iter()
        .filter_map(|(url, tag)| Some((url, tag?)))
        .collect();
    state.last_success = now;
    Ok(if changed == Changed::Yes { Outcome::Replaced } else { Outcome::Unchanged })
}

/// The bundle in force, checked against the roots, and its validator.
async fn fetch_bundle<S: Source>(
    source: &S,
    state: &State,
    known: &[IssuerCert],
    roots: &[IssuerCert],
) -> Result<(Vec<IssuerCert>, Option<String>), Problem> {
    let tag = state.etags.get(&bundle_url(source)).filter(|_| !known.is_empty());
    match source.get(bundle_path(source.channel()), tag.map(String::as_str)).await? {
        Fetched::Document { bytes, etag } => Ok((bundle::check(&bytes, roots)?, etag)),
        Fetched::NotModified => Ok((known.to_vec(), tag.cloned())),
        // A mirror may have the lists alone.
        Fetched::Absent if !known.is_empty() => Ok((known.to_vec(), None)),
        Fetched::Absent => Err(Refusal::BundleAbsent.into()),
    }
}

/// PEM with its validator; `None` when nothing has changed.
async fn fetch_lists<S: Source>(
    source: &S,
    chain: &[IssuerCert],
    etag: Option<&str>,
) -> Result<(Option<Vec<u8>>, Option<String>), Problem> {
    match source.get(lists_path(source.channel()), etag).await? {
        Fetched::Document { bytes, etag } => Ok((Some(bytes), etag)),
        Fetched::NotModified => Ok((None, etag.map(str::to_owned))),
        Fetched::Absent => Ok((Some(fetch_each(source, chain).await?), None)),
    }
}

/// From a server that has no file of all: each list under the name that stands in certificates. What is missing is noticed
/// with the decision.
async fn fetch_each<S: Source>(source: &S, chain: &[IssuerCert]) -> Result<Vec<u8>, Problem> {
    let mut text = String::new();
    let mut asked = Vec::new();
    for ca in chain {
        let path = match ca.view().is_self_issued() {
            true => "/crl/root.crl".to_owned(),
            false => format!("/crl/{}.crl", ca.short_id()),
        };
        if asked.contains(&path) {
            continue;
        }
        if let Fetched::Document { bytes, .. } = source.get(&path, None).await? {
            text.push_str(&pem::encode(Label::Crl, &bytes));
        }
        asked.push(path);
    }
    Ok(text.into_bytes())
}

/// The CA certificates of the last good round, or those that somebody put there for the first one.
fn known_chain(plan: &Plan, state: &State) -> Vec<IssuerCert> {
    let file = plan.options.bundle_out.as_ref().filter(|_| state.bundle.is_empty());
    let text = file.map_or_else(|| Some(state.bundle.clone().into_bytes()), |path| output::read(path).ok().flatten());
    bundle::check(&text.unwrap_or_default(), &plan.roots).unwrap_or_default()
}

/// What the file holds now, as far as it can be verified.
fn held(plan: &Plan, state: &State) -> Vec<List> {
    let known = known_chain(plan, state);
    let file = output::read(&plan.out).ok().flatten().unwrap_or_default();
    decision::read_held(&file, &known).unwrap_or_default()
}

/// Tells every service of files that it was not told of with success. A file that was not accepted here is nobody's news.
async fn tell(plan: &Plan, state: &mut State) -> Vec<Problem> {
    let reloads = plan.options.reloads();
    let lists = output::read(&plan.out).ok().flatten();
    let Some(lists) = lists.filter(|file| !reloads.is_empty() && output::hash(file) == state.lists) else {
        return Vec::new();
    };
    let bundle = plan.options.bundle_out.as_ref().and_then(|path| output::read(path).ok().flatten());
    let current =
        output::hash(format!("{}{}", output::hash(&lists), output::hash(&bundle.unwrap_or_default())).as_bytes());
    if current == state.told {
        return Vec::new();
    }
    let mut failed = Vec::new();
    for reload in reloads {
        failed.extend(reload.run(&plan.out, &lists).await.err());
    }
    if failed.is_empty() {
        state.told = current;
    }
    failed
}

fn either(one: Changed, other: Changed) -> Changed {
    if one == Changed::Yes { one } else { other }
}

fn bundle_path(channel: Channel) -> &'static str {
    match channel {
        Channel::Authenticated => "/v1/trust/bundle.pem",
        Channel::Public => "/ca/bundle.pem",
    }
}

fn lists_path(channel: Channel) -> &'static str {
    match channel {
        Channel::Authenticated => "/v1/trust/crl.pem",
        Channel::Public => "/crl/all.pem",
    }
}

fn bundle_url<S: Source>(source: &S) -> String {
    format!("{}{}", source.name(), bundle_path(source.channel()))
}

fn lists_url<S: Source>(source: &S) -> String {
    format!("{}{}", source.name(), lists_path(source.channel()))
}

#[cfg(test)]
#[path = "round_tests.rs"]
mod tests;
