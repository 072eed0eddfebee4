//! The driver of uploads: it carries out the steps that the core's [`Upload`](longhaul_core::upload::Upload) decides.
//!
//! ```text
//!   Transfer (handle) ──commands──► run ──steps──► desk: lock, journal, receipt      (in order, on a thread)
//!        ▲                          │  ▲ ───────► request: one request, its body     (tasks)
//!        └────────events────────────┘  └──heard── source, body: reads and digests    (threads)      
//! ```

pub(crate) mod body;
mod desk;
pub(crate) mod failure;
mod request;
pub(crate) mod run;
mod sentences;
pub(crate) mod source;
mod whole;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use longhaul_core::upload::step::Heard;

use self::request::SmallSource;
use super::engine;
use crate::disk::error::DiskError;

type UploadAnswer = engine::StepAnswer<Heard, UploadAside>;
type UploadReports = engine::RunReports<Heard, UploadAside>;

/// What stands beside an answer that the core need not know.
#[derive(Debug)]
enum UploadAside {
    /// The system call that failed.
    Disk(DiskError),
    /// What the store, or the network on the way to it, said; without secrets.
    Store(String),
}

/// What the tasks of one run share.
struct UploadShared {
    reports: UploadReports,
    sent: AtomicU64,
    snapshot: Mutex<Option<SmallSource>>,
}

impl UploadShared {
    fn new(reports: UploadReports) -> Self {
        Self { reports, sent: AtomicU64::new(0), snapshot: Mutex::default() }
    }

    /// Bytes went to the network.
    fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    fn bytes_sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

/// The core's word for a failed call; the error is kept for the text.
fn failed(error: DiskError) -> UploadAnswer {
    UploadAnswer::with(Heard::Failed(error.fault()), UploadAside::Disk(error))
}

/// What was last said about why something failed, for the error text.
#[derive(Debug, Default)]
pub(crate) struct UploadDetails {
    pub(crate) disk: Option<DiskError>,
    /// What the store, or the network on the way to it, said; without secrets.
    pub(crate) store: Option<String>,
}
