//! The task behind the handle of an upload.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::upload::step::{Failure, Finish, Note};
use longhaul_core::words::Command;
use tokio::sync::{broadcast, mpsc, watch};

use super::{Asked, Cancel, Ends, Transfer, Wish, attend, cancelled, handle};
use crate::advice::Advice;
use crate::disk::state::listing::{Kind, State, TransferNote, id_text};
use crate::disk::state::spool::Spooled;
use crate::disk::state::uploads::is_barren;
use crate::drive::engine::RunEvent;
use crate::drive::upload::Remembered;
use crate::drive::upload::failure::{About, error_of, fault_text};
use crate::drive::upload::run::{Request, RunEnd, run};
use crate::error::{Disposition, Error, ErrorKind};
use crate::event::{Event, Outcome, Progress, Uploaded};
use crate::inspect::list::TransferKind;

/// Starts the task behind a handle. Spooled input is held as long as the task runs, and removed when it is stored or
/// given up.
pub(crate) fn start(request: Request, spooled: Option<Spooled>) -> Transfer {
    let id = id_text(request.config.intent.id);
    let (transfer, ends) = handle(TransferKind::Upload, id.clone(), Some(request.source.path().to_path_buf()));
    let Ends { inbox, events, progress, path, outcome } = ends;
    path.send_replace(Some(request.source.path().to_path_buf()));
    let request = Arc::new(request);
    let teller = Teller {
        entry: Entry { request: request.clone(), id, resumable: false, written: false },
        events,
        progress,
        path,
        tally: Tally::default(),
    };
    let task = Task { request, inbox, teller, started: Instant::now() };
    tokio::spawn(async move {
        let (result, teller) = task.run().await;
        drop(spooled); // its lock: before anybody hears of the end and begins anew
        // The outcome first, then the end of the events: who sees the one finds the other.
        outcome.send_replace(Some(result));
        drop(teller);
    });
    transfer
}

/// Gives an upload up on which no run works. Whether nothing of it is left in the store.
pub(crate) async fn discard(request: Request) -> Result<bool, Error> {
    let id = id_text(request.config.intent.id);
    let request = Arc::new(request);
    let RunEnd { finish, summary: ended } = run_to_discard(&request).await;
    let finish = finish.map_err(|panicked| panicked.error(&request.config.intent.destination))?;
    let clean = match finish {
        Finish::Failed(failure) => return Err(error(&request, failure, ended.acknowledged, ended.remembered)),
        Finish::Discarded { clean } => clean,
        _ => !ended.kept,
    };
    let _ = request.state.remove_spooled(request.source.path()); // best effort: the next input replaces it
    if clean {
        let _ = request.state.remove_transfer(&id); // a list; what is gone from it is shown as gone
    }
    Ok(clean)
}

/// A run that is told to discard before it begins.
async fn run_to_discard(request: &Arc<Request>) -> RunEnd {
    let (commands, mut inbox) = mpsc::channel(1);
    let _ = commands.send(Command::Discard).await;
    run(request, &mut inbox, &mut |_| {}).await
}

fn error(request: &Request, failure: Failure, kept: u64, remembered: Remembered) -> Error {
    let source = request.source.path().display().to_string();
    let about = About {
        object: &request.config.intent.destination,
        source: &source,
        kept,
        overwriting_forbidden: request.config.forbid_overwrite,
    };
    error_of(failure, &about, remembered)
}

/// What the runs of one handle add up to.
#[derive(Debug, Default)]
struct Tally {
    resumed: u32,
    restarts: Vec<crate::event::UploadRestart>,
    retries: u32,
    sent: u64,
    total: Option<u64>,
    part_len: Option<u64>,
    parts: u32,
}

/// The upload's entry in the list. It is a list, not the truth: what cannot be written is left out.
struct Entry {
    request: Arc<Request>,
    id: String,
    /// There is a journal.
    resumable: bool,
    /// An entry may be there, of this process or one before.
    written: bool,
}

impl Entry {
    fn write(&mut self, state: State, stored: u64, total: Option<u64>, error: Option<String>) {
        if !self.resumable {
            return;
        }
        self.written = true;
        let intent = &self.request.config.intent;
        let note = TransferNote {
            id: self.id.clone(),
            kind: Kind::Upload,
            path: Path::new(OsStr::from_bytes(&intent.path)).into(), // by which its journal is found
            source: intent.destination.clone(),
            state,
            held: stored,
            total,
            updated_ms: crate::now_unix_ms(),
            needs_link: false,
            needs_headers: false,
            error,
            endpoint: Some(intent.endpoint.clone()),
            range: None,
        };
        if let Err(error) = self.request.state.put_transfer(&note) {
            tracing::debug!(%error, "the list of transfers could not be written");
        }
    }

    fn remove(&self) {
        if self.written
            && let Err(error) = self.request.state.remove_transfer(&self.id)
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
}

impl Teller {
    fn tell(&mut self, told: RunEvent<Note>) {
        match told {
            RunEvent::Progress(progress) => {
                self.progress.send_replace(progress);
                self.send(Event::Progress(progress));
            }
            RunEvent::Journal => {
                self.entry.resumable = true;
                self.entry.written = true;
                let stored = self.progress.borrow().durable;
                self.entry.write(State::Running, stored, self.tally.total, None);
            }
            RunEvent::Note(note) => self.note(note),
            RunEvent::Path(_) => {} // known from the start
        }
    }

    fn send(&self, event: Event) {
        let _ = self.events.send(event); // nobody listens: fine
    }

    fn note(&mut self, note: Note) {
        let event = match note {
            Note::Started { length, part_len, parts } => {
                self.tally.total = Some(length);
                (self.tally.part_len, self.tally.parts) = (part_len, if part_len.is_some() { parts } else { 0 });
                let path = self.path.borrow().clone().unwrap_or_default();
                Event::Started { path, total: Some(length), resumable: true }
            }
            Note::Resumed { bytes, .. } => {
                self.tally.resumed += 1;
                self.entry.write(State::Running, bytes, self.tally.total, None);
                Event::Resumed { held: bytes, total: self.tally.total }
            }
            Note::Restarted { reason, discarded } => {
                self.tally.restarts.push(reason);
                Event::UploadRestarted { reason, discarded }
            }
            Note::Acknowledged { .. } => return, // told with the progress
            Note::WrongPart { number } => Event::WrongPart { number },
            Note::Retry { failures, delay_ms, why } => {
                self.tally.retries += 1;
                Event::Retry { failures, delay: Duration::from_millis(delay_ms), reason: fault_text(&why) }
            }
            Note::Limited { connections } => {
                Event::Limited { connections, reason: "the store refused one more connection".into() }
            }
            Note::Settling => Event::Settling,
            Note::Aborted { clean } => Event::Aborted { clean },
        };
        self.send(event);
    }
}

struct Task {
    request: Arc<Request>,
    inbox: mpsc::Receiver<Wish>,
    teller: Teller,
    started: Instant,
}

impl Task {
    async fn run(mut self) -> (Result<Outcome, Error>, Teller) {
        let result = loop {
            let (ended, asked) = self.one_run().await;
            self.teller.tally.sent += ended.summary.sent;
            if let Some(result) = self.after(ended, asked).await {
                break result;
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
        let (stored, total) = (ended.acknowledged, self.teller.tally.total);
        let finish = match finish {
            Ok(finish) => finish,
            Err(panicked) => {
                let error = panicked.error(&self.request.config.intent.destination);
                self.teller.entry.write(State::Failed, stored, total, Some(error.to_string()));
                return Some(Err(error));
            }
        };
        match finish {
            Finish::Done { length, verified, already, object, callback_failed } => {
                if ended.kept {
                    // Something of an earlier attempt may be left in the store.
                    self.teller.entry.write(State::Done, stored, total, None);
                } else {
                    self.teller.entry.remove();
                }
                self.remove_spooled();
                if callback_failed {
                    return Some(Err(self.callback_failed(ended.remembered.store)));
                }
                let tally = std::mem::take(&mut self.teller.tally);
                Some(Ok(Outcome {
                    path: self.request.source.path().to_path_buf(),
                    bytes: length,
                    verified: verified.into(),
                    digests: object.digests,
                    resumed: tally.resumed,
                    restarts: Vec::new(),
                    retries: tally.retries,
                    fetched: 0,
                    already,
                    not_modified: false,
                    upload: Some(Box::new(Uploaded {
                        destination: self.request.config.intent.destination.clone(),
                        etag: object.etag,
                        version: object.version,
                        parts: tally.parts,
                        part_len: tally.part_len,
                        sent: tally.sent,
                        restarts: tally.restarts,
                    })),
                    elapsed: self.started.elapsed(),
                }))
            }
            Finish::Discarded { clean } => Some(Err(self.discarded(clean))),
            Finish::Paused => {
                self.teller.entry.write(State::Paused, stored, total, None);
                self.teller.send(Event::Paused { held: stored, total });
                for done in asked.pauses {
                    let _ = done.send(());
                }
                match (asked.cancel, asked.abandoned) {
                    (Some(Cancel::Keep), _) => Some(Err(cancelled(KEPT))),
                    (Some(Cancel::Discard), _) => self.discard().await,
                    (None, true) => Some(Err(cancelled("stopped; the parts that are stored are kept"))),
                    (None, false) => self.wait_for_wish().await,
                }
            }
            Finish::Failed(failure) => {
                let state = match failure {
                    Failure::Denied(_) | Failure::NeedsCredentials => State::NeedsCredentials,
                    _ => State::Failed,
                };
                let begun = || {
                    let found = self.request.state.upload(&self.request.key).ok().flatten();
                    found.is_some_and(|recovered| !is_barren(&recovered))
                };
                let kept = ended.kept && begun();
                let error = error(&self.request, failure, stored, ended.remembered);
                if kept {
                    self.teller.entry.write(state, stored, total, Some(error.in_full()));
                } else {
                    self.teller.entry.remove();
                }
                Some(Err(error))
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
                Some(Wish::Cancel(Cancel::Keep)) => return Some(Err(cancelled(KEPT))),
                None => return Some(Err(cancelled("stopped; the parts that are stored are kept"))),
            }
        }
    }

    /// Discards an upload that no run is working on.
    async fn discard(&mut self) -> Option<Result<Outcome, Error>> {
        let RunEnd { finish, summary: ended } = run_to_discard(&self.request).await;
        Some(Err(match finish {
            Err(panicked) => panicked.error(&self.request.config.intent.destination),
            Ok(Finish::Failed(failure)) => error(&self.request, failure, ended.acknowledged, ended.remembered),
            Ok(Finish::Discarded { clean }) => self.discarded(clean),
            Ok(_) => self.discarded(!ended.kept),
        }))
    }

    fn discarded(&mut self, clean: bool) -> Error {
        self.remove_spooled();
        if clean {
            self.teller.entry.remove();
            return cancelled("cancelled; nothing of it is left in the store");
        }
        let total = self.teller.tally.total;
        if self.request.config.keep_parts {
            let stored = self.teller.progress.borrow().durable;
            self.teller.entry.write(State::Paused, stored, total, None);
            return cancelled("cancelled; its parts are kept in the store");
        }
        self.teller.entry.write(State::Failed, 0, total, Some("cancelled; parts may be left in the store".into()));
        cancelled("cancelled; parts may be left in the store, since it could not be asked: clean up later")
    }

    fn callback_failed(&self, said: Option<String>) -> Error {
        let object = &self.request.config.intent.destination;
        let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
        let text = format!("{object}: stored, but its callback failed{said}");
        Error::new(ErrorKind::CallbackFailed, Disposition::Permanent, text)
            .with("destination", object)
            .advise(Advice::TellReceiver)
    }

    /// Input that was spooled is not needed any more.
    fn remove_spooled(&self) {
        if let Err(error) = self.request.state.remove_spooled(self.request.source.path()) {
            tracing::debug!(%error, "spooled input could not be removed");
        }
    }
}

const KEPT: &str = "cancelled; the parts that are stored are kept";
