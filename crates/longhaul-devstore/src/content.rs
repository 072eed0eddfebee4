//! Which bytes does an object, or the body of an answer, consist of?
//!
//! A [`Content`] is a rope: a list of pieces, each a window into a source (a seeded generator, literal bytes, or one
//! byte repeated). Only literal bytes are held in memory, so an object of many gigabytes needs no room, and
//! every way to spoil a body (a flipped bit, another version from some offset on, extra bytes at the end, multipart
//! framing) is cutting and joining ropes.
//!
//! The generator is a function of (seed, offset) alone: any range can be made without what lies before it, and two
//! processes agree on the bytes without talking.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// How much is generated at a time when a whole content is read or digested.
const READ_BYTES: usize = 256 * 1024;

/// Bytes that can be made at any offset. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Content {
    pieces: Arc<[Piece]>,
    len: u64,
}

/// A window into a source: `len` bytes from offset `from` of the source stand at offset `at` of the content.
#[derive(Clone, Debug)]
struct Piece {
    at: u64,
    len: u64,
    from: u64,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    Seeded(u64),
    Bytes(Arc<[u8]>),
    Repeated(u8),
}

impl Content {
    /// Long enough that no test sees its end, short enough that sums of a few do not overflow.
    pub const ENDLESS: u64 = 1 << 60;

    /// `len` pseudo random bytes. The same seed gives the same bytes at the same offsets, for every length.
    pub fn seeded(seed: u64, len: u64) -> Content {
        Content::of_pieces(vec![Piece { at: 0, len, from: 0, source: Source::Seeded(scramble(seed)) }])
    }

    /// These very bytes.
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Content {
        let bytes: Vec<u8> = bytes.into();
        Content::of_pieces(vec![Piece { at: 0, len: bytes.len() as u64, from: 0, source: Source::Bytes(bytes.into()) }])
    }

    /// `len` times the same byte.
    pub fn repeated(byte: u8, len: u64) -> Content {
        Content::of_pieces(vec![Piece { at: 0, len, from: 0, source: Source::Repeated(byte) }])
    }

    /// No bytes.
    pub fn empty() -> Content {
        Content::of_pieces(Vec::new())
    }

    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of `range`; what lies past the end is left out.
    pub fn slice(&self, range: Range<u64>) -> Content {
        let (start, end) = (range.start.min(self.len), range.end.min(self.len));
        let mut pieces = Vec::new();
        for piece in self.pieces.iter() {
            let (from, to) = (start.max(piece.at), end.min(piece.at + piece.len));
            if from < to {
                pieces.push(Piece { len: to - from, from: piece.from + (from - piece.at), ..piece.clone() });
            }
        }
        Content::of_pieces(pieces)
    }

    /// These bytes, then those of `next`.
    pub fn then(&self, next: &Content) -> Content {
        Content::of_pieces(self.pieces.iter().chain(next.pieces.iter()).cloned().collect())
    }

    /// The same length, but from `offset` on the bytes that `other` has there: an object overwritten in place.
    pub fn switched_at(&self, offset: u64, other: &Content) -> Content {
        self.slice(0..offset).then(&other.slice(offset.min(self.len)..self.len))
    }

    /// The same tail, but the first `len` bytes those of `other`: two versions that only their beginning tells apart.
    pub fn with_start_of(&self, other: &Content, len: u64) -> Content {
        other.slice(0..len.min(self.len)).then(&self.slice(len..self.len))
    }

    /// The same length, with `bytes` written over what stood at `offset`.
    pub fn with_bytes_at(&self, offset: u64, bytes: &[u8]) -> Content {
        let offset = offset.min(self.len);
        let patch = Content::bytes(bytes).slice(0..self.len - offset);
        self.slice(0..offset).then(&patch).then(&self.slice(offset + patch.len..self.len))
    }

    /// The same length, with the lowest bit of the byte at `offset` flipped. Unchanged when `offset` is past the end.
    pub fn flipped(&self, offset: u64) -> Content {
        let mut byte = [0];
        match self.fill(offset, &mut byte) {
            0 => self.clone(),
            _ => self.with_bytes_at(offset, &[byte[0] ^ 1]),
        }
    }

    /// Writes the bytes from `offset` on into `buffer`; returns how many, fewer than asked only at the end.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        let first = self.pieces.partition_point(|piece| piece.at + piece.len <= offset);
        for piece in &self.pieces[first..] {
            if done == buffer.len() {
                break;
            }
            let skip = offset + done as u64 - piece.at;
            let count = (piece.len - skip).min((buffer.len() - done) as u64) as usize;
            piece.source.fill(piece.from + skip, &mut buffer[done..done + count]);
            done += count;
        }
        done
    }

    /// All bytes in memory. For contents known to be small.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.len).unwrap_or(usize::MAX)];
        self.fill(0, &mut bytes);
        bytes
    }

    /// The bytes in order, as a reader.
    pub fn reader(&self) -> ContentReader {
        ContentReader { content: self.clone(), offset: 0 }
    }

    /// The first offset at which `other` differs, is shorter, or is longer; `None` when it is the same bytes.
    pub fn first_difference(&self, mut other: impl Read) -> io::Result<Option<u64>> {
        let (mut theirs, mut ours) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
        let mut offset = 0;
        loop {
            let count = match other.read(&mut theirs) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if count == 0 {
                return Ok((offset < self.len).then_some(offset));
            }
            let have = self.fill(offset, &mut ours[..count]);
            if let Some(at) = ours[..have].iter().zip(&theirs[..have]).position(|(our, their)| our != their) {
                return Ok(Some(offset + at as u64));
            }
            offset += have as u64;
            if have < count {
                return Ok(Some(offset));
            }
        }
    }

    /// [`Content::first_difference`] of a file.
    pub fn first_difference_in_file(&self, path: impl AsRef<Path>) -> io::Result<Option<u64>> {
        self.first_difference(BufReader::with_capacity(READ_BYTES, File::open(path)?))
    }

    /// Hands all bytes to `take`, in order, in large slices.
    pub(crate) fn each(&self, mut take: impl FnMut(&[u8])) {
        let mut buffer = vec![0; READ_BYTES];
        let mut offset = 0;
        loop {
            let count = self.fill(offset, &mut buffer);
            if count == 0 {
                return;
            }
            take(&buffer[..count]);
            offset += count as u64;
        }
    }

    /// A number that differs for different contents and costs no reading of generated bytes. Equal bytes built in
    /// different ways may have different fingerprints, as they may have different ETags on a real server.
    pub(crate) fn fingerprint(&self) -> u64 {
        self.pieces.iter().fold(scramble(self.len), |so_far, piece| {
            let source = match &piece.source {
                Source::Seeded(state) => *state,
                Source::Repeated(byte) => u64::from(*byte),
                Source::Bytes(bytes) => bytes.iter().fold(1, |sum, byte| scramble(sum ^ u64::from(*byte))),
            };
            [piece.len, piece.from, source].iter().fold(so_far, |sum, part| scramble(sum ^ part))
        })
    }

    fn of_pieces(mut pieces: Vec<Piece>) -> Content {
        pieces.retain(|piece| piece.len > 0);
        let mut len = 0;
        for piece in &mut pieces {
            piece.at = len;
            len += piece.len;
        }
        Content { pieces: pieces.into(), len }
    }
}

impl Source {
    fn fill(&self, from: u64, buffer: &mut [u8]) {
        match self {
            Source::Seeded(state) => generate(*state, from, buffer),
            Source::Bytes(bytes) => buffer.copy_from_slice(&bytes[from as usize..from as usize + buffer.len()]),
            Source::Repeated(byte) => buffer.fill(*byte),
        }
    }
}

/// A [`Content`] read from its beginning to its end.
#[derive(Debug)]
pub struct ContentReader {
    content: Content,
    offset: u64,
}

impl Read for ContentReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.fill(self.offset, buffer);
        self.offset += count as u64;
        Ok(count)
    }
}

/// Byte k of the stream is byte k mod 8, little endian, of word k / 8; words are independent of each other.
fn generate(state: u64, from: u64, buffer: &mut [u8]) {
    let mut index = from / 8;
    let skip = (from % 8) as usize;
    let mut rest = buffer;
    if skip > 0 {
        let count = rest.len().min(8 - skip);
        let (head, tail) = rest.split_at_mut(count);
        head.copy_from_slice(&word(state, index).to_le_bytes()[skip..skip + count]);
        index += 1;
        rest = tail;
    }
    let mut words = rest.chunks_exact_mut(8);
    for eight in &mut words {
        eight.copy_from_slice(&word(state, index).to_le_bytes());
        index += 1;
    }
    let last = words.into_remainder();
    last.copy_from_slice(&word(state, index).to_le_bytes()[..last.len()]);
}

fn word(state: u64, index: u64) -> u64 {
    scramble(state.wrapping_add(index))
}

/// The output step of SplitMix64 (Steele, Lea, Flood 2014): neighbouring inputs give unrelated outputs.
fn scramble(input: u64) -> u64 {
    let mixed = input.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_of_a_generated_content_is_the_same_bytes() {
        let content = Content::seeded(7, 1000);
        let whole = content.to_vec();
        for start in 0..40 {
            for end in start..60 {
                let mut part = vec![0; end - start];
                assert_eq!(content.fill(start as u64, &mut part), end - start);
                assert_eq!(part, whole[start..end]);
                assert_eq!(content.slice(start as u64..end as u64).to_vec(), whole[start..end]);
            }
        }
        assert_eq!(content.fill(990, &mut [0; 64]), 10);
        assert_eq!(content.fill(2000, &mut [0; 64]), 0);
        assert_ne!(Content::seeded(8, 1000).to_vec(), whole);
    }

    #[test]
    fn ropes_cut_and_join_as_vectors_do() {
        let (a, b) = (Content::seeded(1, 50), Content::seeded(2, 50));
        let (va, vb) = (a.to_vec(), b.to_vec());
        for at in 0..=51usize {
            let n = at.min(50);
            let at = at as u64;
            assert_eq!(a.switched_at(at, &b).to_vec(), [&va[..n], &vb[n..]].concat());
            assert_eq!(a.with_start_of(&b, at).to_vec(), [&vb[..n], &va[n..]].concat());
            let mut flipped = va.clone();
            if let Some(byte) = flipped.get_mut(at as usize) {
                *byte ^= 1;
            }
            assert_eq!(a.flipped(at).to_vec(), flipped);
        }
        assert_eq!(a.then(&b).slice(40..60).to_vec(), [&va[40..], &vb[..10]].concat());
        assert_eq!(Content::bytes("abcdef").with_bytes_at(4, b"XYZ").to_vec(), b"abcdXY");
        assert_eq!(Content::repeated(b'z', 3).then(&Content::empty()).to_vec(), b"zzz");
    }

    #[test]
    fn the_first_difference_is_found() {
        let content = Content::seeded(3, 600_000);
        let mut bytes = content.to_vec();
        assert_eq!(content.first_difference(&bytes[..]).unwrap(), None);
        assert_eq!(content.first_difference(&bytes[..5]).unwrap(), Some(5));
        bytes[599_999] ^= 1;
        assert_eq!(content.first_difference(&bytes[..]).unwrap(), Some(599_999));
        bytes[599_999] ^= 1;
        bytes.push(0);
        assert_eq!(content.first_difference(&bytes[..]).unwrap(), Some(600_000));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes[..600_000]).unwrap();
        assert_eq!(content.first_difference_in_file(file.path()).unwrap(), None);
    }
}
