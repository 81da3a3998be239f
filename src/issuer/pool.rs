//! Signing without blocking the runtime. A key that is quick (in memory) signs where it is asked: a signature costs less than
//! two changes of thread and not more than the verification of the CSR before it. A slow one (an HSM) has threads of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::SignError;

type Job = Box<dyn FnOnce() + Send>;

/// One thread a core of the machine that this is sized for.
const THREADS: usize = 2;
/// More than both doors of the API let in together (http/limits.rs); at 10 000 signatures a second and core it is emptied in
/// 50 ms. Beyond it is better to say "busy".
const QUEUE: usize = 1024;

/// What may be done on a thread of the runtime: ten times a signature with its verification.
const QUICK: Duration = Duration::from_millis(1);

pub(super) struct SigningPool {
    jobs: SyncSender<Job>,
    /// How long the last signature took decides where the next is made; the first one is made on a thread of the pool.
    quick: Arc<AtomicBool>,
}

impl SigningPool {
    pub(super) fn start() -> std::io::Result<SigningPool> {
        let (jobs, queue) = sync_channel::<Job>(QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let queue = queue.clone();
            std::thread::Builder::new().name(format!("signer-{number}")).spawn(move || work(&queue))?;
        }
        Ok(SigningPool { jobs, quick: Arc::new(AtomicBool::new(false)) })
    }

    /// Runs `job`, which is one signature.
    pub(super) async fn sign<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignError> {
        let quick = self.quick.clone();
        let timed = move || {
            let begun = Instant::now();
            let signed = job();
            quick.store(begun.elapsed() < QUICK, Ordering::Relaxed);
            signed
        };
        if self.quick.load(Ordering::Relaxed) {
            // A fault of ours in one signature must not take the connection from other requests.
            return catch_unwind(AssertUnwindSafe(timed)).map_err(|_| SignError::Closed);
        }
        self.run(timed).await
    }

    /// Runs `job`, which may take long, on a thread of the pool.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Option<String> {
        std::thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn a_quick_key_signs_where_it_is_asked_and_a_panic_is_one_request_s_own() {
        let pool = SigningPool::start().unwrap();
        assert!(pool.sign(name).await.unwrap().unwrap().starts_with("signer-"));
        pool.quick.store(true, Ordering::Relaxed);
        assert_eq!(pool.sign(name).await.unwrap(), name());
        pool.quick.store(true, Ordering::Relaxed);
        let fault: fn() = || panic!("a fault");
        assert!(matches!(pool.sign(fault).await, Err(SignError::Closed)));
        assert!(pool.sign(name).await.is_ok());
    }

    #[tokio::test]
    async fn a_slow_key_signs_on_its_own_threads() {
        let pool = SigningPool::start().unwrap();
        pool.quick.store(true, Ordering::Relaxed);
        let slow = || {
            let begun = Instant::now();
            while begun.elapsed() < QUICK {}
            name()
        };
        // Found out once.
        pool.sign(slow).await.unwrap();
        assert!(pool.sign(slow).await.unwrap().unwrap().starts_with("signer-"));
    }
}
