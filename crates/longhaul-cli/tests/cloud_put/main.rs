//! `longhaul put`, the real binary, and a local OSS-compatible store.
//!
//! Goal: what is stored is what was read, whatever happens on the way; nothing is sent twice that the store has,
//! nothing is left in the store that nobody knows of, and every refusal has its exit code. Method: the store of the
//! devstore, in this process, with its faults and its log of requests, which says what really arrived.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "a suite that is skipped says so")]
#![allow(unreachable_pub, reason = "a suite of its own")]

#[path = "../common/mod.rs"]
mod common;

mod depot;
mod endless;
mod folders;
mod injected;
mod interrupted;
mod limits;
mod line;
mod lost;
mod plain;
mod refusals;
mod sdks;
mod semantics;
mod settled;
mod sources;
mod storm;
