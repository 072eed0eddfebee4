//! The hands of an upload: they carry out its steps.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use longhaul_core::digest::Digest;
use longhaul_core::ranges::{Range, joined};
use longhaul_core::upload::step::{Finish, FoundJournal, Heard, Note, Step};
use longhaul_core::upload::{Config, Upload};
use longhaul_core::words::{Command, Durability, Ticket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::body::Buffers;
use super::desk::UploadDesk;
use super::request::{BytesSent, RequestTask};
use super::source::SourceFile;
use super::{UploadAside, UploadDetails, UploadReports, UploadShared, sentences};
use crate::disk::beside::lock::Locking;
use crate::disk::state::hosts::Hosts;
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::uploads::UploadKey;
use crate::drive::engine::{self, Hands, RunEvent, TellRun};
use crate::drive::log;
use crate::drive::seat::Seat;
use crate::event::Progress;
use crate::map::PieceMap;
use crate::store::Rates;
use crate::store::cloud::Cloud;
use crate::sync::locked;
use crate::threads;

/// Everything that one run needs.
pub(crate) struct UploadRequest {
    pub(crate) config: Config,
    pub(crate) cloud: Cloud,
    pub(crate) source: Arc<SourceFile>,
    pub(crate) state: Arc<StateDir>,
    pub(crate) key: UploadKey,
    pub(crate) locking: Locking,
    pub(crate) buffers: Arc<Buffers>,
    /// The most parts at once, of the next run.
    pub(crate) connections: AtomicU32,
    /// How fast bodies are sent.
    pub(crate) rates: Rates,
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

/// How a run ended.
pub(crate) type UploadEnd = engine::RunEnd<Finish, UploadSummary>;

/// What is known of a run when it is over.
#[derive(Debug)]
pub(crate) struct UploadSummary {
    pub(crate) remembered: UploadDetails,
    /// Bytes handed to the network.
    pub(crate) sent: u64,
    /// Bytes that the store has acknowledged.
    pub(crate) acknowledged: u64,
    /// The journal stays: something may be left in the store.
    pub(crate) kept: bool,
}

/// Runs an upload until it ends, is paused or discarded.
pub(crate) async fn run(
    request: &Arc<UploadRequest>,
    commands: &mut mpsc::Receiver<Command>,
    tell: TellRun<'_, Note>,
) -> UploadEnd {
    let (reports, inbox) = UploadReports::channel();
    let hands = UploadHands {
        request,
        shared: Arc::new(UploadShared::new(reports)),
        desk: Seat::here(desk_of(request)),
        tasks: HashMap::new(),
        journal: false,
        total: None,
        remembered: UploadDetails::default(),
        notes: threads::InOrder::default(),
    };
    let config = Config { connections: request.connections.load(Ordering::Relaxed), ..request.config.clone() };
    engine::run(Upload::new(config), hands, inbox, commands, tell).await
}

fn desk_of(request: &UploadRequest) -> UploadDesk {
    UploadDesk {
        state: request.state.clone(),
        source: request.source.clone(),
        intent: request.config.intent.clone(),
        key: request.key.clone(),
        locking: request.locking,
        durable: request.config.durability == Durability::Power,
        sourceless: request.sourceless,
        open: Default::default(),
    }
}

struct UploadHands<'a> {
    request: &'a Arc<UploadRequest>,
    shared: Arc<UploadShared>,
    desk: Seat<UploadDesk>,
    /// Requests and readings under way.
    tasks: HashMap<Ticket, RequestHandle>,
    /// There is a journal, and the handle was told.
    journal: bool,
    total: Option<u64>,
    remembered: UploadDetails,
    /// What is learned of the store is written down beside.
    notes: threads::InOrder,
}

/// The driver's hold on a request or reading, which stops when it is let go of.
struct RequestHandle {
    stop: CancellationToken,
    sent: Arc<BytesSent>,
    /// The bytes of the source that it takes to the store.
    brings: Option<Range>,
}

impl Drop for RequestHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

type UploadRun<'r, 'a> = engine::LiveRun<'r, UploadHands<'a>>;

impl Hands for UploadHands<'_> {
    type Machine = Upload;
    type Aside = UploadAside;
    type Summary = UploadSummary;

    fn overhear(&mut self, run: &mut UploadRun<'_, '_>, ticket: Ticket, heard: &Heard, aside: Option<UploadAside>) {
        let explained = aside.is_some(); // in more words than the answer has
        match aside {
            Some(UploadAside::Disk(error)) => {
                log::say(&self.name(), log::decision(error.to_string()));
                self.remembered.disk = Some(error);
            }
            Some(UploadAside::Store(detail)) => {
                log::say(&self.name(), log::decision(detail.to_string()));
                // Once the end is decided, what is said to the requests that are still under way explains it no more.
                if !run.machine.is_ending() {
                    self.remembered.store = Some(detail);
                }
            }
            None => {}
        }
        if !matches!(heard, Heard::Sent(_)) {
            if log::is_wanted() {
                let name = self.name();
                log::data(&name, ticket, heard);
                if !explained {
                    log::say(&name, sentences::heard(heard));
                }
            }
            self.tasks.remove(&ticket);
        }
        if let Heard::Opened(found) = heard
            && matches!(found.journal, FoundJournal::Read(_))
        {
            self.tell_journal(run);
        }
    }

    fn perform(&mut self, run: &mut UploadRun<'_, '_>, ticket: Ticket, step: Step) -> Option<Finish> {
        if log::is_wanted() {
            let name = self.name();
            log::data(&name, ticket, &step);
            log::say(&name, sentences::step(&step));
        }
        match step {
            Step::Finish(finish) => return Some(finish),
            Step::Note(note) => self.note(run, note),
            Step::Look => self.begin(ticket, RequestTask::look),
            Step::Snapshot { kinds } => self.begin(ticket, |task| task.snapshot(kinds)),
            Step::Put { checksum } => {
                let whole = self.total.map(|total| Range::new(0, total));
                self.begin_with(ticket, whole, |task| task.put(checksum));
            }
            Step::Create { checksum } => self.begin(ticket, |task| task.create(checksum)),
            Step::SendPart { upload_id, part, kinds, checksum } => {
                let range = Some(part.range);
                self.begin_with(ticket, range, |task| task.send_part(upload_id, part, kinds, checksum));
            }
            Step::ListParts { upload_id, after } => self.begin(ticket, |task| task.list_parts(upload_id, after)),
            Step::Complete { upload_id, parts, whole } => {
                self.begin(ticket, |task| task.complete(upload_id, parts, whole));
            }
            Step::Abort { upload_id } => self.begin(ticket, |task| task.abort(upload_id)),
            Step::CheckSource => self.begin(ticket, RequestTask::check_source),
            Step::ReadPart { part, kinds } => self.begin(ticket, |task| task.read_part(part, kinds)),
            Step::Combine { parts } => self.combine(ticket, parts),
            Step::Stop => {
                if let Some(handle) = self.tasks.get(&ticket) {
                    handle.stop.cancel();
                }
            }
            step => self.hand_to_desk(run, ticket, step),
        }
        None
    }

    fn progress(&self, machine: &Upload) -> Progress {
        let under_way: u64 = self.tasks.values().map(|handle| handle.sent.bytes()).sum();
        let acknowledged = machine.acknowledged();
        let received = acknowledged.saturating_add(under_way);
        let sending = self.tasks.values().filter(|handle| handle.sent.bytes() > 0).count();
        Progress {
            received: self.total.map_or(received, |total| received.min(total)),
            durable: acknowledged,
            verified: acknowledged,
            total: self.total,
            rate: 0,
            connections: u32::try_from(sending).unwrap_or(u32::MAX),
        }
    }

    fn map(&self, machine: &Upload) -> PieceMap {
        let acknowledged = machine.acknowledged_ranges();
        let mut sending: Vec<_> = self.tasks.values().filter_map(|handle| handle.brings).collect();
        sending.sort_unstable();
        PieceMap::of(self.total, acknowledged.clone(), acknowledged, joined(sending))
    }

    fn moved(&self) -> u64 {
        self.shared.bytes_sent()
    }

    async fn close(self, machine: Upload) -> UploadSummary {
        let Self { request, shared, desk, tasks, journal, remembered, mut notes, .. } = self;
        drop(tasks);
        desk.close().await;
        *locked(&shared.snapshot) = None;
        request.buffers.trim();
        if let Some(goodput) = machine.goodput() {
            let (hosts, host) = (request.hosts.clone(), request.host.clone());
            notes.add(move || hosts.learned_goodput(host, goodput, crate::now_unix_ms() / 1000));
        }
        notes.done().await;
        let (sent, acknowledged) = (shared.bytes_sent(), machine.acknowledged());
        UploadSummary { remembered, sent, acknowledged, kept: journal }
    }
}

impl UploadHands<'_> {
    /// What the log calls this upload: its source.
    fn name(&self) -> String {
        let path = self.request.source.path();
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
    }

    fn begin<F>(&mut self, ticket: Ticket, what: impl FnOnce(RequestTask) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.begin_with(ticket, None, what);
    }

    /// The same with a body: these bytes of the source.
    fn begin_with<F>(&mut self, ticket: Ticket, brings: Option<Range>, what: impl FnOnce(RequestTask) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, sent) = (CancellationToken::new(), Arc::new(BytesSent::new(ticket, self.shared.clone())));
        let (request, shared) = (self.request.clone(), self.shared.clone());
        self.tasks.insert(ticket, RequestHandle { stop: stop.clone(), sent: sent.clone(), brings });
        self.shared.reports.spawn(what(RequestTask { request, shared, stop, sent }));
    }

    fn combine(&self, ticket: Ticket, parts: Vec<(u64, Vec<Digest>)>) {
        let reports = self.shared.reports.clone();
        self.shared.reports.spawn(async move {
            let (digests, composite) = threads::run(move || super::whole::combine(&parts)).await;
            reports.tell(ticket, Heard::Combined { digests, composite }).await;
        });
    }

    fn hand_to_desk(&mut self, run: &mut UploadRun<'_, '_>, ticket: Ticket, step: Step) {
        match &step {
            Step::Record { .. } => self.tell_journal(run),
            Step::Forget => self.journal = false,
            _ => {}
        }
        if let Some(answer) = self.desk.order(ticket, step, &self.shared.reports) {
            run.answer(ticket, answer);
        }
    }

    fn note(&mut self, run: &mut UploadRun<'_, '_>, note: Note) {
        if log::is_wanted() {
            log::say(&self.name(), sentences::note(&note));
        }
        match &note {
            Note::Started { length, .. } => self.total = Some(*length),
            Note::Limited { connections } => {
                let (hosts, host, connections) = (self.request.hosts.clone(), self.request.host.clone(), *connections);
                self.notes.add(move || hosts.learned(host, connections, crate::now_unix_ms() / 1000));
            }
            _ => {}
        }
        run.tell(RunEvent::Note(note));
    }

    /// From now on a start can go on from what is stored.
    fn tell_journal(&mut self, run: &mut UploadRun<'_, '_>) {
        if !std::mem::replace(&mut self.journal, true) {
            run.tell(RunEvent::Journal);
        }
    }
}
