//! Digests of bytes as they pass, of any kinds at once; and those of a whole from those of its parts.

use crc_fast::CrcAlgorithm::{self, Crc32Iscsi, Crc64Nvme, Crc64Xz};
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::upload::step::Composite;
use sha2::Digest as _;

/// Several digests of the same bytes, under way.
pub(crate) struct Digests(Vec<(DigestKind, Hasher)>);

impl Digests {
    /// Before the first byte; `None` when one of the kinds cannot be computed here.
    pub(crate) fn new(kinds: &[DigestKind]) -> Option<Self> {
        kinds.iter().map(|&kind| Some((kind, Hasher::new(kind)?))).collect::<Option<_>>().map(Self)
    }

    /// Takes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|(_, hasher)| hasher.update(bytes));
    }

    /// The digests of everything, in the order in which their kinds were given.
    pub(crate) fn finish(self) -> Vec<Digest> {
        self.0.into_iter().filter_map(|(kind, hasher)| Digest::new(kind, hasher.finish())).collect()
    }
}

/// From the lengths and digests of all parts, in order: the CRCs of the whole of every kind that all parts have, and
/// the MD5 of their MD5s when all have one. Of no parts, the CRCs are those of no bytes.
pub(crate) fn combine(parts: &[(u64, Vec<Digest>)]) -> (Vec<Digest>, Option<Composite>) {
    let crcs = [(DigestKind::Crc64, Crc64Xz), (DigestKind::Crc64Nvme, Crc64Nvme), (DigestKind::Crc32c, Crc32Iscsi)];
    let whole = crcs.into_iter().filter_map(|(kind, algorithm)| combine_crcs(parts, kind, algorithm)).collect();
    (whole, composite(parts))
}

fn combine_crcs(parts: &[(u64, Vec<Digest>)], kind: DigestKind, algorithm: CrcAlgorithm) -> Option<Digest> {
    let mut whole = crc_fast::Digest::new(algorithm).finalize();
    for (len, digests) in parts {
        let bytes = digests.iter().find(|digest| digest.kind() == kind)?.bytes();
        let crc = bytes.iter().fold(0, |crc, &byte| crc << 8 | u64::from(byte));
        whole = crc_fast::checksum_combine(algorithm, whole, crc, *len);
    }
    Digest::new(kind, &whole.to_be_bytes()[8 - kind.len()..])
}

fn composite(parts: &[(u64, Vec<Digest>)]) -> Option<Composite> {
    let mut md5 = md5::Md5::new();
    for (_, digests) in parts {
        md5.update(digests.iter().find(|digest| digest.kind() == DigestKind::Md5)?.bytes());
    }
    let count = u32::try_from(parts.len()).ok().filter(|&count| count > 0)?;
    Some(Composite { md5: md5.finalize().into(), count })
}

/// One digest under way.
enum Hasher {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Md5(md5::Md5),
    Crc64(crc_fast::Digest),
    Crc32(crc_fast::Digest),
}

impl Hasher {
    fn new(kind: DigestKind) -> Option<Self> {
        Some(match kind {
            DigestKind::Sha256 => Self::Sha256(sha2::Sha256::new()),
            DigestKind::Sha512 => Self::Sha512(sha2::Sha512::new()),
            DigestKind::Md5 => Self::Md5(md5::Md5::new()),
            DigestKind::Crc64 => Self::Crc64(crc_fast::Digest::new(Crc64Xz)),
            DigestKind::Crc64Nvme => Self::Crc64(crc_fast::Digest::new(Crc64Nvme)),
            DigestKind::Crc32c => Self::Crc32(crc_fast::Digest::new(Crc32Iscsi)),
            _ => return None,
        })
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
            Self::Md5(h) => h.update(bytes),
            Self::Crc64(h) | Self::Crc32(h) => h.update(bytes),
        }
    }

    fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(h) => h.finalize().to_vec(),
            Self::Sha512(h) => h.finalize().to_vec(),
            Self::Md5(h) => h.finalize().to_vec(),
            Self::Crc64(h) => h.finalize().to_be_bytes().to_vec(),
            Self::Crc32(h) => (h.finalize() as u32).to_be_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [DigestKind; 4] = [DigestKind::Crc64, DigestKind::Crc64Nvme, DigestKind::Crc32c, DigestKind::Md5];

    fn of(bytes: &[u8], kinds: &[DigestKind]) -> Vec<Digest> {
        let mut digests = Digests::new(kinds).unwrap();
        bytes.chunks(7).for_each(|chunk| digests.update(chunk));
        digests.finish()
    }

    #[test]
    fn digests_come_in_the_order_asked_and_have_the_published_check_values() {
        let found = of(b"123456789", &DigestKind::ALL).iter().map(Digest::to_string).collect::<Vec<_>>();
        // The check values of the catalogue of parametrised CRC algorithms; SHA and MD5 as coreutils print them.
        assert!(
            found[0].starts_with("sha256:15e2b0d3c338") && found[1].starts_with("sha512:d9e6762dd1c8"),
            "{found:?}"
        );
        assert_eq!(
            found[2..],
            [
                "md5:25f9e794323b453885f5181f1b624d0b",
                "crc64:995dc9bbdf1939fa",
                "crc64nvme:ae8b14860a799888",
                "crc32c:e3069283"
            ]
        );
    }

    #[test]
    fn crcs_of_parts_make_that_of_the_whole_wherever_they_are_cut() {
        let bytes: Vec<u8> = (0..3000_u32).map(|i| ((i * 7) >> 2) as u8).collect();
        let whole = of(&bytes, &KINDS[..3]);
        for cuts in [vec![], vec![0], vec![1, 2999], vec![1000, 2000], vec![5, 5, 3000]] {
            let ends = cuts.iter().copied().chain([bytes.len()]);
            let begins = [0].into_iter().chain(cuts.iter().copied());
            let parts: Vec<_> = begins.zip(ends).map(|(a, b)| ((b - a) as u64, of(&bytes[a..b], &KINDS))).collect();
            let (digests, composite) = combine(&parts);
            assert_eq!(digests, whole, "{cuts:?}");
            let md5s: Vec<u8> = parts.iter().flat_map(|(_, d)| d[3].bytes().to_vec()).collect();
            let composite = composite.unwrap();
            assert_eq!(composite.md5[..], *of(&md5s, &[DigestKind::Md5])[0].bytes(), "{cuts:?}");
            assert_eq!(composite.count as usize, parts.len());
        }
        assert_eq!(combine(&[]), (of(b"", &KINDS[..3]), None));
    }

    #[test]
    fn what_one_part_lacks_the_whole_lacks() {
        let parts = [(3, of(b"abc", &KINDS)), (3, of(b"def", &KINDS[..1]))];
        let (digests, composite) = combine(&parts);
        assert_eq!((digests, composite), (of(b"abcdef", &KINDS[..1]), None));
    }
}
