//! A client that believes nothing: it sends text, and tells which bytes came back and how the connection ended.

#![allow(dead_code, unreachable_pub, reason = "each suite uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed exchange is a failed test")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use longhaul_devstore::{Control, Headers};

/// For waits that should not be needed.
pub const SOON: Duration = Duration::from_secs(60);

/// How the server ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Fin,
    Rst,
}

/// All that came back on one connection.
#[derive(Debug)]
pub struct Reply {
    pub raw: Vec<u8>,
    pub end: End,
}

impl Reply {
    pub fn head(&self) -> String {
        let end = self.body_start().unwrap_or(self.raw.len());
        String::from_utf8_lossy(&self.raw[..end]).into_owned()
    }

    pub fn body(&self) -> &[u8] {
        self.body_start().map_or(&[], |at| &self.raw[at..])
    }

    pub fn status(&self) -> u16 {
        self.head().split(' ').nth(1).unwrap_or_default().parse().unwrap_or_default()
    }

    pub fn headers(&self) -> Headers {
        let mut headers = Headers::default();
        for line in self.head().lines().skip(1) {
            if let Some((name, value)) = line.split_once(": ") {
                headers.add(name, value);
            }
        }
        headers
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.headers().get(name).map(str::to_owned)
    }

    fn body_start(&self) -> Option<usize> {
        self.raw.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
    }
}

pub fn connect(origin: &Control) -> TcpStream {
    let stream = TcpStream::connect(origin.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream
}

pub fn send(mut stream: &TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).unwrap();
}

/// Reads until the server ends the connection.
pub fn rest(mut stream: &TcpStream) -> Reply {
    let mut raw = Vec::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Reply { raw, end: End::Fin },
            Ok(count) => raw.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Reply { raw, end: End::Rst },
            Err(error) => panic!("neither FIN nor RST: {error}, after {} bytes", raw.len()),
        }
    }
}

/// Reads so many bytes.
pub fn exactly(mut stream: &TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// Reads a head to its blank line, byte by byte.
pub fn head(mut stream: &TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// One request on a connection of its own. The fields end in a line end each.
pub fn ask(origin: &Control, method: &str, path: &str, fields: &str) -> Reply {
    let stream = connect(origin);
    send(&stream, &format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n"));
    rest(&stream)
}

pub fn get(origin: &Control, path: &str) -> Reply {
    ask(origin, "GET", path, "")
}

pub fn get_range(origin: &Control, path: &str, range: &str) -> Reply {
    ask(origin, "GET", path, &format!("Range: bytes={range}\r\n"))
}
