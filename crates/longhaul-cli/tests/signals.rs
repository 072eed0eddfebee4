//! Signals end a running download in order. The goal is that a stop is quick, says what is kept, and that the same
//! command goes on from there; the method is a server that sends half of an object and then nothing more.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

const LENGTH: usize = 2 << 20;
const HALF: usize = LENGTH / 2;

fn byte(at: usize) -> u8 {
    (at % 251) as u8
}

/// Sends the head and the bytes from `start` on: up to the half, and the rest only when the request begins there.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut one = [0];
        stream.read_exact(&mut one)?;
        head.push(one[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let start: usize =
        head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.split('-').next()?.parse().ok()).unwrap_or(0);
    let last = LENGTH - 1;
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nETag: \"one\"\r\nContent-Length: {}\r\nContent-Range: bytes {start}-{last}/{LENGTH}\r\n\r\n",
        LENGTH - start,
    )?;
    let end = if start < HALF { HALF } else { LENGTH };
    let body: Vec<u8> = (start..end).map(byte).collect();
    stream.write_all(&body)?;
    // Held open until the other side goes.
    let _ = stream.read(&mut [0]);
    Ok(())
}

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    format!("http://{address}/object")
}

fn get(url: &str, folder: &Path) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
    command.env("LONGHAUL_STATE_DIR", folder.join("state")).env_remove("SSL_CERT_FILE");
    command.args(["get", "--json", "--proxy", "none", "-o"]).arg(folder.join("object")).arg(url);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Runs a command that answers in JSON: its exit code and its first line.
fn ask(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("longhaul"));
    command.env("LONGHAUL_STATE_DIR", folder.join("state")).current_dir(folder);
    let output = command.args(args).arg("--json").output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), line.lines().next().map_or(Value::Null, |line| serde_json::from_str(line).unwrap()))
}

fn events(child: &mut Child) -> impl Iterator<Item = Value> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap())
}

#[test]
fn a_signal_stops_within_a_second_and_the_same_command_goes_on() {
    let url = serve();
    for (signal, code) in [("HUP", 129), ("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = get(&url, folder.path());
        let mut told = events(&mut child);
        assert!(told.any(|e| e["event"] == "progress" && e["received"] == HALF), "{signal}: the half never came");
        let sent = Instant::now();
        assert!(Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap().success());
        let rest: Vec<Value> = told.collect();
        let status = child.wait().unwrap();
        let took = sent.elapsed();
        assert!(took < Duration::from_secs(1), "{signal}: {took:?}");
        assert_eq!(status.code(), Some(code));
        let paused = rest.iter().find(|e| e["event"] == "paused").unwrap();
        assert_eq!((&paused["held"], &paused["total"]), (&HALF.into(), &LENGTH.into()));
        let last = rest.last().unwrap();
        assert_eq!((&last["event"], &last["kind"]), (&"failed".into(), &"interrupted".into()));
        assert_eq!((&last["exit_code"], &last["state_kept"]), (&code.into(), &true.into()));
        assert!(last["message"].as_str().unwrap().contains("Run the same command again"));
        assert!(!folder.path().join("object").exists());

        let (code, listed) = ask(folder.path(), &["list"]);
        assert_eq!((code, &listed["state"], &listed["held"]), (Some(0), &"paused".into(), &HALF.into()));
        let id = listed["id"].as_str().unwrap();
        for what in ["object", "object.lhpart", id, &id[..6]] {
            let (code, shown) = ask(folder.path(), &["show", what]);
            assert_eq!((code, &shown["state"], &shown["id"]), (Some(0), &"unfinished".into(), &id.into()), "{what}");
            assert_eq!((&shown["next_start"], &shown["fetch"][0]["start"]), (&"continues".into(), &HALF.into()));
        }

        let mut child = get(&url, folder.path());
        let told: Vec<Value> = events(&mut child).collect();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{told:?}");
        let done = told.last().unwrap();
        assert_eq!((&done["event"], &done["resumed"], &done["fetched"]), (&"done".into(), &1.into(), &HALF.into()));
        let bytes = std::fs::read(folder.path().join("object")).unwrap();
        assert!(bytes.iter().copied().eq((0..LENGTH).map(byte)));

        assert_eq!(ask(folder.path(), &["list"]), (Some(0), Value::Null));
        assert_eq!(ask(folder.path(), &["show", "object"]).1["verified"], "validator");
        assert_eq!(ask(folder.path(), &["verify", "object"]).0, Some(0));
        std::fs::write(folder.path().join("object"), vec![0; LENGTH]).unwrap();
        let (code, verdict) = ask(folder.path(), &["verify", "object"]);
        assert_eq!((code, &verdict["damaged"]), (Some(7), &serde_json::json!([[0, LENGTH]])));
        assert_eq!(ask(folder.path(), &["verify", "nothing"]).0, Some(8));
        assert_eq!(ask(folder.path(), &["show", "nothing"]).0, Some(8));
    }
}
