//! How does an answer get onto the wire, and how is it spoilt at an exact byte?
//!
//! Bytes of objects go from the page cache to the socket inside the kernel. A fault is a stop on that way: the body is
//! sent up to it, then what has to happen happens. Only a piece with a flipped bit is read into memory.

use std::fs::File;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::call::{Content, Reply};
use super::clock::Rest;
use super::disk::Object;
use super::faults::Ending;
use super::log::Ended;

/// What is sent by one call to the kernel at most, so that a fault, a pace or a timeout is never far.
const PIECE_MAX: u64 = 4 << 20;
/// Pieces that go through memory.
const COPIED: u64 = 64 << 10;
/// How long a reset waits for the client's kernel to take what was sent before.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
const DRAIN_LOOK: Duration = Duration::from_millis(1);
/// A client that is being told no while it sends has so long to read it.
const LINGER: Duration = Duration::from_secs(2);

/// How the body is sent.
pub(crate) struct Manner<'a> {
    /// After so many bytes, the end of the connection.
    pub(crate) end: Option<(u64, Ending)>,
    /// So many bytes at a time, with a rest between.
    pub(crate) trickle: Option<(u64, Duration)>,
    pub(crate) bytes_per_second: Option<u64>,
    /// Offsets within the object.
    pub(crate) flips: Vec<u64>,
    /// Where pauses are taken, and where the end of the store is seen.
    pub(crate) rest: &'a Rest,
    /// Called after so many bytes.
    pub(crate) between: Option<(u64, Box<dyn FnOnce() + 'a>)>,
}

impl<'a> Manner<'a> {
    /// As fast as it goes, and unspoilt.
    pub(crate) fn plain(rest: &'a Rest) -> Manner<'a> {
        Manner { end: None, trickle: None, bytes_per_second: None, flips: Vec::new(), rest, between: None }
    }
}

/// Sends head and body; how many bytes of the body went, and how it ended.
pub(crate) fn deliver(
    stream: &TcpStream,
    head: &[u8],
    reply: &Reply,
    head_only: bool,
    manner: Manner<'_>,
) -> (u64, Ended) {
    let mut sending = Sending { stream, reply, manner, sent: 0, began: Instant::now(), open: None };
    let body = if head_only { 0 } else { reply.content.len() };
    let ended = match sending.run(head, body) {
        Ok(ended) => ended,
        Err(_) => Ended::Gone,
    };
    (sending.sent, ended)
}

struct Sending<'a> {
    stream: &'a TcpStream,
    reply: &'a Reply,
    manner: Manner<'a>,
    sent: u64,
    began: Instant,
    /// The segment being sent, by its index.
    open: Option<(usize, File)>,
}

impl Sending<'_> {
    fn run(&mut self, head: &[u8], body: u64) -> io::Result<Ended> {
        let small = match &self.reply.content {
            Content::Bytes(bytes) if self.is_plain() && body > 0 => Some([head, bytes].concat()),
            _ => None,
        };
        if let Some(whole) = small {
            (&mut self.stream).write_all(&whole)?;
            self.sent = body;
            return Ok(Ended::Whole);
        }
        (&mut self.stream).write_all(head)?;
        while self.sent < body {
            if self.manner.end.is_some_and(|(after, _)| after <= self.sent) {
                break;
            }
            if self.manner.between.as_ref().is_some_and(|(after, _)| *after <= self.sent) {
                self.call_between();
            }
            let piece = self.next_piece(body);
            self.manner.rest.go_on()?;
            self.send(piece)?;
            if let Some((_, pause)) = self.manner.trickle {
                self.manner.rest.take(pause);
            }
            if let Some(rate) = self.manner.bytes_per_second {
                self.manner.rest.pace(self.began, self.sent, rate);
            }
        }
        self.call_between();
        Ok(match self.manner.end {
            Some((_, ending)) => end(self.stream, ending, self.manner.rest),
            None => Ended::Whole,
        })
    }

    fn is_plain(&self) -> bool {
        self.manner.end.is_none() && self.manner.trickle.is_none() && self.manner.bytes_per_second.is_none()
    }

    fn call_between(&mut self) {
        if let Some((_, call)) = self.manner.between.take() {
            call();
        }
    }

    /// How many bytes until something has to happen.
    fn next_piece(&self, body: u64) -> u64 {
        let mut piece = (body - self.sent).min(PIECE_MAX);
        let stops = [self.manner.end.as_ref().map(|(at, _)| *at), self.manner.between.as_ref().map(|(at, _)| *at)];
        for stop in stops.into_iter().flatten().filter(|stop| *stop > self.sent) {
            piece = piece.min(stop - self.sent);
        }
        if let Some((bytes, _)) = self.manner.trickle {
            piece = piece.min(bytes.max(1));
        }
        if let Some(rate) = self.manner.bytes_per_second {
            piece = piece.min((rate / 20).clamp(1, COPIED));
        }
        piece
    }

    fn send(&mut self, piece: u64) -> io::Result<()> {
        match &self.reply.content {
            Content::Bytes(bytes) => {
                let (start, end) = (self.sent as usize, (self.sent + piece) as usize);
                (&mut self.stream).write_all(&bytes[start..end])?;
                self.sent += piece;
            }
            Content::Object(object, range) => {
                let (object, mut at) = (object.clone(), range.start + self.sent);
                let end = at + piece;
                while at < end {
                    let flipped = self.manner.flips.iter().any(|flip| (at..end).contains(flip));
                    let most = if flipped { (end - at).min(COPIED) } else { end - at };
                    let count = self.send_object(&object, at, most, flipped)?;
                    at += count;
                    self.sent += count;
                }
            }
        }
        Ok(())
    }

    /// Sends up to `most` bytes from `at`, all of one segment.
    fn send_object(&mut self, object: &Object, at: u64, most: u64, flipped: bool) -> io::Result<u64> {
        let mut start = 0;
        for (index, segment) in object.segments.iter().enumerate() {
            if at >= start + segment.len {
                start += segment.len;
                continue;
            }
            if self.open.as_ref().is_none_or(|(open, _)| *open != index) {
                self.open = Some((index, segment.open()?));
            }
            let Some((_, file)) = &self.open else { break };
            let most = most.min(start + segment.len - at);
            if !flipped {
                return send_file(self.stream, file, at - start, most);
            }
            let mut bytes = vec![0; most as usize];
            read_exact_at(file, &mut bytes, at - start)?;
            for flip in self.manner.flips.iter().filter(|flip| (at..at + most).contains(flip)) {
                bytes[(flip - at) as usize] ^= 1;
            }
            (&mut self.stream).write_all(&bytes)?;
            return Ok(most);
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// Sends some bytes of a file; at least one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn send_file(stream: &TcpStream, file: &File, at: u64, most: u64) -> io::Result<u64> {
    let mut offset = at;
    loop {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        match rustix::fs::sendfile(stream, file, Some(&mut offset), most) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => return Ok(count as u64),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn send_file(mut stream: &TcpStream, file: &File, at: u64, most: u64) -> io::Result<u64> {
    let mut bytes = vec![0; most.min(COPIED) as usize];
    read_exact_at(file, &mut bytes, at)?;
    stream.write_all(&bytes)?;
    Ok(bytes.len() as u64)
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, at)
}

#[cfg(not(unix))]
fn read_exact_at(mut file: &File, bytes: &mut [u8], at: u64) -> io::Result<()> {
    io::Seek::seek(&mut file, io::SeekFrom::Start(at))?;
    io::Read::read_exact(&mut file, bytes)
}

/// Ends a connection as a fault says, as far as that can be done before it is closed.
pub(crate) fn end(stream: &TcpStream, ending: Ending, rest: &Rest) -> Ended {
    match ending {
        Ending::Cut => {
            // The close itself waits for the client: with unread bytes in our buffer it would be a RST.
            let _ = stream.shutdown(Shutdown::Write);
            wait_for_client(stream, None, rest);
            Ended::Cut
        }
        Ending::Reset => {
            drain(stream, rest);
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO)); // then it is a FIN
            Ended::Reset
        }
        Ending::Stall => {
            wait_for_client(stream, None, rest);
            Ended::Stall
        }
    }
}

/// Says that no more bytes come, and takes what the client still sends for a while, so that it can read our answer.
pub(crate) fn linger(stream: &TcpStream, rest: &Rest) {
    let _ = stream.shutdown(Shutdown::Write);
    wait_for_client(stream, Some(Instant::now() + LINGER), rest);
}

/// Reads and drops until the client leaves, or the store ends.
fn wait_for_client(mut stream: &TcpStream, until: Option<Instant>, rest: &Rest) {
    let mut dropped = [0; 16 << 10];
    while rest.go_on().is_ok() {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) || stream.set_read_timeout(left).is_err() {
            return;
        }
        match io::Read::read(&mut stream, &mut dropped) {
            Ok(count) if count > 0 => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

/// Waits until the client's kernel has what was sent: a RST would take it away.
fn drain(stream: &TcpStream, rest: &Rest) {
    let until = Instant::now() + DRAIN_PATIENCE;
    while Instant::now() < until && unsent(stream) > 0 && rest.go_on().is_ok() {
        rest.take(DRAIN_LOOK);
    }
}

#[cfg(target_os = "linux")]
fn unsent(stream: &TcpStream) -> u64 {
    crate::serve::send_queue(stream).unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn unsent(_: &TcpStream) -> u64 {
    0
}
