//! Jobs side by side, and their reports.

use std::collections::VecDeque;

use tokio::task::JoinSet;

use super::JobReport;
use crate::error::Error;

/// So many transfers run side by side unless a caller says otherwise.
pub(super) const AT_ONCE: usize = 4;

/// Jobs at work, each a task of its own, and reports that wait to be taken. Dropping it drops the transfers at work,
/// which then stop in order.
#[derive(Debug)]
pub(super) struct Jobs<W> {
    at_work: JoinSet<(W, JobReport)>,
    /// At least 1.
    at_once: usize,
    /// What was refused before it could begin: one at most, since the next begins when it was taken.
    refused: VecDeque<(W, JobReport)>,
}

impl<W: Send + 'static> Jobs<W> {
    pub(super) fn new(at_once: usize) -> Self {
        Self { at_work: JoinSet::new(), at_once: at_once.max(1), refused: VecDeque::new() }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.at_work.is_empty() && self.refused.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.at_work.len() < self.at_once && self.refused.is_empty()
    }

    pub(super) fn begin(&mut self, job: impl Future<Output = (W, JobReport)> + Send + 'static) {
        self.at_work.spawn(job);
    }

    pub(super) fn refuse(&mut self, what: W, error: Error) {
        self.refused.push_back((what, JobReport::failed(error)));
    }

    /// The next report; `None` when no job is at work. The future may be dropped at any time.
    ///
    /// # Errors
    /// `Internal` when a job panicked, as only a caller's own function can make it.
    pub(super) async fn ended(&mut self) -> Result<Option<(W, JobReport)>, Error> {
        if let Some(refused) = self.refused.pop_front() {
            return Ok(Some(refused));
        }
        let ended = self.at_work.join_next().await.transpose();
        ended.map_err(|error| Error::internal(format!("a job of many ended without a report ({error})")))
    }
}
