//! The servers, and one of them at work: with a bucket, a relay before it, and a user who knows both from the
//! environment.

use std::cell::{Cell, RefCell};
use std::ffi::OsString;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use longhaul_devstore::Content;

use crate::common::{Bench, Ran, Running, within};
use crate::relay::Relay;

pub(crate) const MIB: u64 = 1 << 20;
/// The least length of parts that S3 takes, and that longhaul sends.
pub(crate) const PART: u64 = 5 * MIB;
/// Four whole parts and a piece of one: more than goes in one request.
pub(crate) const LEN: u64 = 4 * PART + 321;
/// Parts on their way at once: fewer than there are, so that a kill after the first leaves some.
pub(crate) const CONNECTIONS: u64 = 2;
/// Slow enough for a kill to come in the middle.
pub(crate) const RATE: &str = "12M";
/// A store that was crashed may need half a minute on a busy machine until it answers again, and whoever has asked for
/// it in vain meanwhile asks less and less often.
const LIMIT: Duration = Duration::from_secs(120);

/// A kind of server: how it is started, and where it differs from the others.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    script: &'static str,
    /// Programs that it is made of.
    needs: &'static [&'static str],
    /// What is crashed when nothing is said: the whole of it, or the part that comes back within a second.
    crash: &'static [&'static str],
    /// What it knows of an upload that is complete.
    pub(crate) completed: Completed,
    /// By what an object made of parts is verified.
    whole: &'static str,
    /// Whether it takes a PUT that says that it must not replace anything. Garage takes it and replaces all the same.
    pub(crate) forbids_overwrite: bool,
}

/// How a store speaks of an upload after its Complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// It does not list it any more.
    Forgotten,
    /// It lists its parts as before, and answers Complete as before.
    Listed,
}

pub(crate) const CEPH: Kind = Kind {
    name: "Ceph's gateway",
    script: "ceph-rgw",
    needs: &["radosgw", "ceph-mon", "ceph-osd", "ceph"],
    crash: &["rgw"],
    completed: Completed::Forgotten,
    whole: "composite",
    forbids_overwrite: true,
};
/// The same, all of it crashed: the monitor and the OSD come back slowly.
pub(crate) const ALL_OF_CEPH: Kind = Kind { crash: &[], ..CEPH };
pub(crate) const GARAGE: Kind = Kind {
    name: "Garage",
    script: "garage",
    needs: &["garage"],
    crash: &[],
    completed: Completed::Forgotten,
    whole: "crc64nvme",
    forbids_overwrite: true,
};
pub(crate) const SWIFT: Kind = Kind {
    name: "Swift's S3 layer",
    script: "swift-s3",
    needs: &["swift-proxy-server", "swift-object-server", "memcached"],
    crash: &[],
    completed: Completed::Listed,
    whole: "composite",
    forbids_overwrite: false,
};

/// See the module.
pub(crate) struct Server {
    pub(crate) kind: &'static Kind,
    pub(crate) bench: Bench,
    pub(crate) relay: Relay,
    folder: tempfile::TempDir,
    told: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        script(self.kind, "wipe", self.folder.path(), &[]);
    }
}

fn script(kind: &Kind, verb: &str, folder: &Path, more: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/servers").join(kind.script);
    Command::new(script).arg(verb).arg(folder).args(more).stdin(Stdio::null()).output().unwrap()
}

/// How many servers this process has started.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// The first of twelve ports in a row that are free, below those that systems give to whoever asks for any.
fn free_ports() -> u16 {
    let begin = 16_000 + u16::try_from(std::process::id() % 300).unwrap() * 12;
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    // Tests side by side do not look at the same ones.
    let others = STARTED.fetch_add(1, Ordering::Relaxed);
    (begin..32_000).step_by(12).filter(|&first| (first..first + 12).all(free)).nth(others).unwrap()
}

fn is_installed(kind: &Kind) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin");
    let places: Vec<PathBuf> =
        std::env::split_paths(&path).chain([tools, "/usr/sbin".into(), "/sbin".into()]).collect();
    kind.needs.iter().all(|name| places.iter().any(|place| place.join(name).exists()))
}

impl Server {
    /// `None`, and said, where it is not installed and need not be.
    pub(crate) fn start(kind: &'static Kind, more: &[&str]) -> Option<Server> {
        if !is_installed(kind) {
            let why = format!("{} is not installed", kind.name);
            assert!(std::env::var_os("LONGHAUL_REQUIRE_SERVERS").is_none_or(|v| v != "1"), "required, but {why}");
            println!("skipped: {why}");
            return None;
        }
        let (folder, port) = (tempfile::tempdir().unwrap(), free_ports());
        let bench = Bench::new();
        fs::create_dir(bench.root().join("home")).unwrap();
        let mut server = Server { kind, bench, relay: Relay::to(port), folder, told: String::new() };
        let port = port.to_string();
        server.told = server.script("start", &[&[port.as_str()], more].concat());
        server.curl(&["-X", "PUT"], "films");
        Some(server)
    }

    pub(crate) fn script(&self, verb: &str, more: &[&str]) -> String {
        let output = script(self.kind, verb, self.folder.path(), more);
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{verb}: {}{}", said(&output.stdout), said(&output.stderr));
        said(&output.stdout)
    }

    /// `kill -9` of the server, in the middle of whatever body is on its way.
    pub(crate) fn crash(&self) {
        self.relay.hold();
        self.script("crash", self.kind.crash);
        self.relay.release();
    }

    pub(crate) fn come_back(&self) {
        self.script("start", &[]);
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        let line = self.told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.told))
    }

    // ---- what somebody else sees and does ----------------------------------------------------------------------

    /// A request by curl, not by way of the relay: status and body.
    pub(crate) fn ask(&self, args: &[&str], path: &str) -> (u16, Vec<u8>) {
        // In a URL, since a user's name before a password cannot have the colon that Swift's has.
        let id = self.value("AWS_ACCESS_KEY_ID").replace(':', "%3A");
        let with_keys = format!("http://{id}:{}@", self.value("AWS_SECRET_ACCESS_KEY"));
        let url = self.value("ENDPOINT").replacen("http://", &with_keys, 1);
        let sigv4 = format!("aws:amz:{}:s3", self.value("AWS_REGION"));
        let body = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("curl");
        command.args(["-q", "-sS", "--globoff", "--noproxy", "*", "--max-time", "60", "-w", "%{http_code}", "-o"]);
        command.arg(body.path()).args(["--aws-sigv4", &sigv4, "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]);
        let output = command.args(args).arg(format!("{url}/{path}")).output().unwrap();
        assert!(output.status.success(), "curl {args:?} {path}: {}", String::from_utf8_lossy(&output.stderr));
        let status = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
        (status, fs::read(body.path()).unwrap())
    }

    /// The same, which has to succeed.
    #[track_caller]
    pub(crate) fn curl(&self, args: &[&str], path: &str) -> Vec<u8> {
        let (status, body) = self.ask(args, path);
        assert!((200..300).contains(&status), "{args:?} {path}: {status} {}", String::from_utf8_lossy(&body));
        body
    }

    /// Somebody else's object.
    pub(crate) fn write(&self, key: &str, content: &Content) {
        let file = self.file("theirs", content);
        self.curl(&["-T", file.to_str().unwrap()], &format!("films/{key}"));
    }

    /// The ids of the uploads of a key that are neither complete nor aborted, as in the list's XML.
    pub(crate) fn uploads(&self, key: &str) -> Vec<String> {
        let xml = String::from_utf8_lossy(&self.curl(&[], "films?uploads=")).into_owned();
        let inside = |text: &str, name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            Some(rest.split_once("</")?.0.to_owned())
        };
        let uploads = xml.split("<Upload>").skip(1);
        uploads.filter(|u| inside(u, "Key").as_deref() == Some(key)).filter_map(|u| inside(u, "UploadId")).collect()
    }

    #[track_caller]
    pub(crate) fn assert_stored(&self, key: &str, content: &Content, ran: &Ran) {
        let (status, body) = self.ask(&[], &format!("films/{key}"));
        assert!((status, &body) == (200, &content.to_vec()), "{key} is not what was read: {}", self.report(ran));
    }

    #[track_caller]
    pub(crate) fn assert_nothing_left(&self, key: &str, ran: &Ran) {
        assert_eq!(self.uploads(key), Vec::<String>::new(), "an upload is left: {}", self.report(ran));
        let listed = self.longhaul(&["list"]).wait();
        assert!(!listed.stdout.contains(&format!("s3://films/{key}\"")), "{} {}", listed.stdout, self.report(ran));
    }

    // ---- the user ----------------------------------------------------------------------------------------------

    /// A file of these bytes, written an hour ago.
    pub(crate) fn file(&self, name: &str, content: &Content) -> PathBuf {
        let path = self.bench.folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::copy(&mut content.reader(), &mut File::create(&path).unwrap()).unwrap();
        let file = File::options().append(true).open(&path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
        path
    }

    /// A command whose last words are the state directory and `--json`.
    pub(crate) fn longhaul(&self, args: &[&str]) -> Running {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let env = [
            pair("HOME", self.bench.root().join("home").to_str().unwrap()),
            pair("AWS_ENDPOINT_URL", &self.relay.endpoint()),
            pair("AWS_REGION", self.value("AWS_REGION")),
            pair("AWS_ACCESS_KEY_ID", self.value("AWS_ACCESS_KEY_ID")),
            pair("AWS_SECRET_ACCESS_KEY", self.value("AWS_SECRET_ACCESS_KEY")),
            pair("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let state = self.bench.state();
        let more = ["--state-dir", state.to_str().unwrap(), "--json"];
        let args = args.iter().copied().chain(more).map(OsString::from).collect();
        self.bench.start_reading(args, &env, Stdio::null()).within(LIMIT)
    }

    pub(crate) fn put(&self, file: &Path, key: &str, more: &[&str]) -> Running {
        let (file, object, connections) =
            (file.to_str().unwrap(), format!("s3://films/{key}"), CONNECTIONS.to_string());
        let words = ["put", file, &object, "--part-size", "5M", "-x", &connections, "--proxy", "none"];
        self.longhaul(&[&words, &["--retries", "100", "--settle-timeout", "3"][..], more].concat())
    }

    pub(crate) fn get(&self, key: &str, target: &Path, more: &[&str]) -> Running {
        let object = format!("s3://films/{key}");
        let words = ["get", &object, "-o", target.to_str().unwrap(), "--proxy", "none", "--retries", "100"];
        self.longhaul(&[&words, more].concat())
    }

    /// An upload that is killed when the store has acknowledged a part at least.
    pub(crate) fn leave_unfinished(&self, file: &Path, key: &str) {
        let mut running = self.put(file, key, &["--limit-rate", RATE]);
        let seen = self.until(&mut running, |_| self.relay.acknowledged(key) > 0);
        // And it knows of it.
        self.relay.hold();
        let seen = seen && self.until(&mut running, |running| running.acknowledged() > 0);
        let ran = running.kill();
        self.relay.release();
        assert!(seen && ran.code() == -9, "{}", self.report(&ran));
        assert_eq!(self.uploads(key).len(), 1, "{}", self.report(&ran));
    }

    /// Waits until the condition holds, and no longer than the command runs.
    pub(crate) fn until(&self, running: &mut Running, condition: impl Fn(&Running) -> bool) -> bool {
        let over = Cell::new(false);
        let running = RefCell::new(running);
        let ended = || {
            over.set(running.borrow_mut().is_over());
            over.get()
        };
        within(LIMIT, || condition(&running.borrow()) || ended()) && !over.get()
    }

    /// `verdict` has the word `whole` for what an object made of parts is verified by.
    #[track_caller]
    pub(crate) fn expect(&self, ran: &Ran, code: i32, verdict: &str) {
        let verdict = verdict.replace("whole", self.kind.whole);
        assert_eq!(ran.unsound(), None, "{}", self.report(ran));
        assert_eq!((ran.code(), ran.verdict().as_str()), (code, verdict.as_str()), "{}", self.report(ran));
    }

    pub(crate) fn report(&self, ran: &Ran) -> String {
        format!("{}: {}\nat the relay:\n{}", self.kind.name, ran.report(&self.bench), self.relay.told())
    }
}
