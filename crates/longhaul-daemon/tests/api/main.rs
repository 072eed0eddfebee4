//! The API of a daemon, over real sockets.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod common;
mod events;
mod guard;
mod list;
mod schema;
