//! What did the client ask? Header fields, one request, and reading it from a connection.
//!
//! Parsing is `httparse`'s. A request that cannot be parsed is answered 400 and the connection closed: no
//! bytes that arrive make it panic.

use std::io::{self, Read};
use std::net::TcpStream;

/// Bound of a request head, as in common servers; only a broken client comes near.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bound of the number of fields in a request head.
const FIELDS_MAX: usize = 256;

/// Header fields in the order they stand on the wire. A name may occur more than once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, Vec<u8>)>);

impl Headers {
    /// The first value of `name` (in any case), if it is UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(have, _)| have.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// All values of `name`, as sent.
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.iter().filter(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(have, _)| have.eq_ignore_ascii_case(name))
    }

    /// Adds a field behind the others, also when there is one of that name.
    pub fn add(&mut self, name: impl Into<String>, value: impl AsRef<[u8]>) {
        self.0.push((name.into(), value.as_ref().to_vec()));
    }

    /// Replaces all fields of that name by one.
    pub fn set(&mut self, name: impl Into<String>, value: impl AsRef<[u8]>) {
        let name = name.into();
        self.remove(&name);
        self.add(name, value);
    }

    /// Removes all fields of that name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(have, _)| !have.eq_ignore_ascii_case(name));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }
}

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// The request target as sent, query included.
    pub target: String,
    /// All header fields.
    pub headers: Headers,
    /// Whether this is HTTP/1.0.
    pub http_1_0: bool,
    /// Which request of this origin it is, counted from 0; the index into the log.
    pub number: usize,
    /// Which request of this path it is, counted from 0.
    pub nth: usize,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

impl Request {
    /// The target without query, and without scheme and authority when it came through a proxy (RFC 9112, 3.2.2).
    pub fn path(&self) -> &str {
        let local = match self.target.split_once("://") {
            Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]),
            _ => &self.target,
        };
        local.split(['?', '#']).next().unwrap_or_default()
    }

    /// The value of a query parameter, not decoded; empty when it has none.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| match pair.split_once('=') {
            Some((key, value)) => (key == name).then_some(value),
            None => (pair == name).then_some(""),
        })
    }

    /// The first value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// Where the first range asked for begins; `None` without `Range`, or for a suffix.
    pub fn range_start(&self) -> Option<u64> {
        let (_, set) = self.header("Range")?.split_once('=')?;
        set.split('-').next()?.trim().parse().ok()
    }

    /// Whether the client lets the connection live after this (RFC 9112, 9.3).
    pub(crate) fn keeps_alive(&self) -> bool {
        let says = |word: &str| {
            self.header("Connection")
                .is_some_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
        };
        if self.http_1_0 { says("keep-alive") } else { !says("close") }
    }
}

/// Why no further request could be read.
pub(crate) enum NoRequest {
    /// The client left between requests, or in the middle of one.
    Gone,
    /// Not HTTP, or beyond our bounds.
    Malformed,
}

/// Reads one request after the other from a connection; what was read too far belongs to the next.
pub(crate) struct Reader<'a> {
    stream: &'a TcpStream,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(stream: &'a TcpStream) -> Reader<'a> {
        Reader { stream, buffer: Vec::new() }
    }

    /// The next request, its body read and dropped. The counters are the caller's to set.
    pub(crate) fn next(&mut self) -> Result<Request, NoRequest> {
        loop {
            if let Some((request, head_bytes)) = parse(&self.buffer)? {
                self.buffer.drain(..head_bytes);
                self.drop_body(&request)?;
                return Ok(request);
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(NoRequest::Malformed);
            }
            self.read_more()?;
        }
    }

    fn drop_body(&mut self, request: &Request) -> Result<(), NoRequest> {
        if request.headers.has("Transfer-Encoding") {
            return Err(NoRequest::Malformed);
        }
        let mut left: u64 = match request.header("Content-Length").map(str::parse) {
            None => 0,
            Some(Ok(len)) => len,
            Some(Err(_)) => return Err(NoRequest::Malformed),
        };
        while left > 0 {
            if self.buffer.is_empty() {
                self.read_more()?;
            }
            let count = left.min(self.buffer.len() as u64);
            self.buffer.drain(..count as usize);
            left -= count;
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<(), NoRequest> {
        let mut piece = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(NoRequest::Gone),
                Ok(count) => {
                    self.buffer.extend_from_slice(&piece[..count]);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(NoRequest::Gone),
            }
        }
    }
}

fn parse(buffer: &[u8]) -> Result<Option<(Request, usize)>, NoRequest> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let head_bytes = match head.parse(buffer) {
        Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(NoRequest::Malformed),
    };
    let mut headers = Headers::default();
    for field in head.headers.iter() {
        headers.add(field.name, field.value);
    }
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        headers,
        http_1_0: head.version == Some(0),
        number: 0,
        nth: 0,
        connection: 0,
    };
    Ok(Some((request, head_bytes)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request from its text, for tables.
    pub(crate) fn request(text: &str) -> Request {
        match parse(format!("{text}\r\n\r\n").as_bytes()) {
            Ok(Some((request, _))) => request,
            _ => panic!("not a request: {text}"),
        }
    }

    #[test]
    fn paths_and_queries_are_found_in_every_form_of_target() {
        for (target, path, sig) in [
            ("/a", "/a", None),
            ("/a?sig=1&b", "/a", Some("1")),
            ("/a?b&sig", "/a", Some("")),
            ("/a?u=http://x/y&sig=2", "/a", Some("2")),
            ("http://host:1/a?sig=3", "/a", Some("3")),
            ("http://host", "/", None),
        ] {
            let request = request(&format!("GET {target} HTTP/1.1"));
            assert_eq!((request.path(), request.query("sig")), (path, sig), "{target}");
        }
    }

    #[test]
    fn connections_live_as_long_as_the_client_lets_them() {
        for (head, lives) in [
            ("GET / HTTP/1.1", true),
            ("GET / HTTP/1.1\r\nConnection: foo, Close", false),
            ("GET / HTTP/1.0", false),
            ("GET / HTTP/1.0\r\nConnection: keep-alive", true),
        ] {
            assert_eq!(request(head).keeps_alive(), lives, "{head}");
        }
    }
}
