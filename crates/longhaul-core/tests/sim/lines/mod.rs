//! The world of lines: one download, undisturbed, over networks that differ in what bounds a connection. The laws are of
//! how many connections it uses, and when. `network.rs` says what a line is, `world.rs` what a history is and which laws
//! hold.

mod network;
mod world;

use crate::runner::{self, Outcome};
use world::World;

/// Goal: the number of connections follows the line. Method: a download over each of many lines, each from its seed.
#[test]
fn lines_of_all_kinds() {
    let Outcome { report, wrong } = runner::histories::<World>(250);
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
