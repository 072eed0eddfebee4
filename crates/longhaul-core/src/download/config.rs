//! What a run is told at its start; all defaults stand here.

use super::adopt::Adoption;
use super::journal::Source;
use super::resume::EARLY_RECEIPT_MAX;
use crate::conditions::Conditions;
use crate::digest::Digest;
use crate::link::Link;
use crate::pace::ConnectionPlan;
use crate::retry::RetryPolicy;
use crate::words::{Durability, OnChange};

/// Everything that one run is told at its start. All defaults stand here.
#[derive(Debug, Clone)]
pub struct Config {
    /// Feeds the jitter of retries.
    pub seed: u64,
    /// The source as recorded in the journal.
    pub source: Source,
    /// What the file is to be called, by the caller or the URL: which kind of thing is wanted. Empty: that is not
    /// known.
    pub wanted_name: String,
    /// The file name is known; otherwise the first reply is asked before anything is opened.
    pub named: bool,
    /// What is known of the link; `None`: the source is an object in a store, and requests are signed one by one.
    pub link: Option<Link>,
    /// Bytes come over a connection on which none can change unnoticed (TLS).
    pub way_is_safe: bool,
    /// The time of day at the run's moment 0, in seconds since the Unix epoch.
    pub began_s: i64,
    /// Ranges in flight.
    pub connections: ConnectionPlan,
    /// More than this were refused by this host the last time.
    pub connections_known: Option<u32>,
    /// Bytes per second that are taken at most, for all transfers of a program together; 0: as many as come.
    pub rate_max: u64,
    /// The least length of a bounded range while there is plenty left, in bytes; the longest has four times as many.
    pub range_len: u64,
    /// Ranges shorter than twice this are not divided, in bytes; a block, or the ends of pieces are rounded away.
    pub piece_min: u64,
    /// The first request is for as much, in bytes, where several connections may follow.
    pub first_len: u64,
    /// What a stream would bring within this time, and six round trips, is not worth another connection, in
    /// milliseconds.
    pub share_after_ms: u64,
    /// A stream that would need longer than this, and four round trips, for its last bytes is worth a second request
    /// for them, in milliseconds.
    pub hedge_after_ms: u64,
    /// The least block length, a power of two, in bytes. Short blocks let the end of a transfer be divided among
    /// connections that bring little each; each one costs a few dozen bytes in the journal and in the receipt.
    pub block_len_min: u64,
    /// A sync begins at the latest this long after the first unsynced byte, in milliseconds.
    pub sync_every_ms: u64,
    /// A sync begins when this many bytes came since the last one began.
    pub sync_bytes: u64,
    /// Reading pauses when this many bytes are unsynced.
    pub unsynced_bytes_max: u64,
    /// Bytes per check step.
    pub check_bytes: u64,
    /// An object of at most this many bytes that the first reply brings whole is published without a journal; 0 where
    /// receipts are not kept.
    pub small_max: u64,
    /// An old generation with more held bytes than this is kept until the new one is whole.
    pub keep_old_above: u64,
    /// Hints between two compactions of the journal (at least; four times the live extents otherwise).
    pub compact_after: u64,
    /// Retries and delays.
    pub retry: RetryPolicy,
    /// Unusable replies in a row before giving up.
    pub suspects_max: u32,
    /// Identity changes per run before giving up.
    pub changes_max: u32,
    /// What a power cut may cost.
    pub durability: Durability,
    /// What to do about another version.
    pub on_change: OnChange,
    /// Digests that the user expects.
    pub expected: Vec<Digest>,
    /// Digests that the source declares are not compared: they are known to be of other bytes.
    pub ignore_declared: bool,
    /// A file may only be published with a matching digest.
    pub require_verified: bool,
    /// A body whose end cannot be proven is refused.
    pub require_length: bool,
    /// An existing target may be replaced.
    pub overwrite: bool,
    /// Which versions of the object the caller wants.
    pub only_if: Conditions,
    /// Bytes of another program that may be gone on from, where no run of this transfer has brought any.
    pub adoption: Option<Adoption>,
}

impl Config {
    /// Whether an object of this length goes the short way.
    pub(super) fn is_small(&self, length: Option<u64>) -> bool {
        self.small_max > 0 && length.is_some_and(|length| length <= self.small_max)
    }
}

impl Default for Config {
    fn default() -> Self {
        const KIB: u64 = 1 << 10;
        const MIB: u64 = 1 << 20;
        Self {
            seed: 0,
            source: Source::default(),
            wanted_name: String::new(),
            named: true,
            link: Some(Link::default()),
            way_is_safe: false,
            began_s: 0,
            connections: ConnectionPlan::Fixed(1),
            connections_known: None,
            rate_max: 0,
            range_len: 16 * MIB,
            piece_min: 256 * KIB,
            first_len: 8 * MIB,
            share_after_ms: 500,
            hedge_after_ms: 500,
            block_len_min: 256 * KIB,
            sync_every_ms: 1000,
            sync_bytes: 64 * MIB,
            unsynced_bytes_max: 128 * MIB,
            check_bytes: 64 * MIB,
            small_max: EARLY_RECEIPT_MAX,
            keep_old_above: 1 << 30,
            compact_after: 16 << 10,
            retry: RetryPolicy::default(),
            suspects_max: 3,
            changes_max: 3,
            durability: Durability::Power,
            on_change: OnChange::Restart,
            expected: Vec::new(),
            ignore_declared: false,
            require_verified: false,
            require_length: false,
            overwrite: false,
            only_if: Conditions::default(),
            adoption: None,
        }
    }
}
