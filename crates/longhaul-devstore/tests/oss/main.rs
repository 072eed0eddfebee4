//! The local store as a client sees it, byte by byte. What the vendors' SDKs find is in `sdks.rs`; here is what they do
//! not try, and what has to happen at an exact byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod admin;
mod callbacks;
mod client;
mod cors;
mod crowd;
mod ends;
mod failing;
mod forms;
mod labels;
mod objects;
mod signed;
mod sts;
mod uploads;
mod variants;
