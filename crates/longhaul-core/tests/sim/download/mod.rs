//! The world of downloads: a disk that forgets, a remote that changes, cuts and lies, and crashes anywhere. See `world.rs`
//! for what a history is, `laws.rs` for what must never happen.

mod content;
mod coverage;
mod disk;
mod driver;
mod laws;
mod remote;
#[path = "../runner.rs"]
mod runner;
mod stream;
mod window;
mod world;

use longhaul_core::fault::Fault;
