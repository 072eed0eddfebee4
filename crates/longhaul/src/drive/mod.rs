//! Drivers: they carry out the steps that the core decides. The loop and the desk's thread are the same for both ways.

pub(crate) mod download;
pub(crate) mod engine;
mod log;
pub(crate) mod panics;
pub(crate) mod read;
mod seat;
#[cfg(feature = "upload")]
pub(crate) mod upload;
