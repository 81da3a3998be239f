use std::cell::RefCell;
use std::collections::BTreeMap;

use signet_api::admin::DeviceQuery;

use super::*;

/// Answers from a table; what is not in it is `not_found`. Remembers what was asked.
#[derive(Default)]
pub(in crate::online) struct Fake {
    answers: BTreeMap<String, Vec<u8>>,
    pub(in crate::online) asked: RefCell<Vec<String>>,
}

impl Fake {
    pub(in crate::online) fn with<T: Serialize>(self, path: &str, answer: &T) -> Fake {
        self.with_bytes(path, serde_json::to_vec(answer).unwrap())
    }

    pub(in crate::online) fn with_bytes(mut self, path: &str, answer: Vec<u8>) -> Fake {
        self.answers.insert(path.to_owned(), answer);
        self
    }
}

impl Service for Fake {
    fn call(&self, request: Call<'_>) -> Result<Vec<u8>, CallError> {
        let (path, asked) = match request {
            Call::Get { path } | Call::Post { path, .. } => (path, path.to_owned()),
            Call::Put { path, .. } => (path, format!("PUT {path}")),
            Call::Delete { path } => (path, format!("DELETE {path}")),
        };
        self.asked.borrow_mut().push(asked);
        self.answers.get(path).cloned().ok_or_else(|| refused(ErrorCode::NotFound))
    }
}

pub(in crate::online) fn refused(code: ErrorCode) -> CallError {
    CallError::Refused(Box::new(Problem::new(code, None, "r1".into())), None)
}

fn page(items: std::ops::Range<u32>, next: Option<&str>) -> Page<u32> {
    Page { items: items.collect(), next: next.map(str::to_owned), damaged: Vec::new() }
}

const ALL: Paging = Paging { limit: 100, all: true };

#[test]
fn all_pages_are_followed_in_order() {
    let mut asked = Vec::new();
    let whole = pages(ALL, |after, limit| {
        asked.push((after.clone(), limit));
        Ok(match after.as_deref() {
            None => page(0..3, Some("c")),
            Some("c") => page(3..6, Some("f")),
            _ => page(6..7, None),
        })
    })
    .unwrap();
    assert_eq!(whole, page(0..7, None));
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|(_, limit)| *limit == Some(1000)));
}

#[test]
fn a_limit_stops_and_says_where_it_goes_on() {
    let two = Paging { limit: 2, all: false };
    let cut = pages(two, |_, limit| {
        assert_eq!(limit, Some(2));
        Ok(page(0..2, Some("b")))
    });
    assert_eq!(cut.unwrap().next.as_deref(), Some("b"));
}

#[test]
fn a_cursor_that_stands_still_is_an_error_and_not_a_loop() {
    assert!(pages(ALL, |_, _| Ok(page(0..1, Some("same")))).is_err());
    assert!(pages(ALL, |_, _| Ok(page(0..0, Some("other")))).is_err());
}

#[test]
fn queries_leave_out_what_is_absent_and_escape_the_rest() {
    let query = DeviceQuery { search: Some("a&b=ü /".into()), limit: Some(5), ..DeviceQuery::default() };
    assert_eq!(with_query("/p", &query).unwrap(), "/p?limit=5&search=a%26b%3D%C3%BC%20%2F");
    assert_eq!(with_query("/p", &DeviceQuery::default()).unwrap(), "/p");
}

#[test]
fn a_refusal_says_sentence_detail_hint_and_request_id() {
    let problem = Problem::new(ErrorCode::NotFound, Some("No device is called x.\u{1b}".into()), "req-9".into());
    let text = format!("{:?}", Failure::from(CallError::Refused(Box::new(problem), Some(7))));
    for part in
        ["There is nothing here. No device is called x.", "request id req-9", "Check the path", "in 7 s", "Refused"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let down = format!("{:?}", Failure::from(refused(ErrorCode::StoreUnavailable)));
    assert!(down.contains("Internal"), "the service's own fault exits with 3: {down}");
}
