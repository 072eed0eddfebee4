//! Who gets in? The listening socket, and how it is closed and opened again on the same port.
//!
//! While connections are refused the port is held by a socket that is bound but does not listen: the kernel answers a
//! connect with RST, and gives the port to no other program.

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::serve::{self, Connect};
use crate::shared::Shared;

const BACKLOG: i32 = 1024;
/// Pause after an accept or a bind that failed, of which a shortage of descriptors is the usual cause.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
const KNOCK_TIMEOUT: Duration = Duration::from_secs(1);
const KNOCK_AGAIN: Duration = Duration::from_millis(50);

/// The door of one origin: what is wanted of it, and what it is.
pub(crate) struct Door {
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    wanted: Wanted,
    is: Wanted,
    script: VecDeque<Connect>,
    then: Connect,
    /// Where we knock from ourselves, to wake the thread from accept.
    knock: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Open,
    Shut,
    /// For good.
    Closed,
}

/// A socket that listens.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // So that connections of before do not keep the port from being opened again. On Windows it means something else.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Lets clients in, and does what is wanted of the door. Returns when it is closed for good.
pub(crate) fn keep(shared: Arc<Shared>, door: Arc<Door>, listener: TcpListener) {
    let mut listener = Some(listener);
    loop {
        let wanted = door.lock().wanted;
        match (wanted, &listener) {
            (Wanted::Closed, _) => {
                drop(listener);
                door.now_is(Wanted::Closed);
                return;
            }
            (Wanted::Open, Some(open)) => match open.accept() {
                Ok((stream, peer)) => admit(&shared, &door, stream, peer),
                Err(_) => std::thread::sleep(RETRY_PAUSE),
            },
            (Wanted::Open, None) => match listen(door.address) {
                Ok(opened) => {
                    listener = Some(opened);
                    door.now_is(Wanted::Open);
                }
                Err(_) => std::thread::sleep(RETRY_PAUSE),
            },
            (Wanted::Shut, _) => {
                if let Some(open) = listener.take() {
                    admit_waiting(&shared, &door, &open);
                }
                // Should another program have been faster, connections go to it and are not refused; the port comes
                // back.
                let held = bind(door.address).ok();
                door.now_is(Wanted::Shut);
                door.wait(|state| state.wanted != Wanted::Shut);
                if let Some(held) = held
                    && door.lock().wanted == Wanted::Open
                    && held.listen(BACKLOG).is_ok()
                {
                    listener = Some(held.into());
                    door.now_is(Wanted::Open);
                }
            }
        }
    }
}

/// Serves those whose connect the kernel has accepted already: they came before the door was shut.
fn admit_waiting(shared: &Arc<Shared>, door: &Door, listener: &TcpListener) {
    if listener.set_nonblocking(true).is_ok() {
        while let Ok((stream, peer)) = listener.accept() {
            // On some systems the new socket takes over that it does not block.
            if stream.set_nonblocking(false).is_ok() {
                admit(shared, door, stream, peer);
            }
        }
    }
}

fn admit(shared: &Arc<Shared>, door: &Door, stream: TcpStream, peer: SocketAddr) {
    let Some(manner) = door.manner_for(peer) else { return };
    let Some(connection) = shared.enter(stream) else { return };
    let number = connection.number;
    let of_thread = shared.clone();
    let thread = std::thread::Builder::new().name(format!("origin-{number}"));
    if thread.spawn(move || serve::attend(&of_thread, connection, manner)).is_err() {
        shared.forget(number);
    }
}

impl Door {
    pub(crate) fn new(address: SocketAddr) -> Door {
        let state = State {
            wanted: Wanted::Open,
            is: Wanted::Open,
            script: VecDeque::new(),
            then: Connect::Serve,
            knock: None,
        };
        Door { address, state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn script(&self, script: Vec<Connect>, then: Connect) {
        let mut state = self.lock();
        state.script = script.into();
        state.then = then;
    }

    pub(crate) fn shut(&self) {
        self.want(Wanted::Shut);
    }

    pub(crate) fn open(&self) {
        self.want(Wanted::Open);
    }

    pub(crate) fn close(&self) {
        self.want(Wanted::Closed);
    }

    /// Says what is wanted and waits until it is so. A door closed for good takes no more wishes.
    fn want(&self, wanted: Wanted) {
        let mut state = self.lock();
        if state.wanted == Wanted::Closed || state.is == wanted && state.wanted == wanted {
            return;
        }
        state.wanted = wanted;
        drop(state);
        self.changed.notify_all();
        let reached = |state: &State| state.is == wanted || state.wanted != wanted;
        match wanted {
            Wanted::Open => self.wait(reached),
            // A knock can fail when descriptors are short; then another is tried.
            Wanted::Shut | Wanted::Closed => loop {
                let _knocking = self.knock();
                if self.wait_at_most(KNOCK_AGAIN, reached) {
                    break;
                }
            },
        }
        self.lock().knock = None;
    }

    /// Wakes the thread from accept. It may be elsewhere; then the knock stays without an answer, and needs none.
    fn knock(&self) -> Option<Socket> {
        let knocking = bind(SocketAddr::new(self.address.ip(), 0)).ok()?;
        self.lock().knock = knocking.local_addr().ok()?.as_socket();
        knocking.connect_timeout(&self.address.into(), KNOCK_TIMEOUT).ok()?;
        Some(knocking)
    }

    /// How the next connection is treated; `None` when it is our own knock.
    fn manner_for(&self, peer: SocketAddr) -> Option<Connect> {
        let mut state = self.lock();
        (state.knock != Some(peer)).then(|| state.script.pop_front().unwrap_or(state.then))
    }

    fn now_is(&self, is: Wanted) {
        self.lock().is = is;
        self.changed.notify_all();
    }

    fn wait(&self, until: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        while !until(&state) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_at_most(&self, timeout: Duration, until: impl Fn(&State) -> bool) -> bool {
        let wait = self.changed.wait_timeout_while(self.lock(), timeout, |state| !until(state));
        let (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        until(&state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
