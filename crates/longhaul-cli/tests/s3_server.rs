//! `longhaul put` and `get` with an S3 server that nobody here wrote: Ceph's gateway.
//!
//! Goal: what the local store shows of interruptions holds where the store is not ours: kills of the program, crashes
//! of the gateway and of all of the store, another object under the same key. Method: the real binary, real kills at
//! bytes that a seed decides, the store started and crashed by `scripts/servers/ceph-rgw`, and curl to look at what is
//! really there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "it says when it is skipped")]
#![allow(unreachable_pub, reason = "a suite of its own")]

mod common;

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use common::{Bench, Dice, Ran, Running, eventually};
use longhaul_devstore::Content;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/servers/ceph-rgw");
const MIB: u64 = 1 << 20;
/// Eleven parts and a piece of one, of the least length that S3 takes.
const LEN: u64 = 57 * MIB + 321;
const PART: &str = "5M";
/// Slow enough for a kill to come in the middle.
const RATE: &str = "6M";

/// The store, and a user who knows its keys from the environment.
struct Ceph {
    folder: tempfile::TempDir,
    told: String,
    bench: Bench,
}

impl Drop for Ceph {
    fn drop(&mut self) {
        script("wipe", self.folder.path(), &[]);
    }
}

fn script(verb: &str, folder: &Path, more: &[&str]) -> Output {
    Command::new(SCRIPT).arg(verb).arg(folder).args(more).stdin(Stdio::null()).output().unwrap()
}

/// The first of twelve ports in a row that are free, below those that systems give to whoever asks for any.
fn free_ports() -> u16 {
    let begin = 16_000 + u16::try_from(std::process::id() % 300).unwrap() * 12;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    (begin..32_000).step_by(12).find(|&first| (first..first + 12).all(free)).unwrap()
}

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    ["radosgw", "ceph-mon", "ceph-osd", "ceph"].iter().all(|name| places.iter().any(|place| place.join(name).exists()))
}

impl Ceph {
    fn start() -> Option<Ceph> {
        if !is_installed() {
            let why = "Ceph's gateway is not installed";
            assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none_or(|v| v != "1"), "required, but {why}");
            println!("skipped: {why}");
            return None;
        }
        let mut ceph = Ceph { folder: tempfile::tempdir().unwrap(), told: String::new(), bench: Bench::new() };
        ceph.told = ceph.script("start", &[&free_ports().to_string()]);
        ceph.curl(&["-X", "PUT"], "films");
        Some(ceph)
    }

    fn script(&self, verb: &str, more: &[&str]) -> String {
        let output = script(verb, self.folder.path(), more);
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{verb}: {}{}", said(&output.stdout), said(&output.stderr));
        said(&output.stdout)
    }

    /// `kill -9` of the gateway, or of everything, and up again.
    fn crash(&self, all: bool) {
        self.script("crash", if all { &[] } else { &["rgw"] });
        self.script("start", &[]);
    }

    fn value(&self, name: &str) -> &str {
        let line = self.told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.told))
    }

    /// What somebody else sees of the store.
    fn curl(&self, args: &[&str], path: &str) -> Vec<u8> {
        let keys = format!("{}:{}", self.value("AWS_ACCESS_KEY_ID"), self.value("AWS_SECRET_ACCESS_KEY"));
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "--fail", "--noproxy", "*", "--max-time", "60", "--user", &keys]);
        command.args(["--aws-sigv4", "aws:amz:default:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]).args(args);
        let output = command.arg(format!("{}/{path}", self.value("ENDPOINT"))).output().unwrap();
        assert!(output.status.success(), "curl {args:?} {path}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.bench.folder().join(name);
        std::io::copy(&mut content.reader(), &mut File::create(&path).unwrap()).unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        path
    }

    fn longhaul(&self, args: &[&str]) -> Running {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let env = [
            pair("HOME", self.bench.root().to_str().unwrap()),
            pair("AWS_ENDPOINT_URL", self.value("ENDPOINT")),
            pair("AWS_REGION", self.value("AWS_REGION")),
            pair("AWS_ACCESS_KEY_ID", self.value("AWS_ACCESS_KEY_ID")),
            pair("AWS_SECRET_ACCESS_KEY", self.value("AWS_SECRET_ACCESS_KEY")),
            pair("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let state = self.bench.state();
        let more = ["--state-dir", state.to_str().unwrap(), "--json"];
        let args = args.iter().copied().chain(more).map(OsString::from).collect();
        self.bench.start_reading(args, &env, Stdio::null())
    }

    fn put(&self, file: &Path, more: &[&str]) -> Running {
        let file = file.to_str().unwrap();
        let words =
            ["put", file, "s3://films/film", "--part-size", PART, "-x", "4", "--proxy", "none", "--retries", "30"];
        self.longhaul(&[&words, more].concat())
    }

    fn get(&self, target: &Path, more: &[&str]) -> Running {
        let target = target.to_str().unwrap();
        let words = ["get", "s3://films/film", "-o", target, "--proxy", "none", "--retries", "30"];
        self.longhaul(&[&words, more].concat())
    }

    #[track_caller]
    fn expect(&self, ran: &Ran, verdict: &str) {
        assert_eq!((ran.code(), ran.verdict().as_str()), (0, verdict), "{}", ran.report(&self.bench));
    }

    #[track_caller]
    fn assert_stored(&self, content: &Content) {
        assert!(self.curl(&[], "films/film") == content.to_vec(), "what is stored is not what was read");
    }

    fn uploads(&self) -> String {
        String::from_utf8_lossy(&self.curl(&[], "films?uploads=")).into_owned()
    }
}

/// One store for all of it, since it takes its time to start, and more to come back: too long for every change.
#[test]
#[ignore = "takes two minutes, and the store's time to come back: scripts/test --long runs it"]
fn ceph_keeps_whole_files_through_kills_and_crashes() {
    let Some(ceph) = Ceph::start() else { return };
    let mut dice = Dice(20_261_122);
    an_upload_through_kills_and_crashes(&ceph, &mut dice);
    a_download_through_kills_and_crashes(&ceph, &mut dice);
    an_object_that_is_replaced_meanwhile_gives_one_version(&ceph);
    what_is_cancelled_leaves_nothing_in_the_store(&ceph);
}

fn an_upload_through_kills_and_crashes(ceph: &Ceph, dice: &mut Dice) {
    let content = Content::seeded(41, LEN);
    let film = ceph.file("film", &content);
    let mut acknowledged = 0;
    for kill in 0..3 {
        let running = ceph.put(&film, &["--limit-rate", RATE]);
        let enough = acknowledged + dice.below(5 * MIB);
        let seen = eventually(|| running.acknowledged() > enough);
        if kill == 1 {
            ceph.crash(true);
        }
        acknowledged = running.acknowledged();
        let ran = running.kill();
        assert!(seen, "kill {kill} at {enough}: {}", ran.report(&ceph.bench));
        // While the store came back it may have been faster than we.
        assert!([-9, 0].contains(&ran.code()), "kill {kill}: {}", ran.report(&ceph.bench));
        if ran.code() == 0 {
            break;
        }
    }
    // And a run that lives through a crash of the gateway.
    let running = ceph.put(&film, &["--limit-rate", RATE]);
    ceph.crash(false);
    let ran = running.wait();
    assert_eq!(ran.code(), 0, "{}", ran.report(&ceph.bench));
    let done = ran.event("done").unwrap();
    assert_eq!(done["restarts"].as_array().map(Vec::len), Some(0), "{}", ran.report(&ceph.bench));
    ceph.assert_stored(&content);
    assert!(!ceph.uploads().contains("<UploadId>"), "an upload is left: {}", ceph.uploads());
    let ran = ceph.put(&film, &[]).wait();
    assert_eq!(ran.code(), 0, "{}", ran.report(&ceph.bench));
    assert_eq!(ran.event("done").unwrap()["already"], true, "{}", ran.report(&ceph.bench));
}

fn a_download_through_kills_and_crashes(ceph: &Ceph, dice: &mut Dice) {
    let content = Content::seeded(41, LEN);
    let target = ceph.bench.folder().join("back");
    let mut received = 0;
    for kill in 0..3 {
        let running = ceph.get(&target, &["--limit-rate", RATE]);
        let enough = received + dice.below(5 * MIB);
        let seen = eventually(|| running.received() > enough);
        if kill == 1 {
            ceph.crash(true);
        }
        received = running.received();
        let ran = running.kill();
        assert!(seen, "kill {kill} at {enough}: {}", ran.report(&ceph.bench));
        assert!([-9, 0].contains(&ran.code()), "kill {kill}: {}", ran.report(&ceph.bench));
        if ran.code() == 0 {
            break;
        }
    }
    let running = ceph.get(&target, &["--limit-rate", RATE]);
    ceph.crash(false);
    let ran = running.wait();
    assert_eq!(ran.code(), 0, "{}", ran.report(&ceph.bench));
    let difference = content.first_difference_in_file(&target);
    assert!(matches!(difference, Ok(None)), "{difference:?}: {}", ran.report(&ceph.bench));
    ceph.expect(&ceph.get(&target, &[]).wait(), "validator, already");
}

fn an_object_that_is_replaced_meanwhile_gives_one_version(ceph: &Ceph) {
    let target = ceph.bench.folder().join("replaced");
    let running = ceph.get(&target, &["--limit-rate", RATE]);
    assert!(eventually(|| running.received() > 8 * MIB), "nothing comes");
    let ran = running.kill();
    assert_eq!(ran.code(), -9, "{}", ran.report(&ceph.bench));
    let newer = Content::seeded(42, LEN);
    let film = ceph.file("film", &newer);
    let ran = ceph.put(&film, &[]).wait();
    assert_eq!(ran.code(), 0, "{}", ran.report(&ceph.bench));
    ceph.assert_stored(&newer);
    let ran = ceph.get(&target, &[]).wait();
    ceph.expect(&ran, "validator, resumed, restarted (changed)");
    let difference = newer.first_difference_in_file(&target);
    assert!(matches!(difference, Ok(None)), "{difference:?}: {}", ran.report(&ceph.bench));
}

fn what_is_cancelled_leaves_nothing_in_the_store(ceph: &Ceph) {
    let other = ceph.file("other", &Content::seeded(43, LEN));
    let running = ceph.put(&other, &["--limit-rate", RATE]);
    assert!(eventually(|| running.acknowledged() > 0), "nothing is acknowledged");
    let ran = running.kill();
    assert_eq!(ran.code(), -9, "{}", ran.report(&ceph.bench));
    assert!(ceph.uploads().contains("<UploadId>"), "there is no upload to cancel");
    let ran = ceph.longhaul(&["cancel", other.to_str().unwrap(), "--proxy", "none"]).wait();
    assert_eq!(ran.code(), 0, "{}", ran.report(&ceph.bench));
    assert!(!ceph.uploads().contains("<UploadId>"), "it is still there: {}", ceph.uploads());
    ceph.assert_stored(&Content::seeded(42, LEN));
}
