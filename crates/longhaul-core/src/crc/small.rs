//! The checks without the processor's help, with tables of 16 KiB for each.
//!
//! All three are reflected: the lowest bit of the register is the highest power of x, bytes come in at the low end. So
//! one loop does for 32 and 64 bits: the register of the shorter one has zeros above.

use super::Algorithm;

/// Bytes that are taken at once, each by a table of its own ("slicing").
const SLICES: usize = 8;

type Tables = [[u64; 256]; SLICES];

static CRC64_XZ: Tables = tables(polynomial(Algorithm::Crc64Xz));
static CRC64_NVME: Tables = tables(polynomial(Algorithm::Crc64Nvme));
static CRC32C: Tables = tables(polynomial(Algorithm::Crc32c));

/// The generator polynomial, reflected, without its highest term.
const fn polynomial(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::Crc64Xz => 0xc96c_5795_d787_0f42,
        Algorithm::Crc64Nvme => 0x9a6c_9329_ac4b_c9b5,
        Algorithm::Crc32c => 0x82f6_3b78,
    }
}

/// All bits of a value.
const fn mask(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::Crc64Xz | Algorithm::Crc64Nvme => u64::MAX,
        Algorithm::Crc32c => 0xffff_ffff,
    }
}

/// `tables[n][byte]`: what a byte makes of an empty register when n zero bytes follow it.
const fn tables(polynomial: u64) -> Tables {
    let mut tables = [[0; 256]; SLICES];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            register = times_x(polynomial, register);
            bit += 1;
        }
        tables[0][byte] = register;
        byte += 1;
    }
    let mut slice = 1;
    while slice < SLICES {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[slice - 1][byte];
            tables[slice][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        slice += 1;
    }
    tables
}

const fn times_x(polynomial: u64, register: u64) -> u64 {
    register >> 1 ^ if register & 1 == 1 { polynomial } else { 0 }
}

/// The register of a check under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Register {
    algorithm: Algorithm,
    value: u64,
}

impl Register {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self::behind(algorithm, 0)
    }

    /// Behind bytes with this finished value; that of no bytes is 0.
    pub(super) fn behind(algorithm: Algorithm, crc: u64) -> Self {
        Self { algorithm, value: crc ^ mask(algorithm) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        let tables = match self.algorithm {
            Algorithm::Crc64Xz => &CRC64_XZ,
            Algorithm::Crc64Nvme => &CRC64_NVME,
            Algorithm::Crc32c => &CRC32C,
        };
        let (chunks, rest) = bytes.as_chunks::<SLICES>();
        for chunk in chunks {
            let word = (self.value ^ u64::from_le_bytes(*chunk)).to_le_bytes();
            self.value = (0..SLICES).fold(0, |sum, at| sum ^ tables[SLICES - 1 - at][usize::from(word[at])]);
        }
        for &byte in rest {
            self.value = self.value >> 8 ^ tables[0][usize::from(self.value as u8 ^ byte)];
        }
    }

    pub(super) fn finalize(&self) -> u64 {
        self.value ^ mask(self.algorithm)
    }
}

/// The check of bytes and of `second_len` more that follow them.
///
/// Zero bytes behind the first ones multiply their register by x^8 each; the second register is added.
pub(super) fn combined(algorithm: Algorithm, first: u64, second: u64, second_len: u64) -> u64 {
    let (polynomial, one) = (polynomial(algorithm), mask(algorithm) ^ mask(algorithm) >> 1);
    let x8 = (0..8).fold(one, |power, _| times_x(polynomial, power));
    let (mut shift, mut square, mut count) = (one, x8, second_len);
    while count > 0 {
        if count & 1 == 1 {
            shift = product(polynomial, one, shift, square);
        }
        square = product(polynomial, one, square, square);
        count >>= 1;
    }
    product(polynomial, one, shift, first) ^ second
}

/// The product of two registers, modulo the polynomial; `one` has the bit of x^0.
fn product(polynomial: u64, one: u64, a: u64, b: u64) -> u64 {
    let (mut sum, mut power, mut bit) = (0, b, one);
    while bit != 0 {
        if a & bit != 0 {
            sum ^= power;
        }
        power = times_x(polynomial, power);
        bit >>= 1;
    }
    sum
}
