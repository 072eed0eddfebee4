//! Drivers: they carry out the core's steps and decide nothing.

pub(crate) mod download;
pub(crate) mod engine;
pub(crate) mod panics;
pub(crate) mod read;
mod seat;
#[cfg(feature = "upload")]
pub(crate) mod upload;
