//! Digests of bytes as they pass, of any kinds at once.

use longhaul_core::crc::{Algorithm, Crc};
use longhaul_core::digest::{Digest, DigestKind};
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

/// One digest under way.
pub(crate) enum Hasher {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
    Sha1(sha1::Sha1),
    Md5(md5::Md5),
    Crc64(Crc),
    Crc32(Crc),
}

impl Hasher {
    /// Before the first byte; `None` for a kind that cannot be computed here.
    pub(crate) fn new(kind: DigestKind) -> Option<Self> {
        Some(match kind {
            DigestKind::Sha256 => Self::Sha256(sha2::Sha256::new()),
            DigestKind::Sha512 => Self::Sha512(sha2::Sha512::new()),
            DigestKind::Sha1 => Self::Sha1(sha1::Sha1::new()),
            DigestKind::Md5 => Self::Md5(md5::Md5::new()),
            DigestKind::Crc64 => Self::Crc64(Crc::new(Algorithm::Crc64Xz)),
            DigestKind::Crc64Nvme => Self::Crc64(Crc::new(Algorithm::Crc64Nvme)),
            DigestKind::Crc32c => Self::Crc32(Crc::new(Algorithm::Crc32c)),
            _ => return None,
        })
    }

    /// Takes more bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
            Self::Sha1(h) => h.update(bytes),
            Self::Md5(h) => h.update(bytes),
            Self::Crc64(h) | Self::Crc32(h) => h.update(bytes),
        }
    }

    /// The digest of everything.
    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(h) => h.finalize().to_vec(),
            Self::Sha512(h) => h.finalize().to_vec(),
            Self::Sha1(h) => h.finalize().to_vec(),
            Self::Md5(h) => h.finalize().to_vec(),
            Self::Crc64(h) => h.value().to_be_bytes().to_vec(),
            Self::Crc32(h) => (h.value() as u32).to_be_bytes().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                "crc32c:e3069283",
                "sha1:f7c3bc1d808e04732adf679965ccc34ca7ae3441"
            ]
        );
    }
}
