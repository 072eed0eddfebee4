//! The real binary and a local OSS-compatible store: names of objects in place of URLs, signed requests, keys that end.
//!
//! Goal: `oss://BUCKET/KEY` is fetched, gone on with and proven like any URL, and better; every answer of a store that
//! is no object has its own exit code and says what to do. Method: the store of the devstore, in this process, with its
//! faults, its clock and its log of requests.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "a suite that is skipped says so")]

#[path = "../common/mod.rs"]
mod common;

mod conditions;
mod get;
mod keys;
mod links;
mod prefixes;
mod refusals;
mod s3;
mod shop;
