//! A client that says exactly what it is told to say, and hears exactly what is answered.

#![allow(unreachable_pub, reason = "for the other files of this suite")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use longhaul_devstore::oss::{Builder, Server};
use serde_json::Value;
use tempfile::TempDir;

/// No answer takes this long.
pub const SOON: Duration = Duration::from_secs(60);

/// A store that asks for no signatures, with one bucket, `films`.
pub struct Bench {
    pub folder: TempDir,
    pub server: Option<Server>,
}

/// What was answered. `whole` is false when the connection ended before the body did.
#[derive(Debug)]
pub struct Heard {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub whole: bool,
}

impl Heard {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The text of the first element of that name.
    pub fn element(&self, name: &str) -> String {
        let text = self.text();
        let inside = text.split_once(&format!("<{name}>")).map(|(_, rest)| rest);
        inside.and_then(|rest| rest.split_once(&format!("</{name}>"))).map_or(String::new(), |(one, _)| one.to_owned())
    }

    /// Status and code of an error, `200` alone when it is none.
    pub fn said(&self) -> String {
        format!("{} {}", self.status, self.element("Code")).trim().to_owned()
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(Builder) -> Builder) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let builder = Builder::new(folder.path()).anonymous(true).sync(false).bucket("films");
        let server = Some(change(builder).start().unwrap());
        Bench { folder, server }
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Stops the store and starts it again on the same folder.
    pub fn restart(&mut self) {
        self.server = None;
        self.server = Some(Builder::new(self.folder.path()).anonymous(true).sync(false).start().unwrap());
    }

    /// `PUT /films/k` with these fields, a line each, and a body.
    pub fn ask(&self, line: &str, fields: &str, body: &[u8]) -> Heard {
        self.try_ask(line, fields, body).expect("an answer")
    }

    /// `None` when the connection ended without one.
    pub fn try_ask(&self, line: &str, fields: &str, body: &[u8]) -> Option<Heard> {
        let mut stream = connect(self.server().address());
        let head_only = line.starts_with("HEAD");
        let host = if fields.contains("Host:") { String::new() } else { "Host: 127.0.0.1\r\n".to_owned() };
        let fields: String = fields.lines().map(|field| format!("{}\r\n", field.trim())).collect();
        let length = match line.starts_with('P') && !fields.contains("Transfer-Encoding") {
            true => format!("Content-Length: {}\r\n", body.len()),
            false => String::new(),
        };
        write!(stream, "{line} HTTP/1.1\r\n{host}{fields}{length}Connection: close\r\n\r\n").unwrap();
        // A store that has heard enough may have hung up.
        let _ = stream.write_all(body);
        hear(stream, head_only)
    }

    pub fn put(&self, key: &str, body: &[u8]) -> Heard {
        let heard = self.ask(&format!("PUT /films/{key}"), "", body);
        assert_eq!(heard.status, 200, "{heard:?}");
        heard
    }

    pub fn get(&self, key: &str) -> Heard {
        self.ask(&format!("GET /films/{key}"), "", b"")
    }

    pub fn initiate(&self, key: &str, more: &str) -> String {
        let heard = self.ask(&format!("POST /films/{key}?uploads{more}"), "", b"");
        assert_eq!(heard.status, 200, "{heard:?}");
        heard.element("UploadId")
    }

    /// Sends a part; its ETag.
    pub fn part(&self, key: &str, upload: &str, number: u32, body: &[u8]) -> String {
        let heard = self.ask(&format!("PUT /films/{key}?partNumber={number}&uploadId={upload}"), "", body);
        assert_eq!(heard.status, 200, "{heard:?}");
        heard.header("ETag").unwrap().to_owned()
    }

    pub fn complete(&self, key: &str, upload: &str, fields: &str, parts: &[(u32, &str)]) -> Heard {
        let list: String = parts
            .iter()
            .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
            .collect();
        let body = match fields.contains("complete-all") && parts.is_empty() {
            true => String::new(),
            false => format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>"),
        };
        self.ask(&format!("POST /films/{key}?uploadId={upload}"), fields, body.as_bytes())
    }

    /// Asks the admin port.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Heard {
        let address = self.server().admin().trim_start_matches("http://").parse().unwrap();
        let mut stream = connect(address);
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        hear(stream, false).expect("an answer")
    }

    /// The log, when it has so many lines: a line is written when the request is over, which the client knows earlier.
    /// In the order of requests, each of which had a connection of its own.
    pub fn log(&self, lines: usize) -> Vec<Value> {
        let deadline = Instant::now() + SOON;
        loop {
            let mut log = self.server().log_since(0);
            log.sort_by_key(|line| line["connection"].as_u64());
            if log.len() >= lines || Instant::now() > deadline {
                assert_eq!(log.len(), lines, "{log:?}");
                return log;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.set_write_timeout(Some(SOON)).unwrap();
    stream
}

/// Reads one answer; `None` when the connection ends before its head does.
pub fn hear(stream: TcpStream, head_only: bool) -> Option<Heard> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    if status == 100 {
        reader.read_line(&mut line).ok()?;
        return hear_rest(reader, head_only);
    }
    rest(reader, status, head_only)
}

fn hear_rest(mut reader: BufReader<TcpStream>, head_only: bool) -> Option<Heard> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    rest(reader, status, head_only)
}

fn rest(mut reader: BufReader<TcpStream>, status: u16, head_only: bool) -> Option<Heard> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_owned(), value.to_owned()));
    }
    let mut heard = Heard { status, headers, body: Vec::new(), whole: true };
    if !head_only {
        let length: u64 = heard.header("Content-Length").map_or(0, |length| length.parse().unwrap());
        // A reset is an end, too.
        let _ = reader.take(length).read_to_end(&mut heard.body);
        heard.whole = heard.body.len() as u64 == length;
    }
    Some(heard)
}
