//! `longhaul get SOURCE...`: some side by side (`--jobs`). [`GetSession::job`] is the life of one URL or object.

mod list;
mod stdout;

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use longhaul::many::{JobEnd, Notice};
use longhaul::{Client, DownloadBuilder, Error, ErrorKind, Event, Source, Transfer};

use self::list::{List, Wanted};
use self::stdout::ToStdout;
use super::at_work::AtWork;
use super::awake::Awake;
use super::several::{self, StopSwitch};
use super::{client, exec, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::get::{GetOptions, Mending, SaveAs, Sources};
use crate::flags::input::ListFile;
use crate::out;
use crate::printable;
use crate::show::{Direction, Show, ShownOutcome, ShownTransfer, text};
use crate::signals::{Signal, Signals};

pub(crate) fn run(mut get: GetOptions) -> Result<Exit, Failure> {
    crate::limits::fit_open_files(&mut get.running)?;
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let client = client(&get.network, &get.store, &get.state, get.running.limit_rate)?;
        // How many objects there are is known once the last was listed.
        let count = get.sources.files();
        let list = match &mut get.sources {
            Sources::Each(_, list) => list.take().map(|list| *list),
            Sources::Below(_) => None,
        };
        let show = RefCell::new(Show::new(&get.running, Direction::Down, count));
        let session =
            GetSession { get: &get, client, show, count, stop: StopSwitch::default(), at_work: AtWork::default() };
        Ok(session.run(list, signals).await)
    });
    // A name lookup or a disk that hangs must not hold up the end.
    runtime.shutdown_background();
    exit
}

struct GetSession<'a> {
    get: &'a GetOptions,
    client: Client,
    /// Borrowed for the time of one call only.
    show: RefCell<Show>,
    /// How many there are; 0 while that is not known.
    count: usize,
    stop: StopSwitch,
    at_work: AtWork,
}

/// How one URL ended: well, or not, with what is kept (`None`: it was not begun, or that is not known).
type GetEnd = Result<ShownOutcome, (Failure, Option<u64>)>;

impl GetSession<'_> {
    async fn run(&self, list: Option<ListFile>, signals: Signals) -> Exit {
        let list = List::new(self.get, list, &self.client, &self.show, self.count, self.stop.subscribe());
        let jobs = list.stream().map(|wanted| self.job(wanted)).buffer_unordered(self.get.running.jobs);
        let what = "writing to the disk what was received";
        let awake = self.get.beside.keep_awake.then(Awake::begin);
        tokio::select! {
            exit = several::run(jobs, signals, &self.stop, &self.show, what, awake) => exit,
            never = self.at_work.obey(&self.client) => match never {},
        }
    }

    /// One URL from its begin to its end, with everything that is told about it.
    async fn job(&self, wanted: Wanted) -> (usize, Option<Exit>) {
        let mut subject = ShownTransfer {
            way: Direction::Down,
            url: wanted.shown.clone(),
            id: None,
            path: match &wanted.place {
                SaveAs::File(path) => std::path::absolute(path).ok(),
                SaveAs::Folder(_) | SaveAs::Stdout => None,
                SaveAs::Below(folder, path) => std::path::absolute(folder.join(path)).ok(),
            },
            number: wanted.number,
            count: self.count,
        };
        if let (SaveAs::Stdout, None, Ok(source)) = (&wanted.place, self.stop.signal(), &wanted.source) {
            return (wanted.number, Box::pin(self.to_stdout(source, &wanted, &subject)).await);
        }
        let ended = match (self.stop.signal(), &wanted.source) {
            (Some(signal), _) => Err((not_begun(signal, &subject), None)),
            (None, Err(failure)) => Err((failure.clone(), None)),
            (None, Ok(source)) => Box::pin(self.one(source, &wanted, &mut subject)).await,
        };
        let ended = match (ended, &self.get.beside.exec) {
            (Ok(finished), Some(command)) if !finished.not_modified => {
                let mut stop = self.stop.subscribe();
                let ran = exec::run(command, &subject, &finished, self.get.running.json, &mut stop).await;
                ran.map(|()| finished).map_err(|failure| (failure, Some(0)))
            }
            (ended, _) => ended,
        };
        let mut show = self.show.borrow_mut();
        match ended {
            Ok(finished) => {
                show.done(&subject, &finished);
                (wanted.number, None)
            }
            Err((failure, held)) => {
                show.failed(&subject, &failure, held);
                (wanted.number, Some(failure.exit))
            }
        }
    }

    /// How the writing of the bytes to stdout failed, if it did.
    async fn to_stdout(&self, source: &Source, wanted: &Wanted, subject: &ShownTransfer) -> Option<Exit> {
        let writing = ToStdout {
            show: &self.show,
            subject,
            quiet: self.get.running.quiet,
            digests: self.get.checksums.iter().chain(&wanted.digests).cloned().collect(),
            stop: self.stop.subscribe(),
        };
        let failure = writing.write(settings(self.get, wanted, self.client.download(source))).await.err()?;
        if failure.exit != Exit::Pipe {
            self.show.borrow_mut().failed(subject, &failure, Some(0));
        }
        Some(failure.exit)
    }

    async fn one(&self, source: &Source, wanted: &Wanted, subject: &mut ShownTransfer) -> GetEnd {
        let download = match self.get.repair {
            None => self.client.download(source),
            Some(from) => self.mending(source, wanted, from).await.map_err(|error| (error.into(), None))?,
        };
        let download = settings(self.get, wanted, download);
        let mut resumable = true;
        let tell = |notice: Notice<'_>| match notice {
            Notice::Event(transfer, event) => {
                self.at_work.begins(transfer);
                if let Event::Started { resumable: can, .. } = event {
                    resumable = *can;
                }
                self.tell(transfer, subject, event);
            }
            _ => self.show.borrow_mut().begin(subject),
        };
        let report = self.stop.batch.download(download, tell).await;
        let Some(transfer) = report.transfer else {
            return Err(match report.end {
                JobEnd::Failed(error) => (error.into(), None),
                _ => (not_begun(self.stop.cause(), subject), None),
            });
        };
        subject.id = Some(transfer.id().to_owned());
        let asked = self.at_work.over(transfer.id());
        match report.end {
            JobEnd::Failed(error) if error.kind() == ErrorKind::Cancelled && asked.is_some() => {
                subject.path = transfer.path().or(subject.path.take());
                let (by, kept) = (by_command(asked.as_deref()), transfer.progress().received);
                Err((stopped(Signal::Terminate, &by, subject, kept, &transfer, resumable), Some(kept)))
            }
            JobEnd::Done(outcome) => {
                self.settle_partial(outcome.path());
                let mut finished = ShownOutcome::from(outcome);
                if finished.not_modified && transfer.path().is_none() && subject.path.is_none() {
                    finished.path = PathBuf::from(&subject.url); // its name was not asked for
                } else {
                    subject.path = Some(finished.path.clone());
                }
                Ok(finished)
            }
            JobEnd::Failed(error) => {
                subject.path = transfer.path().or(subject.path.take());
                Err((failure(&error), Some(transfer.progress().received)))
            }
            JobEnd::Stopped { kept } => {
                let signal = self.stop.cause();
                Err((stopped(signal, signal.name(), subject, kept, &transfer, resumable), Some(kept)))
            }
            _ => Err((not_begun(self.stop.cause(), subject), None)),
        }
    }

    /// The download that mends a file.
    async fn mending(&self, source: &Source, wanted: &Wanted, from: Mending) -> Result<DownloadBuilder, Error> {
        let SaveAs::File(file) = &wanted.place else { return Ok(self.client.download(source)) };
        self.client.repair(file, Some(source.clone()).filter(|_| from == Mending::FromGiven)).await
    }

    /// The other program's file is not needed any more, where the finished file has not taken its place.
    fn settle_partial(&self, target: &Path) {
        let Some(adopt) = self.get.adopt.as_ref().filter(|adopt| adopt.remove) else { return };
        let partial = &adopt.partial;
        let same = partial.path().canonicalize().ok().is_some_and(|path| Some(path) == target.canonicalize().ok());
        for file in [Some(partial.path()).filter(|_| !same), partial.control()].into_iter().flatten() {
            if let Err(error) = std::fs::remove_file(file) {
                out::say(&format!("warning: {} was not deleted: {error}", printable::here(file)));
            }
        }
    }

    fn tell(&self, transfer: &Transfer, subject: &mut ShownTransfer, event: &Event) {
        subject.id = Some(transfer.id().to_owned());
        if let Some(path) = transfer.path() {
            subject.path = Some(path);
        }
        self.show.borrow_mut().event(subject, event);
    }
}

/// What went wrong. Where another source of this very command has the target, or is about to, no other process is to be
/// waited for.
fn failure(error: &Error) -> Failure {
    let of_ours = error.context().iter().any(|(key, _)| *key == "other");
    let failure = Failure::from(error.clone());
    match error.kind() {
        ErrorKind::InUse | ErrorKind::Exists if of_ours => {
            Failure::new(Exit::LocalFile, "exists", format!("{} (fetch it by itself, with -o NAME)", failure.message))
        }
        _ => failure,
    }
}

fn settings(get: &GetOptions, wanted: &Wanted, download: DownloadBuilder) -> DownloadBuilder {
    let mut download = match &wanted.place {
        SaveAs::File(path) => download.to(path),
        SaveAs::Folder(folder) => download.into_dir(folder),
        SaveAs::Stdout => download,
        SaveAs::Below(folder, path) => download.below(folder, path),
    };
    for checksum in get.checksums.iter().chain(&wanted.digests) {
        download = download.checksum(checksum.clone());
    }
    if let Some(id) = &get.version_id {
        download = download.version_id(id);
    }
    if let Some(adopt) = &get.adopt {
        download = download.adopt(adopt.partial.clone()).trust_samples(adopt.trust_overlap);
    }
    if let Some(range) = &get.range {
        download = download.range(range);
    }
    for (name, value) in get.headers.iter().chain(&wanted.headers) {
        download = download.header(name, value);
    }
    if let Some((user, password)) = &get.user {
        download = download.basic_auth(user, password);
    }
    get.conditions
        .of(download)
        .create_dirs(true)
        .overwrite(get.overwrite || get.repair.is_some())
        .ignore_source_digest(get.ignore_source_digest)
        .require_verified(get.require_verified)
        .require_length(get.require_length)
        .on_change(get.on_change)
        .durability(get.durability)
        .connections(get.running.connections)
        .retries(get.running.retries)
        .stall(get.running.min_rate, get.running.stall_timeout)
        .remote_time(get.remote_time)
        .no_lock(get.no_lock)
}

fn not_begun(signal: Signal, subject: &ShownTransfer) -> Failure {
    Failure::new(
        Exit::Signal(signal),
        "interrupted",
        format!("{}: stopped by {} before it began", subject.url, signal.name()),
    )
}

/// The command of another process that stopped a transfer, for a message.
pub(super) fn by_command(word: Option<&str>) -> String {
    format!("`longhaul {}`", word.unwrap_or("pause"))
}

/// The last line after a signal, or another process' wish: what is kept, how to go on, how to discard it.
fn stopped(
    signal: Signal,
    by: &str,
    subject: &ShownTransfer,
    held: u64,
    transfer: &Transfer,
    resumable: bool,
) -> Failure {
    let total = transfer.progress().total;
    let message = match &subject.path {
        Some(path) if held > 0 => {
            let kept = text::share(held, total);
            let then = if resumable {
                "Run the same command again to go on".to_owned()
            } else {
                "This source cannot be resumed, so the same command fetches everything again".to_owned()
            };
            let file = printable::here(path);
            let discard = printable::shell(&file);
            format!("stopped by {by}; {kept} of {file} are kept.\n{then}; to discard it: longhaul cancel {discard}")
        }
        _ => format!("stopped by {by}; nothing of {} was received yet", subject.url),
    };
    Failure::new(Exit::Signal(signal), "interrupted", message)
}
