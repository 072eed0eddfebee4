//! Bytes of an object in order, without a file: the driver of the core's [`Reading`].
//!
//! One task asks, reads and checks; what it has read waits in a queue with a bound for whoever takes it. A reader that
//! is slow makes the task wait, and with it the server. Dropping the reader ends the task and closes its connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use longhaul_core::download::step::{Failure, Fetch};
use longhaul_core::read::{Reading, Turn};
use longhaul_core::words::NetFault;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::download::DownloadDetails;
use super::download::failure::error_of;
use crate::advice::Advice;
use crate::disk::digests::Digests;
use crate::error::{Disposition, Error, ErrorKind};
use crate::identity::ObjectIdentity;
use crate::source::{LinkSource, Source};
use crate::store::{Given, NetFailure, Origin, Rates, Reply, StallWatch};

/// Longest piece that is handed on at once.
const PIECE_LEN_MAX: usize = 64 << 10;
/// Pieces that wait to be taken: a reader that pauses for a moment does not make the line pause.
const PIECES_MAX: usize = 16;
/// Fresh links in a row that brought no byte.
const LINKS_MAX: u32 = 3;

/// The bytes of an object, or of parts of it, as they come ([`DownloadBuilder::read`](crate::DownloadBuilder::read)).
///
/// They can be taken by [`next`](Self::next), as a [`Stream`], or as an [`AsyncRead`], in which an [`Error`] is the
/// inner one of the [`io::Error`].
///
/// **What holds for the bytes.** All are of one version of the object, over any number of broken connections: a later
/// reply counts only under the strong validator that the first one showed. The end is told only when as many bytes came
/// as were announced, and the digest fits, where one is known (given by [`checksum`](crate::DownloadBuilder::checksum),
/// or declared by the source of the whole object). So what was taken *before* the end may prove to be incomplete, or
/// wrong where only a digest shows it: act on it when the end was told, or in a way that can be undone.
///
/// At most 16 pieces of 64 KiB wait to be taken. Dropping it closes the connection.
#[must_use = "dropping it ends the reading"]
pub struct ObjectBytes {
    object: ObjectIdentity,
    pieces: mpsc::Receiver<Piece>,
    /// What is left of the last piece, for `AsyncRead`.
    rest: Bytes,
    over: bool,
    _task: Task,
}

enum Piece {
    Bytes(Bytes),
    End(Result<(), Error>),
}

/// A task that ends when it is let go of.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for ObjectBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectBytes").field("object", &self.object).field("over", &self.over).finish_non_exhaustive()
    }
}

impl ObjectBytes {
    /// Which version is read. Its `length` is that of all bytes that come, where the server told it.
    pub fn object(&self) -> &ObjectIdentity {
        &self.object
    }

    /// The next bytes, at most 64 KiB of them and never none; `None` when all came and are right.
    ///
    /// # Errors
    /// [`ErrorKind::Changed`] when the object is another one than the bytes before were of,
    /// [`ErrorKind::NotProvable`] when the connection broke and the object has no validator to go on with,
    /// [`ErrorKind::Integrity`] when a digest does not fit, and what a download can meet on the network. It is the last
    /// thing that comes.
    ///
    /// # Cancel safety
    /// When the future is dropped no byte is lost: the next call gives it.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.rest))));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let piece = ready!(self.pieces.poll_recv(cx));
        self.over = !matches!(piece, Some(Piece::Bytes(_)));
        Poll::Ready(match piece {
            Some(Piece::Bytes(bytes)) => Some(Ok(bytes)),
            Some(Piece::End(Ok(()))) => None,
            Some(Piece::End(Err(error))) => Some(Err(error)),
            None => Some(Err(Error::internal("the task that reads ended without an outcome"))),
        })
    }
}

impl Stream for ObjectBytes {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx)
    }
}

impl AsyncRead for ObjectBytes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if into.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        match ready!(self.poll(cx)) {
            None => Poll::Ready(Ok(())),
            Some(Err(error)) => Poll::Ready(Err(io::Error::other(error))),
            Some(Ok(mut bytes)) => {
                let len = bytes.len().min(into.remaining());
                into.put_slice(&bytes[..len]);
                bytes.advance(len);
                self.rest = bytes;
                Poll::Ready(Ok(()))
            }
        }
    }
}

/// What is read, and how.
pub(crate) struct ReadRequest {
    pub(crate) origin: Origin,
    pub(crate) source: Source,
    pub(crate) rates: Rates,
    pub(crate) reading: Reading,
    pub(crate) require_verified: bool,
    pub(crate) min_rate: u64,
    pub(crate) stall_timeout: Duration,
    pub(crate) links: Option<Arc<dyn LinkSource>>,
}

/// Begins to read; ready when a reply showed which version it is.
pub(crate) async fn open(request: ReadRequest) -> Result<ObjectBytes, Error> {
    let (pieces_in, pieces) = mpsc::channel(PIECES_MAX);
    let (opened_in, opened) = oneshot::channel();
    let reader = Reader {
        request,
        begun: Instant::now(),
        pieces: pieces_in,
        opened: Some(opened_in),
        digests: None,
        remembered: DownloadDetails::default(),
        links: 0,
    };
    let task = Task(tokio::spawn(reader.run()));
    let object = opened.await.unwrap_or_else(|_| Err(Error::internal("the task that reads ended without a reply")))?;
    Ok(ObjectBytes { object, pieces, rest: Bytes::new(), over: false, _task: task })
}

struct Reader {
    request: ReadRequest,
    begun: Instant,
    pieces: mpsc::Sender<Piece>,
    opened: Option<oneshot::Sender<Result<ObjectIdentity, Error>>>,
    /// Of what was handed on.
    digests: Option<Digests>,
    remembered: DownloadDetails,
    /// Fresh links since the last byte.
    links: u32,
}

impl Reader {
    async fn run(mut self) {
        let end = self.read().await;
        match (self.opened.take(), end) {
            (Some(opened), Err(error)) => drop(opened.send(Err(error))),
            (_, end) => drop(self.pieces.send(Piece::End(end)).await),
        }
    }

    async fn read(&mut self) -> Result<(), Error> {
        loop {
            match self.ask(self.request.reading.fetch()).await {
                Turn::Ask { after_ms } => tokio::time::sleep(Duration::from_millis(after_ms)).await,
                Turn::Failed(failure) => self.go_on_with_a_fresh_link(failure).await?,
                Turn::Compare => {
                    let computed = self.digests.take().map(Digests::finish).unwrap_or_default();
                    return self.request.reading.finish(&computed).map_err(|failure| self.error(failure));
                }
                Turn::Take { .. } => return Err(Error::internal("a body's end asked for the body")),
            }
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// One request, from its sending to the end of what is taken of its body.
    async fn ask(&mut self, fetch: Fetch) -> Turn {
        let mut stall = StallWatch::new(self.request.min_rate, self.request.stall_timeout);
        let opened = stall.guard(self.request.origin.open(&fetch)).await;
        let reply = match opened {
            Ok(Ok(reply)) => reply,
            Ok(Err(failure)) => return self.broke(failure),
            Err(_) => return self.broke(stalled()),
        };
        let Reply { facts, said, beside_access, advice, mut body, .. } = reply;
        (self.remembered.refusal, self.remembered.beside_access) = (said, beside_access);
        self.remembered.advice = advice;
        self.remembered.declared_in.clone_from(&facts.declared_in);
        self.remembered.asked_to_wait = facts.retry_after_ms.map(|wait_ms| (facts.status, wait_ms));
        let now = self.now();
        let (mut skip, mut most) = match self.request.reading.head(now, &facts) {
            Turn::Take { skip, most } => (skip, most.unwrap_or(u64::MAX)),
            turn @ Turn::Compare => return self.begin().err().map_or(turn, Turn::Failed),
            turn => return turn,
        };
        if let Err(failure) = self.begin() {
            return Turn::Failed(failure);
        }
        while most > 0 {
            let chunk = match stall.guard(body.chunk()).await {
                Ok(Ok(chunk)) => chunk,
                Ok(Err(failure)) => return self.broke(failure),
                Err(_) => return self.broke(stalled()),
            };
            let Some(mut chunk) = chunk else { break };
            stall.came(chunk.len() as u64);
            let dropped = chunk.len().min(usize::try_from(skip).unwrap_or(usize::MAX));
            chunk.advance(dropped);
            skip -= dropped as u64;
            chunk.truncate(usize::try_from(most).unwrap_or(usize::MAX));
            most -= chunk.len() as u64;
            self.hand_on(chunk).await;
        }
        let now = self.now();
        self.request.reading.ended(now, None)
    }

    /// A usable reply is here: who waits for the first one hears of it.
    fn begin(&mut self) -> Result<(), Failure> {
        let reading = &self.request.reading;
        if reading.handed_on() == 0 {
            let kinds = reading.kinds();
            if kinds.is_empty() && self.request.require_verified {
                return Err(Failure::NotProvable("no digest of it is known"));
            }
            self.digests = Digests::new(&kinds);
        }
        if let (Some(identity), Some(opened)) = (reading.identity(), self.opened.take()) {
            let _ = opened.send(Ok(identity.into()));
        }
        Ok(())
    }

    /// As fast as the rate limit allows, and the reader takes it.
    async fn hand_on(&mut self, mut chunk: Bytes) {
        while !chunk.is_empty() {
            let pace = &self.request.rates;
            let piece = chunk.split_to(pace.piece_len(chunk.len()).min(PIECE_LEN_MAX));
            pace.pay(piece.len()).await;
            if let Some(digests) = &mut self.digests {
                digests.update(&piece);
            }
            self.request.reading.took(piece.len() as u64);
            self.links = 0;
            // A reader that is gone takes the task with it.
            let _ = self.pieces.send(Piece::Bytes(piece)).await;
        }
    }

    fn broke(&mut self, failure: NetFailure) -> Turn {
        self.remembered.net = Some(failure.detail);
        let now = self.now();
        self.request.reading.ended(now, Some(failure.fault))
    }

    /// A link that is not accepted any more is followed by a fresh one, where somebody brings it.
    async fn go_on_with_a_fresh_link(&mut self, failure: Failure) -> Result<(), Error> {
        let failure = match failure {
            failure @ Failure::NeedsLink { .. } => failure,
            failure => return Err(self.error(failure)),
        };
        let links = self.request.links.clone().filter(|_| self.links < LINKS_MAX);
        let Some(links) = links else { return Err(self.error(failure)) };
        self.links += 1;
        let fresh = links.fresh_link(&self.request.source.to_string()).await;
        match fresh.and_then(|link| link.parse::<Source>().ok()) {
            Some(Source::Web(link)) => {
                self.request.origin = self.request.origin.moved_to(link.address().clone());
                self.request.reading.fresh_link(link.facts(self.request.origin.given() != Given::Nothing));
                self.request.source = Source::Web(link);
                Ok(())
            }
            _ => Err(self.error(failure)),
        }
    }

    fn error(&mut self, failure: Failure) -> Error {
        let object = self.request.source.to_string();
        let error = |kind, text: String, advice| {
            Error::new(kind, Disposition::Permanent, text).with("source", &object).advise(advice)
        };
        let error = match failure {
            Failure::Changed { .. } => {
                let text = format!("{object}: the object changed while it was read");
                error(ErrorKind::Changed, text, Some(Advice::RunAgain))
            }
            Failure::NotProvable(why) => error(ErrorKind::NotProvable, format!("{object}: {why}"), None),
            Failure::Integrity { expected, actual, declared } => {
                let text = format!("{object}: what was read has {actual} instead of {expected}");
                let advice = if declared { Advice::GiveDigest } else { Advice::CheckDigest };
                error(ErrorKind::Integrity, text, Some(advice))
            }
            failure => {
                self.remembered.given = self.request.origin.given();
                error_of(failure, &object, "", 0, std::mem::take(&mut self.remembered))
            }
        };
        error.with("handed_on", self.request.reading.handed_on())
    }
}

fn stalled() -> NetFailure {
    NetFailure { fault: NetFault::Stalled, detail: "the connection stalled".to_owned() }
}
