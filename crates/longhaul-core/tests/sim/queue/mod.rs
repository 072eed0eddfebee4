//! The world of the queue: people who ask for anything at any time, servers that refuse, networks that come and go,
//! disks that fill, a list that cannot be written, and crashes anywhere. See `../world.rs` for what a history is,
//! `laws.rs` for what must never happen.

mod coverage;
mod driver;
mod laws;
mod liar;
mod people;
mod world;

use crate::runner::{self, Outcome};
use world::World;

/// Goal: every law holds in every history. Method: a million of them, each from its seed.
#[test]
fn a_million_histories() {
    let Outcome { report, wrong } = runner::a_million_histories::<World>();
    println!("{report}");
    assert!(wrong.is_empty(), "{wrong}");
}

/// Goal: the laws are not blind. Method: each is broken on purpose, and must be seen broken.
#[test]
fn every_sabotage_is_caught() {
    let Outcome { report, wrong } = runner::every_sabotage_is_caught::<World>();
    println!("{report}");
    assert!(wrong.is_empty(), "not caught:\n{wrong}");
}
