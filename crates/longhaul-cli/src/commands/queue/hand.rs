//! Who has the list? A daemon at its socket; otherwise this process takes it for as long as the command lasts.

use std::path::Path;
use std::time::{Duration, Instant};

use longhaul::credentials::Environment;
use longhaul::manager::Manager;
use longhaul::{Client, Error, ErrorKind};
use longhaul_daemon::Daemon;
use longhaul_daemon::socket::{Answer, Connection, Messages, SocketError};
use serde_json::Value;

use crate::commands::daemon::{runtime_dir, socket_of, state_dir};
use crate::exit::{Exit, Failure};
use crate::flags::common::StateChoice;

/// A list that somebody else has, and who does not answer yet, is asked for again for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to who has the list.
pub(crate) struct Hand {
    connection: Connection,
    /// It is this process.
    here: Option<Daemon>,
}

impl Hand {
    /// Takes the list, where no daemon has it.
    ///
    /// # Errors
    /// Another process has it and does not answer, or it cannot be read.
    pub(crate) async fn open(state: &StateChoice) -> Result<Self, Failure> {
        let (dir, socket) = (state_dir(state)?, socket_of(state));
        let begun = Instant::now();
        loop {
            match Connection::open(&socket).await {
                Ok(connection) => return Ok(Self { connection, here: None }),
                Err(SocketError::NoDaemon(_)) => {}
                Err(error) => return Err(silent(&error.to_string())),
            }
            match take(dir).await {
                Ok((client, manager)) => {
                    let within = Daemon::within(client, manager, dir).await;
                    let (daemon, connection) = within.map_err(|error| silent(&error.to_string()))?;
                    return Ok(Self { connection, here: Some(daemon) });
                }
                Err(error) if error.kind() == ErrorKind::InUse && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) if error.kind() == ErrorKind::InUse => {
                    let by = error.context().iter().find(|(name, _)| *name == "pid").map(|(_, pid)| pid.as_str());
                    return Err(silent(
                        &by.map_or_else(|| error.to_string(), |pid| format!("process {pid} has the list")),
                    ));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A daemon, or nothing: where only what runs can be asked.
    ///
    /// # Errors
    /// A daemon is there and does not answer.
    pub(crate) async fn of_daemon(state: &StateChoice) -> Result<Option<Self>, Failure> {
        match Connection::open(&socket_of(state)).await {
            Ok(connection) => Ok(Some(Self { connection, here: None })),
            Err(SocketError::NoDaemon(_)) => Ok(None),
            Err(error) => Err(silent(&error.to_string())),
        }
    }

    /// No daemon runs: what is recorded starts later.
    pub(crate) fn is_here(&self) -> bool {
        self.here.is_some()
    }

    /// Asks to read.
    ///
    /// # Errors
    /// What was answered, as the command's own failure.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, Failure> {
        good(self.connection.get(path).await)
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        good(self.connection.post(path, body).await)
    }

    /// Asks for another value.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn put(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        good(self.connection.ask(http::Method::PUT, path, Some(body)).await)
    }

    /// Asks for an entry with other settings.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub(crate) async fn patch(&mut self, path: &str, body: &Value) -> Result<Value, Failure> {
        good(self.connection.ask(http::Method::PATCH, path, Some(body)).await)
    }

    /// The changes of the list from now on, for which the connection is used up. What keeps the list open is given back
    /// with them.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub(crate) async fn events(self) -> Result<(Messages, Option<Daemon>), Failure> {
        let messages = self.connection.events("/api/v1/events").await;
        Ok((messages.map_err(|error| silent(&error.to_string()))?, self.here))
    }

    /// Lets the list go.
    pub(crate) async fn close(self) {
        drop(self.connection);
        if let Some(daemon) = self.here {
            daemon.stop().await;
        }
    }
}

/// The list, without starting anything of it.
async fn take(dir: &Path) -> Result<(Client, Manager), Error> {
    let client = Client::builder().environment(Environment::of_process()).state_dir(dir).build()?;
    let mut builder = client.manager().run(false);
    if let Some(runtime) = runtime_dir() {
        builder = builder.runtime_dir(runtime.join("longhaul"));
    }
    let manager = builder.open().await?;
    Ok((client, manager))
}

fn silent(why: &str) -> Failure {
    let message = format!("{why}; nobody answers for the list. `longhaul daemon status` says more");
    Failure::new(Exit::InUse, "in_use", message)
}

fn good(answer: Result<Answer, SocketError>) -> Result<Value, Failure> {
    let answer = answer.map_err(|error| silent(&error.to_string()))?;
    match answer.is_good() {
        true => Ok(answer.body),
        false => Err(refused(&answer.body)),
    }
}

/// A problem (RFC 9457) as the command's own failure.
pub(super) fn refused(problem: &Value) -> Failure {
    let (exit, kind) = crate::exit::of_word(problem["kind"].as_str().unwrap_or("internal"));
    let detail = problem["detail"].as_str().unwrap_or("the daemon refused, and did not say why");
    let message = match problem["advice"].as_str() {
        Some(advice) => format!("{detail}; {advice}"),
        None => detail.to_owned(),
    };
    Failure::new(exit, kind, crate::printable::one_line(&message).into_owned())
}

/// Whether a path, or a name alone, is the file of an entry. Before its name is told, it is that of the link.
pub(super) fn is_file_of(entry: &Value, path: &Path) -> bool {
    let folder = Path::new(entry["folder"].as_str().unwrap_or_default());
    let source = entry["source"].as_str().unwrap_or_default();
    let last = source.split(['?', '#']).next().and_then(|link| link.rsplit('/').next());
    let Some(name) = entry["name"].as_str().or(last).filter(|name| !name.is_empty()) else { return false };
    folder.join(name) == crate::commands::absolute(path) || Path::new(name) == path
}
