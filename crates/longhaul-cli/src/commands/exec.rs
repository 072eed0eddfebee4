//! `--exec`: a command of the user's for each file that is done.
//!
//! The text is the user's and goes to a shell as it is. What others chose (names that a server suggested, keys,
//! addresses) never becomes part of it: the path is the shell's first argument, the rest are variables. So a file
//! called `$(rm -rf ~)` is a file with an odd name.

use std::ffi::OsStr;
use std::io::Error;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::several::told;
use crate::exit::{Exit, Failure};
use crate::printable;
use crate::show::{Direction, ShownOutcome, ShownTransfer, text};
use crate::signals::Signal;

/// Every variable that a command may find. Those that have no value now are taken out of what it inherits.
const VARIABLES: [&str; 9] = [
    "LONGHAUL_FILE",
    "LONGHAUL_SOURCE",
    "LONGHAUL_DESTINATION",
    "LONGHAUL_BYTES",
    "LONGHAUL_VERIFIED",
    "LONGHAUL_ALREADY",
    "LONGHAUL_ETAG",
    "LONGHAUL_VERSION_ID",
    "LONGHAUL_ID",
];

/// Runs the command to its end. What it writes to stdout goes to stderr where stdout belongs to a program (`json`).
///
/// # Errors
/// When it cannot be run or fails; or when a signal comes, which is passed on to it.
pub(super) async fn run(
    command: &OsStr,
    subject: &ShownTransfer,
    finished: &ShownOutcome,
    json: bool,
    stop: &mut watch::Receiver<Option<Signal>>,
) -> Result<(), Failure> {
    let what = match &finished.stored {
        None => printable::here(&finished.path),
        Some(stored) => stored.destination.clone(),
    };
    let failed = |why: String| {
        let message = format!("{what}: done, but the command given with --exec {why}");
        Failure::new(Exit::ExecFailed, "exec_failed", message)
    };
    let mut child = spawn(command, subject, finished, json).map_err(|e| failed(format!("cannot be run ({e})")))?;
    tokio::select! {
        status = child.wait() => match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(failed(format!("failed ({})", ending(status)))),
            Err(e) => Err(failed(format!("cannot be waited for ({e})"))),
        },
        signal = told(stop) => {
            terminate(&child);
            let message = format!("{what}: done, and stopped by {} while the command given with --exec ran", signal.name());
            Err(Failure::new(Exit::Signal(signal), "interrupted", message))
        }
    }
}

fn spawn(command: &OsStr, subject: &ShownTransfer, finished: &ShownOutcome, json: bool) -> Result<Child, Error> {
    let mut shell = shell(command);
    let path = subject.path.as_deref();
    // The shell's own name, then "$1".
    shell.arg("longhaul").args(path);
    for name in VARIABLES {
        shell.env_remove(name);
    }
    shell.env("LONGHAUL_BYTES", finished.bytes.to_string());
    shell.env("LONGHAUL_VERIFIED", text::verified(finished.verified));
    shell.env("LONGHAUL_ALREADY", if finished.already { "1" } else { "0" });
    shell.envs(path.map(|path| ("LONGHAUL_FILE", path)));
    shell.envs(subject.id.as_ref().map(|id| ("LONGHAUL_ID", id)));
    match subject.way {
        Direction::Down => shell.env("LONGHAUL_SOURCE", &subject.url),
        Direction::Up => shell.env("LONGHAUL_DESTINATION", &subject.url),
    };
    if let Some(stored) = &finished.stored {
        shell.envs(stored.etag.as_ref().map(|etag| ("LONGHAUL_ETAG", etag)));
        shell.envs(stored.version.as_ref().map(|version| ("LONGHAUL_VERSION_ID", version)));
    }
    shell.stdin(Stdio::null());
    if json {
        shell.stdout(stderr()?);
    }
    shell.spawn()
}

fn shell(command: &OsStr) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command);
    shell
}

/// Where our own words for people go.
fn stderr() -> Result<Stdio, Error> {
    use std::os::fd::AsFd as _;
    Ok(std::io::stderr().as_fd().try_clone_to_owned()?.into())
}

fn terminate(child: &Child) {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM); // it has ended meanwhile: so much the better
    }
}

/// `exit code 3`, `killed by signal 9`.
fn ending(status: ExitStatus) -> String {
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("killed by signal {signal}");
    }
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "no exit code".to_owned(),
    }
}
