//! Many transfers at a time: all objects of a prefix into a folder, all files of a folder into a store, or a list.
//!
//! ```text
//! batch       transfers that belong together: one switch stops them all, none takes the place of what another one saved
//! targets     which file below a folder does each object of a prefix become?      (keys: may its name be one?)
//! walk        which files are below a folder, and under which names do they go into a store?
//! downloads   both together, some side by side, with a report of each              (uploads: the other way)
//! ```
//!
//! Names in a store are chosen by anybody who may write there. A name that could lead out of the folder, or that is no
//! file name here, is refused with its reason and never changed: two names that became one would overwrite each other.
//! No link below the folder is followed while a file is written ([`DownloadBuilder::below`](crate::DownloadBuilder::below)).
//!
//! Nothing is printed here, and what is to be done about a failure is the caller's to say: a report has the typed error.

mod batch;
mod downloads;
mod keys;
mod targets;
mod uploads;
mod walk;

use std::collections::VecDeque;

use tokio::task::JoinSet;

pub use batch::{Batch, JobEnd, Notice, Report};
pub use downloads::{DownloadAll, Downloads};
pub use targets::{Target, Targets};
pub use uploads::{UploadAll, Uploads};
pub use walk::{FileBelow, FilesBelow, LeftOut, files_below};

use crate::error::Error;

/// So many transfers run side by side unless a caller says otherwise.
const AT_ONCE: usize = 4;

/// Jobs at work, each a task of its own, and reports that were not taken yet. Dropping it drops the transfers at work, which
/// then stop in order.
#[derive(Debug)]
struct Jobs<W> {
    at_work: JoinSet<(W, Report)>,
    /// At least 1.
    at_once: usize,
    /// What was refused before it could begin: one at most, since the next begins when it was taken.
    refused: VecDeque<(W, Report)>,
}

impl<W: Send + 'static> Jobs<W> {
    fn new(at_once: usize) -> Self {
        Self { at_work: JoinSet::new(), at_once: at_once.max(1), refused: VecDeque::new() }
    }

    fn is_idle(&self) -> bool {
        self.at_work.is_empty() && self.refused.is_empty()
    }

    fn has_room(&self) -> bool {
        self.at_work.len() < self.at_once && self.refused.is_empty()
    }

    fn begin(&mut self, job: impl Future<Output = (W, Report)> + Send + 'static) {
        self.at_work.spawn(job);
    }

    fn refuse(&mut self, what: W, error: Error) {
        self.refused.push_back((what, Report::failed(error)));
    }

    /// The next report; `None` when no job is at work. Dropping the future loses nothing.
    ///
    /// # Errors
    /// `Internal` when a job panicked, as only a caller's own function can make it.
    async fn ended(&mut self) -> Result<Option<(W, Report)>, Error> {
        if let Some(refused) = self.refused.pop_front() {
            return Ok(Some(refused));
        }
        let ended = self.at_work.join_next().await.transpose();
        ended.map_err(|error| Error::internal(format!("a job of many ended without a report ({error})")))
    }
}
