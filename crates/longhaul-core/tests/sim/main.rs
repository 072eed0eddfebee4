//! The simulation of the deciding core: histories from a seed, in a world of downloads and a world of uploads.
//!
//! `LONGHAUL_SIM_SEED=N` tells the story of one history; `LONGHAUL_SIM_HISTORIES=N` changes how many are lived through.

/// A line of the story, when one is told.
macro_rules! tell {
    ($world:expr, $($arg:tt)*) => {
        if $world.story.is_some() {
            let line = format!($($arg)*);
            $world.line(&line);
        }
    };
}

mod download;
mod log;
mod rng;
mod upload;
