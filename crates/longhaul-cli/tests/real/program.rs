//! The binary under test as a process.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Nothing here takes as long; what does hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// One `longhaul get --json`, from its start to its end. Dropped, it is killed.
pub(crate) struct Get {
    child: Child,
    told: Arc<Told>,
    readers: Vec<JoinHandle<()>>,
    command: OsString,
}

/// `longhaul get --json`, with nothing of the machine's settings.
fn get_command(binary: &OsStr, state: &Path) -> Command {
    let mut command = Command::new(binary);
    for name in ["SSL_CERT_FILE", "SSL_CERT_DIR", "LONGHAUL_STATE_DIR"] {
        command.env_remove(name);
    }
    command.args(["get", "--json", "--proxy", "none", "--state-dir"]).arg(state);
    command
}

/// What the process said so far.
#[derive(Default)]
struct Told {
    events: Mutex<Vec<Value>>,
    changed: Condvar,
    stderr: Mutex<String>,
}

/// How it ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) events: Vec<Value>,
    pub(crate) stderr: String,
}

impl Get {
    /// Starts the binary of this build.
    pub(crate) fn start(url: &str, file: &Path, state: &Path, more: &[&str]) -> Get {
        Get::start_as(OsStr::new(env!("CARGO_BIN_EXE_longhaul")), url, file, state, more)
    }

    /// Starts the binary of this build on a list of URLs, a line each, whose files go into a folder.
    #[allow(dead_code, reason = "not every test that shares this file has a batch")]
    pub(crate) fn start_batch(list: &Path, folder: &Path, state: &Path, more: &[&str]) -> Get {
        let mut command = get_command(OsStr::new(env!("CARGO_BIN_EXE_longhaul")), state);
        command.arg("-d").arg(folder).arg("-i").arg(list).args(more);
        Get::spawn(command)
    }

    /// Starts another build of it.
    pub(crate) fn start_as(binary: &OsStr, url: &str, file: &Path, state: &Path, more: &[&str]) -> Get {
        let mut command = get_command(binary, state);
        command.arg("-o").arg(file).args(more).arg(url);
        Get::spawn(command)
    }

    fn spawn(mut command: Command) -> Get {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let words: Vec<_> = command.get_args().map(OsStr::to_os_string).collect();
        let mut child = command.spawn().unwrap();
        let told = Arc::new(Told::default());
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (events, errors) = (told.clone(), told.clone());
        let readers = vec![
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines() {
                    // A line that was cut by a kill is no event.
                    let Some(event) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else { break };
                    events.events.lock().unwrap().push(event);
                    events.changed.notify_all();
                }
            }),
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // What was read before an error is all there is.
                stderr.read_to_end(&mut text).unwrap_or_default();
                *errors.stderr.lock().unwrap() = String::from_utf8_lossy(&text).into_owned();
            }),
        ];
        Get { child, told, readers, command: words.join(OsStr::new(" ")) }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// A signal that can be caught.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether it is still running.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for an event; false when the process ends, or time runs out, without one.
    pub(crate) fn saw(&mut self, wanted: impl Fn(&Value) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            let ended = !self.runs();
            {
                let events = self.told.events.lock().unwrap();
                let (events, _) = self.told.changed.wait_timeout(events, Duration::from_millis(5)).unwrap();
                if events[seen..].iter().any(&wanted) {
                    return true;
                }
                seen = events.len();
            }
            if ended && self.readers.iter().all(JoinHandle::is_finished) || Instant::now() > deadline {
                return false;
            }
        }
    }

    /// The highest number that a field of progress events has had.
    pub(crate) fn highest(&self, field: &str) -> u64 {
        highest(&self.told.events.lock().unwrap(), field)
    }

    /// Peak resident memory so far, in KiB; `None` when the process is gone.
    pub(crate) fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    /// Waits for its end. One that does not come to an end is killed, and the test fails.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let in_time = super::until(PATIENCE, || !self.runs());
        if !in_time {
            self.kill();
        }
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let events = std::mem::take(&mut *self.told.events.lock().unwrap());
        let stderr = std::mem::take(&mut *self.told.stderr.lock().unwrap());
        assert!(in_time, "hangs: {:?}\n{events:?}\n{stderr}", self.command);
        assert!(!stderr.contains("panicked at"), "{stderr}");
        Ended { status, events, stderr }
    }
}

impl Drop for Get {
    fn drop(&mut self) {
        // Ended already, or ended by this.
        self.child.kill().unwrap_or_default();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The exit code; `None` when a signal killed it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that killed it.
    pub(crate) fn killed_by(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The file is published.
    #[track_caller]
    pub(crate) fn assert_done(&self) -> &Value {
        assert_eq!(self.code(), Some(0), "{} {:?}", self.stderr, self.events);
        let last = self.events.last().unwrap();
        assert_eq!(last["event"], "done", "{:?}", self.events);
        last
    }

    /// It ended with this code, nothing was published, and this was said about it.
    #[track_caller]
    pub(crate) fn assert_failed(&self, code: i32, says: &str) {
        assert_eq!(self.code(), Some(code), "{} {:?}", self.stderr, self.events);
        assert!(self.stderr.contains(says), "no {says:?} in: {}", self.stderr);
        assert_eq!(self.events.last().unwrap()["event"], "failed", "{:?}", self.events);
    }

    /// The first event of this kind.
    pub(crate) fn event(&self, name: &str) -> Option<&Value> {
        self.events.iter().find(|event| event["event"] == name)
    }

    /// The highest number that a field of progress events has had.
    pub(crate) fn highest(&self, field: &str) -> u64 {
        highest(&self.events, field)
    }
}

fn highest(events: &[Value], field: &str) -> u64 {
    events.iter().filter(|e| e["event"] == "progress").filter_map(|e| e[field].as_u64()).max().unwrap_or(0)
}
