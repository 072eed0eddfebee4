//! What is known across transfers: the state directory and the files in it.
//!
//! | question | room |
//! |---|---|
//! | Where is it, and how is a file of it written? | [`state_dir`] |
//! | Which transfers were begun? | [`listing`] |
//! | What was downloaded? | [`receipt`], many at once: `receipt_log`; which file in a folder is of which source: [`search`] |
//! | What was uploaded? | [`sent`] (receipts); what is on its way: [`uploads`] (journals and locks) |
//! | Where does input lie that has no name? | [`spool`] |
//! | What did a server allow the last time? | [`hosts`] |
//! | What does another process wish of a transfer? | [`wishes`] |

pub(crate) mod hosts;
pub(crate) mod listing;
pub(crate) mod receipt;
mod receipt_log;
pub(crate) mod search;
#[cfg(feature = "upload")]
pub(crate) mod sent;
#[cfg(feature = "upload")]
pub(crate) mod spool;
pub(crate) mod state_dir;
pub(crate) mod uploads;
pub(crate) mod wishes;
