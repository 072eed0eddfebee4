//! How much is fetched twice on one connection when the process is killed again and again?
//!
//! The origin sends evenly, in small pieces and with a small send buffer, so that what it has sent is what the client
//! has had the chance to keep; it counts what it sends. What counts is the sum at the end, not when anything happened.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test can do nothing else about it")]

mod real;

use std::path::Path;
use std::time::Duration;

use longhaul_core::download::journal;
use longhaul_devstore::{Fault, Gate, Object, Origin, Seen};
use real::program::{Get, PATIENCE};
use real::seeds::{Chance, seeds};

const SIZE: u64 = 200_000_000;
const BYTES_PER_SECOND: u64 = 12_500_000;
const KILLS: usize = 10;
/// A piece for each half millisecond or so.
const PIECE_BYTES: usize = 8 << 10;

#[test]
fn ten_kills_cost_at_most_half_a_percent() {
    for seed in seeds(1) {
        let mut chance = Chance::new(seed);
        let origin = Origin::builder().write_bytes(PIECE_BYTES).start().unwrap();
        let object = Object::seeded(seed, SIZE);
        origin.put("/object", object.clone());
        origin.always("/object", Fault::Pace { bytes_per_second: BYTES_PER_SECOND });
        let folder = tempfile::tempdir().unwrap();
        let (file, state) = (folder.path().join("object"), folder.path().join("state"));
        let mut places: Vec<u64> = (0..KILLS).map(|_| chance.of(0..SIZE)).collect();
        places.sort_unstable();
        for place in places {
            let mut get = Get::start(&origin.url("/object"), &file, &state, &real::ALONE);
            assert!(origin.wait_for(|log| sent(log) >= place, PATIENCE));
            // Not always just when a piece has left.
            std::thread::sleep(chance.micros(0..20_000));
            get.kill();
            get.wait();
            assert!(origin.settled(Duration::from_secs(90)));
        }
        Get::start(&origin.url("/object"), &file, &state, &real::ALONE).wait().assert_done();
        real::assert_is(&file, &object.content);
        real::assert_no_leftovers(folder.path());
        let ratio = origin.bytes_served() as f64 / SIZE as f64;
        real::say(&format!("seed {seed}: {ratio:.5} of the size served with {KILLS} kills"));
        assert!(ratio <= 1.005, "{ratio}; fetched again after each kill: {:?}", fetched_again(&origin.log()));
    }
}

#[test]
fn what_a_burst_brought_is_kept_while_the_line_is_silent() {
    let (origin, gate) = (Origin::start(), Gate::new());
    let burst = 3_210_987;
    origin.put("/object", Object::seeded(1, 2 * burst));
    origin.always("/object", Fault::hold(burst, &gate));
    let folder = tempfile::tempdir().unwrap();
    let (file, state) = (folder.path().join("object"), folder.path().join("state"));
    let mut get = Get::start(&origin.url("/object"), &file, &state, &real::ALONE);
    let journal = folder.path().join("object.lhlog");
    let kept = real::until(Duration::from_secs(90), || recorded_to(&journal) == Some(burst));
    assert!(kept, "recorded up to {:?} of {burst}", recorded_to(&journal));
    get.kill();
    get.wait();
    gate.open();
    Get::start(&origin.url("/object"), &file, &state, &real::ALONE).wait().assert_done();
    assert_eq!(origin.log()[1].header("Range"), Some(format!("bytes={burst}-").as_str()));
}

fn sent(log: &[Seen]) -> u64 {
    log.iter().map(|seen| seen.body_bytes).sum()
}

/// Where the journal's last claim or hint ends.
fn recorded_to(journal: &Path) -> Option<u64> {
    let recovered = journal::decode(&std::fs::read(journal).ok()?).ok()?;
    let current = recovered.current?;
    current.claims.iter().chain(&current.hints).map(|extent| extent.end()).max()
}

/// What was sent of each reply and lies behind the start of the next.
fn fetched_again(log: &[Seen]) -> Vec<u64> {
    let start = |seen: &Seen| -> u64 {
        let range = seen.header("Range").unwrap_or_default();
        range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap_or(0)
    };
    log.windows(2).map(|pair| (start(&pair[0]) + pair[0].body_bytes).saturating_sub(start(&pair[1]))).collect()
}
