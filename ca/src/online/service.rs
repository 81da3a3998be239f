//! The service as the commands see it: typed questions over one seam, which tests replace.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use signet_api::admin::{Damaged, Page};
pub(super) use signet_api::client::escape;
use signet_api::{ErrorCode, Problem};

use crate::failure::Failure;
use crate::online::print;

/// One request and its answer's body. Paths come complete, with their query.
pub(super) trait Service {
    fn call(&self, request: Call<'_>) -> Result<Vec<u8>, CallError>;
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Call<'a> {
    Get { path: &'a str },
    Post { path: &'a str, body: &'a [u8] },
    Put { path: &'a str, body: &'a [u8] },
    Delete { path: &'a str },
}

#[derive(Debug)]
pub(super) enum CallError {
    /// The service understood and said no; perhaps with the seconds to wait.
    Refused(Box<Problem>, Option<u64>),
    /// No answer, or none that can be trusted or understood.
    Failed(Failure),
}

impl CallError {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, CallError::Refused(problem, _) if problem.code == ErrorCode::NotFound)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Failure {
        match error {
            CallError::Failed(failure) => failure,
            CallError::Refused(problem, retry_after) => {
                let detail = problem.detail.as_deref().map(|d| format!(" {d}")).unwrap_or_default();
                let id = if problem.request_id.is_empty() {
                    String::new()
                } else {
                    format!(" (request id {})", problem.request_id)
                };
                let wait = retry_after.map(|s| format!(" Try again in {s} s.")).unwrap_or_default();
                // A service that cannot do its work is no refusal of the request.
                let failure = if problem.status >= 500 { Failure::internal } else { Failure::refused };
                failure(print::visible(&format!("{}{detail}{id}", problem.title)))
                    .hint(print::visible(&format!("{}{wait}", problem.hint)))
            }
        }
    }
}

pub(super) fn get<T: DeserializeOwned>(service: &dyn Service, path: &str) -> Result<T, CallError> {
    decode(path, &service.call(Call::Get { path })?)
}

pub(super) fn ask<Q: Serialize, T: DeserializeOwned>(
    service: &dyn Service,
    path: &str,
    query: &Q,
) -> Result<T, CallError> {
    get(service, &with_query(path, query)?)
}

pub(super) fn post<B: Serialize, T: DeserializeOwned>(
    service: &dyn Service,
    path: &str,
    body: &B,
) -> Result<T, CallError> {
    let body = serde_json::to_vec(body).map_err(|e| CallError::Failed(Failure::internal(e)))?;
    decode(path, &service.call(Call::Post { path, body: &body })?)
}

pub(super) fn put<B: Serialize, T: DeserializeOwned>(
    service: &dyn Service,
    path: &str,
    body: &B,
) -> Result<T, CallError> {
    let body = serde_json::to_vec(body).map_err(|e| CallError::Failed(Failure::internal(e)))?;
    decode(path, &service.call(Call::Put { path, body: &body })?)
}

pub(super) fn delete<T: DeserializeOwned>(service: &dyn Service, path: &str) -> Result<T, CallError> {
    decode(path, &service.call(Call::Delete { path })?)
}

/// How much of a list is wanted.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct Paging {
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Everything, page by page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Paging {
    /// For commands that look at everything.
    pub(super) const ALL: Paging = Paging { limit: PAGE, all: true };
}

/// Follows `next` until enough is there. `fetch` gets `after` and `limit`.
pub(super) fn pages<T>(
    paging: Paging,
    mut fetch: impl FnMut(Option<String>, Option<u32>) -> Result<Page<T>, CallError>,
) -> Result<Page<T>, CallError> {
    let wanted = if paging.all { u64::MAX } else { paging.limit };
    let (mut items, mut damaged) = (Vec::new(), Vec::new());
    let mut after: Option<String> = None;
    loop {
        let missing = wanted.saturating_sub(items.len() as u64).min(PAGE);
        let page = fetch(after.clone(), u32::try_from(missing).ok())?;
        let got = page.items.len() + page.damaged.len();
        items.extend(page.items);
        damaged.extend(page.damaged);
        let enough = items.len() as u64 >= wanted;
        match page.next {
            // A cursor that stands still would ask for ever.
            Some(next) if Some(&next) == after.as_ref() || (got == 0 && !enough) => {
                return Err(CallError::Failed(Failure::internal("the service's paging does not move on")));
            }
            Some(next) if !enough => after = Some(next),
            next => return Ok(Page { items, next, damaged }),
        }
    }
}

/// A page as JSON or as a table, and on stderr that it was cut.
pub(super) fn show_page<T: Serialize>(
    page: &Page<T>,
    json: bool,
    table: impl FnOnce(&[T]) -> String,
) -> Result<(), Failure> {
    if json {
        print::json(page)?;
    } else {
        print::data(&table(&page.items))?;
    }
    note_more(page);
    Ok(())
}

/// Names rows that the service's database holds and that cannot be read.
pub(super) fn note_damaged(damaged: &[Damaged]) {
    for row in damaged {
        print::note(format!(
            "warning: the row of {} is damaged and not shown: its {} cannot be read",
            row.id, row.what
        ));
    }
}

fn note_more<T>(page: &Page<T>) {
    note_damaged(&page.damaged);
    if page.next.is_some() {
        print::note(format!("the first {} are shown, there is more: use --all or a larger --limit", page.items.len()));
    }
}

fn with_query<Q: Serialize>(path: &str, query: &Q) -> Result<String, CallError> {
    let value = serde_json::to_value(query).map_err(|e| CallError::Failed(Failure::internal(e)))?;
    let Value::Object(fields) = value else {
        return Err(CallError::Failed(Failure::internal("a query is a flat structure")));
    };
    let pair = |(name, value): (&String, &Value)| match value {
        Value::Null => None,
        Value::String(text) => Some(format!("{name}={}", escape(text))),
        other => Some(format!("{name}={}", escape(&other.to_string()))),
    };
    let pairs: Vec<String> = fields.iter().filter_map(pair).collect();
    Ok(if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) })
}

fn decode<T: DeserializeOwned>(path: &str, body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|e| {
        CallError::Failed(
            Failure::internal(format!("the answer of {path} cannot be read: {e}"))
                .hint("Are 'ca' and the service of the same version? Compare 'ca --version' with 'signetd --version'."),
        )
    })
}

/// The service's own limit for one page.
const PAGE: u64 = 1000;

#[cfg(test)]
#[path = "service_tests.rs"]
pub(super) mod tests;
