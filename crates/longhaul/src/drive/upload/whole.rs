//! The digests of a whole from those of its parts.

use longhaul_core::crc::{self, Algorithm};
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::upload::step::Composite;
use md5::Digest as _;

/// From the lengths and digests of all parts, in order: the CRCs of the whole of every kind that all parts have, and
/// the MD5 of their MD5s when all have one. Of no parts, the CRCs are those of no bytes.
pub(super) fn combine(parts: &[(u64, Vec<Digest>)]) -> (Vec<Digest>, Option<Composite>) {
    let crcs = [
        (DigestKind::Crc64, Algorithm::Crc64Xz),
        (DigestKind::Crc64Nvme, Algorithm::Crc64Nvme),
        (DigestKind::Crc32c, Algorithm::Crc32c),
    ];
    let whole = crcs.into_iter().filter_map(|(kind, algorithm)| combine_crcs(parts, kind, algorithm)).collect();
    (whole, composite(parts))
}

fn combine_crcs(parts: &[(u64, Vec<Digest>)], kind: DigestKind, algorithm: Algorithm) -> Option<Digest> {
    let mut whole = crc::of(algorithm, &[]);
    for (len, digests) in parts {
        let bytes = digests.iter().find(|digest| digest.kind() == kind)?.bytes();
        let crc = bytes.iter().fold(0, |crc, &byte| crc << 8 | u64::from(byte));
        whole = crc::combined(algorithm, whole, crc, *len);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::digests::Digests;

    const KINDS: [DigestKind; 4] = [DigestKind::Crc64, DigestKind::Crc64Nvme, DigestKind::Crc32c, DigestKind::Md5];

    fn of(bytes: &[u8], kinds: &[DigestKind]) -> Vec<Digest> {
        let mut digests = Digests::new(kinds).unwrap();
        bytes.chunks(7).for_each(|chunk| digests.update(chunk));
        digests.finish()
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
