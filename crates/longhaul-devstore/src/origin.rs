//! How does a test start an origin, tell it what to do, and ask what happened?

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::answer::Answer;
use crate::door::{self, Door};
use crate::fault::Fault;
use crate::log::{Ended, Seen};
use crate::object::Object;
use crate::request::Request;
use crate::serve::Connect;
use crate::shared::{Settings, Shared};

/// How long a dropped origin waits for its threads; only a closure of the test can hold them up.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// An HTTP/1.1 origin on a loopback port of its own, until it is dropped.
///
/// All it can be told or asked is on [`Control`], to which it derefs.
#[derive(Debug)]
pub struct Origin {
    control: Control,
    doorkeeper: Option<JoinHandle<()>>,
}

/// A handle to an [`Origin`], for closures and other threads. It does not keep the origin alive.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
    door: Arc<Door>,
}

/// An [`Origin`] to be.
#[derive(Clone, Debug)]
pub struct Builder {
    address: SocketAddr,
    settings: Settings,
}

impl Builder {
    /// The port; 0, the default, is one that is free.
    pub fn port(mut self, port: u16) -> Builder {
        self.address.set_port(port);
        self
    }

    /// The loopback address; 127.0.0.1 by default. 127.0.0.2 is another host to a client, on Linux.
    pub fn address(mut self, address: IpAddr) -> Builder {
        self.address.set_ip(address);
        self
    }

    /// The most that is handed to the kernel at once; 256 KiB by default.
    pub fn write_bytes(mut self, bytes: usize) -> Builder {
        self.settings.write_bytes = bytes.max(1);
        self
    }

    /// The size of send buffers (`SO_SNDBUF`), so that what was served and what the client has do not lie far apart.
    pub fn send_buffer(mut self, bytes: usize) -> Builder {
        self.settings.send_buffer = Some(bytes);
        self
    }

    /// Binds and begins to serve.
    pub fn start(self) -> io::Result<Origin> {
        let listener = door::listen(self.address)?;
        let door = Arc::new(Door::new(listener.local_addr()?));
        let shared = Arc::new(Shared::new(self.settings));
        let control = Control { shared, door };
        let (shared, door) = (control.shared.clone(), control.door.clone());
        let doorkeeper = std::thread::Builder::new()
            .name("origin-door".to_owned())
            .spawn(move || door::keep(shared, door, listener))?;
        Ok(Origin { control, doorkeeper: Some(doorkeeper) })
    }
}

impl Origin {
    /// An origin on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// When there is no port or no thread to be had; a test could only panic on it. [`Builder::start`] says why.
    #[allow(clippy::expect_used, reason = "a test can do nothing else about it")]
    pub fn start() -> Origin {
        Origin::builder().start().expect("a loopback port and a thread")
    }

    /// An origin with settings of its own.
    pub fn builder() -> Builder {
        let settings = Settings { write_bytes: 256 * 1024, send_buffer: None };
        Builder { address: (Ipv4Addr::LOCALHOST, 0).into(), settings }
    }

    /// A handle for closures and other threads.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Deref for Origin {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.control
    }
}

impl Drop for Origin {
    /// Closes the port and all connections, those that stall included, and waits for the threads.
    fn drop(&mut self) {
        self.door.close();
        if let Some(doorkeeper) = self.doorkeeper.take() {
            // It does not panic; if it did, it would not be there any more.
            doorkeeper.join().unwrap_or_default();
        }
        self.shared.finish(DROP_PATIENCE);
    }
}

/// Where it is.
impl Control {
    /// `http://127.0.0.1:PORT/path`, for a path that begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.door.address())
    }

    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.door.address()
    }

    /// The port it listens on. It stays reserved while connections are refused.
    pub fn port(&self) -> u16 {
        self.door.address().port()
    }
}

/// What it answers.
impl Control {
    /// Puts an object at a path, or replaces it; later requests see the new one. What was said of faults stays.
    pub fn put(&self, path: &str, object: Object) {
        self.shared.put(path, Some(object));
    }

    /// Takes the object at a path away: 404.
    pub fn remove(&self, path: &str) {
        self.shared.put(path, None);
    }

    /// The next requests for a path take one fault each, in order; those after them are answered correctly.
    pub fn script(&self, path: &str, faults: Vec<Fault>) {
        self.script_then(path, faults, Fault::Correct);
    }

    /// [`Control::script`], but those after it all take `then`.
    pub fn script_then(&self, path: &str, faults: Vec<Fault>, then: Fault) {
        self.shared.script(path, faults, then);
    }

    /// All requests for a path take this fault.
    pub fn always(&self, path: &str, fault: Fault) {
        self.script_then(path, Vec::new(), fault);
    }

    /// Requests for a path are answered from these objects in turn, as by a balancer whose replicas differ.
    pub fn alternate(&self, path: &str, objects: Vec<Object>) {
        self.choose(path, move |request| match objects.get(request.nth % objects.len().max(1)) {
            Some(object) => Fault::serve_as(object.clone()),
            None => Fault::Correct,
        });
    }

    /// At most so many requests for a path are answered at once; the others take the fault `beyond` in place of what is
    /// meant for them. [`Self::script`] and its like say what becomes of those that are answered.
    pub fn at_most(&self, path: &str, most: usize, beyond: Fault) {
        self.shared.at_most(path, most, beyond);
    }

    /// Each request for a path takes the fault that the closure picks for it: by its range, by its connection.
    pub fn choose(&self, path: &str, choice: impl Fn(&Request) -> Fault + Send + Sync + 'static) {
        self.shared.choose(path, Arc::new(choice));
    }

    /// Each request for a path gets what the closure makes of the correct answer.
    pub fn on(&self, path: &str, handler: impl Fn(&Request, Answer) -> Answer + Send + Sync + 'static) {
        self.shared.handle(path, Arc::new(handler));
    }

    /// The next connections are treated so, one each, in order; those after them are served.
    pub fn connects(&self, manners: Vec<Connect>) {
        self.door.script(manners, Connect::Serve);
    }

    /// All connections from now on are treated so.
    pub fn every_connect(&self, manner: Connect) {
        self.door.script(Vec::new(), manner);
    }

    /// Closes the port: from when this returns, connections are refused. Those that are open live on.
    pub fn refuse(&self) {
        self.door.shut();
    }

    /// Opens the port again.
    pub fn accept_again(&self) {
        self.door.open();
    }

    /// Ends all open connections wherever they are, as when the server's process is killed.
    pub fn hang_up(&self) {
        self.shared.hang_up();
    }
}

/// What happened.
impl Control {
    /// All requests so far, in the order they were read.
    pub fn log(&self) -> Vec<Seen> {
        self.shared.log.read(<[Seen]>::to_vec)
    }

    /// How many requests there were.
    pub fn requests(&self) -> usize {
        self.shared.log.read(<[Seen]>::len)
    }

    /// Body bytes that the kernel has accepted, of all answers.
    pub fn bytes_served(&self) -> u64 {
        self.shared.log.read(|log| log.iter().map(|seen| seen.body_bytes).sum())
    }

    /// How many connections were accepted.
    pub fn connections(&self) -> usize {
        self.shared.connections().0
    }

    /// How many of them are open.
    pub fn open_connections(&self) -> usize {
        self.shared.connections().1
    }

    /// Waits until the log looks as wanted; false when it did not in time. Looks at every change, body bytes included.
    /// The log is locked meanwhile: the closure must look at what it is given and not ask the origin.
    pub fn wait_for(&self, condition: impl Fn(&[Seen]) -> bool, timeout: Duration) -> bool {
        self.shared.log.wait_for(condition, timeout)
    }

    /// Waits until no request is being answered, so that log and byte counts are final.
    pub fn settled(&self, timeout: Duration) -> bool {
        self.wait_for(|log| log.iter().all(|seen| seen.ended != Ended::Serving), timeout)
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Control({})", self.address())
    }
}
