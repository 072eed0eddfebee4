//! Drivers: they carry out the core's steps and decide nothing.

pub(crate) mod download;
pub(crate) mod upload;
