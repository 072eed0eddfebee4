//! Random numbers where spread is needed, not secrecy: names of files, ids of transfers, jitter.

use std::hash::{BuildHasher, Hasher};

/// Any number: the keys of the standard library's hasher are random per process and instance.
pub(crate) fn random_u64() -> u64 {
    let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
    hasher.write_u128(crate::now_unix_ns());
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// An id for a transfer.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&random_u64().to_le_bytes());
    id[8..].copy_from_slice(&random_u64().to_le_bytes());
    id
}
