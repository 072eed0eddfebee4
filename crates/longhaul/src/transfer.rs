//! A running transfer: the handle, and the task behind it.

pub(crate) mod upload;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::download::journal::Source;
use longhaul_core::download::step::{Failure, Finish, Note};
use longhaul_core::words::Command;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::client::LinkSource;
use crate::disk::state::listing::{Kind, State, TransferNote, id_text};
use crate::disk::state::state_dir::StateDir;
use crate::drive::download::destination::Destination;
use crate::drive::download::failure::{error_of, plainer_text, trouble_text};
use crate::drive::download::run::{Request, RunEnd, Summary, run};
use crate::drive::engine::RunEvent;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, Outcome, Progress, Verified};
use crate::inspect::list::TransferKind;
use crate::inspect::show::asked;
use crate::source::WebUrl;

/// Events that a slow reader may fall behind before the oldest are dropped.
const EVENTS_MAX: usize = 256;
/// Fresh links asked for in a row without a byte of progress between them.
const LINKS_MAX: u32 = 5;

/// What becomes of what is there when a transfer is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Everything received (or stored, of an upload) stays, durable; a later start goes on from it.
    Keep,
    /// The partial file and its journal are removed. A target that is being published at this moment stays. Of an
    /// upload, its parts are removed from the store, unless they are to be kept
    /// ([`keep_parts`](crate::UploadBuilder::keep_parts)).
    Discard,
}

/// A transfer that was started. Cloning gives another handle on the same one; when the last is dropped, the transfer
/// stops in order, with everything received kept.
#[must_use = "dropping the last handle stops the transfer"]
#[derive(Clone)]
pub struct Transfer {
    inner: Arc<Inner>,
}

impl fmt::Debug for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, id, .. } = &*self.inner;
        f.debug_struct("Transfer").field("kind", kind).field("id", id).finish_non_exhaustive()
    }
}

struct Inner {
    kind: TransferKind,
    id: String,
    /// The file that was named at the start, whether it was opened yet or not.
    named: Option<PathBuf>,
    wishes: mpsc::Sender<Wish>,
    events: broadcast::WeakSender<Event>,
    progress: watch::Receiver<Progress>,
    path: watch::Receiver<Option<PathBuf>>,
    outcome: watch::Receiver<Option<Result<Outcome, Error>>>,
}

enum Wish {
    Pause(oneshot::Sender<()>),
    Resume,
    Cancel(Cancel),
}

/// The events of a transfer, from the moment this was made.
#[derive(Debug)]
pub struct Events {
    /// `None` when the transfer was over already.
    receiver: Option<broadcast::Receiver<Event>>,
}

impl Events {
    /// The next event; `None` when the transfer is over. Events that were not read in time are skipped.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            match self.receiver.as_mut()?.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

impl Transfer {
    /// The name of this transfer in lists: 32 hexadecimal digits, the same in every run of it on this machine until it
    /// is finished or discarded.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Which way the bytes go.
    pub fn kind(&self) -> TransferKind {
        self.inner.kind
    }

    /// Where the file will be; `None` until the name is known. Of an upload, its source.
    pub fn path(&self) -> Option<PathBuf> {
        self.inner.path.borrow().clone()
    }

    /// The same, also before anything was opened.
    pub(crate) fn named(&self) -> Option<PathBuf> {
        self.inner.named.clone().or_else(|| self.path())
    }

    /// The events from now on. May be called several times; each reader gets every event.
    pub fn events(&self) -> Events {
        Events { receiver: self.inner.events.upgrade().map(|events| events.subscribe()) }
    }

    /// How far it is, at most a fifth of a second old.
    pub fn progress(&self) -> Progress {
        *self.inner.progress.borrow()
    }

    /// Stops in order. When it returns, everything received is durable and the lock is let go: another process may go
    /// on with it. Of an upload, the parts that were acknowledged stay in the store. Returns at once when it is paused
    /// already.
    ///
    /// # Errors
    /// The transfer's own error when it ended meanwhile, in failure.
    pub async fn pause(&self) -> Result<(), Error> {
        let (done, paused) = oneshot::channel();
        if self.inner.wishes.send(Wish::Pause(done)).await.is_ok() && paused.await.is_ok() {
            return Ok(());
        }
        self.finished().await.map(|_| ())
    }

    /// Goes on after [`pause`](Self::pause). Does nothing when it is not paused.
    pub async fn resume(&self) {
        let _ = self.inner.wishes.send(Wish::Resume).await;
    }

    /// Ends the transfer; [`finished`](Self::finished) then gives [`ErrorKind::Cancelled`]. Returns when it is over.
    ///
    /// # Errors
    /// When what was asked could not be done (the partial file could not be removed, say). A transfer that finished
    /// before it could be cancelled is no error.
    pub async fn cancel(&self, how: Cancel) -> Result<(), Error> {
        let _ = self.inner.wishes.send(Wish::Cancel(how)).await;
        match self.finished().await {
            Err(error) if error.kind() != ErrorKind::Cancelled => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits for the end. May be called any number of times. A paused transfer is not over.
    ///
    /// # Errors
    /// Why the transfer failed; [`Error::kind`] says what can be done about it.
    pub async fn finished(&self) -> Result<Outcome, Error> {
        let mut outcome = self.inner.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or_else(|| Err(ended_without_word())),
            Err(_) => Err(ended_without_word()),
        }
    }
}

fn ended_without_word() -> Error {
    Error::internal("the transfer's task ended without an outcome")
}

/// The task's ends of what a handle holds.
struct Ends {
    inbox: mpsc::Receiver<Wish>,
    events: broadcast::Sender<Event>,
    progress: watch::Sender<Progress>,
    path: watch::Sender<Option<PathBuf>>,
    outcome: watch::Sender<Option<Result<Outcome, Error>>>,
}

/// A handle, and what its task holds.
fn handle(kind: TransferKind, id: String, named: Option<PathBuf>) -> (Transfer, Ends) {
    let (wishes, inbox) = mpsc::channel(8);
    let (events, _) = broadcast::channel(EVENTS_MAX);
    let (progress_tx, progress) = watch::channel(Progress::default());
    let (path_tx, path) = watch::channel(None);
    let (outcome_tx, outcome) = watch::channel(None);
    // The handle must not keep the events open: they end when the task does.
    let weak_events = events.downgrade();
    let inner = Inner { kind, id, named, wishes, events: weak_events, progress, path, outcome };
    let transfer = Transfer { inner: Arc::new(inner) };
    (transfer, Ends { inbox, events, progress: progress_tx, path: path_tx, outcome: outcome_tx })
}

/// Starts the task behind a handle.
pub(crate) fn start(request: Request, links: Option<Arc<dyn LinkSource>>) -> Transfer {
    let id = id_text(request.config.source.id);
    let named = match &request.destination {
        Destination::File(file) => std::path::absolute(file).ok(),
        Destination::Below(below) => std::path::absolute(&below.path).ok(),
        _ => None,
    };
    let (transfer, ends) = handle(TransferKind::Download, id.clone(), named);
    let Ends { inbox, events, progress, path, outcome } = ends;
    let (dir, source) = (request.state.clone(), request.config.source.clone());
    let entry = Entry { dir, id, source, resumable: false, written: false };
    let task = Task {
        request,
        links,
        inbox,
        teller: Teller { entry, events, progress, path, tally: Tally::default(), begun: None },
        started: Instant::now(),
        links_in_a_row: 0,
    };
    tokio::spawn(async move {
        let (result, teller) = task.run().await;
        // The outcome first, then the end of the events: who sees the one finds the other.
        outcome.send_replace(Some(result));
        drop(teller);
    });
    transfer
}

/// What the runs of one handle add up to.
#[derive(Debug, Default)]
struct Tally {
    resumed: u32,
    restarts: Vec<longhaul_core::download::restart::Restart>,
    retries: u32,
    fetched: u64,
    digests: Vec<longhaul_core::digest::Digest>,
    total: Option<u64>,
}

/// The transfer's entry in the list. It is a list, not the truth: what cannot be written is left out. A transfer that has
/// no journal is not listed: nobody could go on with it.
struct Entry {
    dir: Option<Arc<StateDir>>,
    id: String,
    source: Source,
    /// There is a journal.
    resumable: bool,
    /// An entry may be there, of this process or one before.
    written: bool,
}

impl Entry {
    fn write(&mut self, path: Option<&Path>, state: State, held: u64, total: Option<u64>) {
        let (Some(dir), Some(path)) = (self.dir.as_ref().filter(|_| self.resumable), path) else { return };
        self.written = true;
        let note = TransferNote {
            id: self.id.clone(),
            kind: Kind::Download,
            path: path.into(),
            source: self.source.url.clone(),
            state,
            held,
            total,
            updated_ms: crate::now_unix_ms(),
            needs_link: self.source.needs_link,
            needs_headers: self.source.needs_headers,
            error: None,
            endpoint: None,
            range: asked(&self.source.window),
        };
        if let Err(error) = dir.put_transfer(&note) {
            tracing::debug!(%error, "the list of transfers could not be written");
        }
    }

    fn remove(&self) {
        if let Some(dir) = self.dir.as_ref().filter(|_| self.written)
            && let Err(error) = dir.remove_transfer(&self.id)
        {
            tracing::debug!(%error, "the list of transfers could not be written");
        }
    }
}

/// Turns the core's notes into events.
struct Teller {
    entry: Entry,
    events: broadcast::Sender<Event>,
    progress: watch::Sender<Progress>,
    path: watch::Sender<Option<PathBuf>>,
    tally: Tally,
    /// What was held when it began, and the length.
    begun: Option<(u64, Option<u64>)>,
}

impl Teller {
    fn tell(&mut self, told: RunEvent<Note>) {
        match told {
            RunEvent::Path(path) => {
                self.path.send_replace(Some(path));
            }
            RunEvent::Progress(progress) => {
                self.progress.send_replace(progress);
                self.send(Event::Progress(progress));
            }
            RunEvent::Journal => {
                self.entry.resumable = true;
                self.entry.written = true; // by the run that began it, or soon
                if let Some(begun) = self.begun {
                    self.list(begun);
                }
            }
            RunEvent::Note(note) => self.note(note),
        }
    }

    /// The entry of a transfer that runs.
    fn list(&mut self, (held, length): (u64, Option<u64>)) {
        let path = self.path.borrow().clone().unwrap_or_default();
        self.entry.write(Some(&path), State::Running, held, length);
    }

    fn send(&self, event: Event) {
        let _ = self.events.send(event); // nobody listens: fine
    }

    fn note(&mut self, note: Note) {
        let event = match note {
            Note::Started { length, held, resumable } => {
                self.tally.total = length;
                let path = self.path.borrow().clone().unwrap_or_default();
                self.begun = Some((held, length));
                self.list((held, length));
                Event::Started { path, total: length, resumable }
            }
            Note::Resumed { held } => {
                self.tally.resumed += 1;
                Event::Resumed { held, total: self.tally.total }
            }
            Note::Restarted { reason, discarded } => {
                self.tally.restarts.push(reason);
                Event::Restarted { reason, discarded }
            }
            Note::Damaged { ranges } => {
                Event::Damaged { ranges: ranges.into_iter().map(|r| (r.start, r.end)).collect() }
            }
            Note::Retry { failures, delay_ms, why } => {
                self.tally.retries += 1;
                let delay = Duration::from_millis(delay_ms);
                Event::Retry { failures, delay, reason: trouble_text(&why) }
            }
            Note::Limited { connections, why, .. } => Event::Limited { connections, reason: trouble_text(&why) },
            Note::Plainer { without, why } => Event::Warning(plainer_text(without, &why)),
            Note::Returned { held } => Event::Returned { held },
            Note::NotModified => Event::NotModified,
            Note::DigestMatched(digest) => {
                self.tally.digests.push(digest.clone());
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
        };
        self.send(event);
    }
}

struct Task {
    request: Request,
    links: Option<Arc<dyn LinkSource>>,
    inbox: mpsc::Receiver<Wish>,
    teller: Teller,
    started: Instant,
    links_in_a_row: u32,
}

/// What somebody asked for while a run was under way.
#[derive(Default)]
struct Asked {
    pauses: Vec<oneshot::Sender<()>>,
    cancel: Option<Cancel>,
    abandoned: bool,
}

/// Waits for a run, and passes on what is wished meanwhile.
async fn attend<E>(
    wishes: &mut mpsc::Receiver<Wish>,
    commands: mpsc::Sender<Command>,
    running: impl Future<Output = E>,
) -> (E, Asked) {
    let mut asked = Asked::default();
    let mut commands = Some(commands);
    tokio::pin!(running);
    let ended = loop {
        tokio::select! {
            ended = &mut running => break ended,
            wish = wishes.recv(), if !asked.abandoned => {
                let command = match wish {
                    Some(Wish::Pause(done)) => {
                        asked.pauses.push(done);
                        Some(Command::Pause)
                    }
                    Some(Wish::Resume) => None,
                    Some(Wish::Cancel(how)) => {
                        asked.cancel = Some(how);
                        Some(if how == Cancel::Keep { Command::Pause } else { Command::Discard })
                    }
                    None => {
                        asked.abandoned = true;
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
    (ended, asked)
}

impl Task {
    async fn run(mut self) -> (Result<Outcome, Error>, Teller) {
        let result = loop {
            let (ended, asked) = self.one_run().await;
            let is_below = matches!(self.request.destination, Destination::Below(_));
            if let Some(path) = ended.summary.path.as_ref().filter(|_| !is_below) {
                // The name is settled: a next run need not ask the source for it.
                self.request.destination = Destination::File(path.clone());
                self.request.config.named = true;
            }
            self.teller.tally.fetched += ended.summary.fetched;
            if ended.summary.fetched > 0 {
                self.links_in_a_row = 0;
            }
            match self.after(ended, asked).await {
                Some(result) => break result,
                None => continue,
            }
        };
        (result, self.teller)
    }

    /// One run; wishes are passed on while it lasts.
    async fn one_run(&mut self) -> (RunEnd, Asked) {
        let (commands, mut inbox) = mpsc::channel(8);
        let teller = &mut self.teller;
        let mut tell = |told| teller.tell(told);
        let running = run(&self.request, &mut inbox, &mut tell);
        attend(&mut self.inbox, commands, running).await
    }

    /// What follows a run: an outcome, or `None` for another run.
    async fn after(&mut self, ended: RunEnd, asked: Asked) -> Option<Result<Outcome, Error>> {
        let RunEnd { finish, summary: ended } = ended;
        let (held, total) = (ended.held, ended.total);
        let finish = match finish {
            Ok(finish) => finish,
            Err(panicked) => {
                self.note_state(State::Failed, held, total);
                return Some(Err(panicked.error(&self.request.config.source.url)));
            }
        };
        match finish {
            Finish::Done { length, verified, already } => {
                self.teller.entry.remove();
                let path = ended.path.clone().unwrap_or_default();
                let tally = std::mem::take(&mut self.teller.tally);
                Some(Ok(Outcome {
                    path,
                    bytes: length,
                    verified: verified.into(),
                    digests: tally.digests,
                    resumed: tally.resumed,
                    restarts: tally.restarts,
                    retries: tally.retries,
                    fetched: tally.fetched,
                    already,
                    not_modified: false,
                    upload: None,
                    elapsed: self.started.elapsed(),
                }))
            }
            Finish::NotModified => {
                // What an earlier run began of another version stays.
                if held > 0 {
                    self.note_state(State::Paused, held, total);
                } else {
                    self.teller.entry.remove();
                }
                Some(Ok(Outcome {
                    path: match (&ended.path, &self.request.destination) {
                        (Some(path), _) => path.clone(),
                        (None, Destination::File(path) | Destination::Folder(path)) => path.clone(),
                        (None, Destination::Below(below)) => below.path.clone(),
                        (None, Destination::Chosen(_)) => PathBuf::new(),
                    },
                    bytes: 0,
                    verified: Verified::Nothing,
                    digests: Vec::new(),
                    resumed: 0,
                    restarts: std::mem::take(&mut self.teller.tally.restarts),
                    retries: self.teller.tally.retries,
                    fetched: self.teller.tally.fetched,
                    already: false,
                    not_modified: true,
                    upload: None,
                    elapsed: self.started.elapsed(),
                }))
            }
            Finish::Discarded => {
                self.teller.entry.remove();
                Some(Err(cancelled("cancelled; nothing of it was kept")))
            }
            Finish::Paused => {
                self.note_state(State::Paused, held, total);
                self.teller.send(Event::Paused { held, total });
                for done in asked.pauses {
                    let _ = done.send(());
                }
                match (asked.cancel, asked.abandoned) {
                    (Some(Cancel::Keep), _) => Some(Err(cancelled("cancelled; what was received is kept"))),
                    (Some(Cancel::Discard), _) => self.discard().await,
                    (None, true) => Some(Err(cancelled("stopped; what was received is kept"))),
                    (None, false) => self.wait_for_wish().await,
                }
            }
            Finish::Failed(Failure::NeedsLink(status)) if self.links.is_some() && self.links_in_a_row < LINKS_MAX => {
                self.note_state(State::NeedsLink, held, total);
                self.fresh_link(Failure::NeedsLink(status), held).await
            }
            Finish::Failed(failure) => {
                let state = match failure {
                    Failure::NeedsLink(_) => State::NeedsLink,
                    Failure::Denied(_) if self.request.config.source.needs_headers => State::NeedsHeaders,
                    Failure::Denied(_) => State::NeedsCredentials,
                    _ => State::Failed,
                };
                if held > 0 {
                    self.note_state(state, held, total);
                } else {
                    self.teller.entry.remove();
                }
                let target = ended.path.as_ref().map(|p| p.display().to_string()).unwrap_or_else(|| self.target());
                Some(Err(error_of(failure, &self.request.config.source.url, &target, held, ended.remembered)))
            }
        }
    }

    /// Paused: only a wish moves it.
    async fn wait_for_wish(&mut self) -> Option<Result<Outcome, Error>> {
        loop {
            match self.inbox.recv().await {
                Some(Wish::Resume) => return None,
                Some(Wish::Pause(done)) => {
                    let _ = done.send(());
                }
                Some(Wish::Cancel(Cancel::Discard)) => return self.discard().await,
                Some(Wish::Cancel(Cancel::Keep)) => {
                    return Some(Err(cancelled("cancelled; what was received is kept")));
                }
                None => return Some(Err(cancelled("stopped; what was received is kept"))),
            }
        }
    }

    /// Discards a transfer that no run is working on: a run that is told to discard before it begins.
    async fn discard(&mut self) -> Option<Result<Outcome, Error>> {
        let (commands, mut inbox) = mpsc::channel(1);
        let _ = commands.send(Command::Discard).await;
        let ended = run(&self.request, &mut inbox, &mut |_| {}).await;
        let RunEnd { finish, summary: Summary { held, remembered, .. } } = ended;
        let object = &self.request.config.source.url;
        Some(match finish {
            Err(panicked) => Err(panicked.error(object)),
            Ok(Finish::Failed(failure)) => Err(error_of(failure, object, &self.target(), held, remembered)),
            _ => {
                self.teller.entry.remove();
                Err(cancelled("cancelled; nothing of it was kept"))
            }
        })
    }

    /// Asks for a link that is accepted.
    async fn fresh_link(&mut self, failure: Failure, held: u64) -> Option<Result<Outcome, Error>> {
        self.links_in_a_row += 1;
        self.teller.send(Event::NeedsLink);
        let links = self.links.clone()?;
        let fresh = links.fresh_link(&self.request.config.source.url).await;
        let object = self.request.config.source.url.clone();
        match fresh.and_then(|link| link.parse::<WebUrl>().ok()) {
            Some(link) => {
                // Another path may name another object; bytes are joined only when its validator is the same, and the
                // journal goes on under the name it has.
                self.request.config.link_signed = link.is_signed();
                self.request.origin = self.request.origin.moved_to(link.address().clone());
                None
            }
            None => Some(Err(error_of(failure, &object, &self.target(), held, Default::default()))),
        }
    }

    fn note_state(&mut self, state: State, held: u64, total: Option<u64>) {
        let path = self.teller.path.borrow().clone();
        self.teller.entry.write(path.as_deref(), state, held, total);
    }

    fn target(&self) -> String {
        let known = self.teller.path.borrow().clone();
        known.as_deref().unwrap_or_else(|| self.request.destination.path()).display().to_string()
    }
}

fn cancelled(text: &str) -> Error {
    Error::new(ErrorKind::Cancelled, Disposition::Permanent, text)
}
