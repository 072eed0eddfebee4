//! One run of an upload: the loop between the core and the world.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use longhaul_core::run::{Machine, Ordered};
use longhaul_core::upload::{Config, Upload};
use longhaul_core::words::{Command, DiskFault, Ticket};

use longhaul_core::upload::step::{Finish, FoundJournal, Heard, Note, Step};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Remembered;
use super::body::Buffers;
use super::desk::{Desk, Open, Order};
use super::request::{Sent, Snapshot, Task};
use super::source::Source;
use crate::disk::beside::lock::Locking;
use crate::disk::error::DiskError;
use crate::disk::state::hosts::Hosts;
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::uploads::UploadKey;
use crate::drive::download::run::{DESK_STACK, PROGRESS_EVERY, Rate, sleep_until};
use crate::event::Progress;
use crate::store::HttpStore;
use crate::store::cloud::Cloud;
use crate::sync::locked;
use crate::threads;

/// Reports that may wait for the run at once: requests wait when the run is behind.
const HEARD_MAX: usize = 256;

/// Everything that one run needs.
pub(crate) struct Request {
    pub(crate) config: Config,
    pub(crate) cloud: Cloud,
    pub(crate) source: Arc<Source>,
    pub(crate) state: Arc<StateDir>,
    pub(crate) key: UploadKey,
    pub(crate) locking: Locking,
    pub(crate) buffers: Arc<Buffers>,
    /// Whose pace bodies are sent at.
    pub(crate) store: Arc<HttpStore>,
    pub(crate) hosts: Arc<Hosts>,
    /// Whose limit of connections and goodput are learned.
    pub(crate) host: String,
    /// The MD5 of every body is sent ahead of it.
    pub(crate) part_md5: bool,
    pub(crate) min_rate: u64,
    pub(crate) stall_timeout: Duration,
    /// The upload is only to be given up: its source need not be there.
    pub(crate) sourceless: bool,
}

/// What happened, for the handle.
pub(crate) enum Told {
    /// The core has news.
    Note(Note),
    /// Bytes flow.
    Progress(Progress),
    /// There is a journal: the upload can be gone on with.
    Journal,
}

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) finish: Finish,
    pub(crate) remembered: Remembered,
    /// Bytes handed to the network.
    pub(crate) sent: u64,
    /// Bytes that the store has acknowledged.
    pub(crate) acknowledged: u64,
    /// The journal stays: something may be left in the store.
    pub(crate) kept: bool,
}

/// What the parts of one run share.
pub(super) struct Shared {
    heard: mpsc::Sender<(Ticket, Heard)>,
    sent: AtomicU64,
    remembered: Mutex<Remembered>,
    /// What the store said to steps whose answers the core has not heard yet.
    details: Mutex<HashMap<Ticket, String>>,
    pub(super) snapshot: Mutex<Option<Snapshot>>,
}

impl Shared {
    /// One to whose run nobody listens.
    #[cfg(test)]
    pub(super) fn unheard() -> Self {
        let (sent, remembered, snapshot) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
        Self { heard: mpsc::channel(1).0, sent, remembered, details: Mutex::default(), snapshot }
    }

    /// Tells the run, from a task. A run that is over hears nothing.
    pub(super) async fn tell(&self, ticket: Ticket, heard: Heard) {
        let _ = self.heard.send((ticket, heard)).await;
    }

    /// Tells the run, from a thread.
    pub(super) fn tell_blocking(&self, ticket: Ticket, heard: Heard) {
        let _ = self.heard.blocking_send((ticket, heard));
    }

    pub(super) fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The core's word for a failed call; the rest is kept for the error text.
    pub(super) fn failed(&self, error: DiskError) -> Heard {
        let fault = error.fault();
        tracing::debug!(%error, "disk");
        locked(&self.remembered).disk = Some(error);
        Heard::Failed(fault)
    }

    /// What the store said to a step, for the error text; told before the answer.
    pub(super) fn remember_store(&self, ticket: Ticket, detail: String) {
        tracing::debug!(step = ticket.0, %detail, "store");
        locked(&self.details).insert(ticket, detail);
    }

    /// The core is about to hear the answer to a step: what was said to it is the last word, unless the end is decided.
    fn take_detail(&self, ticket: Ticket, ending: bool) {
        let detail = locked(&self.details).remove(&ticket);
        if let Some(detail) = detail.filter(|_| !ending) {
            locked(&self.remembered).store = Some(detail);
        }
    }
}

struct Run<'a> {
    request: &'a Arc<Request>,
    core: Upload,
    began: Instant,
    shared: Arc<Shared>,
    desk: Seat,
    /// Answers to steps that were done here.
    answers: VecDeque<(Ticket, Heard)>,
    /// Requests and readings under way.
    tasks: HashMap<Ticket, (CancellationToken, Arc<Sent>)>,
    tell: &'a mut (dyn FnMut(Told) + Send),
    /// There is a journal, and whoever listens was told.
    journal: bool,
    total: Option<u64>,
}

/// Runs an upload until it ends, is paused or cancelled.
pub(crate) async fn run(
    request: &Arc<Request>,
    commands: &mut mpsc::Receiver<Command>,
    tell: &mut (dyn FnMut(Told) + Send),
) -> Ended {
    let (heard_tx, mut heard) = mpsc::channel(HEARD_MAX);
    let shared = Arc::new(Shared {
        heard: heard_tx,
        sent: AtomicU64::new(0),
        remembered: Mutex::default(),
        details: Mutex::default(),
        snapshot: Mutex::default(),
    });
    let mut run = Run {
        request,
        core: Upload::new(request.config.clone()),
        began: Instant::now(),
        desk: Seat::Here(Box::new(desk_of(request, &shared))),
        answers: VecDeque::new(),
        shared,
        tasks: HashMap::new(),
        tell,
        journal: false,
        total: None,
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
                Some(command) => run.core.command(run.now(), command),
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
    drop(heard); // nobody waits for the run to listen
    run.close(finish).await
}

/// Where the desk's work is done.
enum Seat {
    /// Here: before the first step, and as long as there is no thread to be had.
    Here(Box<Desk>),
    /// On a thread of its own.
    Thread(std::sync::mpsc::Sender<Order>),
    /// Between the two.
    Moving,
}

fn desk_of(request: &Request, shared: &Arc<Shared>) -> Desk {
    Desk {
        shared: shared.clone(),
        state: request.state.clone(),
        source: request.source.clone(),
        intent: request.config.intent.clone(),
        key: request.key.clone(),
        locking: request.locking,
        durable: request.config.durability == longhaul_core::words::Durability::Power,
        sourceless: request.sourceless,
        open: Open::default(),
    }
}

/// A thread that does what it is told until it is closed; the desk again when there is none.
fn seat_on_thread(desk: Box<Desk>) -> Result<std::sync::mpsc::Sender<Order>, (Box<Desk>, std::io::Error)> {
    let (orders, inbox) = std::sync::mpsc::channel();
    threads::start("longhaul-desk", DESK_STACK, desk, move |desk| desk.work(&inbox))?;
    Ok(orders)
}

impl Run<'_> {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn hear(&mut self, ticket: Ticket, what: Heard) {
        match &what {
            Heard::Sent(_) => {}
            what => {
                tracing::debug!(step = ticket.0, ?what, "heard");
                self.tasks.remove(&ticket);
                self.shared.take_detail(ticket, self.core.is_ending());
            }
        }
        if let Heard::Opened(found) = &what
            && matches!(found.journal, FoundJournal::Read(_))
        {
            self.tell_journal();
        }
        self.core.hear(self.now(), ticket, what);
    }

    /// Does every step that the core gives, and tells it what was done at once; the last one ends the run.
    fn do_steps(&mut self) -> Option<Finish> {
        loop {
            if let Some(finish) = self.do_ordered() {
                return Some(finish);
            }
            let (ticket, heard) = self.answers.pop_front()?;
            self.hear(ticket, heard);
        }
    }

    fn do_ordered(&mut self) -> Option<Finish> {
        while let Some(Ordered { ticket, step }) = self.core.next_step() {
            tracing::debug!(step = ticket.0, ?step, "do");
            match step {
                Step::Finish(finish) => return Some(finish),
                Step::Note(note) => self.note(note),
                Step::Look => self.begin(ticket, Task::look),
                Step::Snapshot { kinds } => self.begin(ticket, |task| task.snapshot(kinds)),
                Step::Put { checksum } => self.begin(ticket, |task| task.put(checksum)),
                Step::Create { checksum } => self.begin(ticket, |task| task.create(checksum)),
                Step::SendPart { upload_id, part, kinds, checksum } => {
                    self.begin(ticket, |task| task.send_part(upload_id, part, kinds, checksum));
                }
                Step::ListParts { upload_id, after } => self.begin(ticket, |task| task.list_parts(upload_id, after)),
                Step::Complete { upload_id, parts, whole } => {
                    self.begin(ticket, |task| task.complete(upload_id, parts, whole));
                }
                Step::Abort { upload_id } => self.begin(ticket, |task| task.abort(upload_id)),
                Step::CheckSource => self.begin(ticket, Task::check_source),
                Step::ReadPart { part, kinds } => self.begin(ticket, |task| task.read_part(part, kinds)),
                Step::Combine { parts } => self.combine(ticket, parts),
                Step::Stop => {
                    if let Some((stop, _)) = self.tasks.get(&ticket) {
                        stop.cancel();
                    }
                }
                step => self.hand_to_desk(ticket, step),
            }
        }
        None
    }

    fn begin<F>(&mut self, ticket: Ticket, what: impl FnOnce(Task) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, sent) = (CancellationToken::new(), Arc::new(Sent::new(ticket, self.shared.clone())));
        let (request, shared) = (self.request.clone(), self.shared.clone());
        self.tasks.insert(ticket, (stop.clone(), sent.clone()));
        tokio::spawn(what(Task { request, shared, stop, sent }));
    }

    fn combine(&self, ticket: Ticket, parts: Vec<(u64, Vec<longhaul_core::digest::Digest>)>) {
        let shared = self.shared.clone();
        tokio::spawn(async move {
            let (digests, composite) = threads::run(move || crate::disk::digests::combine(&parts)).await;
            shared.tell(ticket, Heard::Combined { digests, composite }).await;
        });
    }

    fn hand_to_desk(&mut self, ticket: Ticket, step: Step) {
        match &step {
            Step::Record { .. } => self.tell_journal(),
            Step::Forget => self.journal = false,
            _ => {}
        }
        self.desk = match std::mem::replace(&mut self.desk, Seat::Moving) {
            Seat::Here(desk) => match seat_on_thread(desk) {
                Ok(orders) => Seat::Thread(orders),
                Err((desk, error)) => {
                    tracing::debug!(%error, "no thread for the journal: its work is done beside the requests");
                    Seat::Here(desk)
                }
            },
            seat => seat,
        };
        match &mut self.desk {
            Seat::Here(desk) => self.answers.push_back((ticket, desk.perform(step))),
            Seat::Thread(orders) if orders.send(Order::Perform(ticket, Box::new(step))).is_ok() => {}
            // It works until it is closed.
            Seat::Thread(_) | Seat::Moving => self.answers.push_back((ticket, Heard::Failed(DiskFault::Io))),
        }
    }

    fn note(&mut self, note: Note) {
        match &note {
            Note::Acknowledged { bytes } => tracing::debug!(bytes, "acknowledged"),
            note => tracing::info!(?note),
        }
        match &note {
            Note::Started { length, .. } => self.total = Some(*length),
            Note::Limited { connections } => {
                let host = self.request.host.clone();
                self.request.hosts.learned(host, *connections, crate::now_unix_ms() / 1000);
            }
            _ => {}
        }
        (self.tell)(Told::Note(note));
    }

    /// From now on a start can go on from what is stored.
    fn tell_journal(&mut self) {
        if !std::mem::replace(&mut self.journal, true) {
            (self.tell)(Told::Journal);
        }
    }

    fn tell_progress(&mut self, rate: &mut Rate) {
        let under_way: u64 = self.tasks.values().map(|(_, sent)| sent.bytes()).sum();
        let acknowledged = self.core.acknowledged();
        let received = acknowledged.saturating_add(under_way);
        (self.tell)(Told::Progress(Progress {
            received: self.total.map_or(received, |total| received.min(total)),
            durable: acknowledged,
            verified: acknowledged,
            total: self.total,
            rate: rate.sample(self.shared.sent.load(Ordering::Relaxed)),
            connections: u32::try_from(self.tasks.values().filter(|(_, sent)| sent.bytes() > 0).count())
                .unwrap_or(u32::MAX),
        }));
    }

    async fn close(self, finish: Finish) -> Ended {
        for (stop, _) in self.tasks.values() {
            stop.cancel();
        }
        // Only when the lock is let go may a next run of the same upload begin.
        match self.desk {
            Seat::Here(desk) => drop(desk),
            Seat::Thread(orders) => {
                let (done, closed) = oneshot::channel();
                let _ = orders.send(Order::Close(done));
                let _ = closed.await;
            }
            Seat::Moving => {}
        }
        *locked(&self.shared.snapshot) = None;
        self.request.buffers.trim();
        let remembered = std::mem::take(&mut *locked(&self.shared.remembered));
        let sent = self.shared.sent.load(Ordering::Relaxed);
        if let Some(goodput) = self.core.goodput() {
            let host = self.request.host.clone();
            self.request.hosts.learned_goodput(host, goodput, crate::now_unix_ms() / 1000);
        }
        Ended { finish, remembered, sent, acknowledged: self.core.acknowledged(), kept: self.journal }
    }
}
