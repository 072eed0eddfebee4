//! Bytes of the simulated source and objects: few, so that a million histories fit into the test command, and real, so
//! that a mixture is seen by comparing.

use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::ranges::Range;
use longhaul_core::upload::step::Composite;

/// No source or object is longer.
pub(crate) const CAP: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Bytes {
    len: u8,
    bytes: [u8; CAP],
}

impl Bytes {
    pub(crate) fn new(of: impl Iterator<Item = u8>) -> Self {
        let mut bytes = Self::default();
        of.take(CAP).for_each(|b| bytes.push(b));
        bytes
    }

    pub(crate) fn push(&mut self, byte: u8) {
        self.bytes[usize::from(self.len)] = byte;
        self.len += 1;
    }

    pub(crate) fn append(&mut self, more: &Bytes) {
        more.as_slice().iter().take(CAP - self.len()).for_each(|&b| self.push(b));
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len()]
    }

    /// What lies there of a range; shorter when the range is longer.
    pub(crate) fn slice(&self, range: Range) -> Bytes {
        let end = (range.end as usize).min(self.len());
        Self::new(self.bytes[(range.start as usize).min(end)..end].iter().copied())
    }

    pub(crate) fn flip(&mut self, at: usize) {
        self.bytes[at] ^= 0x80;
    }
}

const BASE: u64 = 0x9e37_79b9_7f4a_7c15;

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |h, &b| h.wrapping_mul(BASE).wrapping_add(u64::from(b) + 1))
}

/// Stands for the CRC-64: the whole's can be made from those of the parts.
pub(crate) fn crc(bytes: &[u8]) -> Digest {
    value(DigestKind::Crc64, hash(bytes))
}

/// Stands for the MD5: the whole's cannot.
pub(crate) fn md5(bytes: &[u8]) -> Digest {
    value(DigestKind::Md5, hash(bytes) ^ 0x5555)
}

/// Stands for the CRC-64/NVME, which is made in the same way.
pub(crate) fn nvme(bytes: &[u8]) -> Digest {
    value(DigestKind::Crc64Nvme, !hash(bytes))
}

fn value(kind: DigestKind, of: u64) -> Digest {
    let mut bytes = of.to_be_bytes().repeat(2);
    bytes.truncate(kind.len());
    Digest::new(kind, bytes).unwrap_or_else(|| unreachable!("the length of the kind"))
}

pub(crate) fn digests(kinds: &[DigestKind], bytes: &[u8]) -> Vec<Digest> {
    let one = |kind: &DigestKind| match kind {
        DigestKind::Md5 => md5(bytes),
        DigestKind::Crc64Nvme => nvme(bytes),
        _ => crc(bytes),
    };
    kinds.iter().map(one).collect()
}

fn number(digest: &Digest) -> u64 {
    digest.bytes().iter().take(8).fold(0, |n, &b| n << 8 | u64::from(b))
}

/// What a driver makes of the digests of parts.
pub(crate) fn combine(parts: &[(u64, Vec<Digest>)]) -> (Vec<Digest>, Option<Composite>) {
    let of = |kind| move |(_, digests): &(u64, Vec<Digest>)| digests.iter().find(|d| d.kind() == kind).map(number);
    let whole = |kind, mask: u64| {
        let sum = parts.iter().try_fold(0u64, |h, part| {
            let power = (0..part.0).fold(1u64, |p, _| p.wrapping_mul(BASE));
            of(kind)(part).map(|crc| h.wrapping_mul(power).wrapping_add(crc ^ mask))
        });
        sum.map(|sum| value(kind, sum ^ mask))
    };
    let wholes = [whole(DigestKind::Crc64, 0), whole(DigestKind::Crc64Nvme, u64::MAX)];
    let md5s: Option<Vec<u64>> = parts.iter().map(of(DigestKind::Md5)).collect();
    (wholes.into_iter().flatten().collect(), md5s.map(|md5s| composite(&md5s)))
}

fn composite(md5s: &[u64]) -> Composite {
    let sum = md5s.iter().fold(7u64, |h, m| h.wrapping_mul(BASE) ^ m);
    let mut md5 = [0; 16];
    md5[..8].copy_from_slice(&sum.to_be_bytes());
    Composite { md5, count: md5s.len() as u32 }
}

/// What a store makes of the parts themselves.
pub(crate) fn composite_of(parts: &[Bytes]) -> Composite {
    let md5s: Vec<u64> = parts.iter().map(|part| number(&md5(part.as_slice()))).collect();
    composite(&md5s)
}

#[test]
fn the_digest_of_the_whole_is_made_from_those_of_the_parts() {
    let whole = Bytes::new(1..=11);
    let parts: Vec<Bytes> = (0..4).map(|n| whole.slice(Range::new(n * 3, n * 3 + 3))).collect();
    let kinds = [DigestKind::Crc64, DigestKind::Md5, DigestKind::Crc64Nvme];
    let told: Vec<_> = parts.iter().map(|p| (p.len() as u64, digests(&kinds, p.as_slice()))).collect();
    let (digests, md5s) = combine(&told);
    assert_eq!(digests, [crc(whole.as_slice()), nvme(whole.as_slice())]);
    assert_eq!(md5s, Some(composite_of(&parts)));
    assert_ne!(md5(whole.as_slice()), md5(&whole.as_slice()[1..]));
}
