//! The verbs of uploads, a file each, and the words that they share.

mod abort;
mod complete;
mod create;
pub(super) mod list_parts;
pub(super) mod list_uploads;
mod put;
mod send_part;

use longhaul_core::digest::Digest;
use longhaul_core::upload::step::ObjectFacts;

pub(crate) use create::Created;

/// An object was stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    /// What the reply told of it. Its length is seldom among that.
    pub(crate) object: ObjectFacts,
    /// The callback that was asked for failed; this is what the store said of it. The object is stored all the same.
    pub(crate) callback_failed: Option<String>,
}

/// Digests of a body that are sent ahead of it, so that the store refuses other bytes
/// ([`Fault::Corrupted`](longhaul_core::upload::step::Fault::Corrupted)).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Promised {
    /// Its MD5, sent as `Content-MD5`.
    pub(crate) md5: Option<[u8; 16]>,
    /// Its checksum, sent as `x-amz-checksum-*`: for uploads that were created with one, and for stores that keep it.
    pub(crate) checksum: Option<Digest>,
}
