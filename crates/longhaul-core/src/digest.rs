//! Digests of a whole object: which kinds exist, how they are written, what a source or a user declared.
//!
//! Values are held as raw bytes; computing them from a file is the driver's work (`Step::Digest`).

use std::fmt;
use std::str::FromStr;

/// A digest algorithm over a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DigestKind {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// SHA-1, 20 bytes. Weak: other bytes of the same value can be made on purpose.
    Sha1,
    /// MD5, 16 bytes. Weak, as SHA-1 is.
    Md5,
    /// CRC-64/XZ, 8 bytes big-endian: what OSS calls `crc64ecma`.
    Crc64,
    /// CRC-64/NVME, 8 bytes big-endian: S3's `x-amz-checksum-crc64nvme`.
    Crc64Nvme,
    /// CRC-32C, 4 bytes big-endian.
    Crc32c,
}

impl DigestKind {
    /// All kinds, in the order of their codes in the journal.
    pub const ALL: [DigestKind; 7] =
        [Self::Sha256, Self::Sha512, Self::Md5, Self::Crc64, Self::Crc64Nvme, Self::Crc32c, Self::Sha1];

    /// The length of a value in bytes.
    #[allow(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
            Self::Sha1 => 20,
            Self::Md5 => 16,
            Self::Crc64 | Self::Crc64Nvme => 8,
            Self::Crc32c => 4,
        }
    }

    /// The name in flags, events and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Sha1 => "sha1",
            Self::Md5 => "md5",
            Self::Crc64 => "crc64",
            Self::Crc64Nvme => "crc64nvme",
            Self::Crc32c => "crc32c",
        }
    }

    /// Whether it was made against who makes other bytes of the same value on purpose, and does not hold any more. (CRCs
    /// were never made against that.)
    pub fn is_weak(self) -> bool {
        matches!(self, Self::Sha1 | Self::Md5)
    }

    /// The kind of that name, as in `--checksum NAME:HEX`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// The one-byte code in the journal.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Sha256 => 0,
            Self::Sha512 => 1,
            Self::Md5 => 2,
            Self::Crc64 => 3,
            Self::Crc64Nvme => 4,
            Self::Crc32c => 5,
            Self::Sha1 => 6,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// A digest value: the kind and its bytes (always [`DigestKind::len`] of them).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    kind: DigestKind,
    bytes: Vec<u8>,
}

impl Digest {
    /// A digest from raw bytes; `None` when the length is not the kind's.
    pub fn new(kind: DigestKind, bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (bytes.len() == kind.len()).then_some(Self { kind, bytes })
    }

    /// A digest from hexadecimal digits (either case).
    pub fn from_hex(kind: DigestKind, hex: &str) -> Option<Self> {
        let hex = hex.as_bytes();
        if hex.len() != kind.len() * 2 {
            return None;
        }
        let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
        let bytes: Option<Vec<u8>> = hex.chunks_exact(2).map(|p| Some(digit(p[0])? << 4 | digit(p[1])?)).collect();
        Self::new(kind, bytes?)
    }

    /// A digest from hexadecimal digits alone, whose number tells the kind: 32 are MD5, 40 SHA-1, 64
    /// SHA-256, 128 SHA-512.
    ///
    /// # Errors
    /// For any other number. 8 and 16 digits are a checksum of several kinds.
    pub fn from_bare_hex(hex: &str) -> Result<Self, DigestTextFault> {
        let is_hex = !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let kind = match hex.len() {
            _ if !is_hex => return Err(DigestTextFault::NoKind),
            32 => DigestKind::Md5,
            40 => DigestKind::Sha1,
            64 => DigestKind::Sha256,
            128 => DigestKind::Sha512,
            digits => return Err(DigestTextFault::NotByLength { digits }),
        };
        Self::from_hex(kind, hex).ok_or(DigestTextFault::Digits(kind))
    }

    /// The algorithm.
    pub fn kind(&self) -> DigestKind {
        self.kind
    }

    /// The raw value.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The value in lower-case hexadecimal digits.
    pub fn hex(&self) -> String {
        use fmt::Write as _;
        self.bytes.iter().fold(String::with_capacity(self.bytes.len() * 2), |mut s, b| {
            let _ = write!(s, "{b:02x}"); // writing to a String cannot fail
            s
        })
    }
}

/// Why a text is no digest. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestTextFault {
    /// It is not `KIND:HEX`, and no hexadecimal digits alone.
    NoKind,
    /// There is no such kind.
    UnknownKind,
    /// What follows is not as many hexadecimal digits as the kind has.
    Digits(DigestKind),
    /// So many digits alone do not tell the kind.
    NotByLength {
        /// How many.
        digits: usize,
    },
}

impl fmt::Display for DigestTextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = DigestKind::ALL.map(DigestKind::name).join(", ");
        match self {
            Self::NoKind => write!(f, "a checksum is KIND:HEX, where KIND is one of {kinds}"),
            Self::UnknownKind => write!(f, "no such checksum; known are {kinds}"),
            Self::Digits(kind) => write!(f, "a {} checksum has {} hexadecimal digits", kind.name(), kind.len() * 2),
            Self::NotByLength { digits: digits @ (8 | 16) } => write!(
                f,
                "there are several kinds of checksums with {digits} hexadecimal digits; give KIND:HEX, where KIND is \
                 one of {kinds}"
            ),
            Self::NotByLength { digits } => write!(
                f,
                "no known checksum has {digits} hexadecimal digits (md5 has 32, sha1 40, sha256 64, sha512 128); was one lost \
                 in copying?"
            ),
        }
    }
}

impl std::error::Error for DigestTextFault {}

/// `KIND:HEX` or `KIND=HEX`, in either case, `sha-256` for `sha256`; or the digits alone
/// ([`from_bare_hex`](Digest::from_bare_hex)).
impl FromStr for Digest {
    type Err = DigestTextFault;

    fn from_str(text: &str) -> Result<Self, DigestTextFault> {
        let text = text.trim();
        let Some((name, hex)) = text.split_once([':', '=']) else { return Self::from_bare_hex(text) };
        let kind = DigestKind::from_name(&name.trim().replace('-', "")).ok_or(DigestTextFault::UnknownKind)?;
        Self::from_hex(kind, hex.trim()).ok_or(DigestTextFault::Digits(kind))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_digest_of_its_kind_or_by_its_length() {
        let hex = |bytes: usize| "aB".repeat(bytes);
        for kind in DigestKind::ALL {
            let digest = Digest::from_hex(kind, &hex(kind.len())).unwrap();
            assert_eq!(digest.to_string().parse(), Ok(digest.clone()));
            assert_eq!(format!(" {}= {} ", kind.name().to_uppercase(), hex(kind.len())).parse(), Ok(digest));
        }
        assert_eq!(format!("SHA-256:{}", hex(32)).parse::<Digest>().unwrap().kind(), DigestKind::Sha256);
        assert_eq!(format!("sha-1={}", hex(20)).parse::<Digest>().unwrap().kind(), DigestKind::Sha1);
        for (bytes, kind) in
            [(16, DigestKind::Md5), (20, DigestKind::Sha1), (32, DigestKind::Sha256), (64, DigestKind::Sha512)]
        {
            assert_eq!(hex(bytes).parse::<Digest>().unwrap().kind(), kind);
        }
        for (text, says) in [
            (hex(8), "several kinds"),
            (hex(4), "several kinds"),
            (hex(31), "md5 has 32, sha1 40, sha256 64"),
            (String::new(), "KIND:HEX"),
            ("SHA256SUMS".to_owned(), "KIND:HEX"),
            ("sha256:".to_owned(), "64 hexadecimal digits"),
            (format!("sha256:{}x", hex(32)), "64 hexadecimal digits"),
            (format!("sha224:{}", hex(28)), "no such checksum"),
        ] {
            let fault = text.parse::<Digest>().unwrap_err().to_string();
            assert!(fault.contains(says), "{text}: {fault}");
        }
    }
}
