//! Carries out the steps of the queue: records by the writer, runs by the client, answers to who asked. It decides
//! nothing about what runs.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::queue::Queue;
use longhaul_core::queue::step::{
    Answer, Change as CoreChange, Entry as CoreEntry, Heard, LaneId, Limits, News, Place as CorePlace, Purpose,
    Request, RequestId, Rest, Step, VolumeId, Wish,
};
use longhaul_core::words::{Millis, Ticket};
use tokio::sync::{mpsc, oneshot};

use super::asked::{Answering, Asked, Edit, Replied, Wanted};
use super::catalogue::{CatalogueError, Loaded, RowChange};
use super::details::{Details, Row};
use super::ends;
use super::entry::{Entry, EntryId, Gid, Reason, State};
use super::new::{Added, MAIN_LANE, Place};
use super::prepare::{Prepared, SameKey, host_of, same_key, volume_of};
use super::rates::ListRates;
use super::runs::{self, RunEnd, RunOrder};
use super::settings::Settings;
use super::shared::Shared;
use super::told::{EntryEvent, Told};
use super::vault::Kept;
use super::view;
use super::writer::{Writer, WriterOrder, Written};
use crate::client::Client;
use crate::error::{Disposition, Error, ErrorKind};
use crate::random::random_u64;
use crate::sync::locked;
use crate::threads;

/// Requests that are taken together, at most: as many as a record has.
const ASKED_MAX: usize = 1000;

/// What the driver hears of its own threads and tasks.
#[derive(Debug)]
pub(super) enum Inside {
    /// What came of an order to the writer.
    Written(Ticket, Written),
    /// A run has a transfer of this id.
    Transfer(EntryId, String),
    /// The name of an entry's file is known.
    Name(EntryId, PathBuf),
    /// A run brought bytes; so many are missing.
    Progress(Ticket, u64),
    /// A run is over.
    Ended(EntryId, Ticket, Box<RunEnd>),
    /// A volume has so many free bytes.
    Room(VolumeId, Option<u64>),
}

struct RunUnderWay {
    ticket: Ticket,
    stop: Option<oneshot::Sender<()>>,
}

/// By what unfinished entries are known when they are added again.
#[derive(Debug, Default)]
struct Same {
    by_key: HashMap<SameKey, EntryId>,
    by_id: HashMap<EntryId, SameKey>,
}

impl Same {
    fn get(&self, key: &SameKey) -> Option<EntryId> {
        self.by_key.get(key).copied()
    }

    fn insert(&mut self, key: SameKey, id: EntryId) {
        self.remove(id);
        self.by_id.insert(id, key.clone());
        self.by_key.insert(key, id);
    }

    fn remove(&mut self, id: EntryId) {
        if let Some(key) = self.by_id.remove(&id)
            && self.by_key.get(&key) == Some(&id)
        {
            self.by_key.remove(&key);
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Who waits for the answer to a request.
struct Waiting {
    reply: Option<Answering>,
    of: Option<EntryId>,
    /// What is answered when it is recorded.
    then: Replied,
    /// What it asked for is new of an entry, once recorded.
    is_edit: bool,
}

pub(super) struct Driver {
    core: Queue,
    clock: Instant,
    client: Client,
    shared: Arc<Shared>,
    writer: Writer,
    inside: mpsc::Sender<Inside>,
    details: HashMap<EntryId, Arc<Details>>,
    /// Details that are to be recorded with a request that is not answered yet.
    pending: HashMap<EntryId, Arc<Details>>,
    settings: Arc<Settings>,
    pending_settings: Option<Settings>,
    waiting: HashMap<RequestId, Waiting>,
    requests: u64,
    /// Requests for the queue that are given to it together.
    out: Vec<(RequestId, Request)>,
    /// Answers that are given when readers see what they are about.
    answers: Vec<(Answering, Result<Replied, Error>)>,
    under_way: HashMap<EntryId, RunUnderWay>,
    /// How the last run of an entry ended, until that was told.
    ends: HashMap<EntryId, Result<(), Error>>,
    lanes: HashMap<String, LaneId>,
    rates: ListRates,
    volumes: HashMap<VolumeId, PathBuf>,
    same: Same,
    trouble: Option<CatalogueError>,
    /// Nothing is started; what is asked for is recorded.
    records_only: bool,
    closing: bool,
}

/// What a driver begins with.
pub(super) struct Beginning {
    pub(super) client: Client,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Writer,
    pub(super) inside: mpsc::Sender<Inside>,
    pub(super) loaded: Loaded,
    pub(super) records_only: bool,
}

impl Driver {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning { client, shared, writer, inside, loaded, records_only } = beginning;
        let rates = ListRates::new(&client);
        let mut driver = Self {
            rates,
            core: Queue::new(0, 0, Vec::new(), Limits::default(), &[]),
            clock: Instant::now(),
            client,
            shared,
            writer,
            inside,
            details: HashMap::new(),
            pending: HashMap::new(),
            settings: Arc::default(),
            pending_settings: None,
            waiting: HashMap::new(),
            requests: 0,
            out: Vec::new(),
            answers: Vec::new(),
            under_way: HashMap::new(),
            ends: HashMap::new(),
            lanes: HashMap::from([(MAIN_LANE.to_owned(), LaneId(0))]),
            volumes: HashMap::new(),
            same: Same::default(),
            trouble: None,
            records_only,
            closing: false,
        };
        let rev = loaded.rows.iter().map(|row| row.details.rev).max().unwrap_or(0);
        // Numbers that were told and not recorded before a crash are not told twice.
        locked(&driver.shared.board).begin_at_rev(rev.max(crate::now_unix_ms()));
        let (entries, limits) = driver.take_loaded(loaded);
        driver.core = Queue::new(driver.now(), random_u64(), entries, limits, &[]);
        let listed: std::collections::HashSet<EntryId> = driver.details.keys().copied().collect();
        locked(&driver.shared.vault).retain(|id| listed.contains(&id));
        driver.look_at_volumes();
        driver.drain();
        driver
    }

    /// What a list says becomes what is known; what the queue is to know of it.
    fn take_loaded(&mut self, loaded: Loaded) -> (Vec<CoreEntry>, Limits) {
        self.settings = Arc::new(loaded.settings);
        let mut volumes: HashMap<PathBuf, (VolumeId, PathBuf)> = HashMap::new();
        let mut entries = Vec::with_capacity(loaded.rows.len());
        self.same.clear();
        let mut details = HashMap::with_capacity(loaded.rows.len());
        for Row { entry, details: of } in loaded.rows {
            let (volume, there) = volumes.entry(of.folder.clone()).or_insert_with(|| volume_of(&of)).clone();
            self.volumes.entry(volume).or_insert(there);
            let lane = self.lane(&of.lane);
            entries.push(CoreEntry { lane, host: host_of(&of), volume, ..entry });
            if !matches!(entry.rest, Rest::Done | Rest::Cancelled)
                && let Some(key) = self.key_of(entry.id, &of)
            {
                self.same.insert(key, entry.id);
            }
            details.insert(entry.id, of);
        }
        self.details = details;
        self.publish_settings();
        let settings = self.settings.clone();
        let limits = self.limits(&settings);
        (entries, limits)
    }

    fn key_of(&self, id: EntryId, details: &Details) -> Option<SameKey> {
        let vault = locked(&self.shared.vault);
        same_key(details, vault.get(id).and_then(|kept| kept.sources.first()))
    }

    /// Until every handle is gone, or one of them closes the manager.
    pub(super) async fn run(mut self, mut asks: mpsc::Receiver<Asked>, mut inbox: mpsc::Receiver<Inside>) {
        while !self.is_over() {
            let wake = self.core.wake_at().map(|at| self.clock + Duration::from_millis(at));
            let due = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                asked = asks.recv(), if !self.closing => match asked {
                    Some(asked) => {
                        self.asked(asked);
                        while self.out.len() < ASKED_MAX && let Ok(asked) = asks.try_recv() {
                            self.asked(asked);
                        }
                    }
                    None => self.close(),
                },
                Some(inside) = inbox.recv() => self.heard(inside),
                () = due => self.core.wake(self.now()),
            }
            self.drain();
        }
        drop(inbox); // the writer's last word is waited for by no one
        self.writer.close().await;
    }

    fn is_over(&self) -> bool {
        self.closing && self.under_way.is_empty() && (self.core.is_recorded() || self.trouble.is_some())
    }

    fn close(&mut self) {
        self.closing = true;
        self.core.close(self.now());
    }

    fn now(&self) -> Millis {
        u64::try_from(self.clock.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    // What is asked.

    fn asked(&mut self, asked: Asked) {
        match asked {
            Asked::Close => self.close(),
            Asked::All(all) => all.into_iter().for_each(|(wanted, reply)| self.want(wanted, reply)),
        }
    }

    fn want(&mut self, wanted: Wanted, reply: Answering) {
        match wanted {
            Wanted::Add(prepared) => self.add(*prepared, reply),
            Wanted::Change(request) => {
                let of = view::entry_of(&request);
                self.ask(request, Waiting::plain(Some(reply), of));
            }
            Wanted::Move(id, place) => match self.place(id, place) {
                Some(place) => self.ask(Request::Move { id, place }, Waiting::plain(Some(reply), Some(id))),
                None => self.answers.push((reply, Err(self.refused(Some(id), Answer::Unknown)))),
            },
            Wanted::Edit(id, edit) => self.edit(id, edit, reply),
            Wanted::Settings(settings) => {
                let limits = self.limits(&settings);
                self.pending_settings = Some(*settings);
                self.ask(Request::Limit(limits), Waiting::plain(Some(reply), None));
            }
        }
    }

    fn ask(&mut self, request: Request, waiting: Waiting) {
        self.requests += 1;
        let name = RequestId(self.requests);
        self.waiting.insert(name, waiting);
        self.out.push((name, request));
    }

    fn add(&mut self, prepared: Prepared, reply: Answering) {
        // Who names an entry wants one of its own.
        let known = prepared.same.as_ref().filter(|_| prepared.any_gid).and_then(|key| self.same.get(key));
        if let Some((id, details)) = known.and_then(|id| Some((id, self.latest(id)?.clone()))) {
            return self.add_again(id, &details, prepared, reply);
        }
        let mut details = prepared.details;
        while prepared.any_gid && self.has_gid(details.gid) {
            details.gid = Gid(random_u64().max(1));
        }
        if self.has_gid(details.gid) || self.latest(prepared.id).is_some() {
            let text = format!("{}: an entry of this name is in the list", details.gid);
            let error = Error::usage(text).with("id", prepared.id).with("gid", details.gid);
            return self.answers.push((reply, Err(error)));
        }
        let (id, gid, lane) = (prepared.id, details.gid, self.lane(&details.lane));
        let (volume, there) = prepared.volume;
        if self.volumes.insert(volume, there).is_none() {
            self.look_at(volume);
        }
        let entry = CoreEntry {
            id,
            rank: 0,
            lane,
            host: host_of(&details),
            volume,
            missing: 0,
            wish: if prepared.hold { Wish::Hold } else { Wish::Run },
            rest: Rest::Queued,
            vain: 0,
            vain_ms: 0,
        };
        // Before it is acknowledged: a program that is killed then goes on by itself.
        locked(&self.shared.vault).put(id, prepared.kept);
        self.pending.insert(id, Arc::new(details));
        if let Some(key) = &prepared.same {
            self.same.insert(key.clone(), id);
        }
        let place = self.place(id, prepared.place).unwrap_or(CorePlace::Bottom);
        let then = Replied::Added(Added { id, gid, new: true });
        let waiting = Waiting { reply: Some(reply), of: Some(id), then, is_edit: true };
        self.ask(Request::Add { entry, place }, waiting);
    }

    /// An unfinished entry is of the same source and target: it gets the link and the headers, and goes on with them if
    /// it waited for that.
    fn add_again(&mut self, id: EntryId, details: &Arc<Details>, prepared: Prepared, reply: Answering) {
        let rest = self.core.entry(id).map(|entry| entry.rest);
        let again = matches!(rest, Some(Rest::Needs(_) | Rest::Failed | Rest::Later { .. }));
        let new = prepared.details;
        let mut kept = prepared.kept;
        let mut edited = Details::clone(details);
        {
            let vault = locked(&self.shared.vault);
            if let Some(old) = vault.get(id).filter(|_| !kept.secrets.are_any()) {
                kept.secrets = old.secrets.clone(); // an add without headers says nothing about them
            }
        }
        (edited.sources, edited.needs_link) = (new.sources, new.needs_link);
        edited.needs_headers = details.needs_headers || new.needs_headers;
        locked(&self.shared.vault).put(id, kept);
        let added = Replied::Added(Added { id, gid: details.gid, new: false });
        if edited == **details && !again {
            return self.answers.push((reply, Ok(added)));
        }
        self.ask_edit(id, edited, again, Waiting { then: added, ..Waiting::plain(Some(reply), Some(id)) });
    }

    fn has_gid(&self, gid: Gid) -> bool {
        locked(&self.shared.board).by_gid(gid).is_some() || self.pending.values().any(|details| details.gid == gid)
    }

    /// What an entry is, with what is asked for and not recorded yet.
    fn latest(&self, id: EntryId) -> Option<&Arc<Details>> {
        self.pending.get(&id).or_else(|| self.details.get(&id))
    }

    fn edit(&mut self, id: EntryId, edit: Edit, reply: Answering) {
        let Some(details) = self.latest(id).cloned() else {
            return self.answers.push((reply, Err(self.refused(Some(id), Answer::Unknown))));
        };
        let mut edited = Details::clone(&details);
        let kept = locked(&self.shared.vault).get(id).cloned().unwrap_or_default();
        match edit(&mut edited, kept) {
            Err(error) => self.answers.push((reply, Err(error))),
            Ok((again, kept)) => {
                locked(&self.shared.vault).put(id, kept);
                self.ask_edit(id, edited, again, Waiting::plain(Some(reply), Some(id)));
            }
        }
    }

    fn ask_edit(&mut self, id: EntryId, edited: Details, again: bool, waiting: Waiting) {
        let (lane, host, (volume, there)) = (self.lane(&edited.lane), host_of(&edited), volume_of(&edited));
        self.volumes.entry(volume).or_insert(there);
        self.pending.insert(id, Arc::new(edited));
        self.ask(Request::Edit { id, lane, host, volume, again }, Waiting { is_edit: true, ..waiting });
    }

    /// A place among those that are not over, in words of the queue.
    fn place(&self, id: EntryId, place: Place) -> Option<CorePlace> {
        let board = locked(&self.shared.board);
        let position = board.position(id).map_or(usize::MAX, |position| position as usize);
        let at = |at: usize| match board.at(at, id) {
            Some(other) => CorePlace::Before(other),
            None => CorePlace::Bottom,
        };
        Some(match place {
            Place::Top => CorePlace::Top,
            Place::Bottom => CorePlace::Bottom,
            Place::Before(other) => CorePlace::Before(other),
            Place::At(n) => at(n as usize),
            Place::Up(_) | Place::Down(_) if position == usize::MAX => return None,
            Place::Up(n) => at(position.saturating_sub(n as usize)),
            Place::Down(n) => at(position.saturating_add(n as usize)),
        })
    }

    fn lane(&mut self, name: &str) -> LaneId {
        let next = LaneId(u32::try_from(self.lanes.len()).unwrap_or(u32::MAX));
        *self.lanes.entry(name.to_owned()).or_insert(next)
    }

    fn limits(&mut self, settings: &Settings) -> Limits {
        let of_lanes = settings.lanes.iter().filter_map(|(name, lane)| Some((name.clone(), lane.most?)));
        let of_lanes: Vec<(String, u32)> = of_lanes.collect();
        Limits {
            most: if self.records_only { 0 } else { settings.most },
            most_of_host: settings.most_of_host.max(1),
            spare: settings.spare,
            patience_ms: settings.patience_ms,
            most_of_lane: of_lanes.into_iter().map(|(name, most)| (self.lane(&name), most)).collect(),
        }
    }

    // What happens.

    fn heard(&mut self, inside: Inside) {
        let now = self.now();
        match inside {
            Inside::Written(ticket, written) => self.written(ticket, written),
            Inside::Transfer(id, transfer) => self.update(id, |details| details.transfer = Some(transfer.clone())),
            Inside::Name(id, name) => {
                self.update(id, |details| details.name = Some(name.clone()));
                self.show(id);
            }
            Inside::Progress(ticket, missing) => self.core.hear(now, ticket, Heard::Progress { missing }),
            Inside::Ended(id, ticket, end) => self.ended(id, ticket, *end),
            Inside::Room(volume, Some(free)) => self.core.news(now, News::Space(volume, free)),
            Inside::Room(..) => {}
        }
    }

    fn update(&mut self, id: EntryId, change: impl Fn(&mut Details)) {
        for details in [self.details.get_mut(&id), self.pending.get_mut(&id)].into_iter().flatten() {
            change(Arc::make_mut(details));
        }
    }

    fn written(&mut self, ticket: Ticket, written: Written) {
        let now = self.now();
        match written {
            Written::Committed => {
                self.untroubled();
                self.core.hear(now, ticket, Heard::Recorded);
            }
            Written::Uncertain(error) => {
                self.troubled(error);
                self.core.hear(now, ticket, Heard::NotRecorded);
            }
            Written::Unreadable(error) => {
                self.troubled(error);
                self.core.hear(now, ticket, Heard::NotRecorded);
            }
            Written::Reloaded(loaded) => {
                self.untroubled();
                let before = std::mem::take(&mut self.details);
                let (entries, limits) = self.take_loaded(loaded);
                // What runs learned since is known here alone.
                for (id, known) in before.into_iter().filter(|(id, _)| self.under_way.contains_key(id)) {
                    self.details.entry(id).and_modify(|details| *details = known);
                }
                self.core.hear(now, ticket, Heard::Loaded(entries, limits));
            }
        }
    }

    fn troubled(&mut self, error: CatalogueError) {
        if self.trouble.as_ref() != Some(&error) {
            tracing::warn!("the list of transfers cannot be written: {error}");
            locked(&self.shared.board).unwritten = Some(error.to_string());
            self.shared.audience.tell(Told::Unwritten(Some(error.to_string())));
        }
        self.trouble = Some(error);
    }

    fn untroubled(&mut self) {
        if self.trouble.take().is_some() {
            locked(&self.shared.board).unwritten = None;
            self.shared.audience.tell(Told::Unwritten(None));
        }
    }

    fn ended(&mut self, id: EntryId, ticket: Ticket, end: RunEnd) {
        self.under_way.remove(&id);
        let Some(details) = self.details.get(&id).cloned() else { return };
        let RunEnd { result, progress } = end;
        let heard = match &result {
            Ok(Some(outcome)) => ends::of(&details, &Ok(outcome.clone())),
            Ok(None) => longhaul_core::queue::step::End::Done,
            Err(error) => ends::of(&details, &Err(error.clone())),
        };
        let now_ms = crate::now_unix_ms();
        self.update(id, |details| {
            if let Some(progress) = progress {
                (details.held, details.total) = (progress.received, progress.total.or(details.total));
            }
            match &result {
                Ok(Some(outcome)) => {
                    details.finish = Some(outcome.into());
                    details.name = view::name_in(&details.folder, outcome.path()).or(details.name.take());
                    details.reason = None;
                }
                Ok(None) => {
                    (details.held, details.transfer) = (0, None);
                    details.reason = None;
                }
                Err(error) if error.kind() == ErrorKind::Cancelled => {}
                Err(error) => details.reason = Some(Reason::from(error)),
            }
            details.ended_ms = Some(now_ms);
        });
        self.ends.insert(id, result.map(drop));
        self.core.hear(self.now(), ticket, Heard::Ended(heard));
    }

    // Steps.

    fn drain(&mut self) {
        loop {
            if !self.out.is_empty() {
                let out = std::mem::take(&mut self.out);
                self.core.requests(self.now(), out);
            }
            while let Some(ordered) = self.core.next_step() {
                self.perform(ordered.ticket, ordered.step);
            }
            self.publish();
            self.trim_history();
            if self.out.is_empty() {
                break;
            }
        }
        for (reply, answer) in self.answers.drain(..) {
            let _ = reply.send(answer); // it waits no more
        }
        let idle = self.under_way.is_empty() && self.core.is_recorded();
        self.shared.idle.send_if_modified(|was| std::mem::replace(was, idle) != idle);
    }

    fn perform(&mut self, ticket: Ticket, step: Step) {
        match step {
            Step::Record(changes) => {
                let changes = changes.into_iter().filter_map(|change| self.row_change(change)).collect();
                self.writer.order(WriterOrder::Commit(ticket, changes));
            }
            Step::Reload => {
                let known = self.known();
                self.writer.order(WriterOrder::Reload(ticket, known));
            }
            Step::Reply(name, answer) => self.reply(name, answer),
            Step::Start(id, purpose) => self.start(id, ticket, purpose),
            Step::Stop => {
                let run = self.under_way.values_mut().find(|run| run.ticket == ticket);
                if let Some(stop) = run.and_then(|run| run.stop.take()) {
                    let _ = stop.send(()); // it ended by itself
                }
            }
            Step::LookAtSpace(volume) => self.look_at(volume),
        }
    }

    fn row_change(&mut self, change: CoreChange) -> Option<RowChange> {
        Some(match change {
            CoreChange::Put(entry) => {
                let mut details = self.latest(entry.id)?.clone();
                view::tidy(Arc::make_mut(&mut details), entry.rest, self.under_way.contains_key(&entry.id));
                Arc::make_mut(&mut details).rev = locked(&self.shared.board).rev();
                RowChange::Put(Box::new(Row { entry, details }))
            }
            CoreChange::Remove(id) => RowChange::Remove(id),
            CoreChange::Limits(_) => {
                let settings = self.pending_settings.clone().unwrap_or_else(|| Settings::clone(&self.settings));
                RowChange::Settings(Box::new(settings))
            }
        })
    }

    /// Everything that is acknowledged, for a list that is written anew.
    fn known(&self) -> Vec<RowChange> {
        let rows = self.details.iter().filter_map(|(id, details)| {
            let entry = *self.core.entry(*id)?;
            Some(RowChange::Put(Box::new(Row { entry, details: details.clone() })))
        });
        rows.chain([RowChange::Settings(Box::new(Settings::clone(&self.settings)))]).collect()
    }

    fn reply(&mut self, name: RequestId, answer: Answer) {
        let Some(waiting) = self.waiting.remove(&name) else { return };
        if let (true, Some(id)) = (waiting.is_edit, waiting.of) {
            self.settle_pending(id, answer);
        }
        if waiting.of.is_none()
            && let Some(settings) = self.pending_settings.take_if(|_| answer == Answer::Recorded)
        {
            self.settings = Arc::new(settings);
            self.publish_settings();
            self.shared.audience.tell(Told::Settings);
        }
        let result = match (answer, waiting.then) {
            (Answer::Recorded, then) => Ok(then),
            (Answer::Already, Replied::Change(_)) => Ok(Replied::Change(super::Change::Already)),
            (answer, _) => Err(self.refused(waiting.of, answer)),
        };
        if let Some(reply) = waiting.reply {
            self.answers.push((reply, result));
        }
    }

    /// What was to be new of an entry is so, or is forgotten.
    fn settle_pending(&mut self, id: EntryId, answer: Answer) {
        let others = self.waiting.values().any(|other| other.is_edit && other.of == Some(id));
        let Some(details) = (if others { self.pending.get(&id).cloned() } else { self.pending.remove(&id) }) else {
            return;
        };
        if answer == Answer::Recorded {
            if let Some(key) = self.key_of(id, &details) {
                self.same.insert(key, id);
            }
            self.details.insert(id, details);
        } else if !self.details.contains_key(&id) && !others {
            locked(&self.shared.vault).remove(id);
            self.same.remove(id);
        }
    }

    fn refused(&self, of: Option<EntryId>, answer: Answer) -> Error {
        let shown = of.map(|id| id.to_string()).unwrap_or_default();
        let entry = of.and_then(|id| locked(&self.shared.board).get(id).cloned());
        match answer {
            Answer::Unknown => {
                let text = format!("{shown}: there is no such entry in the list");
                Error::new(ErrorKind::NotFound, Disposition::Permanent, text).with("id", shown)
            }
            Answer::NotRecorded => {
                let (kind, why) = match &self.trouble {
                    Some(CatalogueError::NoSpace(why)) => (ErrorKind::NoSpace, why.clone()),
                    Some(other) => (ErrorKind::LocalFile, other.to_string()),
                    None => (ErrorKind::LocalFile, "it was read again".to_owned()),
                };
                Error::new(kind, Disposition::Temporary, format!("the list of transfers cannot be written: {why}"))
            }
            Answer::NotNow | Answer::Already | Answer::Recorded => {
                let state = entry.as_ref().map_or("gone", |entry| entry.state.name());
                let text = format!("{shown}: it is {state}, which does not allow that");
                Error::usage(text).with("id", shown).with("state", state)
            }
        }
    }

    fn start(&mut self, id: EntryId, ticket: Ticket, purpose: Purpose) {
        let (stop, stopped) = oneshot::channel();
        self.under_way.insert(id, RunUnderWay { ticket, stop: Some(stop) });
        if purpose == Purpose::Transfer {
            let now_ms = crate::now_unix_ms();
            self.update(id, |details| {
                details.attempts = details.attempts.saturating_add(1);
                (details.started_ms, details.ended_ms, details.reason) = (Some(now_ms), None, None);
            });
        }
        let Some(details) = self.details.get(&id).cloned() else { return };
        let (sources, kept) = {
            let vault = locked(&self.shared.vault);
            (vault.sources(id, &details), vault.get(id).cloned().unwrap_or_else(Kept::default))
        };
        if let Some(volume) = self.core.entry(id).map(|entry| entry.volume) {
            self.look_at(volume);
        }
        let lane = self.rates.lane(details.kind, &details.lane);
        let (settings, stop) = (self.settings.clone(), stopped);
        let order = RunOrder { id, ticket, purpose, details, sources, kept, settings, lane, stop };
        runs::begin(self.client.clone(), self.shared.clone(), self.inside.clone(), order);
    }

    fn look_at_volumes(&self) {
        self.volumes.keys().for_each(|volume| self.look_at(*volume));
    }

    fn look_at(&self, volume: VolumeId) {
        let Some(folder) = self.volumes.get(&volume).filter(|folder| !folder.as_os_str().is_empty()).cloned() else {
            return;
        };
        let inside = self.inside.clone();
        tokio::spawn(async move {
            let free = threads::run(move || view::free_bytes(&folder)).await;
            let _ = inside.send(Inside::Room(volume, free)).await; // the driver is gone
        });
    }

    // What readers see.

    fn publish(&mut self) {
        // In the order of the list: of many that start at once, the first one is told first.
        let mut touched: Vec<EntryId> = self.core.take_touched().into_iter().collect();
        touched.sort_by_key(|id| self.core.entry(*id).map(|entry| entry.rank));
        for id in touched {
            self.show(id);
        }
    }

    fn show(&mut self, id: EntryId) {
        let Some(entry) = self.core.entry(id).copied() else { return self.gone(id) };
        let Some(details) = self.details.get(&id).cloned() else { return };
        let stops = self.under_way.get(&id).map(|run| run.stop.is_none());
        let due = self.core.due(id).map(|at| crate::now_unix_ms() + at.saturating_sub(self.now()));
        let purpose = self.core.running(id);
        let now = view::Now { entry, purpose, stops: stops.unwrap_or(false), due_ms: due };
        let (new, old) = {
            let mut board = locked(&self.shared.board);
            let old = board.get(id).cloned();
            let mut new = view::entry(&details, &now);
            new.rev = old.as_ref().map_or(0, |old| old.rev);
            if old.as_deref() == Some(&new) {
                return;
            }
            new.rev = board.next_rev();
            match new.state {
                State::Done(_) => {
                    self.same.remove(id);
                    locked(&self.shared.vault).remove(id); // no run will need it
                }
                State::Cancelled => self.same.remove(id),
                _ => {}
            }
            let new = Arc::new(new);
            board.put(new.clone());
            (new, old)
        };
        self.shared.audience.tell(Told::Changed(new.clone()));
        self.tell_listeners(old.as_deref(), &new);
    }

    fn gone(&mut self, id: EntryId) {
        if self.pending.contains_key(&id) {
            return; // it is being added
        }
        self.details.remove(&id);
        self.same.remove(id);
        self.shared.forget(id);
        let rev = {
            let mut board = locked(&self.shared.board);
            board.forget(id).then(|| board.next_rev())
        };
        if let Some(rev) = rev {
            self.shared.audience.tell(Told::Gone { id, rev });
        }
    }

    fn tell_listeners(&mut self, old: Option<&Entry>, new: &Entry) {
        let is_new_state = old.is_none_or(|old| old.state.name() != new.state.name());
        if !is_new_state {
            return;
        }
        let error = |ends: &mut HashMap<EntryId, Result<(), Error>>, reason: &Reason| match ends.remove(&new.id) {
            Some(Err(error)) => error,
            _ => reason.into(),
        };
        let event = match &new.state {
            State::Running => EntryEvent::Started,
            State::Held => EntryEvent::Paused,
            State::Cancelled => EntryEvent::Cancelled,
            State::Done(finish) => EntryEvent::Finished(finish.clone()),
            State::Later { reason, .. } => EntryEvent::Later(error(&mut self.ends, reason)),
            State::Needs { what: longhaul_core::queue::step::Need::Link, reason } => {
                EntryEvent::NeedsLink(error(&mut self.ends, reason))
            }
            State::Needs { reason, .. } => EntryEvent::Needs(error(&mut self.ends, reason)),
            State::Failed(reason) => EntryEvent::Failed(error(&mut self.ends, reason)),
            State::Queued | State::Stopping => return,
        };
        self.ends.remove(&new.id);
        self.shared.audience.tell_of(new.id, &event);
    }

    fn publish_settings(&mut self) {
        self.rates.set(&self.settings);
        locked(&self.shared.board).settings = self.settings.clone();
    }

    /// The oldest that are over leave the list, when there are more than it is to keep.
    fn trim_history(&mut self) {
        let most = self.settings.history as usize;
        let asked: Vec<EntryId> = self.waiting.values().filter(|w| w.reply.is_none()).filter_map(|w| w.of).collect();
        let beyond = locked(&self.shared.board).beyond(most);
        if self.trouble.is_some() || self.closing {
            return;
        }
        for id in beyond.into_iter().filter(|id| !asked.contains(id)).take(ASKED_MAX) {
            self.ask(Request::Forget(id), Waiting::plain(None, Some(id)));
        }
    }
}

impl Waiting {
    fn plain(reply: Option<Answering>, of: Option<EntryId>) -> Self {
        Self { reply, of, then: Replied::Change(super::Change::Made), is_edit: false }
    }
}
