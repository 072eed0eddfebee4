//! What was asked and what was really sent? One [`Seen`] for each request, kept up to date while it is answered.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::request::{Headers, Request};

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Index into the log.
    pub number: usize,
    /// Which request of its path, counted from 0.
    pub nth: usize,
    /// Which connection of the origin, counted from 0.
    pub connection: usize,
    /// `GET`, `HEAD`, …
    pub method: String,
    /// The request target as sent, query included.
    pub target: String,
    /// All header fields of the request.
    pub headers: Headers,
    /// The status, once the whole head was handed to the kernel.
    pub status: Option<u16>,
    /// Body bytes the kernel has accepted, framing not counted.
    pub body_bytes: u64,
    /// How it ended.
    pub ended: Ended,
    /// When the request had been read.
    pub started: Instant,
    /// When it ended: the last byte sent, the connection reset, the stall begun.
    pub finished: Option<Instant>,
}

impl Seen {
    /// The first value of a header field of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }
}

/// How the answer to a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Not yet.
    Serving,
    /// All was handed to the kernel, as the answer was meant.
    Whole,
    /// FIN before its end.
    Cut,
    /// RST before its end.
    Reset,
    /// Silent before its end; this is said when the silence begins.
    Stalled,
    /// The client, or a box on the way, closed the connection.
    ClientLeft,
    /// The origin was dropped, or hung up on everybody.
    OriginLeft,
}

/// The requests of one origin, in the order they were read.
#[derive(Default)]
pub(crate) struct Log {
    seen: Mutex<Vec<Seen>>,
    changed: Condvar,
}

impl Log {
    /// Enters a request, and tells it its number.
    pub(crate) fn enter(&self, request: &mut Request) {
        let mut seen = self.lock();
        request.number = seen.len();
        seen.push(Seen {
            number: request.number,
            nth: request.nth,
            connection: request.connection,
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            status: None,
            body_bytes: 0,
            ended: Ended::Serving,
            started: Instant::now(),
            finished: None,
        });
        self.changed.notify_all();
    }

    pub(crate) fn update(&self, number: usize, update: impl FnOnce(&mut Seen)) {
        update(&mut self.lock()[number]);
        self.changed.notify_all();
    }

    /// The first end that is told is the one that counts.
    pub(crate) fn end(&self, number: usize, ended: Ended) {
        self.update(number, |seen| {
            if seen.ended == Ended::Serving {
                seen.ended = ended;
                seen.finished = Some(Instant::now());
            }
        });
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&[Seen]) -> T) -> T {
        read(&self.lock())
    }

    pub(crate) fn wait_for(&self, condition: impl Fn(&[Seen]) -> bool, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut seen = self.lock();
        while !condition(&seen) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            seen = self.changed.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
