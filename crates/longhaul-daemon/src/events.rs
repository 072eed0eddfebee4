//! What happens in the list, told to many readers at once (`GET /api/v1/events`, server-sent events).
//!
//! Changes are folded per entry and told four times a second at most, as one *frame* that is written down once and given
//! to all. A reader that takes them too slowly, or comes again later than the ring of frames reaches back, gets a
//! snapshot of the list: rows are told whole, so that a row told twice does no harm. Nothing is told while nothing
//! changes, but a comment that shows that the line is alive.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::stream;
use longhaul::manager::{EntryId, Manager, Told};
use longhaul::{Event, TransferKind};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::rows::{row, rows, stat};

/// Changes are folded for so long.
const FOLDED: Duration = Duration::from_millis(250);
/// So many frames are kept for readers that come again: 17 minutes of steady change.
const RING_MAX: usize = 4096;
/// And so many bytes of them.
const RING_BYTES_MAX: usize = 8 << 20;
/// A reader that is so many frames behind gets a snapshot.
const BEHIND_MAX: usize = 64;
/// So many events of transfers are in one frame: they are for displays, and the newest count.
const TOLD_MAX: usize = 256;
/// A line on which nothing is told has a comment so often.
const ALIVE: Duration = Duration::from_secs(15);

/// What is told, and was told.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Another daemon's frames have other names.
    boot: u32,
    frames: broadcast::Sender<Arc<Frame>>,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ring: VecDeque<Arc<Frame>>,
    ring_bytes: usize,
    sequence: u64,
    /// The list's counter when the last frame was made.
    rev: u64,
    /// Of the newest sequence, while a reader has it.
    snapshot: Weak<Frame>,
}

/// Some messages that are told together.
#[derive(Debug)]
struct Frame {
    sequence: u64,
    /// The list's counter before and after it.
    from_rev: u64,
    rev: u64,
    text: Bytes,
}

impl Default for Feed {
    fn default() -> Self {
        let mut bytes = [0; 4];
        // Without chance, a reader of an earlier daemon may miss what happened between; it asks for a snapshot by hand.
        let _ = getrandom::fill(&mut bytes);
        let (frames, _) = broadcast::channel(BEHIND_MAX);
        Self { boot: u32::from_le_bytes(bytes), frames, inner: Mutex::default() }
    }
}

/// An event of a transfer, with its moment.
pub(crate) fn told(event: &Event, kind: TransferKind, time_ms: u64) -> Value {
    let mut value = longhaul::json::event(event, kind);
    if let Value::Object(fields) = &mut value {
        fields.insert("time_ms".to_owned(), time_ms.into());
    }
    value
}

impl Feed {
    /// How many read now.
    pub(crate) fn readers(&self) -> usize {
        self.frames.receiver_count()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a frame to all.
    fn tell(&self, messages: &[(&str, Value)], rev: u64) {
        let inner = &mut *self.inner();
        inner.sequence += 1;
        let text = written(self.boot, inner.sequence, messages);
        let frame = Arc::new(Frame { sequence: inner.sequence, from_rev: inner.rev, rev, text });
        inner.rev = rev;
        inner.ring_bytes += frame.text.len();
        inner.ring.push_back(frame.clone());
        while inner.ring.len() > RING_MAX || inner.ring_bytes > RING_BYTES_MAX {
            let Some(oldest) = inner.ring.pop_front() else { break };
            inner.ring_bytes -= oldest.text.len();
        }
        let _ = self.frames.send(frame); // no one reads
    }

    /// The list as it is now.
    fn snapshot(&self, manager: &Manager) -> Arc<Frame> {
        let sequence = {
            let inner = self.inner();
            if let Some(frame) = inner.snapshot.upgrade().filter(|frame| frame.sequence == inner.sequence) {
                return frame;
            }
            inner.sequence
        };
        let rev = manager.counts().rev;
        let text = written(self.boot, sequence, &[("snapshot", whole(manager, rev))]);
        let frame = Arc::new(Frame { sequence, from_rev: rev, rev, text });
        self.inner().snapshot = Arc::downgrade(&frame);
        frame
    }

    /// What a reader missed that has heard all up to here; `None`: a snapshot tells it better.
    fn since(&self, from: From, receiver: impl FnOnce() -> Receiver<Arc<Frame>>) -> Option<Reader> {
        let inner = self.inner();
        // Under the lock, so that no frame is told between the two.
        let receiver = receiver();
        let missed: Vec<Arc<Frame>> = match from {
            From::Start => return None,
            From::Frame { boot, sequence } => {
                let first = inner.ring.front().map_or(inner.sequence + 1, |frame| frame.sequence);
                if boot != self.boot || sequence > inner.sequence || sequence + 1 < first {
                    return None;
                }
                inner.ring.iter().filter(|frame| frame.sequence > sequence).cloned().collect()
            }
            From::Rev(rev) => {
                let first = inner.ring.front().map_or(inner.rev, |frame| frame.from_rev);
                if rev > inner.rev || rev < first {
                    return None;
                }
                inner.ring.iter().filter(|frame| frame.rev >= rev).cloned().collect()
            }
        };
        let told = missed.last().map_or(inner.sequence, |frame| frame.sequence);
        Some(Reader { receiver, waiting: missed.into(), told })
    }

    /// What a reader hears, from where it was on.
    pub(crate) fn read(
        self: Arc<Self>,
        manager: Manager,
        from: From,
        stopping: CancellationToken,
    ) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static {
        let subscribe = || self.frames.subscribe();
        let reader = self.since(from, subscribe).unwrap_or_else(|| Reader::with_snapshot(&self, &manager));
        stream::unfold((self, manager, reader, stopping), async |(feed, manager, mut reader, stopping)| {
            let text = tokio::select! {
                text = reader.next(&feed, &manager) => text?,
                () = stopping.cancelled() => return None,
            };
            Some((Ok(text), (feed, manager, reader, stopping)))
        })
    }
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// With a snapshot.
    Start,
    /// Behind this frame (`Last-Event-ID`).
    Frame {
        /// Of which daemon.
        boot: u32,
        /// Which.
        sequence: u64,
    },
    /// Behind this state of the list's counter (`since=REV`).
    Rev(u64),
}

impl From {
    /// `BOOT-SEQUENCE`, as frames are named.
    pub(crate) fn from_id(text: &str) -> Option<Self> {
        let (boot, sequence) = text.trim().split_once('-')?;
        Some(Self::Frame { boot: u32::from_str_radix(boot, 16).ok()?, sequence: sequence.parse().ok()? })
    }
}

struct Reader {
    receiver: Receiver<Arc<Frame>>,
    /// What is to be told before what comes.
    waiting: VecDeque<Arc<Frame>>,
    /// The last frame that was told, or stands in `waiting`.
    told: u64,
}

impl Reader {
    fn with_snapshot(feed: &Feed, manager: &Manager) -> Self {
        // What changes while the snapshot is made is told again.
        let receiver = feed.frames.subscribe();
        let snapshot = feed.snapshot(manager);
        Self { receiver, told: snapshot.sequence, waiting: VecDeque::from([snapshot]) }
    }

    /// `None`: no more will come.
    async fn next(&mut self, feed: &Feed, manager: &Manager) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.waiting.pop_front() {
                return Some(frame.text.clone());
            }
            match timeout(ALIVE, self.receiver.recv()).await {
                Err(_) => return Some(Bytes::from_static(b": alive\n\n")),
                Ok(Ok(frame)) if frame.sequence <= self.told => {}
                Ok(Ok(frame)) => {
                    self.told = frame.sequence;
                    return Some(frame.text.clone());
                }
                Ok(Err(RecvError::Lagged(_))) => *self = Self::with_snapshot(feed, manager),
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }
}

fn whole(manager: &Manager, rev: u64) -> Value {
    json!({"rev": rev, "entries": rows(manager), "stat": stat(manager)})
}

/// As the HTML standard has it (9.2.6). The last message names the frame: with it all of them were heard.
fn written(boot: u32, sequence: u64, messages: &[(&str, Value)]) -> Bytes {
    let mut text = String::new();
    for (index, (event, data)) in messages.iter().enumerate() {
        if index + 1 == messages.len() {
            let _ = writeln!(text, "id: {boot:08x}-{sequence}"); // writing to a String cannot fail
        }
        let _ = write!(text, "event: {event}\ndata: {data}\n\n"); // JSON has no line ends outside of strings, nor in them
    }
    Bytes::from(text)
}

/// What came since the last frame.
#[derive(Debug, Default)]
struct Folded {
    changed: BTreeSet<EntryId>,
    gone: BTreeSet<EntryId>,
    told: VecDeque<(EntryId, Value)>,
    settings: bool,
    /// What the list could not be written for, or that it can be again.
    unwritten: Option<Option<String>>,
    /// Something was missed: all is told.
    all: bool,
}

impl Folded {
    fn is_empty(&self) -> bool {
        let Self { changed, gone, told, settings, unwritten, all } = self;
        changed.is_empty() && gone.is_empty() && told.is_empty() && !settings && unwritten.is_none() && !all
    }

    fn messages(self, manager: &Manager, rev: u64, stat_before: &mut Value) -> Vec<(&'static str, Value)> {
        let mut messages = Vec::new();
        let now = stat(manager);
        if self.all {
            *stat_before = now;
            messages.push(("snapshot", whole(manager, rev)));
        } else {
            if !self.changed.is_empty() || !self.gone.is_empty() {
                let rows = self.changed.iter().filter_map(|id| manager.entry(*id));
                let rows: Vec<Value> = rows.map(|entry| row(&entry, manager.position(entry.id))).collect();
                let gone: Vec<String> = self.gone.iter().map(ToString::to_string).collect();
                messages.push(("change", json!({"rev": rev, "rows": rows, "gone": gone})));
            }
            if now != *stat_before {
                *stat_before = now.clone();
                messages.push(("stat", now));
            }
        }
        let told = self.told.into_iter().map(|(id, event)| ("told", json!({"id": id.to_string(), "event": event})));
        messages.extend(told);
        if self.settings {
            messages.push(("settings", json!({})));
        }
        if let Some(why) = self.unwritten {
            messages.push(("unwritten", json!({"message": why})));
        }
        messages
    }
}

/// Follows the list, and tells what happens in it, until the daemon ends.
pub(crate) async fn follow(manager: Manager, feed: Arc<Feed>, metrics: Arc<Metrics>, stopping: CancellationToken) {
    let mut reader = manager.told();
    let mut folded = Folded::default();
    let mut due: Option<Instant> = None;
    let mut stat_before = stat(&manager);
    feed.inner().rev = manager.counts().rev;
    let mut heard = Heard { metrics: &metrics, received: BTreeMap::new() };
    loop {
        tokio::select! {
            told = reader.next() => match told {
                Some(told) => heard.fold(&manager, told, &mut folded),
                None => return,
            },
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                due = None;
                let rev = manager.counts().rev;
                let messages = std::mem::take(&mut folded).messages(&manager, rev, &mut stat_before);
                if !messages.is_empty() {
                    feed.tell(&messages, rev);
                }
            }
            () = stopping.cancelled() => return,
        }
        if due.is_none() && !folded.is_empty() {
            due = Some(Instant::now() + FOLDED);
        }
    }
}

struct Heard<'a> {
    metrics: &'a Metrics,
    /// How much of running entries was there when they told it last.
    received: BTreeMap<EntryId, u64>,
}

impl Heard<'_> {
    fn fold(&mut self, manager: &Manager, told: Told, folded: &mut Folded) {
        match told {
            Told::Changed(entry) => {
                folded.gone.remove(&entry.id);
                folded.changed.insert(entry.id);
            }
            Told::Gone { id, .. } => {
                self.received.remove(&id);
                folded.changed.remove(&id);
                folded.gone.insert(id);
            }
            Told::Event { id, event } => self.event(manager, id, &event, folded),
            Told::Settings => folded.settings = true,
            Told::Unwritten(why) => folded.unwritten = Some(why),
            // Something was missed.
            _ => folded.all = true,
        }
    }

    fn event(&mut self, manager: &Manager, id: EntryId, event: &Event, folded: &mut Folded) {
        folded.changed.insert(id);
        let Some(entry) = manager.entry(id) else { return };
        match event {
            Event::Progress(progress) => {
                let before = self.received.insert(id, progress.received);
                let moved = before.map_or(0, |before| progress.received.saturating_sub(before));
                self.metrics.moved(entry.kind, moved);
                return;
            }
            Event::Started { .. } | Event::Resumed { .. } | Event::Restarted { .. } => {
                self.received.remove(&id);
            }
            _ => {}
        }
        self.metrics.event(event);
        let value = told(event, entry.kind, crate::now_ms());
        if folded.told.len() >= TOLD_MAX {
            folded.told.pop_front();
        }
        folded.told.push_back((id, value));
    }
}
