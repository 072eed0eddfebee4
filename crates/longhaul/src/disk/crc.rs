//! CRC-64/XZ as it is used on extents: a running value that goes on from a finished one.

use longhaul_core::crc::{Algorithm, Crc};

/// A CRC-64/XZ that grows with the bytes, and may begin where an earlier one ended.
///
/// Its final step inverts all bits, so a finished value inverted is the state that it was finished from:
/// `crc(A then B)` is `RunningCrc::continuing(crc(A))` fed with `B`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunningCrc(Crc);

impl RunningCrc {
    /// Before the first byte.
    pub(crate) fn new() -> Self {
        Self(Crc::new(Algorithm::Crc64Xz))
    }

    /// After the bytes whose finished CRC is `crc`.
    pub(crate) fn continuing(crc: u64) -> Self {
        Self(Crc::continuing_crc64_xz(crc))
    }

    /// Takes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The finished CRC of everything so far; more bytes may follow.
    pub(crate) fn value(&self) -> u64 {
        self.0.value()
    }
}

/// CRC-64/XZ of these bytes.
#[cfg(test)]
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    longhaul_core::crc::of(Algorithm::Crc64Xz, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_crc_can_be_continued() {
        let bytes: Vec<u8> = (0..5000u32).map(|i| ((i * 31) >> 3) as u8).collect();
        for cut in [0, 1, 7, 8, 15, 16, 17, 127, 128, 255, 256, 257, 1023, 1024, 4096, 4999, 5000] {
            let mut crc = RunningCrc::continuing(crc64(&bytes[..cut]));
            crc.update(&bytes[cut..]);
            assert_eq!(crc.value(), crc64(&bytes), "cut at {cut}");
        }
    }

    #[test]
    fn nothing_has_the_crc_zero_and_the_check_value_is_the_published_one() {
        assert_eq!(RunningCrc::new().value(), 0);
        assert_eq!(RunningCrc::continuing(0).value(), 0);
        // The check value of CRC-64/XZ in the catalogue of parametrised CRC algorithms.
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn many_small_updates_are_one_large_one() {
        let bytes: Vec<u8> = (0..600u32).map(|i| (i ^ (i << 3)) as u8).collect();
        let mut crc = RunningCrc::new();
        for (i, chunk) in bytes.chunks(7).enumerate() {
            crc.update(chunk);
            assert_eq!(crc.value(), crc64(&bytes[..(i * 7 + chunk.len())]));
        }
    }
}
