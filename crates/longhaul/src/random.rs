//! Random numbers where spread is needed, not secrecy: names of files, ids of transfers, jitter.

use std::hash::{BuildHasher, Hasher};

/// Any number: the keys of the standard library's hasher are random per process and instance.
pub(crate) fn random_u64() -> u64 {
    drawn::<1>()[0]
}

/// An id for a transfer.
pub(crate) fn random_id() -> [u8; 16] {
    let mut id = [0; 16];
    let [low, high] = drawn();
    id[..8].copy_from_slice(&low.to_le_bytes());
    id[8..].copy_from_slice(&high.to_le_bytes());
    id
}

/// Numbers of one draw: a process that was forked off has the same keys, and another id.
fn drawn<const N: usize>() -> [u64; N] {
    let (now_ns, process) = (crate::now_unix_ns(), std::process::id());
    std::array::from_fn(|_| {
        let mut hasher = std::collections::hash_map::RandomState::new().build_hasher();
        hasher.write_u128(now_ns);
        hasher.write_u32(process);
        hasher.finish()
    })
}
