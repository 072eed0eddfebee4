//! One request from its sending to its last write.
//!
//! A stream asks, reports the head, waits for the core's grant, and writes the body through a [`Sink`] until the body
//! ends, the grant is full, it is told to stop, or something fails. It always says `Ended` exactly once, after its last
//! write: that is what the core's fifth law stands on.
//!
//! Bytes are written by the task that received them: one chunk per connection is in memory, and the next is not taken
//! before this one is in the page cache. `docs/decisions/` says what was measured against a writer thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use longhaul_core::download::step::{Fetch, Grant, Heard, StreamEnd};
use longhaul_core::words::{NetFault, Ticket};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::reach::Reach;
use super::sink::{Sink, SinkReport};
use super::{DownloadAnswer, DownloadAside, DownloadShared, StoreRefusal};
use crate::disk::beside::part_file::PartFile;
use crate::store::{Body, NetFailure, Origin, Rates, Reply, StallWatch, Stalled};

/// How long the end of a body is waited for when all wanted bytes are here: it lies in the same buffer, or comes with
/// the next packet.
const LAST_WORD: Duration = Duration::from_millis(5);
/// Turns that are left to the connection's task so that it finds itself free.
const YIELDS: u32 = 3;

/// The driver's hold on a running stream, which stops when it is let go of.
pub(super) struct StreamHandle {
    /// Told to stop.
    pub(super) stop: CancellationToken,
    /// Takes the grant, once.
    pub(super) grant: Option<oneshot::Sender<Granted>>,
    /// How far it may write, once it may.
    pub(super) reach: Option<Arc<Reach>>,
}

impl Drop for StreamHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A grant, the file it is for, and how far it reaches.
pub(super) type Granted = (Grant, Arc<PartFile>, Arc<Reach>);

/// What a stream needs.
pub(super) struct StreamTask {
    pub(super) ticket: Ticket,
    pub(super) origin: Origin,
    pub(super) rates: Rates,
    pub(super) min_rate: u64,
    pub(super) stall_timeout: Duration,
    pub(super) throttle: watch::Receiver<bool>,
    pub(super) shared: Arc<DownloadShared>,
}

enum Interruption {
    Told,
    Net(NetFailure),
    Stalled,
    Disk(crate::disk::error::DiskError),
}

impl From<Stalled> for Interruption {
    fn from(_: Stalled) -> Self {
        Self::Stalled
    }
}

impl From<NetFailure> for Interruption {
    fn from(failure: NetFailure) -> Self {
        Self::Net(failure)
    }
}

impl StreamTask {
    /// Runs the request to its end.
    pub(super) async fn run(self, fetch: Fetch, stop: CancellationToken, grant: oneshot::Receiver<Granted>) {
        let mut at = 0;
        let result = self.body(fetch, &stop, grant, &mut at).await;
        let (end, aside) = match result {
            Ok(end) => (end, None),
            Err(Interruption::Told) => (StreamEnd::Stopped, None),
            Err(Interruption::Stalled) => {
                (StreamEnd::Failed(NetFault::Stalled), Some(DownloadAside::Net("the connection stalled".into())))
            }
            Err(Interruption::Net(failure)) => {
                (StreamEnd::Failed(failure.fault), Some(DownloadAside::Net(failure.detail)))
            }
            Err(Interruption::Disk(error)) => (StreamEnd::Disk(error.fault()), Some(DownloadAside::Disk(error))),
        };
        self.shared.reports.tell(self.ticket, DownloadAnswer { heard: Heard::Ended { end, at }, aside }).await;
    }

    async fn body(
        &self,
        fetch: Fetch,
        stop: &CancellationToken,
        grant: oneshot::Receiver<Granted>,
        at: &mut u64,
    ) -> Result<StreamEnd, Interruption> {
        let mut stall = StallWatch::new(self.min_rate, self.stall_timeout);
        let reply = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Interruption::Told),
            // In a box: it is by far the largest of what is waited for here, and soon over.
            reply = stall.guard(Box::pin(self.origin.open(&fetch))) => reply??,
        };
        let Reply { facts, said, beside_access, advice, mut body, .. } = reply;
        let aside = said.map(|said| DownloadAside::Refused(StoreRefusal { said, beside_access, advice }));
        self.shared.reports.tell(self.ticket, DownloadAnswer { heard: Heard::Head(Box::new(facts)), aside }).await;
        let (grant, file, reach) = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(Interruption::Told),
            granted = grant => granted.map_err(|_| Interruption::Told)?,
        };
        let mut sink = Sink::new(file, grant, reach, Instant::now());
        let mut throttle = self.throttle.clone();
        let mut reports = Vec::new();
        let end = loop {
            *at = sink.at();
            if sink.is_full() {
                break if ends_here(&mut body).await { Ok(StreamEnd::Complete) } else { Ok(StreamEnd::Reached) };
            }
            if *throttle.borrow_and_update() {
                sink.flush(Instant::now(), &mut reports); // the disk may need long
                self.report(&mut reports).await;
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break Err(Interruption::Told),
                    open = throttle.wait_for(|wait| !wait) => if open.is_err() { break Err(Interruption::Told) },
                }
            }
            let chunk = tokio::select! {
                biased;
                () = stop.cancelled() => break Err(Interruption::Told),
                chunk = stall.guard(chunk_until(&mut body, sink.report_at())) => match chunk {
                    Ok(Some(chunk)) => chunk,
                    Ok(None) => {
                        sink.flush(Instant::now(), &mut reports);
                        self.report(&mut reports).await;
                        continue;
                    }
                    Err(Stalled) => break Err(Interruption::Stalled),
                },
            };
            match chunk {
                Ok(Some(bytes)) => {
                    stall.came(bytes.len() as u64);
                    if let Err(stop) = self.take(&bytes, stop, &mut sink, &mut reports).await {
                        break Err(stop);
                    }
                }
                Ok(None) => break Ok(StreamEnd::Complete),
                Err(failure) => break Err(Interruption::Net(failure)),
            }
        };
        *at = sink.at();
        sink.flush(Instant::now(), &mut reports);
        self.report(&mut reports).await;
        end
    }

    /// Writes what came, as fast as the rate limit allows. What was not paid for when it is told to stop is let go.
    async fn take(
        &self,
        mut bytes: &[u8],
        stop: &CancellationToken,
        sink: &mut Sink,
        reports: &mut Vec<SinkReport>,
    ) -> Result<(), Interruption> {
        let pace = &self.rates;
        while !bytes.is_empty() && !sink.is_full() {
            let (piece, rest) = bytes.split_at(pace.piece_len(bytes.len()));
            let mut paid = std::pin::pin!(pace.pay(piece.len()));
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Err(Interruption::Told),
                    () = &mut paid => break,
                    () = until(sink.report_at()) => {
                        sink.flush(Instant::now(), reports);
                        self.report(reports).await;
                    }
                }
            }
            self.shared.received(piece.len() as u64);
            let taken = sink.take(piece, Instant::now(), reports);
            self.report(reports).await;
            taken.map_err(Interruption::Disk)?;
            bytes = rest;
        }
        Ok(())
    }

    async fn report(&self, reports: &mut Vec<SinkReport>) {
        for report in reports.drain(..) {
            match report {
                SinkReport::Wrote(extent) => self.shared.tell_written(self.ticket, extent).await,
                SinkReport::Passed(extent) => self.shared.reports.tell(self.ticket, Heard::Passed(extent)).await,
            }
        }
    }
}

/// Whether a body whose last wanted byte came has no other one: then the next request uses its connection again, if it
/// is sent after the end was told.
async fn ends_here(body: &mut Body) -> bool {
    let ended = tokio::time::timeout(LAST_WORD, body.chunk()).await;
    if !matches!(ended, Ok(Ok(None))) {
        return false;
    }
    for _ in 0..YIELDS {
        tokio::task::yield_now().await; // the connection's own task puts it back
    }
    true
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// The next bytes; `None` when `at` comes first. Loses no byte when dropped.
async fn chunk_until(body: &mut Body, at: Option<Instant>) -> Option<Result<Option<Bytes>, NetFailure>> {
    tokio::select! {
        biased;
        chunk = body.chunk() => Some(chunk),
        () = until(at) => None,
    }
}
