//! The disk half: part files, journal, lock, publishing and the state directory, as plain blocking calls.
//!
//! The driver carries out the core's steps with these; nothing here decides what a transfer does next. Everything
//! found on disk is hostile until checked:
//!
//! - every name is resolved against an opened folder ([`place::Folder`]), so a folder that is swapped while we work
//!   cannot redirect us;
//! - no symbolic link is followed for a file of ours or for the target;
//! - what is opened must be a regular file with one name;
//! - whatever is read has a bound.
//!
//! | question | room |
//! |---|---|
//! | Which files belong to a target, and where? | [`place`], [`names`], [`folders`] |
//! | Which file in a folder is of which source? | [`search`] |
//! | Who may touch them? | [`lock`] |
//! | Which bytes are there, and are they right? | [`part_file`], [`crc`], [`digests`] |
//! | What was promised? | [`journal_file`] |
//! | How does the target come to be? | [`publish`] |
//! | What is known across transfers? | [`state_dir`], [`receipt`], `receipt_log`, [`listing`], [`hosts`] |
//! | What is known of uploads? | [`uploads`] (journals and locks), [`sent`] (receipts), [`spool`] (input without a name) |
//! | How are many files synced at once? | [`group`] |
//! | What differs between systems? | [`platform`] |
//! | What went wrong? | [`error`] |

pub(crate) mod crc;
pub(crate) mod digests;
pub(crate) mod error;
pub(crate) mod folders;
pub(crate) mod group;
pub(crate) mod hosts;
pub(crate) mod journal_file;
pub(crate) mod listing;
pub(crate) mod lock;
pub(crate) mod names;
pub(crate) mod part_file;
pub(crate) mod place;
pub(crate) mod platform;
pub(crate) mod publish;
pub(crate) mod receipt;
mod receipt_log;
pub(crate) mod search;
pub(crate) mod sent;
pub(crate) mod spool;
pub(crate) mod state_dir;
pub(crate) mod uploads;

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(json: &[u8]) {
    receipt::fuzz(json);
    sent::fuzz(json);
}
