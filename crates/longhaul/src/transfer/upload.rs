//! The task behind the handle of an upload.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use longhaul_core::upload::step::{Failure, Finish, Note};
use longhaul_core::words::Command;
use tokio::sync::mpsc;

use super::list_entry::ListEntry;
use super::task::{AfterRun, Reporter, TaskStart, TransferWay, cancelled, run_to_discard, start};
use super::{Change, Transfer};
use crate::advice::Advice;
use crate::disk::state::listing::{NoteKey, State, TransferNote};
use crate::disk::state::spool::Spooled;
use crate::disk::state::uploads::is_barren;
use crate::drive::engine::TellRun;
use crate::drive::upload::UploadDetails;
use crate::drive::upload::failure::{About, error_of, fault_text};
use crate::drive::upload::run::{UploadEnd, UploadRequest, UploadSummary, run};
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, Outcome, Uploaded};
use crate::source::WebUrl;
use crate::threads;
use crate::transfer::TransferKind;

/// An upload behind a handle.
struct UploadWay {
    request: Arc<UploadRequest>,
}

/// What the runs of one handle add up to.
#[derive(Default)]
pub(super) struct UploadSums {
    part_len: Option<u64>,
    parts: u32,
}

/// Starts the task behind a handle. Spooled input is held as long as the task runs, and removed when it is stored or
/// given up; its lock is let go of before the end is told, so that a next upload can begin.
pub(crate) fn begin(request: UploadRequest, spooled: Option<Spooled>) -> Transfer {
    let intent = &request.config.intent;
    let mut entry = ListEntry::new(Some(request.state.clone()), TransferNote::of_upload(intent));
    entry.set_path(Path::new(OsStr::from_bytes(&intent.path))); // by which its journal is found
    let source = request.source.path().to_path_buf();
    let rate = request.rates.own().clone();
    let way = UploadWay { request: Arc::new(request) };
    let (named, path) = (Some(source.clone()), Some(source));
    start(TaskStart { way, kind: TransferKind::Upload, entry, named, path, rate, keep: spooled })
}

/// Gives an upload up on which no run works. True when the store has no part of it any more.
pub(crate) async fn discard(request: UploadRequest) -> Result<bool, Error> {
    let note = NoteKey::of_upload(&request.key);
    let way = UploadWay { request: Arc::new(request) };
    let UploadEnd { finish, summary } = run_to_discard(&way).await;
    let clean = match finish.map_err(|panicked| panicked.error(way.object()))? {
        Finish::Failed(failure) => return Err(way.error(failure, summary.acknowledged, summary.remembered)),
        Finish::Discarded { clean } => clean,
        _ => !summary.kept,
    };
    way.remove_spooled().await;
    if clean {
        let state = way.request.state.clone();
        let _ = threads::run(move || state.remove_transfer(&note)).await; // a list; what is gone is shown as gone
    }
    Ok(clean)
}

impl TransferWay for UploadWay {
    type Note = Note;
    type End = UploadEnd;
    type Sums = UploadSums;
    type Missing = Infallible; // stores are asked by keys
    const CANCELLED: &'static str = "cancelled; the parts that are stored are kept";
    const STOPPED: &'static str = "stopped; the parts that are stored are kept";

    fn object(&self) -> &str {
        &self.request.config.intent.destination
    }

    async fn run(&self, commands: &mut mpsc::Receiver<Command>, tell: TellRun<'_, Note>) -> UploadEnd {
        run(&self.request, commands, tell).await
    }

    fn event(reporter: &mut Reporter<Self>, note: Note) -> Option<Event> {
        Some(match note {
            Note::Started { length, part_len, parts } => {
                reporter.total = Some(length);
                (reporter.sums.part_len, reporter.sums.parts) = (part_len, if part_len.is_some() { parts } else { 0 });
                let path = reporter.path().unwrap_or_default();
                Event::Started { path, total: Some(length), resumable: true }
            }
            Note::Resumed { bytes, .. } => {
                reporter.totals.resumed += 1;
                reporter.list(bytes);
                Event::Resumed { held: bytes, total: reporter.total }
            }
            Note::Restarted { reason, discarded } => reporter.restarted(reason.into(), discarded),
            Note::Acknowledged { .. } => return None, // told with the progress
            Note::WrongPart { number } => Event::WrongPart { number },
            Note::Retry { failures, delay_ms, why } => {
                reporter.totals.retries += 1;
                Event::Retry { failures, delay: Duration::from_millis(delay_ms), reason: fault_text(&why) }
            }
            Note::Limited { connections } => {
                Event::Limited { connections, reason: "the store refused one more connection".into() }
            }
            Note::Settling => Event::Settling,
            Note::Aborted { clean } => Event::Aborted { clean },
        })
    }

    async fn after(&mut self, reporter: &mut Reporter<Self>, end: UploadEnd) -> AfterRun<Infallible> {
        let UploadEnd { finish, summary } = end;
        reporter.totals.moved += summary.sent;
        let (stored, total) = (summary.acknowledged, reporter.total);
        let finish = match finish {
            Ok(finish) => finish,
            Err(panicked) => {
                let error = panicked.error(self.object());
                reporter.entry.write(State::Failed, stored, total, Some(error.to_string())).await;
                return AfterRun::Over(Err(error));
            }
        };
        match finish {
            Finish::Done { length, verified, already, object, callback_failed } => {
                if summary.kept {
                    // Something of an earlier attempt may be left in the store.
                    reporter.entry.write(State::Done, stored, total, None).await;
                } else {
                    reporter.entry.remove().await;
                }
                self.remove_spooled().await;
                if callback_failed {
                    return AfterRun::Over(Err(self.callback_failed(summary.remembered.store)));
                }
                let UploadSums { parts, part_len } = reporter.sums;
                AfterRun::Over(Ok(Outcome::Uploaded(Box::new(Uploaded {
                    path: self.request.source.path().to_path_buf(),
                    destination: self.object().to_owned(),
                    bytes: length,
                    verified: verified.into(),
                    digests: object.digests,
                    already,
                    etag: object.etag,
                    version: object.version,
                    parts,
                    part_len,
                    totals: reporter.take_totals(),
                }))))
            }
            Finish::Discarded { clean } => AfterRun::Over(Err(self.given_up(reporter, clean).await)),
            Finish::Paused => AfterRun::Paused { held: stored, total },
            Finish::Failed(failure) => AfterRun::Over(Err(self.failed(reporter, failure, summary).await)),
        }
    }

    async fn fresh_link(&self) -> Option<WebUrl> {
        None
    }

    fn without_link(&self, _: &Reporter<Self>, missing: Infallible) -> Error {
        match missing {}
    }

    fn may_change(&self, change: &Change) -> Result<(), Error> {
        match change {
            Change::Connections { .. } => Ok(()),
            Change::Link(_) => Err(Error::usage(format!("{}: an upload goes on with no other link", self.object()))),
        }
    }

    fn change(&mut self, change: Change) {
        if let Change::Connections { parts, .. } = change {
            self.request.connections.store(parts, Ordering::Relaxed);
        }
    }

    async fn discarded(&mut self, reporter: &mut Reporter<Self>, end: UploadEnd) -> Error {
        let UploadEnd { finish, summary } = end;
        match finish {
            Err(panicked) => panicked.error(self.object()),
            Ok(Finish::Failed(failure)) => self.error(failure, summary.acknowledged, summary.remembered),
            Ok(Finish::Discarded { clean }) => self.given_up(reporter, clean).await,
            Ok(_) => self.given_up(reporter, !summary.kept).await,
        }
    }
}

impl UploadWay {
    fn error(&self, failure: Failure, kept: u64, remembered: UploadDetails) -> Error {
        let source = self.request.source.path().display().to_string();
        let about = About {
            object: self.object(),
            source: &source,
            kept,
            overwriting_forbidden: self.request.config.forbid_overwrite,
        };
        error_of(failure, &about, remembered)
    }

    async fn failed(&self, reporter: &mut Reporter<Self>, failure: Failure, summary: UploadSummary) -> Error {
        let (stored, total) = (summary.acknowledged, reporter.total);
        let state = match failure {
            Failure::Denied(_) | Failure::NeedsCredentials => State::NeedsCredentials,
            _ => State::Failed,
        };
        let kept = summary.kept && self.is_begun().await;
        let error = self.error(failure, stored, summary.remembered);
        if kept {
            reporter.entry.write(state, stored, total, Some(error.in_full())).await;
        } else {
            reporter.entry.remove().await;
        }
        error
    }

    /// Whether the journal tells of something that was begun in the store.
    async fn is_begun(&self) -> bool {
        let request = self.request.clone();
        let found = threads::run(move || request.state.upload(&request.key).ok().flatten()).await;
        found.is_some_and(|recovered| !is_barren(&recovered))
    }

    async fn given_up(&self, reporter: &mut Reporter<Self>, clean: bool) -> Error {
        self.remove_spooled().await;
        if clean {
            reporter.entry.remove().await;
            return cancelled("cancelled; nothing of it is left in the store");
        }
        let total = reporter.total;
        if self.request.config.keep_parts {
            let stored = reporter.progress.borrow().durable;
            reporter.entry.write(State::Paused, stored, total, None).await;
            return cancelled("cancelled; its parts are kept in the store");
        }
        let error = Some("cancelled; parts may be left in the store".into());
        reporter.entry.write(State::Failed, 0, total, error).await;
        cancelled("cancelled; parts may be left in the store, since it could not be asked: clean up later")
    }

    fn callback_failed(&self, said: Option<String>) -> Error {
        let object = self.object();
        let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
        let text = format!("{object}: stored, but its callback failed{said}");
        Error::new(ErrorKind::CallbackFailed, Disposition::Permanent, text)
            .with("destination", object)
            .advise(Advice::TellReceiver)
    }

    /// Input that was spooled is not needed any more.
    async fn remove_spooled(&self) {
        let request = self.request.clone();
        let removed = threads::run(move || request.state.remove_spooled(request.source.path())).await;
        if let Err(error) = removed {
            tracing::info!("spooled input could not be removed: {error}"); // the next input replaces it
        }
    }
}
