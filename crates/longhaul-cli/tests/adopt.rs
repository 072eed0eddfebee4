//! `longhaul adopt`: what other programs left is gone on with, and believed only as far as it is proven.
//!
//! Goal: bytes of curl, wget, aria2 and browsers are not fetched again where a digest, or samples, speak for them; wrong
//! ones never get into a finished file; the other program's file is only read. Method: the real programs are interrupted,
//! and files are made that lie.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stderr, reason = "what is skipped is said")]

#[allow(unused_imports, reason = "each suite uses a part")]
mod common;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Bench, Ran, Running, eventually, names};
use longhaul_devstore::{Content, Fault, Object};

const MIB: u64 = 1 << 20;
const BLOCK: u64 = 256 << 10;
const LEN: u64 = 8 * MIB + 12_345;

fn content() -> Content {
    Content::seeded(77, LEN)
}

fn bench() -> Bench {
    let bench = Bench::new();
    bench.origin.put("/file", Object::new(content()));
    bench
}

fn start(bench: &Bench, partial: &Path, more: &[&str]) -> Running {
    let mut args: Vec<OsString> = vec!["adopt".into(), partial.into(), bench.origin.url("/file").into()];
    args.extend(["--proxy", "none", "-x", "1", "--json", "--state-dir"].map(OsString::from));
    args.push(bench.state().into());
    args.extend(more.iter().map(OsString::from));
    bench.start_reading(args, &[], Stdio::null())
}

fn adopt(bench: &Bench, partial: &Path, more: &[&str]) -> Ran {
    start(bench, partial, more).wait()
}

fn sha256() -> String {
    format!("sha256:{}", content().sha256())
}

fn installed(program: &str) -> bool {
    if Command::new(program).arg("--version").output().is_ok() {
        return true;
    }
    assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "{program} is not installed");
    eprintln!("skipped: {program} is not installed");
    false
}

/// Runs a downloader to its end.
fn run(program: &str, args: &[&str], folder: &Path) {
    let mut command = Command::new(program);
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    let _ = command.status().unwrap(); // how it ends is its own affair: it was interrupted
}

/// The first `len` bytes, as another program would have left them.
fn leave(bench: &Bench, name: &str, content: &Content, len: u64) -> std::path::PathBuf {
    let path = bench.folder().join(name);
    fs::write(&path, content.slice(0..len).to_vec()).unwrap();
    path
}

#[test]
fn what_curl_and_wget_left_is_not_fetched_again() {
    let url_of = |bench: &Bench| bench.origin.url("/file");
    for program in ["curl", "wget"] {
        if !installed(program) {
            continue;
        }
        let bench = bench();
        bench.origin.script("/file", vec![Fault::Cut { after: 5 * MIB + 1000 }]);
        let url = url_of(&bench);
        match program {
            "curl" => run("curl", &["-q", "-s", "-o", "file", &url], &bench.folder()),
            _ => run("wget", &["--no-config", "-q", "--tries=1", "-O", "file", &url], &bench.folder()),
        }
        let left = fs::metadata(bench.file()).unwrap().len();
        assert!(left > 4 * MIB, "{program} left {left} bytes");
        let ran = adopt(&bench, &bench.file(), &["--checksum", &sha256()]);
        ran.expect(&bench, 0, "sha256");
        bench.assert_published(&content(), &ran);
        let adopted = ran.event("adopted").unwrap();
        assert_eq!(adopted["held"], left - left % BLOCK, "{}", ran.report(&bench));
        assert!(ran.fetched() <= LEN - left + BLOCK, "{program}: {}", ran.report(&bench));
    }
}

/// aria2 fetches several ranges at once, and its control file says which pieces of the file are there.
#[test]
fn what_aria2_left_is_not_fetched_again() {
    if !installed("aria2c") {
        return;
    }
    let bench = bench();
    bench.origin.always("/file", Fault::Pace { bytes_per_second: 2 * MIB });
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "-q", "-x4", "-s4", "-k1M", "--auto-save-interval=1", "--all-proxy=", "-o", "file"]);
    command.arg(bench.origin.url("/file")).current_dir(bench.folder());
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let came = eventually(|| bench.origin.bytes_served() > 4 * MIB);
    let pid = rustix::process::Pid::from_child(&child);
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT); // it writes its control file and ends
    child.wait().unwrap();
    assert!(came, "aria2c fetched nothing");
    bench.origin.script("/file", Vec::new());
    if !bench.folder().join("file.aria2").exists() {
        panic!("aria2c was done before it was interrupted: {:?}", names(&bench.folder()));
    }
    let ran = adopt(&bench, &bench.file(), &["--checksum", &sha256(), "--remove"]);
    ran.expect(&bench, 0, "sha256");
    bench.assert_published(&content(), &ran);
    let adopted = ran.event("adopted").unwrap()["held"].as_u64().unwrap();
    assert!(adopted >= MIB, "{}", ran.report(&bench));
    assert!(ran.fetched() <= LEN - adopted + BLOCK, "{}", ran.report(&bench));
}

#[test]
fn without_a_digest_nothing_is_taken_over_unless_samples_will_do() {
    let bench = bench();
    let partial = leave(&bench, "file", &content(), 6 * MIB + 7);
    let ran = adopt(&bench, &partial, &[]);
    ran.expect(&bench, 7, "not_provable");
    assert!(ran.stderr.contains("--trust-overlap") && ran.stderr.contains("--checksum"), "{}", ran.stderr);
    assert_eq!(names(&bench.folder()), ["file".to_owned()].into());
    assert_eq!(fs::metadata(&partial).unwrap().len(), 6 * MIB + 7);

    let ran = adopt(&bench, &partial, &["--trust-overlap"]);
    ran.expect(&bench, 0, "samples");
    bench.assert_published(&content(), &ran);
    let adopted = ran.event("adopted").unwrap();
    assert!(adopted["samples"].as_u64() >= Some(2), "{adopted}");
    assert_eq!(ran.fetched(), LEN - adopted["held"].as_u64().unwrap(), "{}", ran.report(&bench));
    assert!(ran.fetched() < 5 * MIB, "{}", ran.report(&bench));
}

#[test]
fn wrong_bytes_are_found_by_samples_and_by_the_digest() {
    let page = Content::bytes(b"<html><body>Please log in</body></html>".repeat(100_000));
    let wrong: [(&str, Content); 2] = [("a page", page), ("another object", Content::seeded(5, LEN))];
    for (what, wrong) in &wrong {
        let digest = sha256();
        for (proof, verdict) in [
            (&["--trust-overlap"][..], "validator, restarted (foreign)"),
            (&["--checksum", &digest], "sha256, restarted (foreign)"),
        ] {
            let bench = bench();
            let partial = leave(&bench, "file", wrong, 3 * MIB);
            let ran = adopt(&bench, &partial, proof);
            assert_eq!((ran.code(), ran.verdict().as_str()), (0, verdict), "{what}: {}", ran.report(&bench));
            bench.assert_published(&content(), &ran);
        }
    }
    // Neither in the first nor in the last block: samples may miss one flipped bit, and a digest does not.
    let bench = bench();
    let partial = leave(&bench, "file", &content().flipped(2 * MIB + 5), 6 * MIB);
    let ran = adopt(&bench, &partial, &["--checksum", &sha256()]);
    ran.expect(&bench, 0, "sha256, restarted (foreign)");
    bench.assert_published(&content(), &ran);
}

#[test]
fn what_is_no_part_of_the_object_is_refused_and_left_alone() {
    let bench = bench();
    let digest = sha256();
    let checksum = ["--checksum", digest.as_str()];
    let longer = leave(&bench, "file", &Content::seeded(1, LEN + 1), LEN + 1);
    let ran = adopt(&bench, &longer, &checksum);
    ran.expect(&bench, 7, "not_provable");
    assert!(ran.stderr.contains("longer than the object"), "{}", ran.stderr);
    assert_eq!(names(&bench.folder()), ["file".to_owned()].into());

    // Of an object of another length, as the control file says.
    fs::write(bench.folder().join("file.aria2"), control(LEN + 1, 8 * MIB as u32, &[0xc0])).unwrap();
    let ran = adopt(&bench, &longer, &checksum);
    ran.expect(&bench, 7, "not_provable");
    assert!(ran.stderr.contains("another length"), "{}", ran.stderr);

    for lie in
        [control(LEN, MIB as u32, &[0xff; 3]), control(u64::MAX, 1, &[0xff]), control(LEN, 0, &[]), b"text".to_vec()]
    {
        fs::write(bench.folder().join("file.aria2"), lie).unwrap();
        let ran = adopt(&bench, &longer, &checksum);
        ran.expect_code(&bench, 8);
        assert!(ran.stderr.contains("control file"), "{}", ran.stderr);
    }
    fs::remove_file(bench.folder().join("file.aria2")).unwrap();

    let link = bench.folder().join("link");
    std::os::unix::fs::symlink(&longer, &link).unwrap();
    adopt(&bench, &link, &checksum).expect_code(&bench, 8);
    adopt(&bench, &bench.folder(), &checksum).expect_code(&bench, 8);
    assert_eq!(Content::seeded(1, LEN + 1).first_difference_in_file(&longer).unwrap(), None);
}

/// All pieces are there, says the control file, and the file is short: what it has is right.
#[test]
fn a_control_file_that_promises_too_much_costs_only_what_is_missing() {
    let bench = bench();
    let partial = leave(&bench, "file", &content(), 5 * MIB);
    fs::write(bench.folder().join("file.aria2"), control(LEN, MIB as u32, &[0xff, 0x80])).unwrap();
    let ran = adopt(&bench, &partial, &["--checksum", &sha256(), "--remove"]);
    ran.expect(&bench, 0, "sha256");
    bench.assert_published(&content(), &ran);
    assert!(ran.fetched() <= LEN - 5 * MIB + BLOCK, "{}", ran.report(&bench));
}

#[test]
fn the_other_programs_file_is_only_read_and_removed_when_asked() {
    let bench = bench();
    let partial = leave(&bench, "file.crdownload", &content(), 4 * MIB);
    let ran = adopt(&bench, &partial, &["--checksum", &sha256()]);
    ran.expect(&bench, 0, "sha256");
    assert_eq!(names(&bench.folder()), ["file".to_owned(), "file.crdownload".to_owned()].into());
    assert_eq!(content().first_difference_in_file(bench.file()).unwrap(), None);
    assert_eq!(content().slice(0..4 * MIB).first_difference_in_file(&partial).unwrap(), None);
    fs::remove_file(bench.file()).unwrap();
    let ran = adopt(&bench, &partial, &["--checksum", &sha256(), "--remove"]);
    ran.expect(&bench, 0, "sha256");
    bench.assert_published(&content(), &ran);
}

/// Killed at work, the same command goes on, and so does `get`; meanwhile the other program's file is as it was.
#[test]
fn an_adoption_that_is_killed_goes_on() {
    let bench = bench();
    let partial = leave(&bench, "file.part", &content(), 3 * MIB);
    let gate = longhaul_devstore::Gate::new();
    // The first reply tells which version there is, the second one brings what is missing.
    bench.origin.script("/file", vec![Fault::Correct, Fault::hold(2 * MIB, &gate)]);
    let running = start(&bench, &partial, &["--checksum", &sha256()]);
    assert!(eventually(|| running.received() >= 4 * MIB), "{}", running.said());
    running.kill();
    gate.open();
    assert_eq!(content().slice(0..3 * MIB).first_difference_in_file(&partial).unwrap(), None);
    bench.origin.script("/file", Vec::new());
    let served = bench.served();
    let ran = bench.get().arg("--checksum").arg(sha256()).run();
    ran.expect(&bench, 0, "sha256, resumed");
    assert!(bench.served() - served <= LEN - 4 * MIB, "{}", ran.report(&bench));
    assert_eq!(content().first_difference_in_file(bench.file()).unwrap(), None);
}

/// Without the checksum, a later run cannot know that what was taken over is right: it gives that up.
#[test]
fn unproven_bytes_do_not_outlive_the_digest_that_was_to_prove_them() {
    let bench = bench();
    let partial = leave(&bench, "file.part", &content(), 3 * MIB);
    bench.origin.script("/file", vec![Fault::Correct, Fault::Cut { after: MIB }]);
    let ran = adopt(&bench, &partial, &["--checksum", &sha256(), "--retries", "0"]);
    ran.expect(&bench, 10, "network, kept");
    bench.origin.script("/file", Vec::new());
    let ran = bench.get().run();
    ran.expect(&bench, 0, "validator, restarted (foreign)");
    assert_eq!(ran.fetched(), LEN, "{}", ran.report(&bench));
}

fn repair(bench: &Bench, more: &[&str]) -> Ran {
    let mut args: Vec<OsString> = vec!["repair".into(), bench.file().into()];
    args.extend(["--proxy", "none", "-x", "1", "--json", "--state-dir"].map(OsString::from));
    args.push(bench.state().into());
    args.extend(more.iter().map(OsString::from));
    bench.start_reading(args, &[], Stdio::null()).wait()
}

/// One bit of a finished file changes, without a trace in its times.
fn rot(bench: &Bench, offset: u64) {
    use std::os::unix::fs::FileExt as _;
    let file = fs::OpenOptions::new().read(true).write(true).open(bench.file()).unwrap();
    let modified = file.metadata().unwrap().modified().unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 1], offset).unwrap();
    file.set_modified(modified).unwrap();
}

#[test]
fn only_the_damaged_blocks_of_a_finished_file_are_fetched_again() {
    let bench = bench();
    bench.get().arg("--checksum").arg(sha256()).run().expect(&bench, 0, "sha256");
    let ran = repair(&bench, &[]);
    ran.expect_code(&bench, 0);
    let served = bench.served();
    assert_eq!(served, LEN, "an intact file is not asked for: {}", ran.report(&bench));
    rot(&bench, 3 * MIB + 5);
    rot(&bench, LEN - 1);
    let ran = repair(&bench, &[]);
    ran.expect(&bench, 0, "sha256");
    bench.assert_published(&content(), &ran);
    assert!(ran.fetched() <= 2 * BLOCK, "{}", ran.report(&bench));
    // A file that was cut, and that another program has touched since.
    fs::File::options().write(true).open(bench.file()).unwrap().set_len(4 * MIB + 9).unwrap();
    let ran = repair(&bench, &[]);
    ran.expect(&bench, 0, "sha256");
    bench.assert_published(&content(), &ran);
    assert!(ran.fetched() <= LEN - 4 * MIB + BLOCK, "{}", ran.report(&bench));
    // The mended file is as good as before.
    repair(&bench, &[]).expect_code(&bench, 0);
}

/// Without a digest, the same version under a strong validator is enough, from where the file came from.
#[test]
fn a_file_is_mended_only_from_the_version_that_it_is_of() {
    let bench = bench();
    bench.get().run().expect(&bench, 0, "validator");
    rot(&bench, MIB);
    let damaged = fs::read(bench.file()).unwrap();
    bench.origin.put("/mirror", Object::new(content()));
    let ran = repair(&bench, &[&bench.origin.url("/mirror")]);
    ran.expect(&bench, 7, "not_provable");
    bench.origin.put("/file", Object::seeded(5, LEN));
    let ran = repair(&bench, &[]);
    ran.expect(&bench, 6, "changed");
    assert!(ran.stderr.contains("cannot be mended"), "{}", ran.stderr);
    assert!(fs::read(bench.file()).unwrap() == damaged, "a file that is not mended stays as it is");
    bench.origin.put("/file", Object::new(content()));
    let ran = repair(&bench, &[]);
    ran.expect(&bench, 0, "validator");
    bench.assert_published(&content(), &ran);
    assert!(ran.fetched() <= BLOCK, "{}", ran.report(&bench));
}

#[test]
fn a_file_without_a_receipt_cannot_be_mended() {
    let bench = bench();
    leave(&bench, "file", &content().flipped(9), LEN);
    let ran = repair(&bench, &[]);
    ran.expect(&bench, 7, "not_provable");
    assert!(ran.stderr.contains("nothing is recorded"), "{}", ran.stderr);
    assert_eq!(bench.origin.requests(), 0);
}

/// An aria2 control file of version 1 without pieces in flight.
fn control(total: u64, piece_len: u32, bitfield: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend(piece_len.to_be_bytes());
    out.extend(total.to_be_bytes());
    out.extend(0u64.to_be_bytes());
    out.extend(u32::try_from(bitfield.len()).unwrap().to_be_bytes());
    out.extend(bitfield);
    out.extend(0u32.to_be_bytes());
    out
}
