//! How much is looked at when many transfers are known. Goal: `list` looks at each of them once, `show` of a file at no
//! other one, and the system is asked once which files are locked. Method: system calls counted by strace(1), with so many
//! transfers and with twice as many.

use std::collections::BTreeMap;
use std::fs;

use longhaul_devstore::{Fault, Object};

use crate::common::{Bench, eventually};

const MANY: usize = 40;
/// What `list` may ask the system for each more transfer: three files (note, journal, and the folder's names) are looked
/// at, two of them opened, looked at, read and closed.
const CALLS_EACH_MAX: usize = 18;

fn begin(bench: &Bench, numbers: std::ops::Range<usize>) {
    bench.origin.put("/file", Object::seeded(1, 2000));
    for number in numbers {
        bench.origin.script("/file", vec![Fault::Cut { after: 1000 }]);
        let file = bench.folder().join(format!("f{number}"));
        bench.get().to(&file).retries(0).run().expect(bench, 10, "network, kept");
    }
}

/// How often it made each call, and what it opened.
fn calls(bench: &Bench, args: &[&str]) -> (BTreeMap<String, usize>, Vec<String>) {
    let (log, state) = (bench.root().join("calls"), bench.state());
    bench.run_under(["strace", "-f", "-qq", "-e", "trace=%file,read,fstat,close", "-o", log.to_str().unwrap()]);
    let ran = bench.longhaul(args.iter().copied().chain(["--state-dir", state.to_str().unwrap()]));
    bench.run_under([""; 0]);
    ran.expect_code(bench, 0);
    let (mut counts, mut opened) = (BTreeMap::<String, usize>::new(), Vec::new());
    for line in fs::read_to_string(&log).unwrap().lines() {
        let Some((_, call)) = line.split_once(' ') else { continue };
        let name = call.trim_start().split('(').next().unwrap_or_default();
        *counts.entry(name.to_owned()).or_default() += 1;
        if name == "openat" {
            opened.extend(call.split('"').nth(1).map(str::to_owned));
        }
    }
    (counts, opened)
}

fn sum(counts: &BTreeMap<String, usize>) -> usize {
    counts.values().sum()
}

#[test]
fn a_transfer_more_is_one_look_more_in_the_list_and_none_for_another_file() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        println!("skipped: strace not installed");
        return;
    }
    let bench = Bench::new();
    begin(&bench, 0..MANY);
    let (list, _) = calls(&bench, &["list"]);
    let (show, _) = calls(&bench, &["show", "out/f7"]);
    begin(&bench, MANY..2 * MANY);
    // Locks are looked for where a note says that no process works on it: one does all the same.
    let lock = fs::File::open(bench.folder().join("f7.lhpart")).unwrap();
    lock.try_lock().unwrap();
    assert!(eventually(|| fs::read_to_string("/proc/locks").is_ok_and(|locks| locks.contains("FLOCK"))));
    let (list_of_more, opened) = calls(&bench, &["list"]);
    let (show_of_more, opened_to_show) = calls(&bench, &["show", "out/f7"]);
    for opened in [opened, opened_to_show] {
        let asked = opened.iter().filter(|name| *name == "/proc/locks").count();
        assert!(asked <= 1, "which files are locked was asked {asked} times");
    }
    let each = (sum(&list_of_more) - sum(&list)) / MANY;
    assert!(each <= CALLS_EACH_MAX, "{each} calls for each transfer: {list:?}, then {list_of_more:?}");
    let reads = (list_of_more["read"] - list["read"]) / MANY;
    assert!(reads <= 2, "{reads} reads for each transfer: a note and a journal");
    assert_eq!(show_of_more["openat"], show["openat"], "{show:?}, then {show_of_more:?}");
}
