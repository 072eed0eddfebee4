//! The world of uploads: a store that loses answers, is late and is written to by others, a source that changes unseen,
//! a journal that forgets, and crashes anywhere. See `world.rs` for what a history is, `laws.rs` for what must never
//! happen.

mod content;
mod coverage;
mod driver;
mod laws;
mod liar;
mod refuses;
mod source;
mod store;
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
