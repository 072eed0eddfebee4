//! Between longhaul and a store: a relay that keeps a log of requests and, when told, loses one answer or refuses some
//! requests itself.
//!
//! HTTP/1.1 as both sides speak it here: bodies by their length or in chunks, one request after the other on a
//! connection. It changes no byte of what it passes on, so signatures hold.

use std::collections::{BTreeSet, VecDeque};
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use socket2::SockRef;

/// No head of a request or an answer is longer here.
const HEAD_MAX: u64 = 64 << 10;
const BUFFER_LEN: usize = 64 << 10;

/// A request and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) op: &'static str,
    pub(crate) target: String,
    /// Bytes of its body that were passed on.
    pub(crate) sent: u64,
    /// Bytes of the answer's body that were passed on.
    pub(crate) received: u64,
    /// Of an answer that was passed on whole.
    pub(crate) status: Option<u16>,
}

/// A part of an upload, by the upload's id and its number, as in the request.
pub(crate) type PartKey = (String, String);

/// See the module. It ends with the process, or when it is dropped.
pub(crate) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    target: u16,
    log: Mutex<Vec<Seen>>,
    /// Of the next request of this kind, the answer is lost, and with it every connection until [`Relay::mend`].
    lose: Mutex<Option<&'static str>>,
    /// Requests of this kind are forbidden, by the relay.
    forbid: Mutex<Option<&'static str>>,
    /// Nobody is let through.
    cut: AtomicBool,
    /// Bodies stand still.
    held: AtomicBool,
    gone: AtomicBool,
}

impl Relay {
    /// To a port of 127.0.0.1.
    pub(crate) fn to(target: u16) -> Relay {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { target, ..Shared::default() });
        let relay = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if relay.gone.load(Ordering::SeqCst) {
                    return;
                }
                let relay = relay.clone();
                std::thread::spawn(move || relay.connect(&client));
            }
        });
        Relay { port, shared }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The next request of this kind is carried out, and nobody hears of it; after that the store cannot be reached
    /// until [`Relay::mend`].
    pub(crate) fn lose_the_answer_to(&self, op: &'static str) {
        *self.shared.lose.lock().unwrap() = Some(op);
    }

    pub(crate) fn has_lost_it(&self) -> bool {
        self.shared.cut.load(Ordering::SeqCst)
    }

    pub(crate) fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
    }

    /// Bodies stand still until [`Relay::release`]: what is done meanwhile is done in the middle of a transfer, however
    /// slow the machine.
    pub(crate) fn hold(&self) {
        self.shared.held.store(true, Ordering::SeqCst);
    }

    pub(crate) fn release(&self) {
        self.shared.held.store(false, Ordering::SeqCst);
    }

    /// Answers requests of this kind as a store does whose policy forbids them; `None`: no more.
    pub(crate) fn forbid(&self, op: Option<&'static str>) {
        *self.shared.forbid.lock().unwrap() = op;
    }

    pub(crate) fn log(&self) -> Vec<Seen> {
        self.shared.log.lock().unwrap().clone()
    }

    /// Requests about a key, which is one that stands in a URL as it is.
    pub(crate) fn about(&self, key: &str) -> Vec<Seen> {
        let path = format!("/films/{key}");
        self.log().into_iter().filter(|seen| seen.target.split('?').next() == Some(&path)).collect()
    }

    pub(crate) fn count(&self, op: &str, key: &str) -> usize {
        self.about(key).iter().filter(|seen| seen.op == op).count()
    }

    /// Bytes of parts that were on their way.
    pub(crate) fn part_bytes(&self, key: &str) -> u64 {
        self.about(key).iter().filter(|seen| seen.op == "UploadPart").map(|seen| seen.sent).sum()
    }

    /// Parts that the store has acknowledged, as often as it did.
    pub(crate) fn acknowledged(&self, key: &str) -> usize {
        self.about(key).iter().filter(|seen| seen.op == "UploadPart" && seen.status == Some(200)).count()
    }

    /// Bytes of answers to downloads that were passed on.
    pub(crate) fn received(&self, key: &str) -> u64 {
        self.about(key).iter().filter(|seen| seen.op == "GetObject").map(|seen| seen.received).sum()
    }

    /// The parts that the store has acknowledged in the first `until` requests of the log, and those that were begun
    /// after them.
    pub(crate) fn acknowledged_and_sent_since(&self, until: usize) -> (BTreeSet<PartKey>, Vec<PartKey>) {
        let log = self.log();
        let (before, since) = log.split_at(until);
        let is_part = |seen: &&Seen| seen.op == "UploadPart";
        let key = |seen: &Seen| (argument(&seen.target, "uploadId"), argument(&seen.target, "partNumber"));
        let acknowledged = before.iter().filter(is_part).filter(|seen| seen.status == Some(200)).map(key).collect();
        (acknowledged, since.iter().filter(is_part).map(key).collect())
    }

    /// The last of the log in words.
    pub(crate) fn told(&self) -> String {
        let line = |seen: &Seen| {
            format!("  {} {} {} -> {:?} {}\n", seen.op, seen.target, seen.sent, seen.status, seen.received)
        };
        let log = self.log();
        log[log.len().saturating_sub(60)..].iter().map(line).collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.gone.store(true, Ordering::SeqCst);
        // For the thread that waits for connections; when it is gone already there is nobody to wake.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// The requests of one connection whose answers are still to come, by their place in the log and in the words of HTTP.
type Waiting = Mutex<VecDeque<(usize, bool)>>;

impl Shared {
    fn connect(&self, client: &TcpStream) {
        if self.cut.load(Ordering::SeqCst) {
            return;
        }
        // While the store is down the client meets a connection that is closed.
        let Ok(store) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        // What a server had sent and nobody has read would come even after its death.
        let _ = SockRef::from(&store).set_recv_buffer_size(BUFFER_LEN);
        let _ = SockRef::from(client).set_send_buffer_size(BUFFER_LEN);
        let waiting = Waiting::default();
        let close = || {
            let _ = store.shutdown(Shutdown::Both);
            let _ = client.shutdown(Shutdown::Both);
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = self.answers(&store, client, &waiting);
                close();
            });
            let _ = self.requests(client, &store, &waiting);
            close();
        });
    }

    fn requests(&self, client: &TcpStream, mut store: &TcpStream, waiting: &Waiting) -> Result<()> {
        let mut from = BufReader::new(client);
        while let Some(head) = read_head(&mut from)? {
            let first = head.lines().next().unwrap_or_default().to_owned();
            let mut words = first.split(' ');
            let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let op = op_of(method, target);
            let seen = Seen { op, target: target.to_owned(), sent: 0, received: 0, status: None };
            let index = {
                let mut log = self.log.lock().unwrap();
                log.push(seen);
                log.len() - 1
            };
            if *self.forbid.lock().unwrap() == Some(op) {
                // Only requests without a body are forbidden here.
                assert_eq!(length(&head), None, "{first} has a body");
                self.note(index, |seen| seen.status = Some(403));
                (&*client).write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            waiting.lock().unwrap().push_back((index, method == "HEAD"));
            store.write_all(head.as_bytes())?;
            let count = |n| {
                self.note(index, |seen| seen.sent += n);
                self.stand_still();
            };
            pass(&mut from, store, length(&head).unwrap_or(0), count)?;
        }
        Ok(())
    }

    fn answers(&self, store: &TcpStream, mut client: &TcpStream, waiting: &Waiting) -> Result<()> {
        let mut from = BufReader::new(store);
        while let Some(head) = read_head(&mut from)? {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status: u16 = status.ok_or_else(|| Error::other(head.clone()))?;
            if status < 200 {
                client.write_all(head.as_bytes())?;
                continue;
            }
            let (index, is_head) = waiting.lock().unwrap().pop_front().ok_or_else(|| Error::other("unasked"))?;
            let op = self.log.lock().unwrap().get(index).map(|seen| seen.op);
            {
                let mut lose = self.lose.lock().unwrap();
                if lose.is_some() && *lose == op {
                    *lose = None;
                    self.cut.store(true, Ordering::SeqCst);
                }
            }
            if self.cut.load(Ordering::SeqCst) {
                return Ok(());
            }
            client.write_all(head.as_bytes())?;
            if !is_head && ![204, 304].contains(&status) {
                if header(&head, "transfer-encoding").is_some() {
                    pass_chunks(&mut from, client)?;
                } else {
                    let count = |n| {
                        self.note(index, |seen| seen.received += n);
                        self.stand_still();
                    };
                    pass(&mut from, client, length(&head).unwrap_or(u64::MAX), count)?;
                }
            }
            self.note(index, |seen| seen.status = Some(status));
        }
        Ok(())
    }

    fn stand_still(&self) {
        while self.held.load(Ordering::SeqCst) && !self.gone.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn note(&self, index: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.log.lock().unwrap()[index]);
    }
}

/// `None`: the end, between two heads.
fn read_head(from: &mut impl BufRead) -> Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let left = HEAD_MAX.saturating_sub(head.len() as u64);
        if from.take(left).read_until(b'\n', &mut head)? == 0 {
            return if head.is_empty() { Ok(None) } else { Err(Error::other("a head without an end")) };
        }
    }
    String::from_utf8(head).map(Some).map_err(Error::other)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let field = |line: &'h str| line.split_once(':').filter(|(have, _)| have.eq_ignore_ascii_case(name));
    head.lines().find_map(field).map(|(_, value)| value.trim())
}

fn length(head: &str) -> Option<u64> {
    header(head, "content-length")?.parse().ok()
}

/// Passes on `len` bytes, or all until the end for `u64::MAX`.
fn pass(from: &mut impl BufRead, mut to: &TcpStream, len: u64, count: impl Fn(u64)) -> Result<()> {
    let mut left = len;
    while left > 0 {
        let have = from.fill_buf()?;
        if have.is_empty() {
            return if len == u64::MAX { Ok(()) } else { Err(Error::other("a body that ends early")) };
        }
        let some = have.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        to.write_all(&have[..some])?;
        from.consume(some);
        count(some as u64);
        left -= some as u64;
    }
    Ok(())
}

fn pass_chunks(from: &mut impl BufRead, mut to: &TcpStream) -> Result<()> {
    loop {
        let mut line = String::new();
        from.take(HEAD_MAX).read_line(&mut line)?;
        to.write_all(line.as_bytes())?;
        let len = u64::from_str_radix(line.trim(), 16).map_err(Error::other)?;
        // The line's end behind a chunk belongs to it here; behind the last one there is nothing else.
        pass(from, to, len + 2, |_| {})?;
        if len == 0 {
            return Ok(());
        }
    }
}

/// The value of an argument in a request's target, as it stands there.
pub(crate) fn argument(target: &str, name: &str) -> String {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.into_iter().find(|(have, _)| *have == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
}

fn op_of(method: &str, target: &str) -> &'static str {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match method {
        "POST" if has("uploads") => "CreateMultipartUpload",
        "POST" if has("uploadId") => "CompleteMultipartUpload",
        "PUT" if has("partNumber") => "UploadPart",
        "PUT" => "PutObject",
        "DELETE" if has("uploadId") => "AbortMultipartUpload",
        "HEAD" => "HeadObject",
        "GET" if has("uploadId") => "ListParts",
        "GET" if has("uploads") => "ListMultipartUploads",
        "GET" if has("list-type") => "ListObjectsV2",
        "GET" => "GetObject",
        _ => "else",
    }
}
