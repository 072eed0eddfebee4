//! How is a request read from a connection? One blocking socket, a small buffer, a body that is read as it is needed.
//!
//! Between requests a connection holds no buffer: a thousand idle ones cost a thousand small stacks. Every wait
//! has an end: for a request to begin, for its head to be whole, for the next bytes of its body.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::clock::Rest;
use crate::request::Headers;

/// Bound of a head, a little above what OSS takes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
const FIELDS_MAX: usize = 256;
/// What is read at a time while a head is awaited.
const PIECE: usize = 4096;

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until the next request begins.
    pub(crate) idle: Duration,
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// Until the next bytes of a body, or until it takes more of ours.
    pub(crate) body: Duration,
}

/// The first line and the fields.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
    pub(crate) http_1_0: bool,
}

impl Head {
    pub(crate) fn keeps_alive(&self) -> bool {
        let says = |word: &str| {
            self.headers
                .get("Connection")
                .is_some_and(|value| value.split(',').any(|one| one.trim().eq_ignore_ascii_case(word)))
        };
        if self.http_1_0 { says("keep-alive") } else { !says("close") }
    }
}

/// Why there is no head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoHead {
    /// The client left, or stayed silent too long between requests.
    Gone,
    /// It began a head and did not finish it in time.
    Slow,
    /// No HTTP.
    Malformed,
    TooLarge,
}

/// One connection.
pub(crate) struct Wire {
    stream: TcpStream,
    patience: Patience,
    /// Read, and not yet used: from `start` on.
    buffer: Vec<u8>,
    start: usize,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, patience: Patience) -> Wire {
        Wire { stream, patience, buffer: Vec::new(), start: 0 }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> Result<Head, NoHead> {
        if self.start == self.buffer.len() {
            self.buffer = Vec::new();
            self.start = 0;
            self.stream.set_read_timeout(Some(self.patience.idle)).map_err(|_| NoHead::Gone)?;
            match retry(|| self.stream.peek(&mut [0])) {
                Ok(0) | Err(_) => return Err(NoHead::Gone),
                Ok(_) => {}
            }
        }
        let until = Instant::now() + self.patience.head;
        loop {
            // Some clients send an empty line behind a body (RFC 9112, 2.2).
            while self.start < self.buffer.len() && matches!(self.buffer[self.start], b'\r' | b'\n') {
                self.start += 1;
            }
            if let Some((head, used)) = parse(&self.buffer[self.start..])? {
                self.start += used;
                return Ok(head);
            }
            if self.buffer.len() - self.start > HEAD_BYTES_MAX {
                return Err(NoHead::TooLarge);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoHead::Slow);
            }
            self.stream.set_read_timeout(Some(left)).map_err(|_| NoHead::Gone)?;
            let mut piece = [0; PIECE];
            match retry(|| (&self.stream).read(&mut piece)) {
                Ok(0) => return Err(NoHead::Gone),
                Ok(count) => self.buffer.extend_from_slice(&piece[..count]),
                Err(error) if is_timeout(&error) => return Err(NoHead::Slow),
                Err(_) => return Err(NoHead::Gone),
            }
        }
    }

    /// Bytes of the body, first from the buffer.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let there = &self.buffer[self.start..];
        if !there.is_empty() {
            let count = there.len().min(into.len());
            into[..count].copy_from_slice(&there[..count]);
            self.start += count;
            return Ok(count);
        }
        retry(|| (&self.stream).read(into))
    }

    pub(crate) fn set_body_patience(&self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(self.patience.body))?;
        self.stream.set_write_timeout(Some(self.patience.body))
    }
}

pub(crate) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, NoHead> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let used = match head.parse(bytes) {
        Ok(httparse::Status::Complete(used)) => used,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(NoHead::TooLarge),
        Err(_) => return Err(NoHead::Malformed),
    };
    let mut headers = Headers::default();
    for field in head.headers.iter() {
        headers.add(field.name, field.value);
    }
    let head = Head {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        headers,
        http_1_0: head.version == Some(0),
    };
    Ok(Some((head, used)))
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Known(u64),
    Chunked,
    /// Neither field: there is no body.
    Absent,
}

impl Length {
    /// `None` when the fields contradict each other or cannot be read (RFC 9112, 6.3).
    pub(crate) fn of(headers: &Headers) -> Option<Length> {
        let lengths = headers.all("Content-Length");
        let encodings = headers.all("Transfer-Encoding");
        match (lengths.as_slice(), encodings.as_slice()) {
            ([], []) => Some(Length::Absent),
            ([], [encoding]) if encoding.eq_ignore_ascii_case(b"chunked") => Some(Length::Chunked),
            ([length], []) if length.iter().all(u8::is_ascii_digit) => {
                Some(Length::Known(std::str::from_utf8(length).ok()?.parse().ok()?))
            }
            _ => None,
        }
    }
}

/// The body of one request.
pub(crate) struct Body<'a> {
    wire: &'a mut Wire,
    left: Left,
    /// Read and given back, last byte first.
    returned: Vec<u8>,
    /// The client waits for a 100 before it sends.
    expects: bool,
    /// Bytes of content taken so far.
    pub(crate) taken: u64,
    /// What a fault does to it.
    pub(crate) spoil: Spoil,
    began: Option<Instant>,
    rest: &'a Rest,
}

/// What a fault does to a body on its way in.
#[derive(Debug, Default, Clone)]
pub(crate) struct Spoil {
    /// The connection ends after so many bytes.
    pub(crate) end_after: Option<u64>,
    pub(crate) bytes_per_second: Option<u64>,
    /// The lowest bit of this byte is flipped.
    pub(crate) flip: Option<u64>,
}

#[derive(Debug)]
enum Left {
    Bytes(u64),
    /// In the current chunk; `None` before its size was read.
    Chunk(Option<u64>),
    Nothing,
}

impl<'a> Body<'a> {
    pub(crate) fn new(wire: &'a mut Wire, length: Length, expects: bool, rest: &'a Rest) -> Body<'a> {
        let left = match length {
            Length::Known(0) | Length::Absent => Left::Nothing,
            Length::Known(bytes) => Left::Bytes(bytes),
            Length::Chunked => Left::Chunk(None),
        };
        Body { wire, left, returned: Vec::new(), expects, taken: 0, spoil: Spoil::default(), began: None, rest }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        self.wire.stream()
    }

    /// Whether all of it was read, so that the next request can follow.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.left, Left::Nothing) && self.returned.is_empty()
    }

    /// Takes back the last bytes that were read. They are read again, and a fault finds them at the same place.
    pub(crate) fn give_back(&mut self, bytes: &[u8]) {
        self.taken -= bytes.len() as u64;
        self.returned.extend(bytes.iter().rev());
    }

    /// Whether the client still waits to be told to send it. Then it may be left unread, and the connection with it.
    pub(crate) fn awaits_leave(&self) -> bool {
        self.expects && !self.is_over()
    }

    /// The whole body, if it has at most `max` bytes; `None` if it has more.
    pub(crate) fn whole(&mut self, max: usize) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.by_ref().take(max as u64 + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() <= max).then_some(bytes))
    }

    /// A line of the framing of chunks.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            if self.wire.read(&mut byte)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match byte[0] {
                b'\n' => break,
                b'\r' => {}
                other => line.push(other),
            }
            if line.len() > PIECE {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        String::from_utf8(line).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// How many bytes may be read now; 0 at the end.
    fn ready(&mut self) -> io::Result<u64> {
        if !self.returned.is_empty() {
            return Ok(self.returned.len() as u64);
        }
        match self.left {
            Left::Nothing => return Ok(0),
            Left::Bytes(left) => return Ok(left),
            Left::Chunk(Some(left)) if left > 0 => return Ok(left),
            Left::Chunk(Some(_)) => {
                self.line()?; // behind the data of a chunk
            }
            Left::Chunk(None) => {}
        }
        let line = self.line()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let digits = size.bytes().all(|byte| byte.is_ascii_hexdigit()); // from_str_radix takes a sign, too
        let size = u64::from_str_radix(size, 16).ok().filter(|_| digits).ok_or(io::ErrorKind::InvalidData)?;
        if size > 0 {
            self.left = Left::Chunk(Some(size));
            return Ok(size);
        }
        for _ in 0..=FIELDS_MAX {
            // Trailers are read and forgotten.
            if self.line()?.is_empty() {
                self.left = Left::Nothing;
                return Ok(0);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    fn used(&mut self, count: u64) {
        self.taken += count;
        match &mut self.left {
            Left::Bytes(left) => {
                *left -= count;
                if *left == 0 {
                    self.left = Left::Nothing;
                }
            }
            Left::Chunk(Some(left)) => *left -= count,
            Left::Chunk(None) | Left::Nothing => {}
        }
    }

    /// Keeps to the rate of a fault or of `x-oss-traffic-limit`.
    fn pace(&mut self) {
        let Some(rate) = self.spoil.bytes_per_second else { return };
        let began = *self.began.get_or_insert_with(Instant::now);
        self.rest.pace(began, self.taken, rate);
    }
}

impl Read for Body<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_over() || into.is_empty() {
            return Ok(0);
        }
        if std::mem::take(&mut self.expects) {
            self.wire.stream().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut most = self.ready()?.min(into.len() as u64);
        if most == 0 {
            return Ok(0);
        }
        if let Some(end) = self.spoil.end_after {
            most = most.min(end.saturating_sub(self.taken));
            if most == 0 {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "ended by a fault"));
            }
        }
        if let Some(rate) = self.spoil.bytes_per_second {
            self.pace();
            most = most.min((rate / 20).clamp(1, 64 * 1024));
        }
        // What came before the socket was shut down can still be read, and may be megabytes.
        self.rest.go_on()?;
        let most = usize::try_from(most).unwrap_or(into.len());
        let again = self.returned.len().min(most);
        let count = if again > 0 {
            let kept = self.returned.len() - again;
            into.iter_mut().zip(self.returned.drain(kept..).rev()).for_each(|(place, byte)| *place = byte);
            self.taken += again as u64;
            again
        } else {
            let count = self.wire.read(&mut into[..most])?;
            self.used(count as u64);
            count
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let from = self.taken - count as u64;
        if let Some(flip) = self.spoil.flip
            && (from..self.taken).contains(&flip)
        {
            into[(flip - from) as usize] ^= 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};

    use super::*;

    const PATIENCE: Patience =
        Patience { idle: Duration::from_secs(10), head: Duration::from_secs(10), body: Duration::from_secs(10) };

    /// A wire at whose other end this was sent.
    fn wire(sent: &[u8]) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        client.write_all(sent).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        Wire::new(stream, PATIENCE)
    }

    fn bodies(sent: &str) -> Vec<String> {
        let mut wire = wire(sent.as_bytes());
        let mut bodies = Vec::new();
        while let Ok(head) = wire.head() {
            let length = Length::of(&head.headers).unwrap();
            let rest = Rest::default();
            let mut body = Body::new(&mut wire, length, false, &rest);
            let mut text = String::new();
            bodies.push(match body.read_to_string(&mut text) {
                Ok(_) => format!("{} {text}", head.method),
                Err(error) => format!("{} {:?}", head.method, error.kind()),
            });
        }
        bodies
    }

    #[test]
    fn bodies_end_where_their_framing_says() {
        let sent = "PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                    2;x=y\r\nde\r\n3\r\nfgh\r\n0\r\nTrailer: t\r\n\r\nGET /c HTTP/1.1\r\n\r\n\r\nPOST /d HTTP/1.1\r\n\
                    Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nPUT /e HTTP/1.1\r\nContent-Length: 3\r\n\r\nab";
        assert_eq!(bodies(sent), ["PUT abc", "POST defgh", "GET ", "POST ", "PUT UnexpectedEof"]);
    }

    #[test]
    fn framing_that_is_none_is_not_guessed_at() {
        for chunks in ["+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n", "x\r\n", "\r\n", "11111111111111111\r\n"] {
            let sent = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
            assert_eq!(bodies(&sent)[0], "POST InvalidData", "{chunks:?}");
        }
        let trailers = "t: t\r\n".repeat(FIELDS_MAX + 1);
        let sent = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{trailers}\r\n");
        assert_eq!(bodies(&sent)[0], "POST InvalidData");
    }

    #[test]
    fn fields_that_contradict_each_other_are_not_guessed_at() {
        for (fields, length) in [
            ("", Some(Length::Absent)),
            ("Content-Length: 0", Some(Length::Known(0))),
            ("Content-Length: 5\r\nContent-Length: 5", None),
            ("Content-Length: -5", None),
            ("Content-Length: 99999999999999999999", None),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked", None),
            ("Transfer-Encoding: gzip, chunked", None),
            ("transfer-encoding: Chunked", Some(Length::Chunked)),
        ] {
            let text = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
            let (head, _) = parse(format!("PUT / HTTP/1.1\r\n{text}\r\n").as_bytes()).unwrap().unwrap();
            assert_eq!(Length::of(&head.headers), length, "{fields}");
        }
    }

    #[test]
    fn what_is_no_head_is_told_apart() {
        assert_eq!(wire(b"").head().unwrap_err(), NoHead::Gone);
        assert_eq!(wire(b"GET / HT").head().unwrap_err(), NoHead::Gone);
        assert_eq!(wire(b"\x16\x03\x01\x02\x00").head().unwrap_err(), NoHead::Malformed);
        let long = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(2 * HEAD_BYTES_MAX));
        assert_eq!(wire(long.as_bytes()).head().unwrap_err(), NoHead::TooLarge);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(FIELDS_MAX + 1));
        assert_eq!(wire(many.as_bytes()).head().unwrap_err(), NoHead::TooLarge);
    }

    #[test]
    fn a_silent_client_runs_out_of_our_patience() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let short = Duration::from_millis(30);
        let mut wire = Wire::new(stream, Patience { idle: short, head: short, body: short });
        assert_eq!(wire.head().unwrap_err(), NoHead::Gone);
        client.write_all(b"GET / ").unwrap();
        assert_eq!(wire.head().unwrap_err(), NoHead::Slow);
    }

    #[test]
    fn faults_spoil_a_body_at_the_exact_byte() {
        let mut wire = wire(b"abcdef");
        let rest = Rest::default();
        let mut body = Body::new(&mut wire, Length::Known(6), false, &rest);
        body.spoil = Spoil { end_after: Some(4), flip: Some(1), bytes_per_second: None };
        let mut bytes = Vec::new();
        let error = body.read_to_end(&mut bytes).unwrap_err();
        assert_eq!((bytes.as_slice(), error.kind(), body.taken), (&b"accd"[..], io::ErrorKind::ConnectionAborted, 4));
    }
}
