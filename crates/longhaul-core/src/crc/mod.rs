//! Cyclic redundancy checks: of blocks on the disk, of journal frames and tokens, and those that stores tell of
//! objects.
//!
//! With the feature `fast-crc` they are computed by the crate `crc-fast`, with the processor's carry-less
//! multiplication. Its way for processors that have none is a table for each of the fifty algorithms that it knows, all
//! of which are linked, since the algorithm is chosen while the program runs: 700 KiB. Without the feature
//! `small` has tables for three, 48 KiB, and is slower.

#[cfg(any(test, not(feature = "fast-crc")))]
mod small;

/// Which check. All have inverted bits at both ends: a finished value is the complement of the register.
///
/// Names and parameters are those of the catalogue of parametrised CRC algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-64/XZ: of blocks on the disk; OSS tells it of every object.
    Crc64Xz,
    /// CRC-64/NVME, one of the checksums of S3.
    Crc64Nvme,
    /// CRC-32/ISCSI, also called CRC-32C: of journal frames and tokens, and one of the checksums of S3.
    Crc32c,
}

/// A check that grows with the bytes.
#[derive(Debug, Clone, Copy)]
pub struct Crc(Register);

#[cfg(feature = "fast-crc")]
type Register = crc_fast::Digest;
#[cfg(not(feature = "fast-crc"))]
type Register = small::Register;

impl Crc {
    /// Before the first byte.
    pub fn new(algorithm: Algorithm) -> Self {
        #[cfg(feature = "fast-crc")]
        return Self(crc_fast::Digest::new(fast(algorithm)));
        #[cfg(not(feature = "fast-crc"))]
        return Self(small::Register::new(algorithm));
    }

    /// CRC-64/XZ behind the bytes whose finished value is `crc`: its last step inverts all bits, so the inverse is the
    /// register that it was finished from.
    pub fn continuing_crc64_xz(crc: u64) -> Self {
        #[cfg(feature = "fast-crc")]
        return Self(crc_fast::Digest::new_with_init_state(crc_fast::CrcAlgorithm::Crc64Xz, !crc));
        #[cfg(not(feature = "fast-crc"))]
        return Self(small::Register::behind(Algorithm::Crc64Xz, crc));
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The finished value of everything so far, in the low bits; more bytes may follow.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }
}

/// The check of these bytes, in the low bits.
pub fn of(algorithm: Algorithm, bytes: &[u8]) -> u64 {
    let mut crc = Crc::new(algorithm);
    crc.update(bytes);
    crc.value()
}

/// From the checks of some bytes and of the `second_len` bytes that follow them, the check of both.
pub fn combined(algorithm: Algorithm, first: u64, second: u64, second_len: u64) -> u64 {
    #[cfg(feature = "fast-crc")]
    return crc_fast::checksum_combine(fast(algorithm), first, second, second_len);
    #[cfg(not(feature = "fast-crc"))]
    return small::combined(algorithm, first, second, second_len);
}

#[cfg(feature = "fast-crc")]
fn fast(algorithm: Algorithm) -> crc_fast::CrcAlgorithm {
    match algorithm {
        Algorithm::Crc64Xz => crc_fast::CrcAlgorithm::Crc64Xz,
        Algorithm::Crc64Nvme => crc_fast::CrcAlgorithm::Crc64Nvme,
        Algorithm::Crc32c => crc_fast::CrcAlgorithm::Crc32Iscsi,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Algorithm; 3] = [Algorithm::Crc64Xz, Algorithm::Crc64Nvme, Algorithm::Crc32c];

    fn bytes(len: u32) -> Vec<u8> {
        (0..len).map(|i| ((i * 31) >> 3 ^ (i << 2)) as u8).collect()
    }

    fn small_of(algorithm: Algorithm, bytes: &[u8]) -> u64 {
        let mut register = small::Register::new(algorithm);
        register.update(bytes);
        register.finalize()
    }

    /// The check values of the catalogue, of "123456789", both ways.
    #[test]
    fn check_values_are_the_published_ones() {
        for (algorithm, want) in ALL.into_iter().zip([0x995d_c9bb_df19_39fa, 0xae8b_1486_0a79_9888, 0xe306_9283_u64]) {
            assert_eq!((of(algorithm, b"123456789"), small_of(algorithm, b"123456789")), (want, want));
        }
    }

    #[test]
    fn both_ways_agree_at_every_length_and_cut() {
        let all = bytes(300);
        for algorithm in ALL {
            for len in 0..all.len() {
                assert_eq!(of(algorithm, &all[..len]), small_of(algorithm, &all[..len]), "{algorithm:?} of {len}");
                let (a, b) = all.split_at(len);
                let (first, second) = (of(algorithm, a), of(algorithm, b));
                let whole = of(algorithm, &all);
                assert_eq!(combined(algorithm, first, second, b.len() as u64), whole, "{algorithm:?} at {len}");
                assert_eq!(small::combined(algorithm, first, second, b.len() as u64), whole, "{algorithm:?} at {len}");
            }
        }
        let long = bytes(100_000);
        for algorithm in ALL {
            let (a, b) = long.split_at(77_777);
            let whole = small::combined(algorithm, of(algorithm, a), of(algorithm, b), b.len() as u64);
            assert_eq!(whole, of(algorithm, &long));
        }
    }

    #[test]
    fn a_finished_value_is_continued() {
        let all = bytes(5000);
        for cut in [0, 1, 7, 8, 9, 127, 128, 1023, 4999, 5000] {
            let (a, b) = all.split_at(cut);
            let whole = of(Algorithm::Crc64Xz, &all);
            let mut crc = Crc::continuing_crc64_xz(of(Algorithm::Crc64Xz, a));
            b.chunks(7).for_each(|chunk| crc.update(chunk));
            let mut register = small::Register::behind(Algorithm::Crc64Xz, of(Algorithm::Crc64Xz, a));
            b.chunks(7).for_each(|chunk| register.update(chunk));
            assert_eq!((crc.value(), register.finalize()), (whole, whole), "cut at {cut}");
        }
    }
}
