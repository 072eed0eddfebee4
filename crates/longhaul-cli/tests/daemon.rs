//! `longhaul daemon`, the real binary: it comes and goes, is killed, meets another one, and keeps what it acknowledged.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(90);

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        std::fs::create_dir(home.path("downloads")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
        command.args(words).stdin(Stdio::null()).env("HOME", self.0.path()).env("XDG_RUNTIME_DIR", self.0.path());
        command.env("LONGHAUL_STATE_DIR", self.path("state")).env_remove("LISTEN_PID").env_remove("NOTIFY_SOCKET");
        command
    }

    fn ran(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// A daemon that can be used.
    fn daemon_at(&self, address: &str) -> Child {
        let (ready, root) = (self.path("ready.json"), self.path("downloads"));
        let _ = std::fs::remove_file(&ready);
        let words =
            ["daemon", "--listen", address, "--root", root.to_str().unwrap(), "--ready-file", ready.to_str().unwrap()];
        let mut child = self.command(&words).stdout(Stdio::null()).spawn().unwrap();
        until(|| ready.exists().then_some(()), || child.try_wait().unwrap().is_none());
        child
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.path("state/token")).unwrap().trim().to_owned()
    }
}

fn until<T>(mut look: impl FnMut() -> Option<T>, mut lives: impl FnMut() -> bool) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(lives(), "the daemon ended");
        assert!(Instant::now() < end, "it takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks; `None`: the connection broke before the answer was whole.
fn ask(at: &str, token: &str, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
}

fn terminate(child: &mut Child) -> Option<i32> {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn a_daemon_starts_tells_and_stops() {
    let home = Home::new();
    assert_eq!(home.ran(&["daemon", "status"]).status.code(), Some(8));
    let root = home.path("downloads");
    let started = home.ran(&["daemon", "start", "--listen", ":0", "--json", "--root", root.to_str().unwrap()]);
    assert!(started.status.success(), "{started:?}");
    let info: Value = serde_json::from_slice(&started.stdout).unwrap();
    assert_eq!(info["roots"], json!([std::fs::canonicalize(root).unwrap()]));
    let again = home.ran(&["daemon", "start"]);
    assert!(String::from_utf8_lossy(&again.stdout).contains("runs already"), "{again:?}");
    assert!(home.ran(&["daemon", "status"]).status.success());
    let link = home.ran(&["open", "--print"]);
    let link = String::from_utf8(link.stdout).unwrap();
    assert!(link.starts_with(&format!("http://{}/#code=", info["address"].as_str().unwrap())), "{link}");
    let stopped = home.ran(&["daemon", "stop"]);
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(home.ran(&["daemon", "status"]).status.code(), Some(8));
    assert!(!Path::new(info["socket"].as_str().unwrap()).exists());
}

#[test]
fn two_daemons_do_not_share_a_list_or_a_port() {
    let home = Home::new();
    let mut first = home.daemon_at(":0");
    let ready: Value = serde_json::from_slice(&std::fs::read(home.path("ready.json")).unwrap()).unwrap();
    let second = home.ran(&["daemon", "--listen", ":0"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(9), "{said}");
    assert!(said.contains(&first.id().to_string()), "{said}");
    let other = Home::new();
    let port = ready["address"].as_str().unwrap();
    let third = other.ran(&["daemon", "--listen", port]);
    let said = String::from_utf8_lossy(&third.stderr).into_owned();
    assert_eq!(third.status.code(), Some(9), "{said}");
    assert!(said.contains("is taken by") && said.contains("--listen"), "{said}");
    assert_eq!(terminate(&mut first), Some(0));
    assert!(!home.path("ready.json").exists());
}

#[test]
fn an_address_of_others_is_refused_without_a_word_for_it() {
    let home = Home::new();
    for (words, hint) in [
        (vec!["daemon", "--listen", "0.0.0.0:0"], "--insecure-http"),
        (vec!["daemon", "--listen", "0.0.0.0:0", "--insecure-http"], "--host"),
    ] {
        let ran = home.ran(&words);
        let said = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(2), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

/// Goal: what was acknowledged is in the list, once, however often the daemon is killed. Method: batches of 100 with a
/// key each, repeated until they are acknowledged, while the daemon is killed with SIGKILL again and again; then the
/// list is read.
#[test]
fn killed_again_and_again_it_loses_nothing_that_it_acknowledged() {
    const BATCHES: usize = 100;
    const KILLS: usize = 12;
    let home = Home::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let start = || home.daemon_at(&port);
    let mut daemon = start();
    let token = home.token();
    let (mut acknowledged, mut kills) = (BTreeSet::new(), 0);
    for batch in 0..BATCHES {
        let entries: Vec<Value> = (0..100)
            .map(|i| json!({"source": format!("http://127.0.0.1:9/{batch}/{i}"), "name": format!("{batch}-{i}"), "hold": true}))
            .collect();
        let body = json!(entries);
        let killed = kills < KILLS && batch % (BATCHES / KILLS) == 1;
        // It dies somewhere in the batch, a little later each time.
        let killer = killed.then(|| {
            kills += 1;
            let (pid, delay) = (rustix::process::Pid::from_child(&daemon), Duration::from_micros(700 * kills as u64));
            std::thread::spawn(move || {
                std::thread::sleep(delay);
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
            })
        });
        let mut answer = keyed(&port, &token, batch, &body);
        if let Some(killer) = killer {
            killer.join().unwrap();
            daemon.wait().unwrap();
            daemon = start();
        }
        let end = Instant::now() + SOON;
        while answer.is_none() {
            assert!(Instant::now() < end, "no answer");
            answer = keyed(&port, &token, batch, &body);
        }
        let (status, answer) = answer.unwrap();
        assert!(matches!(status, 200 | 201), "{answer}");
        for row in answer["results"].as_array().unwrap() {
            assert!(acknowledged.insert(row["id"].as_str().unwrap().to_owned()), "{row} came twice");
        }
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let mut daemon = start();
    let (mut listed, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/entries?limit=1000{after}");
        let (_, page) = ask(&port, &token, "GET", &path, &Value::Null).unwrap();
        listed.extend(page["entries"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(listed.len(), acknowledged.len(), "none is lost, and none is there twice");
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), acknowledged);
    assert_eq!((acknowledged.len(), kills), (BATCHES * 100, KILLS));
    assert_eq!(terminate(&mut daemon), Some(0));
}

fn keyed(at: &str, token: &str, batch: usize, body: &Value) -> Option<(u16, Value)> {
    let token = format!("{token}\r\nIdempotency-Key: batch-{batch}");
    ask(at, &token, "POST", "/api/v1/entries", body)
}

#[test]
fn units_are_printed_and_written() {
    let home = Home::new();
    let printed = home.ran(&["daemon", "install", "--print"]);
    let text = String::from_utf8(printed.stdout).unwrap();
    assert!(text.contains("longhaul.daemon") || text.contains("ListenStream=127.0.0.1:6800"), "{text}");
    let written = home.command(&["daemon", "install"]).env_remove("XDG_CONFIG_HOME").output().unwrap();
    assert!(written.status.success(), "{written:?}");
    let said = String::from_utf8_lossy(&written.stderr).into_owned();
    let unit = said.lines().find_map(|line| line.strip_prefix("written: ")).unwrap();
    assert!(std::fs::read_to_string(unit).unwrap().contains("daemon"), "{unit}");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let home = Home::new();
    let made = home.ran(&["token", "new", "feed", "--scope", "read,add"]);
    assert_eq!(String::from_utf8(made.stdout).unwrap().trim().len(), 43);
    let listed = home.ran(&["token", "list", "--json"]);
    let row: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!((&row["name"], &row["scopes"]), (&json!("feed"), &json!(["read", "add"])));
    assert_eq!(home.ran(&["token", "new", "feed"]).status.code(), Some(2));
    assert_eq!(home.ran(&["token", "revoke", "feed"]).status.code(), Some(0));
    assert_eq!(home.ran(&["token", "revoke", "feed"]).status.code(), Some(8));
    assert_eq!(home.ran(&["token", "new", "x", "--scope", "all"]).status.code(), Some(2));
}
