//! Successful answers (RFC 6960 4.2): built from a plan, read back, signed by a delegated responder, verified.

use super::responder::ResponderCert;
use super::view::ResponseFields;
use super::{ENUMERATED, OID_BASIC, Single, Status, nonce_extension};
use crate::crl::Reason;
use crate::der::{self, Limits};
use crate::issue::IssueError;
use crate::lint::LintError;
use crate::signer::{self, Signer};
use crate::time::UnixTime;

/// An answer about to be signed.
#[derive(Debug, Clone, Copy)]
pub struct AnswerPlan<'a> {
    pub produced_at: UnixTime,
    pub singles: &'a [Single],
    /// The client's, 1 to 128 octets; an answer with one is for that client alone.
    pub nonce: Option<&'a [u8]>,
}

/// Signs an `OCSPResponse` with the responder's certificate inside, after its bytes were linted, and verifies what came back.
pub fn sign(responder: &ResponderCert, signer: &dyn Signer, plan: AnswerPlan<'_>) -> Result<Vec<u8>, IssueError> {
    if signer.public_key() != responder.public_key() {
        return Err(IssueError::WrongKey);
    }
    let scheme = signer::scheme(responder.public_key())?;
    let tbs = response_data(responder, plan);
    lint(&tbs, responder, plan)?;
    let signature = signer.sign(&tbs)?;
    if !responder.public_key().verify(scheme, &tbs, &signature) {
        return Err(IssueError::BadSignature);
    }
    let certificates = der::context(0, &der::sequence(&[responder.der()]));
    let basic = der::sequence(&[&tbs, &scheme.identifier(), &der::bit_string(&signature), &certificates]);
    let bytes = der::sequence(&[&der::oid(OID_BASIC), &der::octet_string(&basic)]);
    Ok(der::sequence(&[&der::tlv(ENUMERATED, &[SUCCESSFUL]), &der::context(0, &bytes)]))
}

/// `ResponseData`. The version is v1, the default, and left out.
fn response_data(responder: &ResponderCert, plan: AnswerPlan<'_>) -> Vec<u8> {
    let mut singles = Vec::with_capacity(plan.singles.len() * 160);
    plan.singles.iter().for_each(|single| encode_single(single, &mut singles));
    let extensions = plan.nonce.map(|nonce| der::context(1, &nonce_extension(nonce))).unwrap_or_default();
    der::sequence(&[
        // byKey: a name would say less, and change with it.
        &der::context(2, &der::octet_string(responder.key_hash())),
        &der::generalized_time(plan.produced_at),
        &der::tlv(0x30, &singles),
        &extensions,
    ])
}

fn encode_single(single: &Single, out: &mut Vec<u8>) {
    let status = match single.status {
        Status::Good => der::context_primitive(0, &[]),
        Status::Revoked { at, reason } => {
            let date = der::generalized_time(at);
            // As in lists an unspecified reason is left out (RFC 5280 5.3.1).
            let reason = match reason {
                Reason::Unspecified => Vec::new(),
                other => der::context(0, &der::tlv(ENUMERATED, &[other.code()])),
            };
            der::context(1, &[date, reason].concat())
        }
        Status::Unknown => der::context_primitive(2, &[]),
    };
    let next = der::context(0, &der::generalized_time(single.next_update));
    out.extend_from_slice(&der::sequence(&[
        single.id.der(),
        &status,
        &der::generalized_time(single.this_update),
        &next,
    ]));
}

/// Reads the answer back before a key is touched: it says what was planned, and the plan makes sense.
fn lint(tbs: &[u8], responder: &ResponderCert, plan: AnswerPlan<'_>) -> Result<(), LintError> {
    let refuse = |sentence: &str| Err(LintError(sentence.to_owned()));
    der::check(tbs, Limits::OCSP_RESPONSE)?;
    let Ok(found) = ResponseFields::read(tbs) else { return refuse("the OCSP answer cannot be read back") };
    if found.key_hash != responder.key_hash() {
        return refuse("the OCSP answer names another responder");
    }
    if (found.produced_at, found.nonce) != (plan.produced_at, plan.nonce) {
        return refuse("the OCSP answer has another date or nonce than planned");
    }
    if found.singles != plan.singles || plan.singles.is_empty() {
        return refuse("the OCSP answer says something else than planned");
    }
    if !responder.view().is_valid_at(plan.produced_at) {
        return refuse("the OCSP answer is made outside the life of its responder's certificate");
    }
    for single in plan.singles {
        if single.next_update <= single.this_update || single.next_update.since(single.this_update) > LONGEST {
            return refuse("the OCSP answer would be good for no time, or for more than a day");
        }
        // 4.2.2.1: who reads it later than this would reject it, and who caches it would go on serving it.
        if single.this_update > plan.produced_at || single.next_update > responder.not_after() {
            return refuse("the OCSP answer begins after it was made, or ends after its responder's certificate");
        }
    }
    Ok(())
}

pub(super) const SUCCESSFUL: u8 = 0;
/// Seconds from thisUpdate to nextUpdate at most: for so long a copy of a good answer outlives a revocation.
const LONGEST: i64 = 86_400;

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
