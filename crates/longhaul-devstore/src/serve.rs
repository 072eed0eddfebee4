//! What happens on one connection, from accept to close?
//!
//! One thread for each. It reads a request, has it answered, delivers the answer, and goes on while both sides let
//! it. It blocks in reading and writing; the origin wakes it by shutting the socket down.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::answer::{Answer, Parting};
use crate::deliver::{Delivery, Halt};
use crate::log::{Ended, Log};
use crate::request::{NoRequest, Reader};
use crate::shared::{Connection, Shared};
use crate::spoil::reusable;

/// How long a reset waits for the client's kernel to take what was sent before. It takes it at once unless the
/// client has stopped reading.
#[cfg(target_os = "linux")]
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
#[cfg(target_os = "linux")]
const DRAIN_LOOK: Duration = Duration::from_millis(1);
/// Where the send queue cannot be seen, a reset waits this long, which is much on a loopback.
#[cfg(not(target_os = "linux"))]
const DRAIN_BLIND: Duration = Duration::from_millis(20);

/// What becomes of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// Its requests are answered.
    Serve,
    /// RST as soon as it is accepted.
    Reset,
    /// FIN as soon as it is accepted.
    Close,
    /// The server neither reads nor answers until the client leaves.
    Silent,
}

/// Runs a connection to its end and closes it, also when a closure of the test panics.
pub(crate) fn attend(shared: &Shared, connection: Arc<Connection>, manner: Connect) {
    let mut closing = Closing { shared, connection: Some(connection) };
    let Some(connection) = &closing.connection else { return };
    let parting = match manner {
        Connect::Serve => serve(shared, connection),
        Connect::Reset => Parting::Reset,
        Connect::Close => Parting::Cut,
        Connect::Silent => Parting::Stall,
    };
    let stream = &connection.stream;
    match parting {
        // Without SO_LINGER 0 a close is a FIN; it goes out here, since the close has to wait for the client: a close
        // with unread bytes of the client in our buffer would be a RST, and would take our last bytes with it.
        Parting::Cut => {
            stream.shutdown(Shutdown::Write).unwrap_or_default();
            wait_until_client_leaves(stream);
        }
        Parting::Reset => {
            SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap_or_default();
        }
        Parting::Stall => wait_until_client_leaves(stream),
    }
    closing.close();
}

/// Serves requests; returns how the connection is to be ended.
fn serve(shared: &Shared, connection: &Connection) -> Parting {
    // A trickle is to leave as it is written. If this fails it leaves a little later.
    connection.stream.set_nodelay(true).unwrap_or_default();
    if let Some(bytes) = shared.settings.send_buffer {
        SockRef::from(&connection.stream).set_send_buffer_size(bytes).unwrap_or_default();
    }
    let mut reader = Reader::new(&connection.stream);
    loop {
        let mut request = match reader.next() {
            Ok(request) => request,
            Err(NoRequest::Gone) => return Parting::Cut,
            Err(NoRequest::Malformed) => {
                reject(&connection.stream);
                return Parting::Cut;
            }
        };
        request.connection = connection.number;
        let plan = shared.plan(&mut request);
        shared.log.enter(&mut request);
        let entry = Entry { log: &shared.log, number: request.number };

        let place = shared.take_place(connection, request.path());
        let plan = match &place {
            Ok(_) => plan,
            Err(beyond) => plan.instead(beyond.clone()),
        };
        let mut answer = plan.answer(&request);
        answer.close |= !request.keeps_alive();
        let delivery = Delivery { shared, connection, number: request.number, path: request.path() };
        match delivery.deliver(&answer, request.method == "HEAD") {
            Ok(()) => entry.end(Ended::Whole),
            Err(halt) => {
                // A reset throws away what the client's kernel has not taken; the request is being served until then.
                if let Halt::Stop(Parting::Reset) = halt {
                    wait_until_drained(shared, connection);
                }
                entry.end(halt.ended(connection));
                return match halt {
                    Halt::Stop(parting) => parting,
                    Halt::Gone => Parting::Cut,
                };
            }
        }
        if !reusable(&answer) {
            return Parting::Cut;
        }
    }
}

fn reject(mut stream: &TcpStream) {
    let mut answer = Answer::status(400);
    answer.close = true;
    // The client may be gone; it did not speak HTTP anyway.
    std::io::Write::write_all(&mut stream, &answer.head()).unwrap_or_default();
}

fn wait_until_client_leaves(mut stream: &TcpStream) {
    let mut unwanted = [0; 4096];
    loop {
        match stream.read(&mut unwanted) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Waits until the client's kernel has everything, so that a reset comes after exactly the bytes it should.
#[cfg(target_os = "linux")]
fn wait_until_drained(shared: &Shared, connection: &Connection) {
    let deadline = Instant::now() + DRAIN_PATIENCE;
    while send_queue(&connection.stream).is_some_and(|bytes| bytes > 0)
        && Instant::now() < deadline
        && shared.pause_until(connection, Instant::now() + DRAIN_LOOK)
    {}
}

#[cfg(not(target_os = "linux"))]
fn wait_until_drained(shared: &Shared, connection: &Connection) {
    shared.pause_until(connection, Instant::now() + DRAIN_BLIND);
}

/// How many bytes the peer's kernel has not acknowledged, from the table in proc(5): the ioctl that tells the same
/// needs `unsafe`.
#[cfg(target_os = "linux")]
pub(crate) fn send_queue(stream: &TcpStream) -> Option<u64> {
    let (local, peer) = (stream.local_addr().ok()?, stream.peer_addr().ok()?);
    let table = if local.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let table = std::fs::read_to_string(table).ok()?;
    let ends = [format!(":{:04X}", local.port()), format!(":{:04X}", peer.port())];
    table.lines().find_map(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let found = columns.next()?.ends_with(&ends[0]) && columns.next()?.ends_with(&ends[1]);
        let queues = columns.nth(1)?;
        let (send, _) = queues.split_once(':')?;
        found.then(|| u64::from_str_radix(send, 16).ok())?
    })
}

/// Closes the connection when the thread ends, however it ends.
struct Closing<'a> {
    shared: &'a Shared,
    connection: Option<Arc<Connection>>,
}

impl Closing<'_> {
    fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.shared.leave(connection);
        }
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.close();
    }
}

/// A request in the log; it does not stay open when a closure of the test panics.
struct Entry<'a> {
    log: &'a Log,
    number: usize,
}

impl Entry<'_> {
    fn end(&self, ended: Ended) {
        self.log.end(self.number, ended);
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.end(Ended::OriginLeft);
    }
}
