//! What is in the checkpoint? The journal of one download: an append-only file of framed records, `NAME.lhlog`.
//!
//! ```text
//! header   "longhaul" | version u16 | kind u16 | CRC-32C of the 12 bytes before, u32             16 bytes
//! frame    length u32 | CRC-32C u32 | sequence u32 | kind u8 | payload                           13 bytes + payload
//! ```
//!
//! All integers are little-endian. `length` counts the payload; the CRC covers sequence, kind and payload. Sequence
//! numbers start at 0 and rise by one, so that a frame left over behind a torn tail can never be reached again. Reading
//! stops at the first frame that is not whole: what follows was never promised, or cannot be trusted.
//! `docs/journal.md` draws every record byte by byte.
//!
//! Two kinds of record speak of bytes. A **claim** follows a completed sync. A **hint** was written without one, and
//! counts only after its bytes were read back, matched and synced. This module encodes, decodes and folds records into
//! [`Recovered`]; what that is worth is decided in [`resume`](crate::resume).

use crate::digest::{Digest, DigestKind};
use crate::identity::Identity;
use crate::ranges::Range;
use crate::resume::Restart;
use crate::step::{Extent, FileFacts, Slot};

/// The version of the format written here.
pub const VERSION: u16 = 1;
/// `kind` in the header: a download.
const KIND_DOWNLOAD: u16 = 1;
const MAGIC: &[u8; 8] = b"longhaul";
/// Bytes before the first frame.
pub const HEADER_LEN: usize = 16;
const FRAME_HEAD_LEN: usize = 13;
/// A payload above this is damage: the largest real one is a claim of a few thousand extents.
const PAYLOAD_MAX: usize = 1 << 20;
/// Strings longer than this are not written (the field is left out) and not read.
const TEXT_MAX: usize = 16 << 10;
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
    /// Bytes of the file that count; an append goes here, after the rest was cut off.
    pub valid_len: u64,
    /// The sequence number of the next frame.
    pub next_sequence: u32,
    /// Whether bytes behind `valid_len` were ignored.
    pub torn: bool,
}

/// Why a journal cannot be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Empty, or too short for a header and the first records.
    Short,
    /// It does not begin like a journal of ours.
    Foreign,
    /// The header is damaged.
    Damaged,
    /// A version that this program does not know.
    Newer(u16),
    /// A kind of transfer that is not a download.
    OtherKind(u16),
    /// The records contradict each other.
    Contradiction,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Short => f.write_str("the journal is empty or ends before its first records"),
            Self::Foreign => f.write_str("the file is not a longhaul journal"),
            Self::Damaged => f.write_str("the journal's header is damaged"),
            Self::Newer(v) => write!(f, "the journal has format version {v}, this program knows {VERSION}"),
            Self::OtherKind(k) => write!(f, "the journal is of another kind of transfer ({k})"),
            Self::Contradiction => f.write_str("the journal's records contradict each other"),
        }
    }
}

/// The bytes that a new journal begins with.
pub fn header() -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    out[..8].copy_from_slice(MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[10..12].copy_from_slice(&KIND_DOWNLOAD.to_le_bytes());
    let crc = crc32c(&out[..12]);
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Appends the frames of `records` to `out` and returns the next sequence number.
pub fn encode(records: &[Record], sequence: u32, out: &mut Vec<u8>) -> u32 {
    let mut sequence = sequence;
    for record in records {
        match record {
            Record::Claim { generation, extents } if extents.len() > LIST_MAX => {
                for part in extents.chunks(LIST_MAX) {
                    frame(&Record::Claim { generation: *generation, extents: part.to_vec() }, sequence, out);
                    sequence = sequence.wrapping_add(1);
                }
            }
            Record::Void { generation, ranges, reason } if ranges.len() > LIST_MAX => {
                for part in ranges.chunks(LIST_MAX) {
                    let part = Record::Void { generation: *generation, ranges: part.to_vec(), reason: *reason };
                    frame(&part, sequence, out);
                    sequence = sequence.wrapping_add(1);
                }
            }
            record => {
                frame(record, sequence, out);
                sequence = sequence.wrapping_add(1);
            }
        }
    }
    sequence
}

/// Reads a whole journal file.
pub fn decode(file: &[u8]) -> Result<Recovered, Problem> {
    let header = file.get(..HEADER_LEN).ok_or(Problem::Short)?;
    if &header[..8] != MAGIC {
        return Err(Problem::Foreign);
    }
    let mut r = Reader(&header[8..]);
    let (version, kind, crc) = (r.u16(), r.u16(), r.u32());
    if crc != Some(crc32c(&header[..12])) {
        return Err(Problem::Damaged);
    }
    match (version, kind) {
        (Some(VERSION), Some(KIND_DOWNLOAD)) => {}
        (Some(VERSION), Some(other)) => return Err(Problem::OtherKind(other)),
        (other, _) => return Err(Problem::Newer(other.unwrap_or(0))),
    }
    let mut at = HEADER_LEN;
    let mut sequence = 0u32;
    let mut fold: Option<Recovered> = None;
    while let Some((record, len)) = read_frame(&file[at..], sequence) {
        match (&mut fold, record) {
            (None, Record::Source(source)) => fold = Some(Recovered::new(source)),
            (None, _) => return Err(Problem::Contradiction),
            (Some(fold), record) => fold.fold(record)?,
        }
        at += len;
        sequence = sequence.wrapping_add(1);
    }
    let mut fold = fold.ok_or(Problem::Short)?;
    fold.valid_len = at as u64;
    fold.next_sequence = sequence;
    fold.torn = at < file.len();
    Ok(fold)
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
            valid_len: 0,
            next_sequence: 0,
            torn: false,
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
                self.current = Some(Folded { begin, claims: Vec::new(), hints: Vec::new(), clean_stop: None });
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

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

// ---- frames ----------------------------------------------------------------------------------------------------

fn frame(record: &Record, sequence: u32, out: &mut Vec<u8>) {
    let head = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&sequence.to_le_bytes());
    let body = Writer(out);
    let out = body.record(record);
    let len = (out.len() - head - FRAME_HEAD_LEN) as u32;
    let crc = crc32c(&out[head + 8..]);
    out[head..head + 4].copy_from_slice(&len.to_le_bytes());
    out[head + 4..head + 8].copy_from_slice(&crc.to_le_bytes());
}

fn read_frame(bytes: &[u8], sequence: u32) -> Option<(Record, usize)> {
    let mut r = Reader(bytes);
    let len = usize::try_from(r.u32()?).ok().filter(|&len| len <= PAYLOAD_MAX)?;
    let crc = r.u32()?;
    let whole = bytes.get(8..FRAME_HEAD_LEN + len)?;
    if crc32c(whole) != crc || r.u32()? != sequence {
        return None;
    }
    let kind = r.u8()?;
    let mut payload = Reader(&bytes[FRAME_HEAD_LEN..FRAME_HEAD_LEN + len]);
    let record = payload.record(kind)?;
    payload.0.is_empty().then_some((record, FRAME_HEAD_LEN + len))
}

struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    fn record(mut self, record: &Record) -> &'a mut Vec<u8> {
        match record {
            Record::Source(s) => {
                self.u8(1);
                self.0.extend_from_slice(&s.id);
                self.u8(u8::from(s.needs_link) | u8::from(s.needs_headers) << 1);
                self.bytes(s.url.as_bytes());
                self.bytes(&s.name);
            }
            Record::Begin(b) => {
                self.u8(2);
                self.u32(b.generation);
                self.u8(slot_code(b.slot));
                self.u64(b.block_len);
                self.u8(b.reason.map_or(0, Restart::code));
                self.identity(&b.identity);
            }
            Record::Hint { generation, extent } => {
                self.u8(3);
                self.u32(*generation);
                self.extent(extent);
            }
            Record::Claim { generation, extents } => {
                self.u8(4);
                self.u32(*generation);
                self.u32(extents.len() as u32);
                extents.iter().for_each(|e| self.extent(e));
            }
            Record::Void { generation, ranges, reason } => {
                self.u8(5);
                self.u32(*generation);
                self.u8(reason.code());
                self.u32(ranges.len() as u32);
                for r in ranges {
                    self.u64(r.start);
                    self.u64(r.end);
                }
            }
            Record::Length { generation, length } => {
                self.u8(6);
                self.u32(*generation);
                self.u64(*length);
            }
            Record::Retire { generation } => {
                self.u8(7);
                self.u32(*generation);
            }
            Record::CleanStop { generation, facts } => {
                self.u8(8);
                self.u32(*generation);
                self.facts(facts);
            }
            Record::Publishing(p) => {
                self.u8(9);
                self.u32(p.generation);
                self.facts(&p.facts);
            }
        }
        self.0
    }

    fn u8(&mut self, v: u8) {
        self.0.push(v);
    }
    fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn i64(&mut self, v: i64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    fn bytes(&mut self, v: &[u8]) {
        let v = if v.len() > TEXT_MAX { &[] } else { v };
        self.0.extend_from_slice(&(v.len() as u16).to_le_bytes());
        self.0.extend_from_slice(v);
    }
    fn extent(&mut self, e: &Extent) {
        self.u64(e.start);
        self.u64(e.len);
        self.u64(e.crc);
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
        self.u8(i.digests.len().min(255) as u8);
        for digest in i.digests.iter().take(255) {
            self.u8(digest.kind().code());
            self.0.extend_from_slice(digest.bytes());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }
    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        self.take(len)
    }
    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
    fn range(&mut self) -> Option<Range> {
        let (start, end) = (self.u64()?, self.u64()?);
        (start <= end).then_some(Range { start, end })
    }
    fn extent(&mut self) -> Option<Extent> {
        let extent = Extent { start: self.u64()?, len: self.u64()?, crc: self.u64()? };
        (extent.len > 0 && extent.start.checked_add(extent.len).is_some()).then_some(extent)
    }
    fn facts(&mut self) -> Option<FileFacts> {
        Some(FileFacts { len: self.u64()?, inode: self.u64()?, mtime_ns: self.i64()?, ctime_ns: self.i64()? })
    }
    /// A counted list; the count is bounded by what the payload can hold.
    fn list<T>(&mut self, item_len: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count > self.0.len() / item_len {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
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
        };
        for _ in 0..self.u8()? {
            let kind = DigestKind::from_code(self.u8()?)?;
            identity.digests.push(Digest::new(kind, self.take(kind.len())?)?);
        }
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
            _ => return None,
        })
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
