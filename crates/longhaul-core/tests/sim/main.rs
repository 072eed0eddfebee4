//! The simulation of the deciding core: histories from a seed, in a world of downloads, one of lines and one of
//! uploads.
//! `world.rs` says what a world is, `runner.rs` how histories are lived through, `coverage.rs` what they must have gone
//! through.
//!
//! `LONGHAUL_SIM_HISTORIES=N` changes how many histories each world lives through, `LONGHAUL_SIM_FIRST=N` the first
//! seed; `LONGHAUL_SIM_SEED=N` tells the story of one history instead.

#[macro_use]
mod coverage;
#[macro_use]
mod world;
mod download;
mod lines;
mod log;
mod queue;
mod rng;
mod runner;
mod upload;
