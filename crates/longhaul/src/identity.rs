//! Which version of an object is it? As programs see it; how the core judges it is in
//! [`longhaul_core::identity`].

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

/// Seconds and nanoseconds since the Unix epoch, either side of it; `None` when the system's clock has no such time.
pub(crate) fn unix_time(s: i64, ns: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(s.unsigned_abs());
    let second = if s < 0 { UNIX_EPOCH.checked_sub(whole)? } else { UNIX_EPOCH.checked_add(whole)? };
    second.checked_add(Duration::from_nanos(u64::from(ns)))
}
