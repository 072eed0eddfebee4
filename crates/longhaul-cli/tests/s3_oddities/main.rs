//! The real binary and stores that speak like S3, each in a way of its own.
//!
//! Goal: what stores have been seen to do, or may do by what they document, costs no byte that was acknowledged, never
//! runs for ever, and is told truly. Method: a stand-in of a few hundred lines, in this process, that keeps objects and
//! uploads in memory; each test says what is odd about it, and reads its log. That the ordinary holds is shown by
//! stores that nobody here wrote (`s3_servers`).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(unreachable_pub, reason = "a suite of its own")]

#[path = "../common/mod.rs"]
mod common;

mod etags;
mod listings;
mod paths;
mod refusals;
mod stand_in;
mod wire;
