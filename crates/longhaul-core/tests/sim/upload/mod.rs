//! The world of uploads: a store that loses answers, is late and is written to by others, a source that changes unseen, a
//! journal that forgets, and crashes anywhere. See `world.rs` for what a history is, `laws.rs` for what must never happen.

mod content;
mod coverage;
mod driver;
mod laws;
mod refuses;
#[path = "../runner.rs"]
mod runner;
mod source;
mod store;
mod world;

use longhaul_core::fault::UploadFault as Fault;
