//! A store with one bucket, a bench with files to upload, and a user who knows both from the environment.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use longhaul_devstore::Content;
use longhaul_devstore::oss::{Builder, Server};
use serde_json::Value;

use crate::common::{Bench, DEADLINE, Ran, Running, eventually};

pub const MIB: u64 = 1 << 20;
/// More than what goes in one request, and no whole number of parts.
pub const SIZE: u64 = 20 * MIB + 4321;
/// The length of parts in these tests, and as a flag.
pub const PART: u64 = MIB;
/// How many of them `SIZE` is.
pub const PARTS: u64 = 21;

/// See the module.
pub struct Depot {
    pub bench: Bench,
    pub store: Server,
    _folder: tempfile::TempDir,
}

impl Depot {
    pub fn open() -> Depot {
        Depot::with(|builder| builder)
    }

    pub fn with(settings: impl FnOnce(Builder) -> Builder) -> Depot {
        let folder = tempfile::tempdir().unwrap();
        let store = settings(Builder::new(folder.path()).bucket("films").sync(false)).start().unwrap();
        let bench = Bench::new();
        fs::create_dir(bench.root().join("home")).unwrap();
        Depot { bench, store, _folder: folder }
    }

    pub fn fault(&self, words: &str) {
        self.store.fault(words).unwrap();
    }

    /// A file of these bytes in the bench's folder, written an hour ago.
    pub fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.bench.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::copy(&mut content.reader(), &mut File::create(&path).unwrap()).unwrap();
        age(&path);
        path
    }

    /// The usual file.
    pub fn film(&self) -> (PathBuf, Content) {
        let content = Content::seeded(7, SIZE);
        (self.file("film", &content), content)
    }

    /// A user's environment: an empty home, no metadata service, the store, the owner's keys.
    pub fn env(&self) -> Vec<(String, String)> {
        self.env_with(&self.store.access_key_id(), &self.store.access_key_secret())
    }

    pub fn env_with(&self, id: &str, secret: &str) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            pair("HOME", self.bench.root().join("home").to_str().unwrap()),
            pair("OSS_ENDPOINT", self.store.endpoint()),
            pair("OSS_REGION", self.store.region()),
            pair("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
            pair("OSS_ACCESS_KEY_ID", id),
            pair("OSS_ACCESS_KEY_SECRET", secret),
        ]
    }

    /// `longhaul put FILE oss://films/KEY` in parts of [`PART`], four at a time.
    pub fn put(&self, file: impl AsRef<OsStr>, key: &str) -> Put<'_> {
        let put = self.put_all([file], key).args(["--part-size", "1M", "--settle-timeout", "10"]);
        Put { connections: Some("4"), ..put }
    }

    /// `longhaul put FILE... oss://films/KEY`.
    pub fn put_all<S: AsRef<OsStr>>(&self, files: impl IntoIterator<Item = S>, key: &str) -> Put<'_> {
        let mut args: Vec<OsString> = files.into_iter().map(|file| file.as_ref().to_owned()).collect();
        args.push(format!("oss://films/{key}").into());
        Put { depot: self, args, env: self.env(), retries: 3, connections: None, json: true, stdin: None }
    }

    /// Any other command of that user.
    pub fn longhaul(&self, args: &[&str]) -> Ran {
        let state = self.bench.state();
        let args = args.iter().copied().chain(["--state-dir", state.to_str().unwrap()]);
        self.bench.start_reading(args.map(OsString::from).collect(), &self.env(), Stdio::null()).wait()
    }

    /// The same for those that speak to the store.
    pub fn longhaul_online(&self, args: &[&str]) -> Ran {
        self.longhaul(&[args, &["--proxy", "none"]].concat())
    }

    /// The ids of the transfers that are known.
    pub fn listed(&self) -> Vec<Value> {
        let ran = self.longhaul(&["list", "--json"]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        ran.events
    }

    /// Requests of an operation that are over.
    pub fn requests(&self, op: &str) -> Vec<Value> {
        self.store.log_since(0).into_iter().filter(|line| line["op"] == op).collect()
    }

    pub fn count(&self, op: &str) -> usize {
        self.requests(op).len()
    }

    /// Bytes of parts that the store has read.
    pub fn part_bytes(&self) -> u64 {
        self.requests("UploadPart").iter().filter_map(|line| line["bytes_in"].as_u64()).sum()
    }

    /// Head and body of what stands at a key, read by somebody else: the store has to be open to anybody.
    pub fn stored(&self, key: &str) -> Option<(String, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.store.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let key: String = key.bytes().map(|b| format!("%{b:02X}")).collect();
        write!(stream, "GET /films/{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let at = all.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(all[..at].to_vec()).unwrap();
        head.starts_with("HTTP/1.1 200").then(|| (head.to_ascii_lowercase(), all.split_off(at)))
    }

    /// Somebody else deletes what stands at a key: the store has to be open to anybody.
    pub fn delete(&self, key: &str) {
        let mut stream = TcpStream::connect(self.store.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "DELETE /films/{key} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    }

    #[track_caller]
    pub fn assert_stored(&self, key: &str, content: &Content, ran: &Ran) {
        let stored = self.stored(key).map(|(_, body)| body);
        assert!(stored.as_deref() == Some(&content.to_vec()), "{key} is not what was read: {}", self.report(ran));
    }

    /// Nothing of an upload is known any more.
    #[track_caller]
    pub fn assert_nothing_left(&self, ran: &Ran) {
        assert_eq!(self.listed(), Vec::<Value>::new(), "{}", self.report(ran));
        assert_eq!(self.unfinished(), 0, "{}", self.report(ran));
    }

    /// Uploads in the store that are neither complete nor aborted, as the store itself says.
    pub fn unfinished(&self) -> usize {
        let mut stream = TcpStream::connect(self.store.admin().trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET /state HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let state: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        state["buckets"].as_array().unwrap().iter().map(|bucket| bucket["uploads"].as_array().unwrap().len()).sum()
    }

    /// It ended so and no other way.
    #[track_caller]
    pub fn expect(&self, ran: &Ran, code: i32, verdict: &str) {
        assert_eq!(ran.unsound(), None, "{}", self.report(ran));
        assert_eq!((ran.code(), ran.verdict().as_str()), (code, verdict), "{}", self.report(ran));
    }

    /// [`Depot::expect`] for the code alone.
    #[track_caller]
    pub fn expect_code(&self, ran: &Ran, code: i32) {
        assert_eq!(ran.unsound(), None, "{}", self.report(ran));
        assert_eq!(ran.code(), code, "{}", self.report(ran));
    }

    pub fn report(&self, ran: &Ran) -> String {
        let line = |line: &Value| {
            format!(
                "  {} {} {} {} in {}\n",
                line["op"], line["target"], line["status"], line["ended"], line["bytes_in"]
            )
        };
        let log = self.store.log_since(0);
        let last: String = log[log.len().saturating_sub(60)..].iter().map(line).collect();
        format!("{}\n{} requests, the last of them:\n{last}", ran.report(&self.bench), log.len())
    }
}

/// Makes a file look as if it had been written an hour ago: a later change shows in its times.
pub fn age(path: &Path) {
    let file = File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

/// Waits until a change of a file, the last one at the latest, shows in its times: they are more than two seconds past.
pub fn settle(path: &Path) {
    let young = || {
        let changed = fs::metadata(path).unwrap().ctime();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        now.saturating_sub(changed.unsigned_abs()) <= 3
    };
    assert!(eventually(|| !young()), "the clock stands still");
}

/// A `longhaul put` to be.
pub struct Put<'d> {
    depot: &'d Depot,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    retries: u32,
    connections: Option<&'static str>,
    json: bool,
    stdin: Option<Stdio>,
}

impl Put<'_> {
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub fn env(mut self, env: Vec<(String, String)>) -> Self {
        self.env = env;
        self
    }

    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The first failure is the end. Over one connection: it would cut off parts on others, nobody knows where.
    pub fn until_it_fails(mut self) -> Self {
        self.connections = Some("1");
        self.retries(0)
    }

    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// As people see it: no events on stdout.
    pub fn plain(mut self) -> Self {
        self.json = false;
        self
    }

    pub fn start(self) -> Running {
        let mut args: Vec<OsString> = vec!["put".into()];
        args.extend(self.args);
        args.extend(self.connections.iter().flat_map(|n| ["-x".into(), n.into()]));
        args.extend(["--proxy".into(), "none".into(), "--retries".into(), self.retries.to_string().into()]);
        args.extend(["--state-dir".into(), self.depot.bench.state().into()]);
        if self.json {
            args.push("--json".into());
        }
        self.depot.bench.start_reading(args, &self.env, self.stdin.unwrap_or_else(Stdio::null))
    }

    pub fn run(self) -> Ran {
        self.start().wait()
    }
}
