//! Digests of a whole object: which kinds exist, how they are written, what a source or a user declared.
//!
//! Values are held as raw bytes; computing them from a file is the driver's work (`Step::Digest`).

use std::fmt;

/// A digest algorithm over a whole object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DigestKind {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-512, 64 bytes.
    Sha512,
    /// MD5, 16 bytes.
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
    pub const ALL: [DigestKind; 6] =
        [Self::Sha256, Self::Sha512, Self::Md5, Self::Crc64, Self::Crc64Nvme, Self::Crc32c];

    /// The length of a value in bytes.
    #[allow(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
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
            Self::Md5 => "md5",
            Self::Crc64 => "crc64",
            Self::Crc64Nvme => "crc64nvme",
            Self::Crc32c => "crc32c",
        }
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
