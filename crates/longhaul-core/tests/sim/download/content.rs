//! The bytes of the objects: tiny, real, and different between versions wherever a version does not share a stretch
//! with another on purpose. No byte is 0, so that a hole is never taken for data.

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::words::Extent;

use crate::rng::Rng;

/// Room in every simulated file: the largest object and what an extension adds. One bit of a [`Mask`] for each byte.
pub(crate) const CAP: usize = 96;
/// The longest object.
pub(crate) const LEN_MAX: u64 = 64;

/// A set of byte offsets.
pub(crate) type Mask = u128;

/// The offsets `start..end`.
pub(crate) fn mask(start: usize, end: usize) -> Mask {
    let below = |n: usize| if n >= 128 { Mask::MAX } else { (1 << n) - 1 };
    below(end) & !below(start)
}

/// The offsets of an extent; what lies beyond every file is left out.
pub(crate) fn mask_of(extent: &Extent) -> Mask {
    mask(extent.start.min(CAP as u64) as usize, extent.end().min(CAP as u64) as usize)
}

/// One version of the object (or the page of a portal).
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) bytes: [u8; CAP],
    pub(crate) len: usize,
}

impl Content {
    pub(crate) fn new(tag: u64, len: usize) -> Self {
        let mut bytes = [0; CAP];
        for (i, b) in bytes[..len].iter_mut().enumerate() {
            *b = byte(tag, i);
        }
        Self { bytes, len }
    }

    /// A later version: of the same size, with the same head or tail, or longer or shorter.
    pub(crate) fn changed(&self, tag: u64, rng: &mut Rng) -> Self {
        let len = self.len;
        match rng.below(6) {
            0 | 1 => Self::new(tag, len),
            kind @ (2 | 3) => {
                let mut new = Self::new(tag, len);
                let at = rng.below(len as u64 + 1) as usize;
                let kept = if kind == 2 { 0..at } else { at..len };
                new.bytes[kept.clone()].copy_from_slice(&self.bytes[kept]);
                new
            }
            4 => {
                // Grown or cut, with the same head: what an appended log or a truncated copy looks like.
                let new_len = rng.below(LEN_MAX + 1) as usize;
                let mut new = Self::new(tag, new_len);
                let same = len.min(new_len);
                new.bytes[..same].copy_from_slice(&self.bytes[..same]);
                new
            }
            _ => Self::new(tag, rng.below(LEN_MAX + 1) as usize),
        }
    }

    pub(crate) fn slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Byte `offset` of the content `tag`; different tags (up to 6 apart) differ everywhere.
pub(crate) fn byte(tag: u64, offset: usize) -> u8 {
    let noise = (offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    ((noise + tag * 37) % 255) as u8 + 1
}

const fn crc64_table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xc96c_5795_d787_0f42 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

static CRC64: [u64; 256] = crc64_table();

/// CRC-64/XZ of what `from` was the CRC of (0 for no bytes), continued with `bytes`.
pub(crate) fn crc64(from: u64, bytes: &[u8]) -> u64 {
    !bytes.iter().fold(!from, |crc, &b| CRC64[((crc ^ u64::from(b)) & 0xff) as usize] ^ (crc >> 8))
}

/// A digest of these bytes: the true CRC-64, and for the other kinds something of the right length that depends on
/// every byte.
pub(crate) fn digest(kind: DigestKind, bytes: &[u8]) -> Digest {
    let crc = crc64(0, bytes);
    let mut out = [0; 64];
    for (i, chunk) in out.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(&(crc ^ i as u64).to_be_bytes());
    }
    match Digest::new(kind, &out[..kind.len()]) {
        Some(digest) => digest,
        None => unreachable!("the length is the kind's"),
    }
}

#[test]
fn the_crc_is_the_one_of_the_standard_and_continues() {
    assert_eq!(crc64(0, b"123456789"), 0x995d_c9bb_df19_39fa); // the catalogue's check value of CRC-64/XZ
    assert_eq!(crc64(crc64(0, b"1234"), b"56789"), crc64(0, b"123456789"));
}

#[test]
fn versions_differ_everywhere_and_hold_no_zero() {
    for i in 0..CAP {
        for a in 0..6 {
            assert_ne!(byte(a, i), 0);
            for b in a + 1..6 {
                assert_ne!(byte(a, i), byte(b, i));
            }
        }
    }
}
