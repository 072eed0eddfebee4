//! The binary against servers and proxies that nobody of us wrote: nginx, Apache, lighttpd, Caddy; tinyproxy,
//! microsocks.
//!
//! Each is a process of the suite's own, with a configuration of its own in a temporary folder and ports of its own.
//! Between it and the binary stands a `wire` that cuts, resets and holds connections at exact bytes, and counts.
//!
//! * `ordeals`: every server in every protocol it speaks, and every proxy, through the same misfortunes.
//! * `oddities`: what each server makes of ranges, conditions and compression; server × oddity → outcome.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed step is a failed test, and prints"
)]

#[path = "../common/mod.rs"]
mod common;
mod configurations;
mod daemon;
mod oddities;
mod ordeals;
#[path = "../real/mod.rs"]
mod real;
mod wire;
