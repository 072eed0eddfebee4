//! The real binary against the faulty origin: a bench with a folder and a state directory of its own, the command that
//! is run there, and what came of it.
//!
//! Every child has a deadline and is killed with the bench. Nothing here waits for a time to pass: conditions are
//! looked at again and again until they hold or their deadline is over.

#![allow(dead_code, unreachable_pub, reason = "each suite uses a part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use longhaul_devstore::{Content, Origin, Seen};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// For waits that should not be needed. Longer than the 30 s after which a client tries another connection: one that a
/// busy machine loses is mended by the client and does not fail a test.
pub const SOON: Duration = Duration::from_secs(90);
/// No command in these suites works this long; one that does hangs.
pub const DEADLINE: Duration = Duration::from_secs(180);
const MIB: u64 = 1 << 20;
/// The usual object: four whole blocks and a part of one.
pub const SIZE: u64 = 4 * MIB + 123;
/// Where it is usually cut: inside a block.
pub const HALF: u64 = 2 * MIB + 77_777;

/// What happened, and not just whether: waits until `condition` holds; false when it did not in time.
pub fn eventually(condition: impl Fn() -> bool) -> bool {
    within(SOON, condition)
}

/// The same with a time of its own.
pub fn within(limit: Duration, condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    condition()
}

/// The names in a folder.
pub fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Every path below a folder, links not followed.
pub fn tree(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        }
        found.insert(entry.path());
    }
    found
}

/// Pseudo random numbers from a seed that a failure prints (SplitMix64; Steele, Lea, Flood 2014).
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }
}

/// A folder for downloads, a state directory, and an origin, all of this test alone.
pub struct Bench {
    root: tempfile::TempDir,
    pub origin: Origin,
    runs: AtomicU64,
    /// What the commands are run by, as `prlimit --nofile=64`.
    under: Mutex<Vec<OsString>>,
}

impl Default for Bench {
    fn default() -> Bench {
        Bench::new()
    }
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Origin::start())
    }

    /// With small buffers: what was served and what the client has do not lie far apart.
    pub fn tight() -> Bench {
        Bench::with(Origin::builder().write_bytes(16 << 10).send_buffer(16 << 10).start().unwrap())
    }

    pub fn with(origin: Origin) -> Bench {
        let bench =
            Bench { root: tempfile::tempdir().unwrap(), origin, runs: AtomicU64::new(0), under: Mutex::default() };
        for folder in ["out", "state", "runs"] {
            fs::create_dir(bench.root().join(folder)).unwrap();
        }
        bench
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Where downloads go.
    pub fn folder(&self) -> PathBuf {
        self.root().join("out")
    }

    /// The usual target.
    pub fn file(&self) -> PathBuf {
        self.folder().join("file")
    }

    pub fn part(&self) -> PathBuf {
        self.folder().join("file.lhpart")
    }

    pub fn log(&self) -> PathBuf {
        self.folder().join("file.lhlog")
    }

    pub fn state(&self) -> PathBuf {
        self.root().join("state")
    }

    /// `longhaul get` of the object at `/file`, to the usual target.
    pub fn get(&self) -> Get<'_> {
        self.get_url(self.origin.url("/file"))
    }

    pub fn get_url(&self, url: impl Into<String>) -> Get<'_> {
        let place = vec!["-o".into(), self.file().into()];
        let proxy = Some("none".to_owned());
        Get {
            bench: self,
            url: url.into(),
            place,
            state: self.state(),
            retries: 2,
            connections: "1".to_owned(),
            proxy,
            args: Vec::new(),
            env: Vec::new(),
            json: true,
        }
    }

    /// Any other command.
    pub fn longhaul<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        self.longhaul_with(&[], args)
    }

    /// The same with these variables in its environment.
    pub fn longhaul_with<S: AsRef<OsStr>>(&self, env: &[(String, String)], args: impl IntoIterator<Item = S>) -> Ran {
        self.start(args.into_iter().map(|arg| arg.as_ref().to_owned()).collect(), env).wait()
    }

    /// From now on commands are run by this one: the program and its options, before the name of the binary.
    pub fn run_under<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) {
        *self.under.lock().unwrap() = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    }

    /// The binary; a copy in the bench's folder, if there is one.
    fn binary(&self) -> PathBuf {
        let copy = self.root().join("longhaul");
        if copy.exists() { copy } else { assert_cmd::cargo::cargo_bin!("longhaul").to_owned() }
    }

    fn start(&self, args: Vec<OsString>, env: &[(String, String)]) -> Running {
        self.start_reading(args, env, Stdio::null())
    }

    /// A command with this stdin and these variables in its environment.
    pub fn start_reading(&self, args: Vec<OsString>, env: &[(String, String)], stdin: Stdio) -> Running {
        let number = self.runs.fetch_add(1, Ordering::Relaxed);
        let path = |ending| self.root().join("runs").join(format!("{number}.{ending}"));
        let (out, err) = (path("out"), path("err"));
        let mut words = self.under.lock().unwrap().clone();
        words.push(self.binary().into());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).args(&args).stdin(stdin).current_dir(self.root());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        for name in ["SSL_CERT_FILE", "LONGHAUL_STATE_DIR", "http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.envs(env.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().unwrap();
        Running { child, out, err, begun: Instant::now(), limit: DEADLINE, over: None }
    }

    /// Body bytes served, once nothing is being served any more.
    pub fn served(&self) -> u64 {
        self.origin.settled(SOON);
        self.origin.bytes_served()
    }

    /// A first run that the origin cuts after so many bytes: they are kept.
    pub fn hold(&self, bytes: u64) {
        self.origin.script("/file", vec![longhaul_devstore::Fault::Cut { after: bytes }]);
        let ran = self.get().retries(0).run();
        self.origin.script("/file", Vec::new());
        ran.expect(self, 10, "network, kept");
        assert_eq!(ran.held(), bytes, "{}", ran.report(self));
    }

    /// The target holds these bytes and nothing else of ours lies in the folder.
    pub fn assert_published(&self, content: &Content, ran: &Ran) {
        let difference = content.first_difference_in_file(self.file());
        assert!(matches!(difference, Ok(None)), "the file is wrong: {difference:?}\n{}", ran.report(self));
        assert_eq!(names(&self.folder()), BTreeSet::from(["file".to_owned()]), "{}", ran.report(self));
    }
}

/// A `longhaul get` to be.
pub struct Get<'b> {
    bench: &'b Bench,
    url: String,
    place: Vec<OsString>,
    state: PathBuf,
    retries: u32,
    connections: String,
    proxy: Option<String>,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    json: bool,
}

impl Get<'_> {
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Over so many connections, or `auto`.
    pub fn connections(mut self, connections: &str) -> Self {
        connections.clone_into(&mut self.connections);
        self
    }

    /// Over one connection, which is the default here: bytes come in order, a body that is held back is not asked for
    /// by somebody else, and a request follows the end of the one before. With more of them it depends on the machine
    /// which request meets which fault: a reply that is slow on a busy one is asked for a second time.
    pub fn alone(self) -> Self {
        self.connections("1")
    }

    pub fn to(mut self, file: impl AsRef<Path>) -> Self {
        self.place = vec!["-o".into(), file.as_ref().into()];
        self
    }

    pub fn into_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.place = vec!["-d".into(), folder.as_ref().into()];
        self
    }

    pub fn state_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.state = folder.into();
        self
    }

    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// By way of this proxy; by default it is told to use none.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// By way of the proxy that this variable of the environment names.
    pub fn proxy_from(mut self, name: &str, url: impl Into<String>) -> Self {
        self.proxy = None;
        self.env.push((name.to_owned(), url.into()));
        self
    }

    /// With these variables in its environment.
    pub fn envs(mut self, env: &[(String, String)]) -> Self {
        self.env.extend_from_slice(env);
        self
    }

    /// As people see it: no events on stdout.
    pub fn plain(mut self) -> Self {
        self.json = false;
        self
    }

    pub fn start(self) -> Running {
        let mut args: Vec<OsString> = vec!["get".into(), self.url.into()];
        args.extend(self.place);
        if let Some(proxy) = self.proxy {
            args.extend(["--proxy".into(), proxy.into()]);
        }
        args.extend(["--retries".into(), self.retries.to_string().into()]);
        if !self.args.iter().any(|arg| arg == "-x" || arg == "--connections") {
            args.extend(["-x".into(), self.connections.into()]);
        }
        args.extend(["--state-dir".into(), self.state.into()]);
        if self.json {
            args.push("--json".into());
        }
        args.extend(self.args);
        self.bench.start(args, &self.env)
    }

    pub fn run(self) -> Ran {
        self.start().wait()
    }
}

/// A command at work. Dropped, it is killed.
pub struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    begun: Instant,
    limit: Duration,
    over: Option<ExitStatus>,
}

impl Running {
    /// With another deadline than [`DEADLINE`].
    pub fn within(mut self, limit: Duration) -> Running {
        self.limit = limit;
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        // It may have ended by itself; it is a zombie then, not somebody else.
        kill_process(pid, signal).unwrap();
    }

    pub fn is_over(&mut self) -> bool {
        if self.over.is_none() {
            self.over = self.child.try_wait().unwrap();
        }
        self.over.is_some()
    }

    /// What it has told so far on stdout.
    pub fn told(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// What it has said so far on stderr.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.err).unwrap_or_default()
    }

    /// The bytes that it has told of as received.
    pub fn received(&self) -> u64 {
        self.progress().into_iter().max().unwrap_or(0)
    }

    /// What it has told of as received, each time it did.
    pub fn progress(&self) -> Vec<u64> {
        let progress = |line: &str| serde_json::from_str::<Value>(line).ok()?["received"].as_u64();
        self.told().lines().filter_map(progress).collect()
    }

    /// Bytes of uploads that it has told of as acknowledged.
    pub fn acknowledged(&self) -> u64 {
        let acknowledged = |line: &str| serde_json::from_str::<Value>(line).ok()?["acknowledged"].as_u64();
        self.told().lines().filter_map(acknowledged).max().unwrap_or(0)
    }

    /// The most failures in a row that it has told of.
    pub fn failures(&self) -> u64 {
        let failures = |line: &str| serde_json::from_str::<Value>(line).ok()?["failures"].as_u64();
        self.told().lines().filter_map(failures).max().unwrap_or(0)
    }

    /// Waits for the end, at most until the deadline: then it is killed, and counts as hung.
    pub fn wait(mut self) -> Ran {
        while !self.is_over() && self.begun.elapsed() < self.limit {
            std::thread::sleep(Duration::from_millis(2));
        }
        let status = self.over;
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let (stdout, stderr) = (read(&self.out), read(&self.err));
        let events = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ran { status, stdout, stderr, events, elapsed: self.begun.elapsed() }
    }

    /// `kill -9`.
    pub fn kill(self) -> Ran {
        self.signal(Signal::KILL);
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command that has ended.
pub struct Ran {
    /// `None`: it hung and was killed.
    status: Option<ExitStatus>,
    pub stdout: String,
    pub stderr: String,
    pub events: Vec<Value>,
    pub elapsed: Duration,
}

impl Ran {
    /// The exit code; negative for the signal that killed it.
    pub fn code(&self) -> i32 {
        use std::os::unix::process::ExitStatusExt as _;
        let of = |status: ExitStatus| status.code().or(status.signal().map(|signal| -signal));
        self.status.and_then(of).unwrap_or(i32::MIN)
    }

    pub fn event(&self, name: &str) -> Option<&Value> {
        self.events.iter().rev().find(|event| event["event"] == name)
    }

    /// The end in words, from the last event: `validator, resumed` or `network, kept`.
    pub fn verdict(&self) -> String {
        if self.status.is_none() {
            return "HUNG".to_owned();
        }
        if let Some(done) = self.event("done") {
            if done["not_modified"] == true {
                return "not modified".to_owned();
            }
            let mut words = vec![done["verified"].as_str().unwrap_or_default().to_owned()];
            if done["already"] == true {
                words.push("already".to_owned());
            }
            if done["resumed"].as_u64() > Some(0) {
                words.push("resumed".to_owned());
            }
            let mut restarts: Vec<&str> =
                done["restarts"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            restarts.dedup();
            if !restarts.is_empty() {
                words.push(format!("restarted ({})", restarts.join(" ")));
            }
            if done["retries"].as_u64() > Some(0) {
                words.push("retried".to_owned());
            }
            return words.join(", ");
        }
        let Some(failed) = self.event("failed") else { return "no last event".to_owned() };
        let kept = if failed["state_kept"] == true { ", kept" } else { "" };
        format!("{}{kept}", failed["kind"].as_str().unwrap_or_default())
    }

    /// Bytes kept, as the last event says.
    pub fn held(&self) -> u64 {
        self.event("failed").and_then(|failed| failed["held"].as_u64()).unwrap_or_default()
    }

    /// Bytes of the object that came in this run.
    pub fn fetched(&self) -> u64 {
        self.event("done").and_then(|done| done["fetched"].as_u64()).unwrap_or_default()
    }

    /// What must be true of every run, whatever was asked of it.
    pub fn unsound(&self) -> Option<&'static str> {
        if self.status.is_none() {
            return Some("it hung");
        }
        if self.stderr.contains("panicked") || self.stdout.contains("panicked") {
            return Some("it panicked");
        }
        let documented = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 129, 130, 143, -9];
        (!documented.contains(&self.code())).then_some("the exit code is not documented")
    }

    /// All that is known, for the message of a failed assertion.
    pub fn report(&self, bench: &Bench) -> String {
        let mut text = format!(
            "exit {}, {}, after {:?}\nstderr: {}\nfolder: {:?}\nrequests:\n{}",
            self.code(),
            self.verdict(),
            self.elapsed,
            self.stderr.trim_end(),
            names(&bench.folder()),
            requests(&bench.origin.log()),
        );
        let worth = |event: &&Value| event["event"] != "progress";
        for event in self.events.iter().filter(worth) {
            text += &format!("  {event}\n");
        }
        text
    }

    /// It ended so and no other way.
    #[track_caller]
    pub fn expect(&self, bench: &Bench, code: i32, verdict: &str) {
        assert_eq!(self.unsound(), None, "{}", self.report(bench));
        assert_eq!((self.code(), self.verdict().as_str()), (code, verdict), "{}", self.report(bench));
    }

    /// [`Ran::expect`] for the code alone.
    #[track_caller]
    pub fn expect_code(&self, bench: &Bench, code: i32) {
        assert_eq!(self.unsound(), None, "{}", self.report(bench));
        assert_eq!(self.code(), code, "{}", self.report(bench));
    }
}

/// The log of an origin, a line for each request.
pub fn requests(log: &[Seen]) -> String {
    let line = |seen: &Seen| {
        let mut line = format!("  {} {}", seen.method, seen.target);
        for (name, value) in seen.headers.iter() {
            if ["range", "if-match", "if-range", "if-unmodified-since"].contains(&name.to_ascii_lowercase().as_str()) {
                line += &format!(" [{name}: {}]", String::from_utf8_lossy(value));
            }
        }
        let status = seen.status.map_or("no head".to_owned(), |status| status.to_string());
        format!("{line} -> {status}, {} bytes, {:?}\n", seen.body_bytes, seen.ended)
    };
    if log.len() > 30 {
        let first: String = log[..15].iter().map(line).collect();
        let last: String = log[log.len() - 15..].iter().map(line).collect();
        return format!("{first}  … {} in all …\n{last}", log.len());
    }
    log.iter().map(line).collect()
}
