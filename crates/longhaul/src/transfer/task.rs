//! The task behind a handle, the same for both ways: it runs the transfer, again and again as the handle wants, and
//! tells how it went.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::words::Command;
use tokio::sync::{mpsc, oneshot, watch};

use super::events::EventSender;
use super::list_entry::ListEntry;
use super::{Cancel, Change, Control, Transfer, handle};
use crate::disk::state::listing::State;
use crate::drive::engine::{RunEvent, TellRun};
use crate::drive::panics::caught;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, Outcome, Progress, RestartReason, Totals};
use crate::map::PieceMap;
use crate::source::WebUrl;
use crate::store::Pace;
use crate::transfer::TransferKind;

/// A download or an upload, as far as its task needs to know.
pub(super) trait TransferWay: Send + Sync + Sized + 'static {
    /// News of the core's.
    type Note;
    /// How a run ended.
    type End: Send;
    /// What the runs of one handle add up to, besides [`Totals`].
    type Sums: Send + Default;
    /// How a run ended that needs another link.
    type Missing: Send;
    /// Why a transfer ends that was cancelled with everything kept.
    const CANCELLED: &'static str;
    /// Why one ends that no handle holds any more.
    const STOPPED: &'static str;

    /// The other end, as it may be shown.
    fn object(&self) -> &str;

    /// One run.
    fn run(
        &self,
        commands: &mut mpsc::Receiver<Command>,
        tell: TellRun<'_, Self::Note>,
    ) -> impl Future<Output = Self::End> + Send;

    /// A note as an event; `None` for one that only adds to what is known.
    fn event(reporter: &mut Reporter<Self>, note: Self::Note) -> Option<Event>;

    /// What follows a run.
    fn after(
        &mut self,
        reporter: &mut Reporter<Self>,
        end: Self::End,
    ) -> impl Future<Output = AfterRun<Self::Missing>> + Send;

    /// A link from who has links for it; `None`: there is none.
    fn fresh_link(&self) -> impl Future<Output = Option<WebUrl>> + Send;

    /// The error of one that needs a link and gets none.
    fn without_link(&self, reporter: &Reporter<Self>, missing: Self::Missing) -> Error;

    /// Whether that can be changed.
    fn may_change(&self, change: &Change) -> Result<(), Error>;

    /// Changes it for the next run. Only what [`may_change`](Self::may_change) allowed.
    fn change(&mut self, change: Change);

    /// What is told after a run that was to discard everything.
    fn discarded(&mut self, reporter: &mut Reporter<Self>, end: Self::End) -> impl Future<Output = Error> + Send;
}

/// What follows a run.
pub(super) enum AfterRun<M> {
    /// The transfer is over.
    Over(Result<Outcome, Error>),
    /// Another run, as soon as there is a link.
    NeedsLink { missing: M, held: u64, total: Option<u64> },
    /// It stopped in order, as it was told.
    Paused { held: u64, total: Option<u64> },
}

/// Turns what happens in runs into events, and keeps count.
pub(super) struct Reporter<W: TransferWay> {
    pub(super) entry: ListEntry,
    events: EventSender,
    pub(super) progress: watch::Sender<Progress>,
    map: watch::Sender<PieceMap>,
    path: watch::Sender<Option<PathBuf>>,
    /// What the runs of this handle took so far, but for the time.
    pub(super) totals: Totals,
    begun: Instant,
    /// The object's length, once it is known.
    pub(super) total: Option<u64>,
    pub(super) sums: W::Sums,
    /// Bytes held, as the list is to show it; `None` until the run has told.
    listed: Option<u64>,
}

impl<W: TransferWay> Reporter<W> {
    fn tell(&mut self, event: RunEvent<W::Note>) {
        match event {
            // In the list it stands where its journal lies.
            RunEvent::Path(path) if self.path().is_some() => {
                self.path.send_replace(Some(path));
            }
            RunEvent::Path(path) => self.set_path(path),
            RunEvent::Progress(progress) => {
                self.progress.send_replace(progress);
                self.send(Event::Progress(progress));
            }
            RunEvent::Map(map) => {
                self.map.send_replace(map);
            }
            RunEvent::Journal => {
                self.entry.set_resumable();
                if let Some(held) = self.listed {
                    self.list(held);
                }
            }
            RunEvent::Note(note) => {
                if let Some(event) = W::event(self, note) {
                    self.send(event);
                }
            }
        }
    }

    /// The local file is known.
    pub(super) fn set_path(&mut self, path: PathBuf) {
        self.entry.set_path(&path);
        self.path.send_replace(Some(path));
    }

    /// The local file, as far as it is known.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.path.borrow().clone()
    }

    /// What it all took, at the end.
    pub(super) fn take_totals(&mut self) -> Totals {
        let elapsed = self.begun.elapsed();
        Totals { restarts: std::mem::take(&mut self.totals.restarts), elapsed, ..self.totals }
    }

    /// Bytes were given up.
    pub(super) fn restarted(&mut self, reason: RestartReason, discarded: u64) -> Event {
        self.totals.restarts.push(reason);
        Event::Restarted { reason, discarded }
    }

    pub(super) fn send(&self, event: Event) {
        self.events.send(event);
    }

    /// So many bytes are held: the list shows it, as soon as there is a journal.
    pub(super) fn list(&mut self, held: u64) {
        self.listed = Some(held);
        self.entry.write_soon(State::Running, held, self.total, None);
    }
}

/// What the handle wanted while a run was under way.
#[derive(Default)]
struct Pending {
    pauses: Vec<oneshot::Sender<()>>,
    cancel: Option<Cancel>,
    /// No handle is left.
    abandoned: bool,
    changes: Vec<Change>,
}

impl Pending {
    /// It is to stop, and not only to be changed.
    fn is_stop(&self) -> bool {
        !self.pauses.is_empty() || self.cancel.is_some() || self.abandoned
    }
}

/// What a wait for a link ended with.
enum Waited {
    Link(Option<WebUrl>),
    /// What the handle wanted meanwhile.
    Told(Pending),
}

struct TransferTask<W: TransferWay> {
    way: W,
    controls: mpsc::Receiver<Control>,
    reporter: Reporter<W>,
}

/// What a task begins with.
pub(super) struct TaskStart<W: TransferWay, K> {
    pub(super) way: W,
    pub(super) kind: TransferKind,
    pub(super) entry: ListEntry,
    /// The file that was named at the start, whether it was opened yet or not.
    pub(super) named: Option<PathBuf>,
    /// The local file, when it is known from the start.
    pub(super) path: Option<PathBuf>,
    /// Its own rate limit.
    pub(super) rate: Arc<Pace>,
    /// Held until the transfer is over, and let go of before the end is told.
    pub(super) keep: K,
}

/// Starts the task behind a handle.
pub(super) fn start<W: TransferWay, K: Send + 'static>(start: TaskStart<W, K>) -> Transfer {
    let TaskStart { way, kind, entry, named, path, rate, keep } = start;
    let (transfer, ends) = handle(kind, entry.id().to_owned(), named, rate);
    let (progress, map, outcome) = (ends.progress, ends.map, ends.outcome);
    let mut reporter = Reporter {
        entry,
        events: ends.events,
        progress,
        map,
        path: ends.path,
        totals: Totals { resumed: 0, restarts: Vec::new(), retries: 0, moved: 0, elapsed: Duration::ZERO },
        begun: Instant::now(),
        total: None,
        sums: W::Sums::default(),
        listed: None,
    };
    if let Some(path) = path {
        reporter.set_path(path);
    }
    let mut task = TransferTask { way, controls: ends.controls, reporter };
    tokio::spawn(async move {
        // In a box, as every move of a future that large copies it.
        let result = match caught(Box::pin(task.run())).await {
            Ok(result) => result,
            Err(panicked) => {
                let error = panicked.error(task.way.object());
                let (held, total) = (task.reporter.progress.borrow().durable, task.reporter.total);
                task.reporter.entry.write(State::Failed, held, total, Some(error.to_string())).await;
                Err(error)
            }
        };
        drop(keep);
        // The outcome first, then the end of the events: who sees the one finds the other.
        outcome.send_replace(Some(result));
        drop(task);
    });
    transfer
}

impl<W: TransferWay> TransferTask<W> {
    async fn run(&mut self) -> Result<Outcome, Error> {
        loop {
            self.reporter.events.begin_run();
            let (end, pending) = self.one_run().await;
            if let Some(result) = self.after(end, pending).await {
                return result;
            }
        }
    }

    /// What follows a run: the outcome, or `None` for another run.
    async fn after(&mut self, end: W::End, mut pending: Pending) -> Option<Result<Outcome, Error>> {
        let after = self.way.after(&mut self.reporter, end).await;
        let changed = !pending.changes.is_empty();
        let has_link = pending.changes.iter().any(|change| matches!(change, Change::Link(_)));
        pending.changes.drain(..).for_each(|change| self.way.change(change));
        match after {
            // It was told of another link while the old one was refused.
            AfterRun::Over(Err(error)) if has_link && !pending.is_stop() && error.kind() == ErrorKind::NeedsLink => {
                None
            }
            AfterRun::NeedsLink { .. } if has_link && !pending.is_stop() => None,
            AfterRun::Paused { .. } if changed && !pending.is_stop() => None,
            AfterRun::Over(result) => Some(result),
            AfterRun::NeedsLink { missing, held, total } => {
                self.reporter.send(Event::NeedsLink);
                match self.wait_for_link(pending).await {
                    Waited::Link(Some(link)) => {
                        self.way.change(Change::Link(link));
                        None
                    }
                    Waited::Link(None) => Some(Err(self.way.without_link(&self.reporter, missing))),
                    Waited::Told(pending) if pending.is_stop() => {
                        self.reporter.send(Event::Paused { held, total });
                        self.paused(pending).await
                    }
                    Waited::Told(_) => None,
                }
            }
            AfterRun::Paused { held, total } => {
                self.reporter.entry.write(State::Paused, held, total, None).await;
                self.reporter.send(Event::Paused { held, total });
                self.paused(pending).await
            }
        }
    }

    /// One run; what the handle wants is passed on while it lasts.
    async fn one_run(&mut self) -> (W::End, Pending) {
        let (commands, mut inbox) = mpsc::channel(8);
        let reporter = &mut self.reporter;
        let mut tell = |event| reporter.tell(event);
        let running = Box::pin(self.way.run(&mut inbox, &mut tell));
        attend(&mut self.controls, commands, running, |change| self.way.may_change(change)).await
    }

    /// No run is under way, and none can begin without a link: who has links is asked, and the handle is listened to.
    async fn wait_for_link(&mut self, mut pending: Pending) -> Waited {
        let mut changes = Vec::new();
        let waited = {
            let fresh = self.way.fresh_link();
            tokio::pin!(fresh);
            loop {
                if pending.is_stop() || changes.iter().any(|change| matches!(change, Change::Link(_))) {
                    break Waited::Told(pending);
                }
                tokio::select! {
                    link = &mut fresh => break Waited::Link(link),
                    control = self.controls.recv() => match control {
                        Some(Control::Pause(done)) => pending.pauses.push(done),
                        Some(Control::Resume) => {}
                        Some(Control::Cancel(how)) => pending.cancel = Some(how),
                        Some(Control::Change(change, done)) => {
                            let may = self.way.may_change(&change);
                            changes.extend(may.is_ok().then_some(change));
                            let _ = done.send(may);
                        }
                        None => pending.abandoned = true,
                    },
                }
            }
        };
        changes.into_iter().for_each(|change| self.way.change(change));
        waited
    }

    /// A run stopped in order: the outcome, or `None` for another run.
    async fn paused(&mut self, pending: Pending) -> Option<Result<Outcome, Error>> {
        for done in pending.pauses {
            let _ = done.send(());
        }
        match (pending.cancel, pending.abandoned) {
            (Some(Cancel::Keep), _) => return Some(Err(cancelled(W::CANCELLED))),
            (Some(Cancel::Discard), _) => return Some(Err(self.discard().await)),
            (None, true) => return Some(Err(cancelled(W::STOPPED))),
            (None, false) => {}
        }
        loop {
            match self.controls.recv().await {
                Some(Control::Resume) => return None,
                Some(Control::Pause(done)) => {
                    let _ = done.send(());
                }
                Some(Control::Change(change, done)) => {
                    let may = self.way.may_change(&change);
                    if may.is_ok() {
                        self.way.change(change);
                    }
                    let _ = done.send(may);
                }
                Some(Control::Cancel(Cancel::Discard)) => return Some(Err(self.discard().await)),
                Some(Control::Cancel(Cancel::Keep)) => return Some(Err(cancelled(W::CANCELLED))),
                None => return Some(Err(cancelled(W::STOPPED))),
            }
        }
    }

    /// Discards a transfer that no run is working on.
    async fn discard(&mut self) -> Error {
        let end = run_to_discard(&self.way).await;
        self.way.discarded(&mut self.reporter, end).await
    }
}

/// A run that is told to discard before it begins.
pub(super) async fn run_to_discard<W: TransferWay>(way: &W) -> W::End {
    let (commands, mut inbox) = mpsc::channel(1);
    let _ = commands.send(Command::Discard).await;
    Box::pin(way.run(&mut inbox, &mut |_| {})).await
}

/// Waits for a run, and passes on what the handle wants meanwhile.
async fn attend<E>(
    controls: &mut mpsc::Receiver<Control>,
    commands: mpsc::Sender<Command>,
    mut running: impl Future<Output = E> + Unpin,
    may_change: impl Fn(&Change) -> Result<(), Error>,
) -> (E, Pending) {
    let mut pending = Pending::default();
    let mut commands = Some(commands);
    let end = loop {
        tokio::select! {
            end = &mut running => break end,
            control = controls.recv(), if !pending.abandoned => {
                let command = match control {
                    Some(Control::Pause(done)) => {
                        pending.pauses.push(done);
                        Some(Command::Pause)
                    }
                    Some(Control::Resume) => None,
                    Some(Control::Change(change, done)) => {
                        let may = may_change(&change);
                        let stop = may.is_ok().then_some(Command::Pause);
                        pending.changes.extend(may.is_ok().then_some(change));
                        let _ = done.send(may);
                        stop
                    }
                    Some(Control::Cancel(how)) => {
                        pending.cancel = Some(how);
                        Some(if how == Cancel::Keep { Command::Pause } else { Command::Discard })
                    }
                    None => {
                        pending.abandoned = true;
                        commands = None; // the run stops in order
                        None
                    }
                };
                if let (Some(commands), Some(command)) = (&commands, command) {
                    let _ = commands.try_send(command); // eight are under way already: one of them does it
                }
            }
        }
    };
    (end, pending)
}

pub(super) fn cancelled(text: &str) -> Error {
    Error::new(ErrorKind::Cancelled, Disposition::Permanent, text)
}
