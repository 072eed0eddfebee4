//! The world of downloads: a disk that forgets, a remote that changes, cuts and lies, and crashes anywhere. See
//! `world.rs` for what a history is, `laws.rs` for what must never happen.

mod content;
mod coverage;
mod disk;
mod driver;
mod foreign;
mod laws;
mod liar;
mod remote;
mod spoil;
mod stream;
mod window;
mod world;

use crate::runner::{self, Outcome};
use world::World;

/// Goal: every promise holds in every history. Method: a million of them, each from its seed.
#[test]
fn a_million_histories() {
    let Outcome { report, wrong } = runner::a_million_histories::<World>();
    println!("{report}");
    assert!(wrong.is_empty(), "{wrong}");
}

/// Goal: the laws are not blind. Method: each rule of the core is broken on purpose, and must be seen broken.
#[test]
fn every_sabotage_is_caught() {
    let Outcome { report, wrong } = runner::every_sabotage_is_caught::<World>();
    println!("{report}");
    assert!(wrong.is_empty(), "not caught:\n{wrong}");
}
