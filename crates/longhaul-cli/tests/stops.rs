//! More signals than one. Goal: a signal that is sent twice, as timeout(1) sends each, stops a transfer as one does, with
//! all synced and recorded; a stop that takes its time tells what it waits for, and ends at the third. Method: bodies that
//! an origin holds; for stops that take their time, a state directory on a file system that is frozen meanwhile: what
//! writes there waits until it is thawed.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(dead_code, unreachable_pub, reason = "what other suites share is used in parts")]

mod common;
#[path = "cloud_put/depot.rs"]
mod depot;
mod real;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use longhaul_devstore::{Fault, Gate, Object};
use rustix::process::Signal;

use common::{Bench, HALF, Ran, Running, SIZE, SOON, eventually};
use depot::Depot;
use real::volume::{Kind, Volume};

/// A bench whose object is held in the middle, each time that it is asked for.
fn held() -> (Bench, Gate) {
    let (bench, gate) = (Bench::tight(), Gate::new());
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.origin.script("/file", vec![Fault::hold(HALF, &gate)]);
    (bench, gate)
}

fn has_half(bench: &Bench, gate: &Gate) {
    assert!(gate.reached(SOON), "the body did not come to its middle");
    assert!(eventually(|| bench.part().metadata().is_ok_and(|part| part.len() >= HALF)), "the half was not written");
}

/// What was received is synced and recorded: no byte of it is read back at the next start.
fn assert_stopped_in_order(bench: &Bench, ran: &Ran) {
    assert!(ran.stderr.contains("are kept"), "{}", ran.report(bench));
    let shown = bench.longhaul(["show", "out/file", "--json", "--state-dir", bench.state().to_str().unwrap()]);
    let shown = &shown.events[0];
    assert_eq!((&shown["clean_stop"], &shown["held"]), (&true.into(), &HALF.into()), "{}", ran.report(bench));
}

#[test]
fn two_signals_at_once_are_one() {
    const PAIRS: [(Signal, Signal); 5] = [
        (Signal::INT, Signal::INT),
        (Signal::TERM, Signal::TERM),
        (Signal::HUP, Signal::HUP),
        (Signal::TERM, Signal::INT),
        (Signal::INT, Signal::TERM),
    ];
    for (first, second) in PAIRS {
        let (bench, gate) = held();
        let running = bench.get().plain().start();
        has_half(&bench, &gate);
        running.signal(first);
        running.signal(second);
        let ran = running.wait();
        gate.open();
        // Both may be there when the program looks: it does not learn which came first.
        let codes = [first, second].map(|signal| 128 + signal.as_raw());
        assert!(codes.contains(&ran.code()), "{first:?}, {second:?}: {}", ran.report(&bench));
        assert_stopped_in_order(&bench, &ran);
        bench.get().run().expect(&bench, 0, "validator, resumed");
    }
}

/// timeout(1) passes a signal on to the program, and sends it to the whole group as well.
#[test]
fn under_timeout_a_signal_stops_in_order() {
    let (bench, gate) = held();
    bench.run_under(["timeout", "100000"]);
    let running = bench.get().plain().start();
    has_half(&bench, &gate);
    running.signal(Signal::INT);
    let ran = running.wait();
    gate.open();
    bench.run_under([""; 0]);
    ran.expect_code(&bench, 130);
    assert_stopped_in_order(&bench, &ran);
}

#[test]
fn two_signals_at_once_stop_an_upload_and_a_list_in_order() {
    let depot = Depot::with(|builder| builder.anonymous(true));
    let (film, _) = depot.film();
    let running = upload(&depot, &film);
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    let ran = running.wait();
    assert_eq!(ran.code(), 130, "{}", depot.report(&ran));
    assert!(ran.stderr.contains("are in the store"), "{}", ran.stderr);
    depot.store.clear_faults();
    depot.expect(&depot.put(&film, "film").run(), 0, "crc64, resumed");

    let (bench, gate) = held();
    let running = list(&bench).start();
    assert!(gate.reached(SOON), "the body did not come to its middle");
    let part = bench.folder().join("file.lhpart");
    assert!(eventually(|| part.metadata().is_ok_and(|part| part.len() >= HALF)));
    running.signal(Signal::TERM);
    running.signal(Signal::TERM);
    let ran = running.wait();
    gate.open();
    ran.expect_code(&bench, 143);
    assert_stopped_in_order(&bench, &ran);
}

/// An upload that gets on no more when a few parts are stored.
fn upload(depot: &Depot, film: &Path) -> Running {
    depot.fault("kind=stall op=UploadPart skip=3");
    let running = depot.put(film, "film").plain().start();
    assert!(eventually(|| depot.count("UploadPart") >= 3), "{}", running.said());
    running
}

/// Two URLs, the first of which is held.
fn list(bench: &Bench) -> common::Get<'_> {
    bench.origin.put("/other", Object::seeded(2, 9));
    bench.get().into_dir(bench.folder()).arg(bench.origin.url("/other")).plain()
}

/// A state directory on a file system of its own, which can be frozen: what is written there then waits.
struct Freezer(Volume);

impl Freezer {
    /// `None`, and a line about it, when tools or privileges are missing.
    fn under(state: PathBuf) -> Option<Freezer> {
        if real::tool("fsfreeze").is_none() {
            real::skip("fsfreeze not installed");
            return None;
        }
        let volume = Volume::new(Kind::Ext4)?;
        fs::create_dir(volume.root().join("state")).unwrap();
        fs::remove_dir(&state).unwrap();
        symlink(volume.root().join("state"), &state).unwrap();
        Some(Freezer(volume))
    }

    /// Frozen until the guard is dropped, which has to be before a process that writes there is waited for.
    fn freeze(&self) -> impl Drop + use<> {
        struct Frozen(PathBuf);
        impl Drop for Frozen {
            fn drop(&mut self) {
                let thawed = fsfreeze("-u", &self.0);
                assert!(thawed || std::thread::panicking(), "it is frozen for good");
            }
        }
        assert!(fsfreeze("-f", &self.0.root()), "it cannot be frozen");
        Frozen(self.0.root())
    }
}

fn fsfreeze(how: &str, root: &Path) -> bool {
    let mut command = Command::new(real::tool("fsfreeze").unwrap_or_else(|| "fsfreeze".into()));
    command.arg(how).arg(root).status().is_ok_and(|status| status.success())
}

/// Signals of a stop that waits for a frozen state directory; at the end the program is told to quit, or may end.
fn a_slow_stop(running: Running, freezer: &Freezer, quit: bool) -> Ran {
    let frozen = freezer.freeze();
    running.signal(Signal::INT);
    running.signal(Signal::INT);
    let explained = eventually(|| running.said().contains("Ctrl-C twice more quits without that"));
    if quit && explained {
        running.signal(Signal::TERM);
        let warned = eventually(|| running.said().contains("SIGTERM once more quits without that"));
        // The next ones are the same as the second, for a moment.
        let quits = warned
            && eventually(|| {
                running.signal(Signal::TERM);
                running.said().contains("quit; the same command goes on")
            });
        drop(frozen);
        assert!(quits, "explained, warned: {warned}: {}", running.said());
    } else {
        drop(frozen);
        assert!(explained, "{}", running.said());
    }
    running.wait()
}

#[test]
fn a_stop_that_takes_its_time_says_so_and_ends_at_the_third_signal() {
    for quit in [false, true] {
        let (bench, gate) = held();
        let Some(freezer) = Freezer::under(bench.state()) else { return };
        let running = bench.get().plain().start();
        has_half(&bench, &gate);
        let ran = a_slow_stop(running, &freezer, quit);
        gate.open();
        ran.expect_code(&bench, 130);
        match quit {
            false => assert_stopped_in_order(&bench, &ran),
            true => assert!(!ran.stderr.contains("are kept"), "{}", ran.report(&bench)),
        }
        bench.get().run().expect(&bench, 0, "validator, resumed");

        let (bench, gate) = held();
        let Some(freezer) = Freezer::under(bench.state()) else { return };
        let running = list(&bench).start();
        has_half(&bench, &gate);
        let ran = a_slow_stop(running, &freezer, quit);
        gate.open();
        ran.expect_code(&bench, 130);
    }
}

#[test]
fn so_does_the_stop_of_an_upload() {
    for quit in [false, true] {
        let depot = Depot::with(|builder| builder.anonymous(true));
        let Some(freezer) = Freezer::under(depot.bench.state()) else { return };
        let (film, content) = depot.film();
        let ran = a_slow_stop(upload(&depot, &film), &freezer, quit);
        assert_eq!(ran.code(), 130, "{}", depot.report(&ran));
        assert_eq!(ran.stderr.contains("are in the store"), !quit, "{}", depot.report(&ran));
        depot.store.clear_faults();
        let ran = depot.put(&film, "film").run();
        depot.expect(&ran, 0, "crc64, resumed");
        depot.assert_stored("film", &content, &ran);
    }
}
