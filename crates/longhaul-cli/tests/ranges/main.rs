//! What becomes of a range of an object? The goal: the file holds exactly the bytes that were asked for, in the order
//! in which they were asked for, with every promise that holds for whole objects; and what cannot be is told in words.
//!
//! The real binary against the faulty origin; `nginx.rs` and `cloud/` ask other servers.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

#[path = "../common/mod.rs"]
mod common;
mod forms;
mod kept;
mod refused;

use longhaul_devstore::Content;

use common::{Bench, Ran, names};

const MIB: u64 = 1 << 20;

/// These bytes of a content, one piece after the other.
fn cut(content: &Content, pieces: &[(u64, u64)]) -> Content {
    pieces.iter().fold(Content::empty(), |file, &(start, end)| file.then(&content.slice(start..end)))
}

/// The target holds these pieces and nothing else of ours lies in the folder.
#[track_caller]
fn assert_has(bench: &Bench, content: &Content, pieces: &[(u64, u64)], ran: &Ran) {
    bench.assert_published(&cut(content, pieces), ran);
}

/// Nothing at all lies in the folder.
#[track_caller]
fn assert_bare(bench: &Bench, ran: &Ran) {
    assert!(names(&bench.folder()).is_empty(), "{}", ran.report(bench));
}
