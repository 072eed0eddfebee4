//! The other end of a daemon's Unix socket, for programs of this machine: where it is, and how it is asked.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use longhaul_daemon::socket::{self, Connection};
//! let path = socket::place(Some("/run/user/1000".as_ref()), None);
//! let mut daemon = Connection::open(&path).await?;
//! let info = daemon.get("/api/v1/info").await?;
//! assert_eq!(info.status, 200);
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::{Method, Request, Response, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// A daemon that is there answers within this: what takes longer (a probe of a slow server) says so by itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The longest answer: 1,000 entries of a page.
const ANSWER_MAX: usize = 64 << 20;
/// The longest message of the stream of events: a snapshot of a long list.
const MESSAGE_MAX: usize = 256 << 20;

/// Where the socket of a daemon is: in the user's runtime directory, or without one in a folder of the user's own in
/// `/tmp`. The daemon of another state directory than the usual one has a socket of its own.
pub fn place(runtime_dir: Option<&Path>, other_state_dir: Option<&Path>) -> PathBuf {
    let user = rustix::process::geteuid().as_raw();
    let folder = runtime_dir.map_or_else(|| PathBuf::from(format!("/tmp/longhaul-{user}")), |dir| dir.join("longhaul"));
    let name = match other_state_dir {
        None => "daemon.sock".to_owned(),
        Some(dir) => {
            // By whatever name it is called: what is not there yet has only this one.
            let dir =
                std::fs::canonicalize(dir).or_else(|_| std::path::absolute(dir)).unwrap_or_else(|_| dir.to_owned());
            let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
            let short: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("daemon-{short}.sock")
        }
    };
    folder.join(name)
}

/// Why a daemon gave no answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum SocketError {
    /// No daemon listens there.
    NoDaemon(PathBuf),
    /// It listens and does not answer, or the connection broke.
    Broken(String),
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDaemon(path) => write!(f, "no daemon listens at {}", path.display()),
            Self::Broken(why) => write!(f, "the daemon does not answer ({why})"),
        }
    }
}

impl std::error::Error for SocketError {}

/// An answer: any status, with its JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// What was answered; null when it was no JSON.
    pub body: Value,
}

impl Answer {
    /// Whether it was done.
    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// A connection to a daemon. One request at a time; after an error it is of no more use.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Body>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`SocketError::NoDaemon`] when there is no socket, or no process listens at it.
    pub async fn open(path: &Path) -> Result<Self, SocketError> {
        let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => SocketError::NoDaemon(path.to_owned()),
            _ => broken(error),
        })?;
        Self::over(stream).await
    }

    /// A connection over what leads to a daemon already.
    pub(crate) async fn over<S>(stream: S) -> Result<Self, SocketError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the daemon's connection ended: {error}");
            }
        });
        Ok(Self { sender })
    }

    /// Asks to read.
    ///
    /// # Errors
    /// [`SocketError::Broken`]; what the daemon refuses is an answer.
    pub async fn get(&mut self, path: &str) -> Result<Answer, SocketError> {
        self.ask(Method::GET, path, None).await
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, SocketError> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Asks anything.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn ask(&mut self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, SocketError> {
        let asked = async {
            let response = self.send(method, path, body).await?;
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(Body::new(response.into_body()), ANSWER_MAX).await.map_err(broken)?;
            Ok(Answer { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
        };
        tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(broken("it took too long")))
    }

    /// The stream of events (`GET /api/v1/events`), for which the connection is used up.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn events(mut self, path: &str) -> Result<Messages, SocketError> {
        let response = self.send(Method::GET, path, None).await?;
        if response.status() != 200 {
            return Err(broken(format!("status {}", response.status())));
        }
        let body = Body::new(response.into_body()).into_data_stream();
        Ok(Messages { body: Box::pin(body), read: BytesMut::new(), _connection: self })
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<hyper::body::Incoming>, SocketError> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        let request = match body {
            None => request.body(Body::empty()),
            Some(value) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(value.to_string())),
        };
        let request = request.map_err(broken)?;
        self.sender.ready().await.map_err(broken)?;
        self.sender.send_request(request).await.map_err(broken)
    }
}

fn broken(why: impl fmt::Display) -> SocketError {
    SocketError::Broken(why.to_string())
}

/// One message of a stream of events.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// `snapshot`, `change`, `stat`, `told`.
    pub event: String,
    /// What it says.
    pub data: Value,
}

/// The messages of a stream of events, in order.
pub struct Messages {
    body: Pin<Box<dyn futures_core::Stream<Item = Result<Bytes, axum::Error>> + Send>>,
    read: BytesMut,
    _connection: Connection,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl Messages {
    /// The next one; `None`: the daemon ended the stream.
    ///
    /// # Errors
    /// [`SocketError::Broken`] when the connection broke.
    ///
    /// # Cancel safety
    /// The future may be dropped at any time: what was read of a message stays.
    pub async fn next(&mut self) -> Result<Option<Message>, SocketError> {
        // What was looked at already has no end of a message in it.
        let mut looked_at = 0;
        loop {
            let from = looked_at.min(self.read.len());
            if let Some(end) = self.read[from..].windows(2).position(|two| two == b"\n\n") {
                let text = self.read.split_to(from + end + 2);
                looked_at = 0;
                match message(&String::from_utf8_lossy(&text)) {
                    Some(message) => return Ok(Some(message)),
                    None => continue, // a comment, to keep the connection open
                }
            }
            looked_at = self.read.len().saturating_sub(1);
            if self.read.len() > MESSAGE_MAX {
                return Err(broken("a message has no end"));
            }
            match self.body.next().await {
                Some(piece) => self.read.extend_from_slice(&piece.map_err(broken)?),
                None => return Ok(None),
            }
        }
    }
}

/// As the HTML standard has them (9.2.6), of what a daemon sends: one line of data.
fn message(text: &str) -> Option<Message> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let data = serde_json::from_str(field("data")?).ok()?;
    Some(Message { event: field("event")?.to_owned(), data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_directory_has_a_socket_of_its_own() {
        let run = Path::new("/run/user/7");
        assert_eq!(place(Some(run), None), run.join("longhaul/daemon.sock"));
        let user = rustix::process::geteuid().as_raw();
        assert_eq!(place(None, None), PathBuf::from(format!("/tmp/longhaul-{user}/daemon.sock")));
        let dir = tempfile::tempdir().unwrap();
        let here = place(Some(run), Some(dir.path()));
        assert_eq!(place(Some(run), Some(&dir.path().join("../").join(dir.path().file_name().unwrap()))), here);
        assert_ne!(place(Some(run), Some(&dir.path().join("other"))), here);
    }

    #[test]
    fn messages_are_read_and_comments_are_not() {
        let expected = Message { event: "stat".into(), data: serde_json::json!({"a": 1}) };
        assert_eq!(message("id: 1\nevent: stat\ndata: {\"a\":1}\n\n"), Some(expected));
        assert_eq!(message(": here\n\n"), None);
    }
}
