//! What are the checksums of these bytes? MD5 for ETags and Content-MD5, CRC-64/XZ for `x-oss-hash-crc64ecma`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use md5::{Digest as _, Md5};

/// Both at once, as bytes arrive.
pub(crate) struct Summing {
    md5: Md5,
    crc: Crc,
    len: u64,
}

/// The result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) md5: [u8; 16],
    pub(crate) crc64: u64,
    pub(crate) len: u64,
}

impl Summing {
    pub(crate) fn new() -> Summing {
        Summing { md5: Md5::new(), crc: Crc::new(CrcAlgorithm::Crc64Xz), len: 0 }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.crc.update(bytes);
        self.len += bytes.len() as u64;
    }

    pub(crate) fn finish(self) -> Sums {
        Sums { md5: self.md5.finalize().into(), crc64: self.crc.finalize(), len: self.len }
    }
}

impl Sums {
    pub(crate) fn of(bytes: &[u8]) -> Sums {
        let mut summing = Summing::new();
        summing.update(bytes);
        summing.finish()
    }

    /// Upper-case hex, as in ETags.
    pub(crate) fn etag(&self) -> String {
        upper_hex(&self.md5)
    }

    pub(crate) fn content_md5(&self) -> String {
        STANDARD.encode(self.md5)
    }
}

pub(crate) fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The CRC of A‖B from those of A and B and the length of B.
pub(crate) fn combine(a: u64, b: u64, b_len: u64) -> u64 {
    if b_len == 0 { a } else { crc_fast::checksum_combine(CrcAlgorithm::Crc64Xz, a, b, b_len) }
}

/// The CRC of so many zeros, without reading them.
pub(crate) fn crc_of_zeros(len: u64) -> u64 {
    let mut total = 0;
    let mut piece = Sums::of(&[0]).crc64;
    let mut piece_len: u64 = 1;
    let mut left = len;
    while left > 0 {
        if left & 1 == 1 {
            total = combine(total, piece, piece_len);
        }
        left >>= 1;
        if left > 0 {
            piece = combine(piece, piece, piece_len);
            piece_len *= 2;
        }
    }
    total
}

/// The ETag of an object made of parts: 32 hex digits and the number of parts. Clients take it as opaque.
pub(crate) fn multipart_etag(parts: &[String]) -> String {
    let mut md5 = Md5::new();
    for etag in parts {
        md5.update(etag.as_bytes());
    }
    format!("{}-{}", upper_hex(&md5.finalize()), parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    #[test]
    fn crcs_are_those_of_the_vendors_sdk() {
        let vectors: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/data/oss-signing-vectors.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_str().unwrap().parse::<u64>().unwrap();
        let values = vectors["crc64"]["values"].as_array().unwrap();
        for value in values {
            let len = value["length"].as_u64().unwrap() as usize;
            let bytes = match (value["name"].as_str().unwrap(), value["utf8"].as_str()) {
                (_, Some(text)) => text.as_bytes().to_vec(),
                ("zero-1k", _) => vec![0; len],
                ("ff-1k", _) => vec![0xff; len],
                ("bytes-0-255", _) => (0..=255).collect(),
                ("text-1MiB-a", _) => vec![b'a'; len],
                (name, _) => panic!("unknown vector {name}"),
            };
            assert_eq!(bytes.len(), len);
            assert_eq!(Sums::of(&bytes).crc64, number(&value["decimal"]), "{}", value["name"]);
        }
        let combined = vectors["crc64"]["combine"].as_array().unwrap();
        assert!(values.len() >= 8 && combined.len() >= 2);
        for pair in combined {
            let whole = combine(number(&pair["crc1"]), number(&pair["crc2"]), pair["len2"].as_u64().unwrap());
            assert_eq!(whole, number(&pair["combined"]));
        }
    }

    #[test]
    fn zeros_need_not_be_read() {
        for len in [0, 1, 2, 3, 1024, 99_999] {
            assert_eq!(crc_of_zeros(len), Content::repeated(0, len).crc64(), "{len}");
        }
    }
}
