//! Any signal at any time. Moments are seeded bytes at which the origin holds the body.

use std::time::Duration;

use longhaul_devstore::{Connect, Fault, Gate, Object};
use rustix::process::Signal;

use crate::common::{Bench, Dice, Ran, Running, SIZE, SOON, eventually};

const SEED: u64 = 20_260_402;
const MIB: u64 = 1 << 20;
/// The promise is a second; the machine that runs this may be busy. A wait for a timeout takes 30.
const SOON_ENOUGH: Duration = Duration::from_secs(20);
const SIGNALS: [(Signal, i32); 3] = [(Signal::HUP, 129), (Signal::INT, 130), (Signal::TERM, 143)];

fn bench() -> Bench {
    let bench = Bench::tight();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

/// A run on one connection that has written everything up to this byte, and gets no more.
fn held_at(bench: &Bench, at: u64, start: u64) -> (Running, Gate) {
    let gate = Gate::new();
    bench.origin.script("/file", vec![Fault::hold(at - start, &gate)]);
    let running = bench.get().alone().start();
    assert!(gate.reached(SOON), "the body did not come to byte {at}");
    assert!(eventually(|| running.received() >= at), "byte {at} was not received");
    (running, gate)
}

fn stop(running: Running, signal: Signal) -> Ran {
    let begun = std::time::Instant::now();
    running.signal(signal);
    let ran = running.wait();
    assert!(begun.elapsed() < SOON_ENOUGH, "{signal:?} took {:?}", begun.elapsed());
    ran
}

#[test]
fn in_the_body_everything_is_kept() {
    let mut dice = Dice(SEED);
    for round in 0..6 {
        let (signal, code) = SIGNALS[round % 3];
        let at = 1 + dice.below(SIZE - 1);
        let bench = bench();
        let (running, gate) = held_at(&bench, at, 0);
        let ran = stop(running, signal);
        gate.open();
        ran.expect(&bench, code, "interrupted, kept");
        assert_eq!(ran.held(), at, "seed {SEED}, {signal:?} at byte {at}: {}", ran.report(&bench));
        let before = bench.served();
        let ran = bench.get().run();
        ran.expect(&bench, 0, "validator, resumed");
        assert_eq!(bench.served() - before, SIZE - at, "seed {SEED}, byte {at}: {}", ran.report(&bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

/// No head yet, no connection, waiting to try again: it stops all the same.
#[test]
fn while_nothing_comes_it_stops_too() {
    type Moment = fn(&Bench);
    let table: [(&str, Moment); 4] = [
        ("no answer", |bench| bench.origin.always("/file", Fault::no_answer())),
        ("a connection that is half open", |bench| bench.origin.every_connect(Connect::Silent)),
        ("waiting as the server wished", |bench| bench.origin.always("/file", Fault::retry_after(503, 100))),
        ("a stall in the body", |bench| bench.origin.always("/file", Fault::Stall { after: MIB })),
    ];
    for (round, (name, moment)) in table.into_iter().enumerate() {
        let (signal, code) = SIGNALS[round % 3];
        let bench = bench();
        moment(&bench);
        let running = bench.get().start();
        assert!(eventually(|| bench.origin.connections() > 0), "{name}");
        if name.starts_with("waiting") {
            assert!(eventually(|| running.told().contains("\"retry\"")), "{name}");
        }
        if name.starts_with("a stall") {
            assert!(eventually(|| bench.part().metadata().is_ok_and(|meta| meta.len() == MIB)), "{name}");
        }
        let ran = stop(running, signal);
        ran.expect_code(&bench, code);
        bench.origin.every_connect(Connect::Serve);
        bench.origin.script("/file", Vec::new());
        let ran = bench.get().run();
        ran.expect_code(&bench, 0);
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

/// `kill -9` again and again: each costs at most a mebibyte on one connection.
#[test]
fn killed_at_seeded_bytes_it_loses_a_mebibyte_at_most() {
    const KILLS: u64 = 6;
    let mut dice = Dice(SEED + 1);
    for round in 0..2 {
        let bench = bench();
        let mut start = 0;
        let mut at = 0;
        for kill in 0..KILLS {
            at += 1 + dice.below((SIZE - at) / (KILLS - kill));
            let gate = Gate::new();
            // Wherever the body begins, it is held at this byte of the object.
            let of_gate = gate.clone();
            bench.origin.choose("/file", move |request| {
                Fault::hold(at.saturating_sub(request.range_start().unwrap_or(0)), &of_gate)
            });
            let running = bench.get().alone().start();
            assert!(gate.reached(SOON), "seed {}, byte {at}", SEED + 1);
            assert!(eventually(|| running.received() >= at), "byte {at} was not received");
            assert_eq!(running.kill().code(), -9);
            gate.open();
            let asked = bench.origin.log().last().and_then(|seen| {
                seen.header("Range").map(|range| range["bytes=".len()..].trim_end_matches('-').parse().unwrap())
            });
            let asked: u64 = asked.unwrap_or(0);
            assert!(asked + MIB >= start, "seed {}, round {round}: {start} were written, {asked} asked", SEED + 1);
            start = at;
        }
        bench.origin.script("/file", Vec::new());
        let before = bench.served();
        let ran = bench.get().run();
        ran.expect(&bench, 0, "validator, resumed");
        let served = bench.served() - before;
        assert!(served <= SIZE - at + MIB, "seed {}: {served} bytes from {at}: {}", SEED + 1, ran.report(&bench));
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

/// Killed as soon as something is said, which is another moment every time: the next start always works.
#[test]
fn killed_at_the_first_word_it_starts_again() {
    for word in ["\"started\"", "\"done\"", "{"] {
        let bench = bench();
        for _ in 0..3 {
            let mut running = bench.get().start();
            assert!(eventually(|| running.told().contains(word)), "{word}");
            if !running.is_over() {
                running.kill();
            }
        }
        let ran = bench.get().run();
        ran.expect_code(&bench, 0);
        bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
    }
}

#[test]
fn stopped_and_continued_it_ends_well() {
    let bench = bench();
    let (running, gate) = held_at(&bench, SIZE / 3, 0);
    running.signal(Signal::STOP);
    gate.open();
    running.signal(Signal::CONT);
    let ran = running.wait();
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}
