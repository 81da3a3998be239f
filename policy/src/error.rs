//! What is wrong with a text, all of it at once.

use std::fmt;

use thiserror::Error;

/// One thing that is wrong, at its line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Error)]
pub struct PolicyError {
    /// Counted from 1.
    pub line: usize,
    /// Of the rule or the case, when it has a name already.
    pub name: Option<String>,
    pub message: String,
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, self.line, self.name.as_deref(), &self.message)
    }
}

/// Everything that is wrong, by line; at least one, at most [`limits::ERRORS`](crate::limits::ERRORS).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if number == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// Something that is likely to be a mistake and harms nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    pub line: usize,
    pub name: Option<String>,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_at(f, self.line, self.name.as_deref(), &self.message)
    }
}

fn write_at(f: &mut fmt::Formatter<'_>, line: usize, name: Option<&str>, message: &str) -> fmt::Result {
    match name {
        Some(name) => write!(f, "line {line}, {name}: {message}"),
        None => write!(f, "line {line}: {message}"),
    }
}
