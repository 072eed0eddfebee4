//! The manager as programs hold it: what can be asked of the list, and how it is opened.

use std::path::PathBuf;
use std::sync::Arc;

use longhaul_core::queue::step::Request;
use tokio::sync::{mpsc, oneshot};

use super::asked::{Asked, Change, Edit, Replied, Wanted};
use super::audience::{Audience, Listener, ToldReader, is_end};
use super::board::{Counts, Which};
use super::catalogue::sqlite::SqliteCatalogue;
use super::catalogue::{Catalogue, CatalogueError, Loaded};
use super::driver::{Beginning, Driver, Inside};
use super::entry::{Entry, EntryId, Existing, Gid, Options, State};
use super::found;
use super::lock::ManagerLock;
use super::new::{Added, EntrySecrets, NewEntry, Place};
use super::prepare::prepare;
use super::settings::Settings;
use super::shared::Shared;
use super::told::{EntryEvent, Told};
use super::vault::{self, Kept, Vault};
use super::writer::Writer;
use crate::advice::Advice;
use crate::client::Client;
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::Event;
use crate::source::Source;
use crate::sync::locked;
use crate::threads;
use crate::transfer::{Cancel, Transfer};

/// What waits for the driver, at most: it takes all at once.
const ASKED_MAX: usize = 1024;
/// News of runs and of the writer that wait, at most: a few for each run.
const INSIDE_MAX: usize = 1024;

impl Client {
    /// The list of transfers in the client's state directory, to be worked on by this program:
    /// [`open`](ManagerBuilder::open) takes it.
    pub fn manager(&self) -> ManagerBuilder {
        ManagerBuilder { client: self.clone(), runtime_dir: None, run: true, listener: None }
    }
}

/// How a [`Manager`] is opened.
#[must_use = "there is no manager before open()"]
pub struct ManagerBuilder {
    client: Client,
    runtime_dir: Option<PathBuf>,
    run: bool,
    listener: Option<Listener>,
}

impl std::fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagerBuilder").field("run", &self.run).finish_non_exhaustive()
    }
}

impl ManagerBuilder {
    /// Where links with secrets, headers and passwords are written, so that a program that is killed goes on by itself:
    /// below this directory, and only if it is in memory (tmpfs). Without it they are in this program alone.
    pub fn runtime_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.runtime_dir = Some(dir.into());
        self
    }

    /// Whether entries run; they do by default. Otherwise what is asked for is recorded, and waits for who runs it.
    /// What an entry left that is cancelled with [`Cancel::Discard`] is removed all the same.
    pub fn run(mut self, run: bool) -> Self {
        self.run = run;
        self
    }

    /// A function that is told everything, from within the manager: it must not block.
    pub fn listener(mut self, listener: impl Fn(&Told) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    /// Takes the list: from now on this program alone changes it. What was under way when the last one ended is queued
    /// at its place. Must be called inside a tokio runtime, whose timers are on.
    ///
    /// A list that is damaged is put aside, with the reason beside it, and a new one is made of what the transfers
    /// themselves tell; [`Manager::notices`] says so.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] when another program has it, with its number (`pid`) in the context; [`ErrorKind::Usage`]
    /// when the client has no state directory; [`ErrorKind::LocalFile`] or [`ErrorKind::NoSpace`] when the list cannot
    /// be read or written, also since a newer version wrote it.
    ///
    /// # Cancel safety
    /// When the future is dropped, nothing runs.
    pub async fn open(self) -> Result<Manager, Error> {
        threads::expect_runtime()?;
        let client = self.client.clone();
        let Some(state) = client.state().cloned() else {
            return Err(Error::usage("a list of transfers needs a state directory"));
        };
        let (folder, runtime) = (state.path().to_owned(), self.runtime_dir);
        let opened = threads::run(move || {
            let lock = ManagerLock::take(&folder)?;
            let mut catalogue = SqliteCatalogue::new(SqliteCatalogue::path_in(&folder));
            let (loaded, notices) = open_list(&mut catalogue, || found::entries(&state))?;
            Ok::<_, Error>((lock, catalogue, loaded, notices, Vault::open(runtime.as_deref())))
        });
        let (lock, catalogue, loaded, notices, vault) = opened.await?;
        let (inside, inbox) = mpsc::channel(INSIDE_MAX);
        let told = inside.clone();
        let writer = Writer::start(Box::new(catalogue), move |ticket, written| {
            let _ = told.blocking_send(Inside::Written(ticket, written)); // the driver is gone
        })?;
        let shared = Arc::new(Shared::new(Audience::new(self.listener), vault));
        let (asks, asked) = mpsc::channel(ASKED_MAX);
        let beginning = Beginning { client, shared: shared.clone(), writer, inside, loaded, records_only: !self.run };
        let driver = Driver::new(beginning);
        let ended = shared.clone();
        tokio::spawn(async move {
            driver.run(asked, inbox).await;
            drop(lock);
            ended.closed.send_replace(true);
        });
        Ok(Manager { shared, asks, notices: notices.into() })
    }
}

/// Opens the list, and makes it anew of what is `found` when it is damaged; with what a person should know.
fn open_list(catalogue: &mut dyn Catalogue, found: impl FnOnce() -> Loaded) -> Result<(Loaded, Vec<String>), Error> {
    let read = catalogue.reopen().and_then(|()| catalogue.load());
    let mut notices = Vec::new();
    let loaded = match read {
        Ok(loaded) => loaded,
        Err(CatalogueError::Damaged(why)) => {
            let aside = catalogue.set_aside(&why).map_err(unusable)?;
            let loaded = found();
            catalogue.commit(&found::changes(&loaded)).map_err(unusable)?;
            notices.push(format!(
                "the list of transfers was damaged ({why}): it is {} now; {} transfers were found again by what they \
                 left themselves",
                aside.display(),
                loaded.rows.len()
            ));
            loaded
        }
        Err(error) => return Err(unusable(error)),
    };
    notices.extend(loaded.skipped.iter().map(|why| format!("an entry of the list is not understood: {why}")));
    Ok((loaded, notices))
}

pub(super) fn unusable(error: CatalogueError) -> Error {
    let (kind, advice) = match &error {
        CatalogueError::NoSpace(_) => (ErrorKind::NoSpace, Some(Advice::MakeRoom)),
        CatalogueError::Newer(_) => (ErrorKind::LocalFile, None),
        _ => (ErrorKind::LocalFile, Some(Advice::CheckDisk)),
    };
    Error::new(kind, Disposition::Permanent, format!("the list of transfers cannot be used: {error}")).advise(advice)
}

/// A person's answer to an entry that waits for a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// What stands at the target is replaced when the download is whole.
    Overwrite,
    /// The download takes the next free name.
    Rename,
    /// What is held is given up, and it begins anew.
    Restart,
    /// The entry leaves the list; files stay.
    Forget,
}

/// The list of transfers, at work. Cloning gives another handle on it; when the last is dropped, it closes in order:
/// what runs stops, and stays queued.
#[derive(Clone)]
pub struct Manager {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Asked>,
    notices: Arc<[String]>,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Manager {
    /// Puts an entry into the list. It is recorded when this returns: it survives a crash, and runs when its turn
    /// comes. One that is in the list unfinished, of the same source and target, gets its link and headers.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what cannot be an entry, or a name that is taken; [`ErrorKind::NoSpace`] or
    /// [`ErrorKind::LocalFile`] when the list cannot be written: then it may be in it or not, and adding it again is
    /// safe.
    ///
    /// # Cancel safety
    /// When the future is dropped, the entry may have been added or not.
    pub async fn add(&self, new: NewEntry) -> Result<Added, Error> {
        self.add_all(vec![new]).await.pop().unwrap_or_else(|| Err(gone()))
    }

    /// The same of many, in one transaction for each thousand, in the order given.
    pub async fn add_all(&self, new: Vec<NewEntry>) -> Vec<Result<Added, Error>> {
        let prepared = threads::run(move || new.into_iter().map(prepare).collect::<Vec<_>>()).await;
        let (mut asked, mut waiting) = (Vec::new(), Vec::new());
        for prepared in prepared {
            waiting.push(prepared.map(|prepared| {
                let (reply, answer) = oneshot::channel();
                asked.push((Wanted::Add(Box::new(prepared)), reply));
                answer
            }));
        }
        let sent = self.asks.send(Asked::All(asked)).await.map_err(drop); // what was not sent cannot be shared
        let mut added = Vec::with_capacity(waiting.len());
        for answer in waiting {
            added.push(match (answer, &sent) {
                (Err(error), _) => Err(error),
                (Ok(_), Err(_)) => Err(gone()),
                (Ok(answer), Ok(())) => match answer.await {
                    Ok(Ok(Replied::Added(added))) => Ok(added),
                    Ok(Err(error)) => Err(error),
                    Ok(Ok(Replied::Change(_))) | Err(_) => Err(gone()),
                },
            });
        }
        added
    }

    /// An entry as it is now.
    pub fn entry(&self, id: EntryId) -> Option<Arc<Entry>> {
        let entry = locked(&self.shared.board).get(id).cloned()?;
        Some(self.shared.with_progress(entry))
    }

    /// The entry with this name in aria2's RPC.
    pub fn by_gid(&self, gid: Gid) -> Option<EntryId> {
        locked(&self.shared.board).by_gid(gid)
    }

    /// Entries whose id begins so, sorted.
    pub fn find(&self, beginning: &str) -> Vec<EntryId> {
        let beginning = beginning.to_ascii_lowercase();
        let board = locked(&self.shared.board);
        let mut found: Vec<EntryId> = board.ids().filter(|id| id.to_string().starts_with(&beginning)).collect();
        found.sort();
        found
    }

    /// `most` of these entries, from the `from`th on.
    pub fn entries(&self, which: &Which, from: usize, most: usize) -> Vec<Arc<Entry>> {
        let entries = locked(&self.shared.board).list(which, from, most);
        entries.into_iter().map(|entry| self.shared.with_progress(entry)).collect()
    }

    /// The place of an entry among those that are not over, from 0.
    pub fn position(&self, id: EntryId) -> Option<u32> {
        locked(&self.shared.board).position(id)
    }

    /// How many entries there are of each state, and how fast they are.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Why the list cannot be written now; `None`: it can. What runs goes on, and nothing is acknowledged.
    pub fn unwritten(&self) -> Option<String> {
        locked(&self.shared.board).unwritten.clone()
    }

    /// What a person should know of how the list was found, a line each: it was damaged, or an entry is not understood.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The entry does not run before it is [released](Self::release): no timer and no restart undoes that. If it runs,
    /// it stops in order.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such entry; [`ErrorKind::Usage`] when its state does not allow it (in
    /// the context: `state`); [`ErrorKind::NoSpace`] or [`ErrorKind::LocalFile`] when the list cannot be written.
    pub async fn hold(&self, id: EntryId) -> Result<Change, Error> {
        self.change(Request::Hold(id)).await
    }

    /// A held entry waits for its turn again.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn release(&self, id: EntryId) -> Result<Change, Error> {
        self.change(Request::Release(id)).await
    }

    /// Gives an entry up. It stays in the list as cancelled. With [`Cancel::Discard`] what it left is removed, and it is
    /// stopping until then.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn cancel(&self, id: EntryId, how: Cancel) -> Result<Change, Error> {
        self.change(Request::Cancel { id, discard: how == Cancel::Discard }).await
    }

    /// The entry waits for its turn again, whatever it waited for; also one that failed or was cancelled.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn retry(&self, id: EntryId) -> Result<Change, Error> {
        self.change(Request::Retry(id)).await
    }

    /// It is the next to start: it goes to the top, and is released or tried again where it waits. A slot it waits for
    /// like all others.
    ///
    /// # Errors
    /// As [`retry`](Self::retry).
    pub async fn now(&self, id: EntryId) -> Result<Change, Error> {
        let state = self.entry(id).map(|entry| entry.state.clone());
        match state {
            Some(State::Running | State::Stopping) => return Ok(Change::Already),
            Some(State::Held) => {
                self.release(id).await?;
            }
            Some(State::Queued) => {}
            _ => {
                self.retry(id).await?;
            }
        }
        self.move_to(id, Place::Top).await?;
        Ok(Change::Made)
    }

    /// An entry that is over leaves the list; its file stays.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn forget(&self, id: EntryId) -> Result<Change, Error> {
        self.change(Request::Forget(id)).await
    }

    /// The entry goes to another place; which that is, among those that are not over.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn move_to(&self, id: EntryId, place: Place) -> Result<u32, Error> {
        self.ask(Wanted::Move(id, place)).await?;
        Ok(self.position(id).unwrap_or(0))
    }

    /// Holds all that are not over, in one transaction.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub async fn hold_all(&self) -> Result<(), Error> {
        let all = self.ids(|entry| !entry.state.is_over() && entry.state != State::Held);
        self.change_all(all.into_iter().map(Request::Hold)).await
    }

    /// Releases all that are held, in one transaction.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub async fn release_all(&self) -> Result<(), Error> {
        let all = self.ids(|entry| entry.state == State::Held);
        self.change_all(all.into_iter().map(Request::Release)).await
    }

    /// All that are over leave the list, in one transaction.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub async fn forget_all_over(&self) -> Result<(), Error> {
        let all = self.ids(|entry| entry.state.is_over());
        self.change_all(all.into_iter().map(Request::Forget)).await
    }

    /// The entry has other links from now on, best first, and goes on with what it holds: bytes are joined only where
    /// they prove to be the same object's. One that waits for a link, failed or was cancelled is queued again; one that
    /// runs is stopped and goes on.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn relink(&self, id: EntryId, sources: Vec<Source>) -> Result<(), Error> {
        if sources.is_empty() {
            return Err(Error::usage("a link is missing"));
        }
        let edit: Edit = Box::new(move |details, kept| {
            if details.destination.is_some() {
                return Err(Error::usage("an upload has no link"));
            }
            details.sources = sources.iter().map(ToString::to_string).collect();
            details.needs_link = sources.iter().any(Source::has_secrets);
            Ok((true, Kept { sources, ..kept }))
        });
        self.ask(Wanted::Edit(id, edit)).await.map(drop)
    }

    /// How the entry is transferred from now on; with `secrets`, in place of those it had. Of one that runs, another rate
    /// counts at once; for everything else it is stopped and goes on.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn set_options(&self, id: EntryId, options: Options, secrets: Option<EntrySecrets>) -> Result<(), Error> {
        let before = self.entry(id);
        let new_secrets = secrets.is_some();
        let limit_rate = options.limit_rate;
        let again = before.is_some_and(|entry| match entry.state {
            State::Running => new_secrets || Options { limit_rate, ..entry.options.clone() } != options,
            State::Needs { .. } => new_secrets,
            _ => false,
        });
        let edit: Edit = Box::new(move |details, kept| {
            details.options = options;
            let Some(secrets) = secrets else { return Ok((again, kept)) };
            details.needs_headers = secrets.are_any();
            Ok((again, Kept { secrets, ..kept }))
        });
        self.ask(Wanted::Edit(id, edit)).await?;
        if let Some(transfer) = self.transfer(id) {
            let each = self.settings().limit_rate_each;
            transfer.set_limit_rate(if limit_rate == 0 { each } else { limit_rate });
        }
        Ok(())
    }

    /// Answers an entry that waits for a decision.
    ///
    /// # Errors
    /// As [`hold`](Self::hold).
    pub async fn decide(&self, id: EntryId, decision: Decision) -> Result<(), Error> {
        let existing = match decision {
            Decision::Overwrite => Existing::Overwrite,
            Decision::Rename => Existing::Rename,
            Decision::Restart => return self.restart(id).await,
            Decision::Forget => {
                self.cancel(id, Cancel::Keep).await?;
                return self.forget(id).await.map(drop);
            }
        };
        let edit: Edit = Box::new(move |details, kept| {
            details.options.existing = existing;
            Ok((true, kept))
        });
        self.ask(Wanted::Edit(id, edit)).await.map(drop)
    }

    /// What is held goes first, and is gone before the entry is queued again.
    async fn restart(&self, id: EntryId) -> Result<(), Error> {
        self.cancel(id, Cancel::Discard).await?;
        self.wait_until(id, |state| state.is_over()).await?;
        self.retry(id).await.map(drop)
    }

    /// The links of an entry, whole while they are in memory, else as they are shown.
    pub fn links(&self, id: EntryId) -> Vec<String> {
        let kept = locked(&self.shared.vault).get(id).map(|kept| vault::texts(&kept.sources));
        match kept.filter(|links| !links.is_empty()) {
            Some(links) => links,
            None => self.entry(id).map(|entry| entry.sources.clone()).unwrap_or_default(),
        }
    }

    /// The transfer of an entry while it runs.
    pub fn transfer(&self, id: EntryId) -> Option<Transfer> {
        locked(&self.shared.live).get(&id).cloned()
    }

    /// The last 200 events of an entry, oldest first, each with its moment in milliseconds since 1970; progress is none
    /// of them.
    pub fn events(&self, id: EntryId) -> Vec<(u64, Event)> {
        self.shared.events(id)
    }

    /// The settings in force.
    pub fn settings(&self) -> Arc<Settings> {
        locked(&self.shared.board).settings.clone()
    }

    /// Other settings, from now on and for what runs.
    ///
    /// # Errors
    /// When the list cannot be written.
    pub async fn set_settings(&self, settings: Settings) -> Result<(), Error> {
        self.ask(Wanted::Settings(Box::new(settings))).await.map(drop)
    }

    /// Everything that is told from now on.
    pub fn told(&self) -> ToldReader {
        self.shared.audience.reader()
    }

    /// A function that is told what happens to one entry, from within the manager: it must not block.
    pub fn listen(&self, id: EntryId, listener: impl FnMut(&EntryEvent) + Send + 'static) {
        self.shared.audience.listen(id, Box::new(listener));
    }

    /// Waits until an entry is over or waits for a person.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such entry, or it leaves the list meanwhile.
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn finished(&self, id: EntryId) -> Result<State, Error> {
        self.wait_until(id, is_end).await
    }

    async fn wait_until(&self, id: EntryId, is: impl Fn(&State) -> bool) -> Result<State, Error> {
        let mut told = self.told();
        loop {
            match self.entry(id) {
                Some(entry) if is(&entry.state) => return Ok(entry.state.clone()),
                Some(_) => {}
                None => {
                    let text = format!("{id}: there is no such entry in the list");
                    return Err(Error::new(ErrorKind::NotFound, Disposition::Permanent, text).with("id", id));
                }
            }
            let mut closed = self.shared.closed.subscribe();
            tokio::select! {
                next = told.next() => if next.is_none() {
                    return Err(gone());
                },
                _ = closed.wait_for(|closed| *closed) => return Err(gone()),
            }
        }
    }

    /// Waits until nothing runs and nothing is being recorded: what is left waits for a moment in the future, or for a
    /// person.
    ///
    /// # Cancel safety
    /// It only looks.
    pub async fn idle(&self) {
        let (mut idle, mut closed) = (self.shared.idle.subscribe(), self.shared.closed.subscribe());
        tokio::select! {
            _ = idle.wait_for(|idle| *idle) => {}
            _ = closed.wait_for(|closed| *closed) => {}
        }
    }

    /// Ends in order: what runs stops with everything kept, and stays queued; the list can be taken by another program
    /// when this returns. Every handle is of no use then.
    pub async fn close(&self) {
        let mut closed = self.shared.closed.subscribe();
        let _ = self.asks.send(Asked::Close).await; // it is closed already
        let _ = closed.wait_for(|closed| *closed).await;
    }

    fn ids(&self, is: impl Fn(&Entry) -> bool) -> Vec<EntryId> {
        let all = locked(&self.shared.board).list(&Which::All, 0, usize::MAX);
        all.iter().filter(|entry| is(entry)).map(|entry| entry.id).collect()
    }

    async fn change(&self, request: Request) -> Result<Change, Error> {
        match self.ask(Wanted::Change(request)).await? {
            Replied::Change(change) => Ok(change),
            Replied::Added(_) => Err(gone()),
        }
    }

    /// Requests that go together; one that an entry does not allow any more is passed over.
    async fn change_all(&self, requests: impl Iterator<Item = Request>) -> Result<(), Error> {
        let (asked, answers): (Vec<_>, Vec<_>) = requests
            .map(|request| {
                let (reply, answer) = oneshot::channel();
                ((Wanted::Change(request), reply), answer)
            })
            .unzip();
        self.asks.send(Asked::All(asked)).await.map_err(|_| gone())?;
        for answer in answers {
            match answer.await.map_err(|_| gone())? {
                Err(error) if !matches!(error.kind(), ErrorKind::Usage | ErrorKind::NotFound) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn ask(&self, wanted: Wanted) -> Result<Replied, Error> {
        let (reply, answer) = oneshot::channel();
        self.asks.send(Asked::All(vec![(wanted, reply)])).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Cancelled, Disposition::Permanent, "the manager of the list is closed")
}
