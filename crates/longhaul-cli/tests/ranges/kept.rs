//! What is held of a range: after a kill, beside a replaced object, damaged, of another range, finished.

use std::fs;
use std::os::unix::fs::FileExt as _;

use longhaul_devstore::{Fault, Gate, Object};

use super::{MIB, assert_has, cut};
use crate::common::{Bench, Ran, SIZE, SOON, eventually};

const RANGE: [&str; 2] = ["--range", "1000-2500000,3000000-"];
const PIECES: [(u64, u64); 2] = [(1000, 2_500_001), (3_000_000, SIZE)];
const FIRST: u64 = 2_499_001;
const LEN: u64 = FIRST + SIZE - 3_000_000;

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

/// So much of the file is held: the origin cuts the request that it lies in.
fn hold(bench: &Bench, held: u64) {
    let faults = match held.checked_sub(FIRST) {
        Some(more) => vec![Fault::Correct, Fault::Cut { after: more }],
        None => vec![Fault::Cut { after: held }],
    };
    bench.origin.script("/file", faults);
    let ran = bench.get().alone().retries(0).args(RANGE).run();
    bench.origin.script("/file", Vec::new());
    ran.expect(bench, 10, "network, kept");
    assert_eq!(ran.held(), held, "{}", ran.report(bench));
}

/// The next run, on one connection (what is slow would be asked for twice), and what was served for it.
fn next(bench: &Bench, range: &[&str]) -> (Ran, u64) {
    let before = bench.served();
    let ran = bench.get().alone().args(range).run();
    (ran, bench.served() - before)
}

#[test]
fn what_is_held_is_not_fetched_again() {
    // In the first piece, at its end, in the second.
    for held in [1, MIB, FIRST - 1, FIRST, FIRST + 1, LEN - 1] {
        let bench = bench();
        hold(&bench, held);
        let (ran, served) = next(&bench, &RANGE);
        ran.expect(&bench, 0, "validator, resumed");
        assert_eq!(served, LEN - held, "{}", ran.report(&bench));
        assert_has(&bench, &Object::seeded(1, SIZE).content, &PIECES, &ran);
    }
}

#[test]
fn killed_anywhere_it_goes_on() {
    for at in [300_000, FIRST - 5, FIRST + 200_000] {
        let bench = Bench::tight();
        bench.origin.put("/file", Object::seeded(1, SIZE));
        let gate = Gate::new();
        bench.origin.script(
            "/file",
            match at < FIRST {
                true => vec![Fault::hold(at, &gate)],
                false => vec![Fault::Correct, Fault::hold(at - FIRST, &gate)],
            },
        );
        let running = bench.get().alone().args(RANGE).start();
        assert!(gate.reached(SOON) && eventually(|| running.received() >= at), "{}", running.told());
        running.kill();
        gate.open();
        bench.origin.script("/file", Vec::new());
        let (ran, served) = next(&bench, &RANGE);
        ran.expect(&bench, 0, "validator, resumed");
        assert!(served <= LEN - at + MIB, "{served}: {}", ran.report(&bench));
        assert_has(&bench, &Object::seeded(1, SIZE).content, &PIECES, &ran);
    }
}

#[test]
fn a_replaced_object_is_never_mixed_with_what_is_held() {
    for held in [MIB, FIRST + 1] {
        // As long, longer, and so much shorter that an end is clipped.
        for size in [SIZE, SIZE + MIB, 3_500_000] {
            let bench = bench();
            hold(&bench, held);
            let new = Object::seeded(2, size);
            bench.origin.put("/file", new.clone());
            let (ran, _) = next(&bench, &RANGE);
            ran.expect(&bench, 0, "validator, resumed, restarted (changed)");
            assert_has(&bench, &new.content, &[PIECES[0], (3_000_000, size)], &ran);
        }
        // Too short for the range: that is told, and what is held stays.
        let bench = bench();
        hold(&bench, held);
        bench.origin.put("/file", Object::seeded(2, 2_999_999));
        let (ran, _) = next(&bench, &RANGE);
        ran.expect(&bench, 11, "refused, kept");
        assert!(ran.stderr.contains("the object has 2999999 bytes"), "{}", ran.stderr);
        bench.origin.put("/file", Object::seeded(1, SIZE));
        let (ran, served) = next(&bench, &RANGE);
        ran.expect(&bench, 0, "validator, resumed");
        assert_eq!(served, LEN - held, "{}", ran.report(&bench));
    }
}

#[test]
fn the_last_bytes_of_an_object_that_grew_are_others() {
    let bench = bench();
    let last = ["--range", "-2000000"];
    bench.origin.script("/file", vec![Fault::Cut { after: MIB }]);
    bench.get().alone().retries(0).args(last).run().expect(&bench, 10, "network, kept");
    bench.origin.script("/file", Vec::new());
    let content = Object::seeded(1, SIZE).content.then(&Object::seeded(2, 500).content);
    bench.origin.put("/file", Object::new(content.clone()));
    let (ran, _) = next(&bench, &last);
    ran.expect(&bench, 0, "validator, resumed, restarted (changed)");
    assert_has(&bench, &content, &[(SIZE + 500 - 2_000_000, SIZE + 500)], &ran);
}

#[test]
fn only_what_is_damaged_is_fetched_again() {
    let bench = bench();
    hold(&bench, FIRST + MIB);
    let part = fs::OpenOptions::new().write(true).open(bench.part()).unwrap();
    part.write_all_at(b"damage", FIRST + 5).unwrap(); // in the third block of the file
    let (ran, served) = next(&bench, &RANGE);
    ran.expect(&bench, 0, "validator, resumed");
    assert!(ran.event("damaged").is_some(), "{}", ran.report(&bench));
    assert!(served <= LEN - FIRST - MIB + 2 * MIB, "{served}: {}", ran.report(&bench));
    assert_has(&bench, &Object::seeded(1, SIZE).content, &PIECES, &ran);
}

/// The partial of another range is another thing, as that of another source is; so is a finished file.
#[test]
fn another_range_is_another_thing_to_fetch() {
    let bench = bench();
    hold(&bench, MIB);
    for (range, says) in [
        (&["--range", "0-99"][..], "not bytes 0-99"),
        (&[], "not all of it"),
        (&["--range", "1000-2500000"], "not bytes 1000-2500000"),
    ] {
        for more in [None, Some("--overwrite")] {
            let ran = bench.get().args(range).args(more).run();
            ran.expect(&bench, 8, "exists");
            assert!(ran.stderr.contains("bytes 1000-2500000,3000000-") && ran.stderr.contains(says), "{}", ran.stderr);
        }
    }
    let (ran, served) = next(&bench, &RANGE);
    ran.expect(&bench, 0, "validator, resumed");
    assert_eq!(served, LEN - MIB, "nothing that was refused cost a byte: {}", ran.report(&bench));

    for range in [&["--range", "0-99"][..], &[]] {
        let before = fs::read(bench.file()).unwrap();
        bench.get().args(range).run().expect(&bench, 8, "exists");
        assert_eq!(fs::read(bench.file()).unwrap(), before);
    }
    let ran = bench.get().args(["--range", "0-99", "--overwrite"]).run();
    ran.expect(&bench, 0, "validator");
    assert_has(&bench, &Object::seeded(1, SIZE).content, &[(0, 100)], &ran);
    // And the whole object is no range of it.
    let ran = bench.get().args(["--overwrite"]).run();
    ran.expect(&bench, 0, "validator");
    bench.get().args(["--range", "0-99"]).run().expect(&bench, 8, "exists");
}

/// In a folder, by its usual name: what lies there of another range is not taken for this one.
#[test]
fn in_a_folder_the_same_range_is_found_again() {
    let bench = bench();
    let get = |range: &str| bench.get().into_dir(bench.folder()).args(["--range", range]).run();
    get("0-99").expect(&bench, 0, "validator");
    get("0-99").expect(&bench, 0, "validator, already");
    get("0-98").expect(&bench, 8, "exists");
}

#[test]
fn the_same_command_after_success_is_one_request_and_no_transfer() {
    for range in ["1000-2500000,3000000-", "-77", "100-199"] {
        let bench = bench();
        bench.get().args(["--range", range]).run().expect(&bench, 0, "validator");
        let (requests, served) = (bench.origin.requests(), bench.served());
        let ran = bench.get().args(["--range", range]).run();
        ran.expect(&bench, 0, "validator, already");
        assert_eq!((ran.fetched(), bench.origin.requests() - requests), (0, 1), "{}", ran.report(&bench));
        assert!(bench.served() - served <= 1, "{}", ran.report(&bench));
        // Another version is fetched.
        bench.origin.put("/file", Object::seeded(2, SIZE));
        bench.get().args(["--range", range]).run().expect_code(&bench, 0);
    }
}

#[test]
fn it_is_given_up_like_any_other() {
    let bench = bench();
    hold(&bench, MIB);
    let state = bench.state();
    let ran = bench.longhaul(["cancel", "--state-dir", state.to_str().unwrap(), bench.file().to_str().unwrap()]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    super::assert_bare(&bench, &ran);
}

#[test]
fn list_show_and_verify_know_the_range() {
    let bench = bench();
    hold(&bench, MIB);
    let (state, file) = (bench.state(), bench.file());
    let ask = |verb: &str, more: &[&str]| {
        let mut args = vec![verb, "--state-dir", state.to_str().unwrap()];
        args.extend(more);
        bench.longhaul(args)
    };
    let file = file.to_str().unwrap();
    assert!(ask("list", &[]).stdout.contains("--range 1000-2500000,3000000-"));
    let listed: serde_json::Value = serde_json::from_str(&ask("list", &["--json"]).stdout).unwrap();
    assert_eq!(listed["range"], "1000-2500000,3000000-");
    let shown: serde_json::Value = serde_json::from_str(&ask("show", &["--json", file]).stdout).unwrap();
    assert_eq!((&shown["range"], &shown["total"]), (&"1000-2500000,3000000-".into(), &LEN.into()));
    assert_eq!((&shown["object"]["length"], &shown["next_start"]), (&SIZE.into(), &"continues".into()));
    assert_eq!(shown["fetch"][0]["end"], LEN);
    assert!(ask("show", &["--explain", file]).stdout.contains("1000-2500000,3000000-"));

    let (ran, _) = next(&bench, &RANGE);
    ran.expect(&bench, 0, "validator, resumed");
    let shown: serde_json::Value = serde_json::from_str(&ask("show", &["--json", file]).stdout).unwrap();
    assert_eq!((&shown["range"], &shown["bytes"]), (&"1000-2500000,3000000-".into(), &LEN.into()));
    assert_eq!(ask("verify", &[file]).code(), 0);
    let mut bytes = cut(&Object::seeded(1, SIZE).content, &PIECES).to_vec();
    bytes[2_600_000] ^= 1;
    fs::write(bench.file(), bytes).unwrap();
    let verified = ask("verify", &[file]);
    assert_eq!(verified.code(), 7, "{}{}", verified.stdout, verified.stderr);
}
