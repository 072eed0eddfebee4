//! How is a store started and stopped? Listening sockets, one thread for each connection, and the thread that looks at
//! lifecycle rules.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::begin;
use super::faults::Rule;
use super::keys::Key;
use super::listen::{Port, here, listen};
use super::log::Log;
use super::policy::Policy;
use super::store::{Beginning, Seed, Settings, Store};
use super::target::Hosts;
use super::variants::Variants;
use super::wire::Patience;
use super::{admin, conn, lifecycle, stock};

/// The address space of a thread; what it does not touch takes no memory.
const STACK: usize = 512 << 10;
/// Pause after an accept that failed; a shortage of descriptors is the usual cause.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// How long a thread that accepts may take to be woken.
const KNOCK: Duration = Duration::from_millis(200);
/// So many connections above the bound are for the admin port.
const ADMIN_MORE: usize = 16;
/// How often lifecycle rules are looked at while no test moves the clock.
const LIFECYCLE_EVERY: Duration = Duration::from_secs(60);

/// A store to be started.
///
/// ```
/// use longhaul_devstore::oss::Builder;
///
/// let folder = tempfile::tempdir()?;
/// let store = Builder::new(folder.path()).bucket("films").start()?;
/// println!("{} {}", store.endpoint(), store.access_key_id());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    settings: Settings,
    listen: SocketAddr,
    admin: SocketAddr,
    keys: Vec<Key>,
    log: Option<Box<dyn Write + Send>>,
}

impl Builder {
    /// A store over this folder, which is made if it is not there.
    pub fn new(folder: impl Into<PathBuf>) -> Builder {
        let local = SocketAddr::from(([127, 0, 0, 1], 0));
        let patience =
            Patience { idle: Duration::from_secs(300), head: Duration::from_secs(20), body: Duration::from_secs(60) };
        let settings = Settings {
            folder: folder.into(),
            region: "cn-hangzhou".to_owned(),
            anonymous: false,
            open_cors: false,
            hosts: Hosts::default(),
            patience,
            connections_max: 4096,
            part_bytes_min: 100 << 10,
            sync: true,
            callback_patience: Duration::from_secs(5),
            beginning: Beginning::default(),
        };
        Builder { settings, listen: local, admin: local, keys: Vec::new(), log: None }
    }

    /// Where to listen; a free port of 127.0.0.1 by itself.
    pub fn listen(mut self, address: SocketAddr) -> Builder {
        self.listen = address;
        self
    }

    /// Where the admin page and endpoint listen; a free port of 127.0.0.1 by itself.
    pub fn admin(mut self, address: SocketAddr) -> Builder {
        self.admin = address;
        self
    }

    /// The region that signatures have to name, `cn-hangzhou` by itself.
    pub fn region(mut self, region: impl Into<String>) -> Builder {
        self.settings.region = region.into();
        self
    }

    /// Requests need no signature.
    pub fn anonymous(mut self, yes: bool) -> Builder {
        self.settings.anonymous = yes;
        self
    }

    /// Pages of every origin may use the buckets that have no CORS rules of their own.
    pub fn open_cors(mut self, yes: bool) -> Builder {
        self.settings.open_cors = yes;
        self
    }

    /// A custom domain that stands for a bucket.
    pub fn host(mut self, host: &str, bucket: &str) -> Builder {
        self.settings.hosts.mapped.insert(host.to_ascii_lowercase(), bucket.to_owned());
        self
    }

    /// A domain below which `BUCKET.DOMAIN` is a bucket; `localhost` is one by itself.
    pub fn domain(mut self, domain: &str) -> Builder {
        self.settings.hosts.domains.push(domain.to_ascii_lowercase());
        self
    }

    /// A bucket that is to be there.
    pub fn bucket(mut self, name: impl Into<String>) -> Builder {
        self.settings.beginning.buckets.push(name.into());
        self
    }

    /// Files that become objects: those below `folder` in this bucket, or, without one, those in each folder of `folder`
    /// in the bucket of the folder's name. Keys that are there stay as they are.
    pub fn seed(mut self, bucket: Option<&str>, folder: impl Into<PathBuf>) -> Builder {
        self.settings.beginning.seeds.push(Seed { bucket: bucket.map(str::to_owned), folder: folder.into() });
        self
    }

    /// A key of the owner for this run, which is not kept. The first one takes the place of the folder's own wherever
    /// that is shown; the folder's own works as well.
    ///
    /// # Errors
    /// In words without the key, when it could not stand in a signature or in a variable.
    pub fn key(mut self, id: &str, secret: &str) -> Result<Builder, String> {
        self.keys.push(Key::given(id, secret)?);
        Ok(self)
    }

    /// A fault, in the words of a rule: `kind=cut after=1000 op=GetObject times=2`.
    ///
    /// # Errors
    /// When it is no rule, in words.
    pub fn fault(mut self, words: &str) -> Result<Builder, String> {
        self.settings.beginning.faults.push(Rule::from_words(words)?);
        Ok(self)
    }

    /// Where the request log goes, a line of JSON for each request.
    pub fn log(mut self, to: Box<dyn Write + Send>) -> Builder {
        self.log = Some(to);
        self
    }

    /// Whether what was answered survives a power cut. Tests that kill only the process can do without.
    pub fn sync(mut self, yes: bool) -> Builder {
        self.settings.sync = yes;
        self
    }

    /// How far the store's clock is from the machine's, in milliseconds.
    pub fn clock_offset_ms(mut self, offset: i64) -> Builder {
        self.settings.beginning.clock_offset_ms = offset;
        self
    }

    /// The least size of a part that is not the last; 100 KB by itself, as in OSS.
    pub fn part_bytes_min(mut self, bytes: u64) -> Builder {
        self.settings.part_bytes_min = bytes;
        self
    }

    /// How long a client may be silent: between requests, within a head, within a body.
    pub fn patience(mut self, idle: Duration, head: Duration, body: Duration) -> Builder {
        self.settings.patience = Patience { idle, head, body };
        self
    }

    /// How long an application's server may take to answer a callback; five seconds by itself, as in OSS.
    pub fn callback_patience(mut self, patience: Duration) -> Builder {
        self.settings.callback_patience = patience;
        self
    }

    /// How many connections are served at once; more are closed as they come.
    pub fn connections_max(mut self, count: usize) -> Builder {
        self.settings.connections_max = count;
        self
    }

    /// The other reading of something that is not established about the service, as `several-ranges` and `416`;
    /// `docs/devstore.md` has the table.
    ///
    /// # Errors
    /// When there is no such variant or value, in words.
    pub fn variant(mut self, name: &str, value: &str) -> Result<Builder, String> {
        Variants::default().choose(name, value)?;
        self.settings.beginning.variants.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Opens the folder, puts into it what the store begins with, and begins to listen.
    ///
    /// # Errors
    /// When another store runs on the folder, when it or a seed cannot be used, for a name that no bucket can have. When
    /// an address cannot be used, the error holds a [`NoListener`](super::NoListener).
    pub fn start(self) -> io::Result<Server> {
        let folder = self.settings.folder.clone();
        let mut store = Store::open(&folder, self.settings, self.keys, Log::new(self.log))?;
        let (listener, address) = listen(self.listen, Port::Store)?;
        let (admin_listener, admin_address) = listen(self.admin, Port::Admin)?;
        store.endpoint = format!("http://{}", here(address));
        store.admin = format!("http://{}", here(admin_address));
        begin::set_up(&store)?;
        let shared =
            Arc::new(Shared { store, next: AtomicU64::new(1), work: Mutex::default(), changed: Condvar::new() });
        // Dropped when a thread cannot be had, it ends those that run.
        let server = Server { shared, address, admin_address };
        for (listener, side) in [(listener, Port::Store), (admin_listener, Port::Admin)] {
            server.shared.spawn("accept", move |shared| accept(shared, &listener, side))?;
        }
        server.shared.spawn("lifecycle", |shared| keep_lifecycle(shared))?;
        Ok(server)
    }
}

struct Shared {
    store: Store,
    next: AtomicU64,
    work: Mutex<Work>,
    changed: Condvar,
}

/// What is under way in a store.
#[derive(Default)]
struct Work {
    stopping: bool,
    /// Threads that use the folder.
    threads: usize,
    connections: BTreeMap<u64, TcpStream>,
}

impl Shared {
    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on a thread that the end of the store waits for.
    fn spawn(self: &Arc<Shared>, name: &str, work: impl FnOnce(&Arc<Shared>) + Send + 'static) -> io::Result<()> {
        self.work().threads += 1;
        // However the thread ends, and if it never begins, it is counted out.
        let leaving = Leaving(self.clone());
        let named = std::thread::Builder::new().name(format!("oss-{name}")).stack_size(STACK);
        named.spawn(move || work(&leaving.0)).map(drop)
    }
}

/// Held by a thread for as long as it runs.
struct Leaving(Arc<Shared>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.work().threads -= 1;
        self.0.changed.notify_all();
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, side: Port) {
    loop {
        let accepted = listener.accept();
        if shared.work().stopping {
            return;
        }
        match accepted {
            Ok((stream, peer)) => admit(shared, stream, peer, side),
            Err(_) => std::thread::sleep(RETRY_PAUSE),
        }
    }
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, side: Port) {
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let Ok(kept) = stream.try_clone() else { return };
    {
        let mut work = shared.work();
        // Who wants to see why the store is busy is let in.
        let more = if matches!(side, Port::Admin) { ADMIN_MORE } else { 0 };
        let most = shared.store.settings.connections_max.saturating_add(more);
        if work.stopping || work.connections.len() >= most {
            return; // closed as it goes out of scope
        }
        work.connections.insert(number, kept);
    }
    let entered = Entered { shared: shared.clone(), number };
    let spawned = shared.spawn("connection", move |shared| {
        match side {
            Port::Store => conn::serve(&shared.store, stream, peer, number),
            Port::Admin => admin::serve(&shared.store, stream),
        }
        drop(entered);
    });
    drop(spawned); // without a thread for it the connection is closed
}

/// A connection that is known; however its thread ends, it is forgotten.
struct Entered {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.work().connections.remove(&self.number);
    }
}

fn keep_lifecycle(shared: &Shared) {
    loop {
        lifecycle::run(&shared.store);
        let (work, _) = shared
            .changed
            .wait_timeout_while(shared.work(), LIFECYCLE_EVERY, |work| !work.stopping)
            .unwrap_or_else(PoisonError::into_inner);
        if work.stopping {
            return;
        }
    }
}

/// A store that runs, until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    admin_address: SocketAddr,
}

impl Server {
    /// Ends the store: connections end wherever they are, as in a crash; what was answered is kept. `false` when some
    /// of its threads are still at work after `patience`, as they may be for as long as the disk takes to sync, or
    /// an application's server to be found for a callback. They acknowledge no more. May be called again.
    pub fn stop(&mut self, patience: Duration) -> bool {
        self.begin_to_stop();
        let until = Instant::now() + patience;
        let mut work = self.shared.work();
        while work.threads > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            work = self.shared.changed.wait_timeout(work, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn begin_to_stop(&self) {
        {
            let mut work = self.shared.work();
            work.stopping = true;
            self.shared.changed.notify_all();
            for stream in work.connections.values() {
                let _ = stream.shutdown(Shutdown::Both); // it may have ended already
            }
        }
        self.shared.store.rest.end();
        // Wakes the threads from accept.
        for address in [self.address, self.admin_address] {
            let _ = TcpStream::connect_timeout(&here(address), KNOCK);
        }
    }

    /// `http://127.0.0.1:PORT`, as it is reached from this machine.
    pub fn endpoint(&self) -> &str {
        &self.shared.store.endpoint
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` of the admin page and endpoint.
    pub fn admin(&self) -> &str {
        &self.shared.store.admin
    }

    /// What signatures have to name.
    pub fn region(&self) -> &str {
        &self.shared.store.settings.region
    }

    /// The owner's key.
    pub fn access_key_id(&self) -> String {
        self.shared.store.keys.owner().map(|key| key.id).unwrap_or_default()
    }

    /// The owner's secret.
    pub fn access_key_secret(&self) -> String {
        self.shared.store.keys.owner().map(|key| key.secret).unwrap_or_default()
    }

    /// The names of its buckets, in order.
    pub fn buckets(&self) -> Vec<String> {
        self.shared.store.disk.buckets().iter().map(|bucket| bucket.name.clone()).collect()
    }

    /// What lies in its folder and is none of the store's: it is not served. In order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn foreign_files(&self) -> io::Result<Vec<String>> {
        self.shared.store.disk.foreign_files()
    }

    /// Puts an object whose bytes follow from a seed, as [`Content::seeded`](crate::Content::seeded) makes them.
    ///
    /// # Errors
    /// When there is no such bucket, when the disk fails.
    pub fn put_seeded(&self, bucket: &str, key: &str, seed: u64, size: u64) -> io::Result<()> {
        let store = &self.shared.store;
        let there = store.disk.bucket(bucket).ok_or(io::ErrorKind::NotFound)?;
        let content = crate::Content::seeded(seed, size);
        stock::put(store, &there, key, &mut content.reader(), "Standard", stock::plain_headers())
    }

    /// Adds a fault, in the words of a rule; its id.
    ///
    /// # Errors
    /// When it is no rule, in words.
    pub fn fault(&self, words: &str) -> Result<u64, String> {
        self.shared.store.faults.add(Rule::from_words(words)?)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.store.faults.remove(None);
    }

    /// Moves the store's clock, and lets lifecycle rules see it.
    pub fn set_clock_offset_ms(&self, offset: i64) {
        self.shared.store.clock.set_offset_ms(offset);
        lifecycle::run(&self.shared.store);
    }

    /// The last requests that are over, as JSON: those with a number above `after`.
    pub fn log_since(&self, after: u64) -> Vec<serde_json::Value> {
        let lines = self.shared.store.log.since(after);
        lines.iter().filter_map(|line| serde_json::to_value(line).ok()).collect()
    }

    /// A key with a RAM policy, as JSON: id and secret.
    ///
    /// # Errors
    /// When the policy is not understood, when the key cannot be kept.
    pub fn add_key(&self, policy: Option<&str>) -> Result<(String, String), String> {
        let policy = policy.map(Policy::parse).transpose()?;
        let key = self.shared.store.keys.add(policy).map_err(|error| error.to_string())?;
        Ok((key.id, key.secret))
    }
}

/// Waits for the last thread: the folder is not used any more then.
impl Drop for Server {
    fn drop(&mut self) {
        self.begin_to_stop();
        let mut work = self.shared.work();
        while work.threads > 0 {
            work = self.shared.changed.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        self.shared.store.disk.release();
    }
}
