//! The main paths of an upload, one after the other, against a store that does as it is told.
//!
//! Each test plays one story: it says what is different from a day on which all goes well, and looks at the steps that
//! were ordered and at the end. What may happen in any order is for the simulation (`tests/sim/upload/`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers of tests

mod checksums;
mod driver;
mod plain;
mod play;
mod refused;
mod settle;
mod source;
mod stored;
