//! `longhaul daemon`: the list, worked and served.

mod install;
mod start;

use std::path::{Path, PathBuf};

use longhaul::{Client, Error, ErrorKind};
use longhaul_daemon::socket::{Answer, Connection, SocketError};
use longhaul_daemon::tokens::Tokens;
use longhaul_daemon::{Daemon, DaemonBuilder, StartError, socket};
use serde_json::json;

use super::ready_file::ReadyFile;
use super::{runtime, settings};
use crate::exit::{Exit, Failure};
use crate::flags::common::StateChoice;
use crate::flags::daemon::{ActionWord, DaemonOptions};
use crate::out;
use crate::printable;
use crate::signals::Signals;

pub(crate) fn run(options: &DaemonOptions) -> Result<Exit, Failure> {
    match options.action {
        ActionWord::Run => serve(options),
        ActionWord::Start => start::start(options),
        ActionWord::Stop => start::stop(options),
        ActionWord::Status => start::status(options),
        ActionWord::Install => install::run(options),
    }
}

/// The folder of the list.
pub(super) fn state_dir(state: &StateChoice) -> Result<&Path, Failure> {
    match state {
        StateChoice::Chosen(dir) | StateChoice::Usual(dir) => Ok(dir),
        StateChoice::Nowhere => Err(Failure::usage("there is no home folder to keep the list in: give --state-dir")),
    }
}

/// Where the socket of the daemon of this list is.
pub(super) fn socket_of(state: &StateChoice) -> PathBuf {
    let other = match state {
        StateChoice::Chosen(dir) => Some(dir.as_path()),
        StateChoice::Usual(_) | StateChoice::Nowhere => None,
    };
    socket::place(runtime_dir().as_deref(), other)
}

/// The folder of this user for what lasts as long as a login (XDG base directory specification).
pub(super) fn runtime_dir() -> Option<PathBuf> {
    std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute())
}

/// Asks the daemon of this list; `None`: there is none.
pub(super) async fn ask(socket: &Path, method: &str, path: &str) -> Result<Option<Answer>, Failure> {
    let mut daemon = match Connection::open(socket).await {
        Ok(daemon) => daemon,
        Err(SocketError::NoDaemon(_)) => return Ok(None),
        Err(error) => return Err(silent(&error)),
    };
    let asked = match method {
        "POST" => daemon.post(path, &json!({})).await,
        _ => daemon.get(path).await,
    };
    let answer = asked.map_err(|error| silent(&error))?;
    match answer.is_good() {
        true => Ok(Some(answer)),
        false => {
            let why = answer.body["detail"].as_str().unwrap_or("it does not say why").to_owned();
            let why = format!("the daemon refuses ({}): {why}", answer.status);
            Err(Failure::new(Exit::Refused, "refused", why))
        }
    }
}

fn silent(error: &SocketError) -> Failure {
    Failure::new(Exit::InUse, "in_use", format!("{error}; `longhaul daemon status` says more"))
}

fn serve(options: &DaemonOptions) -> Result<Exit, Failure> {
    let ready_file = options.ready_file.as_deref().map(ReadyFile::reserve).transpose()?;
    let dir = state_dir(&options.state)?;
    let client = settings(&options.network, &options.store).state_dir(dir).build()?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        // Signals are taken before it is said that the daemon is ready: a script may send one as soon as it has read
        // that.
        let mut signals = Signals::take().map_err(|e| Failure::internal(format!("cannot listen for signals ({e})")))?;
        let mut manager = client.manager();
        if let Some(dir) = runtime_dir() {
            manager = manager.runtime_dir(dir.join("longhaul"));
        }
        let manager = manager.open().await.map_err(|error| not_opened(&error))?;
        for notice in manager.notices() {
            out::say(&format!("warning: {notice}"));
        }
        let daemon = builder(options, dir, client, manager).start().await.map_err(|error| not_started(&error))?;
        let _written = ready_file.map(|file| file.write(&ready_line(&daemon, dir))).transpose()?;
        out::stdout(&if options.json { ready_line(&daemon, dir) } else { greeting(&daemon, dir) })?;
        tokio::select! {
            _ = signals.next() => {}
            () = daemon.asked_to_stop() => {}
        }
        tokio::select! {
            () = daemon.stop() => Ok(Exit::Done),
            // Whoever asks again does not want to wait for a disk that hangs.
            signal = signals.next() => Ok(Exit::Signal(signal)),
        }
    });
    runtime.shutdown_background();
    ended
}

fn builder(options: &DaemonOptions, dir: &Path, client: Client, manager: longhaul::manager::Manager) -> DaemonBuilder {
    let mut builder = Daemon::builder(client, manager, dir)
        .listen(options.listen)
        .socket(socket_of(&options.state))
        .insecure_http(options.insecure_http)
        .passed_sockets(passed_sockets());
    for root in roots(options) {
        builder = builder.root(root);
    }
    for host in &options.hosts {
        builder = builder.host(host);
    }
    for origin in &options.origins {
        builder = builder.origin(origin);
    }
    if let Some(to) = std::env::var_os("NOTIFY_SOCKET").filter(|to| !to.is_empty()) {
        builder = builder.notify(to);
    }
    builder
}

/// Those that were given, or the usual folder for downloads, which is made if there is none.
fn roots(options: &DaemonOptions) -> Vec<PathBuf> {
    if !options.roots.is_empty() {
        return options.roots.clone();
    }
    let Ok(home) = etcetera::home_dir() else { return Vec::new() };
    let downloads = home.join("Downloads");
    // Without one, callers by TCP are told that there is no folder for them.
    let _ = std::fs::create_dir(&downloads);
    vec![downloads]
}

/// So many sockets were passed to this process (sd_listen_fds(3)).
fn passed_sockets() -> u32 {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    match number("LISTEN_PID") {
        Some(pid) if pid == std::process::id() => number("LISTEN_FDS").unwrap_or(0),
        _ => 0,
    }
}

fn not_opened(error: &Error) -> Failure {
    if error.kind() != ErrorKind::InUse {
        return Failure::from(error.clone());
    }
    let pid = error.context().iter().find(|(name, _)| *name == "pid").map(|(_, pid)| format!(", process {pid}"));
    let message = format!(
        "another longhaul has the list{}; `longhaul daemon status` says whether it is a daemon",
        pid.unwrap_or_default()
    );
    Failure::new(Exit::InUse, "in_use", message)
}

fn not_started(error: &StartError) -> Failure {
    match error {
        StartError::Taken { .. } => {
            let message = format!("{error}; --listen takes another address, --listen :0 a free port");
            Failure::new(Exit::InUse, "in_use", message)
        }
        StartError::Exposed(_) => {
            Failure::usage(format!("{error}; if that is meant, say --insecure-http, and --host NAME"))
        }
        StartError::Nameless(_) => Failure::usage(format!("{error}; --host NAME tells it")),
        _ => Failure::new(Exit::LocalFile, "local_file", error.to_string()),
    }
}

fn page(daemon: &Daemon) -> Option<String> {
    daemon.address().map(|address| format!("http://{address}/"))
}

fn ready_line(daemon: &Daemon, dir: &Path) -> String {
    let line = json!({
        "event": "ready", "pid": std::process::id(), "url": page(daemon),
        "address": daemon.address().map(|address| address.to_string()),
        "socket": daemon.socket().map(|path| path.to_string_lossy()), "state_dir": dir.to_string_lossy(),
        "token_file": Tokens::of(dir).default_file().to_string_lossy(),
    });
    format!("{line}\n")
}

fn greeting(daemon: &Daemon, dir: &Path) -> String {
    let mut text = String::from("The daemon works the list and answers\n\n");
    let mut line = |name: &str, value: &str| text += &format!("  {name:<8} {value}\n");
    if let Some(page) = page(daemon) {
        line("Page", &format!("{page}  (`longhaul open` logs a browser in)"));
        line("aria2", &format!("{page}jsonrpc"));
        line("Token", &format!("in {}", printable::here(&Tokens::of(dir).default_file())));
    }
    if let Some(socket) = daemon.socket() {
        line("Socket", &printable::here(socket));
    }
    line("List", &printable::here(dir));
    printable::plain(&text).into_owned()
}
