//! `get -o -`: the bytes go to stdout in their order as they come, and no file is written.
//!
//! A thread writes them: a reader that is slow holds up neither the network's answers nor a signal.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use longhaul::{Digest, DownloadBuilder, Event, ObjectBytes, Progress};
use tokio::sync::{mpsc, oneshot, watch};

use super::super::several::told;
use crate::exit::{Exit, Failure};
use crate::out;
use crate::show::{Show, ShownTransfer, text};
use crate::signals::Signal;

/// Pieces of 64 KiB at most that wait for the thread.
const PIECES_MAX: usize = 8;
/// Between two looks at how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(250);

/// One object to stdout.
pub(super) struct ToStdout<'a> {
    pub(super) show: &'a RefCell<Show>,
    pub(super) subject: &'a ShownTransfer,
    pub(super) quiet: bool,
    /// What its bytes are compared with.
    pub(super) digests: Vec<Digest>,
    pub(super) stop: watch::Receiver<Option<Signal>>,
}

impl ToStdout<'_> {
    /// Writes all of it. An end is proven when this is: what went out before an error need not be whole, or right.
    pub(super) async fn write(mut self, download: DownloadBuilder) -> Result<(), Failure> {
        let opened = tokio::select! {
            biased;
            signal = told(&mut self.stop) => return Err(self.stopped(signal, 0)),
            opened = download.read() => opened,
        };
        let mut bytes = opened?;
        self.show.borrow_mut().begin(self.subject);
        let mut writer = Writer::start()?;
        let mut sent = 0;
        let copied = self.copy(&mut bytes, &mut writer, &mut sent).await;
        // What is on its way arrives before the end is told, whichever it is; but no signal waits for a reader.
        let signalled = copied.as_ref().is_err_and(|failure| matches!(failure.exit, Exit::Signal(_)));
        let written = match signalled {
            true => Ok(()),
            false => tokio::select! {
                biased;
                signal = told(&mut self.stop) => Err(self.stopped(signal, sent)),
                written = writer.end() => written.map_err(|error| unwritable(&error)),
            },
        };
        written.and(copied)?;
        if !self.quiet {
            let proof = self.digests.iter().map(|digest| digest.kind().name()).collect::<Vec<_>>().join(", ");
            let proof = if proof.is_empty() { String::new() } else { format!("; checksum ok: {proof}") };
            out::say(&format!("{}: {} written to stdout{proof}", self.subject.url, text::bytes(sent)));
        }
        Ok(())
    }

    async fn copy(&mut self, bytes: &mut ObjectBytes, writer: &mut Writer, sent: &mut u64) -> Result<(), Failure> {
        let (begun, mut told_at) = (Instant::now(), Instant::now());
        let total = bytes.object().length;
        loop {
            let piece = tokio::select! {
                biased;
                signal = told(&mut self.stop) => return Err(self.stopped(signal, *sent)),
                piece = bytes.next() => piece,
            };
            let piece = match piece {
                None => return Ok(()),
                Some(Ok(piece)) => piece,
                Some(Err(error)) => {
                    let failure = Failure::from(error);
                    let went = match *sent {
                        0 => String::new(),
                        sent => format!("; {} went to stdout before, which are not to be used", text::bytes(sent)),
                    };
                    return Err(Failure { message: format!("{}{went}", failure.message), ..failure });
                }
            };
            let len = piece.len() as u64;
            tokio::select! {
                biased;
                signal = told(&mut self.stop) => return Err(self.stopped(signal, *sent)),
                taken = writer.pieces.send(Box::new(piece)) => if taken.is_err() {
                    return Ok(()); // it says why at its end
                },
            }
            *sent += len;
            if told_at.elapsed() >= TOLD_EVERY {
                told_at = Instant::now();
                let rate = (*sent as f64 / begun.elapsed().as_secs_f64()) as u64;
                let progress = Progress { received: *sent, total, rate, connections: 1, ..Progress::default() };
                self.show.borrow_mut().event(self.subject, &Event::Progress(progress));
            }
        }
    }

    fn stopped(&self, signal: Signal, sent: u64) -> Failure {
        let (name, sent) = (signal.name(), text::bytes(sent));
        let message = format!("stopped by {name}; {sent} of {} went to stdout, and not all", self.subject.url);
        Failure::new(Exit::Signal(signal), "interrupted", message)
    }
}

type Piece = Box<dyn AsRef<[u8]> + Send>;

/// The thread that writes.
struct Writer {
    pieces: mpsc::Sender<Piece>,
    ended: oneshot::Receiver<io::Result<()>>,
}

impl Writer {
    fn start() -> Result<Self, Failure> {
        let (pieces, mut taken) = mpsc::channel::<Piece>(PIECES_MAX);
        let (end, ended) = oneshot::channel();
        let work = move || {
            let mut stdout = io::stdout().lock();
            let mut write = || {
                while let Some(piece) = taken.blocking_recv() {
                    stdout.write_all((*piece).as_ref())?;
                }
                stdout.flush()
            };
            let written = write();
            drop(taken);
            let _ = end.send(written);
        };
        let started = std::thread::Builder::new().name("stdout".to_owned()).spawn(work);
        started.map_err(|e| Failure::new(Exit::LocalFile, "local_file", format!("no thread to write stdout ({e})")))?;
        Ok(Self { pieces, ended })
    }

    /// Nothing more comes; whether all of it was written.
    async fn end(self) -> io::Result<()> {
        drop(self.pieces);
        self.ended.await.unwrap_or_else(|_| Err(io::Error::other("the thread that writes ended")))
    }
}

fn unwritable(error: &io::Error) -> Failure {
    match error.kind() {
        // Its reader has what it wants.
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Pipe, "pipe", "the reader of stdout ended first"),
        _ => Failure::new(Exit::LocalFile, "local_file", format!("cannot write to stdout ({error})")),
    }
}
