//! The driver of downloads: it carries out the steps that the core's [`Download`](longhaul_core::download::Download)
//! decides.
//!
//! ```text
//!   Transfer (handle) ──commands──► run ──steps──► desk: journal, lock, renames   (a thread)
//!        ▲                          │  ▲ ───────► syncs, checks, digests          (threads)
//!        └────────events────────────┘  └──heard── streams: request, body, writes  (tasks)
//! ```

mod desk;
pub(crate) mod destination;
pub(crate) mod failure;
mod free;
mod reach;
pub(crate) mod run;
mod sentences;
mod sink;
mod stream;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use longhaul_core::digest::Digest;
use longhaul_core::download::step::Heard;
use longhaul_core::window::Window;
use longhaul_core::words::{Extent, Ticket};
use tokio::sync::Semaphore;

use super::engine;
use crate::advice::Advice;
use crate::disk::error::DiskError;
use crate::store::Given;

/// DownloadReports of one stream that may be on their way to the journal at once.
const REPORTS_PER_STREAM: usize = 2;

type DownloadAnswer = engine::StepAnswer<Heard, DownloadAside>;
type DownloadReports = engine::RunReports<Heard, DownloadAside>;

/// What stands beside an answer that the core need not know.
#[derive(Debug)]
enum DownloadAside {
    /// The system call that failed.
    Disk(DiskError),
    /// What the network said of the end of a stream.
    Net(String),
    /// What an object store said in place of the object.
    Refused(StoreRefusal),
    /// Where the target is.
    Path(PathBuf),
}

/// What an object store said of its refusal.
#[derive(Debug)]
struct StoreRefusal {
    said: String,
    /// The refusal does not depend on the credentials, also where its status says so.
    beside_access: bool,
    advice: Option<Advice>,
}

/// What was last said about why something failed, for the error text.
#[derive(Debug, Default)]
pub(crate) struct DownloadDetails {
    pub(crate) disk: Option<DiskError>,
    pub(crate) net: Option<String>,
    /// What went with the requests to show who asks.
    pub(crate) given: Given,
    /// What an object store said of its last refusal.
    pub(crate) refusal: Option<String>,
    /// The refusal does not depend on the credentials, also where its status says so.
    pub(crate) beside_access: bool,
    /// What helps against it.
    pub(crate) advice: Option<Advice>,
    /// The source that the partial file found at the place belongs to.
    pub(crate) recorded_source: Option<String>,
    /// Which bytes of it, in words.
    pub(crate) recorded_range: Option<String>,
    /// Which bytes were asked for, in words; `None`: all of them.
    pub(crate) range: Option<String>,
    /// A digest of the file was given.
    pub(crate) digest_given: bool,
    /// The status of the last reply that asked to wait, and for how many milliseconds.
    pub(crate) asked_to_wait: Option<(u16, u64)>,
    /// The fields that the source declares digests in; few, since only one of each kind counts.
    pub(crate) declared_in: Vec<(Digest, String)>,
}

impl DownloadDetails {
    /// How long the reply of this status asked to wait.
    fn wait_of(&self, status: Option<u16>) -> Option<u64> {
        self.asked_to_wait.filter(|(of, _)| Some(*of) == status).map(|(_, wait_ms)| wait_ms)
    }
}

/// What the tasks and threads of one run share.
struct DownloadShared {
    reports: DownloadReports,
    /// DownloadReports of written bytes that may be on their way to the journal at once; a stream waits for its turn,
    /// so that what a kill can cost stays bounded however fast the line is.
    turns: Semaphore,
    fetched: AtomicU64,
}

impl DownloadShared {
    fn new(reports: DownloadReports, connections: usize) -> Self {
        let turns = Semaphore::new(REPORTS_PER_STREAM * connections.max(1));
        Self { reports, turns, fetched: AtomicU64::new(0) }
    }

    /// Tells the run that bytes were written, when earlier reports have reached the journal.
    async fn tell_written(&self, ticket: Ticket, extent: Extent) {
        if let Ok(permit) = self.turns.acquire().await {
            permit.forget(); // given back by `recorded`
        }
        self.reports.tell(ticket, Heard::Wrote(extent)).await;
    }

    /// DownloadReports have reached the journal, or need not.
    fn recorded(&self, reports: usize) {
        self.turns.add_permits(reports);
    }

    fn received(&self, bytes: u64) {
        self.fetched.fetch_add(bytes, Ordering::Relaxed);
    }

    fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }
}

/// The core's word for a failed call; the error is kept for the text.
fn failed(error: DiskError) -> DownloadAnswer {
    DownloadAnswer::with(Heard::Failed(error.fault()), DownloadAside::Disk(error))
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
