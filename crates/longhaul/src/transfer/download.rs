//! The task behind the handle of a download.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use longhaul_core::download::step::{Failure, Finish, Note};
use longhaul_core::words::Command;
use tokio::sync::mpsc;

use super::list_entry::ListEntry;
use super::task::{AfterRun, Reporter, TaskStart, TransferWay, cancelled, start};
use super::{Change, Transfer};
use crate::disk::state::listing::{Kind, State, TransferNote, id_text};
use crate::drive::download::destination::Destination;
use crate::drive::download::failure::{error_of, plainer_text, trouble_text};
use crate::drive::download::run::{DownloadEnd, DownloadRequest, DownloadSummary, run};
use crate::drive::engine::TellRun;
use crate::error::Error;
use crate::event::{Digest, Downloaded, Event, NotModified, Outcome};
use crate::secrets;
use crate::source::LinkSource;
use crate::source::WebUrl;
use crate::source::range_text;
use crate::store::{Given, Origin};
use crate::transfer::TransferKind;

/// Fresh links asked for in a row without a byte of progress between them.
const LINKS_MAX: u32 = 5;

/// A download behind a handle.
struct DownloadWay {
    request: DownloadRequest,
    links: Option<Arc<dyn LinkSource>>,
    links_in_a_row: u32,
}

/// Starts the task behind a handle.
pub(crate) fn begin(request: DownloadRequest, links: Option<Arc<dyn LinkSource>>) -> Transfer {
    let named = match &request.destination {
        Destination::File(file) => std::path::absolute(file).ok(),
        Destination::Below(below) => std::path::absolute(&below.path).ok(),
        Destination::Folder(_) | Destination::Chosen(_) => None,
    };
    let source = &request.config.source;
    let note = TransferNote {
        id: id_text(source.id),
        kind: Kind::Download,
        path: Path::new("").into(), // until it is known
        source: source.url.clone(),
        state: State::Running,
        held: 0,
        total: None,
        updated_ms: 0,
        needs_link: source.needs_link,
        needs_headers: source.needs_headers,
        error: None,
        endpoint: None,
        range: range_text(&source.window),
    };
    let entry = ListEntry::new(request.state.clone(), note);
    let rate = request.rates.own().clone();
    let way = DownloadWay { request, links, links_in_a_row: 0 };
    start(TaskStart { way, kind: TransferKind::Download, entry, named, path: None, rate, keep: () })
}

impl TransferWay for DownloadWay {
    type Note = Note;
    type End = DownloadEnd;
    type Sums = Vec<Digest>; // that matched
    type Missing = Box<(Failure, DownloadSummary)>;
    const CANCELLED: &'static str = "cancelled; what was received is kept";
    const STOPPED: &'static str = "stopped; what was received is kept";

    fn object(&self) -> &str {
        &self.request.config.source.url
    }

    async fn run(&self, commands: &mut mpsc::Receiver<Command>, tell: TellRun<'_, Note>) -> DownloadEnd {
        run(&self.request, commands, tell).await
    }

    fn event(reporter: &mut Reporter<Self>, note: Note) -> Option<Event> {
        Some(match note {
            Note::Started { length, held, resumable } => {
                reporter.total = length;
                reporter.list(held);
                Event::Started { path: reporter.path().unwrap_or_default(), total: length, resumable }
            }
            Note::Resumed { held, length } => {
                reporter.totals.resumed += 1;
                Event::Resumed { held, total: length }
            }
            Note::Adopted { bytes, offered, samples } => {
                Event::Adopted { held: bytes, offered, total: reporter.total, samples }
            }
            Note::Restarted { reason, discarded } => reporter.restarted(reason.into(), discarded),
            Note::Damaged { ranges } => {
                Event::Damaged { ranges: ranges.into_iter().map(|r| (r.start, r.end)).collect() }
            }
            Note::Retry { failures, delay_ms, why } => {
                reporter.totals.retries += 1;
                let delay = Duration::from_millis(delay_ms);
                Event::Retry { failures, delay, reason: trouble_text(&why) }
            }
            Note::Limited { connections, why, .. } => Event::Limited { connections, reason: trouble_text(&why) },
            Note::Plainer { without, why } => Event::Warning(plainer_text(without, &why)),
            Note::Returned { held } => Event::Returned { held },
            Note::NotModified => Event::NotModified,
            Note::DigestMatched(digest) => {
                reporter.sums.push(digest.clone());
                Event::DigestMatched(digest)
            }
            Note::Disputed { declared, actual } => Event::Warning(format!(
                "the source declares {declared}, and the file has {actual}; the digest that was given matches, and decides"
            )),
            Note::PageInPlace => Event::Warning(
                "the source sends a web page (text/html) for a name that is none: it may be a login or a notice in place of \
                 the file"
                    .into(),
            ),
            Note::EndNotProvable => Event::Warning(
                "the reply has no length and ended when the connection closed: its end cannot be proven".into(),
            ),
        })
    }

    async fn after(&mut self, reporter: &mut Reporter<Self>, end: DownloadEnd) -> AfterRun<Self::Missing> {
        let DownloadEnd { finish, summary } = end;
        self.settle_name(&summary);
        reporter.totals.moved += summary.fetched;
        if summary.fetched > 0 {
            self.links_in_a_row = 0;
        }
        let (held, total) = (summary.held, summary.total);
        let finish = match finish {
            Ok(finish) => finish,
            Err(panicked) => {
                let error = panicked.error(self.object());
                reporter.entry.write(State::Failed, held, total, None).await;
                return AfterRun::Over(Err(error));
            }
        };
        match finish {
            Finish::Done { length, verified, already } => {
                reporter.entry.remove().await;
                AfterRun::Over(Ok(Outcome::Downloaded(Downloaded {
                    path: summary.path.unwrap_or_default(),
                    bytes: length,
                    verified: verified.into(),
                    digests: std::mem::take(&mut reporter.sums),
                    already,
                    totals: reporter.take_totals(),
                })))
            }
            Finish::NotModified => {
                // What an earlier run began of another version stays.
                if held > 0 {
                    reporter.entry.write(State::Paused, held, total, None).await;
                } else {
                    reporter.entry.remove().await;
                }
                AfterRun::Over(Ok(self.not_modified(reporter, summary.path)))
            }
            Finish::Discarded => {
                reporter.entry.remove().await;
                AfterRun::Over(Err(cancelled(DISCARDED)))
            }
            Finish::Paused => AfterRun::Paused { held, total },
            Finish::Failed(failure @ Failure::NeedsLink { .. })
                if self.links.is_some() && self.links_in_a_row < LINKS_MAX =>
            {
                reporter.entry.write(State::NeedsLink, held, total, None).await;
                self.links_in_a_row += 1;
                AfterRun::NeedsLink { missing: Box::new((failure, summary)), held, total }
            }
            Finish::Failed(failure) => AfterRun::Over(Err(self.failed(reporter, failure, summary).await)),
        }
    }

    async fn fresh_link(&self) -> Option<WebUrl> {
        let fresh = self.links.as_ref()?.fresh_link(self.object()).await;
        fresh.and_then(|link| link.parse().ok())
    }

    fn without_link(&self, reporter: &Reporter<Self>, missing: Self::Missing) -> Error {
        let (failure, summary) = *missing;
        error_of(failure, self.object(), &self.target(reporter), summary.held, summary.remembered)
    }

    fn may_change(&self, change: &Change) -> Result<(), Error> {
        match (change, &self.request.origin) {
            (Change::Connections { .. }, _) | (Change::Link(_), Origin::Web { .. }) => Ok(()),
            #[cfg(feature = "_stores")]
            (Change::Link(_), Origin::Cloud(_)) => Err(Error::usage(format!(
                "{}: an object in a store is asked for by keys, not by a link",
                self.object()
            ))),
        }
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Connections { plan, .. } => self.request.config.connections = plan,
            Change::Link(link) => {
                // Another path may name another object; bytes are joined only when its validator is the same, and the
                // journal goes on under the name it has.
                secrets::learn_link(&link);
                self.request.origin = self.request.origin.moved_to(link.address().clone());
                self.request.config.way_is_safe = self.request.origin.is_safe();
                self.request.config.link = Some(link.facts(self.request.origin.given() != Given::Nothing));
            }
        }
    }

    async fn discarded(&mut self, reporter: &mut Reporter<Self>, end: DownloadEnd) -> Error {
        let DownloadEnd { finish, summary: DownloadSummary { held, remembered, .. } } = end;
        match finish {
            Err(panicked) => panicked.error(self.object()),
            Ok(Finish::Failed(failure)) => error_of(failure, self.object(), &self.target(reporter), held, remembered),
            Ok(_) => {
                reporter.entry.remove().await;
                cancelled(DISCARDED)
            }
        }
    }
}

impl DownloadWay {
    /// Once the name is known, a next run need not ask the source for it.
    fn settle_name(&mut self, summary: &DownloadSummary) {
        let is_below = matches!(self.request.destination, Destination::Below(_));
        if let Some(path) = summary.path.as_ref().filter(|_| !is_below) {
            self.request.destination = Destination::File(path.clone());
            self.request.config.named = true;
        }
    }

    fn not_modified(&self, reporter: &mut Reporter<Self>, path: Option<PathBuf>) -> Outcome {
        let path = match (path, &self.request.destination) {
            (Some(path), _) => path,
            (None, Destination::File(path) | Destination::Folder(path)) => path.clone(),
            (None, Destination::Below(below)) => below.path.clone(),
            (None, Destination::Chosen(_)) => PathBuf::new(),
        };
        Outcome::NotModified(NotModified { path, totals: reporter.take_totals() })
    }

    async fn failed(&self, reporter: &mut Reporter<Self>, failure: Failure, summary: DownloadSummary) -> Error {
        let DownloadSummary { path, held, total, remembered, .. } = summary;
        let state = match failure {
            Failure::NeedsLink { .. } => State::NeedsLink,
            Failure::Denied(_) if self.request.config.source.needs_headers => State::NeedsHeaders,
            Failure::Denied(_) => State::NeedsCredentials,
            _ => State::Failed,
        };
        if held > 0 {
            reporter.entry.write(state, held, total, None).await;
        } else {
            reporter.entry.remove().await;
        }
        let target = path.map(|path| path.display().to_string()).unwrap_or_else(|| self.target(reporter));
        error_of(failure, self.object(), &target, held, remembered)
    }

    /// The target, for messages.
    fn target(&self, reporter: &Reporter<Self>) -> String {
        let known = reporter.path();
        known.as_deref().unwrap_or_else(|| self.request.destination.path()).display().to_string()
    }
}

const DISCARDED: &str = "cancelled; nothing of it was kept";
