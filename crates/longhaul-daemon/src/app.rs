//! What all rooms that answer share.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use longhaul::Client;
use longhaul::manager::Manager;
use tokio_util::sync::CancellationToken;

use crate::codes::Codes;
use crate::events::Feed;
use crate::guard::Guard;
use crate::metrics::Metrics;

/// The state of a daemon: the list, who may ask for what, and what is told to many readers at once.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) manager: Manager,
    /// The client of the manager: for what is asked beside the list (probes).
    pub(crate) client: Client,
    pub(crate) guard: Arc<Guard>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) metrics: Arc<Metrics>,
    /// One-time codes for pages.
    pub(crate) codes: Codes,
    pub(crate) place: Place,
    pub(crate) started: Instant,
    /// The daemon ends: streams end, and nothing new is begun.
    pub(crate) stopping: CancellationToken,
    /// A caller wants it to end.
    pub(crate) asked_to_stop: CancellationToken,
}

/// Where a daemon is found.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) state_dir: PathBuf,
}

impl App {
    pub(crate) fn new(client: Client, manager: Manager, guard: Arc<Guard>, place: Place) -> Self {
        Self {
            manager,
            client,
            guard,
            feed: Arc::default(),
            metrics: Arc::default(),
            codes: Codes::default(),
            place,
            started: Instant::now(),
            stopping: CancellationToken::new(),
            asked_to_stop: CancellationToken::new(),
        }
    }
}
