//! What clients of aria2 make of longhaul.
//!
//! Goal: programs that were written for aria2, which we did not write, work unchanged. Method: aria2p's own test suite,
//! with a daemon of ours under the name `aria2c` (`examples/aria2c.rs`); and conversations of the clients `aria2`,
//! `maria2` and `aioaria2` with aria2 and with us, which have to be the same, line by line. `scripts/setup` installs the
//! clients.
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![allow(clippy::print_stdout, reason = "a suite that is skipped says so, and what it ran")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longer than any machine takes to start a daemon.
const START_WITHIN: Duration = Duration::from_secs(60);
const SECRET: &str = "a-secret-of-this-test";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Whether the suite runs: what it needs is there. Otherwise it says so, or fails where everything has to be there.
fn installed(what: &str, needs: &Path) -> bool {
    if needs.exists() {
        return true;
    }
    assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none(), "{what} is not installed: scripts/setup does it");
    println!("skipped: {what} not installed");
    false
}

/// The daemon of ours that takes aria2's arguments. `cargo test` builds it with the tests; before a `cargo test --test`
/// of this alone, `cargo build -p longhaul-daemon --example aria2c` does.
fn shim() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/aria2c")
}

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aria2")
}

/// A server of aria2's RPC. It ends with this value.
struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
    _state: tempfile::TempDir,
}

impl Server {
    fn start(program: &Path) -> Self {
        let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new(program)
            .arg(format!("--dir={}", folder.path().display()))
            .args(["--no-conf=true", "--quiet=true", "--enable-rpc=true"])
            .arg(format!("--rpc-listen-port={port}"))
            .arg(format!("--rpc-secret={SECRET}"))
            .env("LONGHAUL_STATE", state.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, port, folder, _state: state };
        let end = Instant::now() + START_WITHIN;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < end, "{} does not listen", program.display());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    /// What the script's client hears.
    fn talk(&self, program: &Path, script: &str) -> String {
        let output = Command::new(program)
            .arg(files().join(script))
            .env("RPC_PORT", self.port.to_string())
            .env("RPC_SECRET", SECRET)
            .env("FOLDER", self.folder.path())
            .env("NODE_MODULES", workspace().join("target/tools/aria2_node/node_modules"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}:\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it has ended
        let _ = self.child.wait();
    }
}

/// The script hears the same of aria2 and of us.
fn compare(program: &Path, script: &str, lines: usize) {
    let ours = Server::start(&shim()).talk(program, script);
    let theirs = Server::start(Path::new("aria2c")).talk(program, script);
    assert!(theirs.lines().count() >= lines, "{theirs}");
    let differences: Vec<String> = theirs
        .lines()
        .zip(ours.lines())
        .filter(|(theirs, ours)| theirs != ours)
        .map(|(theirs, ours)| format!("aria2:    {theirs}\nlonghaul: {ours}"))
        .collect();
    assert!(differences.is_empty(), "{script}:\n{}", differences.join("\n"));
    assert_eq!(theirs.lines().count(), ours.lines().count(), "{script}:\n{ours}");
    println!("{script}: {} lines are the same", theirs.lines().count());
}

fn python() -> PathBuf {
    workspace().join("target/tools/aria2_python/bin/python")
}

fn aria2c() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("aria2c")).find(|file| file.exists());
    installed("aria2c", &found.unwrap_or_else(|| "/aria2c".into()))
}

#[test]
fn the_npm_clients_hear_what_they_hear_of_aria2() {
    if aria2c() && installed("npm aria2, maria2", &workspace().join("target/tools/aria2_node/node_modules/maria2")) {
        compare(Path::new("node"), "clients.mjs", 90);
    }
}

#[test]
fn aioaria2_hears_what_it_hears_of_aria2() {
    if aria2c() && installed("aioaria2", &python()) {
        compare(&python(), "clients.py", 35);
    }
}

/// aria2p's test suite, in a folder of its own.
struct Suite {
    folder: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl Suite {
    fn new() -> Self {
        let suite = Self { folder: tempfile::tempdir().unwrap(), state: tempfile::tempdir().unwrap() };
        let source = workspace().join("target/tools/aria2_python/aria2p");
        let copied = Command::new("cp").arg("-R").arg(source.join(".")).arg(suite.folder.path()).status().unwrap();
        assert!(copied.success());
        // Settings of theirs ask for coverage and random order.
        std::fs::write(suite.folder.path().join("empty.ini"), "").unwrap();
        let bin = suite.folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(shim(), bin.join("aria2c")).unwrap();
        suite
    }

    /// The outcome of each test by its name.
    fn run(&self, what: &[String]) -> (BTreeMap<String, String>, String) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = [self.folder.path().join("bin"), workspace().join("target/tools/aria2_python/bin")];
        let path = std::env::join_paths(bin.into_iter().chain(std::env::split_paths(&path))).unwrap();
        let output = Command::new(python())
            // Theirs says `--reruns 5` too: it looks at what runs a tenth of a second after the start.
            .args(["-m", "pytest", "-c", "empty.ini", "--rootdir", ".", "-p", "no:cacheprovider", "-n", "3"])
            .args(["-q", "-rA", "--reruns", "5", "--reruns-delay", "0.1"])
            .args(what)
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("LONGHAUL_STATE", self.state.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let outcomes = said.lines().filter_map(|line| {
            let (outcome, rest) = line.split_once(' ')?;
            let known = matches!(outcome, "PASSED" | "FAILED" | "ERROR" | "XFAIL" | "XPASS");
            let name = rest.split(" - ").next()?.trim();
            (known && name.starts_with("tests/")).then(|| (name.to_owned(), outcome.to_owned()))
        });
        (outcomes.collect(), said)
    }
}

/// The tests that longhaul does not pass, each with the reason.
fn listed() -> BTreeSet<String> {
    let text = std::fs::read_to_string(files().join("aria2p-differs.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn aria2ps_own_tests_pass() {
    if !installed("aria2p", &workspace().join("target/tools/aria2_python/aria2p/tests")) {
        return;
    }
    let suite = Suite::new();
    // The tests of its terminal view fail with aria2 too.
    let all: Vec<String> = ["api", "cli", "client", "downloads", "options", "stats", "utils"]
        .into_iter()
        .map(|name| format!("tests/test_{name}.py"))
        .collect();
    let (mut outcomes, mut said) = suite.run(&all);
    let listed = listed();
    // It expects of the machine that entries run, or are over, after so many tenths of a second, and gives itself up
    // (XFAIL) otherwise: such a test gets another chance, alone.
    for _ in 0..3 {
        let again: Vec<String> = outcomes
            .iter()
            .filter(|(name, outcome)| *outcome != "PASSED" && !listed.contains(*name))
            .map(|(name, _)| name.clone())
            .collect();
        if again.is_empty() {
            break;
        }
        let (outcomes_now, said_now) = suite.run(&again);
        outcomes.extend(outcomes_now);
        said = said_now;
    }
    let of = |wanted: &[&str]| -> Vec<&String> {
        let found = outcomes.iter().filter(|(_, outcome)| wanted.contains(&outcome.as_str()));
        found.map(|(name, _)| name).collect()
    };
    let wrong: Vec<&String> = of(&["FAILED", "ERROR"]).into_iter().filter(|name| !listed.contains(*name)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{said}");
    let better: Vec<&String> = of(&["PASSED"]).into_iter().filter(|name| listed.contains(*name)).collect();
    assert!(better.is_empty(), "these pass, and are listed as not passing: {better:#?}");
    let given_up = of(&["XFAIL"]);
    assert!(given_up.len() <= 5, "too many gave themselves up: {given_up:#?}");
    let passed = of(&["PASSED"]).len();
    assert!(passed >= 570, "only {passed} passed:\n{said}");
    println!(
        "aria2p: {passed} passed, {} gave themselves up {given_up:?}, {} are listed",
        given_up.len(),
        listed.len()
    );
}
