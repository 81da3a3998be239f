//! Devices that enroll at the same time, and go on with the same key and the same token whatever happens to the service.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signet_api::ErrorCode;
use signet_api::admin::{CreateTokens, CreatedTokens, TokenKind};
use signet_api::client::{Client, ClientError, Enrolled};
use signet_api::enroll::EnrollRequest;
use signet_pki::ca::IssuerCert;
use tokio::sync::{Notify, watch};

use crate::daemon::Daemon;
use crate::support::{Installation, TestKey, client, credential, leaf, order, target};

/// A device with its token and its key, and every certificate that it was ever handed.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) token: String,
    pub(crate) key: TestKey,
    pub(crate) received: Vec<Vec<u8>>,
}

/// Where the service is now; `None` while it is down.
pub(crate) type Place = watch::Receiver<Option<SocketAddr>>;

/// Counts answers, so that faults come at a moment of the work and not of the clock.
#[derive(Default)]
pub(crate) struct Progress {
    answers: AtomicUsize,
    news: Notify,
}

impl Progress {
    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::SeqCst);
        self.news.notify_waiters();
    }

    pub(crate) async fn reaches(&self, count: usize) {
        loop {
            let news = self.news.notified();
            if self.answers.load(Ordering::SeqCst) >= count {
                return;
            }
            news.await;
        }
    }
}

/// Orders tokens for so many new devices.
pub(crate) async fn members(daemon: &Daemon, installation: &Installation, prefix: &str, count: usize) -> Vec<Member> {
    let admin = client(daemon.tls, &installation.root(), Some(installation.administrator()));
    let names: Vec<String> = (0..count).map(|n| format!("{prefix}-{n}")).collect();
    let ordered = CreateTokens {
        kind: TokenKind::Batch,
        cidr: Some("127.0.0.0/8".into()),
        batch: Some(prefix.into()),
        permissions: None,
        targets: names.iter().map(|name| target(name)).collect(),
        ..order("unused")
    };
    let created: CreatedTokens = admin.post_json("/v1/admin/tokens", &ordered).await.unwrap();
    let tokens = created.tokens.into_iter();
    tokens
        .zip(names)
        .map(|(token, name)| Member { name, token: token.token, key: TestKey::p256(), received: Vec::new() })
        .collect()
}

/// Sixteen at a time, until every member has its certificate.
pub(crate) async fn enroll(
    members: Vec<Member>,
    root: &IssuerCert,
    place: Place,
    progress: Arc<Progress>,
) -> Vec<Member> {
    let mut lanes: Vec<Vec<Member>> = (0..16).map(|_| Vec::new()).collect();
    for (n, member) in members.into_iter().enumerate() {
        lanes[n % 16].push(member);
    }
    let lanes: Vec<_> = lanes
        .into_iter()
        .map(|mut lane| {
            let (root, place, progress) = (root.clone(), place.clone(), progress.clone());
            tokio::spawn(async move {
                let mut wire = Line::new(root, place);
                for member in &mut lane {
                    let der =
                        wire.enroll(member, &progress).await.unwrap_or_else(|code| panic!("{}: {code:?}", member.name));
                    member.received.push(der);
                }
                lane
            })
        })
        .collect();
    let mut done = Vec::new();
    for lane in lanes {
        done.extend(lane.await.unwrap());
    }
    done
}

/// A client that follows the service to wherever it comes back.
pub(crate) struct Line {
    root: IssuerCert,
    place: Place,
    open: Option<(SocketAddr, Client)>,
}

impl Line {
    pub(crate) fn new(root: IssuerCert, place: Place) -> Line {
        Line { root, place, open: None }
    }

    /// Repeats through restarts. A refusal that does not pass by itself ends it.
    pub(crate) async fn enroll(&mut self, member: &Member, progress: &Progress) -> Result<Vec<u8>, ErrorCode> {
        let request = EnrollRequest { csr: member.key.csr(), facts: Default::default() };
        let token = credential(&member.token);
        loop {
            let answer = self.client().await.enroll(&token, &request).await;
            match answer {
                Ok(Enrolled::Issued { certificate, .. }) => {
                    progress.answered();
                    return Ok(leaf(&certificate));
                }
                Ok(Enrolled::Pending(pending)) => panic!("{pending:?}"),
                Err(error) => {
                    if let Some(code) = final_refusal(&error) {
                        progress.answered();
                        return Err(code);
                    }
                    self.open = None;
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn client(&mut self) -> &Client {
        let address = self.place.wait_for(Option::is_some).await.unwrap().unwrap();
        if self.open.as_ref().is_some_and(|(known, _)| *known != address) {
            self.open = None;
        }
        &self.open.get_or_insert_with(|| (address, client(address, &self.root, None))).1
    }
}

/// Nothing was refused when the connection broke, or when the service says that it passes.
fn final_refusal(error: &ClientError) -> Option<ErrorCode> {
    let problem = error.problem()?;
    assert_ne!(problem.status, 401, "{error}");
    assert_ne!(problem.status, 500, "{error}");
    let passes = matches!(problem.status, 429 | 503) || problem.code == ErrorCode::Conflict;
    (!passes).then_some(problem.code)
}
