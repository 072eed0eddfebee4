//! `longhaul put FILE... DEST`: some side by side (`--jobs`). [`PutSession::job`] is the life of one file.

mod plan;

use std::cell::{Cell, RefCell};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use longhaul::many::{JobEnd, Notice};
use longhaul::{Client, ErrorKind, ObjectName, UploadBuilder};

use super::at_work::AtWork;
use super::awake::Awake;
use super::get::by_command;
use super::several::{self, StopSwitch};
use super::{absolute, exec, runtime, uploading_client};
use crate::exit::{Exit, Failure};
use crate::flags::put::{Input, PutOptions};
use crate::out;
use crate::printable;
use crate::show::{Direction, Show, ShownOutcome, ShownTransfer, text};
use crate::signals::{Signal, Signals};
use plan::{Item, Plan, Walk};

/// How often the screen hears how much of the input was read.
const TICK: Duration = Duration::from_millis(500);

pub(crate) fn run(mut put: PutOptions) -> Result<Exit, Failure> {
    crate::limits::fit_open_files(&mut put.running)?;
    let walk = Walk { recursive: put.recursive, globs: &put.globs, follow_symlinks: put.follow_symlinks };
    let Plan { items, left_out } = plan::plan(&put.inputs, &put.dest, walk)?;
    for what in left_out.iter().filter(|_| !put.running.quiet) {
        out::say(&format!("warning: {what}"));
    }
    if items.is_empty() {
        if !put.running.quiet {
            out::say("nothing to upload");
        }
        return Ok(Exit::Done);
    }
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let client = uploading_client(&put.network, &put.store, &put.state, put.running.limit_rate)?;
        let show = RefCell::new(Show::new(&put.running, Direction::Up, items.len()));
        Ok(PutSession { put: &put, items, client, show, stop: StopSwitch::default(), at_work: AtWork::default() }
            .run(signals)
            .await)
    });
    // A name lookup, or a stdin that is kept open, must not hold up the end.
    runtime.shutdown_background();
    exit
}

struct PutSession<'a> {
    put: &'a PutOptions,
    items: Vec<Item>,
    client: Client,
    /// Borrowed for the time of one call only.
    show: RefCell<Show>,
    stop: StopSwitch,
    at_work: AtWork,
}

/// How one file ended: well, or not, with how much of it the store has (`None`: it was not begun).
type PutEnd = Result<ShownOutcome, (Failure, Option<u64>)>;

impl PutSession<'_> {
    async fn run(&self, signals: Signals) -> Exit {
        let jobs = futures_util::stream::iter(0..self.items.len()).map(|index| self.job(index));
        let jobs = jobs.buffer_unordered(self.put.running.jobs);
        let what = "writing down what the store has";
        let awake = self.put.beside.keep_awake.then(Awake::begin);
        tokio::select! {
            exit = several::run(jobs, signals, &self.stop, &self.show, what, awake) => exit,
            never = self.at_work.obey(&self.client) => match never {},
        }
    }

    /// One file from its begin to its end, with everything that is told about it.
    async fn job(&self, index: usize) -> (usize, Option<Exit>) {
        let item = &self.items[index];
        let mut subject = ShownTransfer {
            way: Direction::Up,
            url: item.to.as_ref().map_or_else(|_| self.put.dest.to_string(), ToString::to_string),
            id: None,
            path: match &item.from {
                Input::Stdin => None,
                Input::Path(path) => Some(absolute(path)),
            },
            number: index + 1,
            count: self.items.len(),
        };
        let ended = match (&item.to, self.stop.signal()) {
            (Err(failure), _) => Err((failure.clone(), None)),
            (Ok(_), Some(signal)) => Err((not_begun(signal, &subject), None)),
            (Ok(to), None) => self.one(&item.from, to, &mut subject).await,
        };
        let ended = match (ended, &self.put.beside.exec) {
            (Ok(finished), Some(command)) => {
                let mut stop = self.stop.subscribe();
                let ran = exec::run(command, &subject, &finished, self.put.running.json, &mut stop).await;
                ran.map(|()| finished).map_err(|failure| (failure, Some(0)))
            }
            (ended, _) => ended,
        };
        let mut show = self.show.borrow_mut();
        match ended {
            Ok(finished) => {
                show.done(&subject, &finished);
                (index, None)
            }
            Err((failure, held)) => {
                show.failed(&subject, &failure, held);
                (index, Some(failure.exit))
            }
        }
    }

    async fn one(&self, from: &Input, to: &ObjectName, subject: &mut ShownTransfer) -> PutEnd {
        let read = Arc::new(AtomicU64::new(0));
        let upload = match from {
            Input::Path(path) => self.client.upload(path),
            Input::Stdin => {
                self.client.upload_reader(CountedInput { input: std::io::stdin(), read: read.clone() }, stdin_len())
            }
        };
        let upload = settings(self.put, upload, to).to(to);
        // While input is read, there is no event yet, and the screen is told in between.
        let (shown, started) = (RefCell::new(subject), Cell::new(false));
        let report = {
            let tell = |notice: Notice<'_>| {
                let subject = &mut *shown.borrow_mut();
                match notice {
                    Notice::Event(transfer, event) => {
                        started.set(true);
                        self.at_work.begins(transfer);
                        subject.id = Some(transfer.id().to_owned());
                        self.show.borrow_mut().event(subject, event);
                    }
                    _ => self.show.borrow_mut().begin(subject),
                }
            };
            let mut uploading = std::pin::pin!(self.stop.batch.upload(upload, tell));
            let mut tick = tokio::time::interval(TICK);
            loop {
                tokio::select! {
                    report = &mut uploading => break report,
                    _ = tick.tick(), if !started.get() => match read.load(Ordering::Relaxed) {
                        0 => {}
                        read => self.show.borrow_mut().reading(&shown.borrow(), read),
                    },
                }
            }
        };
        let subject = shown.into_inner();
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
                let (by, reached) = (by_command(asked.as_deref()), transfer.progress());
                Err((stopped(Signal::Terminate, &by, subject, reached.durable, reached.total), Some(reached.durable)))
            }
            JobEnd::Done(outcome) => {
                let mut finished = ShownOutcome::from(outcome);
                // As it was named, not what its links led to.
                finished.path = subject.path.clone().unwrap_or_else(|| PathBuf::from("stdin"));
                Ok(finished)
            }
            // The parts have become an object, or another writer's stands there: a next start has no use for them.
            JobEnd::Failed(error) if matches!(error.kind(), ErrorKind::CallbackFailed | ErrorKind::OtherObject) => {
                Err((error.into(), Some(0)))
            }
            JobEnd::Failed(error) => Err((error.into(), Some(transfer.progress().durable))),
            JobEnd::Stopped { kept } => {
                let signal = self.stop.cause();
                Err((stopped(signal, signal.name(), subject, kept, transfer.progress().total), Some(kept)))
            }
            _ => Err((not_begun(self.stop.cause(), subject), None)),
        }
    }
}

/// Input that counts what is read of it: it is kept whole before anything of it is uploaded, which may take long.
struct CountedInput<R> {
    input: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for CountedInput<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.input.read(buffer)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

fn settings(put: &PutOptions, upload: UploadBuilder, to: &ObjectName) -> UploadBuilder {
    let mut upload = upload
        .connections(put.running.connections)
        .part_md5(put.part_md5)
        .keep_parts(put.keep_parts)
        .force(put.force)
        .forbid_overwrite(put.no_overwrite)
        .durability(put.durability)
        .retries(put.running.retries)
        .settle_timeout(put.settle_timeout)
        .stall(put.running.min_rate, put.running.stall_timeout);
    for (name, value) in &put.metadata {
        upload = upload.metadata(name, value);
    }
    if let Some(size) = put.part_size {
        upload = upload.part_size(size);
    }
    if let Some(class) = &put.storage_class {
        upload = upload.storage_class(class);
    }
    if let Some(callback) = &put.callback {
        upload = upload.callback(callback);
    }
    if let Some(variables) = &put.callback_variables {
        upload = upload.callback_variables(variables);
    }
    if let Some(bytes_per_s) = put.traffic_limit {
        upload = upload.traffic_limit(bytes_per_s * 8);
    }
    match put.content_type.as_deref().or_else(|| mime_guess::from_path(to.key()).first_raw()) {
        Some(content_type) => upload.content_type(content_type),
        None => upload,
    }
}

/// How long stdin is, where that can be known beforehand.
fn stdin_len() -> Option<u64> {
    use std::os::fd::AsFd as _;
    let stdin = std::fs::File::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    stdin.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len())
}

fn not_begun(signal: Signal, subject: &ShownTransfer) -> Failure {
    let what = subject.path.as_deref().map_or_else(|| "stdin".to_owned(), printable::here);
    let message = format!("{what}: stopped by {} before anything of it was uploaded", signal.name());
    Failure::new(Exit::Signal(signal), "interrupted", message)
}

/// The last line after a signal, or another process' wish: what is kept, how to go on, how to discard it.
fn stopped(signal: Signal, by: &str, subject: &ShownTransfer, held: u64, total: Option<u64>) -> Failure {
    let message = match (&subject.path, &subject.id) {
        (path, Some(id)) if held > 0 => {
            let what = path.as_deref().map_or_else(|| "stdin".to_owned(), printable::here);
            let again = match path {
                Some(_) => "Run the same command again to go on",
                None => "Run the same command again with the same input to go on",
            };
            let kept = text::share(held, total);
            let id = id.get(..8).unwrap_or(id);
            format!("stopped by {by}; {kept} of {what} are in the store.\n{again}; to discard it: longhaul cancel {id}")
        }
        (path, _) => {
            let what = path.as_deref().map_or_else(|| "stdin".to_owned(), printable::here);
            format!("stopped by {by}; nothing of {what} is in the store yet")
        }
    };
    Failure::new(Exit::Signal(signal), "interrupted", message)
}
