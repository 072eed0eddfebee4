//! `longhaul get URL...`: one after the other, each to its end; a failure of one does not stop the others, a signal
//! stops all.

use std::path::{Path, PathBuf};
use std::time::Duration;

use longhaul::{Client, DownloadBuilder, Event, Events, Transfer};

use super::{client, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::high::{Get, Place};
use crate::show::{Show, Subject, text};
use crate::signals::{Signal, Signals};

/// A stop that takes longer is explained: the disk is slow, and a second signal ends the wait.
const STOP_EXPLAINED_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn run(get: Get) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let client = client(&get.network, &get.state, get.limit_rate)?;
        let show = Show::new(get.progress, get.json, get.quiet);
        Ok(Session { get: &get, client, show, signals, stopped: None }.run().await)
    });
    // A name lookup or a disk that hangs must not hold up the end.
    runtime.shutdown_background();
    exit
}

struct Session<'a> {
    get: &'a Get,
    client: Client,
    show: Show,
    signals: Signals,
    stopped: Option<Signal>,
}

/// How one URL ended: well, or not, with what is kept (`None`: it was not begun, or nobody can tell).
type Ended = Result<(), (Failure, Option<u64>)>;

impl Session<'_> {
    /// The first failure in the order of the list is the exit code.
    async fn run(mut self) -> Exit {
        let count = self.get.urls.len();
        let mut exit = Exit::Done;
        for (index, url) in self.get.urls.iter().enumerate() {
            let shown = longhaul::source::redact(url).map(|r| r.url);
            let mut subject = Subject {
                url: shown.unwrap_or_else(|| longhaul::source::redact_for_display(url)),
                path: match &self.get.place {
                    Place::File(path) => std::path::absolute(path).ok(),
                    Place::Folder(_) => None,
                },
                number: index + 1,
                count,
            };
            let ended = match self.stopped {
                Some(signal) => Err((not_begun(signal, &subject), None)),
                None => self.one(url, &mut subject).await,
            };
            if let Err((failure, held)) = ended {
                self.show.failed(&subject, &failure, held);
                if exit == Exit::Done {
                    exit = failure.exit;
                }
            }
        }
        exit
    }

    async fn one(&mut self, url: &str, subject: &mut Subject) -> Ended {
        self.show.begin(subject);
        let download = settings(self.get, self.client.download(url));
        let transfer = tokio::select! {
            signal = self.signals.next() => {
                self.stopped = Some(signal);
                return Err((not_begun(signal, subject), None));
            }
            started = download.start() => started.map_err(|error| (error.into(), None))?,
        };
        let mut resumable = true;
        let mut events = transfer.events();
        let outcome = loop {
            // Events first, so that what led to the end is told before it.
            tokio::select! {
                biased;
                signal = self.signals.next(), if self.stopped.is_none() => {
                    self.stopped = Some(signal);
                    match self.stop(signal, &transfer, &mut events, subject).await {
                        Some(held) => return Err((stopped(signal, subject, held, &transfer, resumable), Some(held))),
                        None => continue, // it ended by itself
                    }
                }
                Some(event) = events.next() => {
                    if let Event::Started { resumable: can, .. } = event {
                        resumable = can;
                    }
                    self.tell(&transfer, subject, &event);
                }
                outcome = transfer.finished() => break outcome,
            }
        };
        match outcome {
            Ok(outcome) => {
                subject.path = Some(outcome.path.clone());
                self.show.done(subject, &outcome.into());
                Ok(())
            }
            Err(error) => {
                subject.path = transfer.path().or(subject.path.take());
                Err((error.into(), Some(transfer.progress().received)))
            }
        }
    }

    fn tell(&mut self, transfer: &Transfer, subject: &mut Subject, event: &Event) {
        if let Some(path) = transfer.path() {
            subject.path = Some(path);
        }
        self.show.event(subject, event);
    }

    /// Pauses; what is held, or nothing when the transfer ended instead. A second signal ends the program at once:
    /// what was received is as safe as after a crash, which is what the journal is for.
    async fn stop(
        &mut self,
        signal: Signal,
        transfer: &Transfer,
        events: &mut Events,
        subject: &mut Subject,
    ) -> Option<u64> {
        let mut held = None;
        let mut explain = std::pin::pin!(tokio::time::sleep(STOP_EXPLAINED_AFTER));
        let mut explained = false;
        let mut pause = std::pin::pin!(transfer.pause());
        loop {
            tokio::select! {
                biased;
                second = self.signals.next() => std::process::exit(i32::from(Exit::Signal(second).code())),
                Some(event) = events.next() => {
                    if let Event::Paused { held: now, .. } = event {
                        held = Some(now);
                    }
                    self.tell(transfer, subject, &event);
                }
                // An error is the transfer's own, and told as such.
                _ = &mut pause => return held,
                () = &mut explain, if !explained => {
                    explained = true;
                    let how = if signal == Signal::Interrupt { "Ctrl-C" } else { signal.name() };
                    self.show.say(&format!("writing to the disk what was received; {how} again stops at once"));
                }
            }
        }
    }
}

fn settings(get: &Get, download: DownloadBuilder) -> DownloadBuilder {
    let mut download = match &get.place {
        Place::File(path) => download.to(path),
        Place::Folder(folder) => download.into_dir(folder),
    };
    for checksum in &get.checksums {
        download = download.checksum(checksum.clone());
    }
    for (name, value) in &get.headers {
        download = download.header(name, value);
    }
    if let Some((user, password)) = &get.user {
        download = download.basic_auth(user, password);
    }
    download
        .create_dirs(get.create_dirs)
        .overwrite(get.overwrite)
        .require_verified(get.require_verified)
        .require_length(get.require_length)
        .on_change(get.on_change)
        .durability(get.durability)
        .connections(get.connections)
        .retries(get.retries)
        .stall(get.min_rate, get.stall_timeout)
        .remote_time(get.remote_time)
        .no_lock(get.no_lock)
}

fn not_begun(signal: Signal, subject: &Subject) -> Failure {
    Failure::new(
        Exit::Signal(signal),
        "interrupted",
        format!("{}: stopped by {} before it began", subject.url, signal.name()),
    )
}

/// The last line after a signal: what is kept, how to go on, how to discard it.
fn stopped(signal: Signal, subject: &Subject, held: u64, transfer: &Transfer, resumable: bool) -> Failure {
    let total = transfer.progress().total;
    let message = match &subject.path {
        Some(path) if held > 0 => {
            let kept = text::share(held, total);
            let then = if resumable {
                "Run the same command again to go on".to_owned()
            } else {
                "The source gives no strong validator, so the same command fetches everything again".to_owned()
            };
            let files: Vec<String> = leftovers(path).iter().map(|p| text::shell(&text::here(p))).collect();
            let discard = match files.is_empty() {
                true => String::new(),
                false => format!("; to discard it: rm {}", files.join(" ")),
            };
            format!("stopped by {}; {kept} of {} are kept.\n{then}{discard}", signal.name(), text::here(path))
        }
        _ => format!("stopped by {}; nothing of {} was received yet", signal.name(), subject.url),
    };
    Failure::new(Exit::Signal(signal), "interrupted", message)
}

/// The files that an unfinished download of `path` consists of, those that are there.
fn leftovers(path: &Path) -> Vec<PathBuf> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    [".lhpart", ".lhnext", ".lhlog"].into_iter().map(with).filter(|p| p.symlink_metadata().is_ok()).collect()
}
