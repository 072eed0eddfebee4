//! `longhaul serve`, the real binary: what it says when it is ready, what is left after `kill -9`.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use longhaul_devstore::Content;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);

/// A store in a process of its own, killed with the test.
struct Store {
    child: Child,
    ready: Value,
}

impl Store {
    fn start(folder: &Path, flags: &[&str]) -> Store {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .args(flags)
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Store { child, ready: serde_json::from_str(&line).unwrap() }
    }

    fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// Status, head and body of an answer; `None` when the connection ended before it was whole.
    fn ask(&self, line: &str, body: &[u8]) -> Option<(u16, String, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.text("endpoint").trim_start_matches("http://")).ok()?;
        stream.set_read_timeout(Some(SOON)).unwrap();
        let length = body.len();
        write!(stream, "{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            .ok()?;
        stream.write_all(body).ok()?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).ok()?;
        let at = all.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(all[..at].to_vec()).unwrap();
        Some((head.split(' ').nth(1)?.parse().ok()?, head, all.split_off(at)))
    }

    fn kill(mut self) {
        self.child.kill().unwrap(); // SIGKILL
        self.child.wait().unwrap();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended already
        let _ = self.child.wait();
    }
}

fn between(text: &[u8], from: &str, to: &str) -> String {
    let text = String::from_utf8_lossy(text);
    text.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
}

#[test]
fn the_ready_line_says_all_that_a_client_needs() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::start(folder.path(), &["--region", "cn-test", "--bucket", "films"]);
    assert_eq!((store.text("event"), store.text("region")), ("ready", "cn-test"));
    for name in ["endpoint", "admin", "access_key_id", "access_key_secret"] {
        assert!(!store.text(name).is_empty(), "{name}");
    }
    let (status, _, body) = store.ask("GET /films/key", b"").unwrap();
    assert_eq!((status, between(&body, "<Code>", "</Code>").as_str()), (403, "AccessDenied"), "who does not sign");
}

#[test]
fn what_was_answered_survives_kill_9_with_the_same_keys() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--anonymous", "--bucket", "films"];
    let first = Store::start(folder.path(), &flags);
    let key = (first.text("access_key_id").to_owned(), first.text("access_key_secret").to_owned());
    let body = Content::seeded(1, 2_000_000).to_vec();
    assert_eq!(first.ask("PUT /films/object", &body).unwrap().0, 200);
    assert_eq!(first.ask("PUT /films/replaced", b"old").unwrap().0, 200);
    assert_eq!(first.ask("PUT /films/replaced", b"new").unwrap().0, 200);
    let upload = between(&first.ask("POST /films/big?uploads", b"").unwrap().2, "<UploadId>", "</UploadId>");
    let part = |store: &Store, number: u32, body: &[u8]| {
        store.ask(&format!("PUT /films/big?partNumber={number}&uploadId={upload}"), body).unwrap()
    };
    assert_eq!(part(&first, 1, &body).0, 200);
    first.kill();
    let second = Store::start(folder.path(), &flags);
    assert_eq!((second.text("access_key_id"), second.text("access_key_secret")), (key.0.as_str(), key.1.as_str()));
    assert!(second.ask("GET /films/object", b"").unwrap().2 == body);
    assert_eq!(second.ask("GET /films/replaced", b"").unwrap().2, b"new");
    assert_eq!(part(&second, 2, b"end").0, 200);
    let list = second.ask(&format!("GET /films/big?uploadId={upload}"), b"").unwrap().2;
    let list = String::from_utf8(list).unwrap();
    let etags: Vec<&str> = list.split("<ETag>").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(etags.len(), 2);
    let parts: String = (1..)
        .zip(&etags)
        .map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    assert_eq!(second.ask(&format!("POST /films/big?uploadId={upload}"), document.as_bytes()).unwrap().0, 200);
    second.kill();
    let third = Store::start(folder.path(), &flags);
    assert!(third.ask("GET /films/big", b"").unwrap().2 == [body.as_slice(), b"end"].concat());
}

#[test]
fn a_kill_amid_writes_leaves_the_old_object_or_the_new_one_and_no_litter() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--anonymous", "--bucket", "films"];
    let versions: Vec<Vec<u8>> = (0..4).map(|seed| Content::seeded(seed, 300_000 + seed).to_vec()).collect();
    for round in 0..6 {
        let store = Store::start(folder.path(), &flags);
        let known = store.ask("GET /films/k", b"").unwrap();
        if round > 0 {
            assert!(known.0 == 200 && versions.contains(&known.2), "round {round}: {}", known.1);
        }
        let data = std::fs::read_dir(folder.path().join("buckets/films/data")).unwrap().count();
        assert_eq!(data, usize::from(round > 0), "what nothing names is swept up");
        // Written by a thread until the store is gone; killed at the moment when another version was answered.
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut answered = 0;
                while store
                    .ask("PUT /films/k", &versions[answered % versions.len()])
                    .is_some_and(|answer| answer.0 == 200)
                {
                    answered += 1;
                }
                answered
            });
            for _ in 0..round {
                store.ask("GET /films/k", b"");
            }
            while store.ask("HEAD /films/k", b"").is_some_and(|answer| answer.0 != 200) {}
            rustix::process::kill_process(
                rustix::process::Pid::from_child(&store.child),
                rustix::process::Signal::KILL,
            )
            .unwrap();
            assert!(writing.join().unwrap() > 0 || round > 0);
        });
    }
}

#[test]
fn people_get_settings_to_paste_and_a_signal_ends_it_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
        .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--bucket", "films"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    while !text.contains("NewClient") {
        assert!(out.read_line(&mut text).unwrap() > 0, "{text}");
    }
    for part in
        ["OSS_ENDPOINT=http://127.0.0.1:", "ossutil", "oss2.AuthV4", "ali-oss", "WithUsePathStyle", "Admin page"]
    {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_cannot_be_served_ends_with_its_code_and_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::start(folder.path(), &[]);
    let busy = store.text("endpoint").trim_start_matches("http://").to_owned();
    let other = tempfile::tempdir().unwrap();
    let file = other.path().join("file");
    std::fs::write(&file, "x").unwrap();
    for (folder, flags, code) in [
        (folder.path(), &["--listen", "127.0.0.1:0"][..], 9),
        (other.path(), &["--listen", busy.as_str()], 9),
        (other.path(), &["--listen", "127.0.0.1:0", "--fault", "kind=nonsense"], 2),
        (other.path(), &["--listen", "127.0.0.1:0", "--bucket", "No"], 2),
        (other.path(), &["--host", "nothing"], 2),
        (file.as_path(), &["--listen", "127.0.0.1:0"], 8),
    ] {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
            .args(["serve", "--admin", "127.0.0.1:0"])
            .args(flags)
            .arg(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{flags:?}: {said}");
        assert!(output.stdout.is_empty() && !said.contains("panicked"), "{said}");
    }
}

#[test]
fn the_demo_tells_a_story_that_ends_well_and_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"))
        .arg("demo")
        .env("TMPDIR", temporary.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for part in ["cut twice", "kill -9", "Kept from the killed process", "replaced", "crc64:", "byte for byte"] {
        assert!(said.contains(part), "{part} is missing: {said}");
    }
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}
