//! `longhaul demo`: the whole story on this machine, without a network: a download that is cut, killed and overtaken by
//! a change of its object, and comes out right; then an upload ([`upload`]) that is cut, killed and left without an
//! answer.
//!
//! It is no play: a store in this process misbehaves as told, the transfers are runs of this very program, the kills
//! are SIGKILLs, and at the end the files are compared with what the store has.

mod upload;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use longhaul_devstore::oss::{Builder, Server};
use serde_json::Value;

use super::runtime;
use crate::exit::{Exit, Failure};
use crate::out;
use crate::show::text::bytes;
use crate::signals::Signals;

/// The usual terminal.
const COLUMNS: usize = 80;
const SIZE: u64 = 64 << 20;
const BUCKET: &str = "demo";
const KEY: &str = "film.bin";
/// Slow enough to watch, fast enough for an impatient newcomer.
const BYTES_PER_SECOND: u64 = 24 << 20;
/// The connection is cut after so much of an answer.
const CUT_AFTER: u64 = 10 << 20;
/// The process is killed when it has so much.
const KILL_AT: u64 = 24 << 20;
/// The second process has so much of the old version when the object changes; small, so that it is not done before.
const CHANGE_AFTER: u64 = 4 << 20;
/// The network never takes this long to say the next thing; the store is in this process.
const SILENCE: Duration = Duration::from_secs(30);

pub(crate) fn run() -> Result<Exit, Failure> {
    let runtime = runtime()?;
    runtime.block_on(async {
        let mut signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let stop = Arc::new(AtomicBool::new(false));
        let of_story = stop.clone();
        let (tell, mut told) = tokio::sync::oneshot::channel();
        let story = std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
            let _ = tell.send(Story::begin(of_story).and_then(|story| story.tell())); // always heard
        });
        story.map_err(|e| Failure::internal(format!("no thread can be started ({e}; ulimit -u)")))?;
        tokio::select! {
            told = &mut told => told.map_err(|_| Failure::internal("the demo broke off"))?.map(|()| Exit::Done),
            signal = signals.next() => {
                stop.store(true, Ordering::Relaxed);
                let _ = told.await; // it ends by itself, and cleans up
                Ok(Exit::Signal(signal))
            }
        }
    })
}

struct Story {
    server: Server,
    file: PathBuf,
    stop: Arc<AtomicBool>,
    began: Instant,
    /// Last, so that it is removed when the store has stopped.
    folder: tempfile::TempDir,
}

/// What a run of `longhaul get` or `longhaul put` told.
#[derive(Default)]
struct DemoCounts {
    resumed_with: u64,
    retries: u64,
    /// Why held bytes were given up, and how many.
    restarted: Option<(String, u64)>,
    received: u64,
    /// What the store has of an upload.
    acknowledged: u64,
    /// An answer was lost, and it was found out what became of the request.
    settled: bool,
    verified: Option<String>,
    done: bool,
    failed: Option<String>,
}

impl Story {
    fn begin(stop: Arc<AtomicBool>) -> Result<Story, Failure> {
        let began = Instant::now();
        let folder = tempfile::Builder::new().prefix("longhaul-demo-").tempdir();
        let folder = folder.map_err(|e| local(format!("cannot make a temporary folder ({e})")))?;
        let server = Builder::new(folder.path().join("store")).anonymous(true).sync(false).bucket(BUCKET).start();
        let server = server.map_err(|e| local(format!("cannot start a store in {} ({e})", folder.path().display())))?;
        let made = server.put_seeded(BUCKET, KEY, 1, SIZE);
        made.map_err(|e| local(format!("cannot write {} to {} ({e})", bytes(SIZE), folder.path().display())))?;
        let file = folder.path().join(KEY);
        Ok(Story { server, file, stop, began, folder })
    }

    fn tell(&self) -> Result<(), Failure> {
        say("longhaul moves large files over networks that fail. To show it, a small server is started on \
             this machine, no network is used, and everything goes wrong on purpose.\n")?;
        let downloaded = self.download()?;
        let uploaded = self.upload()?;
        say(&format!(
            "What it cost\n\n{downloaded}\n{uploaded}\n  took                  {:>10}\n\n\
             Everything of the demo is removed again. `longhaul get --help` and `longhaul put --help` begin \
             the real thing, `longhaul serve` gives you a server that fails like this one.",
            format!("{:.1} s", self.began.elapsed().as_secs_f64()),
        ))
    }

    /// A file comes down; its lines of the summary.
    fn download(&self) -> Result<String, Failure> {
        say(&format!(
            "The server has a file of {}. It is downloaded, but\n  \
             - the connection is cut,\n  \
             - the program is killed in the middle and started anew,\n  \
             - and then the file is replaced by another one while it is being downloaded.\n",
            bytes(SIZE)
        ))?;
        self.fault(&format!("op=GetObject kind=bandwidth bytes_per_second={BYTES_PER_SECOND}"))?;
        self.fault(&format!("op=GetObject kind=cut after={CUT_AFTER} times=2"))?;
        say(&format!("1  longhaul get {}", self.url()))?;
        let first = self.get(Some(KILL_AT))?;
        if first.done || first.failed.is_some() {
            let why = first.failed.unwrap_or_else(|| "it was done too early".to_owned());
            return Err(Failure::internal(format!("the first download did not live to be killed: {why}")));
        }
        say(&format!(
            "   The connection was cut {}; each time the download went on from there.\n   \
             At {} the program was killed with kill -9: it had no chance to save anything.\n",
            times(first.retries),
            bytes(first.received)
        ))?;

        self.fault(&format!("op=GetObject kind=replace after={CHANGE_AFTER} times=1"))?;
        self.fault(&format!("op=GetObject kind=cut after={CHANGE_AFTER} times=1"))?;
        say("2  The same command again.")?;
        let second = self.get(None)?;
        if !second.done {
            let why = second.failed.unwrap_or_else(|| "it told no reason".to_owned());
            return Err(Failure::internal(format!("the second download did not end well: {why}")));
        }
        say(&format!(
            "   Kept from the killed program: {}, checked and not fetched again.",
            bytes(second.resumed_with)
        ))?;
        if let Some((why, discarded)) = &second.restarted {
            say(&format!(
                "   Then the file on the server was replaced, and the connection cut once more. longhaul saw that \
                 {why}. It gave up the {} that it had of the old one, since a file mixed from two versions is \
                 worse than none, and began anew.",
                bytes(*discarded)
            ))?;
        }
        let verified = second.verified.as_deref().unwrap_or("nothing");
        say(&format!("   The new one was fetched whole. Checked: {verified}.\n"))?;
        let sent = self.sent();
        let same = self
            .compare(KEY, &self.file)
            .map_err(|e| local(format!("cannot compare the file with the server's ({e})")))?;
        if !same {
            return Err(Failure::new(Exit::Integrity, "integrity", "the file is not the one that the server has"));
        }
        say("The downloaded file is byte for byte the one that the server has now.\n")?;
        let given_up = second.restarted.as_ref().map_or(0, |(_, discarded)| *discarded);
        Ok(format!(
            "  sent by the server    {:>10}   for a file of {}\n  \
             of the old version    {:>10}   in vain, because the file was replaced\n  \
             sent twice            {:>10}   because of the cuts and the kill\n",
            bytes(sent),
            bytes(SIZE),
            bytes(given_up),
            bytes(sent.saturating_sub(SIZE + given_up)),
        ))
    }

    fn url(&self) -> String {
        format!("{}/{BUCKET}/{KEY}", self.server.endpoint())
    }

    fn fault(&self, words: &str) -> Result<(), Failure> {
        self.server.fault(words).map(|_| ()).map_err(Failure::internal)
    }

    /// Bytes of the object that the store has sent so far.
    fn sent(&self) -> u64 {
        let log = self.server.log_since(0);
        log.iter().filter(|line| line["op"] == "GetObject").filter_map(|line| line["bytes_out"].as_u64()).sum()
    }

    /// Runs `longhaul get` as a process of its own; kills it when it has received so much.
    fn get(&self, kill_at: Option<u64>) -> Result<DemoCounts, Failure> {
        let program = std::env::current_exe().map_err(|e| Failure::internal(format!("where am I? ({e})")))?;
        let mut command = Command::new(program);
        command
            // One connection, so that things happen in the order in which they are told.
            .args(["get", "--json", "--overwrite", "--connections", "1", "--proxy", "none"])
            .args(["--stall-timeout", &SILENCE.as_secs().to_string()])
            .arg("--state-dir")
            .arg(self.folder.path().join("state"))
            .arg("-o")
            .arg(&self.file)
            .arg(self.url())
            .stdin(Stdio::null());
        self.listen(command, |told| kill_at.is_some_and(|at| told.received >= at))
    }

    /// Hears what a run of this program tells, and kills it when it has told enough.
    fn listen(&self, mut command: Command, enough: impl Fn(&DemoCounts) -> bool) -> Result<DemoCounts, Failure> {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = Killed(child.map_err(|e| Failure::internal(format!("cannot start a process ({e})")))?);
        let mut told = DemoCounts::default();
        let Some(out) = child.0.stdout.take() else { return Err(Failure::internal("the process has no stdout")) };
        for line in BufReader::new(out).lines() {
            let line = line.map_err(|e| Failure::internal(format!("the process cannot be heard ({e})")))?;
            told.hear(&serde_json::from_str(&line).unwrap_or(Value::Null));
            if self.stop.load(Ordering::Relaxed) {
                return Err(Failure::internal("stopped"));
            }
            if enough(&told) {
                break;
            }
        }
        Ok(told)
    }

    /// Holds a file against what the store has, without any of our own code for downloads.
    fn compare(&self, key: &str, file: &Path) -> io::Result<bool> {
        self.server.clear_faults();
        let mut stream = TcpStream::connect(self.server.address())?;
        stream.set_read_timeout(Some(SILENCE))?;
        write!(stream, "GET /{BUCKET}/{key} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut theirs = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if theirs.read_line(&mut line)? == 0 {
                return Ok(false);
            }
        }
        same(&mut theirs, &mut BufReader::new(File::open(file)?))
    }
}

impl DemoCounts {
    fn hear(&mut self, event: &Value) {
        let number = |name: &str| event[name].as_u64().unwrap_or(0);
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap_or_default() {
            "resumed" => self.resumed_with = number("held"),
            "progress" => {
                self.received = number("received");
                self.acknowledged = number("acknowledged");
            }
            "settling" => self.settled = true,
            "retry" => self.retries += 1,
            "restarted" => self.restarted = Some((text("message"), number("discarded"))),
            "verified" => self.verified = Some(format!("{} is right", text("digest"))),
            "done" => {
                let digest = event["digests"][0].as_str().map(|digest| format!("{digest} is right"));
                self.verified = self.verified.take().or(digest);
                self.done = true;
            }
            "failed" => self.failed = Some(text("message")),
            _ => {}
        }
    }
}

/// A process that does not outlive us.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended already
        let _ = self.0.wait();
    }
}

fn say(text: &str) -> Result<(), Failure> {
    out::stdout(&wrapped(text))
}

/// Each line in lines of at most [`COLUMNS`], where no word is longer, with its indentation.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    for line in text.split('\n') {
        if console::measure_text_width(line) <= COLUMNS {
            lines += line;
            lines.push('\n');
            continue;
        }
        let words = line.trim_start();
        let indent = " ".repeat(line.len() - words.len() + if words.starts_with("- ") { 2 } else { 0 });
        let mut row = line[..line.len() - words.len()].to_owned();
        let mut empty = true;
        for word in words.split(' ') {
            if !empty && console::measure_text_width(&row) + 1 + console::measure_text_width(word) > COLUMNS {
                lines += row.trim_end();
                lines.push('\n');
                (row, empty) = (indent.clone(), true);
            }
            row += if empty { "" } else { " " };
            row += word;
            empty = false;
        }
        lines += row.trim_end();
        lines.push('\n');
    }
    lines
}

fn local(message: String) -> Failure {
    Failure::new(Exit::LocalFile, "local_file", message)
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// Whether two readers have the same bytes and the same end.
fn same(a: &mut impl Read, b: &mut impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        a.by_ref().take(1 << 20).read_to_end(&mut left)?;
        b.by_ref().take(1 << 20).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_told_fits_eighty_columns_and_keeps_its_indentation() {
        let text = format!("One\n  - {}\n   {}\n", "two three ".repeat(12), "four ".repeat(30));
        let wrapped = super::wrapped(&text);
        assert!(wrapped.lines().all(|line| line.len() <= super::COLUMNS), "{wrapped}");
        assert!(
            wrapped.starts_with("One\n  - two three") && wrapped.contains("\n    t") && wrapped.contains("\n   four")
        );
        assert_eq!(wrapped.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert_eq!(super::wrapped("a  b"), "a  b\n");
    }

    #[test]
    fn readers_are_the_same_when_every_byte_and_the_end_are() {
        for (a, b, equal) in [("", "", true), ("ab", "ab", true), ("ab", "abc", false), ("ab", "aX", false)] {
            assert_eq!(super::same(&mut a.as_bytes(), &mut b.as_bytes()).unwrap(), equal, "{a} {b}");
        }
    }
}
