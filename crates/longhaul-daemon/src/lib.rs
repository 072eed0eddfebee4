//! The list of longhaul, served: an API with events, aria2's RPC, and a page, each over the same
//! [`Manager`](longhaul::manager).
//!
//! ```text
//!  pages, programs ─► TCP ──────────┐
//!                                   ├─► serve ─► guard ─► api · events · metrics · aria2 · page ─► Manager
//!  the command line ─► Unix socket ─┘            (who may?)
//! ```
//!
//! * [`Daemon`] listens, and ends in order.
//! * [`tokens`] says who may come by TCP; by the Unix socket, the user whose daemon it is.
//! * [`socket`] is the other end of the Unix socket: a client for programs of this machine.
//! * [`install`] writes what systemd and launchd need to start a daemon.
//!
//! Nothing here decides about transfers, prints, or reads the environment untold. The API is described in
//! `docs/openapi.json`, how a daemon is run and who can reach it in `docs/daemon.md`.

pub mod install;
pub mod socket;
pub mod tokens;

mod api;
mod app;
mod aria2;
mod codes;
mod events;
mod guard;
mod metrics;
mod page;
mod problem;
mod rows;
mod serve;

pub use serve::{Daemon, DaemonBuilder, PORT, StartError};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
