//! What are the digests of a content, written as the headers that carry them?
//!
//! Spelled out here and not taken from the library under test: a digest that both sides compute with the same code
//! would agree even when it is wrong.

use std::io::Write;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use md5::Md5;
use sha2::{Digest, Sha256};

use crate::content::Content;

impl Content {
    /// SHA-256 in lower-case hex, as `sha256sum` prints it.
    pub fn sha256(&self) -> String {
        hex(&self.digest::<Sha256>())
    }

    /// MD5 in lower-case hex.
    pub fn md5(&self) -> String {
        hex(&self.digest::<Md5>())
    }

    /// CRC-64/XZ, the one OSS keeps for every object.
    pub fn crc64(&self) -> u64 {
        let mut crc = !0;
        self.each(|bytes| {
            crc = bytes.iter().fold(crc, |crc, byte| CRC64[usize::from(crc as u8 ^ *byte)] ^ (crc >> 8));
        });
        !crc
    }

    /// The value of `Repr-Digest` with SHA-256 (RFC 9530, 3).
    pub fn repr_digest(&self) -> String {
        format!("sha-256=:{}:", base64(&self.digest::<Sha256>()))
    }

    /// The value of `Content-MD5` (RFC 1864), as stores send it.
    pub fn content_md5(&self) -> String {
        base64(&self.digest::<Md5>())
    }

    /// The value of `x-oss-hash-crc64ecma`: decimal.
    pub fn crc64_header(&self) -> String {
        self.crc64().to_string()
    }

    /// The bytes as one gzip member. Held in memory: for contents of some megabytes.
    pub fn gzipped(&self) -> Content {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to a vector does not fail; were it to, a truncated member is still only a test's body.
        self.each(|bytes| encoder.write_all(bytes).unwrap_or_default());
        Content::bytes(encoder.finish().unwrap_or_default())
    }

    fn digest<D: Digest>(&self) -> Vec<u8> {
        let mut digest = D::new();
        self.each(|bytes| digest.update(bytes));
        digest.finalize().to_vec()
    }
}

/// The reflected form of the ECMA-182 polynomial, one entry per byte.
static CRC64: LazyLock<[u64; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        (0..8).fold(byte as u64, |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xc96c_5795_d787_0f42 } else { crc >> 1 })
    })
});

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RFC 4648, 4: with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            match place <= three.len() {
                true => text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn digests_have_their_published_values() {
        let check = Content::bytes("123456789");
        assert_eq!(check.crc64(), 0x995d_c9bb_df19_39fa, "CRC catalogue, CRC-64/XZ");
        assert_eq!(Content::bytes("abc").md5(), "900150983cd24fb0d6963f7d28e17f72", "RFC 1321, A.5");
        assert_eq!(Content::empty().content_md5(), "1B2M2Y8AsgTpgAmY7PhCfg==");
        assert_eq!(
            Content::bytes("abc").sha256(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "FIPS 180-2, B.1"
        );
        assert_eq!(
            Content::bytes("{\"hello\": \"world\"}\n").repr_digest(),
            "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
            "RFC 9530, B.1"
        );
        assert_eq!(["", "f", "fo", "foo"].map(|text| base64(text.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v"]);
    }

    #[test]
    fn gzip_decodes_to_the_content() {
        let content = Content::seeded(1, 100_000).then(&Content::repeated(0, 100_000));
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&content.gzipped().to_vec()[..]).read_to_end(&mut decoded).unwrap();
        assert_eq!(content.first_difference(&decoded[..]).unwrap(), None);
    }
}
