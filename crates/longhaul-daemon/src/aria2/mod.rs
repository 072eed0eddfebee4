//! The list for programs that speak to aria2: its JSON-RPC at `/jsonrpc`, over HTTP and over WebSocket.
//!
//! ```text
//! door        requests and WebSockets: who comes in, and what goes out
//! wire        what is said, as aria2 says it
//! params      what a call brings
//! methods     what each method does, and which token it needs
//! add         entries that are new, or get other links and options
//! options     what aria2's options mean here
//! settings    those of all entries, and how options are shown
//! status      how an entry is shown
//! codes       which number an error has
//! notify      what clients are told unasked
//! session     the list as an input file of aria2
//! ```
//!
//! It speaks to the [`Manager`](longhaul::manager::Manager) alone and knows no transfer. What aria2 answers is recorded
//! in `tests/aria2/wire.json`; where this differs, `docs/aria2.md` says so.

mod add;
mod codes;
mod door;
mod methods;
mod notify;
mod options;
mod params;
mod session;
mod settings;
mod status;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use door::router;
