//! `longhaul serve … -- COMMAND`: a command that has the store for as long as it runs.
//!
//! Signals are passed on to the command, and it decides how it ends. At a terminal, Ctrl-C reaches the command without
//! us, since it is in the terminal's foreground as we are; passed on, it would come twice, which pytest and others take
//! for "at once". Elsewhere the command gets a process group of its own, so that a signal reaches all that it started.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, getpgrp, kill_process, kill_process_group};
use tokio::time::{Instant, sleep_until};

use super::settings;
use crate::exit::{Exit, Failure};
use crate::signals::{Signal, Signals};

/// A command that was told to end, and does not, is killed after this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the command to its end.
///
/// # Errors
/// When it cannot be run.
pub(super) async fn run(
    program: &OsStr,
    arguments: &[OsString],
    variables: &[(&str, String)],
    signals: &mut Signals,
) -> Result<Exit, Failure> {
    let has_terminal = is_in_foreground();
    let mut command = Command::new(program);
    command.args(arguments);
    for name in settings::REMOVED {
        command.env_remove(name);
    }
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if !has_terminal {
        command.process_group(0);
    }
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| not_run(program, &error))?;
    let target = Target { pid: child.id().and_then(|id| Pid::from_raw(id.cast_signed())), is_group: !has_terminal };
    let mut until = None;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|e| Failure::internal(format!("cannot wait for the command ({e})")))?;
                return Ok(Exit::Command(code(status)));
            }
            signal = signals.next() => {
                until.get_or_insert_with(|| Instant::now() + PATIENCE);
                if !(has_terminal && signal == Signal::Interrupt) {
                    target.send(raw(signal));
                }
            }
            () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                target.send(rustix::process::Signal::KILL);
                // It cannot refuse; it is waited for as long as the system takes.
                until = Some(Instant::now() + PATIENCE);
            }
        }
    }
}

struct Target {
    pid: Option<Pid>,
    is_group: bool,
}

impl Target {
    /// A command that has ended meanwhile needs no signal.
    fn send(&self, signal: rustix::process::Signal) {
        let _ = match (self.pid, self.is_group) {
            (Some(pid), true) => kill_process_group(pid, signal),
            (Some(pid), false) => kill_process(pid, signal),
            (None, _) => Ok(()),
        };
    }
}

fn raw(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Hangup => rustix::process::Signal::HUP,
        Signal::Interrupt => rustix::process::Signal::INT,
        Signal::Terminate => rustix::process::Signal::TERM,
    }
}

/// Whether the terminal sends its signals to our process group.
fn is_in_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|tty| rustix::termios::tcgetpgrp(tty).is_ok_and(|group| group == getpgrp()))
}

/// As shells say it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Internal.code())
}

/// With the codes of shells (POSIX, 2.8.2), so that scripts that run a command by way of others know them.
fn not_run(program: &OsStr, error: &io::Error) -> Failure {
    let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    let message = format!("cannot run {} ({error})", program.display());
    Failure::new(Exit::Command(code), "exec_failed", message)
}
