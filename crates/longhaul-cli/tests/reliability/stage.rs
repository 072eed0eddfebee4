//! How a case is played to a client, and what came of it.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, SystemTime};

use longhaul_devstore::{Connect, Content, Fault, Gate, Origin};
use tempfile::TempDir;

use crate::cases::{Case, Then};
use crate::clients::Client;
use crate::real::until;

/// No run may take longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// For what takes a moment.
const SOON: Duration = Duration::from_secs(90);
/// How long a client that is to be killed has to write down what it received.
const WRITING: Duration = Duration::from_secs(3);
/// What it may still have in its buffers then.
const BUFFERED: u64 = 256 << 10;

/// What came of a case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    first: Delivered,
    /// What the same command delivers when everything is well again; played only when the first ended with an error.
    again: Option<Delivered>,
    /// Body bytes that were sent, over the length of the object.
    served: f64,
}

/// What a run delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivered {
    /// The file is one version of the object, whole; exit code 0.
    Right,
    /// The same, but it says that something is wrong.
    RightWithError,
    /// Exit code 0, and the file is no version of the object.
    Wrong,
    /// It says so, and what it received is there for the next run.
    ErrorKept,
    /// It says so, and there is nothing.
    Error,
    /// It does not come to an end.
    Hangs,
}

impl Delivered {
    fn word(self) -> &'static str {
        match self {
            Delivered::Right => "right",
            Delivered::RightWithError => "right, with an error",
            Delivered::Wrong => "**WRONG**",
            Delivered::ErrorKept => "error, kept",
            Delivered::Error => "error",
            Delivered::Hangs => "hangs",
        }
    }
}

impl Outcome {
    /// Without the numbers.
    pub(crate) fn words(&self) -> String {
        let again = self.again.map(|again| format!("; again: {}", again.word())).unwrap_or_default();
        format!("{}{again}", self.first.word())
    }

    /// Whether the client said that all is well, and it was not.
    pub(crate) fn is_wrong(&self) -> bool {
        self.first == Delivered::Wrong || self.again == Some(Delivered::Wrong)
    }

    /// Whether the file was right in the end.
    pub(crate) fn is_right(&self) -> bool {
        self.first == Delivered::Right || self.again == Some(Delivered::Right)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ×{:.1}", self.words(), self.served)
    }
}

/// Where it is played.
pub(crate) struct Stage<'c> {
    pub(crate) origin: Origin,
    folder: TempDir,
    client: &'c Client,
    url: String,
    sha256: Option<String>,
}

/// Plays a case to a client; `None` when it cannot take part.
pub(crate) fn play(case: &Case, client: &Client) -> Option<Outcome> {
    // Small buffers: what was sent and what the client has do not lie far apart.
    let origin = Origin::builder().write_bytes(16 << 10).send_buffer(16 << 10).start().unwrap();
    origin.put("/file", case.object.clone());
    let sha256 = case.digest.then(|| case.last().content.sha256());
    let url = origin.url("/file");
    let stage = Stage { origin, folder: tempfile::tempdir().unwrap(), client, url, sha256 };
    fs::create_dir(stage.out()).unwrap();
    client.command(&stage.out(), &stage.url, stage.sha256.as_deref())?;

    if let Some(before) = &case.before {
        stage.killed(before.held);
        for then in &before.then {
            stage.meanwhile(case, then);
        }
    }
    (case.faults)(&stage.origin);
    let code = stage.run();
    let first = stage.delivered(case, code);
    let again = match first {
        Delivered::Right | Delivered::Wrong => None,
        _ => {
            stage.heal(case);
            let code = stage.run();
            Some(stage.delivered(case, code))
        }
    };
    stage.origin.settled(SOON);
    if std::env::var_os("LONGHAUL_CASES").is_some() {
        println!("\n{}, {}: {first:?}, {again:?}\n{}", case.name, client.name, stage.said());
    }
    let served = stage.origin.bytes_served() as f64 / case.last().content.len() as f64;
    Some(Outcome { first, again, served })
}

impl Stage<'_> {
    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn start(&self) -> Child {
        let mut command = self.client.command(&self.out(), &self.url, self.sha256.as_deref()).unwrap();
        let said = File::options().create(true).append(true).open(self.folder.path().join("said")).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap()
    }

    /// The exit code; `None` when it had to be killed.
    fn run(&self) -> Option<i32> {
        let mut child = self.start();
        let over = until(PATIENCE, || child.try_wait().unwrap().is_some());
        if !over {
            child.kill().unwrap();
        }
        child.wait().unwrap().code().filter(|_| over)
    }

    /// A run that is killed (SIGKILL) when it has received so many bytes in all and had time to write them.
    fn killed(&self, held: u64) {
        let gate = Gate::new();
        let (share, body) = (held / self.client.connections, gate.clone());
        self.origin.choose("/file", move |_| Fault::hold(share, &body));
        let mut child = self.start();
        let held = share * self.client.connections;
        let sent = || self.origin.bytes_served() >= held;
        assert!(until(SOON, || sent() || child.try_wait().unwrap().is_some()), "{}: {}", self.client.name, self.said());
        let sent_at = SystemTime::now();
        let partial = self.client.partial(&self.out());
        until(WRITING, || {
            let stored = fs::metadata(&partial).map_or(0, |facts| facts.blocks() * 512);
            let noted =
                |path: PathBuf| fs::metadata(path).and_then(|facts| facts.modified()).is_ok_and(|at| at > sent_at);
            stored + BUFFERED >= held && self.client.control(&self.out()).is_none_or(noted)
        });
        assert!(child.try_wait().unwrap().is_none(), "{}: it ended by itself: {}", self.client.name, self.said());
        child.kill().unwrap();
        child.wait().unwrap();
        gate.open();
        assert!(self.origin.settled(SOON));
        self.origin.always("/file", Fault::Correct);
    }

    fn meanwhile(&self, case: &Case, then: &Then) {
        let partial = self.client.partial(&self.out());
        let open = || File::options().write(true).open(&partial).unwrap();
        match then {
            Then::Replaced => self.origin.put("/file", case.last().clone()),
            Then::Truncated(len) => open().set_len(*len).unwrap(),
            Then::Zeroed(range) => {
                use std::os::unix::fs::FileExt as _;
                let zeros = vec![0; usize::try_from(range.end - range.start).unwrap()];
                open().write_all_at(&zeros, range.start).unwrap();
            }
            Then::Extended(len) => {
                use std::os::unix::fs::FileExt as _;
                let file = open();
                let end = file.metadata().unwrap().len();
                file.write_all_at(&vec![b'x'; usize::try_from(*len).unwrap()], end).unwrap();
            }
            Then::Deleted => fs::remove_file(&partial).unwrap(),
        }
    }

    /// Everything is well from now on.
    fn heal(&self, case: &Case) {
        self.origin.every_connect(Connect::Serve);
        self.origin.always("/file", Fault::Correct);
        self.origin.put("/file", case.last().clone());
    }

    fn delivered(&self, case: &Case, code: Option<i32>) -> Delivered {
        let file = self.out().join("file");
        let is = |content: &Content| matches!(content.first_difference_in_file(&file), Ok(None));
        let right = case.versions().any(|object| is(&object.content));
        let has_bytes = |path: &Path| fs::metadata(path).is_ok_and(|facts| facts.len() > 0);
        match code {
            None => Delivered::Hangs,
            Some(0) if right => Delivered::Right,
            Some(0) => Delivered::Wrong,
            Some(_) if right => Delivered::RightWithError,
            Some(_) if has_bytes(&self.client.partial(&self.out())) => Delivered::ErrorKept,
            Some(_) => Delivered::Error,
        }
    }

    fn said(&self) -> String {
        let said = fs::read_to_string(self.folder.path().join("said")).unwrap_or_default();
        let log = self.origin.log();
        let requests = log
            .iter()
            .map(|seen| format!("{:?} {:?} {} {:?}\n", seen.header("Range"), seen.status, seen.body_bytes, seen.ended));
        format!("{said}\n{}", requests.collect::<String>())
    }
}
