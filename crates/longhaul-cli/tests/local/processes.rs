//! Two processes at once: the second is told who holds the transfer, and fetches nothing.

use std::path::PathBuf;

use longhaul_devstore::{Fault, Gate, Object};
use rustix::process::Signal;

use crate::common::{Bench, HALF, Running, SIZE, SOON, eventually};

/// A run whose body is held in the middle.
fn first(bench: &Bench, gate: &Gate) -> Running {
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench.origin.script("/file", vec![Fault::hold(HALF, gate)]);
    let running = bench.get().start();
    assert!(gate.reached(SOON) && eventually(|| running.received() == HALF));
    running
}

#[test]
fn the_second_is_told_who_and_fetches_nothing() {
    let (bench, gate) = (Bench::new(), Gate::new());
    let running = first(&bench, &gate);
    let pid = running.pid().to_string();
    let link = bench.root().join("link");
    std::os::unix::fs::symlink(bench.folder(), &link).unwrap();
    let seconds: [(&str, PathBuf, Option<&str>, bool); 4] = [
        ("the same command", bench.state(), None, false),
        ("another state directory", bench.root().join("state-2"), None, false),
        ("overwrite allowed", bench.root().join("state-3"), Some("--overwrite"), false),
        ("into the folder", bench.root().join("state-4"), None, true),
    ];
    for (name, state, arg, folder) in seconds {
        let get = bench.get().state_dir(state).args(arg);
        let get = if folder { get.into_dir(bench.folder()) } else { get };
        let second = get.run();
        second.expect_code(&bench, 9);
        assert!(second.stderr.contains(&pid), "{name}: {pid} is not named: {}", second.report(&bench));
        assert_eq!(bench.origin.requests(), 1, "{name}: {}", second.report(&bench));
    }
    let second = bench.get().to(link.join("file")).run();
    second.expect_code(&bench, 9);
    gate.open();
    let ran = running.wait();
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn a_stopped_process_still_holds_it_and_goes_on_afterwards() {
    let (bench, gate) = (Bench::new(), Gate::new());
    let running = first(&bench, &gate);
    running.signal(Signal::STOP);
    bench.get().run().expect_code(&bench, 9);
    gate.open();
    running.signal(Signal::CONT);
    let ran = running.wait();
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

#[test]
fn a_killed_process_holds_nothing() {
    let (bench, gate) = (Bench::new(), Gate::new());
    let running = first(&bench, &gate);
    assert_eq!(running.kill().code(), -9);
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, resumed");
    gate.open();
    bench.assert_published(&Object::seeded(1, SIZE).content, &ran);
}

/// Many at once on nothing: one of them does it, the others are told or find it done.
#[test]
fn a_crowd_ends_with_one_right_file() {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    let crowd: Vec<Running> = (0..6).map(|_| bench.get().start()).collect();
    let ends: Vec<_> = crowd.into_iter().map(Running::wait).collect();
    for ran in &ends {
        assert!(ran.unsound().is_none() && [0, 9].contains(&ran.code()), "{}", ran.report(&bench));
    }
    assert!(ends.iter().any(|ran| ran.code() == 0));
    bench.assert_published(&Object::seeded(1, SIZE).content, &ends[0]);
}
