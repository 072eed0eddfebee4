//! The driver of uploads against a store that fails as it is told, through the public API.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test can do nothing else about it")]

mod crowd;
mod errors;
mod interrupted;
mod ledger;
mod lost;
mod objects;
mod plain;
mod source;
mod stage;
