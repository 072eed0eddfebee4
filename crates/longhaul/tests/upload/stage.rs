//! A store that does what it is told, a file to be uploaded, and a client between them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use longhaul::credentials::{Keys, Secret, Static, StoreSettings};
use longhaul::{Client, Error, Event, Outcome, Transfer, UploadBuilder};
use longhaul_devstore::Content;
use longhaul_devstore::oss::{Builder, Server};

pub(crate) const BUCKET: &str = "films";
/// The length of parts in these tests: small, so that there are many.
pub(crate) const PART: u64 = 128 << 10;
/// No wait in these tests is longer.
const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) folder: tempfile::TempDir,
    server: Option<Server>,
}

/// A store with one bucket.
pub(crate) fn stage() -> Stage {
    stage_with(|builder| builder)
}

pub(crate) fn stage_with(change: impl FnOnce(Builder) -> Builder) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let builder = Builder::new(folder.path().join("store")).bucket(BUCKET).sync(false);
    let server = change(builder).start().unwrap();
    Stage { folder, server: Some(server) }
}

impl Stage {
    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn fault(&self, words: &str) {
        self.server().fault(words).unwrap();
    }

    pub(crate) fn settings(&self) -> StoreSettings {
        let server = self.server();
        StoreSettings {
            endpoint: Some(server.endpoint().to_owned()),
            region: Some(server.region().to_owned()),
            ..StoreSettings::default()
        }
    }

    pub(crate) fn keys(&self) -> Keys {
        let server = self.server();
        Keys { id: server.access_key_id(), secret: Secret::new(server.access_key_secret()), token: None }
    }

    /// A client as a new process would make it, with the state of earlier ones.
    pub(crate) fn client(&self) -> Client {
        self.client_in("state")
    }

    pub(crate) fn client_in(&self, state: &str) -> Client {
        let state = self.folder.path().join(state);
        let keys = Static::new(self.keys());
        Client::builder().state_dir(state).oss(self.settings()).oss_credentials(keys).build().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A file of these bytes, written an hour ago.
    pub(crate) fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.path(name);
        let mut file = std::fs::File::create(&path).unwrap();
        std::io::copy(&mut content.reader(), &mut file).unwrap();
        age(&path, 3600);
        path
    }

    /// An upload in small parts, two at a time.
    pub(crate) fn upload(&self, file: &Path, key: &str) -> UploadBuilder {
        small_parts(self.client().upload(file)).to(format!("oss://{BUCKET}/{key}"))
    }

    /// Requests of an operation so far.
    pub(crate) fn count(&self, op: &str) -> usize {
        self.log().iter().filter(|line| line["op"] == op).count()
    }

    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        self.server().log_since(0)
    }

    /// Bytes of bodies that the store has read.
    pub(crate) fn bytes_in(&self, op: &str) -> u64 {
        self.log().iter().filter(|line| line["op"] == op).filter_map(|line| line["bytes_in"].as_u64()).sum()
    }

    /// The number of the last request so far.
    pub(crate) fn last(&self) -> u64 {
        self.log().last().map_or(0, |line| line["n"].as_u64().unwrap())
    }

    /// Waits until an operation is in the log: it is a moment after its answer.
    pub(crate) async fn until_logged(&self, op: &str) {
        let begun = std::time::Instant::now();
        while self.count(op) == 0 {
            assert!(begun.elapsed() < DEADLINE, "no {op}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The operations after a request, at least one.
    pub(crate) async fn ops_since(&self, n: u64) -> Vec<String> {
        let begun = std::time::Instant::now();
        while self.server().log_since(n).is_empty() && begun.elapsed() < DEADLINE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.server().log_since(n).iter().map(|line| line["op"].as_str().unwrap().to_owned()).collect()
    }

    /// What the store has under this key, read by somebody else. The store is over then.
    pub(crate) fn stored(mut self, key: &str) -> Option<Vec<u8>> {
        drop(self.server.take());
        let server = Builder::new(self.folder.path().join("store")).anonymous(true).start().unwrap();
        get(server.address(), &format!("/{BUCKET}/{key}"))
    }

    /// Unfinished uploads of a key in the store.
    pub(crate) async fn left_in_store(&self, key: &str) -> usize {
        let nothing_known = self.client_in("another-state").upload(self.path("nothing"));
        nothing_known.to(format!("oss://{BUCKET}/{key}")).perhaps_ours().await.unwrap().len()
    }

    /// Journals of uploads that are not finished.
    pub(crate) fn unfinished(&self) -> usize {
        let found = self.client().unfinished_uploads().unwrap();
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        found.uploads.len()
    }
}

pub(crate) fn small_parts(builder: UploadBuilder) -> UploadBuilder {
    builder.part_size(PART).single_max(PART).connections(2).stall(1024, Duration::from_secs(5))
}

pub(crate) fn age(path: &Path, seconds: u64) {
    let then = SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(then).unwrap();
}

/// Waits until a file that was just written counts as settled: its times are more than two seconds past.
pub(crate) async fn until_settled(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let settled = || {
        let changed = std::fs::metadata(path).unwrap().ctime();
        SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs(changed as u64 + 4)
    };
    let begun = std::time::Instant::now();
    while !settled() {
        assert!(begun.elapsed() < DEADLINE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The end of a transfer, which must come.
pub(crate) async fn end(transfer: &Transfer) -> Result<Outcome, Error> {
    tokio::time::timeout(DEADLINE, transfer.finished()).await.expect("it does not end")
}

/// Waits until so many bytes are acknowledged.
pub(crate) async fn until_stored(transfer: &Transfer, bytes: u64) {
    let mut events = transfer.events();
    let reached = async {
        while transfer.progress().durable < bytes {
            assert!(events.next().await.is_some(), "it ended before");
        }
    };
    tokio::time::timeout(DEADLINE, reached).await.expect("no progress");
}

/// All events from now on, when it is over.
pub(crate) fn record(transfer: &Transfer) -> tokio::task::JoinHandle<Vec<Event>> {
    let mut events = transfer.events();
    tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(event) = events.next().await {
            all.push(event);
        }
        all
    })
}

fn get(address: SocketAddr, target: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(head + 4);
    answer.starts_with(b"HTTP/1.1 200").then_some(body)
}
