//! A responder for each issuer, and which of them is asked.

use std::sync::Arc;

use signet_pki::UnixTime;
use signet_pki::ocsp::{OcspRequest, Unsuccessful};

use super::{Outcome, Responder};

pub struct Responders(Vec<Arc<Responder>>);

impl Responders {
    pub fn new(responders: Vec<Arc<Responder>>) -> Responders {
        Responders(responders)
    }

    pub fn all(&self) -> &[Arc<Responder>] {
        &self.0
    }

    pub fn of(&self, short_id: &str) -> Option<&Arc<Responder>> {
        self.0.iter().find(|responder| responder.issuer.certificate().short_id() == short_id)
    }

    /// An answer has one signature, so a request is about the certificates of one issuer.
    pub async fn answer(&self, request: OcspRequest) -> Outcome {
        match self.0.iter().find(|responder| responder.speaks_for(&request)) {
            Some(responder) => responder.answer(request).await,
            None => Outcome::Refused(Unsuccessful::Unauthorized),
        }
    }

    /// The first end of a certificate of theirs; none when one of them has none.
    pub fn first_end(&self) -> Option<UnixTime> {
        let ends: Option<Vec<_>> = self.0.iter().map(|responder| responder.not_after()).collect();
        ends?.into_iter().min()
    }
}
