//! What is there? The library's questions: each is answered without changing anything, on disk or at the source.
//!
//! | question | room |
//! |---|---|
//! | What transfers are known? | [`list`] |
//! | What of this file is safe, and what would the next start do? | [`show`] |
//! | Is this finished file still what was downloaded? | [`verify`] |
//! | Can this source be resumed? | [`probe`] |
//!
//! How files are looked at, and judged as a start would judge them, stands in [`target`](crate::target).

pub(crate) mod list;
pub(crate) mod probe;
pub(crate) mod show;
pub(crate) mod verify;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longhaul_core::identity::{Identity, Validator};

use crate::event::Digest;

/// What is known of one version of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectIdentity {
    /// The store's version id.
    pub version: Option<String>,
    /// The ETag as sent, quotes and `W/` included.
    pub etag: Option<String>,
    /// `Last-Modified`, to the second.
    pub last_modified: Option<SystemTime>,
    /// Length in bytes, when known; of the file, where a range of the object is wanted.
    pub length: Option<u64>,
    /// The object's length in bytes, where a range of it is wanted and the server told it.
    pub whole_length: Option<u64>,
    /// A `Content-Encoding` that is part of the object; it is never decoded.
    pub encoding: Option<String>,
    /// Digests of the whole object that the source declares.
    pub digests: Vec<Digest>,
    /// The best that tells this version from another; `None` when the source gives no validator.
    pub validator: Option<ValidatorKind>,
    /// Whether that validator proves that bytes of two replies are of one version.
    pub strong: bool,
}

/// What tells one version of an object from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValidatorKind {
    /// A store's version id.
    Version,
    /// An ETag.
    Etag,
    /// The modification date.
    LastModified,
}

impl From<&Identity> for ObjectIdentity {
    fn from(identity: &Identity) -> Self {
        let strong = identity.strong();
        let validator = match &strong {
            Some(Validator::Version(_)) => Some(ValidatorKind::Version),
            Some(Validator::Etag(_)) => Some(ValidatorKind::Etag),
            Some(Validator::Modified(_)) => Some(ValidatorKind::LastModified),
            None if identity.version.is_some() => Some(ValidatorKind::Version),
            None if identity.etag.is_some() => Some(ValidatorKind::Etag),
            None => identity.modified.map(|_| ValidatorKind::LastModified),
        };
        Self {
            version: identity.version.clone(),
            etag: identity.etag.clone(),
            last_modified: identity.modified.and_then(|s| unix_time(s, 0)),
            length: identity.length,
            whole_length: identity.of,
            encoding: identity.encoding.clone(),
            digests: identity.digests.clone(),
            validator,
            strong: strong.is_some(),
        }
    }
}

/// Whether bytes of two replies may be joined on the word of this identity, and why, in words.
fn joinable(identity: &Identity) -> (bool, String) {
    match identity.strong() {
        Some(Validator::Version(_)) => (true, "every reply tells the version id".into()),
        Some(Validator::Etag(etag)) => (true, format!("the ETag {etag} is strong")),
        Some(Validator::Modified(_)) => (true, "Last-Modified is old enough to tell versions apart".into()),
        None => {
            let lacking = if identity.distrusted {
                "the source sent other bytes under the same validator before"
            } else if identity.etag.is_some() {
                "the ETag is weak or malformed"
            } else if identity.modified.is_some() {
                "Last-Modified is too close to the reply's own date to tell versions apart"
            } else {
                "the source gives neither a version id nor an ETag nor Last-Modified"
            };
            match identity.digests.first() {
                Some(digest) => (true, format!("{lacking}, but its {} decides at the end", digest.kind().name())),
                None => (false, format!("{lacking}; with a checksum to compare at the end it could be resumed")),
            }
        }
    }
}

/// Seconds and nanoseconds since the Unix epoch, either side of it; `None` when the system's clock has no such time.
fn unix_time(s: i64, ns: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(s.unsigned_abs());
    let second = if s < 0 { UNIX_EPOCH.checked_sub(whole)? } else { UNIX_EPOCH.checked_add(whole)? };
    second.checked_add(Duration::from_nanos(u64::from(ns)))
}
