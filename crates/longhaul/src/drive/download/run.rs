//! The hands of a download: they carry out its steps.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use longhaul_core::digest::DigestKind;
use longhaul_core::download::held::Slot;
use longhaul_core::download::resume::FoundJournal;
use longhaul_core::download::step::{Fetch, Finish, Grant, Heard, Note, Step};
use longhaul_core::download::{Config, Download, HeldBytes};
use longhaul_core::names;
use longhaul_core::reply::ReplyFacts;
use longhaul_core::run::Machine;
use longhaul_core::words::{Command, DiskFault, Durability, Ticket};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::desk::{DeskExtra, DeskOrder, DeskSetup, DownloadDesk, Slots, Whereabouts, is_hint};
use super::destination::Destination;
use super::reach::Reach;
use super::stream::{StreamHandle, StreamTask};
use super::{DownloadAside, DownloadDetails, DownloadReports, DownloadShared, failed, range_text, sentences};
use crate::disk::beside::lock::Locking;
use crate::disk::beside::part_file::PartFile;
use crate::disk::beside::recognise;
use crate::disk::folders::{Folders, Within};
use crate::disk::saved::SavedFiles;
use crate::disk::state::hosts::Hosts;
use crate::disk::state::state_dir::StateDir;
use crate::drive::engine::{self, Hands, RunEvent, TellRun};
use crate::drive::log;
use crate::drive::panics::Panicked;
use crate::drive::seat::{Desk as _, Seat};
use crate::event::Progress;
use crate::map::PieceMap;
use crate::store::{Origin, Rates};
use crate::sync::locked;
use crate::threads;

/// Everything that one run needs.
pub(crate) struct DownloadRequest {
    pub(crate) origin: Origin,
    pub(crate) rates: Rates,
    pub(crate) config: Config,
    /// Another program's file, whose bytes may be gone on from.
    pub(crate) other: Option<Arc<File>>,
    pub(crate) destination: Destination,
    pub(crate) create_dirs: bool,
    pub(crate) saved: Option<SavedFiles>,
    /// Where another file has the name, the next free one is taken.
    pub(crate) renames: bool,
    pub(crate) locking: Locking,
    pub(crate) remote_time: bool,
    pub(crate) min_rate: u64,
    pub(crate) stall_timeout: Duration,
    pub(crate) state: Option<Arc<StateDir>>,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) folders: Arc<Folders>,
}

/// How a run ended.
pub(crate) type DownloadEnd = engine::RunEnd<Finish, DownloadSummary>;

/// What is known of a run when it is over.
#[derive(Debug)]
pub(crate) struct DownloadSummary {
    pub(crate) remembered: DownloadDetails,
    pub(crate) fetched: u64,
    pub(crate) path: Option<PathBuf>,
    pub(crate) held: u64,
    pub(crate) total: Option<u64>,
}

/// Runs a download until it ends, is paused or discarded.
pub(crate) async fn run(
    request: &DownloadRequest,
    commands: &mut mpsc::Receiver<Command>,
    tell: TellRun<'_, Note>,
) -> DownloadEnd {
    let (reports, inbox) = DownloadReports::channel();
    let shared = Arc::new(DownloadShared::new(reports, request.config.connections.most() as usize));
    let slots = Arc::new(Mutex::new(Slots::default()));
    let setup = DeskSetup {
        locking: request.locking,
        durable: request.config.durability == Durability::Power,
        source: request.config.source.clone(),
        state: request.state.clone(),
        folders: request.folders.clone(),
        saved: request.saved.clone(),
        renames: request.renames,
    };
    let desk = Seat::here(DownloadDesk::new(shared.clone(), slots.clone(), setup));
    let hands = DownloadHands {
        request,
        shared,
        desk,
        slots,
        streams: Vec::new(),
        throttle: watch::channel(false).0,
        cancelled: Arc::default(),
        head: HeadFacts::default(),
        path: None,
        journal_told: false,
        remembered: DownloadDetails::default(),
        unanswered: 0,
        notes: threads::InOrder::default(),
    };
    let config = Config { rate_max: request.rates.limit(), ..request.config.clone() };
    engine::run(Download::new(config), hands, inbox, commands, tell).await
}

/// What the last usable head told that a file gets: its name and its time.
#[derive(Default)]
struct HeadFacts {
    suggested_name: Option<Vec<u8>>,
    modified_s: Option<i64>,
}

struct DownloadHands<'a> {
    request: &'a DownloadRequest,
    shared: Arc<DownloadShared>,
    desk: Seat<DownloadDesk>,
    slots: Arc<Mutex<Slots>>,
    streams: Vec<(Ticket, StreamHandle)>,
    throttle: watch::Sender<bool>,
    /// Long reads of the data end early.
    cancelled: Arc<AtomicBool>,
    head: HeadFacts,
    /// The target, once it is known.
    path: Option<PathBuf>,
    journal_told: bool,
    remembered: DownloadDetails,
    /// DownloadReports of written bytes that the core was told of and has not answered with a hint yet.
    unanswered: usize,
    /// What is learned of the server is written down beside.
    notes: threads::InOrder,
}

type DownloadRun<'r, 'a> = engine::LiveRun<'r, DownloadHands<'a>>;

impl Hands for DownloadHands<'_> {
    type Machine = Download;
    type Aside = DownloadAside;
    type Summary = DownloadSummary;

    fn overhear(&mut self, run: &mut DownloadRun<'_, '_>, ticket: Ticket, heard: &Heard, aside: Option<DownloadAside>) {
        if let Some(aside) = aside {
            self.keep(run, aside);
        }
        if log::is_wanted() {
            let name = self.name();
            log::data(&name, ticket, heard);
            log::say(&name, sentences::heard(ticket, heard, run.machine.identity()));
        }
        match heard {
            Heard::Head(facts) => self.see_head(facts),
            Heard::Wrote(_) => {
                self.unanswered += 1;
                run.machine.limited_to(self.request.rates.limit()); // it may have been changed
            }
            Heard::Ended { .. } => {
                self.streams.retain(|(t, _)| *t != ticket);
            }
            Heard::Opened(found) => {
                if let FoundJournal::Read(recovered) = &found.journal {
                    self.remembered.recorded_source = Some(recovered.source.url.clone());
                    self.remembered.recorded_range = Some(range_text(&recovered.source.window));
                    self.tell_journal(run);
                }
            }
            _ => {}
        }
    }

    fn perform(&mut self, run: &mut DownloadRun<'_, '_>, ticket: Ticket, step: Step) -> Option<Finish> {
        if log::is_wanted() {
            let (name, held) = (self.name(), run.machine.held());
            log::data(&name, ticket, &step);
            log::say(&name, sentences::step(ticket, &step, held, self.streams.len()));
        }
        match step {
            Step::Finish(finish) => return Some(finish),
            Step::Note(note) => self.note(run, note),
            Step::Throttle(wait) => {
                self.throttle.send_replace(wait);
            }
            Step::Fetch(fetch) => self.fetch(ticket, fetch),
            Step::Flow(grant) => self.flow(ticket, grant),
            Step::Narrow { end } => self.narrow(run, ticket, end),
            Step::Stop => {
                if let Some((_, handle)) = self.streams.iter().find(|(t, _)| *t == ticket) {
                    handle.stop.cancel();
                }
            }
            step @ (Step::Sync { .. } | Step::SyncDir | Step::Receipt(_)) if self.asked_group(run, ticket, &step) => {}
            Step::Sync { slot } => self.beside(ticket, slot, |part, _| part.sync_data().map(|()| Heard::Done)),
            Step::Check { slot, extents, rewrite } => self.beside(ticket, slot, move |part, cancelled| {
                // Cancelled: the check found no bad extent; claims stay unread and are read next time.
                let bad = part.check(&extents, rewrite, cancelled)?;
                Ok(bad.map_or(Heard::Failed(DiskFault::Interrupted), |bad| Heard::Checked { bad }))
            }),
            Step::Digest { slot, length, kinds } => self.beside(ticket, slot, move |part, cancelled| {
                let digests = part.digest(length, &kinds, cancelled)?;
                Ok(digests.map_or(Heard::Failed(DiskFault::Interrupted), Heard::Digested))
            }),
            Step::Adopt { slot, pieces } => {
                let other = self.request.other.clone();
                self.beside(ticket, slot, move |part, cancelled| {
                    let Some(other) = other else { return Ok(Heard::Adopted { extents: Vec::new() }) };
                    let extents = part.copy_from(&other, &pieces, cancelled)?;
                    Ok(extents.map_or(Heard::Failed(DiskFault::Interrupted), |extents| Heard::Adopted { extents }))
                });
            }
            Step::DigestTarget { kinds } => self.digest_target(ticket, kinds),
            step => {
                if matches!(&step, Step::Record { .. }) {
                    self.tell_journal(run);
                }
                if is_hint(&step) {
                    self.unanswered = self.unanswered.saturating_sub(1); // the desk gives the turn back
                }
                self.hand_to_desk(run, ticket, step);
            }
        }
        None
    }

    fn commanded(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    fn at_rest(&mut self) {
        // DownloadReports that led to no record (of a stream that was left, say) are done with.
        self.shared.recorded(std::mem::take(&mut self.unanswered));
    }

    fn progress(&self, machine: &Download) -> Progress {
        let HeldBytes { received, durable } = machine.held();
        let verified =
            machine.generation().map_or(0, |g| g.held.list().iter().filter(|k| k.read).map(|k| k.extent.len).sum());
        Progress {
            received,
            durable,
            verified,
            total: machine.identity().and_then(|i| i.length),
            rate: 0,
            connections: u32::try_from(self.streams.len()).unwrap_or(u32::MAX),
        }
    }

    fn map(&self, machine: &Download) -> PieceMap {
        let (held, durable) = machine.held_ranges();
        PieceMap::of(machine.identity().and_then(|i| i.length), held, durable, machine.in_flight())
    }

    fn moved(&self) -> u64 {
        self.shared.fetched()
    }

    async fn close(self, machine: Download) -> DownloadSummary {
        let Self { request, shared, desk, slots, streams, path, mut remembered, mut notes, .. } = self;
        drop(streams);
        desk.close().await;
        notes.done().await;
        *locked(&slots) = Slots::default();
        let window = &request.config.source.window;
        remembered.given = request.origin.given();
        remembered.digest_given = !request.config.expected.is_empty();
        remembered.range = (!window.is_whole()).then(|| range_text(window));
        let held = machine.held().received;
        let total = machine.identity().and_then(|i| i.length);
        DownloadSummary { remembered, fetched: shared.fetched(), path, held, total }
    }
}

impl DownloadHands<'_> {
    /// What the log calls this download: its file, once that is known.
    fn name(&self) -> String {
        let chosen = match &self.request.destination {
            Destination::File(path) => path.file_name(),
            Destination::Below(below) => Some(below.name.as_os_str()),
            Destination::Folder(_) | Destination::Chosen(_) => None,
        };
        match self.path.as_deref().and_then(Path::file_name).or(chosen) {
            Some(name) => name.to_string_lossy().into_owned(),
            None => "download".to_owned(),
        }
    }

    /// What stands beside an answer.
    fn keep(&mut self, run: &mut DownloadRun<'_, '_>, aside: DownloadAside) {
        match aside {
            DownloadAside::Disk(error) => {
                log::say(&self.name(), log::decision(error.to_string()));
                self.remembered.disk = Some(error);
            }
            DownloadAside::Net(detail) => {
                log::say(&self.name(), log::decision(detail.clone()));
                self.remembered.net = Some(detail);
            }
            DownloadAside::Refused(refused) => {
                log::say(&self.name(), log::decision(format!("the server says: {}", refused.said)));
                self.remembered.refusal = Some(refused.said);
                self.remembered.beside_access = refused.beside_access;
                self.remembered.advice = refused.advice;
            }
            DownloadAside::Path(path) => {
                if self.path.as_ref() != Some(&path) {
                    run.tell(RunEvent::Path(path.clone()));
                }
                self.path = Some(path);
            }
        }
    }

    fn see_head(&mut self, facts: &ReplyFacts) {
        if let Some(wait_ms) = facts.retry_after_ms {
            self.remembered.asked_to_wait = Some((facts.status, wait_ms));
        }
        if matches!(facts.status, 200 | 206) {
            if !facts.declared_in.is_empty() {
                self.remembered.declared_in.clone_from(&facts.declared_in);
            }
            let (suggested_name, modified_s) = (facts.suggested_name.clone(), facts.identity.modified);
            self.head = HeadFacts { suggested_name, modified_s };
        }
    }

    fn note(&mut self, run: &mut DownloadRun<'_, '_>, note: Note) {
        if log::is_wanted() {
            log::say(&self.name(), sentences::note(&note));
        }
        if let Note::Limited { connections, lasting: true, .. } = &note {
            let (hosts, server, connections) = (self.request.hosts.clone(), self.request.origin.server(), *connections);
            self.notes.add(move || hosts.learned(server, connections, crate::now_unix_ms() / 1000));
        }
        run.tell(RunEvent::Note(note));
    }

    fn hand_to_desk(&mut self, run: &mut DownloadRun<'_, '_>, ticket: Ticket, step: Step) {
        let extra = match &step {
            Step::Open { .. } => match self.whereabouts() {
                Some(whereabouts) => DeskExtra::Place(whereabouts),
                None => return run.answer(ticket, Heard::Failed(DiskFault::Unsupported)),
            },
            Step::Seal { .. } => self.mtime_ns().map_or(DeskExtra::None, DeskExtra::Modified),
            _ => DeskExtra::None,
        };
        let order = DeskOrder { step, extra };
        if let Seat::Here(desk) = &mut self.desk
            && desk.is_quick(&order.step)
        {
            let answer = match (&order.step, &order.extra) {
                (Step::Open { room }, DeskExtra::Place(whereabouts)) => {
                    desk.open_fresh(whereabouts, *room).unwrap_or_else(|error| Some(failed(error)))
                }
                _ => return run.answer(ticket, desk.perform(order)),
            };
            if let Some(answer) = answer {
                return run.answer(ticket, answer);
            }
        }
        if let Some(answer) = self.desk.order(ticket, order, &self.shared.reports) {
            run.answer(ticket, answer);
        }
    }

    /// The time that the file gets when it is sealed, in nanoseconds since the Unix epoch.
    fn mtime_ns(&self) -> Option<i64> {
        self.head.modified_s.filter(|_| self.request.remote_time)?.checked_mul(1_000_000_000)
    }

    /// Asks for a sync together with what other transfers wait for; the answer comes when it is done. False where that
    /// is not how this step is done.
    fn asked_group(&mut self, run: &mut DownloadRun<'_, '_>, ticket: Ticket, step: &Step) -> bool {
        let Seat::Here(desk) = &self.desk else { return false };
        let (volume, what, since) = match desk.to_sync(step) {
            Ok(Some(request)) => request,
            Ok(None) => return false,
            Err(error) => {
                run.answer(ticket, failed(error));
                return true;
            }
        };
        let (tell, told) = oneshot::channel();
        let carry_out = volume.ask(what, since, move |result| {
            let _ = tell.send(result); // perhaps the run is over
        });
        let reports = self.shared.reports.clone();
        self.shared.reports.spawn(async move {
            match told.await {
                Ok(result) => reports.tell(ticket, result.map_or_else(failed, |()| Heard::Done.into())).await,
                Err(_) => Panicked::of_another("a sync of many files").go_on(),
            }
        });
        if carry_out {
            tokio::spawn(threads::run(move || volume.carry_out()));
        }
        true
    }

    /// From now on a start can go on from what is held.
    fn tell_journal(&mut self, run: &mut DownloadRun<'_, '_>) {
        if !std::mem::replace(&mut self.journal_told, true) {
            run.tell(RunEvent::Journal);
        }
    }

    fn whereabouts(&self) -> Option<Whereabouts> {
        let create_dirs = self.request.create_dirs;
        let suggested = || names::name_from(self.head.suggested_name.as_deref(), &self.request.origin.path());
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

    fn fetch(&mut self, ticket: Ticket, fetch: Fetch) {
        let (grant_tx, grant) = oneshot::channel();
        let stop = CancellationToken::new();
        let stream = StreamTask {
            ticket,
            origin: self.request.origin.clone(),
            rates: self.request.rates.clone(),
            min_rate: self.request.min_rate,
            stall_timeout: self.request.stall_timeout,
            throttle: self.throttle.subscribe(),
            shared: self.shared.clone(),
        };
        self.streams.push((ticket, StreamHandle { stop: stop.clone(), grant: Some(grant_tx), reach: None }));
        self.shared.reports.spawn(Box::pin(stream.run(fetch, stop, grant)));
    }

    fn flow(&mut self, ticket: Ticket, grant: Grant) {
        let file = locked(&self.slots).get(grant.slot);
        let Some((_, handle)) = self.streams.iter_mut().find(|(t, _)| *t == ticket) else { return };
        // Without a grant the stream ends, and says so; so does one that ended meanwhile.
        if let (Some(sender), Some(file)) = (handle.grant.take(), file) {
            let reach = Arc::new(Reach::new(&grant));
            handle.reach = Some(reach.clone());
            let _ = sender.send((grant, file, reach));
        }
    }

    fn narrow(&mut self, run: &mut DownloadRun<'_, '_>, ticket: Ticket, end: u64) {
        let handle = self.streams.iter().find(|(t, _)| *t == ticket);
        if let Some(reach) = handle.and_then(|(_, handle)| handle.reach.as_ref()) {
            let (now, end) = (run.now(), reach.draw_in(end));
            run.machine.hear(now, ticket, Heard::Narrowed { end });
        }
    }

    /// Long reads and syncs of the data run beside, on threads.
    fn beside(
        &self,
        ticket: Ticket,
        slot: Slot,
        work: impl FnOnce(&PartFile, &AtomicBool) -> crate::disk::error::Result<Heard> + Send + 'static,
    ) {
        let part = locked(&self.slots).get(slot);
        self.on_thread(ticket, move |cancelled| part.map(|part| work(&part, cancelled)));
    }

    fn digest_target(&self, ticket: Ticket, kinds: Vec<DigestKind>) {
        let place = locked(&self.slots).place();
        self.on_thread(ticket, move |cancelled| {
            let read = recognise::digest(&*place?, &kinds, cancelled);
            let heard = |(facts, digests)| Heard::TargetDigested { facts, digests };
            Some(read.map(|read| read.map_or(Heard::Failed(DiskFault::Interrupted), heard)))
        });
    }

    /// `None` from the work: there is no open file for it.
    fn on_thread(
        &self,
        ticket: Ticket,
        work: impl FnOnce(&AtomicBool) -> Option<crate::disk::error::Result<Heard>> + Send + 'static,
    ) {
        let (reports, cancelled) = (self.shared.reports.clone(), self.cancelled.clone());
        self.shared.reports.spawn(async move {
            let answer = match threads::run(move || work(&cancelled)).await {
                Some(Ok(heard)) => heard.into(),
                Some(Err(error)) => failed(error),
                None => Heard::Failed(DiskFault::Io).into(),
            };
            reports.tell(ticket, answer).await;
        });
    }
}
