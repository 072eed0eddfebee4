//! Several URLs side by side. Goal: as many at work as `--jobs` says and no more, each URL ends by itself with its own
//! word, one signal stops all and loses nothing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::collections::BTreeMap;
use std::fs;

use common::{Bench, DEADLINE, Ran, SIZE, SOON, eventually, names};
use longhaul_devstore::{Fault, Gate, Object};
use rustix::process::Signal;

/// A list of URLs in a file, one origin path a line.
fn list(bench: &Bench, paths: &[&str]) -> std::path::PathBuf {
    let mut text = String::from("# a list\n\n");
    for path in paths {
        text += &format!("{}\n", bench.origin.url(path));
    }
    let file = bench.root().join("list");
    fs::write(&file, text).unwrap();
    file
}

/// `longhaul get -i LIST -d out -j JOBS --json`.
fn get(bench: &Bench, paths: &[&str], jobs: &str) -> common::Running {
    let list = list(bench, &paths[1..]);
    bench.get_url(bench.origin.url(paths[0])).into_dir(bench.folder()).args(["-j", jobs, "-i"]).arg(list).start()
}

/// How each URL ended, by its number; panics when one ended twice or an event belongs to none.
fn ends(ran: &Ran) -> BTreeMap<u64, String> {
    let mut ends = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for event in &ran.events {
        let number = event["number"].as_u64().unwrap();
        assert!(!ends.contains_key(&number), "an event after the end: {event}");
        if let Some(id) = event["id"].as_str() {
            assert_eq!(ids.entry(number).or_insert(id.to_owned()), id, "{event}");
        }
        match event["event"].as_str().unwrap() {
            "done" => drop(ends.insert(number, "done".to_owned())),
            "failed" => drop(ends.insert(number, event["kind"].as_str().unwrap().to_owned())),
            _ => {}
        }
    }
    ends
}

/// Calls about files. What the network, memory and threads take is not looked at; nor is `fcntl`, with which builds
/// for debugging check every descriptor that they close.
const FILE_CALLS: &str = "open,openat,close,fstat,newfstatat,statx,fstatfs,access,readlink,getcwd,pwrite64,pread64,\
                          ftruncate,fallocate,fchmod,flock,renameat2,linkat,unlinkat,mkdir,mkdirat,getdents64,fgetxattr";

/// Most of what a small file costs are calls to the system, and one more is soon made: here they are counted. What is
/// written to the receipts is not, nor what the program does once.
#[test]
fn a_small_file_of_a_list_costs_few_calls() {
    if let Err(error) = std::process::Command::new("strace").arg("-V").output() {
        assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "strace: {error}");
        println!("skipped: strace is not installed");
        return;
    }
    let bench = Bench::new();
    let paths: Vec<String> = (0..300).map(|n| format!("/{n}.bin")).collect();
    for (n, path) in paths.iter().enumerate() {
        bench.origin.put(path, Object::seeded(n as u64, 16 << 10));
    }
    let log = bench.root().join("calls");
    let trace = format!("trace={FILE_CALLS}");
    bench.run_under(["strace", "-f", "-qq", "-e", "signal=none", "-e", &trace, "-o", log.to_str().unwrap()]);
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let count_calls = |count: usize| {
        let run = get(&bench, &paths[..count], "8").within(std::time::Duration::from_secs(300)); // strace is slow
        run.wait().expect_code(&bench, 0);
        assert_eq!(names(&bench.folder()).len(), count);
        fs::remove_dir_all(bench.folder()).unwrap();
        fs::remove_dir_all(bench.state()).unwrap();
        fs::read_to_string(&log).unwrap().lines().filter(|line| !line.contains(" resumed>")).count() as f64
    };
    // On a busy machine a file may take so long that it gets a journal, and the folder is looked at again every other
    // second: one run in which that did not happen will do.
    let each = || (count_calls(300) - count_calls(100)) / 200.0;
    let each = (0..10).map(|_| each()).find(|each| *each <= 15.5);
    assert!(each.is_some(), "more than 15 calls for each file, ten times");
}

#[test]
fn a_long_list_is_fetched_whole_a_few_at_a_time() {
    let bench = Bench::new();
    let paths: Vec<String> = (0..300).map(|n| format!("/{n}.bin")).collect();
    for (n, path) in paths.iter().enumerate() {
        bench.origin.put(path, Object::seeded(n as u64, 1000 + n as u64));
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let ran = get(&bench, &paths, "8").wait();
    ran.expect_code(&bench, 0);
    assert_eq!(ends(&ran).len(), 300);
    for n in 0..300 {
        let content = Object::seeded(n, 1000 + n).content;
        let file = bench.folder().join(format!("{n}.bin"));
        assert_eq!(content.first_difference_in_file(file).unwrap(), None, "{n}");
    }
    assert_eq!(names(&bench.folder()).len(), 300);
}

#[test]
fn as_many_are_at_work_as_was_said_and_no_more() {
    let bench = Bench::new();
    let gate = Gate::new();
    let paths = ["/0", "/1", "/2", "/3", "/4", "/5", "/6"];
    for path in paths {
        bench.origin.put(path, Object::seeded(1, SIZE));
        bench.origin.always(path, Fault::hold(1000, &gate));
    }
    let mut running = get(&bench, &paths, "3");
    let held = |log: &[longhaul_devstore::Seen]| log.len() >= 3;
    assert!(bench.origin.wait_for(held, SOON));
    // All that will come without the gate have come once each has told of its bytes.
    assert!(eventually(|| running.told().matches("\"received\":1000").count() >= 3), "{}", running.told());
    assert_eq!(bench.origin.requests(), 3);
    assert!(!running.is_over());
    gate.open();
    let ran = running.wait();
    ran.expect_code(&bench, 0);
    assert_eq!(ends(&ran).len(), 7);
}

#[test]
fn the_exit_code_is_that_of_the_first_in_the_list_that_failed() {
    let bench = Bench::new();
    for path in ["/0", "/1", "/2", "/3"] {
        bench.origin.put(path, Object::seeded(1, SIZE));
    }
    bench.origin.always("/1", Fault::status(404));
    bench.origin.always("/2", Fault::status(403));
    let ran = get(&bench, &["/0", "/1", "/2", "/3"], "4").wait();
    ran.expect_code(&bench, 3);
    let words: Vec<String> = ends(&ran).into_values().collect();
    assert_eq!(words, ["done", "not_found", "denied", "done"]);

    // Although the other failed long before.
    bench.origin.put("/late", Object::seeded(1, SIZE));
    let control = bench.origin.control();
    bench.origin.choose("/late", move |_| {
        assert!(control.wait_for(|log| log.iter().filter(|s| s.status == Some(404)).count() >= 2, DEADLINE));
        Fault::status(403)
    });
    let ran = get(&bench, &["/late", "/1"], "2").wait();
    ran.expect_code(&bench, 4);
    assert_eq!(ran.events.last().unwrap()["number"], 1, "it ended last: {}", ran.report(&bench));
}

/// The message says which two sources want one target, and speaks of no other process.
fn assert_names_both(bench: &Bench, ran: &Ran) {
    for words in [&bench.origin.url("/a/x"), &bench.origin.url("/b/x"), "would both be saved there", "out/x"] {
        assert!(ran.stderr.contains(words), "{words} is not said: {}", ran.report(bench));
    }
    assert!(!ran.stderr.contains("process"), "{}", ran.report(bench));
}

/// One after the other it is the same, with --overwrite too: what one URL of a command was saved as, another one of it
/// never replaces. Nor does it under a second name of the file, as file systems have that ignore case.
#[test]
fn of_two_urls_with_one_name_the_first_stays() {
    for args in [&[][..], &["--overwrite"]] {
        for again in [false, true] {
            let bench = Bench::new();
            bench.origin.put("/a/x", Object::seeded(1, SIZE));
            bench.origin.put("/b/x", Object::seeded(2, SIZE));
            if again {
                // The first is there already, from an earlier command.
                bench.get_url(bench.origin.url("/a/x")).into_dir(bench.folder()).run().expect_code(&bench, 0);
            }
            let urls = [bench.origin.url("/a/x"), bench.origin.url("/b/x")];
            let ran = bench.get_url(&urls[0]).into_dir(bench.folder()).args(["-j", "1", &urls[1]]).args(args).run();
            ran.expect_code(&bench, 8);
            assert_eq!(ends(&ran).into_values().collect::<Vec<_>>(), ["done", "exists"], "{}", ran.report(&bench));
            assert_names_both(&bench, &ran);
            let first = Object::seeded(1, SIZE).content;
            assert_eq!(first.first_difference_in_file(bench.folder().join("x")).unwrap(), None, "{args:?}");
            assert_eq!(names(&bench.folder()).len(), 1, "{}", ran.report(&bench));
        }
    }
}

#[test]
fn two_names_of_one_file_are_one_target() {
    let bench = Bench::new();
    bench.origin.put("/a/x", Object::seeded(1, SIZE));
    bench.origin.put("/b/X", Object::seeded(2, SIZE));
    let folder = bench.folder();
    // Where case is ignored, the second name is there as soon as the first is.
    bench.origin.choose("/b/X", move |_| {
        let _ = fs::hard_link(folder.join("x"), folder.join("X"));
        Fault::Correct
    });
    let urls = [bench.origin.url("/a/x"), bench.origin.url("/b/X")];
    let ran = bench.get_url(&urls[0]).into_dir(bench.folder()).args(["-j", "1", "--overwrite", &urls[1]]).run();
    ran.expect_code(&bench, 8);
    assert!(ran.stderr.contains(&urls[0]) && ran.stderr.contains(&urls[1]), "{}", ran.report(&bench));
    let first = Object::seeded(1, SIZE).content;
    assert_eq!(first.first_difference_in_file(bench.folder().join("X")).unwrap(), None, "{}", ran.report(&bench));
}

#[test]
fn a_url_that_is_listed_twice_waits_for_itself() {
    for jobs in ["1", "3"] {
        let bench = Bench::new();
        bench.origin.put("/x", Object::seeded(1, SIZE));
        let ran = get(&bench, &["/x", "/x", "/x"], jobs).wait();
        ran.expect_code(&bench, 0);
        assert_eq!(ends(&ran).into_values().collect::<Vec<_>>(), ["done"; 3], "{}", ran.report(&bench));
        let already = ran.events.iter().filter(|event| event["already"] == true).count();
        assert_eq!((already, names(&bench.folder()).len()), (2, 1), "{}", ran.report(&bench));
    }
}

#[test]
fn of_two_urls_with_one_name_the_second_is_told_so_and_the_others_go_on() {
    let bench = Bench::new();
    let gate = Gate::new();
    for (seed, path) in ["/a/x", "/b/x", "/c/y"].into_iter().enumerate() {
        bench.origin.put(path, Object::seeded(seed as u64, SIZE));
    }
    for path in ["/a/x", "/b/x"] {
        bench.origin.always(path, Fault::hold(0, &gate));
    }
    let running = get(&bench, &["/a/x", "/b/x", "/c/y"], "3");
    assert!(eventually(|| running.told().contains("\"failed\"")), "{}", running.told());
    gate.open();
    let ran = running.wait();
    ran.expect_code(&bench, 8);
    let mut words: Vec<String> = ends(&ran).into_values().collect();
    assert_eq!(words.pop().unwrap(), "done");
    words.sort(); // which of the two was first is chance
    assert_eq!(words, ["done", "exists"]);
    assert_names_both(&bench, &ran);
    assert_eq!(names(&bench.folder()), ["x".to_owned(), "y".to_owned()].into());

    // One after the other, the name is taken.
    bench.origin.put("/a/y", Object::seeded(7, 10));
    let ran = get(&bench, &["/c/y", "/a/y"], "1").wait();
    ran.expect_code(&bench, 8);
    assert_eq!(ends(&ran).into_values().collect::<Vec<_>>(), ["done", "exists"]);
}

#[test]
fn one_signal_stops_all_and_everything_is_kept() {
    let bench = Bench::tight();
    let gate = Gate::new();
    let half = SIZE / 2;
    let paths: Vec<String> = (0..20).map(|n| format!("/{n}")).collect();
    for (n, path) in paths.iter().enumerate() {
        bench.origin.put(path, Object::seeded(n as u64, SIZE));
        bench.origin.always(path, Fault::hold(half, &gate));
    }
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let running = get(&bench, &paths, "8");
    let halves =
        || (0..20).filter(|n| bench.folder().join(format!("{n}.lhpart")).metadata().is_ok_and(|m| m.len() >= half));
    assert!(eventually(|| halves().count() == 8), "{}", running.told());
    running.signal(Signal::INT);
    let ran = running.wait();
    ran.expect_code(&bench, 130);
    let words = ends(&ran);
    assert!(words.len() == 20 && words.values().all(|word| word == "interrupted"), "{words:?}");
    let kept = ran.events.iter().filter(|e| e["event"] == "failed" && e["held"] == half).count();
    assert_eq!(kept, 8, "{}", ran.report(&bench));
    for path in &paths {
        bench.origin.script(path, Vec::new());
    }
    gate.open();
    let before = bench.served();
    let ran = get(&bench, &paths, "8").wait();
    ran.expect_code(&bench, 0);
    let served = bench.served() - before;
    assert!(served <= 20 * SIZE - 8 * half, "{served} bytes were served again");
    for n in 0..20 {
        let content = Object::seeded(n, SIZE).content;
        assert_eq!(content.first_difference_in_file(bench.folder().join(n.to_string())).unwrap(), None, "{n}");
    }
}

#[test]
fn people_see_one_summary() {
    let bench = Bench::new();
    for path in ["/0", "/1", "/2"] {
        bench.origin.put(path, Object::seeded(1, 1024));
    }
    bench.origin.always("/1", Fault::status(404));
    let list = list(&bench, &["/1", "/2"]);
    let get = bench.get_url(bench.origin.url("/0")).into_dir(bench.folder()).plain();
    let ran = get.arg("-i").arg(list).run();
    ran.expect_code(&bench, 3);
    let last = ran.stderr.lines().last().unwrap();
    assert_eq!(last, "2 of 3 done, 2.0 KiB; 2.0 KiB fetched; 1 failed", "{}", ran.stderr);
}
