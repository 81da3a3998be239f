//! A few threads that sign, so that a slow key (a file, an HSM) never blocks the runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::SignError;

type Job = Box<dyn FnOnce() + Send>;

/// One thread a core of the machine that this is sized for.
const THREADS: usize = 2;
/// More than both doors of the API let in together (http/limits.rs); at 10 000 signatures a second and core it is emptied in
/// 50 ms. Beyond it is better to say "busy".
const QUEUE: usize = 1024;

pub(super) struct SigningPool {
    jobs: SyncSender<Job>,
}

impl SigningPool {
    pub(super) fn start() -> std::io::Result<SigningPool> {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("signer-{number}")).spawn(move || work(&queue))?;
        }
        Ok(SigningPool { jobs })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignError> {
        let (answer, waiting) = oneshot::channel();
        let boxed: Job = Box::new(move || {
            let _ = answer.send(job());
        });
        self.jobs.try_send(boxed).map_err(|e| match e {
            TrySendError::Full(_) => SignError::Busy,
            TrySendError::Disconnected(_) => SignError::Closed,
        })?;
        waiting.await.map_err(|_| SignError::Closed)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting and released before the work.
        let next = queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
        match next {
            // A fault of ours in one signature must not take the thread from all others.
            Ok(job) => drop(catch_unwind(AssertUnwindSafe(job))),
            Err(_) => return,
        }
    }
}
