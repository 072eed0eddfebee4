//! The list of transfers and who manages it: real transfers from an origin on this machine, a list on a real disk.

#![allow(clippy::print_stderr, reason = "what is skipped is said")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a failed step is a failed test")]

mod basics;
mod common;
mod crashes;
mod crowd;
mod lasting;
mod links;
