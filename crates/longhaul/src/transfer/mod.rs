//! A running transfer: the handle. The task behind it is in [`task`], what differs between the two ways in [`download`]
//! and [`upload`].

pub(crate) mod download;
mod events;
mod kind;
mod list_entry;
mod task;
#[cfg(feature = "upload")]
pub(crate) mod upload;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use longhaul_core::pace::ConnectionPlan;
use tokio::sync::{mpsc, oneshot, watch};

pub use self::events::Events;
use self::events::{EventSender, EventSource};
pub use self::kind::TransferKind;
use crate::error::{Error, ErrorKind};
use crate::event::{Outcome, Progress};
use crate::map::PieceMap;
use crate::source::WebUrl;
use crate::store::Pace;

/// What becomes of what is there when a transfer is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Everything received (or stored, of an upload) stays, durable; a later start goes on from it.
    Keep,
    /// The partial file and its journal are removed. A target that is being published at this moment stays. Of an
    /// upload, its parts are removed from the store, unless they are to be kept
    /// ([`keep_parts`](crate::UploadBuilder::keep_parts)).
    Discard,
}

/// A transfer that was started. Cloning gives another handle on the same one; when the last is dropped, the transfer
/// stops in order, with everything received kept.
#[must_use = "dropping the last handle stops the transfer"]
#[derive(Clone)]
pub struct Transfer {
    inner: Arc<HandleInner>,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HandleInner { kind, id, .. } = &*self.inner;
        f.debug_struct("Transfer").field("kind", kind).field("id", id).finish_non_exhaustive()
    }
}

struct HandleInner {
    kind: TransferKind,
    id: String,
    /// The file that was named at the start, whether it was opened yet or not.
    named: Option<PathBuf>,
    controls: mpsc::Sender<Control>,
    rate: Arc<Pace>,
    events: EventSource,
    progress: watch::Receiver<Progress>,
    map: watch::Receiver<PieceMap>,
    path: watch::Receiver<Option<PathBuf>>,
    outcome: watch::Receiver<Option<Result<Outcome, Error>>>,
}

/// What a handle tells the task.
enum Control {
    Pause(oneshot::Sender<()>),
    Resume,
    Cancel(Cancel),
    Change(Change, oneshot::Sender<Result<(), Error>>),
}

/// What can be changed of a transfer, by another run of it.
pub(crate) enum Change {
    /// Another link to the object.
    Link(WebUrl),
    /// Other connections.
    Connections {
        /// Of a download.
        plan: ConnectionPlan,
        /// Of an upload: the most parts at once.
        parts: u32,
    },
}

impl Transfer {
    /// The name of this transfer in lists: 32 hexadecimal digits, the same in every run of it on this machine until it
    /// is finished or discarded.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Which way the bytes go.
    pub fn kind(&self) -> TransferKind {
        self.inner.kind
    }

    /// Where the file will be; `None` until the name is known. Of an upload, its source.
    pub fn path(&self) -> Option<PathBuf> {
        self.inner.path.borrow().clone()
    }

    /// The same, also before anything was opened.
    pub(crate) fn named(&self) -> Option<PathBuf> {
        self.inner.named.clone().or_else(|| self.path())
    }

    /// Where the transfer stands, and then its events, also when it is asked late. May be called several times; each
    /// reader gets every event.
    pub fn events(&self) -> Events {
        self.inner.events.events()
    }

    /// How far it is, at most a fifth of a second old.
    pub fn progress(&self) -> Progress {
        *self.inner.progress.borrow()
    }

    /// Where its bytes are, at most a fifth of a second old. Before the disk was looked at it is empty; of a transfer that
    /// does not run, [`Client::map_of`](crate::Client::map_of) tells.
    pub fn map(&self) -> PieceMap {
        self.inner.map.borrow().clone()
    }

    /// Another rate limit of this transfer from now on, in bytes per second; 0 is none. Those of its lane and its client
    /// hold beside.
    pub fn set_limit_rate(&self, bytes_per_s: u64) {
        self.inner.rate.set(bytes_per_s);
    }

    /// Its own rate limit now, in bytes per second; 0 is none.
    pub fn limit_rate(&self) -> u64 {
        self.inner.rate.limit()
    }

    /// Stops in order. When it returns, everything received is durable and the lock is let go: another process may go
    /// on with it. Of an upload, the parts that were acknowledged stay in the store. Returns at once when it is paused
    /// already.
    ///
    /// # Errors
    /// The transfer's own error when it ended meanwhile, in failure.
    ///
    /// # Cancel safety
    /// When the future is dropped the transfer pauses all the same, if it was polled once; another call waits for that.
    pub async fn pause(&self) -> Result<(), Error> {
        let (done, paused) = oneshot::channel();
        if self.inner.controls.send(Control::Pause(done)).await.is_ok() && paused.await.is_ok() {
            return Ok(());
        }
        self.finished().await.map(|_| ())
    }

    /// Goes on after [`pause`](Self::pause); a transfer that is not paused stays as it is.
    ///
    /// # Cancel safety
    /// When the future is dropped before it is ready, the transfer may stay paused; it can be called again.
    pub async fn resume(&self) {
        let _ = self.inner.controls.send(Control::Resume).await;
    }

    /// Changes it; ready when the change is taken up.
    pub(crate) async fn change(&self, change: Change) -> Result<(), Error> {
        let (done, changed) = oneshot::channel();
        if self.inner.controls.send(Control::Change(change, done)).await.is_ok()
            && let Ok(result) = changed.await
        {
            return result;
        }
        self.finished().await.map(|_| ())
    }

    /// Ends the transfer; [`finished`](Self::finished) then gives [`ErrorKind::Cancelled`]. Returns when it is over.
    ///
    /// # Errors
    /// When what was asked could not be done (the partial file could not be removed, say). A transfer that finished
    /// before it could be cancelled is no error.
    ///
    /// # Cancel safety
    /// When the future is dropped the transfer ends all the same, if it was polled once; [`finished`](Self::finished)
    /// tells when.
    pub async fn cancel(&self, how: Cancel) -> Result<(), Error> {
        let _ = self.inner.controls.send(Control::Cancel(how)).await;
        match self.finished().await {
            Err(error) if error.kind() != ErrorKind::Cancelled => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for the end. May be called any number of times. A paused transfer is not over.
    ///
    /// # Errors
    /// Why the transfer failed; [`Error::kind`] says what can be done about it. [`ErrorKind::Internal`] when a part of
    /// the transfer panicked, or the runtime that it ran in is gone.
    ///
    /// # Cancel safety
    /// It only looks: the future may be dropped at any time, and called again.
    pub async fn finished(&self) -> Result<Outcome, Error> {
        let mut outcome = self.inner.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(ended_without_word())),
            Err(_) => Err(ended_without_word()),
        }
    }
}

fn ended_without_word() -> Error {
    Error::internal("the transfer's task was stopped before its end: the runtime that it ran in is gone")
}

/// The task's ends of what a handle holds.
struct Ends {
    controls: mpsc::Receiver<Control>,
    events: EventSender,
    progress: watch::Sender<Progress>,
    map: watch::Sender<PieceMap>,
    path: watch::Sender<Option<PathBuf>>,
    outcome: watch::Sender<Option<Result<Outcome, Error>>>,
}

/// A handle, and what its task holds.
fn handle(kind: TransferKind, id: String, named: Option<PathBuf>, rate: Arc<Pace>) -> (Transfer, Ends) {
    let (controls_tx, controls) = mpsc::channel(8); // the handle waits for its turn beyond that
    let (sender, events) = events::channel();
    let (progress_tx, progress) = watch::channel(Progress::default());
    let (map_tx, map) = watch::channel(PieceMap::default());
    let (path_tx, path) = watch::channel(None);
    let (outcome_tx, outcome) = watch::channel(None);
    let inner = HandleInner { kind, id, named, controls: controls_tx, rate, events, progress, map, path, outcome };
    let transfer = Transfer { inner: Arc::new(inner) };
    (
        transfer,
        Ends { controls, events: sender, progress: progress_tx, map: map_tx, path: path_tx, outcome: outcome_tx },
    )
}
