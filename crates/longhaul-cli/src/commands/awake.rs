//! `--keep-awake`: the machine does not go to sleep while transfers run, by the system's own inhibitor.
//!
//! It is another program that holds the inhibition as long as it runs. It must end with us, however we end: on Linux
//! what it runs reads a pipe whose other end only we have, and the kernel closes that also after `kill -9`; on macOS it
//! watches our process id. Without such a program, or when it gives up, that is said, and the transfers go on.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::process::Stdio;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::show::Show;

/// Of what an inhibitor that gives up has to say.
const WORDS_MAX: usize = 400;

/// An inhibitor that runs, until this is dropped.
pub(super) struct Awake {
    name: &'static str,
    running: Result<(Child, Option<ChildStdin>), String>,
}

impl Awake {
    /// Asks the system to stay awake. Must be called inside a tokio runtime.
    pub(super) fn begin() -> Self {
        let Some((name, args)) = inhibitor() else {
            return Self { name: "--keep-awake", running: Err("is not known on this system".to_owned()) };
        };
        let mut command = Command::new(name);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        #[cfg(unix)]
        command.process_group(0); // Ctrl-C is for us
        let running = match command.spawn() {
            Ok(mut child) => {
                let pipe = child.stdin.take();
                Ok((child, pipe))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Err("is not installed".to_owned()),
            Err(e) => Err(format!("cannot be run ({e})")),
        };
        Self { name, running }
    }

    /// Says when the machine is not kept awake, now or later. Never ends.
    pub(super) async fn watch(&mut self, show: &RefCell<Show>) {
        let why = match &mut self.running {
            Err(why) => why.clone(),
            Ok((child, _pipe)) => {
                let mut words = Vec::new();
                if let Some(stderr) = child.stderr.take() {
                    words = said(stderr).await;
                }
                match child.wait().await {
                    Ok(_) => format!("ended{}", words_of(&words)),
                    Err(e) => format!("cannot be watched ({e})"),
                }
            }
        };
        let name = self.name;
        show.borrow_mut().say(&format!("warning: {name} {why}: the machine may go to sleep during the transfer"));
        std::future::pending().await
    }
}

/// The program that keeps this system awake while it runs, and its arguments.
fn inhibitor() -> Option<(&'static str, Vec<String>)> {
    if cfg!(target_os = "linux") {
        let args = ["--what=idle:sleep", "--mode=block", "--who=longhaul", "--why=files are being transferred", "cat"];
        return Some(("systemd-inhibit", args.map(str::to_owned).into()));
    }
    if cfg!(target_os = "macos") {
        return Some(("caffeinate", vec!["-i".to_owned(), "-w".to_owned(), std::process::id().to_string()]));
    }
    None
}

/// The first of what is written, when the writer has closed.
async fn said(mut stderr: tokio::process::ChildStderr) -> Vec<u8> {
    let mut words = Vec::new();
    let mut piece = [0; 512];
    while let Ok(len) = stderr.read(&mut piece).await {
        if len == 0 {
            break;
        }
        let room = WORDS_MAX.saturating_sub(words.len());
        words.extend_from_slice(&piece[..len.min(room)]);
    }
    words
}

fn words_of(words: &[u8]) -> String {
    let words = String::from_utf8_lossy(words);
    match words.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => format!(" ({line})"),
        None => String::new(),
    }
}
