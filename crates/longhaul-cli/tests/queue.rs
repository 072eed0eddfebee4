//! The verbs of the list, the real binary: with a daemon and without, and transfers of other processes that are asked to
//! stop.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use longhaul_devstore::{Fault, Gate, Object, Origin};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(90);
const SIZE: u64 = 3_000_000;

struct Home {
    dir: tempfile::TempDir,
    origin: Origin,
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), origin: Origin::start() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
        command.args(words).stdin(Stdio::null()).current_dir(self.dir.path()).env("HOME", self.dir.path());
        command.env("LONGHAUL_STATE_DIR", self.path("state")).env("XDG_RUNTIME_DIR", self.dir.path());
        command.env_remove("LISTEN_PID").env_remove("NOTIFY_SOCKET");
        command
    }

    fn ran(&self, words: &[&str]) -> Ran {
        let output = self.command(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The same, and it has to end well.
    fn done(&self, words: &[&str]) -> String {
        let ran = self.ran(words);
        assert_eq!(ran.code, 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// A link to an object at the origin.
    fn link(&self, name: &str) -> String {
        self.origin.put(&format!("/{name}"), Object::seeded(1, SIZE).etag("\"1\""));
        self.origin.url(&format!("/{name}"))
    }

    /// The same, whose bytes stop in their middle until the gate opens.
    fn stuck(&self, name: &str) -> (String, Gate) {
        let (link, gate) = (self.link(name), Gate::new());
        self.origin.always(&format!("/{name}"), Fault::hold(SIZE / 2, &gate));
        (link, gate)
    }

    fn is_right(&self, name: &str) -> bool {
        let difference = Object::seeded(1, SIZE).content.first_difference_in_file(self.path(name));
        difference.is_ok_and(|difference| difference.is_none())
    }

    /// The entries that `list` shows, in order.
    fn listed(&self) -> Vec<(String, String)> {
        let rows = self.done(&["list", "--all", "--json"]);
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            (text("url").rsplit('/').next().unwrap().to_owned(), text("state"))
        })
        .collect()
    }

    fn daemon(&self) -> Child {
        let ready = self.path("ready.json");
        let words = ["daemon", "--listen", "127.0.0.1:0", "--ready-file", ready.to_str().unwrap()];
        let mut child = self.command(&words).stdout(Stdio::null()).spawn().unwrap();
        until(|| ready.exists() || child.try_wait().unwrap().is_some());
        child
    }
}

fn until(mut is: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is() {
        assert!(Instant::now() < end, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, state)| ((*name).to_owned(), (*state).to_owned())).collect()
}

#[test]
fn what_is_added_without_a_daemon_is_run_in_its_order() {
    let home = Home::new();
    let (a, b, c) = (home.link("a"), home.link("b"), home.link("c"));
    let added = home.ran(&["add", &a, &b, "-d", "out"]);
    assert!(added.code == 0 && added.stderr.contains("no daemon runs"), "{}", added.stderr);
    assert_eq!(added.stdout.lines().count(), 2);
    home.done(&["add", &c, "-d", "out", "--hold", "--at", "1"]);
    assert_eq!(home.listed(), pairs(&[("c", "held"), ("a", "queued"), ("b", "queued")]));
    home.done(&["move", "b", "top"]);
    home.done(&["move", "c", "down", "2"]);
    assert_eq!(home.listed(), pairs(&[("b", "queued"), ("a", "queued"), ("c", "held")]));
    let again = home.ran(&["add", &a, "-d", "out"]);
    assert!(again.stdout.contains("(was there)"), "{}", again.stdout);
    home.done(&["limit", "--most", "1"]);
    home.done(&["run"]);
    assert!(home.is_right("out/a") && home.is_right("out/b") && !home.path("out/c").exists());
    let asked: Vec<String> = home.origin.log().into_iter().map(|seen| seen.target).collect();
    let first = |path: &str| asked.iter().position(|asked| asked == path).unwrap();
    assert!(first("/b") < first("/a"), "{asked:?}");
    home.done(&["resume", "--all"]);
    home.done(&["run"]);
    assert!(home.is_right("out/c"));
    home.done(&["forget", "--all"]);
    assert!(home.listed().is_empty() && home.is_right("out/c"));
}

#[test]
fn a_daemon_is_told_by_the_same_verbs() {
    let home = Home::new();
    let mut daemon = home.daemon();
    let (film, gate) = home.stuck("film");
    let id = home.done(&["add", &film, "-d", "out"]).split_whitespace().next().unwrap().to_owned();
    assert!(gate.reached(SOON));
    home.done(&["pause", &id]);
    assert_eq!(home.listed(), pairs(&[("film", "held")]));
    gate.open();
    home.done(&["resume", "film"]);
    home.done(&["wait", &id]);
    assert!(home.is_right("out/film"));
    let (other, gate) = home.stuck("other");
    home.done(&["add", &other, "-d", "out"]);
    assert!(gate.reached(SOON));
    home.done(&["cancel", "out/other"]);
    until(|| home.listed().contains(&("other".to_owned(), "cancelled".to_owned())));
    until(|| std::fs::read_dir(home.path("out")).unwrap().count() == 1);
    let missing = home.ran(&["pause", "nothing"]);
    assert!(missing.code == 8 && missing.stderr.contains("no entry nothing"), "{}", missing.stderr);
    rustix::process::kill_process(rustix::process::Pid::from_child(&daemon), rustix::process::Signal::TERM).unwrap();
    daemon.wait().unwrap();
    let watch = home.ran(&["watch"]);
    assert!(watch.code == 9 && watch.stderr.contains("no daemon runs"), "{}", watch.stderr);
}

#[test]
fn a_link_that_expired_is_given_anew() {
    let home = Home::new();
    home.link("old");
    home.origin.always("/old", Fault::status(403));
    let old = home.origin.url("/old?Expires=1&Signature=abc");
    home.done(&["add", &old, "-o", "film"]);
    let ran = home.ran(&["run"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert_eq!(home.listed()[0].1, "needs");
    home.done(&["link", "film", &home.link("new")]);
    home.done(&["run"]);
    assert!(home.is_right("film"));
}

#[test]
fn get_is_paused_and_cancelled_from_elsewhere() {
    for verb in ["pause", "cancel"] {
        let home = Home::new();
        let (film, gate) = home.stuck("film");
        let get = home.command(&["get", &film, "-o", "film", "--progress", "none"]).stderr(Stdio::piped()).spawn();
        assert!(gate.reached(SOON));
        home.done(&[verb, "film"]);
        let ended = get.unwrap().wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(143), "{said}");
        assert!(said.contains(&format!("stopped by `longhaul {verb}`")), "{said}");
        assert_eq!(home.path("film.lhpart").exists(), verb == "pause");
        gate.open();
        home.done(&["get", &film, "-o", "film", "-q"]);
        assert!(home.is_right("film"));
    }
}
