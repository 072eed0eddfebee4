//! How does a daemon begin, listen and end?
//!
//! Connections are bounded, TCP and the Unix socket each for themselves: a page that opens all it can get leaves the
//! command line its own. Bodies are read whole before a handler sees them, so many at a time, so long and within a time.

mod line;
mod listen;
mod notify;
mod taken;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use http::{Method, StatusCode, header};
use longhaul::Client;
use longhaul::manager::Manager;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Place};
use crate::guard::{self, Guard, Hosts, Origins, Roots, Via};
use crate::problem::Problem;
use crate::socket::{Connection, SocketError};
use crate::tokens::{TokenError, Tokens};
use crate::{api, aria2, events, metrics, page};

/// Where a daemon listens if nothing else is said: where front-ends of aria2 look.
pub const PORT: u16 = 6800;
/// So many connections by TCP, and as many by the Unix socket: 100 pages with a stream of events each, and room.
const CONNECTIONS_MAX: usize = 512;
/// The longest body: 1,000 entries with long links.
const BODY_MAX: usize = 4 << 20;
/// A body has to be there within this.
const BODY_WITHIN: Duration = Duration::from_secs(30);
/// So many bodies are read at a time: 64 MiB at most.
const BODIES_MAX: usize = 16;
/// After an accept that failed for want of something (descriptors), the next one waits so long.
const BREATHER: Duration = Duration::from_millis(100);
/// What waits on its way between two ends of one process.
const WITHIN_MAX: usize = 64 << 10;
/// A daemon that stops waits so long for its connections.
const GRACE: Duration = Duration::from_millis(800);

/// Why a daemon did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The port is in use, perhaps by a program that is known.
    Taken {
        /// Which.
        address: SocketAddr,
        /// By whom.
        by: Option<String>,
    },
    /// There can be no listener here.
    NoListener(String, io::Error),
    /// Other machines would reach this address, and what is said there can be read on the way.
    Exposed(SocketAddr),
    /// Other machines would reach this address, and no name was given that they may ask for.
    Nameless(SocketAddr),
    /// The tokens cannot be used.
    Tokens(TokenError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { address, by: Some(by) } => write!(f, "{address} is taken by {by}"),
            Self::Taken { address, by: None } => write!(f, "{address} is taken by another program"),
            Self::NoListener(place, error) => write!(f, "cannot listen at {place} ({error})"),
            Self::Exposed(address) => {
                write!(f, "{address} can be reached from other machines, and tokens would go there in the clear")
            }
            Self::Nameless(address) => write!(f, "{address} can be reached from other machines, by a name not told"),
            Self::Tokens(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl From<TokenError> for StartError {
    fn from(error: TokenError) -> Self {
        Self::Tokens(error)
    }
}

/// What a daemon is to be. Made with [`Daemon::builder`].
#[derive(Debug)]
#[must_use = "it does not listen before it is started"]
pub struct DaemonBuilder {
    client: Client,
    manager: Manager,
    state_dir: PathBuf,
    listen: Option<SocketAddr>,
    socket: Option<PathBuf>,
    passed: u32,
    notify: Option<PathBuf>,
    hosts: Vec<String>,
    origins: Vec<String>,
    roots: Vec<PathBuf>,
    insecure_http: bool,
    open_rpc: bool,
}

impl DaemonBuilder {
    /// Listens by TCP here, or nowhere; by default at 127.0.0.1, port 6800. Port 0 takes a free one.
    pub fn listen(mut self, address: impl Into<Option<SocketAddr>>) -> Self {
        self.listen = address.into();
        self
    }

    /// Listens at this Unix socket as well, in a folder that only this user may enter. Whoever reaches it is that user,
    /// and needs no token.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    /// Takes so many sockets that systemd passed, in place of a TCP address and a path where there are such among them.
    pub fn passed_sockets(mut self, count: u32) -> Self {
        self.passed = count;
        self
    }

    /// Says `READY=1` to this socket (`NOTIFY_SOCKET`) when it can be used, and `STOPPING=1` when it ends.
    pub fn notify(mut self, to: impl Into<PathBuf>) -> Self {
        self.notify = Some(to.into());
        self
    }

    /// One more name that this daemon is asked by, beside this machine's own.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// One more page that may use aria2's RPC, as `https://ng.example`; `null` stands for pages from files.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// One more folder below which callers by TCP may write, and upload from. The first is where relative paths begin.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.roots.push(folder.into());
        self
    }

    /// Programs of this machine, of any of its users, use aria2's RPC without a token, as with an aria2 that was given no
    /// secret. Pages need to be allowed all the same.
    pub fn open_rpc(mut self, open: bool) -> Self {
        self.open_rpc = open;
        self
    }

    /// An address that other machines reach is allowed, though what is said there, tokens too, is not encrypted.
    pub fn insecure_http(mut self, allowed: bool) -> Self {
        self.insecure_http = allowed;
        self
    }

    /// Listens, and answers from now on.
    ///
    /// # Errors
    /// [`StartError`] says what is in the way.
    pub async fn start(self) -> Result<Daemon, StartError> {
        let tokens = Tokens::of(&self.state_dir);
        tokens.ensure_default()?;
        let passed = listen::passed(self.passed);
        let passed =
            passed.map_err(|error| StartError::NoListener("the sockets that were passed".to_owned(), error))?;
        let listeners = self.listeners(passed)?;
        for listener in &listeners.tcp {
            self.check_exposed(listener)?;
        }
        let address = listeners.tcp.first().and_then(|listener| listener.local_addr().ok());
        let cookie = format!("longhaul_{}", address.map_or(0, |address| address.port()));
        let mut guard =
            Guard::new(tokens, Hosts::new(self.hosts), Origins::new(self.origins), Roots::new(self.roots), cookie);
        guard.open_rpc = self.open_rpc;
        let place = Place { address, socket: listeners.path.clone(), state_dir: self.state_dir };
        let app = Arc::new(App::new(self.client, self.manager, Arc::new(guard), place));
        let mut tasks = JoinSet::new();
        tasks.spawn(events::follow(app.manager.clone(), app.feed.clone(), app.metrics.clone(), app.stopping.clone()));
        let router = router(&app);
        for listener in listeners.tcp {
            tasks.spawn(accept_tcp(listener, router.clone(), app.stopping.clone()));
        }
        for listener in listeners.unix {
            tasks.spawn(accept_unix(listener, router.clone(), app.stopping.clone()));
        }
        let daemon = Daemon { app, tasks, notify: self.notify, _file: listeners.file };
        daemon.say("READY=1");
        Ok(daemon)
    }

    fn listeners(&self, passed: listen::Passed) -> Result<Listeners, StartError> {
        let mut listeners = Listeners { tcp: passed.tcp, unix: passed.unix, path: self.socket.clone(), file: None };
        if listeners.tcp.is_empty()
            && let Some(address) = self.listen
        {
            listeners.tcp.push(listen::tcp(address)?);
        }
        if listeners.unix.is_empty()
            && let Some(path) = &self.socket
        {
            listeners.unix.push(listen::unix(path)?);
            listeners.file = listen::SocketFile::of(path);
        }
        Ok(listeners)
    }

    fn check_exposed(&self, listener: &TcpListener) -> Result<(), StartError> {
        let Ok(address) = listener.local_addr() else { return Ok(()) };
        match address.ip().is_loopback() {
            true => Ok(()),
            false if !self.insecure_http => Err(StartError::Exposed(address)),
            false if self.hosts.is_empty() => Err(StartError::Nameless(address)),
            false => Ok(()),
        }
    }
}

struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Vec<UnixListener>,
    path: Option<PathBuf>,
    file: Option<listen::SocketFile>,
}

/// A list that is served. When it is dropped it answers no more; [`stop`](Self::stop) ends it in order.
#[derive(Debug)]
pub struct Daemon {
    app: Arc<App>,
    tasks: JoinSet<()>,
    notify: Option<PathBuf>,
    _file: Option<listen::SocketFile>,
}

impl Daemon {
    /// A daemon for this list, whose tokens are in this state directory: that of the client.
    pub fn builder(client: Client, manager: Manager, state_dir: impl Into<PathBuf>) -> DaemonBuilder {
        DaemonBuilder {
            client,
            manager,
            state_dir: state_dir.into(),
            listen: Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)),
            socket: None,
            passed: 0,
            notify: None,
            hosts: Vec::new(),
            origins: Vec::new(),
            roots: Vec::new(),
            insecure_http: false,
            open_rpc: false,
        }
    }

    /// A daemon that listens nowhere, and a connection to it from this process: the same answers, for a program that
    /// has the list for a moment. It ends with [`stop`](Self::stop).
    ///
    /// # Errors
    /// The connection broke before it was made.
    pub async fn within(
        client: Client,
        manager: Manager,
        state_dir: impl Into<PathBuf>,
    ) -> Result<(Self, Connection), SocketError> {
        let state_dir = state_dir.into();
        let nobody = Guard::new(
            Tokens::of(&state_dir),
            Hosts::new(Vec::new()),
            Origins::new(Vec::new()),
            Roots::new(Vec::new()),
            String::new(),
        );
        let place = Place { address: None, socket: None, state_dir };
        let app = Arc::new(App::new(client, manager, Arc::new(nobody), place));
        let mut tasks = JoinSet::new();
        tasks.spawn(events::follow(app.manager.clone(), app.feed.clone(), app.metrics.clone(), app.stopping.clone()));
        let (ours, theirs) = tokio::io::duplex(WITHIN_MAX);
        tasks.spawn(line::serve(theirs, Via::Socket, router(&app), app.stopping.clone()));
        let connection = Connection::over(ours).await?;
        Ok((Self { app, tasks, notify: None, _file: None }, connection))
    }

    /// Where it listens by TCP, the port being the real one.
    pub fn address(&self) -> Option<SocketAddr> {
        self.app.place.address
    }

    /// Where its Unix socket is.
    pub fn socket(&self) -> Option<&Path> {
        self.app.place.socket.as_deref()
    }

    /// Waits until a caller asks it to stop.
    pub async fn asked_to_stop(&self) {
        self.app.asked_to_stop.cancelled().await;
    }

    /// Stops in order: no request is taken any more, all runs stop with what they have, entries stay queued. Then all of
    /// it is durable.
    pub async fn stop(mut self) {
        self.say("STOPPING=1");
        self.app.stopping.cancel();
        let connections = async {
            // What takes longer is dropped with the set.
            let _ = tokio::time::timeout(GRACE, async { while self.tasks.join_next().await.is_some() {} }).await;
        };
        tokio::join!(connections, self.app.manager.close());
    }

    fn say(&self, state: &str) {
        if let Some(to) = &self.notify
            && let Err(error) = notify::send(to, state)
        {
            tracing::warn!("{} does not take {state} ({error})", to.display());
        }
    }
}

/// All that is answered, behind the guard.
fn router(app: &Arc<App>) -> Router {
    let bodies = Arc::new(Semaphore::new(BODIES_MAX));
    Router::new()
        .merge(api::router(app.clone()))
        .merge(aria2::router(app.clone()))
        .merge(page::router())
        .fallback(async || Problem::not_found("there is nothing at this path"))
        .layer(middleware::from_fn_with_state(bodies, with_body))
        .layer(middleware::from_fn_with_state(app.guard.clone(), guard::guard))
        .layer(middleware::from_fn_with_state(app.metrics.clone(), metrics::count))
}

/// Reads the body of a request whole.
async fn with_body(State(bodies): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let too_long =
        || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "usage", format!("a body has {BODY_MAX} bytes at most"));
    let told = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > BODY_MAX as u64) {
        return too_long().into_response();
    }
    let read = async {
        let _permit = bodies.acquire().await;
        to_bytes(body, BODY_MAX).await
    };
    match tokio::time::timeout(BODY_WITHIN, read).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(_)) => too_long().into_response(),
        Err(_) => Problem::new(StatusCode::REQUEST_TIMEOUT, "usage", "the body did not come in time").into_response(),
    }
}

async fn accept_tcp(listener: TcpListener, router: Router, stopping: CancellationToken) {
    let is_local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let via = if is_local { Via::Loopback } else { Via::Network };
    let mut lines = Lines::new(stopping);
    while lines.are_wanted().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lines.stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true); // slower without, and as right
                lines.serve(line::serve(stream, via, router.clone(), lines.stopping.clone()));
            }
            Err(error) => breathe(&error).await,
        }
    }
    lines.end().await;
}

async fn accept_unix(listener: UnixListener, router: Router, stopping: CancellationToken) {
    let us = rustix::process::geteuid().as_raw();
    let mut lines = Lines::new(stopping);
    while lines.are_wanted().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = lines.stopping.cancelled() => break,
        };
        match accepted {
            // The mode of the socket keeps others out already; root passes by that, and is not who the list belongs to.
            Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| peer.uid() == us) => {
                lines.serve(line::serve(stream, Via::Socket, router.clone(), lines.stopping.clone()));
            }
            Ok(_) => tracing::warn!("another user asked at the socket, and was not answered"),
            Err(error) => breathe(&error).await,
        }
    }
    lines.end().await;
}

/// The connections of one listener.
struct Lines {
    tasks: JoinSet<()>,
    stopping: CancellationToken,
}

impl Lines {
    fn new(stopping: CancellationToken) -> Self {
        Self { tasks: JoinSet::new(), stopping }
    }

    /// Waits until there is room for one more connection. `false`: the daemon stops.
    async fn are_wanted(&mut self) -> bool {
        while self.tasks.try_join_next().is_some() {}
        while self.tasks.len() >= CONNECTIONS_MAX && !self.stopping.is_cancelled() {
            tokio::select! {
                _ = self.tasks.join_next() => {}
                () = self.stopping.cancelled() => {}
            }
        }
        !self.stopping.is_cancelled()
    }

    fn serve(&mut self, line: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(line);
    }

    async fn end(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// An accept fails for the peer that went away meanwhile, or for want of descriptors: the next one may not.
async fn breathe(error: &io::Error) {
    tracing::warn!("a connection was not taken ({error})");
    tokio::time::sleep(BREATHER).await;
}
