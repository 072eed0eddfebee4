//! The driver of downloads: it carries out the steps of the core's [`Download`](longhaul_core::download::Download) and
//! decides nothing.
//!
//! ```text
//!   Transfer (handle) ──commands──► run ──steps──► desk: journal, lock, renames   (a thread)
//!        ▲                          │  ▲ ───────► syncs, checks, digests          (threads)
//!        └────────events────────────┘  └──heard── streams: request, body, writes  (tasks)
//! ```

mod desk;
pub(crate) mod failure;
mod reach;
pub(crate) mod run;
mod sink;
mod stream;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use longhaul_core::digest::Digest;
use longhaul_core::download::journal::Source;
use longhaul_core::download::step::Heard;
use longhaul_core::reply::ReplyFacts;
use longhaul_core::window::Window;
use longhaul_core::words::{Extent, Ticket};
use tokio::sync::{Semaphore, mpsc};

use crate::disk::error::DiskError;
use crate::sync::locked;

/// Reports of one stream that may be on their way to the journal at once.
const REPORTS_PER_STREAM: usize = 2;

/// What was last said about why something failed, for the error text.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) disk: Option<DiskError>,
    pub(crate) net: Option<String>,
    /// What an object store said of its last refusal.
    pub(crate) refusal: Option<String>,
    /// It has nothing to do with who asks, whatever its status.
    pub(crate) beside_access: bool,
    /// The source that the partial file found at the place belongs to.
    pub(crate) recorded_source: Option<String>,
    /// Which bytes of it, in words.
    pub(crate) recorded_range: Option<String>,
    /// Which bytes were asked for, in words; `None`: all of them.
    pub(crate) range: Option<String>,
    /// The fields that the source declares digests in; few, since only one of each kind counts.
    pub(crate) declared_in: Vec<(Digest, String)>,
}

/// What the first usable head told besides the core's facts.
#[derive(Debug, Default, Clone)]
pub(crate) struct SeenHead {
    pub(crate) suggested_name: Option<Vec<u8>>,
    pub(crate) modified_s: Option<i64>,
}

/// What the parts of one run share.
pub(crate) struct Shared {
    heard: mpsc::Sender<(Ticket, Heard)>,
    /// Reports of written bytes that may be on their way to the journal at once; a stream waits for its turn, so that
    /// what a kill can cost stays bounded however fast the line is.
    reports: Semaphore,
    fetched: AtomicU64,
    remembered: Mutex<Remembered>,
    head: Mutex<SeenHead>,
    path: Mutex<Option<PathBuf>>,
}

impl Shared {
    fn new(heard: mpsc::Sender<(Ticket, Heard)>, connections: usize) -> Self {
        Self {
            heard,
            reports: Semaphore::new(REPORTS_PER_STREAM * connections.max(1)),
            fetched: AtomicU64::new(0),
            remembered: Mutex::default(),
            head: Mutex::default(),
            path: Mutex::default(),
        }
    }

    /// Tells the run, from a task. A run that is over hears nothing.
    async fn tell(&self, ticket: Ticket, heard: Heard) {
        let _ = self.heard.send((ticket, heard)).await;
    }

    /// Tells the run that bytes were written, when earlier reports have reached the journal.
    async fn tell_written(&self, ticket: Ticket, extent: Extent) {
        if let Ok(permit) = self.reports.acquire().await {
            permit.forget(); // given back by `recorded`
        }
        self.tell(ticket, Heard::Wrote(extent)).await;
    }

    /// Reports have reached the journal, or need not.
    fn recorded(&self, reports: usize) {
        self.reports.add_permits(reports);
    }

    /// Tells the run, from a thread.
    fn tell_blocking(&self, ticket: Ticket, heard: Heard) {
        let _ = self.heard.blocking_send((ticket, heard));
    }

    fn received(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    fn remember_disk(&self, error: DiskError) {
        tracing::debug!(%error, "disk");
        locked(&self.remembered).disk = Some(error);
    }

    /// The core's word for a failed call; the rest is kept for the error text.
    fn failed(&self, error: DiskError) -> Heard {
        let fault = error.fault();
        self.remember_disk(error);
        Heard::Failed(fault)
    }

    fn remember_net(&self, detail: String) {
        tracing::debug!(%detail, "network");
        locked(&self.remembered).net = Some(detail);
    }

    fn remember_refusal(&self, said: String, beside_access: bool) {
        tracing::debug!(%said, "refusal");
        let mut remembered = locked(&self.remembered);
        (remembered.refusal, remembered.beside_access) = (Some(said), beside_access);
    }

    fn remember_source(&self, recorded: &Source) {
        let mut remembered = locked(&self.remembered);
        remembered.recorded_source = Some(recorded.url.clone());
        remembered.recorded_range = Some(range_text(&recorded.window));
    }

    fn saw_head(&self, facts: &ReplyFacts) {
        if matches!(facts.status, 200 | 206) {
            if !facts.declared_in.is_empty() {
                locked(&self.remembered).declared_in.clone_from(&facts.declared_in);
            }
            *locked(&self.head) =
                SeenHead { suggested_name: facts.suggested_name.clone(), modified_s: facts.identity.modified };
        }
    }

    fn opened_at(&self, path: PathBuf) {
        *locked(&self.path) = Some(path);
    }
}

/// Which bytes are meant, for messages: not more than a line holds.
pub(crate) fn range_text(window: &Window) -> String {
    const SHOWN: usize = 3;
    let parts = window.parts();
    let shown: Vec<String> = parts.iter().take(SHOWN).map(ToString::to_string).collect();
    match (parts.len(), shown.join(",")) {
        (0, _) => "all of it".into(),
        (count, shown) if count > SHOWN => format!("bytes {shown} and {} more ranges", count - SHOWN),
        (_, shown) => format!("bytes {shown}"),
    }
}
