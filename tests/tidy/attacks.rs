//! The list of attacks: each has a test that carries its number in its name, or stands among the open ones with the reason.

use std::collections::BTreeMap;

use crate::sources;

/// What each attack is. The numbers are those of the threat list and never change.
const ATTACKS: [&str; 73] = [
    "a stolen unused token",
    "a used token again, with another key",
    "a used token again, with the same key, after a lost answer",
    "a hundred racers with one token",
    "guessing and enumerating tokens",
    "a request without a good proof of possession",
    "names smuggled in by the request",
    "authority smuggled in by the request",
    "a key of one curve signed with the hash of another",
    "weak keys",
    "the public key of somebody else",
    "serial numbers: collisions, guesses, signs, lengths",
    "renewal after the end, over an old connection",
    "a resumed session after a revocation",
    "renewal for another identity",
    "a cloned device",
    "clocks that jump",
    "a man in the middle at first boot",
    "floods of connections and slow ones",
    "bombs in DER, PEM and JSON",
    "expressions that take forever",
    "smuggled requests and confused paths",
    "forged headers of a proxy",
    "requests that the service is made to send",
    "timing",
    "secrets in logs, arguments, answers",
    "paths that lead elsewhere",
    "a stolen database",
    "memory that somebody reads",
    "an administrator who is somebody else",
    "a database that was rolled back",
    "an older list in place of a newer one",
    "two writers",
    "a list that does not come or has expired",
    "a list that grows without end",
    "a signature that is changed and still valid",
    "a stolen intermediate",
    "certificates that the service does not know",
    "forged JWTs",
    "a stolen refresh token",
    "replayed proofs and webhooks",
    "streams: hijacked, reused, outliving a revocation",
    "the console in another site's frame",
    "the authorization endpoint as an oracle",
    "policies that lock out or let in everybody",
    "a ceremony with a wrong request",
    "an administrator who is made to approve",
    "a fleet that comes at once",
    "SCEP: an oracle, a guessed challenge",
    "SCEP: a transaction id of another client",
    "SCEP: a downgrade",
    "bombs in CMS",
    "EST: a token without TLS, another subject",
    "ACME: a signature that is not the account's",
    "ACME: a binding used twice or of another",
    "ACME: an order finalised twice or with other names",
    "ACME: a validation that reaches where it should not",
    "ACME: an authorisation that ends before its certificate",
    "a revoked device that comes by another protocol",
    "names that a proxy sent",
    "console: a stolen link",
    "console: a session that is fixed or outlives its right",
    "console: scripts and formulas",
    "console: another site's request",
    "console: a passkey of another origin",
    "console: a role beyond its rights",
    "a derived credential that passes for its source",
    "one person who passes for two",
    "authority gained on a way that no check lists",
    "a compromise that leaves descendants alive",
    "a stranger's text that costs more than its size",
    "a client that does not read its answers",
    "guesses that lock out good credentials",
];

/// Attacks without a test, with the reason. Whoever writes the test removes the line.
const OPEN: &[(usize, &str)] = &[
    (29, "keys are wiped and core dumps are off; a signer in a process of its own does not exist yet"),
    (47, "approvals exist, quotas for what waits and bulk approval do not"),
    (49, "the protocol or the console does not exist yet"),
    (50, "the protocol or the console does not exist yet"),
    (51, "the protocol or the console does not exist yet"),
    (52, "the protocol or the console does not exist yet"),
    (53, "the protocol or the console does not exist yet"),
    (54, "the protocol or the console does not exist yet"),
    (55, "the protocol or the console does not exist yet"),
    (56, "the protocol or the console does not exist yet"),
    (57, "the protocol or the console does not exist yet"),
    (58, "the protocol or the console does not exist yet"),
    (59, "the protocol or the console does not exist yet"),
    (60, "the protocol or the console does not exist yet"),
    (61, "the protocol or the console does not exist yet"),
    (62, "the protocol or the console does not exist yet"),
    (63, "the protocol or the console does not exist yet"),
    (64, "the protocol or the console does not exist yet"),
    (65, "the protocol or the console does not exist yet"),
    (66, "the protocol or the console does not exist yet"),
];

#[test]
fn every_attack_has_a_test_or_a_reason() {
    let mut tests: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for source in sources::all(".rs") {
        for line in source.text.lines() {
            let Some(name) = line.trim_start().trim_start_matches("async ").strip_prefix("fn t") else { continue };
            let number =
                name.split('_').next().filter(|digits| digits.len() == 2).and_then(|digits| digits.parse().ok());
            if let Some(number) = number {
                tests.entry(number).or_default().push(name.to_owned());
            }
        }
    }
    let open: BTreeMap<usize, &str> = OPEN.iter().copied().collect();
    assert_eq!(open.len(), OPEN.len(), "an attack is open twice");
    for (number, what) in (1..).zip(ATTACKS) {
        match (tests.contains_key(&number), open.contains_key(&number)) {
            (false, false) => {
                panic!("T{number:02}, {what}: no test is named t{number:02}_…, and it is not among the open ones")
            }
            (true, true) => panic!("T{number:02}, {what}: there is a test now, remove it from the open ones"),
            _ => {}
        }
    }
    let unknown: Vec<_> = tests.keys().filter(|n| !(1..=ATTACKS.len()).contains(n)).collect();
    assert!(unknown.is_empty(), "tests name attacks that are not on the list: {unknown:?}");
    assert!(open.values().all(|reason| reason.len() > 20), "a reason is a sentence");
}
