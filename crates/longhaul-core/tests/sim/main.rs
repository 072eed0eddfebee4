//! The simulation of the deciding core: histories from a seed, with a disk that forgets, a remote that changes, cuts and
//! lies, and crashes anywhere. See `world.rs` for what a history is, `laws.rs` for what must never happen.
//!
//! `LONGHAUL_SIM_SEED=N` tells the story of one history; `LONGHAUL_SIM_HISTORIES=N` changes how many are lived through.

mod content;
mod coverage;
mod disk;
mod driver;
mod laws;
mod log;
mod remote;
mod rng;
mod runner;
mod stream;
mod window;
mod world;

use longhaul_core::fault::Fault;
