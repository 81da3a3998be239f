//! Names of what services own, and what contains what.

use std::fmt;

use thiserror::Error;

/// A name, or a prefix that ends in `/*` or `:*`. `mqtt:topic/*` contains `mqtt:topic/a` and not `mqtt:topics`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a resource is KIND:NAME of 3 to 200 visible ASCII characters, KIND of a-z, 0-9 and '-'; a prefix ends in '/*' or ':*', and \
     '*' stands nowhere else"
)]
pub struct ResourceError;

impl Resource {
    pub fn parse(text: &str) -> Result<Resource, ResourceError> {
        let visible = (3..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        let (kind, name) = text.split_once(':').ok_or(ResourceError)?;
        let kind_is_good = !kind.is_empty() && kind.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let exact = name.strip_suffix('*').unwrap_or(name);
        let ends_at_a_border = exact.len() == name.len() || exact.is_empty() || exact.ends_with(['/', ':']);
        // A reader that folds paths would understand another name.
        let folded = exact.split('/').any(|part| part == "." || part == "..");
        if !visible || !kind_is_good || name.is_empty() || exact.contains('*') || !ends_at_a_border || folded {
            return Err(ResourceError);
        }
        Ok(Resource(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether everything that `other` names is named by this one as well.
    pub fn contains(&self, other: &Resource) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => other.0.starts_with(prefix),
            None => self == other,
        }
    }

    pub fn overlaps(&self, other: &Resource) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(text: &str) -> Resource {
        Resource::parse(text).unwrap()
    }

    #[test]
    fn a_prefix_ends_at_a_border_and_contains_what_is_behind_it() {
        let topics = resource("mqtt:topic/*");
        for inside in ["mqtt:topic/a", "mqtt:topic/a/b", "mqtt:topic/a/*", "mqtt:topic/*"] {
            assert!(topics.contains(&resource(inside)), "{inside}");
        }
        for outside in ["mqtt:topic", "mqtt:topics/a", "mqtt:*", "mqtt:other/*", "http:topic/a"] {
            assert!(!topics.contains(&resource(outside)), "{outside}");
        }
        assert!(topics.overlaps(&resource("mqtt:*")) && !topics.overlaps(&resource("mqtt:other/*")));
        assert!(!resource("service:a").contains(&resource("service:ab")));
    }

    #[test]
    fn what_would_name_everything_or_be_read_in_two_ways_is_no_resource() {
        let long = format!("a:{}", "b".repeat(199));
        for bad in [
            "", "*", "a", ":a", "a:", "A:b", "a b:c", "a:b c", "a:b*", "a:*b", "a:*/*", "*:a", "a:../b", "a:b/./c",
            "a:b\n", "a:ä", "a:b/..", "a:../*", &long,
        ] {
            assert!(Resource::parse(bad).is_err(), "{bad:?}");
        }
    }
}
