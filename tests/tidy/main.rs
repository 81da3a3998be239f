//! The house rules as arithmetic: sizes, edges, what may be called where, dead links, and the list of attacks. Needs nothing
//! but the sources and `cargo tree`. Every list of exceptions only shrinks: an entry that is no longer needed fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alarms;
mod attacks;
mod documents;
mod edges;
mod openapi;
mod purity;
mod size;
mod sources;

use std::collections::BTreeSet;
use std::fmt::Debug;

/// What was found has to be exactly what is excepted.
fn only_exceptions<T: Ord + Clone + Debug>(found: &BTreeSet<T>, excepted: &BTreeSet<T>) {
    let new: Vec<_> = found.difference(excepted).collect();
    assert!(new.is_empty(), "against the rule, and not among the exceptions:\n{new:#?}");
    let unused: Vec<_> = excepted.difference(found).collect();
    assert!(unused.is_empty(), "exceptions that nothing needs any more, remove them:\n{unused:#?}");
}
