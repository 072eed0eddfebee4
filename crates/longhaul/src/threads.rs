//! Where is work done that may block, and what if the system has no thread to give?
//!
//! Threads of our own, which wait a while for more work when theirs is done. Tokio's blocking pool would not do: it
//! panics where no thread can be had, it lets work wait for work that waits for it, and how many threads it has is for
//! the program to say and not for us.
//!
//! A container or `ulimit -u` may leave room for no thread at all. Work that ends by itself is then done by who asks
//! for it ([`run`]): slower, and right. Work that may take for ever is refused with the system's error
//! ([`run_beside`]).

use std::any::Any;
use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::sync::locked;

/// Threads at once for work that can be done without one. It costs address space, hardly memory; more would not make
/// disks faster.
const THREADS_MAX: usize = 512;
/// How long a thread waits for more work: starting one costs more than a small read.
const KEEP: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// The threads of this process.
static POOL: Pool = Pool::new(THREADS_MAX);

/// Does work that ends by itself: on a thread, or here where there is none to be had. When the future is dropped the
/// work goes on. A panic of the work is one of the caller.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    POOL.run(work).await
}

/// Does work that may take for ever, on a thread.
///
/// # Errors
/// The system's, when it gives no thread.
pub(crate) async fn run_beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    POOL.give(Box::new(move || told_of(tell, work)), usize::MAX)?;
    Ok(outcome(told.await))
}

/// Does a future's work on a thread, or beside other tasks where there is none to be had. Must be called inside a tokio
/// runtime.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    POOL.spawn(work);
}

/// Work on threads, one after the other in the order in which it was added.
///
/// It is for the few notes of a transfer: what is added waits without a bound.
#[derive(Debug, Default)]
pub(crate) struct InOrder(Option<JoinHandle<()>>);

impl InOrder {
    /// Does this when what was added before is done. Must be called inside a tokio runtime.
    pub(crate) fn add(&mut self, work: impl FnOnce() + Send + 'static) {
        let before = self.0.take();
        self.0 = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await; // a panic of one is no reason to leave out the next
            }
            run(work).await;
        }));
    }

    /// Waits until everything that was added is done.
    pub(crate) async fn done(&mut self) {
        if let Some(last) = self.0.take() {
            let _ = last.await;
        }
    }
}

/// Starts a thread that keeps what it is given for as long as it lives.
///
/// # Errors
/// What it was given, and why there is no thread.
pub(crate) fn start<T: Send + 'static>(
    name: &str,
    stack: usize,
    with: T,
    work: impl FnOnce(T) + Send + 'static,
) -> Result<(), (T, io::Error)> {
    let (kept, of_thread) = lend(with);
    let body = move || {
        if let Some(with) = take(&of_thread) {
            work(with);
        }
    };
    match std::thread::Builder::new().name(name.to_owned()).stack_size(stack).spawn(body) {
        Ok(_) => Ok(()),
        // The thread did not begin, so that what it was to have is still here.
        Err(error) => match take(&kept) {
            Some(with) => Err((with, error)),
            None => Ok(()),
        },
    }
}

/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) outside of a tokio runtime, where no task could be started.
pub(crate) fn expect_runtime() -> Result<(), Error> {
    match tokio::runtime::Handle::try_current() {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::usage("a transfer is started inside a tokio runtime, and there is none here")),
    }
}

struct Pool {
    state: Mutex<State>,
    work: Condvar,
    threads_max: usize,
}

struct State {
    /// At most as many as there are threads that are about to take them.
    jobs: VecDeque<Job>,
    idle: usize,
    threads: usize,
}

impl Pool {
    const fn new(threads_max: usize) -> Self {
        let state = State { jobs: VecDeque::new(), idle: 0, threads: 0 };
        Self { state: Mutex::new(state), work: Condvar::new(), threads_max }
    }

    async fn run<T: Send + 'static>(&'static self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (tell, told) = oneshot::channel();
        let (kept, of_thread) = lend(work);
        let job = move || {
            if let Some(work) = take(&of_thread) {
                told_of(tell, work);
            }
        };
        if let Err(error) = self.give(Box::new(job), self.threads_max)
            && let Some(work) = take(&kept)
        {
            tracing::info!("no thread ({error}): the work is done here");
            return work();
        }
        outcome(told.await)
    }

    fn spawn(&'static self, work: impl Future<Output = ()> + Send + 'static) {
        let runtime = tokio::runtime::Handle::current();
        let (kept, of_thread) = lend(work);
        let job = move || {
            if let Some(work) = take(&of_thread) {
                runtime.block_on(work);
            }
        };
        if let Err(error) = self.give(Box::new(job), self.threads_max)
            && let Some(work) = take(&kept)
        {
            tracing::info!("no thread ({error}): the work is done beside other tasks");
            tokio::spawn(work);
        }
    }

    /// Gives work to a thread that waits for some, or to a new one unless there are `most`.
    fn give(&'static self, job: Job, most: usize) -> io::Result<()> {
        let mut state = locked(&self.state);
        if state.idle > state.jobs.len() {
            state.jobs.push_back(job);
            self.work.notify_one();
            return Ok(());
        }
        if state.threads >= most {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // With the lock held: the job is there when the thread begins, and still ours when it cannot.
        std::thread::Builder::new().name("longhaul-work".to_owned()).spawn(move || self.work())?;
        state.threads += 1;
        state.jobs.push_back(job);
        Ok(())
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = locked(&self.state);
        loop {
            while let Some(job) = state.jobs.pop_front() {
                drop(state);
                // Jobs hand their panics to who waits for them; what none waits for must not cost the thread.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = locked(&self.state);
            }
            state.idle += 1;
            let waited = self.work.wait_timeout_while(state, KEEP, |state| state.jobs.is_empty());
            let (woken, timeout) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if timeout.timed_out() && state.jobs.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

/// What may be needed in two places and is used in one.
type Lent<T> = Arc<Mutex<Option<T>>>;

fn lend<T>(value: T) -> (Lent<T>, Lent<T>) {
    let lent = Arc::new(Mutex::new(Some(value)));
    (lent.clone(), lent)
}

fn take<T>(lent: &Lent<T>) -> Option<T> {
    locked(lent).take()
}

type Told<T> = Result<T, Box<dyn Any + Send>>;

fn told_of<T>(tell: oneshot::Sender<Told<T>>, work: impl FnOnce() -> T) {
    let _ = tell.send(catch_unwind(AssertUnwindSafe(work))); // perhaps none waits any more
}

fn outcome<T>(told: Result<Told<T>, oneshot::error::RecvError>) -> T {
    match told {
        Ok(Ok(value)) => value,
        Ok(Err(panic)) => resume_unwind(panic),
        Err(_) => unreachable!("a job that was taken tells its end, and each is taken"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// A pool without a thread: what the system does under `ulimit -u`.
    fn none() -> &'static Pool {
        Box::leak(Box::new(Pool::new(0)))
    }

    #[tokio::test]
    async fn work_is_done_on_a_thread_and_here_where_there_is_none() {
        let here = std::thread::current().id();
        assert_ne!(run(|| std::thread::current().id()).await, here);
        assert_ne!(run_beside(|| std::thread::current().id()).await.unwrap(), here);
        assert_eq!(none().run(|| std::thread::current().id()).await, here);
    }

    #[tokio::test]
    async fn a_future_is_driven_where_there_is_no_thread() {
        for pool in [&POOL, none()] {
            let (tell, told) = oneshot::channel();
            let (give, gift) = oneshot::channel();
            pool.spawn(async move {
                let _ = tell.send(gift.await);
            });
            give.send(7).unwrap();
            assert_eq!(told.await.unwrap(), Ok(7));
        }
    }

    /// Each waits for the next one: with a bound that makes them queue, none would end.
    #[tokio::test(flavor = "current_thread")]
    async fn work_never_waits_behind_work() {
        let pool: &'static Pool = Box::leak(Box::new(Pool::new(usize::MAX)));
        let (first, mut last) = mpsc::channel::<u8>();
        let mut waiting = Vec::new();
        for _ in 0..20 {
            let (next, of_next) = mpsc::channel();
            let before = std::mem::replace(&mut last, of_next);
            waiting.push(tokio::spawn(pool.run(move || next.send(before.recv().unwrap()).unwrap())));
            tokio::task::yield_now().await;
        }
        first.send(7).unwrap();
        for one in waiting {
            one.await.unwrap();
        }
        assert_eq!(last.recv(), Ok(7));
    }

    #[tokio::test]
    async fn a_panic_reaches_who_waits_and_the_thread_goes_on() {
        let pool: &'static Pool = Box::leak(Box::new(Pool::new(1)));
        let failed = tokio::spawn(pool.run(|| panic!("planted"))).await;
        assert!(failed.unwrap_err().is_panic());
        let begun = std::time::Instant::now();
        while locked(&pool.state).idle == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the thread does not come back");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_ne!(pool.run(|| std::thread::current().id()).await, std::thread::current().id());
        assert_eq!(locked(&pool.state).threads, 1);
    }

    #[test]
    fn what_a_thread_was_to_have_comes_back_when_there_is_none() {
        let (with, _) = start("longhaul-test", usize::MAX / 2, "kept", |_| ()).unwrap_err();
        assert_eq!(with, "kept");
        let (tell, told) = mpsc::channel();
        start("longhaul-test", 64 << 10, "given", move |with| tell.send(with).unwrap()).unwrap();
        assert_eq!(told.recv(), Ok("given"));
    }
}
