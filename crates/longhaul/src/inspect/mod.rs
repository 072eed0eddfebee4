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
mod map;
pub(crate) mod probe;
pub(crate) mod show;
pub(crate) mod verify;

#[cfg(test)]
mod tests;

use longhaul_core::identity::{Identity, Validator};

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
