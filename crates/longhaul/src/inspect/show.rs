//! What of this file is safe, and what would the next start do? For `show --explain`.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longhaul_core::download::restart::Restart;
use longhaul_core::download::resume::{FoundJournal, Generation, StartVerdict, TargetRefusal, TargetState};
use longhaul_core::download::step::Failure;

use super::joinable;
use crate::advice::Advice;
use crate::client::Client;
use crate::disk::folder::FileStat;
use crate::disk::platform;
use crate::disk::state::listing::id_text;
use crate::disk::state::receipt::ReceiptFile;
use crate::drive::download::failure::error_of;
use crate::error::Error;
use crate::event::{Digest, Verified};
use crate::identity::{ObjectIdentity, unix_time};
use crate::source::range_text;
use crate::target::{NamedTarget, TargetSnapshot, not_found};

/// What was found for a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Inspection {
    /// A transfer that is not over.
    Unfinished(Box<Unfinished>),
    /// The finished file, as its receipt says.
    Finished(Box<Finished>),
}

/// A finished file whose receipt fits it (length and modification time). Its bytes were not read:
/// [`Client::verify`] does that.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Finished {
    /// The file.
    pub path: PathBuf,
    /// Where it came from, without secrets.
    pub source: String,
    /// Which bytes of it, as [`range`](crate::DownloadBuilder::range) takes them; `None`: all.
    pub range: Option<String>,
    /// Which version it is.
    pub object: ObjectIdentity,
    /// Its length in bytes.
    pub length: u64,
    /// What was verified when it was published.
    pub verified: Verified,
    /// Digests that were computed and matched.
    pub digests: Vec<Digest>,
    /// When it was finished.
    pub finished: SystemTime,
    /// Files of an unfinished transfer lie beside it all the same; in words.
    pub leftover: Option<String>,
}

/// An unfinished transfer. All ranges are half-open, in bytes of the file, ascending, and do not touch.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Unfinished {
    /// The target.
    pub path: PathBuf,
    /// 32 hexadecimal digits; `None` without a readable journal.
    pub id: Option<String>,
    /// Where it comes from, without secrets; `None` without a readable journal.
    pub source: Option<String>,
    /// Which bytes of it, as [`range`](crate::DownloadBuilder::range) takes them; `None`: all.
    pub range: Option<String>,
    /// Where the store was asked, when `source` is a name in one.
    pub endpoint: Option<String>,
    /// The version of the object that was asked for by its id.
    pub version: Option<String>,
    /// Secret parts of the link were not stored: going on needs a fresh link.
    pub needs_link: bool,
    /// Header values were not stored: going on may need them again.
    pub needs_headers: bool,
    /// What the next start of this source would do.
    pub next_start: NextStart,
    /// Which version of the object is held; `None` when no byte is.
    pub object: Option<ObjectIdentity>,
    /// Whether held bytes may be joined with those of a later reply.
    pub resumable: bool,
    /// Why, or why not.
    pub resumable_why: String,
    /// Which generation of the part file is current; each change of the object begins another.
    pub generation: Option<u32>,
    /// Written and synced: safe against a power cut.
    pub claimed: Vec<Range<u64>>,
    /// Written: safe against a kill. Read back before anything is built on it.
    pub hinted: Vec<Range<u64>>,
    /// Recorded, but the part file is missing or too short for it: given up at the next start.
    pub voided: Vec<Range<u64>>,
    /// What the next start would fetch, and why. Bytes that do not match when they are read back come on top.
    pub fetch: Vec<FetchRange>,
    /// Bytes that are read back from the disk: hints first, claims beside the download.
    pub reread: u64,
    /// The part file looks exactly as it did at an orderly stop: no held byte needs to be read back.
    pub clean_stop: bool,
    /// An older version that is kept until the new one is safe.
    pub old: Option<KeptGeneration>,
    /// The new generation's file must still take the part file's name.
    pub promotion_pending: bool,
    /// The file was about to be renamed to the target, or has been.
    pub publishing: bool,
    /// Why bytes were given up in the past, in order; [`Restart::explain`] says it in words.
    pub restarts: Vec<Restart>,
    /// How the journal is.
    pub journal: JournalHealth,
    /// `NAME.lhpart`.
    pub part: Option<PartState>,
    /// `NAME.lhnext`, the file of a new generation.
    pub next: Option<PartState>,
    /// The process that holds the transfer's lock, where the system can tell. What it does meanwhile is not shown.
    pub holder: Option<u32>,
}

/// What a start would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStart {
    /// Goes on with what is held.
    Continues,
    /// Begins from the first byte; with the reason, when bytes were held.
    StartsOver(Option<Restart>),
    /// The whole file stands at the target: only the last steps are missing.
    FinishesPublishing,
    /// Is refused.
    Refused {
        /// Why, in words.
        why: String,
        /// What helps.
        advice: Option<Advice>,
    },
}

/// A range that would be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchRange {
    /// The first byte.
    pub start: u64,
    /// One past the last byte; `None`: to the end, wherever that is.
    pub end: Option<u64>,
    /// Why.
    pub reason: FetchReason,
}

/// Why a range would be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchReason {
    /// It was not received yet.
    NotReceived,
    /// It was received, but the part file is missing or too short.
    Lost,
    /// It cannot be joined with what is held: everything comes again and is compared with it.
    NotProvable,
    /// The start begins from the first byte.
    StartsOver,
}

impl FetchReason {
    /// The word for programs, as in `--json`: it does not change.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotReceived => "not_received",
            Self::Lost => "lost",
            Self::NotProvable => "not_provable",
            Self::StartsOver => "starts_over",
        }
    }

    /// A few words for people.
    pub fn explain(self) -> &'static str {
        match self {
            Self::NotReceived => "not received yet",
            Self::Lost => "received, but the partial file is missing or too short",
            Self::NotProvable => "comes again and is compared: nothing proves that it is the same version",
            Self::StartsOver => "nothing that was received counts",
        }
    }
}

/// An older version of the object that is still kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KeptGeneration {
    /// Its number.
    pub generation: u32,
    /// Which version.
    pub object: ObjectIdentity,
    /// Bytes held of it.
    pub held: u64,
}

/// How the journal is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum JournalHealth {
    /// There is none.
    Absent,
    /// It can be read.
    Readable {
        /// Length of the file in bytes.
        len: u64,
        /// Bytes behind the last whole record, as a crash leaves them: they do not count.
        torn: u64,
    },
    /// It cannot be used, for this reason; the next start sets it aside.
    Unusable(String),
}

/// A part file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartState {
    /// Its length in bytes; it may have holes.
    pub len: u64,
    /// When it was last written.
    pub modified: Option<SystemTime>,
}

impl Client {
    /// What is known of a transfer or a finished file, from its folder (and for a finished one, the state directory).
    ///
    /// `what` is the target, its `.lhpart` or `.lhlog`, or the id of a transfer in the list (a file named like an id is
    /// told apart by a folder before it: `./NAME`). No file is locked, created, cut or renamed.
    ///
    /// # Blocking
    /// It reads the journal: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) when neither an unfinished transfer nor a receipt that fits is there,
    /// [`LocalFile`](crate::ErrorKind::LocalFile) when it must not be read.
    pub fn inspect(&self, what: impl AsRef<Path>) -> Result<Inspection, Error> {
        let state = self.state().map(AsRef::as_ref);
        let what = what.as_ref();
        let noted = what.to_str().and_then(|id| state?.transfer_with_id(id).ok()?).and_then(|note| note.path.to_path());
        let site = match &noted {
            Some(path) => NamedTarget::exactly(path)?,
            None => NamedTarget::of(what)?,
        };
        let looked = TargetSnapshot::at(&site, state)?;
        if looked.is_bare() && !matches!(looked.target, TargetState::File { finished: Some(_), .. }) {
            return Err(not_found(
                &site.path,
                match (&looked.target, &looked.receipt) {
                    (TargetState::Absent, None) => "there is no such file and no unfinished transfer of it",
                    (TargetState::Absent, Some(_)) => "it was finished, and is gone since",
                    (_, Some(_)) => "it was changed since it was finished; verify says where",
                    (_, None) => "it is not the outcome of a known transfer, and there is no unfinished one of it",
                },
            ));
        }
        let (verdict, refusal) = looked.judge();
        if let (StartVerdict::Finished(_), Some(receipt)) = (&verdict, &looked.receipt) {
            return Ok(Inspection::Finished(Box::new(finished(receipt, &site, &looked))));
        }
        Ok(Inspection::Unfinished(Box::new(unfinished(&site, &looked, verdict, refusal))))
    }
}

fn finished(receipt: &ReceiptFile, site: &NamedTarget, looked: &TargetSnapshot) -> Finished {
    let leftover = match &looked.journal {
        FoundJournal::SetAside(problem) => Some(format!("a journal that cannot be used: {problem}")),
        _ if looked.main.is_some() || looked.next.is_some() => Some("a partial file without a journal".into()),
        _ => looked.obstacle.clone(),
    };
    Finished {
        path: site.path.clone(),
        source: receipt.source.clone(),
        range: range_text(&receipt.range),
        object: (&receipt.of.identity).into(),
        length: receipt.of.length,
        verified: receipt.of.verified.into(),
        digests: receipt.of.digests.clone(),
        finished: UNIX_EPOCH.checked_add(Duration::from_millis(receipt.finished_ms)).unwrap_or(UNIX_EPOCH),
        leftover,
    }
}

fn unfinished(
    site: &NamedTarget,
    looked: &TargetSnapshot,
    verdict: StartVerdict,
    refusal: Option<TargetRefusal>,
) -> Unfinished {
    let recovered = match &looked.journal {
        FoundJournal::Read(recovered) => Some(recovered),
        _ => None,
    };
    let source = recovered.map(|r| &r.source);
    let mut out = Unfinished {
        path: site.path.clone(),
        id: source.map(|s| id_text(s.id)),
        source: source.map(|s| s.url.clone()),
        range: source.and_then(|s| range_text(&s.window)),
        endpoint: source.and_then(|s| s.endpoint.clone()),
        version: source.and_then(|s| s.version.clone()),
        needs_link: source.is_some_and(|s| s.needs_link),
        needs_headers: source.is_some_and(|s| s.needs_headers),
        next_start: NextStart::StartsOver(None),
        object: None,
        resumable: false,
        resumable_why: "nothing is held".into(),
        generation: None,
        claimed: Vec::new(),
        hinted: Vec::new(),
        voided: Vec::new(),
        fetch: Vec::new(),
        reread: 0,
        clean_stop: false,
        old: None,
        promotion_pending: false,
        publishing: recovered.is_some_and(|r| r.publishing.is_some()),
        restarts: recovered.map(|r| r.history.clone()).unwrap_or_default(),
        journal: match &looked.journal {
            FoundJournal::Absent => JournalHealth::Absent,
            FoundJournal::Read(r) => JournalHealth::Readable {
                len: looked.journal_len.max(r.readable.len),
                torn: looked.journal_len.saturating_sub(r.readable.len),
            },
            FoundJournal::SetAside(problem) => JournalHealth::Unusable(problem.to_string()),
        },
        part: looked.main.map(part_state),
        next: looked.next.map(part_state),
        holder: looked.main.and_then(|e| platform::lock_holder(e.device, e.facts.inode)),
    };
    match verdict {
        StartVerdict::Continue { current, old, promote, gone: _ } => {
            out.next_start = NextStart::Continues;
            out.promotion_pending = promote;
            out.old = old.map(|old| KeptGeneration {
                generation: old.begin.generation,
                object: (&old.begin.identity).into(),
                held: old.held.total() + total(&hinted(&old)),
            });
            out.describe(&current);
            out.fetch = to_fetch(&current, &out);
        }
        StartVerdict::FinishPublish { current, .. } => {
            out.next_start = NextStart::FinishesPublishing;
            out.describe(&current);
            out.reread = 0; // a whole file is not read again once it was renamed
        }
        StartVerdict::Fresh(reason) => {
            out.next_start = NextStart::StartsOver(reason);
            out.fetch = vec![FetchRange { start: 0, end: None, reason: FetchReason::StartsOver }];
        }
        // The first verdict was no refusal (or is told below), and a finished file was told already.
        StartVerdict::Refuse(_) | StartVerdict::Finished(_) => {}
    }
    if let Some(refusal) = refusal {
        let object = out.source.as_deref().unwrap_or("this source");
        let target = site.path.display().to_string();
        let error = error_of(Failure::Refused(refusal), object, &target, 0, Default::default());
        out.next_start = NextStart::Refused { why: error.to_string(), advice: error.advice() };
    }
    if let Some(obstacle) = &looked.obstacle {
        out.next_start = NextStart::Refused { why: obstacle.clone(), advice: Some(Advice::MoveAway) };
    }
    out
}

impl Unfinished {
    fn describe(&mut self, g: &Generation) {
        self.object = Some((&g.begin.identity).into());
        (self.resumable, self.resumable_why) = joinable(&g.begin.identity);
        self.generation = Some(g.begin.generation);
        self.claimed = claimed(g);
        self.hinted = hinted(g);
        let lost = merged(g.lost.iter().map(|r| r.start..r.end));
        self.voided = minus(&minus(&lost, &self.claimed), &self.hinted);
        let unread: u64 = g.held.list().iter().filter(|k| !k.read).map(|k| k.extent.len).sum();
        self.reread = unread + g.hints.iter().map(|h| h.len).sum::<u64>();
        self.clean_stop = self.reread == 0 && g.held.total() > 0;
    }
}

fn part_state(entry: FileStat) -> PartState {
    let ns = entry.facts.mtime_ns;
    let modified = unix_time(ns.div_euclid(1_000_000_000), ns.rem_euclid(1_000_000_000) as u32);
    PartState { len: entry.facts.len, modified }
}

/// What the next start asks for, beside what turns out damaged when it is read back.
fn to_fetch(g: &Generation, known: &Unfinished) -> Vec<FetchRange> {
    let length = g.begin.identity.length;
    let held = merged(known.claimed.iter().chain(&known.hinted).cloned());
    let missing = minus(&whole(length.unwrap_or(u64::MAX)), &held);
    let fetch = |r: &Range<u64>, reason| {
        let end = Some(r.end).filter(|&end| length.is_some() || end != u64::MAX);
        FetchRange { start: r.start, end, reason }
    };
    if !known.resumable && !missing.is_empty() {
        return vec![fetch(&(0..length.unwrap_or(u64::MAX)), FetchReason::NotProvable)];
    }
    let fresh = minus(&missing, &known.voided);
    let lost = minus(&missing, &fresh);
    let mut all: Vec<FetchRange> = fresh.iter().map(|r| fetch(r, FetchReason::NotReceived)).collect();
    all.extend(lost.iter().map(|r| fetch(r, FetchReason::Lost)));
    all.sort_by_key(|f| f.start);
    all
}

// ---- ranges ------------------------------------------------------------------------------------------------------

fn claimed(g: &Generation) -> Vec<Range<u64>> {
    merged(g.held.list().iter().map(|k| k.extent.start..k.extent.end()))
}

/// What is hinted beyond what is claimed.
pub(super) fn hinted(g: &Generation) -> Vec<Range<u64>> {
    minus(&merged(g.hints.iter().map(|h| h.start..h.end())), &claimed(g))
}

fn total(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|r| r.end - r.start).sum()
}

/// All bytes below `length`; no range when there are none.
pub(super) fn whole(length: u64) -> Vec<Range<u64>> {
    merged(std::iter::once(0..length))
}

/// The same bytes in ranges that ascend and do not touch.
pub(super) fn merged(ranges: impl IntoIterator<Item = Range<u64>>) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = ranges.into_iter().filter(|r| !r.is_empty()).collect();
    all.sort_by_key(|r| r.start);
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in all {
        match out.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

/// What is in `from` and not in `without`; both merged.
pub(super) fn minus(from: &[Range<u64>], without: &[Range<u64>]) -> Vec<Range<u64>> {
    let mut out = Vec::new();
    for range in from {
        let mut at = range.start;
        let first = without.partition_point(|w| w.end <= range.start);
        for w in without[first..].iter().take_while(|w| w.start < range.end) {
            if at < w.start {
                out.push(at..w.start);
            }
            at = w.end;
        }
        if at < range.end {
            out.push(at..range.end);
        }
    }
    out
}
