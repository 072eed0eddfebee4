//! The disk half: part files, journal, lock, publishing and the state directory, as plain blocking calls.
//!
//! The driver carries out the core's steps with these; no room here decides what a transfer does next. Everything
//! found on disk is hostile until checked:
//!
//! - every name is resolved against an opened folder ([`Folder`](folder::Folder)), so a folder that is swapped while we
//!   work cannot redirect us;
//! - no symbolic link is followed for a file of ours or for the target;
//! - what is opened must be a regular file with one name;
//! - every read has a bound.
//!
//! | question | room |
//! |---|---|
//! | Which files lie beside a target, what is in them, and how does the target come to be? | [`beside`] |
//! | What does the state directory know across transfers? | [`state`] |
//! | How is a file opened that others could have swapped? | [`folder`]; once for many transfers: [`folders`] |
//! | How are many files synced at once? | [`group`] |
//! | Are these the right bytes? | [`crc`], [`digests`] |
//! | Which files did the downloads of a batch save? | [`saved`] |
//! | How is one of a million entries remembered? | [`compact`] |
//! | What differs between systems? | [`platform`] |
//! | What went wrong? | [`error`] |
//!
//! Imports go one way: `state` → `beside` → the rooms of this folder.

#[cfg(not(unix))]
compile_error!("longhaul is built for Unix systems: files are opened by descriptors of their folders");

pub(crate) mod beside;
mod compact;
pub(crate) mod crc;
pub(crate) mod digests;
pub(crate) mod error;
pub(crate) mod folder;
pub(crate) mod folders;
pub(crate) mod group;
pub(crate) mod platform;
pub(crate) mod saved;
pub(crate) mod state;

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(json: &[u8]) {
    state::receipt::fuzz(json);
    #[cfg(feature = "upload")]
    state::sent::fuzz(json);
}
