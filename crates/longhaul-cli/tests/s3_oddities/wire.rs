//! HTTP as far as the stand-in needs it: a thread for each connection, bodies with a length, connections that are kept.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// What was asked.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// As it was sent, with its parameters.
    pub target: String,
    /// Decoded.
    pub path: String,
    /// Decoded; one without a value has an empty one.
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The length that is told, where it is not the body's: of the object, to a HEAD.
    pub len: Option<usize>,
}

impl Reply {
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn body(self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }.field("content-type", kind)
    }

    pub fn field(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    pub fn xml(text: &str) -> Self {
        Self::status(200).body("application/xml", format!("<?xml version=\"1.0\"?>{text}"))
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let text = format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R7</RequestId></Error>");
        Self::status(status).body("application/xml", text)
    }
}

/// Serves until the process ends.
pub fn serve(answer: impl Fn(Request) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || talk(stream, &*answer));
        }
    });
    addr
}

/// Until the client goes away. What is no request ends the connection.
fn talk(stream: TcpStream, answer: &dyn Fn(Request) -> Reply) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let request = read(&mut reader)?;
        let head = request.method == "HEAD";
        let reply = answer(request);
        let len = reply.len.unwrap_or(reply.body.len());
        let mut out = format!("HTTP/1.1 {} X\r\n", reply.status);
        if !matches!(reply.status, 204 | 304) {
            out += &format!("content-length: {len}\r\n");
        }
        reply.fields.iter().for_each(|(name, value)| out += &format!("{name}: {value}\r\n"));
        out += "\r\n";
        let stream = reader.get_mut();
        stream.write_all(out.as_bytes()).ok()?;
        if !head {
            stream.write_all(&reply.body).ok()?;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        let read = reader.read_line(&mut line).ok()?;
        (read > 0).then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let mut headers = BTreeMap::new();
    loop {
        let field = line()?;
        let Some((name, value)) = field.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let len = headers.get("content-length").map_or(Some(0), |len| len.parse().ok())?;
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    let query = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
    Some(Request { method, path: decoded(path), query, headers, body, target: target.clone() })
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex.filter(|_| bytes[at] == b'%') {
            Some(byte) => (out.push(byte), at += 3).1,
            None => (out.push(bytes[at]), at += 1).1,
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
