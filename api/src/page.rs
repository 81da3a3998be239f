//! Lists in pages, and rows of them that cannot be read.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Pass as `after` for the next page; absent on the last.
    pub next: Option<String>,
    /// Rows of this page that the database holds and that cannot be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
}

impl<T> Page<T> {
    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(view).collect(), next: self.next, damaged: self.damaged }
    }
}

/// On lists that are arrays: a JSON array of [`Damaged`], in ASCII, with the first ones.
pub const HEADER_DAMAGED: &str = "signet-damaged";

/// A row that cannot be read. What else is wrong with it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// As far as it can be read.
    pub id: String,
    /// The column, as the database names it.
    pub what: String,
}
