//! What is in the checkpoint? The journal of one download: an append-only file of framed records, `NAME.lhlog`.
//!
//! Framing is in `frame`; `docs/journal.md` draws every record byte by byte.
//!
//! Two kinds of record speak of bytes. A **claim** follows a completed sync. A **hint** was written without one, and
//! counts only after its bytes were read back, matched and synced. This module encodes, decodes and folds records into
//! [`Recovered`]; what that is worth is decided in [`resume`](crate::download::resume).

use super::adopt::Foreign;
use super::held::Slot;
use super::restart::Restart;
use crate::frame::{self, JournalRecord, KIND_DOWNLOAD, Readable, Reader, TEXT_MAX, Writer};
pub use crate::frame::{HEADER_LEN, Problem, VERSION};
use crate::identity::Identity;
use crate::ranges::Range;
use crate::window::{Window, WindowPart};
use crate::words::{Extent, FileFacts};

/// Extents in one claim, ranges in one void; more are split over several records.
const LIST_MAX: usize = 4096;

/// What the transfer is of; the first record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// Names the transfer in lists and commands.
    pub id: [u8; 16],
    /// The stable URL without userinfo, fragment and secret query values.
    pub url: String,
    /// The target's file name: a single component, raw bytes.
    pub name: Vec<u8>,
    /// Secret parts of the URL were left out: a resume needs the link again.
    pub needs_link: bool,
    /// Header values were given and are not stored: a resume may need them again.
    pub needs_headers: bool,
    /// Where the store is, when `url` is a name in one (`oss://BUCKET/KEY`).
    pub endpoint: Option<String>,
    /// The version of the object that was asked for by its id.
    pub version: Option<String>,
    /// Which bytes of the object are wanted.
    pub window: Window,
}

/// The begin of a generation: one identity, one file.
#[derive(Debug, Clone, PartialEq)]
pub struct Begin {
    /// Rises by one with every generation of this journal.
    pub generation: u32,
    /// Which file holds its bytes.
    pub slot: Slot,
    /// The identity of every byte of it.
    pub identity: Identity,
    /// The grid for extents, a power of two, in bytes.
    pub block_len: u64,
    /// Why an earlier generation was left, if there was one.
    pub reason: Option<Restart>,
}

/// A file is about to be renamed to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publishing {
    /// Whose file.
    pub generation: u32,
    /// Its facts when it was sealed; inode and length are what a later start compares.
    pub facts: FileFacts,
}

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// What the transfer is of.
    Source(Source),
    /// A generation begins.
    Begin(Begin),
    /// These bytes were written, unsynced.
    Hint {
        /// Whose.
        generation: u32,
        /// Which.
        extent: Extent,
    },
    /// These bytes were written and synced.
    Claim {
        /// Whose.
        generation: u32,
        /// Which.
        extents: Vec<Extent>,
    },
    /// Every hint and claim that overlaps these ranges is void.
    Void {
        /// Whose.
        generation: u32,
        /// Where.
        ranges: Vec<Range>,
        /// Why.
        reason: Restart,
    },
    /// The length is known now.
    Length {
        /// Whose.
        generation: u32,
        /// In bytes.
        length: u64,
    },
    /// Every promise about this generation is void; its file may be removed or replaced.
    Retire {
        /// Which.
        generation: u32,
    },
    /// The process stopped in order: everything held is claimed, and the file looked like this.
    CleanStop {
        /// Whose file.
        generation: u32,
        /// Its facts after the last sync.
        facts: FileFacts,
    },
    /// The file is about to be renamed to the target.
    Publishing(Publishing),
    /// What is known of another program's bytes in a generation.
    Foreign {
        /// Which.
        generation: u32,
        /// `None`: there are none.
        state: Option<Foreign>,
    },
}

/// One generation, folded from its records.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// Its first record.
    pub begin: Begin,
    /// Claimed extents, by start.
    pub claims: Vec<Extent>,
    /// Hinted extents that are not claimed to that length, by start.
    pub hints: Vec<Extent>,
    /// The facts of a clean stop, if that was the last record.
    pub clean_stop: Option<FileFacts>,
    /// Bytes of another program are among them.
    pub foreign: Option<Foreign>,
}

/// A journal, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// What the transfer is of.
    pub source: Source,
    /// The generation that bytes are added to, if one began.
    pub current: Option<Folded>,
    /// An older generation that is still kept (then `current` lives in `Slot::Next`).
    pub old: Option<Folded>,
    /// The old generation was retired: `NAME.lhnext`, if it exists, must become `NAME.lhpart` now.
    pub promote: bool,
    /// A rename to the target was under way.
    pub publishing: Option<Publishing>,
    /// Every restart and void, in order, for `show --explain`.
    pub history: Vec<Restart>,
    /// How far the journal is readable.
    pub readable: Readable,
}

/// The bytes that a new journal begins with.
pub fn header() -> [u8; HEADER_LEN] {
    frame::header::<Record>()
}

/// Appends the frames of records to `out`, from this sequence number on; the next one is given back. Long lists are
/// split.
pub fn encode(records: &[Record], sequence: u32, out: &mut Vec<u8>) -> u32 {
    frame::encode(records, sequence, out)
}

/// Reads a whole journal, as far as it is readable.
///
/// # Errors
/// Why nothing of it can be used.
pub fn decode(file: &[u8]) -> Result<Recovered, Problem> {
    frame::decode::<Record>(file)
}

impl Recovered {
    fn new(source: Source) -> Self {
        Self {
            source,
            current: None,
            old: None,
            promote: false,
            publishing: None,
            history: Vec::new(),
            readable: Readable::default(),
        }
    }

    fn fold(&mut self, record: Record) -> Result<(), Problem> {
        if !matches!(record, Record::Publishing(_)) {
            self.publishing = None;
        }
        if let Some(current) = &mut self.current
            && !matches!(record, Record::Publishing(_))
        {
            current.clean_stop = None;
        }
        match record {
            Record::Source(source) => self.source = source,
            Record::Begin(begin) => {
                if let Some(reason) = begin.reason {
                    self.history.push(reason);
                }
                if self.current.is_none() && begin.slot == Slot::Next {
                    return Err(Problem::Contradiction); // a second file without a first one
                }
                if let Some(mut previous) = self.current.take()
                    && begin.slot == Slot::Next
                {
                    if previous.begin.slot == Slot::Next && !self.promote {
                        return Err(Problem::Contradiction); // two generations in one file
                    }
                    previous.begin.slot = Slot::Main;
                    self.old = Some(previous);
                }
                if begin.slot == Slot::Main {
                    self.old = None; // its file is this one's now
                }
                self.promote = false;
                let (claims, hints) = (Vec::new(), Vec::new());
                self.current = Some(Folded { begin, claims, hints, clean_stop: None, foreign: None });
            }
            Record::Hint { generation, extent } => {
                if let Some(g) = self.generation(generation) {
                    put(&mut g.hints, extent);
                }
            }
            Record::Claim { generation, extents } => {
                if let Some(g) = self.generation(generation) {
                    for extent in extents {
                        put(&mut g.claims, extent);
                        g.hints.retain(|h| h.start != extent.start || h.len > extent.len);
                    }
                }
            }
            Record::Void { generation, ranges, reason } => {
                self.history.push(reason);
                if let Some(g) = self.generation(generation) {
                    g.claims.retain(|e| !ranges.iter().any(|r| r.overlaps(e.range())));
                    g.hints.retain(|e| !ranges.iter().any(|r| r.overlaps(e.range())));
                }
            }
            Record::Length { generation, length } => {
                if let Some(g) = self.generation(generation) {
                    g.begin.identity.length = Some(length);
                }
            }
            Record::Retire { generation } => {
                if self.old.as_ref().is_some_and(|g| g.begin.generation == generation) {
                    self.old = None;
                    self.promote = true;
                } else if self.current.as_ref().is_some_and(|g| g.begin.generation == generation) {
                    self.current = self.old.take();
                    self.promote = false;
                }
            }
            Record::CleanStop { generation, facts } => {
                if let Some(g) = self.generation(generation) {
                    g.clean_stop = Some(facts);
                }
            }
            Record::Publishing(publishing) => self.publishing = Some(publishing),
            Record::Foreign { generation, state } => {
                if let Some(g) = self.generation(generation) {
                    g.foreign = state;
                }
            }
        }
        Ok(())
    }

    fn generation(&mut self, number: u32) -> Option<&mut Folded> {
        [self.current.as_mut(), self.old.as_mut()].into_iter().flatten().find(|g| g.begin.generation == number)
    }
}

/// Extents are kept by start; a later one with the same start replaces the earlier.
fn put(list: &mut Vec<Extent>, extent: Extent) {
    match list.binary_search_by_key(&extent.start, |e| e.start) {
        Ok(i) => list[i] = extent,
        Err(i) => list.insert(i, extent),
    }
}

// ---- payloads --------------------------------------------------------------------------------------------------

impl JournalRecord for Record {
    const JOURNAL: u16 = KIND_DOWNLOAD;
    type Recovered = Recovered;

    fn code(&self) -> u8 {
        match self {
            Self::Source(_) => 1,
            Self::Begin(_) => 2,
            Self::Hint { .. } => 3,
            Self::Claim { .. } => 4,
            Self::Void { .. } => 5,
            Self::Length { .. } => 6,
            Self::Retire { .. } => 7,
            Self::CleanStop { .. } => 8,
            Self::Publishing(_) => 9,
            Self::Foreign { .. } => 10,
        }
    }

    fn write(&self, payload: &mut Writer<'_>) {
        payload.record(self);
    }

    fn read(code: u8, payload: &mut Reader<'_>) -> Option<Self> {
        payload.record(code)
    }

    fn split(&self) -> Vec<Self> {
        match self {
            Self::Claim { generation, extents } if extents.len() > LIST_MAX => {
                let claim = |part: &[Extent]| Self::Claim { generation: *generation, extents: part.to_vec() };
                extents.chunks(LIST_MAX).map(claim).collect()
            }
            Self::Void { generation, ranges, reason } if ranges.len() > LIST_MAX => {
                let void =
                    |part: &[Range]| Self::Void { generation: *generation, ranges: part.to_vec(), reason: *reason };
                ranges.chunks(LIST_MAX).map(void).collect()
            }
            _ => Vec::new(),
        }
    }

    fn begin(self) -> Option<Recovered> {
        match self {
            Self::Source(source) => Some(Recovered::new(source)),
            _ => None,
        }
    }

    fn fold_into(self, recovered: &mut Recovered) -> Result<(), Problem> {
        recovered.fold(self)
    }

    fn readable(recovered: &mut Recovered) -> &mut Readable {
        &mut recovered.readable
    }

    fn id_of(recovered: &Recovered) -> [u8; 16] {
        recovered.source.id
    }

    fn id(&self) -> Option<[u8; 16]> {
        match self {
            Self::Source(source) => Some(source.id),
            _ => None,
        }
    }
}

impl Writer<'_> {
    fn record(&mut self, record: &Record) {
        match record {
            Record::Source(s) => {
                self.0.extend_from_slice(&s.id);
                let (endpoint, version) = (u8::from(s.endpoint.is_some()), u8::from(s.version.is_some()));
                let flags = u8::from(s.needs_link) | u8::from(s.needs_headers) << 1 | endpoint << 2 | version << 3;
                self.u8(flags | u8::from(!s.window.is_whole()) << 4);
                self.bytes(s.url.as_bytes());
                self.bytes(&s.name);
                for text in [&s.endpoint, &s.version].into_iter().flatten() {
                    self.bytes(text.as_bytes());
                }
                if !s.window.is_whole() {
                    self.window(&s.window);
                }
            }
            Record::Begin(b) => {
                self.u32(b.generation);
                self.u8(slot_code(b.slot));
                self.u64(b.block_len);
                self.u8(b.reason.map_or(0, Restart::code));
                self.identity(&b.identity);
            }
            Record::Hint { generation, extent } => {
                self.u32(*generation);
                self.extent(extent);
            }
            Record::Claim { generation, extents } => {
                self.u32(*generation);
                self.u32(extents.len() as u32);
                extents.iter().for_each(|e| self.extent(e));
            }
            Record::Void { generation, ranges, reason } => {
                self.u32(*generation);
                self.u8(reason.code());
                self.u32(ranges.len() as u32);
                for r in ranges {
                    self.u64(r.start);
                    self.u64(r.end);
                }
            }
            Record::Length { generation, length } => {
                self.u32(*generation);
                self.u64(*length);
            }
            Record::Retire { generation } => {
                self.u32(*generation);
            }
            Record::CleanStop { generation, facts } => {
                self.u32(*generation);
                self.facts(facts);
            }
            Record::Publishing(p) => {
                self.u32(p.generation);
                self.facts(&p.facts);
            }
            Record::Foreign { generation, state } => {
                self.u32(*generation);
                self.u8(foreign_code(*state));
            }
        }
    }

    fn extent(&mut self, e: &Extent) {
        self.u64(e.start);
        self.u64(e.len);
        self.u64(e.crc);
    }
    /// A piece by its form: from an offset, from an offset up to another one, the last so many bytes.
    fn window(&mut self, window: &Window) {
        self.u32(window.parts().len() as u32);
        for part in window.parts() {
            let (form, start, end) = match *part {
                WindowPart::From(start) => (0, start, 0),
                WindowPart::Span(range) => (1, range.start, range.end),
                WindowPart::Last(count) => (2, count, 0),
            };
            self.u8(form);
            self.u64(start);
            self.u64(end);
        }
    }
    fn facts(&mut self, f: &FileFacts) {
        self.u64(f.len);
        self.u64(f.inode);
        self.i64(f.mtime_ns);
        self.i64(f.ctime_ns);
    }
    fn identity(&mut self, i: &Identity) {
        let short = |s: &Option<String>| s.as_ref().is_some_and(|s| s.len() <= TEXT_MAX);
        let flags = u8::from(short(&i.version))
            | u8::from(short(&i.etag)) << 1
            | u8::from(i.modified.is_some()) << 2
            | u8::from(i.modified_is_old) << 3
            | u8::from(i.length.is_some()) << 4
            | u8::from(short(&i.encoding)) << 5
            | u8::from(i.html) << 6
            | u8::from(i.distrusted) << 7;
        self.u8(flags);
        for text in [&i.version, &i.etag, &i.encoding].into_iter().filter(|t| short(t)).flatten() {
            self.bytes(text.as_bytes());
        }
        i.modified.into_iter().for_each(|m| self.i64(m));
        i.length.into_iter().for_each(|l| self.u64(l));
        self.digests(&i.digests);
        self.u8(u8::from(i.of.is_some()));
        i.of.into_iter().for_each(|of| self.u64(of));
    }
}

impl Reader<'_> {
    fn range(&mut self) -> Option<Range> {
        let (start, end) = (self.u64()?, self.u64()?);
        (start <= end).then_some(Range { start, end })
    }
    fn extent(&mut self) -> Option<Extent> {
        let extent = Extent { start: self.u64()?, len: self.u64()?, crc: self.u64()? };
        (extent.len > 0 && extent.start.checked_add(extent.len).is_some()).then_some(extent)
    }
    fn window(&mut self) -> Option<Window> {
        let parts = self.list(17, |r| {
            let (form, start, end) = (r.u8()?, r.u64()?, r.u64()?);
            match (form, end) {
                (0, 0) => Some(WindowPart::From(start)),
                (1, _) => Some(WindowPart::Span(Range::new(start, end))),
                (2, 0) => Some(WindowPart::Last(start)),
                _ => None,
            }
        })?;
        Window::new(parts).filter(|window| !window.is_whole())
    }
    fn facts(&mut self) -> Option<FileFacts> {
        Some(FileFacts { len: self.u64()?, inode: self.u64()?, mtime_ns: self.i64()?, ctime_ns: self.i64()? })
    }
    fn identity(&mut self) -> Option<Identity> {
        let flags = self.u8()?;
        let has = |bit: u8| flags & (1 << bit) != 0;
        let mut identity = Identity {
            version: if has(0) { Some(self.text()?) } else { None },
            etag: if has(1) { Some(self.text()?) } else { None },
            encoding: if has(5) { Some(self.text()?) } else { None },
            modified: if has(2) { Some(self.i64()?) } else { None },
            modified_is_old: has(3),
            length: if has(4) { Some(self.u64()?) } else { None },
            html: has(6),
            distrusted: has(7),
            digests: Vec::new(),
            of: None,
        };
        identity.digests = self.digests()?;
        identity.of = if self.u8()? != 0 { Some(self.u64()?) } else { None };
        Some(identity)
    }
    fn record(&mut self, kind: u8) -> Option<Record> {
        Some(match kind {
            1 => {
                let id = self.array()?;
                let flags = self.u8()?;
                Record::Source(Source {
                    id,
                    needs_link: flags & 1 != 0,
                    needs_headers: flags & 2 != 0,
                    url: self.text()?,
                    name: self.bytes()?.to_vec(),
                    endpoint: if flags & 4 != 0 { Some(self.text()?) } else { None },
                    version: if flags & 8 != 0 { Some(self.text()?) } else { None },
                    window: if flags & 16 != 0 { self.window()? } else { Window::default() },
                })
            }
            2 => {
                let (generation, slot, block_len, reason) =
                    (self.u32()?, slot_from(self.u8()?)?, self.u64()?, self.u8()?);
                let reason = if reason == 0 { None } else { Some(Restart::from_code(reason)?) };
                if !block_len.is_power_of_two() {
                    return None;
                }
                Record::Begin(Begin { generation, slot, identity: self.identity()?, block_len, reason })
            }
            3 => Record::Hint { generation: self.u32()?, extent: self.extent()? },
            4 => Record::Claim { generation: self.u32()?, extents: self.list(24, Self::extent)? },
            5 => {
                let (generation, reason) = (self.u32()?, Restart::from_code(self.u8()?)?);
                Record::Void { generation, ranges: self.list(16, Self::range)?, reason }
            }
            6 => Record::Length { generation: self.u32()?, length: self.u64()? },
            7 => Record::Retire { generation: self.u32()? },
            8 => Record::CleanStop { generation: self.u32()?, facts: self.facts()? },
            9 => Record::Publishing(Publishing { generation: self.u32()?, facts: self.facts()? }),
            10 => Record::Foreign { generation: self.u32()?, state: foreign_from(self.u8()?)? },
            _ => return None,
        })
    }
}

fn foreign_code(state: Option<Foreign>) -> u8 {
    match state {
        None => 0,
        Some(Foreign::Unproven) => 1,
        Some(Foreign::Compared) => 2,
    }
}

fn foreign_from(code: u8) -> Option<Option<Foreign>> {
    match code {
        0 => Some(None),
        1 => Some(Some(Foreign::Unproven)),
        2 => Some(Some(Foreign::Compared)),
        _ => None,
    }
}

fn slot_code(slot: Slot) -> u8 {
    match slot {
        Slot::Main => 0,
        Slot::Next => 1,
    }
}

fn slot_from(code: u8) -> Option<Slot> {
    match code {
        0 => Some(Slot::Main),
        1 => Some(Slot::Next),
        _ => None,
    }
}
