//! Requests of an upload and readings of its source: one task each, which ends with one word to the core.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::ranges::Range;
use longhaul_core::upload::step::{CompletedPart, Fault, Heard, SourceLook, SourcePart};
use longhaul_core::words::{DiskFault, NetFault, Ticket};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::body::{TELL_EVERY, body, digest, read};
use super::run::UploadRequest;
use super::source::{read_end, read_exact};
use super::{UploadAnswer, UploadAside, UploadShared, failed};
use crate::disk::digests::Digests;
use crate::disk::error::DiskError;
use crate::store::cloud::{Created, Promised, Refusal, Stored};
use crate::store::{Handed, StallWatch, Stalled};
use crate::sync::locked;
use crate::threads;

/// A store that has all bytes of a part or an object may take longer than the network may between two of them: it
/// writes them down. In stall times.
const REPLY_STALLS: u32 = 4;
/// Putting thousands of parts together takes minutes ("CompleteMultipartUpload" in the API reference of S3). In stall
/// times.
const COMPLETE_STALLS: u32 = 20;

/// How many bytes of a request's body the network has taken.
pub(super) struct BytesSent {
    ticket: Ticket,
    shared: Arc<UploadShared>,
    bytes: AtomicU64,
    /// What the connection has taken of a part.
    handed: Handed,
}

impl BytesSent {
    pub(super) fn new(ticket: Ticket, shared: Arc<UploadShared>) -> Self {
        Self { ticket, shared, bytes: AtomicU64::new(0), handed: Handed::default() }
    }

    fn add(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.shared.sent(bytes);
    }

    /// Takes over what the connection has taken; how many bytes that are since the last look.
    pub(super) fn look(&self) -> u64 {
        let handed = self.handed.get();
        let more = handed.saturating_sub(self.bytes.swap(handed, Ordering::Relaxed));
        self.shared.sent(more);
        more
    }

    pub(super) fn handed(&self) -> &Handed {
        &self.handed
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) async fn tell(&self) {
        self.shared.reports.tell(self.ticket, Heard::Sent(self.bytes())).await;
    }
}

/// A small source, held in memory to be sent.
pub(super) struct SmallSource {
    bytes: Bytes,
    digests: Vec<Digest>,
    _room: OwnedSemaphorePermit,
}

/// One task of a run.
pub(super) struct RequestTask {
    pub(super) request: Arc<UploadRequest>,
    pub(super) shared: Arc<UploadShared>,
    pub(super) stop: CancellationToken,
    pub(super) sent: Arc<BytesSent>,
}

/// Why a request or reading has no answer.
enum NoAnswer {
    Refused(Refusal),
    Disk(DiskError),
    GivenUp,
}

impl From<Refusal> for NoAnswer {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<DiskError> for NoAnswer {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// A word to the core, or why there is none.
type TaskResult<T = Heard> = Result<T, NoAnswer>;

/// The requests without a body.
impl RequestTask {
    pub(super) async fn look(self) {
        let patience = self.patience(1);
        let result = self.unless_stopped(patience, self.request.cloud.look()).await;
        self.end(result.map(|object| Heard::Object(Box::new(object))).map_err(NoAnswer::from)).await;
    }

    pub(super) async fn create(self, checksum: Option<DigestKind>) {
        let patience = self.patience(1);
        let result = self.unless_stopped(patience, self.request.cloud.create(checksum)).await;
        let created = result.map(|Created { upload_id, checksum }| Heard::Created { upload_id, checksum });
        self.end(created.map_err(NoAnswer::from)).await;
    }

    pub(super) async fn list_parts(self, upload_id: String, after: u32) {
        let patience = self.patience(1);
        let result = self.unless_stopped(patience, self.request.cloud.list_parts(&upload_id, after)).await;
        self.end(result.map(|page| Heard::Listed { parts: page.parts, next: page.next }).map_err(NoAnswer::from)).await;
    }

    pub(super) async fn complete(self, upload_id: String, parts: Vec<CompletedPart>, whole: Option<Digest>) {
        let patience = self.patience(COMPLETE_STALLS);
        let request = self.request.cloud.complete(&upload_id, &parts, whole.as_ref());
        let result = self.unless_stopped(patience, request).await;
        self.end(result.map(stored).map_err(NoAnswer::from)).await;
    }

    pub(super) async fn abort(self, upload_id: String) {
        let patience = self.patience(1);
        let result = self.unless_stopped(patience, self.request.cloud.abort(&upload_id)).await;
        self.end(result.map(|()| Heard::Done).map_err(NoAnswer::from)).await;
    }

    /// Waits for a request until it is stopped or takes too long; then the store may have carried it out or not.
    async fn unless_stopped<T>(
        &self,
        patience: Option<Duration>,
        request: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(stopped(true)),
            result = request => result,
            () = after(patience) => Err(stalled(true)),
        }
    }

    fn patience(&self, stalls: u32) -> Option<Duration> {
        let stall = self.request.stall_timeout;
        (!stall.is_zero()).then(|| stall.saturating_mul(stalls))
    }
}

/// The requests with one.
impl RequestTask {
    pub(super) async fn send_part(
        self,
        upload_id: String,
        part: SourcePart,
        kinds: Vec<DigestKind>,
        checksum: Option<DigestKind>,
    ) {
        let outcome = self.part(&upload_id, part, &kinds, checksum).await;
        self.end(outcome).await;
    }

    async fn part(
        &self,
        upload_id: &str,
        part: SourcePart,
        kinds: &[DigestKind],
        checksum: Option<DigestKind>,
    ) -> TaskResult {
        let (before, file) = self.look_at_source().await?;
        let len = part.range.end - part.range.start;
        let source_len = before.facts.len;
        let promised = self.promise(file.clone(), part.range, source_len, checksum).await?;
        let reading = read(file, part.range, source_len, kinds, &self.request.buffers);
        let (feed, body) = body(len);
        let request = self.request.cloud.send_part(upload_id, part.number, len, promised, body, self.sent.handed());
        let mut watch = StallWatch::new(self.request.min_rate, self.request.stall_timeout);
        let feeding = feed.run(reading.chunks, &self.request.rates, &mut watch, &self.sent);
        let result = self.answered(|| self.sent.handed().get() >= len, feeding, request).await;
        if self.sent.look() > 0 && result.is_err() {
            self.sent.tell().await; // it tells a store that refuses one more from a connection that broke
        }
        // The chunks are let go of: the reader ends, if it has not ended already.
        let (part, read) = match (result, reading.outcome.await) {
            (_, Ok(Err(panicked))) => panicked.go_on(),
            (_, Ok(Ok(Err(error)))) => return Err(self.request.source.failed_read(error).into()),
            (Err(refusal), _) => return Err(refusal.into()),
            (Ok(part), Ok(Ok(Ok(read)))) => (part, read),
            // An acknowledgement of bytes that were not all read is none.
            (Ok(_), Err(_)) => {
                let detail = "the store acknowledged a part before it had all of it".to_owned();
                return Err(Refusal { fault: Fault::Unreadable, detail }.into());
            }
        };
        Ok(Heard::PartStored { read, part, before })
    }

    /// The digests that are sent ahead of a body: the range is read once more for them. What is read twice in a row
    /// comes out of memory the second time, and a CRC costs little; a checksum behind the body would want a framing of
    /// it that many stores do not know.
    async fn promise(
        &self,
        file: Arc<File>,
        range: Range,
        source_len: u64,
        checksum: Option<DigestKind>,
    ) -> Result<Promised, NoAnswer> {
        let kinds: Vec<_> = checksum.into_iter().chain(self.sends_md5().then_some(DigestKind::Md5)).collect();
        if kinds.is_empty() {
            return Ok(Promised::default());
        }
        let digests = self.digest(file, range, source_len, kinds).await?;
        Ok(self.promised(&digests, checksum))
    }

    /// The MD5 of a body goes ahead of it: it was asked for, or the store wants it.
    fn sends_md5(&self) -> bool {
        self.request.part_md5 || self.request.cloud.wants_md5()
    }

    fn promised(&self, digests: &[Digest], checksum: Option<DigestKind>) -> Promised {
        let md5 = digests.iter().find(|digest| digest.kind() == DigestKind::Md5);
        let md5 = md5.filter(|_| self.sends_md5()).and_then(|digest| digest.bytes().try_into().ok());
        let checksum = digests.iter().find(|digest| checksum == Some(digest.kind())).cloned();
        Promised { md5, checksum }
    }

    pub(super) async fn put(self, checksum: Option<DigestKind>) {
        let outcome = self.whole(checksum).await;
        self.end(outcome).await;
    }

    async fn whole(&self, checksum: Option<DigestKind>) -> TaskResult<UploadAnswer> {
        let held = locked(&self.shared.snapshot).as_ref().map(|s| (s.bytes.clone(), s.digests.clone()));
        let Some((bytes, digests)) = held else {
            return Err(DiskError::said(DiskFault::Io, "send", self.request.source.path(), "it was not read").into());
        };
        let promised = self.promised(&digests, checksum);
        let (len, handed) = (bytes.len() as u64, Handed::default());
        handed.allow(0); // as fast as the rate limit says
        let request = self.request.cloud.put(bytes, promised, &handed);
        let reply = self.answered(|| handed.get() >= len, self.watch_handed(len, &handed), request).await?;
        self.sent.add(len.saturating_sub(self.sent.bytes())); // what went since the last look
        Ok(stored(reply))
    }

    /// Pays for a body that is sent from memory, and watches it, until all of it is on its way. A body that begins anew
    /// (the store said that the object belongs elsewhere) is watched on.
    async fn watch_handed(&self, len: u64, handed: &Handed) -> Result<(), Stalled> {
        let mut watch = StallWatch::new(self.request.min_rate, self.request.stall_timeout);
        let pace = &self.request.rates;
        let (mut seen, mut paid, mut told_at) = (0, 0, Instant::now());
        while seen < len {
            if seen >= paid {
                let piece = pace.piece_len(usize::try_from(len - paid).unwrap_or(usize::MAX));
                pace.pay(piece).await;
                paid += piece as u64;
                handed.allow(paid);
            }
            watch.guard(handed.moved()).await?;
            let now = handed.get();
            if let Some(more) = now.checked_sub(seen).filter(|&more| more > 0) {
                watch.came(more);
                self.sent.add(more);
                if told_at.elapsed() >= TELL_EVERY {
                    told_at = Instant::now();
                    self.sent.tell().await;
                }
            }
            seen = now;
        }
        self.sent.tell().await;
        Ok(())
    }

    /// Waits for an answer, which may come at any time, while a body is on its way.
    async fn answered<T>(
        &self,
        all_sent: impl Fn() -> bool,
        sending: impl Future<Output = Result<(), Stalled>>,
        request: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let sending = async {
            if sending.await.is_ok() {
                after(self.patience(REPLY_STALLS)).await;
            }
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(stopped(all_sent())),
            result = request => result,
            () = sending => Err(stalled(all_sent())),
        }
    }
}

/// The readings.
impl RequestTask {
    pub(super) async fn check_source(self) {
        let outcome = self.look_at_source().await.map(|(looked, _)| Heard::Source(looked));
        self.end(outcome).await;
    }

    pub(super) async fn read_part(self, part: SourcePart, kinds: Vec<DigestKind>) {
        let outcome = async {
            let (before, file) = self.look_at_source().await?;
            let digests = self.digest(file, part.range, before.facts.len, kinds).await?;
            Ok(Heard::PartRead { digests, before })
        };
        let outcome = outcome.await;
        self.end(outcome).await;
    }

    pub(super) async fn snapshot(self, kinds: Vec<DigestKind>) {
        let outcome = self.whole_source(&kinds).await;
        self.end(outcome).await;
    }

    async fn whole_source(&self, kinds: &[DigestKind]) -> TaskResult {
        *locked(&self.shared.snapshot) = None; // its room may be what is waited for
        let (before, file) = self.look_at_source().await?;
        let len = before.facts.len;
        let room = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(NoAnswer::GivenUp),
            room = self.request.buffers.room_for_snapshot(len) => room,
        };
        let path = self.request.source.path();
        let Some(room) = room else {
            let why = "it is longer than what is held in memory";
            return Err(DiskError::said(DiskFault::Unsupported, "read", path, why).into());
        };
        let (all_kinds, source) = (self.kinds_of_whole(kinds), self.request.source.clone());
        let read = threads::run(move || {
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            read_exact(&file, &mut bytes, 0).and_then(|()| read_end(&file, len)).map_err(|e| source.failed_read(e))?;
            let digests = digests_of(&bytes, &all_kinds).map_err(|e| source.failed_read(e))?;
            let (after, _) = source.look()?;
            Ok::<_, DiskError>((Bytes::from(bytes), digests, after))
        });
        let (bytes, all, after) = read.await?;
        let digests = all.iter().filter(|digest| kinds.contains(&digest.kind())).cloned().collect();
        *locked(&self.shared.snapshot) = Some(SmallSource { bytes, digests: all, _room: room });
        Ok(Heard::Snapped { before, after, digests })
    }

    /// What the core wants, and what is sent ahead.
    fn kinds_of_whole(&self, wanted: &[DigestKind]) -> Vec<DigestKind> {
        let mut kinds = wanted.to_vec();
        if self.sends_md5() && !kinds.contains(&DigestKind::Md5) {
            kinds.push(DigestKind::Md5);
        }
        kinds
    }

    async fn look_at_source(&self) -> Result<(SourceLook, Arc<File>), NoAnswer> {
        let source = self.request.source.clone();
        Ok(threads::run(move || source.look()).await?)
    }

    async fn digest(
        &self,
        file: Arc<File>,
        range: Range,
        source_len: u64,
        kinds: Vec<DigestKind>,
    ) -> Result<Vec<Digest>, NoAnswer> {
        let (stop, source) = (self.stop.clone(), self.request.source.clone());
        let found = threads::run(move || {
            digest(&file, range, source_len, &kinds, || stop.is_cancelled()).map_err(|error| source.failed_read(error))
        });
        found.await?.ok_or(NoAnswer::GivenUp)
    }
}

impl RequestTask {
    /// The last word.
    async fn end(self, outcome: Result<impl Into<UploadAnswer>, NoAnswer>) {
        let answer = match outcome {
            Ok(answer) => answer.into(),
            Err(NoAnswer::Refused(refusal)) => {
                UploadAnswer::with(Heard::Refused(refusal.fault), UploadAside::Store(refusal.detail))
            }
            Err(NoAnswer::Disk(error)) => failed(error),
            Err(NoAnswer::GivenUp) => Heard::Failed(DiskFault::Interrupted).into(),
        };
        self.shared.reports.tell(self.sent.ticket, answer).await;
    }
}

/// What is stored, and what the callback's receiver said in place of a yes.
fn stored(stored: Stored) -> UploadAnswer {
    let callback_failed = stored.callback_failed.is_some();
    let aside = stored.callback_failed.map(UploadAside::Store);
    UploadAnswer { heard: Heard::Stored { object: Box::new(stored.object), callback_failed }, aside }
}

fn digests_of(bytes: &[u8], kinds: &[DigestKind]) -> std::io::Result<Vec<Digest>> {
    let mut digests = Digests::new(kinds).ok_or(std::io::ErrorKind::Unsupported)?;
    digests.update(bytes);
    Ok(digests.finish())
}

async fn after(patience: Option<Duration>) {
    match patience {
        Some(patience) => tokio::time::sleep(patience).await,
        None => std::future::pending().await,
    }
}

fn stopped(maybe_done: bool) -> Refusal {
    Refusal { fault: Fault::Stopped { maybe_done }, detail: "the request was stopped".to_owned() }
}

fn stalled(maybe_done: bool) -> Refusal {
    let detail = if maybe_done { "no answer came in time" } else { "the connection stalled" };
    Refusal { fault: Fault::Net { fault: NetFault::Stalled, maybe_done }, detail: detail.to_owned() }
}
