//! What becomes of a download when what lies on this machine is not as it was left? The goal: a partial file, a
//! journal, a target, a state directory in any condition, any signal at any time, a second process, a full disk. Each
//! ends in the right file or in the documented exit code, with an older target untouched and nothing written outside;
//! none hangs, panics or is in the way of the next start.
//!
//! The real binary, a real disk, the faulty origin. Moments are exact bytes, where the origin holds the body at a gate.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

mod awake;
#[path = "../common/mod.rs"]
mod common;
mod disks;
mod exec;
mod given_up;
mod journals;
mod known;
mod partials;
mod processes;
mod shared;
mod signals;
mod state;
mod targets;
