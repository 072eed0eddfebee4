//! When are keys looked for again?
//!
//! ```text
//!            ┌───────── found, with the time of their end and the files that were looked at ◄──┐
//!            ▼                                                                                  │
//!   good ──five minutes before their end──► aging ──one caller looks, the others go on with them┤
//!     │                                       └──at their end──┐                                │
//!     └── refused, or a file changed ──────────────────────────┴─► gone: all wait for one search┘
//! ```
//!
//! A search that fails while the old keys still have time leaves them in use. What a search found is kept for a minute
//! at least, even if it ends before that: a clock that is wrong must not mean a search for each request.

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use super::world::Stamp;
use crate::credentials::{BoxFuture, Credentials, Keys};
use crate::error::Error;
use crate::sync::locked;

/// What a search came by.
pub(super) struct Found {
    pub(super) keys: Option<Keys>,
    /// When the keys end; keys without an end are good until they are refused.
    pub(super) expires: Option<SystemTime>,
    /// What was looked at: when one of them changes, it is time for another search.
    pub(super) files: Vec<Stamp>,
}

type Search = Box<dyn Fn() -> BoxFuture<'static, Result<Found, Error>> + Send + Sync>;

/// Keys that are looked for when they are needed, and again in time.
pub(super) struct Chain {
    search: Search,
    times: Times,
    kept: Mutex<Option<Kept>>,
    /// Held by who searches.
    turn: tokio::sync::Mutex<()>,
}

/// When.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// So long before their end other keys are looked for. Services that hand out keys do it for 15 minutes at least,
    /// and bring new ones 5 minutes before the end at the latest.
    pub(super) early: Duration,
    /// Keys that were found are kept so long, even if they say that they end sooner.
    pub(super) least: Duration,
    /// How long it is remembered that there are no keys: a search may take a second on a machine without any.
    pub(super) none: Duration,
    /// After a search that failed, its outcome is everybody's for so long.
    pub(super) failed: Duration,
    /// Files are looked at this often at most.
    pub(super) files: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            early: Duration::from_secs(300),
            least: Duration::from_secs(60),
            none: Duration::from_secs(600),
            failed: Duration::from_secs(2),
            files: Duration::from_secs(1),
        }
    }
}

struct Kept {
    outcome: Result<Option<Keys>, Error>,
    expires: Option<SystemTime>,
    files: Vec<Stamp>,
    found_at: Instant,
    files_seen_at: Instant,
    refused: bool,
    /// A search before the end failed: no other before this.
    patient_until: Option<Instant>,
}

/// What can be done with what is kept.
enum State {
    Good(Result<Option<Keys>, Error>),
    Aging(Keys),
    Gone,
}

impl Chain {
    pub(super) fn new(times: Times, search: Search) -> Self {
        Self { search, times, kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Option<Kept>> {
        locked(&self.kept)
    }

    fn state(&self) -> State {
        self.kept().as_mut().map_or(State::Gone, |kept| kept.state(&self.times))
    }

    async fn keys(&self) -> Result<Option<Keys>, Error> {
        match self.state() {
            State::Good(outcome) => outcome,
            State::Aging(keys) => match self.turn.try_lock() {
                Ok(_turn) => match (self.search)().await {
                    Ok(found) if found.keys.is_some() => self.keep(Ok(found)),
                    failed => {
                        let why = failed.err().map(|error| format!(" ({error})")).unwrap_or_default();
                        tracing::info!("keys were not renewed{why}; the old ones have time left");
                        if let Some(kept) = self.kept().as_mut() {
                            kept.patient_until = Some(Instant::now() + self.times.early / 10);
                        }
                        Ok(Some(keys))
                    }
                },
                Err(_) => Ok(Some(keys)),
            },
            State::Gone => {
                let _turn = self.turn.lock().await;
                match self.state() {
                    State::Good(outcome) => outcome,
                    State::Aging(keys) => Ok(Some(keys)),
                    State::Gone => {
                        let outcome = (self.search)().await;
                        self.keep(outcome)
                    }
                }
            }
        }
    }

    fn keep(&self, found: Result<Found, Error>) -> Result<Option<Keys>, Error> {
        let now = Instant::now();
        let (outcome, expires, files) = match found {
            Ok(found) => (Ok(found.keys), found.expires, found.files),
            Err(error) => (Err(error), None, Vec::new()),
        };
        let kept = Kept {
            outcome: outcome.clone(),
            expires,
            files,
            found_at: now,
            files_seen_at: now,
            refused: false,
            patient_until: None,
        };
        *self.kept() = Some(kept);
        outcome
    }
}

impl Kept {
    fn state(&mut self, times: &Times) -> State {
        let age = self.found_at.elapsed();
        let keys = match &self.outcome {
            Err(_) if age >= times.failed => return State::Gone,
            Ok(None) if age >= times.none => return State::Gone,
            Ok(Some(keys)) => Some(keys),
            Ok(None) | Err(_) => None,
        };
        if self.files_seen_at.elapsed() >= times.files {
            self.files_seen_at = Instant::now();
            self.refused |= !self.files.iter().all(Stamp::holds);
        }
        if self.refused {
            return State::Gone;
        }
        let left = self.expires.filter(|_| age >= times.least);
        let left = left.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
        match (left, keys) {
            (Some(left), _) if left.is_zero() => State::Gone,
            (Some(left), Some(keys)) if left < times.early && self.patient_until.is_none_or(|t| Instant::now() > t) => {
                State::Aging(keys.clone())
            }
            _ => State::Good(self.outcome.clone()),
        }
    }
}

impl Credentials for Chain {
    fn get(&self) -> BoxFuture<'_, Result<Option<Keys>, Error>> {
        Box::pin(self.keys())
    }

    fn refused(&self, keys: &Keys) {
        if let Some(kept) = self.kept().as_mut()
            && kept.outcome.as_ref().is_ok_and(|known| known.as_ref() == Some(keys))
        {
            kept.refused = true;
        }
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("times", &self.times).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::credentials::Secret;
    use crate::error::{Disposition, ErrorKind};

    fn keys(number: u32) -> Keys {
        Keys { id: format!("id{number}"), secret: Secret::new("s"), token: None }
    }

    /// A chain whose searches are counted, and end as `outcome` says of their number.
    fn chain(
        times: Times,
        outcome: impl Fn(u32) -> Result<Found, Error> + Send + Sync + 'static,
    ) -> (Arc<Chain>, Arc<AtomicU32>) {
        let searches = Arc::new(AtomicU32::new(0));
        let (counter, outcome) = (Arc::clone(&searches), Arc::new(outcome));
        let search = move || -> BoxFuture<'static, _> {
            let (counter, outcome) = (Arc::clone(&counter), Arc::clone(&outcome));
            Box::pin(async move {
                let number = counter.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::task::yield_now().await;
                outcome(number)
            })
        };
        (Arc::new(Chain::new(times, Box::new(search))), searches)
    }

    fn found(number: u32, lasts: Option<Duration>) -> Result<Found, Error> {
        let expires = lasts.map(|lasts| SystemTime::now() + lasts);
        Ok(Found { keys: Some(keys(number)), expires, files: Vec::new() })
    }

    fn failed() -> Result<Found, Error> {
        Err(Error::new(ErrorKind::Denied, Disposition::Permanent, "no"))
    }

    async fn id(chain: &Chain) -> String {
        chain.get().await.map(|keys| keys.map_or_else(|| "none".into(), |k| k.id)).unwrap_or_else(|e| e.to_string())
    }

    fn eager() -> Times {
        Times { least: Duration::ZERO, files: Duration::ZERO, failed: Duration::ZERO, ..Times::default() }
    }

    #[tokio::test]
    async fn many_callers_make_one_search() {
        let (chain, searches) = chain(Times::default(), |n| found(n, None));
        let callers = (0..50).map(|_| {
            let chain = Arc::clone(&chain);
            tokio::spawn(async move { id(&chain).await })
        });
        for caller in callers.collect::<Vec<_>>() {
            assert_eq!(caller.await.unwrap(), "id1");
        }
        assert_eq!(searches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn refused_keys_are_looked_for_once_more_and_others_are_left_alone() {
        let (chain, searches) = chain(Times::default(), |n| found(n, None));
        assert_eq!(id(&chain).await, "id1");
        chain.refused(&keys(7));
        assert_eq!(id(&chain).await, "id1");
        chain.refused(&keys(1));
        chain.refused(&keys(1));
        assert_eq!(id(&chain).await, "id2");
        chain.refused(&keys(1)); // a reply that was late: the keys it speaks of are not used any more
        assert_eq!(id(&chain).await, "id2");
        assert_eq!(searches.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn keys_are_renewed_before_they_end() {
        let (chain, _) = chain(eager(), |n| found(n, Some(Duration::from_secs(if n == 1 { 200 } else { 9000 }))));
        assert_eq!(id(&chain).await, "id1");
        assert_eq!(id(&chain).await, "id2");
        assert_eq!(id(&chain).await, "id2");
    }

    #[tokio::test]
    async fn a_search_that_fails_leaves_keys_that_still_have_time() {
        let lasts = |n| if n == 1 { found(1, Some(Duration::from_secs(200))) } else { failed() };
        let (chain, searches) = chain(eager(), lasts);
        for _ in 0..5 {
            assert_eq!(id(&chain).await, "id1");
        }
        assert_eq!(searches.load(Ordering::SeqCst), 2, "and is not repeated at once");
    }

    #[tokio::test]
    async fn keys_that_ended_are_not_used() {
        let lasts = |n| if n == 1 { found(1, Some(Duration::ZERO)) } else { failed() };
        let (chain, _) = chain(eager(), lasts);
        assert_eq!(id(&chain).await, "id1", "whoever found them tries them");
        assert_eq!(id(&chain).await, "no");
    }

    #[tokio::test]
    async fn a_clock_that_is_wrong_does_not_mean_a_search_for_each_request() {
        let (chain, searches) = chain(Times::default(), |n| found(n, Some(Duration::ZERO)));
        for _ in 0..5 {
            assert_eq!(id(&chain).await, "id1");
        }
        assert_eq!(searches.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn that_there_are_none_and_that_a_search_failed_is_remembered() {
        let (none, searches) = chain(Times::default(), |_| Ok(Found { keys: None, expires: None, files: Vec::new() }));
        let (bad, bad_searches) = chain(Times::default(), |_| failed());
        for _ in 0..3 {
            assert_eq!((id(&none).await, id(&bad).await), ("none".to_owned(), "no".to_owned()));
        }
        assert_eq!((searches.load(Ordering::SeqCst), bad_searches.load(Ordering::SeqCst)), (1, 1));
    }

    #[tokio::test]
    async fn a_changed_file_is_a_reason_to_look_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credentials");
        let looked_at = path.clone();
        let (chain, searches) =
            chain(eager(), move |n| Ok(Found { files: vec![Stamp::of(&looked_at)], ..found(n, None)? }));
        assert_eq!((id(&chain).await, id(&chain).await), ("id1".into(), "id1".into()));
        std::fs::write(&path, "one").unwrap();
        assert_eq!((id(&chain).await, id(&chain).await), ("id2".into(), "id2".into()));
        std::fs::write(&path, "other").unwrap();
        assert_eq!(id(&chain).await, "id3");
        std::fs::remove_file(&path).unwrap();
        assert_eq!((id(&chain).await, id(&chain).await), ("id4".into(), "id4".into()));
        assert_eq!(searches.load(Ordering::SeqCst), 4);
    }
}
