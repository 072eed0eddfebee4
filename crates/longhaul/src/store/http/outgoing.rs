//! The body of a request: of known length, so that it is never sent in chunks; and how much of it was handed over.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::Notify;

use crate::sync::locked;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How much of a body in memory is handed over at once: small enough to see that it moves on a slow line.
const PIECE_LEN: usize = 64 << 10;

/// How many bytes of a request's body the connection's socket (or its TLS) has taken so far, and how many may be handed
/// over. What HTTP holds back in this process is not counted; what the system holds back is bounded where the connection
/// is made ([`connect`](super::wire)).
#[derive(Debug, Clone, Default)]
pub(crate) struct Handed(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    bytes: AtomicU64,
    /// Bytes that HTTP has asked for: what it holds back is of this request, and cannot be asked for again.
    begun: AtomicU64,
    /// Told when `bytes` has changed.
    moved: Notify,
    /// For a body in memory: bytes from here on wait, where there is a limit.
    limit: Mutex<Limit>,
}

#[derive(Debug, Default)]
struct Limit {
    at: Option<u64>,
    waiting: Option<Waker>,
}

impl Handed {
    /// Bytes.
    pub(crate) fn get(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Waits until another number of bytes has been handed over than when this was last called.
    pub(crate) async fn moved(&self) {
        self.0.moved.notified().await;
    }

    /// No more than this many bytes of a body in memory are handed over, until more are allowed.
    pub(crate) fn allow(&self, bytes: u64) {
        let mut limit = locked(&self.0.limit);
        limit.at = Some(bytes);
        if let Some(waker) = limit.waiting.take() {
            waker.wake();
        }
    }

    /// How many bytes may be handed over; a body that asks with as many or more handed over is woken when there are
    /// more.
    fn allowed(&self, at: u64, cx: &Context<'_>) -> u64 {
        let mut limit = locked(&self.0.limit);
        let allowed = limit.at.unwrap_or(u64::MAX);
        if allowed <= at {
            limit.waiting = Some(cx.waker().clone());
        }
        allowed
    }

    /// The body begins.
    fn begin(&self) {
        self.0.begun.store(0, Ordering::Relaxed);
        self.0.bytes.store(0, Ordering::Relaxed);
        self.0.moved.notify_one();
    }

    /// The socket has taken so many bytes more.
    pub(crate) fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.moved.notify_one();
    }
}

/// A body. A clone is the same body; it is sent once, or again from its begin where [`can_be_sent`](Self::can_be_sent)
/// says so.
#[derive(Clone)]
pub(crate) struct Outgoing {
    len: u64,
    handed: Handed,
    from: From,
}

#[derive(Clone)]
enum From {
    Memory(Bytes),
    Stream(Arc<Mutex<dyn Body<Data = Bytes, Error = Error> + Send + Unpin>>),
}

impl Outgoing {
    /// No body.
    pub(crate) fn none() -> Self {
        Self::memory(Bytes::new(), Handed::default())
    }

    /// Bytes in memory, counted in `handed`.
    pub(crate) fn memory(bytes: Bytes, handed: Handed) -> Self {
        Self { len: bytes.len() as u64, handed, from: From::Memory(bytes) }
    }

    /// Exactly `len` bytes from somewhere, counted in `handed`: with fewer or more the request fails.
    pub(crate) fn stream<B>(len: u64, body: B, handed: Handed) -> Self
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Error>,
    {
        let from = From::Stream(Arc::new(Mutex::new(Boxed(body))));
        Self { len, handed, from }
    }

    /// Its bytes, when they are in memory.
    pub(crate) fn in_memory(&self) -> Option<Bytes> {
        match &self.from {
            From::Memory(bytes) => Some(bytes.clone()),
            From::Stream(_) => None,
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// All of it was handed over: the other side may have it.
    pub(crate) fn is_handed_over(&self) -> bool {
        self.handed.get() >= self.len
    }

    /// It can be sent (again) from its begin.
    pub(crate) fn can_be_sent(&self) -> bool {
        matches!(self.from, From::Memory(_)) || self.handed.0.begun.load(Ordering::Relaxed) == 0
    }

    /// The body for one request.
    pub(super) fn body(&self) -> Counted {
        self.handed.begin();
        Counted { all: self.clone(), at: 0 }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing").field("len", &self.len).field("handed", &self.handed.get()).finish()
    }
}

/// What is polled by the connection.
pub(super) struct Counted {
    all: Outgoing,
    at: u64,
}

/// A piece of a body, which counts as the connection takes it.
pub(super) struct Piece {
    bytes: Bytes,
    handed: Handed,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.handed.add(count);
    }
}

impl Body for Counted {
    type Data = Piece;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Piece>, Error>>> {
        let left = self.all.len - self.at;
        let bytes = match &self.all.from {
            From::Memory(_) if left == 0 => return Poll::Ready(None),
            From::Memory(bytes) => {
                let allowed = self.all.handed.allowed(self.at, cx);
                if allowed <= self.at {
                    return Poll::Pending;
                }
                let at = bytes.len() - usize::try_from(left).unwrap_or(bytes.len()); // left is at most their length
                let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
                bytes.slice(at..bytes.len().min(at + PIECE_LEN).min(allowed))
            }
            From::Stream(stream) => {
                let mut stream = locked(stream);
                match Pin::new(&mut *stream).poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(None) if left == 0 => return Poll::Ready(None),
                    Poll::Ready(None) => return Poll::Ready(Some(Err("the body ended early".into()))),
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    // Trailers are not ours to send.
                    Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
                }
            }
        };
        if bytes.len() as u64 > left {
            return Poll::Ready(Some(Err("the body goes on behind its length".into())));
        }
        self.at += bytes.len() as u64;
        self.all.handed.0.begun.store(self.at, Ordering::Relaxed);
        let handed = self.all.handed.clone();
        Poll::Ready(Some(Ok(Frame::data(Piece { bytes, handed }))))
    }

    fn is_end_stream(&self) -> bool {
        self.at == self.all.len
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.all.len - self.at)
    }
}

/// A body whose error is boxed.
struct Boxed<B>(B);

impl<B> Body for Boxed<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }
}
