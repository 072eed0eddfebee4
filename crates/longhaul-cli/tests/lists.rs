//! Lists of URLs, with names and checksums, and checksum files. Goal: each entry means what it says, a bad one is told
//! by its line and stops no other, and no file is there that its checksum speaks against.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;

use common::{Bench, Ran, SOON, eventually, names};
use longhaul_devstore::{Content, Fault, Object, Origin};

const LEN: u64 = 5000;

fn object(seed: u64) -> Object {
    Object::seeded(seed, LEN)
}

fn sha256(content: &Content) -> String {
    content.sha256()
}

/// A file in the bench's folder.
fn write(bench: &Bench, name: &str, text: &str) -> PathBuf {
    let file = bench.root().join(name);
    fs::write(&file, text).unwrap();
    file
}

/// `longhaul get -d out ARGS...`.
fn get(bench: &Bench, args: &[&str]) -> Ran {
    let (folder, state) = (bench.folder(), bench.state());
    let usual = ["get", "--json", "--proxy", "none", "--retries", "0", "-d", folder.to_str().unwrap()];
    let state = ["--state-dir", state.to_str().unwrap()];
    bench.longhaul(usual.into_iter().chain(state).chain(args.iter().copied()))
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

fn assert_has(bench: &Bench, name: &str, object: &Object) {
    let difference = object.content.first_difference_in_file(bench.folder().join(name));
    assert!(matches!(difference, Ok(None)), "{name}: {difference:?}");
}

/// A list that is run again with another state directory, one of its files being damaged meanwhile.
#[test]
fn what_a_checksum_file_names_and_is_there_is_not_fetched_again() {
    let bench = Bench::new();
    let mut sums = String::new();
    let mut urls = String::new();
    for (name, seed) in [("a.bin", 1), ("b.bin", 2), ("c.bin", 3)] {
        bench.origin.put(&format!("/{name}"), object(seed));
        sums += &format!("{}  {name}\n", sha256(&object(seed).content));
        urls += &format!("{}\n", bench.origin.url(&format!("/{name}")));
    }
    let (sums, list) = (write(&bench, "SHA256SUMS", &sums), write(&bench, "list", &urls));
    let args = ["--checksums", text(&sums), "-i", text(&list)];
    get(&bench, &args).expect_code(&bench, 0);
    let requests = bench.origin.requests();
    fs::remove_dir_all(bench.state()).unwrap();
    fs::write(bench.folder().join("b.bin"), "damaged").unwrap();
    let ran = get(&bench, &args);
    ran.expect_code(&bench, 8);
    let done: Vec<_> = ran.events.iter().filter(|event| event["event"] == "done").collect();
    assert_eq!(done.len(), 2, "{}", ran.report(&bench));
    assert!(done.iter().all(|event| event["already"] == true && event["fetched"] == 0), "{}", ran.report(&bench));
    assert_eq!(bench.origin.requests(), requests + 3, "each asks for its name: {}", ran.report(&bench));
    assert_eq!(fs::read(bench.folder().join("b.bin")).unwrap(), b"damaged");
}

#[test]
fn a_checksum_file_is_about_one_url_about_many_and_about_a_list() {
    let bench = Bench::new();
    let mut sums = String::from("# of the release\r\n");
    for (name, seed) in [("a.bin", 1), ("b.bin", 2), ("c.bin", 3)] {
        bench.origin.put(&format!("/v1/{name}"), object(seed));
        sums += &format!("{} *{name}\r\n", sha256(&object(seed).content));
    }
    bench.origin.put("/v1/SHA256SUMS", Object::new(Content::bytes(sums.clone())));
    let here = write(&bench, "SHA256SUMS", &sums);
    let (a, b) = (bench.origin.url("/v1/a.bin"), bench.origin.url("/v1/b.bin"));
    let there = bench.origin.url("/v1/SHA256SUMS");
    let at = format!("@{}", text(&here));
    let list = write(&bench, "list", &format!("{b}\n{}\n", bench.origin.url("/v1/c.bin")));
    for (args, count) in [
        (vec!["--checksums", text(&here), &a], 1),
        (vec!["--checksums", &there, &a, &b], 2),
        (vec!["--checksum", &at, "-i", text(&list)], 2),
        (vec!["--checksums", &there, &a, "-i", text(&list)], 3),
    ] {
        let ran = get(&bench, &args);
        ran.expect_code(&bench, 0);
        let done: Vec<_> = ran.events.iter().filter(|event| event["event"] == "done").collect();
        assert_eq!(done.len(), count, "{args:?}: {}", ran.report(&bench));
        assert!(done.iter().all(|event| event["verified"] == "sha256"), "{}", ran.report(&bench));
        fs::remove_dir_all(bench.folder()).unwrap();
        fs::remove_dir_all(bench.state()).unwrap();
    }
}

#[test]
fn what_a_checksum_file_speaks_against_is_not_published_and_what_it_does_not_name_is_not_fetched() {
    let bench = Bench::new();
    for (name, seed) in [("/a.bin", 1), ("/b.bin", 2), ("/c.bin", 3)] {
        bench.origin.put(name, object(seed));
    }
    let sums = format!("{}  a.bin\n{}  b.bin\n", sha256(&object(1).content), sha256(&object(7).content));
    let sums = write(&bench, "SUMS", &sums);
    let urls = ["/a.bin", "/b.bin", "/c.bin"].map(|path| bench.origin.url(path));
    let ran = get(&bench, &["--checksums", text(&sums), &urls[0], &urls[1], &urls[2]]);
    ran.expect_code(&bench, 7);
    assert!(ran.stderr.contains("no line for \"c.bin\"") && ran.stderr.contains("c.bin: "), "{}", ran.report(&bench));
    assert!(bench.origin.log().iter().all(|seen| seen.target != "/c.bin"), "{}", ran.report(&bench));
    assert_has(&bench, "a.bin", &object(1));
    assert!(!bench.folder().join("b.bin").exists() && !bench.folder().join("c.bin").exists());
    // Under the name that it has there, it is found.
    fs::remove_dir_all(bench.folder()).unwrap();
    let get = |sums: &str| {
        bench.get_url(bench.origin.url("/c.bin")).to(bench.folder().join("b.bin")).args(["--checksums", sums])
    };
    let right = write(&bench, "RIGHT", &format!("SHA256 (b.bin) = {}\n", sha256(&object(3).content)));
    let ran = get(text(&right)).run();
    ran.expect_code(&bench, 0);
    assert_has(&bench, "b.bin", &object(3));
}

#[test]
fn a_checksum_file_that_is_none_is_told_and_nothing_is_fetched() {
    let bench = Bench::new();
    bench.origin.put("/a.bin", object(1));
    bench.origin.put("/page", Object::new(Content::bytes("<html>Log in</html>")));
    bench.origin.put("/long", Object::new(Content::repeated(b'a', 5 << 20)));
    bench.origin.put("/bare", Object::new(Content::bytes(sha256(&object(1).content))));
    let url = bench.origin.url("/a.bin");
    for (sums, code, says) in
        [("/page", 7, "is it a checksum file?"), ("/long", 11, "longer than 4 MiB"), ("/none", 3, "not")]
    {
        let ran = get(&bench, &["--checksums", &bench.origin.url(sums), &url]);
        ran.expect_code(&bench, code);
        assert!(ran.stderr.contains(says) && ran.stderr.contains(sums), "{sums}: {}", ran.report(&bench));
    }
    let ran = get(&bench, &["--checksums", &bench.origin.url("/bare"), &url, &bench.origin.url("/page")]);
    ran.expect_code(&bench, 7);
    assert!(ran.stderr.contains("without a name"), "{}", ran.report(&bench));
    assert!(bench.origin.log().iter().all(|seen| seen.target != "/a.bin"));
    let ran = get(&bench, &["--checksums", &bench.origin.url("/bare"), &url]);
    ran.expect_code(&bench, 0);
    assert_eq!(ran.event("done").unwrap()["verified"], "sha256");
}

/// The checksum file of the same server is fetched as the objects are, one of another server without their headers.
#[test]
fn credentials_go_to_the_server_of_what_is_fetched_and_to_no_other() {
    let bench = Bench::new();
    let other = Origin::start();
    let sums = Object::new(Content::bytes(format!("{}  a.bin\n", sha256(&object(1).content))));
    bench.origin.put("/a.bin", object(1).requires_basic("me", "hush-hush"));
    bench.origin.put("/SUMS", sums.clone().requires_basic("me", "hush-hush"));
    bench.origin.always("/moved", Fault::status_with(302, &[("Location", "/SUMS")], ""));
    other.put("/SUMS", sums);
    let url = bench.origin.url("/a.bin");
    let list = write(&bench, "list", &format!("{url}\n"));
    for (args, sums) in [
        (vec![url.as_str()], bench.origin.url("/SUMS")),
        (vec!["-i", text(&list)], bench.origin.url("/moved")),
        (vec![url.as_str()], other.url("/SUMS")),
    ] {
        let with = ["--checksums", &sums, "-u", "me:hush-hush", "-H", "X-Mine: 1"];
        let ran = get(&bench, &[&with[..], &args].concat());
        ran.expect_code(&bench, 0);
        assert_eq!(ran.event("done").unwrap()["verified"], "sha256", "{}", ran.report(&bench));
        fs::remove_dir_all(bench.folder()).unwrap();
    }
    let seen = other.log();
    assert!(!seen.is_empty());
    for request in seen {
        assert_eq!((request.header("Authorization"), request.header("X-Mine")), (None, None));
    }
}

#[test]
fn a_list_names_files_and_has_checksums_and_options_of_aria2() {
    let bench = Bench::new();
    for seed in 1..=4 {
        bench.origin.put(&format!("/{seed}/x.bin"), object(seed));
    }
    let url = |seed: u64| bench.origin.url(&format!("/{seed}/x.bin"));
    let sum = |seed: u64| sha256(&object(seed).content);
    let list = format!(
        "# four\n{}\n{}\tb c.bin\tsha256:{}\r\n\n{}\n  out=c.bin\n  dir=sub\n  checksum=sha-256={}\n  header=X-Mine: 1\n  \
         split=5\n{}\td/e.bin\n",
        url(1),
        url(2),
        sum(2),
        url(3),
        sum(3),
        url(4)
    );
    let list = write(&bench, "list", &list);
    let ran = get(&bench, &["-i", text(&list)]);
    ran.expect_code(&bench, 0);
    for (name, seed) in [("x.bin", 1), ("b c.bin", 2), ("sub/c.bin", 3), ("d/e.bin", 4)] {
        assert_has(&bench, name, &object(seed));
        let done = ran.events.iter().find(|event| event["event"] == "done" && event["number"] == seed).unwrap();
        assert_eq!(done["verified"] == "sha256", matches!(seed, 2 | 3), "{done}");
    }
    for seen in bench.origin.log() {
        assert_eq!(seen.header("X-Mine").is_some(), seen.target == "/3/x.bin", "{}", seen.target);
    }
}

#[test]
fn a_bad_line_is_told_by_its_number_and_stops_no_other() {
    let bench = Bench::new();
    bench.origin.put("/a.bin", object(1));
    bench.origin.put("/b.bin", object(2));
    let (a, b) = (bench.origin.url("/a.bin"), bench.origin.url("/b.bin"));
    let list = format!("{a}\n\nftp://h/?sig=hunter2\n{b}\n  nonsense=1\n{b}\t/etc/x\n{b}\n");
    let list = write(&bench, "list", &list);
    for from_stdin in [false, true] {
        let _ = fs::remove_dir_all(bench.folder());
        let _ = fs::remove_dir_all(bench.state());
        let ran = match from_stdin {
            false => get(&bench, &["-i", text(&list)]),
            true => {
                let (folder, state) = (bench.folder(), bench.state());
                let args =
                    ["get", "--json", "--proxy", "none", "-i", "-", "-d", text(&folder), "--state-dir", text(&state)];
                let list = Stdio::from(fs::File::open(&list).unwrap());
                bench.start_reading(args.iter().map(Into::into).collect(), &[], list).wait()
            }
        };
        ran.expect_code(&bench, 2);
        let name = if from_stdin { "stdin" } else { text(&list) };
        for (line, says) in [(3, "not supported"), (5, "nonsense"), (6, "below --dir")] {
            let told = ran.stderr.lines().find(|said| said.contains(&format!("{name}:{line}: ")));
            assert!(told.is_some_and(|told| told.contains(says)), "{name}:{line}: {}", ran.report(&bench));
        }
        assert!(!ran.stderr.contains("hunter2") && !ran.stdout.contains("hunter2"));
        assert_has(&bench, "a.bin", &object(1));
        assert_has(&bench, "b.bin", &object(2));
        let mut ends: Vec<_> = ran.events.iter().filter(|e| e["event"] == "done" || e["event"] == "failed").collect();
        ends.sort_by_key(|end| end["number"].as_u64());
        let ends: Vec<_> = ends.iter().map(|end| end["event"].as_str().unwrap()).collect();
        assert_eq!(ends, ["done", "failed", "failed", "failed", "done"], "{}", ran.report(&bench));
        if !from_stdin {
            // What is wrong is told before the first file comes.
            let first: Vec<_> = ran.events.iter().map(|event| event["event"].as_str().unwrap()).take(3).collect();
            assert_eq!(first, ["failed"; 3]);
        }
    }
}

#[test]
fn two_sources_of_one_name_are_told_at_once_with_their_lines() {
    let bench = Bench::new();
    for path in ["/a/x.bin", "/b/x.bin", "/c/x.bin"] {
        bench.origin.put(path, object(1));
        bench.origin.always(path, Fault::status(404));
    }
    let [a, b, c] = ["/a/x.bin", "/b/x.bin", "/c/x.bin"].map(|path| bench.origin.url(path));
    let list = write(&bench, "list", &format!("# two\n{a}\n{a}\n{b}\n{c}\ty\n{b}\ty\n"));
    let said = |ran: &Ran| ran.stderr.lines().filter(|line| line.starts_with("warning: ")).map(str::to_owned).collect();
    let ran = get(&bench, &["-i", text(&list)]);
    let lines: Vec<String> = said(&ran);
    assert_eq!(lines.len(), 2, "{}", ran.report(&bench));
    let name = text(&list);
    assert!(lines[0].contains(&format!("{name}:2 and {name}:4 would both be saved as x.bin, unless")), "{lines:?}");
    assert!(lines[1].contains(&format!("{name}:5 and {name}:6 would both be saved as y; name one")), "{lines:?}");
    assert!(ran.stderr.starts_with("warning: "), "before anything else: {}", ran.report(&bench));
    let ran = get(&bench, &[&a, &b]);
    let lines: Vec<String> = said(&ran);
    assert!(lines.len() == 1 && lines[0].contains(&format!("{a} and {b} would both")), "{}", ran.report(&bench));
    let list = write(&bench, "list", &format!("{b}\n"));
    let ran = get(&bench, &[&a, "-i", text(&list)]);
    let lines: Vec<String> = said(&ran);
    assert!(
        lines.len() == 1 && lines[0].contains(&format!("{a} and {}:1 would", text(&list))),
        "{}",
        ran.report(&bench)
    );
}

/// Lines of a stream that is slow are fetched as they come, and a signal is heard while the next one is waited for.
#[test]
fn a_list_from_a_pipe_is_worked_off_while_it_is_written() {
    let bench = Bench::new();
    for seed in 1..=3 {
        bench.origin.put(&format!("/{seed}"), object(seed));
    }
    let (folder, state) = (bench.folder(), bench.state());
    let args = ["get", "--json", "--proxy", "none", "-i", "-", "-d", text(&folder), "--state-dir", text(&state)];
    let (reader, mut writer) = std::io::pipe().unwrap();
    let running = bench.start_reading(args.iter().map(Into::into).collect(), &[], reader.into());
    writeln!(writer, "{}\n{}", bench.origin.url("/1"), bench.origin.url("/2")).unwrap();
    assert!(eventually(|| names(&bench.folder()).contains("1")), "{}", running.told());
    assert!(bench.origin.wait_for(|log| !log.is_empty(), SOON));
    running.signal(rustix::process::Signal::INT);
    let ran = running.wait();
    assert_eq!(ran.code(), 130, "{}", ran.report(&bench));
    drop(writer);
    assert_has(&bench, "1", &object(1));

    let ran = {
        let (reader, writer) = std::io::pipe().unwrap();
        let running = bench.start_reading(args.iter().map(Into::into).collect(), &[], reader.into());
        drop(writer);
        running.wait()
    };
    assert_eq!(ran.code(), 2, "{}", ran.report(&bench));
    assert!(ran.stderr.contains("no URL in it"), "{}", ran.report(&bench));
}
