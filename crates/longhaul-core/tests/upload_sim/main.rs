//! The simulation of the upload machine: histories from a seed, with a store that loses answers, is late and is written to
//! by others, a source that changes unseen, a journal that forgets, and crashes anywhere. See `world.rs` for what a
//! history is, `laws.rs` for what must never happen.
//!
//! `LONGHAUL_SIM_SEED=N` tells the story of one history; `LONGHAUL_SIM_HISTORIES=N` changes how many are lived through.

mod content;
mod coverage;
mod driver;
mod laws;
#[path = "../sim/log.rs"]
#[allow(dead_code, reason = "the other simulation uses all of it")]
mod log;
mod refuses;
#[path = "../sim/rng.rs"]
#[allow(dead_code, reason = "the other simulation uses all of it")]
mod rng;
#[path = "../sim/runner.rs"]
mod runner;
mod source;
mod store;
mod world;

use longhaul_core::fault::UploadFault as Fault;
