//! `longhaul serve` as a process, and a client that says exactly what it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// No answer takes this long.
const SOON: Duration = Duration::from_secs(90);

/// A store in a process of its own, killed with the test.
pub(crate) struct Store {
    pub(crate) child: Child,
    ready: Value,
}

impl Store {
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Store {
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

    pub(crate) fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap()
    }

    /// Status, head and body of an answer; `None` when the connection ended before it was whole.
    pub(crate) fn ask(&self, line: &str, body: &[u8]) -> Option<(u16, String, Vec<u8>)> {
        self.ask_with(line, "", body)
    }

    /// The same with further fields, each ended by CRLF.
    pub(crate) fn ask_with(&self, line: &str, fields: &str, body: &[u8]) -> Option<(u16, String, Vec<u8>)> {
        ask_at(self.text("endpoint"), line, fields, body)
    }

    pub(crate) fn kill(mut self) {
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

/// The same of any server, by its `http://ADDRESS:PORT`.
pub(crate) fn ask_at(url: &str, line: &str, fields: &str, body: &[u8]) -> Option<(u16, String, Vec<u8>)> {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).ok()?;
    stream.set_read_timeout(Some(SOON)).unwrap();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n");
    write!(stream, "{head}Connection: close\r\n\r\n").ok()?;
    stream.write_all(body).ok()?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).ok()?;
    let at = all.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(all[..at].to_vec()).unwrap();
    Some((head.split(' ').nth(1)?.parse().ok()?, head, all.split_off(at)))
}

/// What stands between two texts, the first time.
pub(crate) fn between(text: &[u8], from: &str, to: &str) -> String {
    let text = String::from_utf8_lossy(text);
    text.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
}
