//! Reads callgrind's files. `callgrind_annotate` counts calls that were under way when the counts were set to zero as
//! the caller's own work, which hides everything else.

use std::collections::HashMap;

use anyhow::{Context, Result};

/// Instructions by function, callees not included, most first.
pub(crate) fn by_function(text: &str) -> Result<Vec<(String, u64)>> {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut counts: HashMap<&str, u64> = HashMap::new();
    let mut current = "";
    let mut of_callee = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            current = named(name, &mut names);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            named(name, &mut names);
        } else if line.starts_with("calls=") {
            of_callee = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).context("a line of costs")?;
            // The line after `calls=` is what the callee and everything below it cost.
            if !std::mem::take(&mut of_callee) {
                *counts.entry(current).or_default() += cost;
            }
        }
    }
    let name = |id: &str| names.get(id).copied().unwrap_or(id).to_owned();
    let mut all: Vec<(String, u64)> = counts.into_iter().map(|(id, count)| (name(id), count)).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(all)
}

/// Names are written once, `(id) name`, and `(id)` from then on.
fn named<'a>(text: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    match text.split_once(' ') {
        Some((id, name)) => {
            names.insert(id, name);
            id
        }
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::by_function;

    #[test]
    fn what_a_callee_cost_is_not_counted_for_its_caller() {
        let text = "\
# callgrind format
positions: line
events: Ir

fl=(1) a.c
fn=(1) outer
10 5
cfn=(2) inner
calls=0 20
11 900
+1 7
fn=(2)
20 800
* 100
totals: 912
";
        assert_eq!(by_function(text).unwrap(), [("inner".to_owned(), 900), ("outer".to_owned(), 12)]);
    }
}
