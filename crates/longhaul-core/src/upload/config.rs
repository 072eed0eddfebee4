//! What an upload is told at its start; all defaults stand here.

use super::journal::Intent;
use crate::digest::DigestKind;
use crate::retry::RetryPolicy;
use crate::words::{Durability, OnChange};

/// What a store takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The least length of a part that is not the last, in bytes.
    pub part_min: u64,
    /// The greatest length of a part, in bytes.
    pub part_max: u64,
    /// The greatest number of parts.
    pub parts_max: u32,
    /// The greatest length of an object sent in one request, in bytes.
    pub single_max: u64,
    /// The greatest length of an object, in bytes.
    pub object_max: u64,
}

impl Limits {
    /// OSS: "Multipart upload" and "Limits" of its developer guide.
    pub const OSS: Self = Self {
        part_min: 100 << 10,
        part_max: 5 << 30,
        parts_max: 10_000,
        single_max: 5 << 30,
        object_max: 10_000 * (5 << 30),
    };
    /// S3: "Amazon S3 multipart upload limits" of its user guide.
    pub const S3: Self = Self {
        part_min: 5 << 20,
        part_max: 5 << 30,
        parts_max: 10_000,
        single_max: 5 << 30,
        object_max: 10_000 * (5 << 30),
    };
}

/// How long parts are where the caller does not say: a two hundredth of the source, rounded up to a power of two,
/// within these bounds. Short parts, since an interruption costs what is on the way of them; not shorter, since each
/// costs a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartLengths {
    /// The least, in bytes; what is not longer goes in one request.
    pub least: u64,
    /// The most, in bytes, as long as that keeps the number of parts within the store's limit.
    pub most: u64,
}

impl PartLengths {
    /// For OSS, which takes parts of 100 KiB.
    pub const OSS: Self = Self { least: 1 << 20, most: 16 << 20 };
    /// For S3, which takes none of less than 5 MiB.
    pub const S3: Self = Self { least: 5 << 20, most: 16 << 20 };
}

/// Everything that one run is told at its start. All defaults stand here.
#[derive(Debug, Clone)]
pub struct Config {
    /// Feeds the jitter of retries.
    pub seed: u64,
    /// The source and destination as recorded in the journal.
    pub intent: Intent,
    /// What the store takes.
    pub limits: Limits,
    /// A source of at most this many bytes is sent in one request, unless it is longer than the part length that the
    /// caller asks for; never more than a snapshot in memory may hold.
    pub single_max: u64,
    /// The part length that the caller asks for, in bytes.
    pub part_len: Option<u64>,
    /// The part lengths where the caller does not ask for one.
    pub part_lengths: PartLengths,
    /// At most so many parts at once.
    pub connections: u32,
    /// More than this were refused by this host the last time.
    pub connections_known: Option<u32>,
    /// Bytes per second that this host acknowledged of an earlier upload, when that is not long ago.
    pub goodput_known: Option<u64>,
    /// Which digests are computed of everything that is read, as long as the store is not known to keep one of ours.
    pub kinds: Vec<DigestKind>,
    /// The checksum that the store is asked to keep with an upload of several parts; one of `kinds`.
    pub checksum: Option<DigestKind>,
    /// The checksum that goes with one request: the store is known to keep it. One of `kinds`.
    pub checksum_single: Option<DigestKind>,
    /// Retries and delays.
    pub retry: RetryPolicy,
    /// How long it may take to find out what became of a lost answer, in milliseconds.
    pub settle_ms: u64,
    /// A start writes the journal anew when it holds this many records more than twice those that count.
    pub compact_after: u32,
    /// Source changes per run before giving up.
    pub changes_max: u32,
    /// What to do when the source has changed.
    pub on_change: OnChange,
    /// What a power cut may cost.
    pub durability: Durability,
    /// Send even when an identical object is there already.
    pub force: bool,
    /// An object that is there already is not to be replaced.
    pub forbid_overwrite: bool,
    /// A callback was asked for: an identical object is sent all the same, for the callback's sake.
    pub callback: bool,
    /// On `Discard`: leave the parts in the store.
    pub keep_parts: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            intent: Intent::default(),
            limits: Limits::OSS,
            single_max: PartLengths::OSS.least,
            part_len: None,
            part_lengths: PartLengths::OSS,
            connections: 4,
            connections_known: None,
            goodput_known: None,
            kinds: vec![DigestKind::Crc64],
            checksum: None,
            checksum_single: None,
            retry: RetryPolicy::default(),
            settle_ms: 600_000,
            compact_after: 1024,
            changes_max: 3,
            on_change: OnChange::Restart,
            durability: Durability::Power,
            force: false,
            forbid_overwrite: false,
            callback: false,
            keep_parts: false,
        }
    }
}
