//! Transfers that belong together: one switch stops them all, and none of them takes the place of what another one
//! saved.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use crate::client::DownloadBuilder;
#[cfg(feature = "upload")]
use crate::client::upload::UploadBuilder;
use crate::disk::saved::SavedFiles;
use crate::error::Error;
use crate::event::{Event, Outcome};
use crate::sync::locked;
use crate::transfer::{Events, Transfer};

/// Transfers that belong together, as those of one list do. Cheap to clone.
///
/// - None of its downloads replaces a file that another of them saved, [`overwrite`](DownloadBuilder::overwrite) or
///   not: two sources that want one target end in [`ErrorKind::Exists`](crate::ErrorKind::Exists) for the later one,
///   and the error names both. Files are told by what they are and not by their names, so this holds as well where a
///   file system takes two names for one (of another case, say). The last 500,000 files are remembered.
/// - A source that is fetched twice waits for itself: the second download finds the file of the first one.
/// - [`stop`](Self::stop) pauses those at work in order, and the others do not begin.
///
/// The first holds for each download that was given the batch ([`DownloadBuilder::batch`]), all three for those that
/// the batch carries out ([`download`](Self::download), [`upload`](Self::upload)). How many are carried out at once is
/// the caller's to say: each is a future, and what it needs is that of one transfer.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    saved: SavedFiles,
    stopped: Arc<watch::Sender<bool>>,
    turns: Arc<Turns>,
}

/// The sources at work, as they are shown.
#[derive(Debug, Default)]
struct Turns {
    at_work: Mutex<HashSet<String>>,
    /// Told when one of them has ended.
    ended: watch::Sender<()>,
}

/// What is told of one job of many while it lasts.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// It is its turn: its transfer is started now.
    Begins,
    /// Its transfer tells this.
    Event(&'a Transfer, &'a Event),
}

/// How one job of many ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct JobReport {
    /// Its transfer: the id, the file, how far it came. `None` when none was started.
    pub transfer: Option<Transfer>,
    /// How it ended.
    pub end: JobEnd,
}

/// The end of a [`JobReport`].
#[derive(Debug)]
#[non_exhaustive]
pub enum JobEnd {
    /// Well.
    Done(Outcome),
    /// Not well, or by a caller who cancelled it.
    Failed(Error),
    /// The batch was stopped, and so many bytes of it are kept (or stored): a later start goes on from there.
    Stopped {
        /// Bytes.
        kept: u64,
    },
    /// The batch was stopped before its transfer was started.
    NotBegun,
}

impl JobReport {
    pub(super) fn failed(error: Error) -> Self {
        Self { transfer: None, end: JobEnd::Failed(error) }
    }

    pub(super) fn not_begun() -> Self {
        Self { transfer: None, end: JobEnd::NotBegun }
    }
}

impl DownloadBuilder {
    /// It belongs together with other downloads: see [`Batch`](crate::Batch).
    pub fn batch(self, batch: &Batch) -> Self {
        self.beside_saved(batch.saved.clone())
    }
}

impl Batch {
    /// Stops all: the transfers at work are paused in order, with everything received durable, and no other begins.
    /// There is no way back; a new batch goes on.
    pub fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Resolves when the batch is stopped.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time.
    pub async fn stopped(&self) {
        stopped(&mut self.stopped.subscribe()).await;
    }

    /// Carries out one download: waits for another one of the same source, starts it, tells what happens in it, and
    /// pauses it when the batch is stopped.
    ///
    /// # Cancel safety
    /// Dropping the future drops the transfer, which then stops in order, with everything received kept.
    pub async fn download(&self, download: DownloadBuilder, mut tell: impl FnMut(Notice<'_>)) -> JobReport {
        let mut stop = self.stopped.subscribe();
        let turn = async {
            match download.source() {
                Some(source) => Some(self.turn(source.to_string()).await),
                None => None, // refused at its start
            }
        };
        let _turn = tokio::select! {
            biased;
            () = stopped(&mut stop) => return JobReport::not_begun(),
            turn = turn => turn,
        };
        tell(Notice::Begins);
        carry_out(download.batch(self).start(), stop, tell).await
    }

    /// Carries out one upload, as [`download`](Self::download) does; it waits for no other one.
    ///
    /// # Cancel safety
    /// Dropping the future drops the transfer, which then stops in order. Input that is read before an upload begins
    /// ([`Client::upload_reader`](crate::Client::upload_reader)) is read no further, and what was kept of it is
    /// removed.
    #[cfg(feature = "upload")]
    pub async fn upload(&self, upload: UploadBuilder, mut tell: impl FnMut(Notice<'_>)) -> JobReport {
        if self.is_stopped() {
            return JobReport::not_begun();
        }
        tell(Notice::Begins);
        carry_out(upload.start(), self.stopped.subscribe(), tell).await
    }

    /// Waits until no other download of this source is at work.
    async fn turn(&self, source: String) -> Turn {
        let mut ended = self.turns.ended.subscribe();
        while !locked(&self.turns.at_work).insert(source.clone()) {
            let _ = ended.changed().await; // the sender is the batch's own
        }
        Turn { turns: Arc::clone(&self.turns), source }
    }
}

/// A source is at work as long as this lives.
struct Turn {
    turns: Arc<Turns>,
    source: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        locked(&self.turns.at_work).remove(&self.source);
        self.turns.ended.send_replace(());
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stopped| *stopped).await.is_err() {
        std::future::pending().await // the batch is gone: its switch cannot be turned any more
    }
}

/// Starts a transfer and follows it to its end, or until the batch is stopped.
async fn carry_out(
    starting: impl Future<Output = Result<Transfer, Error>>,
    mut stop: watch::Receiver<bool>,
    mut tell: impl FnMut(Notice<'_>),
) -> JobReport {
    let transfer = tokio::select! {
        biased;
        () = stopped(&mut stop) => return JobReport::not_begun(),
        started = starting => match started {
            Ok(transfer) => transfer,
            Err(error) => return JobReport::failed(error),
        },
    };
    let end = follow(&transfer, &mut stop, |event| tell(Notice::Event(&transfer, event))).await;
    JobReport { transfer: Some(transfer), end }
}

/// Follows a transfer to its end, or until it is stopped, and tells what happens in it.
async fn follow(transfer: &Transfer, stop: &mut watch::Receiver<bool>, mut tell: impl FnMut(&Event)) -> JobEnd {
    let mut pausing = false;
    let mut events = transfer.events();
    loop {
        // Events first, so that what led to the end is told before it.
        tokio::select! {
            biased;
            () = stopped(stop), if !pausing => {
                pausing = true;
                if let Some(kept) = pause(transfer, &mut events, &mut tell).await {
                    return JobEnd::Stopped { kept };
                } // else it ended by itself
            }
            Some(event) = events.next() => tell(&event),
            outcome = transfer.finished() => return match outcome {
                Ok(outcome) => JobEnd::Done(outcome),
                Err(error) => JobEnd::Failed(error),
            },
        }
    }
}

/// Pauses; the bytes that are kept, or `None` when the transfer ended instead.
async fn pause(transfer: &Transfer, events: &mut Events, tell: &mut impl FnMut(&Event)) -> Option<u64> {
    let mut kept = None;
    let mut pause = std::pin::pin!(transfer.pause());
    loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => {
                if let Event::Paused { held, .. } = event {
                    kept = Some(held);
                }
                tell(&event);
            }
            // An error is the transfer's own, and told as such.
            _ = &mut pause => return kept,
        }
    }
}
