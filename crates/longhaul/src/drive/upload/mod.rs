//! The driver of uploads: it carries out the steps of the core's [`Upload`](longhaul_core::upload::Upload) and decides
//! nothing.
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
pub(crate) mod source;

use crate::disk::error::DiskError;

/// What was last said about why something failed, for the error text.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    pub(crate) disk: Option<DiskError>,
    /// What the store, or the network on the way to it, said; without secrets.
    pub(crate) store: Option<String>,
}
