//! A line to the store that breaks: so many bytes of requests go through, shared by all connections, then every one of
//! them is cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What goes through of one connection before it is another one's turn.
const TURN: usize = 16 << 10;

/// See the module. Its threads end with the test's process.
pub struct Line {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    /// Bytes of requests that go through yet; `None`: it is broken.
    left: Option<u64>,
    /// What is left after it has broken, where it is mended at once.
    mended: Option<u64>,
    breaks: u32,
    carried: u64,
    open: Vec<TcpStream>,
}

impl Line {
    /// A line that stays broken until it is mended.
    pub fn to(store: SocketAddr) -> Line {
        Line::new(store, State { left: None, mended: None, breaks: 0, carried: 0, open: Vec::new() })
    }

    /// A line that breaks each time that so many bytes went through, for ever.
    pub fn that_breaks_every(bytes: u64, store: SocketAddr) -> Line {
        let mended = Some(bytes);
        Line::new(store, State { left: mended, mended, breaks: 0, carried: 0, open: Vec::new() })
    }

    fn new(store: SocketAddr, state: State) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let state = line.state.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(store) else { continue };
                carry(client, server, &state);
            }
        });
        line
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// So many bytes go through from now on.
    pub fn mend(&self, bytes: u64) {
        self.state.lock().unwrap().left = Some(bytes);
    }

    pub fn is_broken(&self) -> bool {
        self.state.lock().unwrap().left.is_none()
    }

    pub fn breaks(&self) -> u32 {
        self.state.lock().unwrap().breaks
    }

    /// Bytes of requests that went through in all.
    pub fn carried(&self) -> u64 {
        self.state.lock().unwrap().carried
    }
}

fn carry(client: TcpStream, server: TcpStream, state: &Arc<Mutex<State>>) {
    let (Ok(answers_from), Ok(answers_to)) = (server.try_clone(), client.try_clone()) else { return };
    {
        let mut state = state.lock().unwrap();
        if state.left.is_none() {
            return; // both are dropped
        }
        state.open.extend([&client, &server].into_iter().filter_map(|end| end.try_clone().ok()));
    }
    std::thread::spawn(move || {
        let (mut from, mut to) = (answers_from, answers_to);
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let state = state.clone();
    std::thread::spawn(move || requests(client, server, &state));
}

fn requests(mut client: TcpStream, mut server: TcpStream, state: &Mutex<State>) {
    let mut buffer = [0; TURN];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let mut state = state.lock().unwrap();
        let goes = state.left.unwrap_or(0).min(count as u64);
        state.carried += goes;
        if server.write_all(&buffer[..goes as usize]).is_err() {
            break;
        }
        if goes == count as u64 {
            state.left = state.left.map(|left| left - goes);
            continue;
        }
        if state.left.is_some() {
            state.left = state.mended;
            state.breaks += 1;
        }
        for end in std::mem::take(&mut state.open) {
            let _ = end.shutdown(Shutdown::Both);
        }
        return;
    }
    let _ = server.shutdown(Shutdown::Write);
}
