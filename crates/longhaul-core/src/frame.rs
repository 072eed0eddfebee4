//! How a journal is framed: what any kind of transfer's checkpoint looks like on disk.
//!
//! ```text
//! header   "longhaul" | version u16 | kind u16 | CRC-32C of the 12 bytes before, u32             16 bytes
//! frame    length u32 | CRC-32C u32 | sequence u32 | kind u8 | payload                           13 bytes + payload
//! ```
//!
//! All integers are little-endian. `length` counts the payload; the CRC covers sequence, kind and payload. Sequence
//! numbers start at 0 and rise by one, so that a frame left over behind a torn tail can never be reached again. Reading
//! stops at the first frame that is not whole: what follows was never promised, or cannot be trusted.
//!
//! What the payloads say is for [`journal`](crate::download::journal) (a download) and
//! [`upload::journal`](crate::upload::journal) to tell.

use crate::digest::{Digest, DigestKind};

/// The version of the format written here.
pub const VERSION: u16 = 1;
/// `kind` in the header: a download.
pub(crate) const KIND_DOWNLOAD: u16 = 1;
/// `kind` in the header: an upload.
pub(crate) const KIND_UPLOAD: u16 = 2;
const MAGIC: &[u8; 8] = b"longhaul";
/// Bytes before the first frame.
pub const HEADER_LEN: usize = 16;
const FRAME_HEAD_LEN: usize = 13;
/// A payload above this is damage: the largest real one is a claim of a few thousand extents.
const PAYLOAD_MAX: usize = 1 << 20;
/// Strings longer than this are not written (the field is left out) and not read.
pub(crate) const TEXT_MAX: usize = 16 << 10;
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
    /// Another kind of transfer than the one asked for.
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

/// A record of one kind of journal: how it is framed, and what records fold into.
pub trait JournalRecord: Sized {
    /// `kind` in the header of a journal of such records.
    const JOURNAL: u16;
    /// A journal, folded.
    type Recovered;

    /// Its code in the frame.
    fn code(&self) -> u8;

    /// Writes its payload.
    fn write(&self, payload: &mut Writer<'_>);

    /// The record with this code; `None` when the payload is not legal.
    fn read(code: u8, payload: &mut Reader<'_>) -> Option<Self>;

    /// The same in several records, where one would be too long for a frame; empty where it is not.
    fn split(&self) -> Vec<Self>;

    /// What a journal folds into that begins with this record; `None` when none does.
    fn begin(self) -> Option<Self::Recovered>;

    /// Adds this record to what the ones before folded into.
    ///
    /// # Errors
    /// [`Problem::Contradiction`].
    fn fold_into(self, recovered: &mut Self::Recovered) -> Result<(), Problem>;

    /// How far the journal is readable that was folded into this.
    fn readable(recovered: &mut Self::Recovered) -> &mut Readable;

    /// The id of the transfer that a journal is of.
    fn id_of(recovered: &Self::Recovered) -> [u8; 16];

    /// The same of a record, when it has it.
    fn id(&self) -> Option<[u8; 16]>;
}

/// How far a journal is readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Readable {
    /// Bytes that count; an append goes here, after the rest was cut off.
    pub len: u64,
    /// The sequence number of the next frame.
    pub next_sequence: u32,
    /// Whether bytes behind `len` were ignored.
    pub torn: bool,
}

/// The bytes that a new journal of such records begins with.
pub fn header<R: JournalRecord>() -> [u8; HEADER_LEN] {
    header_of(R::JOURNAL)
}

/// Appends the frames of records to `out`, from this sequence number on; the next one is given back.
pub fn encode<R: JournalRecord>(records: &[R], mut sequence: u32, out: &mut Vec<u8>) -> u32 {
    let mut frame = |record: &R| {
        write(record.code(), sequence, out, |payload| record.write(payload));
        sequence = sequence.wrapping_add(1);
    };
    for record in records {
        match record.split() {
            pieces if pieces.is_empty() => frame(record),
            pieces => pieces.iter().for_each(&mut frame),
        }
    }
    sequence
}

/// Reads a whole journal, as far as it is readable.
///
/// # Errors
/// Why no record of it can be used.
pub fn decode<R: JournalRecord>(file: &[u8]) -> Result<R::Recovered, Problem> {
    check_header(file, R::JOURNAL)?;
    let (mut at, mut sequence) = (HEADER_LEN, 0u32);
    let mut recovered: Option<R::Recovered> = None;
    while let Some((record, len)) = read(&file[at..], sequence, R::read) {
        match &mut recovered {
            None => recovered = Some(record.begin().ok_or(Problem::Contradiction)?),
            Some(recovered) => record.fold_into(recovered)?,
        }
        at += len;
        sequence = sequence.wrapping_add(1);
    }
    let mut recovered = recovered.ok_or(Problem::Short)?;
    *R::readable(&mut recovered) = Readable { len: at as u64, next_sequence: sequence, torn: at < file.len() };
    Ok(recovered)
}

fn header_of(kind: u16) -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    out[..8].copy_from_slice(MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[10..12].copy_from_slice(&kind.to_le_bytes());
    let crc = crc32c(&out[..12]);
    out[12..].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Checks the header of a whole journal file.
fn check_header(file: &[u8], wanted: u16) -> Result<(), Problem> {
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
        (Some(VERSION), Some(kind)) if kind == wanted => Ok(()),
        (Some(VERSION), Some(other)) => Err(Problem::OtherKind(other)),
        (other, _) => Err(Problem::Newer(other.unwrap_or(0))),
    }
}

/// Appends one frame; `payload` writes what is in it.
fn write(kind: u8, sequence: u32, out: &mut Vec<u8>, payload: impl FnOnce(&mut Writer<'_>)) {
    let head = out.len();
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&sequence.to_le_bytes());
    out.push(kind);
    payload(&mut Writer(out));
    let len = (out.len() - head - FRAME_HEAD_LEN) as u32;
    let crc = crc32c(&out[head + 8..]);
    out[head..head + 4].copy_from_slice(&len.to_le_bytes());
    out[head + 4..head + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the frame that begins here, if it is whole, has this sequence number and `record` makes something of its kind
/// and its payload to the last byte; with the frame's length.
fn read<'a, R>(
    bytes: &'a [u8],
    sequence: u32,
    record: impl FnOnce(u8, &mut Reader<'a>) -> Option<R>,
) -> Option<(R, usize)> {
    let mut r = Reader(bytes);
    let len = usize::try_from(r.u32()?).ok().filter(|&len| len <= PAYLOAD_MAX)?;
    let crc = r.u32()?;
    let whole = bytes.get(8..FRAME_HEAD_LEN + len)?;
    if crc32c(whole) != crc || r.u32()? != sequence {
        return None;
    }
    let kind = r.u8()?;
    let mut payload = Reader(&bytes[FRAME_HEAD_LEN..FRAME_HEAD_LEN + len]);
    let record = record(kind, &mut payload)?;
    payload.0.is_empty().then_some((record, FRAME_HEAD_LEN + len))
}

fn crc32c(bytes: &[u8]) -> u32 {
    crate::crc::of(crate::crc::Algorithm::Crc32c, bytes) as u32
}

/// Writes the parts of a payload.
pub struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    pub(crate) fn u8(&mut self, v: u8) {
        self.0.push(v);
    }
    pub(crate) fn u32(&mut self, v: u32) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn u64(&mut self, v: u64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn i64(&mut self, v: i64) {
        self.0.extend_from_slice(&v.to_le_bytes());
    }
    pub(crate) fn bytes(&mut self, v: &[u8]) {
        let v = if v.len() > TEXT_MAX { &[] } else { v };
        self.0.extend_from_slice(&(v.len() as u16).to_le_bytes());
        self.0.extend_from_slice(v);
    }
    /// At most 255 of them.
    pub(crate) fn digests(&mut self, digests: &[Digest]) {
        self.u8(digests.len().min(255) as u8);
        for digest in digests.iter().take(255) {
            self.u8(digest.kind().code());
            self.0.extend_from_slice(digest.bytes());
        }
    }
}

/// Reads the parts of a payload: `None` when they are not there or not legal.
pub struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        self.take(len)
    }
    pub(crate) fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }
    /// A counted list; the count is bounded by what the payload can hold.
    pub(crate) fn list<T>(&mut self, item_len: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(self.u32()?).ok()?;
        if count > self.0.len() / item_len {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }
    pub(crate) fn digests(&mut self) -> Option<Vec<Digest>> {
        let mut digests = Vec::new();
        for _ in 0..self.u8()? {
            let kind = DigestKind::from_code(self.u8()?)?;
            digests.push(Digest::new(kind, self.take(kind.len())?)?);
        }
        Some(digests)
    }
}
