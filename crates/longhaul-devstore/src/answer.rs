//! What will be sent? An [`Answer`] is a whole reply written down before its first byte leaves: the head, the body,
//! how the end of the body is told, and how the bytes are delivered.
//!
//! No field is checked for sense. A correct answer comes from [`crate::respond`]; a [`crate::Fault`] or a test's
//! closure bends it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::content::Content;
use crate::gate::Gate;
use crate::object::Object;
use crate::request::Headers;

/// One reply, to be sent as it is.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The words behind the code; `None` is the usual ones.
    pub reason: Option<String>,
    /// Header fields, without those that [`Framing`] brings. A field with an empty name is a raw line: its value is
    /// sent as it is and not checked.
    pub headers: Headers,
    /// The body, before framing.
    pub body: Content,
    /// Which bytes of the object the body shows, if it shows one run of them.
    pub shows: Option<Range<u64>>,
    /// How the client learns where the body ends.
    pub framing: Framing,
    /// `Connection: close`, and so it happens.
    pub close: bool,
    /// Sent instead of status line and header fields: everything up to the body, blank line included.
    pub raw_head: Option<Vec<u8>>,
    /// Sent before the head: interim replies (RFC 9110, 15.2), or anything else.
    pub before_head: Vec<u8>,
    /// When, how fast and how far.
    pub delivery: Delivery,
}

/// How the client learns where the body ends (RFC 9112, 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By a correct `Content-Length`.
    Length,
    /// By a `Content-Length` for each of these values, true or not; none means no such field. The connection is
    /// closed after the body.
    Stated(Vec<String>),
    /// By the end of the connection.
    Close,
    /// By chunks.
    Chunked(Chunks),
}

/// A body in chunks (RFC 9112, 7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunks {
    /// Body bytes in a chunk; the last has what is left.
    pub size: usize,
    /// How it ends.
    pub end: ChunkEnd,
    /// Trailer fields.
    pub trailers: Vec<(String, String)>,
}

impl Default for Chunks {
    fn default() -> Chunks {
        Chunks { size: 64 * 1024, end: ChunkEnd::Correct, trailers: Vec::new() }
    }
}

impl Chunks {
    /// Chunks as they should be, ended in another way.
    pub fn ending(end: ChunkEnd) -> Chunks {
        Chunks { end, ..Chunks::default() }
    }
}

/// How a body in chunks ends. After all but `Correct` the connection is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChunkEnd {
    /// A chunk of size zero, trailers, an empty line.
    Correct,
    /// The last chunk, without the empty one that ends the body.
    Missing,
    /// The chunk of size zero, but not the empty line.
    HalfTerminator,
    /// The first chunk to begin at or behind `after` body bytes has `line` in place of its size: garbage, a negative
    /// or huge number, a wrong size. Its bytes follow, then the end of the connection.
    BadSize {
        /// Body bytes sent before it, at least; rounded up to a whole chunk.
        after: u64,
        /// The line, without the line end.
        line: String,
    },
    /// No line end between the first chunk and the size of the second.
    MissingLineEnd,
}

/// When, how fast and how far an answer is delivered.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// Silence before the first byte.
    pub delay: Duration,
    /// How slowly the head is sent.
    pub head_pace: Option<Pace>,
    /// How slowly the body is sent.
    pub body_pace: Option<Pace>,
    /// Where the answer breaks off, and how.
    pub stop: Option<Stop>,
    /// What happens on the way: done when that many body bytes were handed to the kernel. Not reached, not done.
    pub marks: Vec<(u64, Mark)>,
}

/// A speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many bytes, then a rest.
    Trickle {
        /// Bytes at a time.
        bytes: usize,
        /// The rest.
        tick: Duration,
    },
    /// So many bytes each second, evenly, with a small send buffer, so that what the kernel has taken and what the
    /// client can have are nearly the same.
    Rate {
        /// Bytes of the body in a second.
        bytes_per_second: u64,
    },
}

/// Where an answer breaks off. A body that ends before is delivered whole, then the connection ends in that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After so many bytes of the head.
    InHead(u64, Parting),
    /// After so many bytes of the body, framing not counted.
    InBody(u64, Parting),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// FIN: as if that were all.
    Cut,
    /// RST, after the client's kernel has acknowledged everything sent before.
    Reset,
    /// No more bytes, until the client leaves.
    Stall,
}

/// What happens in the middle of a body.
#[derive(Clone, Debug)]
pub enum Mark {
    /// A closure is called, on the connection's thread.
    Call(Hook),
    /// The body waits until the gate is opened.
    Hold(Gate),
    /// Another object is put at the path asked for; this body goes on as it was.
    Replace(Box<Object>),
}

/// A closure in a table of faults.
#[derive(Clone)]
pub struct Hook(pub(crate) Arc<dyn Fn() + Send + Sync>);

impl Hook {
    /// Wraps a closure.
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Hook {
        Hook(Arc::new(call))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hook")
    }
}

impl Answer {
    /// A correct answer with a status alone.
    pub fn status(status: u16) -> Answer {
        Answer {
            status,
            reason: None,
            headers: Headers::default(),
            body: Content::empty(),
            shows: None,
            framing: Framing::Length,
            close: false,
            raw_head: None,
            before_head: Vec::new(),
            delivery: Delivery::default(),
        }
    }

    /// Adds a header field.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Answer {
        self.headers.add(name, value);
        self
    }

    /// Sets the body, and its type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.headers.set("Content-Type", content_type);
        self.body = Content::bytes(body);
        self.shows = None;
        self
    }

    /// The head as it goes over the wire, for a request with this method.
    pub(crate) fn head(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw_head {
            return raw.clone();
        }
        let reason = self.reason.as_deref().unwrap_or_else(|| usual_reason(self.status));
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status).into_bytes();
        for (name, value) in self.headers.iter() {
            if !name.is_empty() {
                head.extend_from_slice(name.as_bytes());
                head.extend_from_slice(b": ");
            }
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(self.framing_fields().as_bytes());
        head.extend_from_slice(b"\r\n");
        head
    }

    /// Whether a status of this kind has no body at all (RFC 9112, 6.3).
    pub(crate) fn has_no_body(&self) -> bool {
        matches!(self.status, 100..=199 | 204 | 304)
    }

    fn framing_fields(&self) -> String {
        let length = match &self.framing {
            Framing::Length if self.has_no_body() => String::new(),
            Framing::Length => format!("Content-Length: {}\r\n", self.body.len()),
            Framing::Stated(values) => values.iter().map(|value| format!("Content-Length: {value}\r\n")).collect(),
            Framing::Close => String::new(),
            Framing::Chunked(_) => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        let close = if self.close || self.framing == Framing::Close { "Connection: close\r\n" } else { "" };
        length + close
    }
}

fn usual_reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        102 => "Processing",
        103 => "Early Hints",
        200 => "OK",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Precondition Failed",
        416 => "Range Not Satisfiable",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Unusual",
    }
}
