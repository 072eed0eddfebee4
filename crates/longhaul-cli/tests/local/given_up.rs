//! What was begun can be given up, and what is over is not listed. Goal: `cancel` and `clean` remove every download that
//! no process works on, whatever its link was and however little is left of it, and ask no network; `list` shows no more
//! than one row of a file, and only what is there. Method: downloads that an origin cut, and a count of its requests.

use std::fs;
use std::path::PathBuf;

use longhaul_devstore::{Fault, Gate, Object};
use rustix::process::Signal;
use serde_json::Value;

use crate::common::{Bench, HALF, Ran, Running, SIZE, SOON, eventually, names};

fn bench() -> Bench {
    let bench = Bench::tight();
    bench.origin.put("/file", Object::seeded(1, SIZE));
    bench
}

/// Another command, over the state directory of the bench.
fn run(bench: &Bench, args: &[&str]) -> Ran {
    let state = bench.state();
    let ran = bench.longhaul(args.iter().copied().chain(["--state-dir", state.to_str().unwrap()]));
    assert_eq!(ran.unsound(), None, "{args:?}: {}", ran.report(bench));
    ran
}

fn listed(bench: &Bench, args: &[&str]) -> Vec<Value> {
    let ran = run(bench, &[&["list", "--json"], args].concat());
    ran.expect_code(bench, 0);
    ran.events
}

/// The links that a download may have, by which nothing may depend once it is given up.
const LINKS: [(&str, &[&str]); 4] = [
    ("/file?Signature=abc&Expires=1", &[]),
    ("user:secret@/file", &[]),
    ("/file", &["--user", "user:secret"]),
    ("/file", &["--header", "Cookie: secret"]),
];

/// A download by such a link that was cut in the middle.
fn cut(bench: &Bench, (link, args): (&str, &[&str])) {
    let url = match link.split_once('@') {
        Some((user, path)) => bench.origin.url(path).replacen("http://", &format!("http://{user}@"), 1),
        None => bench.origin.url(link),
    };
    bench.origin.script("/file", vec![Fault::Cut { after: HALF }]);
    let ran = bench.get_url(url).args(args).retries(0).run();
    bench.origin.script("/file", Vec::new());
    ran.expect(bench, 10, "network, kept");
    assert!(bench.part().exists() && listed(bench, &[]).len() == 1, "{}", ran.report(bench));
}

#[test]
fn whatever_its_link_was_it_is_given_up_without_a_network() {
    let bench = bench();
    for link in LINKS {
        for way in ["file", "part", "id", "all", "clean", "unlisted", "unreadable"] {
            cut(&bench, link);
            let asked = bench.origin.requests();
            let (file, part) = (bench.file(), bench.part());
            let (file, part) = (file.to_str().unwrap(), part.to_str().unwrap());
            let id = listed(&bench, &[])[0]["id"].as_str().unwrap()[..8].to_owned();
            let ran = match way {
                "file" => run(&bench, &["cancel", file]),
                "part" => run(&bench, &["cancel", part]),
                "id" => run(&bench, &["cancel", &id]),
                "all" => run(&bench, &["cancel", "--all"]),
                "clean" => run(&bench, &["clean", "--yes", "--older-than", "0"]),
                "unlisted" => {
                    fs::remove_dir_all(bench.state()).unwrap();
                    run(&bench, &["cancel", file])
                }
                _ => {
                    fs::write(bench.log(), "garbage").unwrap();
                    run(&bench, &["cancel", file])
                }
            };
            ran.expect_code(&bench, 0);
            assert!(ran.stdout.contains("its partial file is deleted"), "{way}: {}{}", ran.stdout, ran.stderr);
            assert!(names(&bench.folder()).is_empty(), "{link:?}, {way}: {:?}", names(&bench.folder()));
            assert!(listed(&bench, &["--all"]).is_empty(), "{link:?}, {way}");
            assert_eq!(bench.origin.requests(), asked, "{link:?}, {way}: a source was asked");
        }
    }
}

/// A download that is under way and gets no more bytes.
fn under_way(bench: &Bench) -> (Running, Gate) {
    let gate = Gate::new();
    bench.origin.script("/file", vec![Fault::hold(HALF, &gate)]);
    let running = bench.get_url(bench.origin.url("/file?Signature=abc&Expires=1")).start();
    assert!(gate.reached(SOON) && eventually(|| running.received() >= HALF), "{}", running.told());
    assert!(eventually(|| listed(bench, &[]).len() == 1), "it is not listed");
    (running, gate)
}

#[test]
fn while_a_process_works_on_it_it_is_touched_by_name_alone() {
    let bench = bench();
    let (running, gate) = under_way(&bench);
    let row = listed(&bench, &[]).remove(0);
    assert_eq!(row["state"], "running");
    let (id, file) = (row["id"].as_str().unwrap().to_owned(), bench.file());
    let file = file.to_str().unwrap();
    for args in [&["cancel", "--all"][..], &["cancel", "--keep", file], &["cancel", "--keep", &id[..8]]] {
        for _ in 0..5 {
            let ran = run(&bench, args);
            ran.expect_code(&bench, 9);
            let holder = format!("process {} is working on it", running.pid());
            assert!(ran.stderr.contains(&holder), "{args:?}: {}", ran.stderr);
        }
    }
    run(&bench, &["clean", "--yes", "--older-than", "0"]).expect_code(&bench, 0);
    assert!(bench.part().exists() && bench.log().exists());
    gate.open();
    running.wait().expect(&bench, 0, "validator");
    assert!(listed(&bench, &["--all"]).is_empty());
    bench.assert_published(&Object::seeded(1, SIZE).content, &run(&bench, &["list"]));

    for by_id in [false, true] {
        fs::remove_file(bench.file()).unwrap_or_default();
        let (running, gate) = under_way(&bench);
        let row = listed(&bench, &[]).remove(0);
        run(&bench, &["cancel", if by_id { &row["id"].as_str().unwrap()[..8] } else { file }]).expect_code(&bench, 0);
        let ran = running.wait();
        assert_eq!(ran.code(), 143, "{}", ran.report(&bench));
        assert!(names(&bench.folder()).is_empty() && listed(&bench, &["--all"]).is_empty());
        gate.open();
    }
}

#[test]
fn after_a_kill_a_signed_link_is_told_to_be_needed() {
    let bench = bench();
    let (running, gate) = under_way(&bench);
    running.kill();
    gate.open();
    let row = &listed(&bench, &[])[0];
    assert_eq!((&row["state"], &row["needs_link"]), (&"needs_link".into(), &true.into()));
}

#[test]
fn a_stop_says_how_to_discard_and_that_works() {
    let bench = bench();
    let gate = Gate::new();
    bench.origin.script("/file", vec![Fault::hold(HALF, &gate)]);
    let running = bench.get().plain().start();
    assert!(gate.reached(SOON) && eventually(|| bench.part().metadata().is_ok_and(|part| part.len() >= HALF)));
    running.signal(Signal::INT);
    let ran = running.wait();
    gate.open();
    ran.expect_code(&bench, 130);
    assert!(ran.stderr.contains("to discard it: longhaul cancel out/file\n"), "{}", ran.stderr);
    run(&bench, &["cancel", "out/file"]).expect_code(&bench, 0);
    assert!(names(&bench.folder()).is_empty() && listed(&bench, &["--all"]).is_empty());
}

/// What of an entry may be left that no transfer stands for any more, and what `list` may show then.
#[test]
fn what_is_over_is_not_listed_and_goes() {
    type Haunt = fn(&Bench);
    let table: [(&str, Haunt, &str); 4] = [
        (
            "its files were removed by hand",
            |bench| [bench.part(), bench.log()].iter().for_each(|file| fs::remove_file(file).unwrap()),
            "gone",
        ),
        (
            "finished with another state directory",
            |bench| {
                let elsewhere = bench.get().state_dir(bench.root().join("other")).run();
                elsewhere.expect(bench, 0, "validator, resumed");
            },
            "gone",
        ),
        (
            "moved away",
            |bench| {
                fs::create_dir(bench.root().join("moved")).unwrap();
                for file in [bench.part(), bench.log()] {
                    fs::rename(&file, bench.root().join("moved").join(file.file_name().unwrap())).unwrap();
                }
            },
            "gone",
        ),
        (
            "its folder was removed",
            |bench| {
                fs::remove_dir_all(bench.folder()).unwrap();
                // As one on a disk that comes back it is kept for a while.
                run(bench, &["clean", "--yes"]).expect_code(bench, 0);
                assert_eq!(listed(bench, &["--all"]).len(), 1);
            },
            "gone",
        ),
    ];
    for (name, haunt, state) in table {
        for way in ["file", "id", "all", "clean"] {
            let bench = bench();
            bench.hold(HALF);
            haunt(&bench);
            assert!(listed(&bench, &[]).is_empty(), "{name}: {:?}", listed(&bench, &[]));
            assert!(run(&bench, &["list"]).stderr.contains("no unfinished transfers"), "{name}");
            let all = listed(&bench, &["--all"]);
            assert_eq!((all.len(), &all[0]["state"]), (1, &Value::from(state)), "{name}");
            let file = bench.file();
            let ran = match way {
                "file" => run(&bench, &["cancel", file.to_str().unwrap()]),
                "id" => run(&bench, &["cancel", &all[0]["id"].as_str().unwrap()[..6]]),
                "all" => run(&bench, &["cancel", "--all"]),
                _ => run(&bench, &["clean", "--yes", "--older-than", "0"]),
            };
            ran.expect_code(&bench, 0);
            assert!(ran.stdout.contains("forgotten"), "{name}, {way}: {}{}", ran.stdout, ran.stderr);
            assert!(listed(&bench, &["--all"]).is_empty(), "{name}, {way}");
        }
    }
}

/// Paused by one link, removed, begun again, finished by another link, small or large: a file has one row or none.
#[test]
fn a_file_never_has_two_rows() {
    let bench = bench();
    for (size, again) in [(SIZE, "/file?Signature=b&Expires=2"), (SIZE, "/other"), (9, "/file"), (9, "/other")] {
        bench.origin.put("/file", Object::seeded(1, SIZE));
        cut(&bench, ("/file?Signature=a&Expires=1", &[]));
        [bench.part(), bench.log()].iter().for_each(|file| fs::remove_file(file).unwrap());
        for path in ["/file", "/other"] {
            bench.origin.put(path, Object::seeded(2, size));
        }
        let gate = Gate::new();
        let (path, at) = (again.split('?').next().unwrap(), size / 2);
        bench.origin.script(path, vec![Fault::hold(at, &gate)]);
        let running = bench.get_url(bench.origin.url(again)).start();
        assert!(gate.reached(SOON) && eventually(|| running.received() >= at), "{}", running.told());
        if size == SIZE {
            assert!(eventually(|| listed(&bench, &["--all"]).iter().all(|row| row["state"] == "running")));
        }
        assert_eq!(listed(&bench, &["--all"]).len(), 1, "{again}");
        gate.open();
        running.wait().expect(&bench, 0, "validator");
        assert!(listed(&bench, &["--all"]).is_empty(), "{again}, {size} bytes: {:?}", listed(&bench, &["--all"]));
        bench.origin.script(path, Vec::new());
        fs::remove_file(bench.file()).unwrap();
    }
}

/// Finished by a fresh link, into a folder too.
#[test]
fn finished_by_a_fresh_link_it_is_not_listed() {
    for into_folder in [false, true] {
        let bench = bench();
        cut(&bench, LINKS[0]);
        let get = bench.get_url(bench.origin.url("/file?Signature=fresh&Expires=2"));
        let get = if into_folder { get.into_dir(bench.folder()) } else { get };
        get.run().expect(&bench, 0, "validator, resumed");
        assert!(listed(&bench, &["--all"]).is_empty(), "{:?}", listed(&bench, &["--all"]));
    }
}

#[test]
fn one_that_cannot_be_cancelled_does_not_stop_the_others() {
    let bench = bench();
    let (running, gate) = under_way(&bench);
    let others: Vec<PathBuf> = ["b", "c"].iter().map(|name| bench.folder().join(name)).collect();
    for file in &others {
        bench.origin.put("/more", Object::seeded(2, SIZE));
        bench.origin.script("/more", vec![Fault::Cut { after: HALF }]);
        bench.get_url(bench.origin.url("/more")).to(file).retries(0).run().expect(&bench, 10, "network, kept");
    }
    let [b, c] = [&others[0], &others[1]].map(|file| file.to_str().unwrap());
    let ran = run(&bench, &["cancel", "--keep", "nothing", "out/file", b, "--json"]);
    ran.expect_code(&bench, 8);
    let ends: Vec<_> = ran.events.iter().map(|end| end["exit_code"].as_u64().unwrap()).collect();
    assert_eq!(ends, [8, 9, 0], "{}", ran.stdout);
    let ran = run(&bench, &["cancel", "--all"]);
    ran.expect_code(&bench, 9);
    assert!(ran.stdout.contains("out/c: cancelled"), "{}{}", ran.stdout, ran.stderr);
    let left = names(&bench.folder());
    assert!(left.contains("b.lhpart") && !left.contains("c.lhpart"), "{b} was forgotten, {c} given up: {left:?}");
    gate.open();
    running.wait().expect(&bench, 0, "validator");
}

#[test]
fn forgotten_it_is_not_listed_and_goes_on_all_the_same() {
    let bench = bench();
    bench.hold(HALF);
    let ran = run(&bench, &["cancel", "--all", "--keep"]);
    ran.expect_code(&bench, 0);
    assert!(ran.stdout.contains("its partial file is left as it is"), "{}", ran.stdout);
    assert!(listed(&bench, &["--all"]).is_empty() && bench.part().exists());
    bench.get().run().expect(&bench, 0, "validator, resumed");
}

/// A folder that was moved has no row in the list; what lies in it is told all the same, and goes on there.
#[test]
fn what_lies_in_a_folder_is_told_in_the_list_or_not() {
    let bench = bench();
    bench.hold(HALF);
    bench.origin.put("/b", Object::seeded(2, SIZE));
    bench.origin.script("/b", vec![Fault::Cut { after: HALF }]);
    let b = bench.folder().join("b");
    bench.get_url(bench.origin.url("/b")).to(b).retries(0).run().expect(&bench, 10, "network, kept");
    let ids = |rows: &[Value]| -> Vec<String> { rows.iter().map(|row| row["id"].to_string()).collect() };
    let known = listed(&bench, &[]);
    assert_eq!(ids(&listed(&bench, &["out"])).len(), 2);
    let moved = bench.root().join("moved");
    fs::rename(bench.folder(), &moved).unwrap();
    assert!(listed(&bench, &[]).is_empty());
    let (mut found, mut before) = (ids(&listed(&bench, &["moved"])), ids(&known));
    found.sort();
    before.sort();
    assert_eq!(found, before);
    for row in listed(&bench, &["moved"]) {
        assert_eq!((&row["state"], &row["held"]), (&"interrupted".into(), &HALF.into()));
        assert!(
            row["updated_ms"].as_u64().unwrap() > 1_600_000_000_000 && row["url"].as_str().unwrap().contains("http")
        );
    }
    let shown = run(&bench, &["show", "moved", "--json"]);
    assert_eq!(ids(&shown.events).len(), 2, "{}", shown.stdout);
    assert!(run(&bench, &["show", "moved"]).stdout.contains("moved/b"), "{}", shown.stdout);
    run(&bench, &["list", "out"]).expect_code(&bench, 8);
    fs::create_dir(bench.folder()).unwrap();
    let none = run(&bench, &["show", "out"]);
    assert!(none.code() == 0 && none.stderr.contains("no unfinished transfers in out"), "{}", none.stderr);
    run(&bench, &["cancel", "moved/b"]).expect_code(&bench, 0);
    assert_eq!(listed(&bench, &["moved"]).len(), 1);
}

#[test]
fn the_first_line_and_the_last_name_the_file_alike() {
    let bench = bench();
    let ran = bench.get().plain().run();
    ran.expect_code(&bench, 0);
    let lines: Vec<_> = ran.stderr.lines().collect();
    assert!(lines.len() >= 2 && lines.iter().all(|line| line.starts_with("out/file")), "{lines:?}");
}

#[test]
fn what_is_not_whole_yet_is_told_so_by_verify() {
    let bench = bench();
    bench.hold(HALF);
    let ran = run(&bench, &["verify", "out/file"]);
    assert!(ran.code() == 8 && ran.stderr.contains("not whole yet; `longhaul show out/file`"), "{}", ran.stderr);
}

#[test]
fn verify_holds_any_file_against_digests_that_are_given() {
    let bench = bench();
    let file = bench.folder().join("mine");
    fs::write(&file, "abc").unwrap();
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, B.1
    let ran = run(&bench, &["verify", "out/mine", "--checksum", abc]);
    assert!(
        ran.code() == 0 && ran.stdout.contains(&format!("out/mine: right, 3 B; it has sha256:{abc}")),
        "{}",
        ran.stdout
    );
    let md5 = "md5:900150983cd24fb0d6963f7d28e17f72"; // RFC 1321, A.5
    let ran = run(&bench, &["verify", "out/mine", "--checksum", md5, "--checksum", abc, "--json"]);
    assert_eq!((ran.code(), ran.events[0]["digests"].as_array().unwrap().len()), (0, 2), "{}", ran.stdout);
    let other = format!("sha256:{}", "0".repeat(64));
    let ran = run(&bench, &["verify", "out/mine", "--checksum", md5, "--checksum", &other]);
    assert!(ran.code() == 7 && ran.stdout.contains(&format!("does not match {other}")), "{}", ran.stdout);
    assert!(!ran.stdout.contains("900150983cd24fb0"), "what matches is no damage: {}", ran.stdout);
    assert_eq!(run(&bench, &["verify", "out/mine", "--checksum", "crc9:00"]).code(), 2);
    let ran = run(&bench, &["verify", "out/mine"]);
    assert!(ran.code() == 8 && ran.stdout.contains("no record"), "{}", ran.stdout);
}
