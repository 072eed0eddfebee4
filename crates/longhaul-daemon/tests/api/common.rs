//! A daemon over a list of its own, asked over real sockets; every answer is held against `docs/openapi.json`.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use longhaul::Client;
use longhaul::manager::Manager;
use longhaul_daemon::tokens::Tokens;
use longhaul_daemon::{Daemon, DaemonBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::schema;

/// Nothing takes longer, on a busy machine too.
pub(crate) const SOON: Duration = Duration::from_secs(90);

/// Which operations were answered, with which status.
pub(crate) static ANSWERED: Mutex<BTreeSet<(String, String, u16)>> = Mutex::new(BTreeSet::new());

pub(crate) struct Bench {
    pub(crate) home: tempfile::TempDir,
    pub(crate) daemon: Daemon,
    pub(crate) manager: Manager,
    pub(crate) at: SocketAddr,
    pub(crate) token: String,
    pub(crate) root: PathBuf,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Bench {
    /// A list in which nothing runs.
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(change: impl FnOnce(DaemonBuilder) -> DaemonBuilder) -> Self {
        Self::over(tempfile::tempdir().unwrap(), change).await
    }

    /// One over a list that is there perhaps.
    pub(crate) async fn over(home: tempfile::TempDir, change: impl FnOnce(DaemonBuilder) -> DaemonBuilder) -> Self {
        let state = home.path().join("state");
        let root = home.path().join("downloads");
        std::fs::create_dir_all(&root).unwrap();
        let root = std::fs::canonicalize(root).unwrap();
        let client = Client::builder().state_dir(&state).build().unwrap();
        let manager = client.manager().run(false).open().await.unwrap();
        let builder = Daemon::builder(client, manager.clone(), &state)
            .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .socket(home.path().join("run/daemon.sock"))
            .root(&root);
        let daemon = change(builder).start().await.unwrap();
        let at = daemon.address().unwrap();
        let token = Tokens::of(&state).default_token().unwrap();
        Self { home, daemon, manager, at, token, root }
    }

    /// Ends it, and gives its list.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        let Self { home, daemon, .. } = self;
        daemon.stop().await;
        home
    }

    /// Asks with the default token. The answer is held against the description.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        self.ask_with(method, path, &[], body).await
    }

    pub(crate) async fn ask_with(&self, method: &str, path: &str, fields: &[&str], body: Option<&Value>) -> Reply {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let body = body.map(Value::to_string);
        let mut lines = vec![authorization.as_str()];
        lines.extend(fields);
        let reply = self.raw(method, path, &lines, body.as_deref()).await;
        let operation = schema::check(method, path, &reply);
        ANSWERED.lock().unwrap_or_else(PoisonError::into_inner).insert((
            method.to_lowercase(),
            operation,
            reply.status,
        ));
        reply
    }

    /// Asks with these header lines and no others.
    pub(crate) async fn raw(&self, method: &str, path: &str, fields: &[&str], body: Option<&str>) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !fields.iter().any(|field| field.to_ascii_lowercase().starts_with("host:")) {
            text += &format!("Host: {}\r\n", self.at);
        }
        for field in fields {
            text += field;
            text += "\r\n";
        }
        if let Some(body) = body {
            if !fields.iter().any(|field| field.to_ascii_lowercase().starts_with("content-type:")) {
                text += "Content-Type: application/json\r\n";
            }
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        text += body.unwrap_or_default();
        self.say(text.as_bytes()).await
    }

    /// Sends bytes, and reads all that is answered.
    pub(crate) async fn say(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let (mut inward, mut out) = stream.split();
        let mut answer = Vec::new();
        let talk = async {
            // A request that is refused by its head is not read to its end.
            let send = async {
                let _ = out.write_all(bytes).await;
            };
            let read = async {
                let _ = inward.read_to_end(&mut answer).await;
            };
            tokio::join!(send, read);
        };
        timeout(SOON, talk).await.expect("no answer");
        reply(&String::from_utf8_lossy(&answer))
    }

    pub(crate) async fn add(&self, entry: Value) -> Value {
        let reply = self.ask("POST", "/api/v1/entries", Some(&entry)).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()
    }

    /// The id of a new entry, held.
    pub(crate) async fn added(&self, name: &str) -> String {
        let source = format!("http://127.0.0.1:9/{name}");
        let added = self.add(json!({"source": source, "name": name, "hold": true})).await;
        added["id"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn reply(text: &str) -> Reply {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let text = match head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        true => unchunked(body),
        false => body.to_owned(),
    };
    Reply { status, head: head.to_owned(), text }
}

fn unchunked(mut body: &str) -> String {
    let mut text = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length.trim(), 16).unwrap_or(0);
        if length == 0 || rest.len() < length {
            break;
        }
        text += &rest[..length];
        body = rest[length..].trim_start_matches("\r\n");
    }
    text
}
