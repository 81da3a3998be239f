//! How large a policy may be, and why.

/// Octets of a text: four thousand rules as people write them, or ten thousand terse ones; nobody reviews more.
pub const TEXT_BYTES: usize = 1 << 20;
/// Rules: what an index of a few megabytes holds; a fleet is ruled by groups, not by a rule for each device.
pub const RULES: usize = 10_000;
/// Entries of one list (groups, ids, actions, networks): above, a group of its own is the better answer.
pub const LIST: usize = 256;
/// Windows of time of one rule: each is looked at in a decision.
pub const WINDOWS: usize = 32;
/// Characters of a rule's id, an action or an account: they stand in answers and logs.
pub const NAME: usize = 64;
/// Octets of a path: longer ones are data, and nobody writes a rule about one.
pub const PATH: usize = 256;
/// Characters of a description: two lines of a terminal.
pub const DESCRIPTION: usize = 200;
/// Entities and cases of a file with fixtures, each.
pub const FIXTURES: usize = 5_000;
/// Errors that are told at once: nobody reads more.
pub const ERRORS: usize = 100;
/// Seconds for which the asker may keep an answer: as long as a permission outlives its end when nobody tells the asker.
pub const TTL_SECONDS: u32 = 3600;
/// Seconds when the text says nothing.
pub const DEFAULT_TTL_SECONDS: u32 = 60;
/// The longest duration: ten years, more than any certificate here lives.
pub const DURATION_SECONDS: i64 = 10 * 366 * 86_400;
/// Different facts that a comparison tells apart, of principals and of resources each: half a kilobyte each.
pub const CLASSES: usize = 20_000;
/// Pairs of those that a comparison looks at: a fifth of a second.
pub const PAIRS: usize = 20_000_000;
/// Questions that a comparison asks both policies: about a microsecond each.
pub const QUESTIONS: usize = 500_000;
/// Examples of a change: a screen.
pub const EXAMPLES: usize = 20;
/// Different paths that a comparison asks about.
pub const PATHS: usize = 64;
