//! How does an answer get onto the wire, byte by byte?
//!
//! Every body byte is counted when the kernel has accepted it, not when it was meant to go: a write that was cut
//! short counts for what it was. A body never passes a mark or the place where it is to stop by even a byte.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::answer::{Answer, ChunkEnd, Chunks, Framing, Mark, Pace, Parting, Stop};
use crate::log::Ended;
use crate::shared::{Connection, Shared};

/// Send buffer of a paced connection; the kernel doubles it.
const PACED_BUFFER_BYTES: usize = 8 * 1024;
/// A paced body is handed over this often, speed permitting.
const PACED_PIECES_PER_SECOND: u64 = 50;

/// Why a delivery did not come to its end.
pub(crate) enum Halt {
    /// It was to stop there.
    Stop(Parting),
    /// The connection is no more.
    Gone,
}

/// The delivery of one answer.
pub(crate) struct Delivery<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) connection: &'a Connection,
    /// The number of the request in the log.
    pub(crate) number: usize,
    /// The path asked for, to put another object there.
    pub(crate) path: &'a str,
}

impl Delivery<'_> {
    /// Sends all of `answer`, or as much as it says.
    pub(crate) fn deliver(&self, answer: &Answer, without_body: bool) -> Result<(), Halt> {
        let delivery = &answer.delivery;
        self.pause(delivery.delay)?;
        self.send(&answer.before_head)?;
        let head = answer.head();
        match delivery.stop {
            Some(Stop::InHead(after, parting)) => {
                let end = usize::try_from(after).unwrap_or(usize::MAX).min(head.len());
                self.send_head(&head[..end], delivery.head_pace)?;
                return Err(Halt::Stop(parting));
            }
            _ => self.send_head(&head, delivery.head_pace)?,
        }
        self.shared.log.update(self.number, |seen| seen.status = Some(answer.status));
        if !without_body && !answer.has_no_body() {
            self.send_body(answer)?;
        }
        match delivery.stop {
            Some(Stop::InBody(_, parting)) => Err(Halt::Stop(parting)),
            _ => Ok(()),
        }
    }

    fn send_head(&self, head: &[u8], pace: Option<Pace>) -> Result<(), Halt> {
        let mut pacer = self.pacer(pace);
        let mut rest = head;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(pacer.piece));
            self.send(now)?;
            self.keep_pace(&mut pacer, now.len())?;
            rest = later;
        }
        Ok(())
    }

    fn send_body(&self, answer: &Answer) -> Result<(), Halt> {
        let body = &answer.body;
        let mut buffer =
            vec![0; self.shared.settings.write_bytes.min(usize::try_from(body.len()).unwrap_or(usize::MAX))];
        let mut pacer = self.pacer(answer.delivery.body_pace);
        let mut chunker = match &answer.framing {
            Framing::Chunked(chunks) => Some(Chunker { chunks, left: 0, bad: false }),
            _ => None,
        };
        let mut marks: Vec<&(u64, Mark)> = answer.delivery.marks.iter().collect();
        marks.sort_by_key(|(after, _)| *after);
        let mut marks = marks.into_iter().peekable();
        let mut sent = 0;
        loop {
            while let Some((_, mark)) = marks.next_if(|(after, _)| *after <= sent) {
                self.pass(mark);
            }
            let mut until = body.len();
            if let Some((after, _)) = marks.peek() {
                until = until.min(*after);
            }
            if let Some(Stop::InBody(after, parting)) = answer.delivery.stop {
                if sent >= after {
                    return Err(Halt::Stop(parting));
                }
                until = until.min(after);
            }
            if sent >= body.len() {
                break;
            }
            let mut count = (until - sent).min(buffer.len().min(pacer.piece) as u64);
            if let Some(chunker) = &mut chunker {
                self.send(chunker.before(sent, body.len()).as_bytes())?;
                count = count.min(chunker.left);
            }
            let piece = &mut buffer[..count as usize];
            body.fill(sent, piece);
            self.send_counted(piece)?;
            sent += count;
            if let Some(chunker) = &mut chunker {
                self.send(chunker.after(sent, count).as_bytes())?;
                if chunker.bad && chunker.left == 0 {
                    return Ok(());
                }
            }
            self.keep_pace(&mut pacer, count as usize)?;
        }
        match chunker {
            Some(chunker) => self.send(chunker.end().as_bytes()),
            None => Ok(()),
        }
    }

    fn pass(&self, mark: &Mark) {
        match mark {
            Mark::Call(hook) => (hook.0)(),
            Mark::Hold(gate) => gate.pass(|| self.connection.is_ended_by_us()),
            Mark::Replace(object) => self.shared.put(self.path, Some(Clone::clone(object))),
        }
    }

    fn pacer(&self, pace: Option<Pace>) -> Pacer {
        let piece = match pace {
            None => usize::MAX,
            Some(Pace::Trickle { bytes, .. }) => bytes.max(1),
            Some(Pace::Rate { bytes_per_second }) => {
                // Without it the pace is still kept, only what the client has is known less exactly.
                SockRef::from(&self.connection.stream).set_send_buffer_size(PACED_BUFFER_BYTES).unwrap_or_default();
                (bytes_per_second / PACED_PIECES_PER_SECOND).clamp(1, 64 * 1024) as usize
            }
        };
        Pacer { pace, piece, began: Instant::now(), done: 0 }
    }

    fn keep_pace(&self, pacer: &mut Pacer, count: usize) -> Result<(), Halt> {
        pacer.done += count as u64;
        match pacer.pace {
            None => Ok(()),
            Some(Pace::Trickle { tick, .. }) => self.pause(tick),
            Some(Pace::Rate { bytes_per_second }) => {
                let due = Duration::from_secs_f64(pacer.done as f64 / bytes_per_second.max(1) as f64);
                self.pause_until(pacer.began + due)
            }
        }
    }

    fn pause(&self, pause: Duration) -> Result<(), Halt> {
        if pause.is_zero() { Ok(()) } else { self.pause_until(Instant::now() + pause) }
    }

    fn pause_until(&self, deadline: Instant) -> Result<(), Halt> {
        if self.shared.pause_until(self.connection, deadline) { Ok(()) } else { Err(Halt::Gone) }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Halt> {
        self.write(bytes, |_| {})
    }

    fn send_counted(&self, bytes: &[u8]) -> Result<(), Halt> {
        self.write(bytes, |count| self.shared.log.update(self.number, |seen| seen.body_bytes += count as u64))
    }

    fn write(&self, bytes: &[u8], accepted: impl Fn(usize)) -> Result<(), Halt> {
        let mut stream = &self.connection.stream;
        let mut rest = bytes;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(0) => return Err(Halt::Gone),
                Ok(count) => {
                    accepted(count);
                    rest = &rest[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Halt::Gone),
            }
        }
        Ok(())
    }
}

impl Halt {
    /// The word for it in the log.
    pub(crate) fn ended(&self, connection: &Connection) -> Ended {
        match self {
            Halt::Stop(Parting::Cut) => Ended::Cut,
            Halt::Stop(Parting::Reset) => Ended::Reset,
            Halt::Stop(Parting::Stall) => Ended::Stalled,
            Halt::Gone if connection.is_ended_by_us() => Ended::OriginLeft,
            Halt::Gone => Ended::ClientLeft,
        }
    }
}

/// How far a slow delivery has come.
struct Pacer {
    pace: Option<Pace>,
    /// The most that is sent at once.
    piece: usize,
    began: Instant,
    done: u64,
}

/// Writes the lines around the bytes of chunks.
struct Chunker<'a> {
    chunks: &'a Chunks,
    /// Bytes that the chunk begun still has to get.
    left: u64,
    /// Its size line was not a true one.
    bad: bool,
}

impl Chunker<'_> {
    /// What stands before the body byte at `sent`: a size line where a chunk begins.
    fn before(&mut self, sent: u64, len: u64) -> String {
        if self.left > 0 {
            return String::new();
        }
        self.left = (self.chunks.size.max(1) as u64).min(len - sent);
        match &self.chunks.end {
            ChunkEnd::BadSize { after, line } if sent >= *after => {
                self.bad = true;
                format!("{line}\r\n")
            }
            _ => format!("{:x}\r\n", self.left),
        }
    }

    /// What stands behind the last `count` bytes, the body being sent up to `sent`: a line end where a chunk ends.
    fn after(&mut self, sent: u64, count: u64) -> &'static str {
        self.left -= count;
        let first = sent <= self.chunks.size.max(1) as u64;
        match self.chunks.end {
            ChunkEnd::MissingLineEnd if first => "",
            _ if self.left == 0 => "\r\n",
            _ => "",
        }
    }

    /// What stands behind the last chunk.
    fn end(&self) -> String {
        match &self.chunks.end {
            ChunkEnd::Missing => String::new(),
            ChunkEnd::HalfTerminator => "0\r\n".to_owned(),
            ChunkEnd::BadSize { line, .. } => format!("{line}\r\n"),
            ChunkEnd::Correct | ChunkEnd::MissingLineEnd => {
                let trailers: String =
                    self.chunks.trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                format!("0\r\n{trailers}\r\n")
            }
        }
    }
}
