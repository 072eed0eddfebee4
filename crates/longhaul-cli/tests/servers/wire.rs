//! What happens between a client and a server: a relay that lets bytes pass, counts them, and interferes at an exact
//! one.
//!
//! Counted is what flows towards the client, heads and TLS records included. Buffers towards the server are small, so
//! that what was counted and what the server sent do not lie far apart.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::common::SOON;

const READ_LEN: usize = 16 << 10;
const BUFFER_LEN: usize = 64 << 10;
/// The fatal alert no_application_protocol (RFC 8446, 6.2; RFC 7301, 3.2) in a record of its own.
const NO_APPLICATION_PROTOCOL: [u8; 7] = [21, 3, 3, 0, 2, 2, 120];

/// What is done to the connection over which a byte came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// RST to both sides.
    Reset,
    /// FIN to both sides.
    Close,
    /// Nothing passes on any connection until [`Wire::release`].
    Hold,
}

/// A relay to a port of 127.0.0.1, until it is dropped.
pub(crate) struct Wire {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: u16,
    /// Handshakes that offer HTTP/1.1 alone are refused, as by a server that has only HTTP/2.
    http2_only: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passed: u64,
    plan: VecDeque<(u64, Deed)>,
    holding: bool,
    gone: bool,
}

impl Wire {
    pub(crate) fn to(port: u16) -> Wire {
        Wire::new(port, false)
    }

    /// To a TLS port, which from here seems to have only HTTP/2.
    pub(crate) fn http2_to(port: u16) -> Wire {
        Wire::new(port, true)
    }

    fn new(target: u16, http2_only: bool) -> Wire {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { target, http2_only, state: Mutex::default(), changed: Condvar::new() });
        let relay = shared.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if relay.state.lock().unwrap().gone {
                    return;
                }
                let relay = relay.clone();
                std::thread::spawn(move || relay.connect(client));
            }
        });
        Wire { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What is to happen when so many bytes have passed, all connections counted together.
    pub(crate) fn plan(&self, deeds: impl IntoIterator<Item = (u64, Deed)>) {
        self.shared.state.lock().unwrap().plan = deeds.into_iter().collect();
    }

    /// Bytes that passed towards clients.
    pub(crate) fn passed(&self) -> u64 {
        self.shared.state.lock().unwrap().passed
    }

    /// Waits until it holds. Should it not, the test fails with what the client says.
    #[track_caller]
    pub(crate) fn wait_until_holding(&self, told: impl Fn() -> String) {
        let deadline = Instant::now() + SOON;
        let mut state = self.shared.state.lock().unwrap();
        while !state.holding {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (passed, plan) = (state.passed, state.plan.clone());
                drop(state);
                panic!("only {passed} bytes passed; still to come: {plan:?}; the client: {}", told());
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Lets bytes pass again.
    pub(crate) fn release(&self) {
        self.shared.state.lock().unwrap().holding = false;
        self.shared.changed.notify_all();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Also when a test failed with the lock held: a second panic would end all tests.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).gone = true;
        self.shared.changed.notify_all();
        // For the thread that waits for connections; when it is gone already there is nobody to wake.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn connect(self: Arc<Shared>, client: TcpStream) {
        // Nobody there: the client sees its connection reset.
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else {
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            return;
        };
        let _ = socket2::SockRef::from(&server).set_recv_buffer_size(BUFFER_LEN);
        let _ = socket2::SockRef::from(&client).set_send_buffer_size(BUFFER_LEN);
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        // One descriptor each, whoever uses it: the last to let go closes it, with RST if so arranged.
        let (client, server) = (Arc::new(client), Arc::new(server));
        let (up, down) = (self.clone(), self);
        let (from, to) = (client.clone(), server.clone());
        std::thread::spawn(move || {
            up.towards_server(&from, &to);
            let _ = (from.shutdown(Shutdown::Read), to.shutdown(Shutdown::Write));
        });
        down.towards_client(&client, &server);
        let _ = (client.shutdown(Shutdown::Read), server.shutdown(Shutdown::Both));
    }

    /// Everything passes; only a first flight that does not fit is refused.
    fn towards_server(&self, client: &TcpStream, server: &TcpStream) {
        let (mut client, mut server) = (client, server);
        let mut buffer = vec![0; READ_LEN];
        let mut first = self.http2_only;
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let offers_http2 = || buffer[..count].windows(3).any(|window| window == b"\x02h2");
            if std::mem::take(&mut first) && !offers_http2() {
                let _ = client.write_all(&NO_APPLICATION_PROTOCOL);
                let _ = (client.shutdown(Shutdown::Write), server.shutdown(Shutdown::Both));
                return;
            }
            if server.write_all(&buffer[..count]).is_err() {
                return;
            }
        }
    }

    fn towards_client(&self, client: &TcpStream, server: &TcpStream) {
        let (mut client, mut server) = (client, server);
        let mut buffer = vec![0; READ_LEN];
        loop {
            let Some(room) = self.room() else { return };
            let Ok(count @ 1..) = server.read(&mut buffer[..room]) else {
                let _ = client.shutdown(Shutdown::Write);
                return;
            };
            if client.write_all(&buffer[..count]).is_err() {
                return;
            }
            match self.pass(count) {
                None | Some(Deed::Hold) => {}
                Some(Deed::Close) => {
                    let _ = client.shutdown(Shutdown::Write);
                    return;
                }
                Some(Deed::Reset) => {
                    for stream in [client, server] {
                        let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
                    }
                    return;
                }
            }
        }
    }

    /// How many bytes may pass before the next deed; waits while nothing may. `None` when the wire is gone.
    fn room(&self) -> Option<usize> {
        let mut state = self.state.lock().unwrap();
        while state.holding && !state.gone {
            state = self.changed.wait(state).unwrap();
        }
        let until_next = state.plan.front().map_or(u64::MAX, |(at, _)| at.saturating_sub(state.passed).max(1));
        (!state.gone).then_some(READ_LEN.min(usize::try_from(until_next).unwrap_or(READ_LEN)))
    }

    fn pass(&self, count: usize) -> Option<Deed> {
        let mut state = self.state.lock().unwrap();
        state.passed += count as u64;
        let passed = state.passed;
        state.plan.front().filter(|(at, _)| *at <= passed)?;
        let (_, deed) = state.plan.pop_front()?;
        state.holding |= deed == Deed::Hold;
        self.changed.notify_all();
        Some(deed)
    }
}
