//! What do the threads of one origin share? The paths, the log, the open connections, and whether it is over.
//!
//! No lock is held while a test's closure runs or while a socket may block, so a closure may use the origin freely.

use std::collections::{HashMap, VecDeque};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::fault::Fault;
use crate::log::Log;
use crate::object::Object;
use crate::refuse;
use crate::request::Request;
use crate::respond::respond;
use crate::spoil::{misread, spoil};

/// Picks the fault for a request.
pub(crate) type Choice = Arc<dyn Fn(&Request) -> Fault + Send + Sync>;
/// Turns the correct answer into another.
pub(crate) type Handler = Arc<dyn Fn(&Request, Answer) -> Answer + Send + Sync>;

/// How long a request waits for room before it is refused: a client may ask again before our thread has noticed that
/// its last answer is over.
const ROOM_PATIENCE: Duration = Duration::from_millis(50);
const ROOM_LOOK: Duration = Duration::from_millis(2);

/// All that the threads of one origin share.
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) settings: Settings,
    paths: Mutex<HashMap<String, Path>>,
    open: Mutex<Open>,
    /// Of `open`, and of anything that may end a pause.
    changed: Condvar,
    over: AtomicBool,
}

/// What was said when the origin was built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The most that is handed to the kernel at once.
    pub(crate) write_bytes: usize,
    /// Size of the send buffer; `None` is what the system chooses.
    pub(crate) send_buffer: Option<usize>,
}

#[derive(Default)]
struct Open {
    connections: HashMap<usize, Arc<Connection>>,
    accepted: usize,
}

/// One accepted connection. It is closed when the last reference goes.
pub(crate) struct Connection {
    pub(crate) number: usize,
    pub(crate) stream: TcpStream,
    ended_by_us: AtomicBool,
}

/// What lies at a path and how it is answered.
#[derive(Clone, Default)]
struct Path {
    object: Option<Object>,
    manner: Manner,
    seen: usize,
    room: Option<Room>,
}

/// How many requests for a path are answered at once, and what becomes of the others.
#[derive(Clone)]
struct Room {
    most: usize,
    taken: usize,
    beyond: Fault,
}

/// A request that is being answered takes up room until this goes.
pub(crate) struct Place<'a> {
    shared: &'a Shared,
    path: &'a str,
    counted: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.counted {
            self.shared.with_path(self.path, |at| {
                if let Some(room) = &mut at.room {
                    room.taken = room.taken.saturating_sub(1);
                }
            });
        }
    }
}

#[derive(Clone)]
enum Manner {
    Script(VecDeque<Fault>, Fault),
    Choose(Choice),
    Handle(Handler),
}

impl Default for Manner {
    fn default() -> Manner {
        Manner::Script(VecDeque::new(), Fault::Correct)
    }
}

/// What was decided for one request before anything was worked out.
pub(crate) struct Plan {
    object: Option<Object>,
    deed: Deed,
}

enum Deed {
    Fault(Fault),
    Choose(Choice),
    Handle(Handler),
}

impl Plan {
    /// The same request, but it takes this fault.
    pub(crate) fn instead(self, fault: Fault) -> Plan {
        Plan { deed: Deed::Fault(fault), ..self }
    }

    /// The answer. Runs closures of the test.
    pub(crate) fn answer(self, request: &Request) -> Answer {
        let (mut request, mut object) = (request.clone(), self.object);
        let fault = match self.deed {
            Deed::Fault(fault) => fault,
            Deed::Choose(choice) => choice(&request),
            Deed::Handle(handler) => {
                let correct = correct(&request, object.as_ref());
                return handler(&request, correct);
            }
        };
        misread(&fault, &mut request, &mut object);
        let correct = correct(&request, object.as_ref());
        spoil(&fault, object.as_ref(), correct)
    }
}

fn correct(request: &Request, object: Option<&Object>) -> Answer {
    object.map_or_else(refuse::no_such_key, |object| respond(request, object))
}

impl Shared {
    pub(crate) fn new(settings: Settings) -> Shared {
        Shared {
            log: Log::default(),
            settings,
            paths: Mutex::default(),
            open: Mutex::default(),
            changed: Condvar::new(),
            over: AtomicBool::new(false),
        }
    }

    pub(crate) fn put(&self, path: &str, object: Option<Object>) {
        self.with_path(path, |at| at.object = object);
    }

    pub(crate) fn script(&self, path: &str, faults: Vec<Fault>, then: Fault) {
        self.with_path(path, |at| at.manner = Manner::Script(faults.into(), then));
    }

    pub(crate) fn choose(&self, path: &str, choice: Choice) {
        self.with_path(path, |at| at.manner = Manner::Choose(choice));
    }

    pub(crate) fn handle(&self, path: &str, handler: Handler) {
        self.with_path(path, |at| at.manner = Manner::Handle(handler));
    }

    pub(crate) fn at_most(&self, path: &str, most: usize, beyond: Fault) {
        self.with_path(path, |at| at.room = Some(Room { most, taken: 0, beyond }));
    }

    /// Takes up room at a path while a request is answered. Where there is none, the fault for those beyond.
    pub(crate) fn take_place<'a>(&'a self, connection: &Connection, path: &'a str) -> Result<Place<'a>, Fault> {
        let deadline = Instant::now() + ROOM_PATIENCE;
        loop {
            let full = self.with_path(path, |at| match &mut at.room {
                None => Ok(false),
                Some(room) if room.taken < room.most => {
                    room.taken += 1;
                    Ok(true)
                }
                Some(room) => Err(room.beyond.clone()),
            });
            match full {
                Ok(counted) => return Ok(Place { shared: self, path, counted }),
                Err(beyond) if Instant::now() >= deadline => return Err(beyond),
                Err(beyond) if !self.pause_until(connection, Instant::now() + ROOM_LOOK) => return Err(beyond),
                Err(_) => {}
            }
        }
    }

    /// Counts the request and takes what is next in the script of its path.
    pub(crate) fn plan(&self, request: &mut Request) -> Plan {
        let path = request.path().to_owned();
        self.with_path(&path, |at| {
            request.nth = at.seen;
            at.seen += 1;
            let deed = match &mut at.manner {
                Manner::Script(faults, then) => Deed::Fault(faults.pop_front().unwrap_or_else(|| then.clone())),
                Manner::Choose(choice) => Deed::Choose(choice.clone()),
                Manner::Handle(handler) => Deed::Handle(handler.clone()),
            };
            Plan { object: at.object.clone(), deed }
        })
    }

    fn with_path<T>(&self, path: &str, act: impl FnOnce(&mut Path) -> T) -> T {
        act(lock(&self.paths).entry(path.to_owned()).or_default())
    }

    /// Counts a new connection; `None` when it is over and no client is to be served.
    pub(crate) fn enter(&self, stream: TcpStream) -> Option<Arc<Connection>> {
        let mut open = lock(&self.open);
        if self.is_over() {
            return None;
        }
        let number = open.accepted;
        open.accepted += 1;
        let connection = Arc::new(Connection { number, stream, ended_by_us: AtomicBool::new(false) });
        open.connections.insert(number, connection.clone());
        Some(connection)
    }

    /// Closes a connection: once it is gone from the table it is closed.
    pub(crate) fn leave(&self, connection: Arc<Connection>) {
        let mut open = lock(&self.open);
        open.connections.remove(&connection.number);
        drop(connection);
        drop(open);
        self.changed.notify_all();
    }

    /// Closes a connection that no thread could be found for.
    pub(crate) fn forget(&self, number: usize) {
        lock(&self.open).connections.remove(&number);
        self.changed.notify_all();
    }

    /// How many connections were accepted, and how many are open.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let open = lock(&self.open);
        (open.accepted, open.connections.len())
    }

    /// Ends every open connection, also one whose thread waits or is blocked in reading or writing.
    pub(crate) fn hang_up(&self) {
        for connection in lock(&self.open).connections.values() {
            connection.ended_by_us.store(true, Ordering::SeqCst);
            // An error means that it has ended already.
            connection.stream.shutdown(Shutdown::Both).unwrap_or_default();
        }
        self.changed.notify_all();
    }

    /// Ends everything. False when a thread is still held up after `patience`, by a closure of the test.
    pub(crate) fn finish(&self, patience: Duration) -> bool {
        self.over.store(true, Ordering::SeqCst);
        self.hang_up();
        let deadline = Instant::now() + patience;
        let mut open = lock(&self.open);
        while !open.connections.is_empty() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return false };
            open = self.changed.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(open);
        // Closures may hold on to the origin's state, which holds them: let go.
        let paths = std::mem::take(&mut *lock(&self.paths));
        drop(paths);
        true
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Waits, but not longer than the connection lives. False when it was ended by us.
    pub(crate) fn pause_until(&self, connection: &Connection, deadline: Instant) -> bool {
        let mut open = lock(&self.open);
        while !connection.is_ended_by_us() {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { return true };
            open = self.changed.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

impl Connection {
    pub(crate) fn is_ended_by_us(&self) -> bool {
        self.ended_by_us.load(Ordering::SeqCst)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
