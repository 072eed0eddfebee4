//! Bytes of the source on their way into requests: read ahead and digested on a thread, handed over as fast as the
//! network and the rate limit take them.
//!
//! ```text
//!  reader (a thread)                             sender (the request's task)              request's body
//!  pread into a buffer, digest it ──chunks──►    pay for a piece, watch for stalls ──►    polled by the connection
//! ```
//!
//! Memory is bounded by buffers that all uploads of a client share ([`Buffers`]): a reader waits until one is free, and
//! a buffer is free again when the connection has let go of its last byte. A digest costs one pass over a buffer that
//! was just filled, on the reader's thread, beside the sending.

use std::fs::File;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::ranges::Range;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::request::BytesSent;
use super::source::{next_len, read_end, read_exact};
use crate::disk::digests::Digests;
use crate::drive::panics::{Panicked, caught};
use crate::store::{Rates, StallWatch, Stalled};
use crate::sync::locked;
use crate::threads;

/// The length of a buffer: large enough that its turns cost little, small enough to stay in a processor's cache from
/// the read over the digest to the send.
pub(crate) const BUFFER_LEN: usize = 256 << 10;
/// Buffers of a client: 16 MiB in all, four for each of 16 connections.
const BUFFERS_MAX: usize = 64;
/// Buffers that wait between a reader and its request; one more is being filled.
const AHEAD: usize = 1;
/// Small objects are sent from memory; this is what those of a client may hold together, in units of 1 KiB.
pub(crate) const SNAPSHOTS_KIB: u32 = 16 << 10;
/// How often a request tells how many bytes it has sent.
pub(super) const TELL_EVERY: Duration = Duration::from_millis(100);

/// The memory that uploads of a client share.
#[derive(Debug)]
pub(crate) struct Buffers {
    turns: Arc<Semaphore>,
    /// Buffers that have been used and wait to be used again.
    free: Mutex<Vec<Box<[u8]>>>,
    snapshots: Arc<Semaphore>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(BUFFERS_MAX)),
            free: Mutex::default(),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_KIB as usize)),
        }
    }
}

/// A buffer in use. Given back when dropped.
struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    home: Arc<Buffers>,
    _turn: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // At most as many as there are turns.
        locked(&self.home.free).push(std::mem::take(&mut self.bytes));
    }
}

impl Buffers {
    /// A free buffer; waits until there is one.
    async fn get(self: &Arc<Self>) -> Option<Buffer> {
        let turn = self.turns.clone().acquire_owned().await.ok()?; // never closed
        let bytes = locked(&self.free).pop().unwrap_or_else(|| vec![0; BUFFER_LEN].into());
        Some(Buffer { bytes, len: 0, home: self.clone(), _turn: turn })
    }

    /// Waits until a snapshot of this many bytes may be held; longer ones than all together may be are refused.
    pub(crate) async fn room_for_snapshot(&self, len: u64) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(len.div_ceil(1024).max(1)).ok().filter(|&kib| kib <= SNAPSHOTS_KIB)?;
        self.snapshots.clone().acquire_many_owned(kib).await.ok()
    }

    /// Memory that was used and is not needed now goes back to the system.
    pub(crate) fn trim(&self) {
        locked(&self.free).clear();
    }
}

/// What a reader has read.
pub(super) struct PartReading {
    /// Buffers in order; closed behind the last, or where reading failed.
    pub(super) chunks: mpsc::Receiver<Bytes>,
    /// The digests of all of it, or why it could not be read; closed without a word when it was given up.
    pub(super) outcome: oneshot::Receiver<Result<std::io::Result<Vec<Digest>>, Panicked>>,
}

/// Reads a range of a file of `len` bytes on a thread (beside other tasks, where there is none to be had), into buffers
/// that wait for the request that takes them. When the request is gone, reading ends. Before the last bytes of the file
/// are handed over, it is known that they are the last.
pub(super) fn read(
    file: Arc<File>,
    range: Range,
    len: u64,
    kinds: &[DigestKind],
    buffers: &Arc<Buffers>,
) -> PartReading {
    let (tell, outcome) = oneshot::channel();
    let (chunks_tx, chunks) = mpsc::channel(AHEAD);
    let (digests, buffers) = (Digests::new(kinds), buffers.clone());
    threads::spawn(async move {
        let reading = caught(read_all(&file, range, len, digests, &buffers, &chunks_tx)).await;
        if let Some(read) = reading.transpose() {
            // Before the end of the chunks: who sees the one finds the other.
            let _ = tell.send(read);
        }
    });
    PartReading { chunks, outcome }
}

/// `None` when no request takes the chunks any more.
async fn read_all(
    file: &File,
    range: Range,
    len: u64,
    digests: Option<Digests>,
    buffers: &Arc<Buffers>,
    chunks: &mpsc::Sender<Bytes>,
) -> Option<std::io::Result<Vec<Digest>>> {
    let Some(mut digests) = digests else { return Some(Err(std::io::ErrorKind::Unsupported.into())) };
    let mut at = range.start;
    while at < range.end {
        let mut buffer = tokio::select! {
            biased;
            () = chunks.closed() => None,
            buffer = buffers.get() => buffer,
        }?;
        buffer.len = next_len(range, at, BUFFER_LEN);
        let bytes = &mut buffer.bytes[..buffer.len];
        if let Err(error) = read_piece(file, bytes, at, len) {
            return Some(Err(error));
        }
        digests.update(bytes);
        at += buffer.len as u64;
        chunks.send(Bytes::from_owner(buffer)).await.ok()?;
    }
    Some(Ok(digests.finish()))
}

/// Fills `bytes` from a file of `len` bytes; of its last ones it is known that they are the last.
fn read_piece(file: &File, bytes: &mut [u8], at: u64, len: u64) -> std::io::Result<()> {
    read_exact(file, bytes, at)?;
    if at + bytes.len() as u64 == len { read_end(file, len) } else { Ok(()) }
}

/// The digests of a range of a file of `len` bytes, without sending it. `Ok(None)` when it was given up.
pub(super) fn digest(
    file: &File,
    range: Range,
    len: u64,
    kinds: &[DigestKind],
    given_up: impl Fn() -> bool,
) -> std::io::Result<Option<Vec<Digest>>> {
    let mut digests = Digests::new(kinds).ok_or(std::io::ErrorKind::Unsupported)?;
    let mut buffer = vec![0; BUFFER_LEN.min(usize::try_from(range.end - range.start).unwrap_or(BUFFER_LEN))];
    let mut at = range.start;
    while at < range.end {
        if given_up() {
            return Ok(None);
        }
        let bytes = &mut buffer[..next_len(range, at, BUFFER_LEN)];
        read_piece(file, bytes, at, len)?;
        digests.update(bytes);
        at += bytes.len() as u64;
    }
    Ok(Some(digests.finish()))
}

/// A request's body, of a known length.
pub(crate) struct PartBody {
    pieces: mpsc::Receiver<Bytes>,
    left: u64,
}

/// The other end of a [`PartBody`].
pub(super) struct Feed {
    pieces: mpsc::Sender<Bytes>,
}

/// A body of `len` bytes, and what feeds it.
pub(super) fn body(len: u64) -> (Feed, PartBody) {
    let (tx, rx) = mpsc::channel(1);
    (Feed { pieces: tx }, PartBody { pieces: rx, left: len })
}

/// The source gave fewer bytes than the request promised.
#[derive(Debug)]
pub(crate) struct EndedEarly;

impl std::fmt::Display for EndedEarly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the source could not be read to the end of the part")
    }
}

impl std::error::Error for EndedEarly {}

impl http_body::Body for PartBody {
    type Data = Bytes;
    type Error = EndedEarly;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EndedEarly>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        match self.pieces.poll_recv(cx) {
            Poll::Ready(Some(bytes)) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Poll::Ready(None) => Poll::Ready(Some(Err(EndedEarly))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl Feed {
    /// Hands all chunks to the request, as fast as the rate limit and the network allow, and tells now and then how
    /// many bytes the connection has taken. The clock of the watch runs while the network is waited for, not while we
    /// are.
    ///
    /// Returns when the connection has taken all of it, or when the request takes no more.
    pub(super) async fn run(
        self,
        mut chunks: mpsc::Receiver<Bytes>,
        pace: &Rates,
        watch: &mut StallWatch,
        sent: &BytesSent,
    ) -> Result<(), Stalled> {
        let (mut told_at, mut fed) = (Instant::now(), 0);
        while let Some(mut chunk) = chunks.recv().await {
            while !chunk.is_empty() {
                let piece = chunk.split_to(pace.piece_len(chunk.len()));
                pace.pay(piece.len()).await;
                let Ok(place) = moving(watch, sent, self.pieces.reserve()).await? else { return Ok(()) };
                fed += piece.len() as u64;
                place.send(piece);
                if told_at.elapsed() >= TELL_EVERY {
                    told_at = Instant::now();
                    moved(watch, sent).await;
                }
            }
        }
        // HTTP holds back what the connection does not take at once.
        while sent.bytes() < fed {
            watch.guard(tokio::time::sleep(TELL_EVERY)).await?;
            moved(watch, sent).await;
        }
        Ok(())
    }
}

/// Waits for the network, which shows by what the connection takes meanwhile that it goes on; that is told.
async fn moving<F: Future>(watch: &mut StallWatch, sent: &BytesSent, waiting: F) -> Result<F::Output, Stalled> {
    tokio::pin!(waiting);
    loop {
        let turn = watch.guard(tokio::time::timeout(TELL_EVERY, &mut waiting)).await?;
        if let Ok(outcome) = turn {
            return Ok(outcome);
        }
        moved(watch, sent).await;
    }
}

/// What the connection has taken counts as movement, and is told.
async fn moved(watch: &mut StallWatch, sent: &BytesSent) {
    let more = sent.look();
    watch.came(more);
    if more > 0 {
        sent.tell().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use http_body::Body;
    use longhaul_core::words::Ticket;

    use super::*;
    use crate::drive::upload::{UploadReports, UploadShared};

    fn file(len: usize) -> (Arc<File>, Vec<u8>) {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (Arc::new(file), bytes)
    }

    /// A connection that takes all of a body.
    async fn drain(mut body: PartBody, sent: &BytesSent) -> Result<Vec<u8>, EndedEarly> {
        let mut all = Vec::new();
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            let bytes = frame?.into_data().unwrap();
            sent.handed().add(bytes.len());
            all.extend_from_slice(&bytes);
        }
        Ok(all)
    }

    /// UploadShared by the tasks of a run that is over.
    fn unheard() -> Arc<UploadShared> {
        Arc::new(UploadShared::new(UploadReports::channel().0))
    }

    fn watch() -> StallWatch {
        StallWatch::new(1024, Duration::from_secs(30))
    }

    #[tokio::test]
    async fn a_range_arrives_whole_with_its_digests_and_the_buffers_come_back() {
        let (file, bytes) = file(3 * BUFFER_LEN + 100);
        let buffers = Arc::new(Buffers::default());
        for (start, end) in [(0, bytes.len()), (7, 7), (100, BUFFER_LEN + 100), (BUFFER_LEN, 3 * BUFFER_LEN + 100)] {
            let range = Range::new(start as u64, end as u64);
            let kinds = [DigestKind::Crc64, DigestKind::Md5];
            let reading = read(file.clone(), range, bytes.len() as u64, &kinds, &buffers);
            let (feed, body) = body((end - start) as u64);
            assert_eq!(body.size_hint().exact(), Some((end - start) as u64));
            let sent = BytesSent::new(Ticket(1), unheard());
            let (pace, mut watch) = (Rates::none(), watch());
            let (fed, all) = tokio::join!(feed.run(reading.chunks, &pace, &mut watch, &sent), drain(body, &sent));
            fed.unwrap();
            assert_eq!((all.unwrap(), sent.bytes()), (bytes[start..end].to_vec(), (end - start) as u64));
            let expected = digest(&file, range, bytes.len() as u64, &kinds, || false).unwrap().unwrap();
            assert_eq!(reading.outcome.await.unwrap().unwrap().unwrap(), expected);
        }
        assert_eq!(buffers.turns.available_permits(), BUFFERS_MAX);
        assert!(locked(&buffers.free).len() <= BUFFERS_MAX);
        buffers.trim();
        assert!(locked(&buffers.free).is_empty());
    }

    #[tokio::test]
    async fn a_source_that_ends_early_fails_the_body_and_says_why() {
        let (file, _) = file(1000);
        let reading = read(file, Range::new(0, 2000), 2000, &[DigestKind::Crc64], &Arc::default());
        let (feed, body) = body(2000);
        let sent = BytesSent::new(Ticket(1), unheard());
        let (pace, mut watch) = (Rates::none(), watch());
        let (fed, all) = tokio::join!(feed.run(reading.chunks, &pace, &mut watch, &sent), drain(body, &sent));
        assert!(fed.is_ok() && all.is_err());
        assert!(reading.outcome.await.unwrap().unwrap().is_err());
    }

    /// A file that has grown since it was looked at: what would be its last part is not handed over whole.
    #[tokio::test]
    async fn a_source_that_goes_on_behind_its_end_fails_the_body_and_says_why() {
        let (file, bytes) = file(BUFFER_LEN + 1000);
        let looked = bytes.len() as u64 - 1;
        for start in [0, BUFFER_LEN as u64] {
            let range = Range::new(start, looked);
            let reading = read(file.clone(), range, looked, &[DigestKind::Crc64], &Arc::default());
            let (feed, body) = body(range.len());
            let sent = BytesSent::new(Ticket(1), unheard());
            let (pace, mut watch) = (Rates::none(), watch());
            let (fed, all) = tokio::join!(feed.run(reading.chunks, &pace, &mut watch, &sent), drain(body, &sent));
            assert!(fed.is_ok() && all.is_err());
            let error = reading.outcome.await.unwrap().unwrap().unwrap_err();
            assert!(error.to_string().contains("longer"), "{error}");
            assert!(digest(&file, range, looked, &[DigestKind::Crc64], || false).is_err());
        }
        let inner = Range::new(0, BUFFER_LEN as u64);
        assert!(digest(&file, inner, looked, &[DigestKind::Crc64], || false).is_ok(), "its end is not met");
    }

    #[tokio::test]
    async fn nobody_reads_for_a_request_that_is_gone() {
        let (file, bytes) = file(5 * BUFFER_LEN);
        let buffers = Arc::new(Buffers::default());
        let len = bytes.len() as u64;
        let reading = read(file.clone(), Range::new(0, len), len, &[DigestKind::Crc64], &buffers);
        drop(reading.chunks);
        assert!(reading.outcome.await.is_err(), "given up, not failed");
        assert_eq!(digest(&file, Range::new(0, 10), len, &[DigestKind::Crc64], || true).unwrap(), None);
        let (feed, body) = body(10);
        drop(body);
        let (tx, chunks) = mpsc::channel(1);
        tx.send(Bytes::from_static(b"0123456789")).await.unwrap();
        let sent = BytesSent::new(Ticket(1), unheard());
        feed.run(chunks, &Rates::none(), &mut watch(), &sent).await.unwrap();
        assert_eq!(sent.bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_takes_nothing_is_a_stall_and_a_slow_source_is_none() {
        let sent = BytesSent::new(Ticket(1), unheard());
        let (feed, body) = body(10);
        let (tx, chunks) = mpsc::channel(4);
        for _ in 0..3 {
            tx.send(Bytes::from_static(b"abc")).await.unwrap();
        }
        let stalled = feed.run(chunks, &Rates::none(), &mut watch(), &sent).await;
        assert_eq!(stalled, Err(Stalled));
        drop(body);
        let (feed, body) = super::body(3);
        let (tx, chunks) = mpsc::channel(4);
        let slow = async {
            tokio::time::sleep(Duration::from_secs(1000)).await;
            tx.send(Bytes::from_static(b"abc")).await.unwrap();
            drop(tx);
        };
        let sent = BytesSent::new(Ticket(2), unheard());
        let (pace, mut watch) = (Rates::none(), watch());
        let (fed, all, ()) = tokio::join!(feed.run(chunks, &pace, &mut watch, &sent), drain(body, &sent), slow);
        assert!(fed.is_ok() && all.unwrap() == b"abc");
    }

    /// A line of 2 kB/s takes a piece of 256 KiB in two minutes: longer than a stall, and none.
    #[tokio::test(start_paused = true)]
    async fn a_network_that_takes_a_little_at_a_time_is_none_even_behind_the_last_piece() {
        let sent = BytesSent::new(Ticket(1), unheard());
        let (feed, mut body) = body(3 * BUFFER_LEN as u64);
        let (tx, chunks) = mpsc::channel(4);
        for _ in 0..3 {
            tx.send(Bytes::from(vec![0; BUFFER_LEN])).await.unwrap();
        }
        drop(tx);
        let slow = async {
            while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                for piece in frame.unwrap().into_data().unwrap().chunks(2000) {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    sent.handed().add(piece.len());
                }
            }
        };
        let (pace, mut watch) = (Rates::none(), watch());
        let (fed, ()) = tokio::join!(feed.run(chunks, &pace, &mut watch, &sent), slow);
        assert!(fed.is_ok());
        assert_eq!(sent.bytes(), 3 * BUFFER_LEN as u64);
    }

    #[tokio::test]
    async fn snapshots_have_room_together_and_no_more() {
        let buffers = Buffers::default();
        let all = u64::from(SNAPSHOTS_KIB) << 10;
        assert!(buffers.room_for_snapshot(all + 1).await.is_none());
        let half = buffers.room_for_snapshot(all / 2).await.unwrap();
        let whole = buffers.room_for_snapshot(all);
        tokio::pin!(whole);
        assert!(std::future::poll_fn(|cx| Poll::Ready(whole.as_mut().poll(cx).is_pending())).await);
        drop(half);
        assert!(whole.await.is_some());
    }
}
