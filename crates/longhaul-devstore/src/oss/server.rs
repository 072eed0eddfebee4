//! How is a store started and stopped? Listening sockets, one thread for each connection, and the thread that looks at
//! lifecycle rules.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::disk::BucketFacts;
use super::faults::Rule;
use super::log::Log;
use super::policy::Policy;
use super::store::{Settings, Store};
use super::target::{Hosts, is_bucket_name};
use super::variants::Variants;
use super::wire::Patience;
use super::{admin, conn, lifecycle};

/// The address space of a thread; what it does not touch takes no memory.
const STACK: usize = 512 << 10;
/// Pause after an accept that failed; a shortage of descriptors is the usual cause.
const RETRY_PAUSE: Duration = Duration::from_millis(10);
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
    buckets: Vec<String>,
    faults: Vec<Rule>,
    variants: Vec<(String, String)>,
    log: Option<Box<dyn Write + Send>>,
    clock_offset_ms: i64,
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
            hosts: Hosts::default(),
            patience,
            connections_max: 4096,
            part_bytes_min: 100 << 10,
            sync: true,
            callback_patience: Duration::from_secs(5),
        };
        Builder {
            settings,
            listen: local,
            admin: local,
            buckets: Vec::new(),
            faults: Vec::new(),
            variants: Vec::new(),
            log: None,
            clock_offset_ms: 0,
        }
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
        self.buckets.push(name.into());
        self
    }

    /// A fault, in the words of a rule: `kind=cut after=1000 op=GetObject times=2`.
    ///
    /// # Errors
    /// When it is no rule, in words.
    pub fn fault(mut self, words: &str) -> Result<Builder, String> {
        self.faults.push(Rule::from_words(words)?);
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
        self.clock_offset_ms = offset;
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
        self.variants.push((name.to_owned(), value.to_owned()));
        Ok(self)
    }

    /// Opens the folder and begins to listen.
    ///
    /// # Errors
    /// When another store runs on the folder, when it or an address cannot be used, for a name that no bucket can have.
    pub fn start(self) -> io::Result<Server> {
        let folder = self.settings.folder.clone();
        let mut store = Store::open(&folder, self.settings, Log::new(self.log))?;
        store.clock.set_offset_ms(self.clock_offset_ms);
        for name in &self.buckets {
            if !is_bucket_name(name) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{name} is no name for a bucket")));
            }
            let facts = BucketFacts {
                created_ms: store.clock.now_ms(),
                acl: "private".to_owned(),
                storage_class: "Standard".to_owned(),
                lifecycle: None,
            };
            store.disk.make_bucket(name, facts)?;
        }
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidInput, why);
        for (name, value) in &self.variants {
            store.variants.choose(name, value).map_err(invalid)?;
        }
        for rule in self.faults {
            store.faults.add(rule).map_err(invalid)?;
        }
        let listener = TcpListener::bind(self.listen)?;
        let admin_listener = TcpListener::bind(self.admin)?;
        let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);
        store.endpoint = format!("http://{address}");
        store.admin = format!("http://{admin_address}");
        let shared = Arc::new(Shared {
            store,
            stopping: AtomicBool::new(false),
            next: AtomicU64::new(1),
            connections: Mutex::default(),
            changed: Condvar::new(),
        });
        let mut threads = Vec::new();
        for (listener, side) in [(listener, Side::Store), (admin_listener, Side::Admin)] {
            let shared = shared.clone();
            threads.push(spawn("accept", move || accept(&shared, &listener, side))?);
        }
        let of_thread = shared.clone();
        threads.push(spawn("lifecycle", move || keep_lifecycle(&of_thread))?);
        Ok(Server { shared, address, admin_address, threads })
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(format!("oss-{name}")).stack_size(STACK).spawn(work)
}

#[derive(Clone, Copy)]
enum Side {
    Store,
    Admin,
}

struct Shared {
    store: Store,
    stopping: AtomicBool,
    next: AtomicU64,
    connections: Mutex<BTreeMap<u64, TcpStream>>,
    changed: Condvar,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, BTreeMap<u64, TcpStream>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, side: Side) {
    loop {
        let accepted = listener.accept();
        if shared.stopping.load(Ordering::Relaxed) {
            return;
        }
        match accepted {
            Ok((stream, peer)) => admit(shared, stream, peer, side),
            Err(_) => std::thread::sleep(RETRY_PAUSE),
        }
    }
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, side: Side) {
    let number = shared.next.fetch_add(1, Ordering::Relaxed);
    let Ok(kept) = stream.try_clone() else { return };
    {
        let mut connections = shared.connections();
        // Who wants to see why the store is busy is let in.
        let more = if matches!(side, Side::Admin) { ADMIN_MORE } else { 0 };
        if connections.len() >= shared.store.settings.connections_max.saturating_add(more) {
            return; // closed as it goes out of scope
        }
        connections.insert(number, kept);
    }
    let of_thread = shared.clone();
    let spawned = spawn("connection", move || {
        // However the thread ends, the connection is forgotten.
        let leaving = Leaving { shared: &of_thread, number };
        match side {
            Side::Store => conn::serve(&of_thread.store, stream, peer, number),
            Side::Admin => admin::serve(&of_thread.store, stream),
        }
        drop(leaving);
    });
    if spawned.is_err() {
        shared.connections().remove(&number);
    }
}

struct Leaving<'a> {
    shared: &'a Shared,
    number: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.shared.connections().remove(&self.number);
        self.shared.changed.notify_all();
    }
}

fn keep_lifecycle(shared: &Shared) {
    loop {
        lifecycle::run(&shared.store);
        let connections = shared.connections();
        let (_connections, _) = shared
            .changed
            .wait_timeout_while(connections, LIFECYCLE_EVERY, |_| !shared.stopping.load(Ordering::Relaxed))
            .unwrap_or_else(PoisonError::into_inner);
        if shared.stopping.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// A store that runs, until it is dropped.
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
    admin_address: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// `http://127.0.0.1:PORT`.
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

    /// Puts an object whose bytes follow from a seed, as [`Content::seeded`](crate::Content::seeded) makes them.
    ///
    /// # Errors
    /// When there is no such bucket, when the disk fails.
    pub fn put_seeded(&self, bucket: &str, key: &str, seed: u64, size: u64) -> io::Result<()> {
        let store = &self.shared.store;
        let there = store.disk.bucket(bucket).ok_or(io::ErrorKind::NotFound)?;
        let headers = vec![("Content-Type".to_owned(), "application/octet-stream".to_owned())];
        conn::put_content(store, &there, key, &crate::Content::seeded(seed, size), "Standard", headers)
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

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.store.rest.end();
        self.shared.changed.notify_all();
        // Wakes the threads from accept.
        for address in [self.address, self.admin_address] {
            let mut knock = address;
            if address.ip().is_unspecified() {
                knock.set_ip(if address.is_ipv4() {
                    [127, 0, 0, 1].into()
                } else {
                    std::net::Ipv6Addr::LOCALHOST.into()
                });
            }
            let _ = TcpStream::connect_timeout(&knock, Duration::from_secs(1));
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // one that panicked has no work left
        }
        // Their threads use the folder until they end.
        let mut connections = self.shared.connections();
        for stream in connections.values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        while !connections.is_empty() {
            connections = self.shared.changed.wait(connections).unwrap_or_else(PoisonError::into_inner);
        }
        self.shared.store.disk.release();
    }
}
