//! One run of a download: the loop between the core and the world.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::Record;
use longhaul_core::download::resume::FoundJournal;
use longhaul_core::download::step::{Finish, Grant, Heard, Note, Step};
use longhaul_core::download::{Config, Download};
use longhaul_core::names;
use longhaul_core::run::{Machine, Ordered};
use longhaul_core::words::{Command, DiskFault, Ticket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::desk::{Desk, Slots, Whereabouts};
use super::reach::Reach;
use super::stream::{Handle, Stream};
use super::{Remembered, SeenHead, Shared, range_text};
use crate::client::batch::Batch;
use crate::disk::beside::lock::Locking;
use crate::disk::beside::part_file::PartFile;
use crate::disk::folders::{Folders, Within};
use crate::disk::state::hosts::Hosts;
use crate::disk::state::state_dir::StateDir;
use crate::event::Progress;
use crate::store::Origin;
use crate::sync::locked;
use crate::threads;

/// Reports that may wait for the run at once: streams wait when the run is behind.
const HEARD_MAX: usize = 256;
/// How often progress is told.
pub(in crate::drive) const PROGRESS_EVERY: Duration = Duration::from_millis(200);
/// The rate is averaged over this time.
const RATE_OVER: Duration = Duration::from_secs(4);

/// Where the finished file goes.
#[derive(Clone)]
pub(crate) enum Destination {
    /// This file.
    File(PathBuf),
    /// This folder, under a name from the reply.
    Folder(PathBuf),
    /// Whatever the function makes of the (safe) suggested name.
    Chosen(Arc<dyn Fn(&str) -> PathBuf + Send + Sync>),
    /// This file below that folder, by parts that are no links.
    Below(Below),
}

/// A file below a folder of the user's.
#[derive(Debug, Clone)]
pub(crate) struct Below {
    /// The folder; it may be a link.
    pub(crate) root: PathBuf,
    /// The path of the file's folder below it; empty: the folder itself.
    pub(crate) parts: PathBuf,
    /// The file's name.
    pub(crate) name: OsString,
    /// All of it, for messages.
    pub(crate) path: PathBuf,
}

impl Below {
    /// `None` when no file below the folder is meant.
    pub(crate) fn new(root: PathBuf, path: &Path) -> Option<Self> {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let name = path.file_name().filter(|_| plain)?.to_owned();
        let parts = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Some(Self { parts, name, path: root.join(path), root })
    }

    /// Where its folder is.
    pub(crate) fn within(&self) -> Within {
        Within::Below(self.root.clone(), self.parts.clone())
    }
}

impl Destination {
    /// The file, or the folder it will be in; for messages before the name is known.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder(path) => path,
            Self::Chosen(_) => Path::new("the file"),
            Self::Below(below) => &below.path,
        }
    }
}

/// Everything that one run needs.
pub(crate) struct Request {
    pub(crate) origin: Origin,
    pub(crate) config: Config,
    pub(crate) destination: Destination,
    pub(crate) create_dirs: bool,
    pub(crate) batch: Option<Batch>,
    pub(crate) locking: Locking,
    pub(crate) remote_time: bool,
    pub(crate) min_rate: u64,
    pub(crate) stall_timeout: Duration,
    pub(crate) state: Option<Arc<StateDir>>,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) folders: Arc<Folders>,
}

/// What happened, for the handle.
pub(crate) enum Told {
    /// The core has news.
    Note(Note),
    /// Bytes flow.
    Progress(Progress),
    /// The target is known.
    Path(PathBuf),
    /// There is a journal: the transfer can be gone on with.
    Journal,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) finish: Finish,
    pub(crate) remembered: Remembered,
    pub(crate) fetched: u64,
    pub(crate) path: Option<PathBuf>,
    pub(crate) held: u64,
    pub(crate) total: Option<u64>,
}

struct Run<'a> {
    request: &'a Request,
    core: Download,
    began: Instant,
    shared: Arc<Shared>,
    desk: Seat,
    /// Answers to steps that were done at once.
    answers: VecDeque<(Ticket, Heard)>,
    slots: Arc<Mutex<Slots>>,
    streams: Vec<(Ticket, Handle)>,
    throttle: watch::Sender<bool>,
    cancelled: Arc<AtomicBool>,
    head: Option<SeenHead>,
    tell: &'a mut (dyn FnMut(Told) + Send),
    path_told: bool,
    journal_told: bool,
    /// Reports of written bytes that the core was told of and has not answered with a hint yet.
    unanswered: usize,
}

/// Stack of a desk's thread, in bytes.
pub(in crate::drive) const DESK_STACK: usize = 512 << 10;

/// Where the desk's work is done.
enum Seat {
    /// Here, as long as every step is a quick one, or there is no thread to be had.
    Here(Box<Desk>),
    /// On a thread of its own.
    Thread(std::sync::mpsc::Sender<DeskOrder>),
    /// Between the two.
    Moving,
}

enum DeskOrder {
    Perform(Ticket, Box<Step>, Option<Whereabouts>),
    Mtime(Option<i64>),
    /// The run is over: tidy up, let go of the lock, and say so.
    Close(oneshot::Sender<()>),
}

/// Runs a download until it ends, is paused or cancelled.
pub(crate) async fn run(
    request: &Request,
    commands: &mut mpsc::Receiver<Command>,
    tell: &mut (dyn FnMut(Told) + Send),
) -> Ended {
    let (heard_tx, mut heard) = mpsc::channel(HEARD_MAX);
    let shared = Arc::new(Shared::new(heard_tx, request.config.connections.most() as usize));
    let slots = Arc::new(Mutex::new(Slots::default()));
    let (throttle, _) = watch::channel(false);
    let mut desk = Desk::new(
        shared.clone(),
        slots.clone(),
        request.locking,
        request.config.durability == longhaul_core::words::Durability::Power,
        request.config.source.clone(),
        request.state.clone(),
        request.folders.clone(),
    );
    desk.batch = request.batch.clone();
    let mut run = Run {
        request,
        core: Download::new(request.config.clone()),
        began: Instant::now(),
        shared,
        desk: Seat::Here(Box::new(desk)),
        answers: VecDeque::new(),
        slots,
        streams: Vec::new(),
        throttle,
        cancelled: Arc::new(AtomicBool::new(false)),
        head: None,
        tell,
        path_told: false,
        journal_told: false,
        unanswered: 0,
    };
    let mut rate = Rate::new();
    let mut tick = tokio::time::interval(PROGRESS_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut commands_open = true;
    let finish = loop {
        if let Some(finish) = run.do_steps() {
            break finish;
        }
        let wake = run.core.wake_at().map(|at| run.began + Duration::from_millis(at));
        tokio::select! {
            message = heard.recv() => if let Some((ticket, what)) = message {
                run.hear(ticket, what);
                // Drain what is there before looking at timers again.
                while let Ok((ticket, what)) = heard.try_recv() {
                    run.hear(ticket, what);
                }
            },
            command = commands.recv(), if commands_open => match command {
                Some(command) => {
                    run.cancelled.store(true, Ordering::Relaxed);
                    run.core.command(run.now(), command);
                }
                // Nobody holds the transfer any more: stop in order.
                None => {
                    commands_open = false;
                    run.core.command(run.now(), Command::Pause);
                }
            },
            () = sleep_until(wake) => run.core.wake(run.now()),
            _ = tick.tick() => run.tell_progress(&mut rate),
        }
    };
    run.tell_progress(&mut rate);
    run.close(finish).await
}

/// Whether this is what a report of written bytes leads to.
pub(super) fn is_hint(records: &[Record]) -> bool {
    matches!(records, [Record::Hint { .. }])
}

pub(in crate::drive) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A thread that does what it is told until it is closed; the desk again when there is none.
fn seat_on_thread(desk: Box<Desk>) -> Result<std::sync::mpsc::Sender<DeskOrder>, (Box<Desk>, std::io::Error)> {
    let (orders, inbox) = std::sync::mpsc::channel();
    threads::start("longhaul-desk", DESK_STACK, desk, move |mut desk| {
        while let Ok(order) = inbox.recv() {
            match order {
                DeskOrder::Perform(ticket, step, whereabouts) => desk.perform(ticket, *step, whereabouts),
                DeskOrder::Mtime(mtime_ns) => desk.mtime_ns = mtime_ns,
                DeskOrder::Close(done) => {
                    desk.tidy();
                    drop(desk);
                    let _ = done.send(());
                    return;
                }
            }
        }
    })?;
    Ok(orders)
}

impl Run<'_> {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn hear(&mut self, ticket: Ticket, what: Heard) {
        match &what {
            Heard::Head(facts) => {
                tracing::debug!(request = ticket.0, ?facts, "answer");
                self.head = Some(locked(&self.shared.head).clone());
            }
            Heard::Wrote(_) => self.unanswered += 1,
            Heard::Ended { end, at } => {
                tracing::debug!(request = ticket.0, ?end, at, "end of the body");
                self.streams.retain(|(t, _)| *t != ticket);
            }
            Heard::Opened(found) => {
                let path = locked(&self.shared.path).clone().filter(|_| !self.path_told);
                if let Some(path) = path {
                    self.path_told = true;
                    (self.tell)(Told::Path(path));
                }
                if matches!(found.journal, FoundJournal::Read(_)) {
                    self.tell_journal();
                }
            }
            _ => {}
        }
        self.core.hear(self.now(), ticket, what);
    }

    /// Does every step that the core gives, and tells it what was done at once; the last one ends the run.
    fn do_steps(&mut self) -> Option<Finish> {
        loop {
            if let Some(finish) = self.do_ordered() {
                return Some(finish);
            }
            let Some((ticket, heard)) = self.answers.pop_front() else { break };
            self.hear(ticket, heard);
        }
        // Reports that led to no record (of a stream that was left, say) are done with.
        self.shared.recorded(std::mem::take(&mut self.unanswered));
        None
    }

    fn do_ordered(&mut self) -> Option<Finish> {
        while let Some(Ordered { ticket, step }) = self.core.next_step() {
            match step {
                Step::Finish(finish) => {
                    tracing::debug!(?finish, "over");
                    return Some(finish);
                }
                Step::Note(note) => {
                    tracing::info!(?note);
                    if let Note::Limited { connections, lasting: true, .. } = &note {
                        self.request.hosts.learned(
                            self.request.origin.server(),
                            *connections,
                            crate::now_unix_ms() / 1000,
                        );
                    }
                    (self.tell)(Told::Note(note));
                }
                Step::Throttle(wait) => {
                    self.throttle.send_replace(wait);
                }
                Step::Fetch(fetch) => self.fetch(ticket, fetch),
                Step::Flow(grant) => self.flow(ticket, grant),
                Step::Narrow { end } => self.narrow(ticket, end),
                Step::Stop => {
                    if let Some((_, handle)) = self.streams.iter().find(|(t, _)| *t == ticket) {
                        handle.stop.cancel();
                    }
                }
                step @ (Step::Sync { .. } | Step::SyncDir | Step::Receipt(_)) if self.asked_group(ticket, &step) => {}
                Step::Sync { slot } => self.beside(ticket, slot, |part, _| part.sync_data().map(|()| Heard::Done)),
                Step::Check { slot, extents, rewrite } => self.beside(ticket, slot, move |part, cancelled| {
                    // Cancelled: nothing was found bad; claims stay unread and are read next time.
                    let bad = part.check(&extents, rewrite, cancelled)?;
                    Ok(bad.map_or(Heard::Failed(DiskFault::Interrupted), |bad| Heard::Checked { bad }))
                }),
                Step::Digest { slot, length, kinds } => self.beside(ticket, slot, move |part, cancelled| {
                    let digests = part.digest(length, &kinds, cancelled)?;
                    Ok(digests.map_or(Heard::Failed(DiskFault::Interrupted), Heard::Digested))
                }),
                step => {
                    if matches!(&step, Step::Record { .. }) {
                        self.tell_journal();
                    }
                    if matches!(&step, Step::Record { records, .. } if is_hint(records)) {
                        self.unanswered = self.unanswered.saturating_sub(1); // the desk gives the turn back
                    }
                    self.hand_to_desk(ticket, step);
                }
            }
        }
        None
    }

    fn hand_to_desk(&mut self, ticket: Ticket, step: Step) {
        let whereabouts = match &step {
            Step::Open => match self.whereabouts() {
                Some(whereabouts) => Some(whereabouts),
                None => return self.answers.push_back((ticket, Heard::Failed(DiskFault::Unsupported))),
            },
            Step::Seal { .. } => {
                let modified = self.head.as_ref().and_then(|h| h.modified_s).filter(|_| self.request.remote_time);
                self.set_mtime(modified.and_then(|s| s.checked_mul(1_000_000_000)));
                None
            }
            _ => None,
        };
        if let Seat::Here(desk) = &mut self.desk
            && desk.is_quick(&step)
        {
            let heard = match &whereabouts {
                Some(whereabouts) => match desk.open_fresh(whereabouts) {
                    Ok(Some(heard)) => heard,
                    Ok(None) => return self.send_to_desk(ticket, step, Some(whereabouts.clone())),
                    Err(error) => self.shared.failed(error),
                },
                None => desk.perform_here(step, None),
            };
            return self.answers.push_back((ticket, heard));
        }
        self.send_to_desk(ticket, step, whereabouts);
    }

    /// Asks for a sync together with what other transfers wait for; the answer comes when it is done. False where that
    /// is not how this step is done.
    fn asked_group(&mut self, ticket: Ticket, step: &Step) -> bool {
        let Seat::Here(desk) = &self.desk else { return false };
        let (volume, what, since) = match desk.to_sync(step) {
            Ok(Some(request)) => request,
            Ok(None) => return false,
            Err(error) => {
                self.answers.push_back((ticket, self.shared.failed(error)));
                return true;
            }
        };
        let (tell, told) = oneshot::channel();
        let carry_out = volume.ask(what, since, move |result| {
            let _ = tell.send(result); // perhaps the run is over
        });
        let shared = self.shared.clone();
        tokio::spawn(async move {
            if let Ok(result) = told.await {
                let heard = result.map_or_else(|error| shared.failed(error), |()| Heard::Done);
                shared.tell(ticket, heard).await;
            }
        });
        if carry_out {
            tokio::spawn(threads::run(move || volume.carry_out()));
        }
        true
    }

    /// Hands a step to the desk's thread, which begins now if it did not before. Where there is no thread, the step is
    /// done here.
    fn send_to_desk(&mut self, ticket: Ticket, step: Step, whereabouts: Option<Whereabouts>) {
        self.desk = match std::mem::replace(&mut self.desk, Seat::Moving) {
            Seat::Here(desk) => match seat_on_thread(desk) {
                Ok(orders) => Seat::Thread(orders),
                Err((desk, error)) => {
                    tracing::debug!(%error, "no thread for the journal: its work is done beside the streams");
                    Seat::Here(desk)
                }
            },
            seat => seat,
        };
        let heard = match &mut self.desk {
            Seat::Here(desk) => desk.perform_here(step, whereabouts),
            Seat::Thread(orders) => {
                let order = DeskOrder::Perform(ticket, Box::new(step), whereabouts);
                match orders.send(order) {
                    Ok(()) => return,
                    Err(_) => Heard::Failed(DiskFault::Io), // cannot be: it works until it is closed
                }
            }
            Seat::Moving => Heard::Failed(DiskFault::Io),
        };
        self.answers.push_back((ticket, heard));
    }

    /// From now on a start can go on from what is held.
    fn tell_journal(&mut self) {
        if !std::mem::replace(&mut self.journal_told, true) {
            (self.tell)(Told::Journal);
        }
    }

    fn set_mtime(&mut self, mtime_ns: Option<i64>) {
        match &mut self.desk {
            Seat::Here(desk) => desk.mtime_ns = mtime_ns,
            Seat::Thread(orders) => {
                let _ = orders.send(DeskOrder::Mtime(mtime_ns));
            }
            Seat::Moving => {}
        }
    }

    fn whereabouts(&self) -> Option<Whereabouts> {
        let create_dirs = self.request.create_dirs;
        let suggested = || {
            let head = self.head.clone().unwrap_or_default();
            names::name_from(head.suggested_name.as_deref(), &self.request.origin.path())
        };
        let path = match &self.request.destination {
            Destination::File(path) => path.clone(),
            Destination::Folder(folder) => {
                let name = OsString::from(suggested().as_str());
                return Some(Whereabouts { folder: Within::Path(folder.clone()), name, create_dirs });
            }
            Destination::Below(below) => {
                return Some(Whereabouts { folder: below.within(), name: below.name.clone(), create_dirs });
            }
            Destination::Chosen(choose) => choose(suggested().as_str()),
        };
        let name = path.file_name().map(OsStr::to_os_string)?;
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Some(Whereabouts { folder: Within::Path(folder), name, create_dirs })
    }

    fn fetch(&mut self, ticket: Ticket, fetch: longhaul_core::download::step::Fetch) {
        let (start, end, last) = (fetch.start, fetch.end, fetch.last);
        tracing::debug!(request = ticket.0, start, end, last, condition = ?fetch.condition, "ask");
        let (grant_tx, grant) = oneshot::channel();
        let stop = CancellationToken::new();
        let stream = Stream {
            ticket,
            origin: self.request.origin.clone(),
            min_rate: self.request.min_rate,
            stall_timeout: self.request.stall_timeout,
            throttle: self.throttle.subscribe(),
            shared: self.shared.clone(),
        };
        self.streams.push((ticket, Handle { stop: stop.clone(), grant: Some(grant_tx), reach: None }));
        tokio::spawn(stream.run(fetch, stop, grant));
    }

    fn flow(&mut self, ticket: Ticket, grant: Grant) {
        tracing::debug!(request = ticket.0, ?grant, "flow");
        let file = locked(&self.slots).get(grant.slot);
        let Some((_, handle)) = self.streams.iter_mut().find(|(t, _)| *t == ticket) else { return };
        // Without a grant the stream ends, and says so; so does one that ended meanwhile.
        if let (Some(sender), Some(file)) = (handle.grant.take(), file) {
            let reach = Arc::new(Reach::new(&grant));
            handle.reach = Some(reach.clone());
            let _ = sender.send((grant, file, reach));
        }
    }

    fn narrow(&mut self, ticket: Ticket, end: u64) {
        let handle = self.streams.iter().find(|(t, _)| *t == ticket);
        if let Some(reach) = handle.and_then(|(_, handle)| handle.reach.as_ref()) {
            let end = reach.draw_in(end);
            self.core.hear(self.now(), ticket, Heard::Narrowed { end });
        }
    }

    /// Long reads and syncs of the data run beside, on threads.
    fn beside(
        &self,
        ticket: Ticket,
        slot: Slot,
        work: impl FnOnce(&PartFile, &AtomicBool) -> crate::disk::error::Result<Heard> + Send + 'static,
    ) {
        let (shared, cancelled) = (self.shared.clone(), self.cancelled.clone());
        let part = locked(&self.slots).get(slot);
        tokio::spawn(async move {
            let heard = match threads::run(move || part.map(|part| work(&part, &cancelled))).await {
                Some(Ok(heard)) => heard,
                Some(Err(error)) => shared.failed(error),
                None => Heard::Failed(DiskFault::Io),
            };
            shared.tell(ticket, heard).await;
        });
    }

    fn tell_progress(&mut self, rate: &mut Rate) {
        let (received, durable) = self.core.held();
        let verified =
            self.core.generation().map_or(0, |g| g.held.list().iter().filter(|k| k.read).map(|k| k.extent.len).sum());
        (self.tell)(Told::Progress(Progress {
            received,
            durable,
            verified,
            total: self.core.identity().and_then(|i| i.length),
            rate: rate.sample(self.shared.fetched()),
            connections: u32::try_from(self.streams.len()).unwrap_or(u32::MAX),
        }));
    }

    async fn close(self, finish: Finish) -> Ended {
        // Only when the lock is let go may a next run of the same transfer begin.
        match self.desk {
            Seat::Here(mut desk) => desk.tidy(),
            Seat::Thread(orders) => {
                let (done, closed) = oneshot::channel();
                let _ = orders.send(DeskOrder::Close(done));
                let _ = closed.await;
            }
            Seat::Moving => {}
        }
        *locked(&self.slots) = Slots::default();
        let (held, _) = self.core.held();
        let total = self.core.identity().and_then(|i| i.length);
        let mut remembered = std::mem::take(&mut *locked(&self.shared.remembered));
        let window = &self.request.config.source.window;
        remembered.range = (!window.is_whole()).then(|| range_text(window));
        let path = locked(&self.shared.path).clone();
        Ended { finish, remembered, fetched: self.shared.fetched(), path, held, total }
    }
}

/// Bytes per second over the last few seconds.
pub(in crate::drive) struct Rate {
    samples: std::collections::VecDeque<(Instant, u64)>,
}

impl Rate {
    pub(in crate::drive) fn new() -> Self {
        Self { samples: std::collections::VecDeque::new() }
    }

    pub(in crate::drive) fn sample(&mut self, bytes: u64) -> u64 {
        let now = Instant::now();
        self.samples.push_back((now, bytes));
        while self.samples.len() > 2 && now.duration_since(self.samples[0].0) > RATE_OVER {
            self.samples.pop_front();
        }
        let (then, before) = self.samples[0];
        let seconds = now.duration_since(then).as_secs_f64();
        if seconds < 0.05 { 0 } else { (bytes.saturating_sub(before) as f64 / seconds) as u64 }
    }
}
