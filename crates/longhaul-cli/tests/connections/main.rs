//! What becomes of a download over several connections? The goal: the right file, whatever the order in which its bytes
//! come, whatever the server allows, shows or replaces meanwhile; and nothing that is kept is fetched again.
//!
//! The real binary against the faulty origin, which sends each body evenly, so that several are under way at once; and
//! against nginx.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

#[path = "../common/mod.rs"]
mod common;
mod kills;
mod limits;
mod pace;
#[path = "../real/mod.rs"]
mod real;
mod versions;

use longhaul_devstore::{Fault, Seen};

const MIB: u64 = 1 << 20;
/// A first piece, and enough behind it for several more.
const LEN: u64 = 40 * MIB;

/// A body that lasts long enough for others to be asked for meanwhile.
fn paced(mib_per_second: u64) -> Fault {
    Fault::Pace { bytes_per_second: mib_per_second * MIB }
}

/// From where to where a request asks of an object of [`LEN`] bytes.
fn asked(seen: &Seen) -> (u64, u64) {
    let Some(range) = seen.header("Range") else { return (0, LEN) };
    let (start, last) = range.trim_start_matches("bytes=").split_once('-').unwrap();
    let end = if last.is_empty() { LEN } else { last.parse::<u64>().unwrap() + 1 };
    (start.parse().unwrap(), end.min(LEN))
}

/// How many requests were being answered at the same time, at most.
fn at_once(log: &[Seen]) -> usize {
    let serving = |at| {
        let over = |seen: &&Seen| seen.started <= at && seen.finished.is_none_or(|finished| finished > at);
        log.iter().filter(|seen| seen.status == Some(206)).filter(over).count()
    };
    log.iter().map(|seen| serving(seen.started)).max().unwrap_or(0)
}
