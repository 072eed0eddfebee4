//! What becomes of a download when the server, the network or somebody between them misbehaves? The goal is one table:
//! case → verdict, exit code, bytes served. `cargo test --test faults -- --nocapture` prints it.
//!
//! Each case runs the real binary against the faulty origin. What every case must show besides its own line, whatever
//! happens: the command ends, does not panic, leaves no file it should not, does not touch an older target unless it
//! succeeds, and after a failure the same command on a healthy origin ends well without fetching again what was kept.
//! `table` says how.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

mod bodies;
#[path = "../common/mod.rs"]
mod common;
mod conditions;
mod links;
mod names;
mod network;
mod proofs;
mod ranges;
mod replaced;
mod statuses;
mod table;
mod validators;
mod ways;
