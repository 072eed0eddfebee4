//! `longhaul daemon start`, `stop` and `status`: a daemon without a terminal.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{ask, socket_of, state_dir};
use crate::commands::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::daemon::DaemonOptions;
use crate::out;
use crate::printable;

/// A daemon that does not answer by then, or does not end, is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked.
const GLANCE: Duration = Duration::from_millis(50);
/// So much of what a daemon said that did not start is repeated.
const SAID_MAX: usize = 4096;

pub(super) fn start(options: &DaemonOptions) -> Result<Exit, Failure> {
    let (dir, socket) = (state_dir(&options.state)?, socket_of(&options.state));
    runtime()?.block_on(async {
        if let Some(answer) = ask(&socket, "GET", "/api/v1/info").await? {
            return told(options, &answer.body, "runs already");
        }
        let log = dir.join("daemon.log");
        let mut child = spawn(dir, &log)?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Ok(Some(status)) = child.try_wait() {
                let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Exit::Internal.code());
                return Err(Failure::new(Exit::Command(code), "not_started", not_started(&log)));
            }
            // One that does not answer yet is asked again.
            if let Ok(Some(answer)) = ask(&socket, "GET", "/api/v1/info").await
                && answer.body["pid"] == child.id()
            {
                return told(options, &answer.body, "started");
            }
            sleep(GLANCE).await;
        }
        let _ = child.kill(); // it has ended after all
        Err(Failure::new(Exit::InUse, "in_use", format!("the daemon does not answer; {} may say why", log.display())))
    })
}

/// Starts the same command, to run where this one was to start it.
fn spawn(dir: &Path, log: &Path) -> Result<Child, Failure> {
    let failed =
        |what: &str, error: std::io::Error| Failure::new(Exit::LocalFile, "local_file", format!("{what} ({error})"));
    let program = std::env::current_exe().map_err(|e| failed("cannot find this program", e))?;
    fs::create_dir_all(dir).map_err(|e| failed(&format!("cannot make {}", dir.display()), e))?;
    let said = File::options().create(true).write(true).truncate(true).mode(0o600).open(log);
    let said = said.map_err(|e| failed(&format!("cannot write {}", log.display()), e))?;
    let mut command = Command::new(program);
    command.args(arguments(std::env::args_os().skip(1))).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    // Ctrl-C at this terminal is not for it.
    command.process_group(0);
    command.spawn().map_err(|e| failed("cannot start the daemon", e))
}

/// The words of `start`, for `run`.
fn arguments(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let is_action = |at: usize| {
        let is_value = at.checked_sub(1).and_then(|before| words.get(before)).is_some_and(|before| {
            let before = before.to_string_lossy();
            before.starts_with("--")
                && !before.contains('=')
                && !matches!(&*before, "--json" | "--insecure-http" | "--no-tcp")
        });
        words[at] == OsStr::new("start") && !is_value
    };
    if let Some(at) = (0..words.len()).rev().find(|at| is_action(*at)) {
        words[at] = "run".into();
    }
    words
}

/// What the daemon said at its end.
fn not_started(log: &Path) -> String {
    let said = fs::read_to_string(log).unwrap_or_default();
    let said = said.trim().trim_start_matches("longhaul: ");
    let mut from = said.len().saturating_sub(SAID_MAX);
    while !said.is_char_boundary(from) {
        from += 1;
    }
    match &said[from..] {
        "" => "the daemon ended without a word".to_owned(),
        said => said.to_owned(),
    }
}

pub(super) fn stop(options: &DaemonOptions) -> Result<Exit, Failure> {
    let socket = socket_of(&options.state);
    runtime()?.block_on(async {
        let Some(info) = ask(&socket, "GET", "/api/v1/info").await? else {
            out::say("no daemon runs");
            return Ok(Exit::Done);
        };
        ask(&socket, "POST", "/api/v1/shutdown").await?;
        let pid =
            i32::try_from(info.body["pid"].as_i64().unwrap_or_default()).ok().and_then(rustix::process::Pid::from_raw);
        let until = Instant::now() + PATIENCE;
        // It has let the list go when its process is gone.
        while pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()) {
            if Instant::now() >= until {
                let message = "the daemon was told to stop, and has not ended within a minute";
                return Err(Failure::new(Exit::InUse, "in_use", message));
            }
            sleep(GLANCE).await;
        }
        Ok(Exit::Done)
    })
}

pub(super) fn status(options: &DaemonOptions) -> Result<Exit, Failure> {
    let socket = socket_of(&options.state);
    runtime()?.block_on(async {
        match ask(&socket, "GET", "/api/v1/info").await? {
            Some(answer) => told(options, &answer.body, "runs"),
            None if options.json => {
                out::json(&format!("{}\n", json!({"running": false})))?;
                Ok(Exit::LocalFile)
            }
            None => {
                Err(Failure::new(Exit::LocalFile, "local_file", "no daemon runs; `longhaul daemon start` starts one"))
            }
        }
    })
}

fn told(options: &DaemonOptions, info: &Value, how: &str) -> Result<Exit, Failure> {
    if options.json {
        let mut line = info.clone();
        line["running"] = true.into();
        out::json(&format!("{line}\n"))?;
        return Ok(Exit::Done);
    }
    let address = info["address"].as_str().map_or_else(String::new, |address| format!(", http://{address}/"));
    let (pid, version) = (&info["pid"], info["version"].as_str().unwrap_or_default());
    let list = info["state_dir"].as_str().unwrap_or_default();
    let text = format!("the daemon {how}: process {pid}, version {version}{address}, list in {list}\n");
    out::stdout(&printable::plain(&text))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_is_found_among_the_words() {
        for (words, expected) in [
            ("daemon start", "daemon run"),
            ("daemon start --json", "daemon run --json"),
            ("--state-dir start daemon --json start", "--state-dir start daemon --json run"),
            ("daemon start --host start", "daemon run --host start"),
        ] {
            let words = arguments(words.split(' ').map(OsString::from));
            assert_eq!(words.join(OsStr::new(" ")), OsString::from(expected));
        }
    }
}
