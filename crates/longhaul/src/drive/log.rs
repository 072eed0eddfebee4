//! The log of a transfer: one sentence per step, answer and note.
//!
//! What is decided and asked goes out at level `INFO`, each step on the way at `DEBUG`, the data behind both at `TRACE`.
//! The sentences are made by pure functions, and only where a subscriber wants them.

use std::fmt::Debug;

use longhaul_core::words::Ticket;

use crate::secrets;
use crate::wording;

/// The longest data that are logged, in characters.
const DATA_MAX: usize = 4000;

/// How near to the work a sentence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// What is asked for, answered and decided.
    Decision,
    /// One of the many steps between.
    Detail,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) depth: Depth,
    pub(super) text: String,
}

/// A sentence about a decision.
pub(super) fn decision(text: impl Into<String>) -> Option<Sentence> {
    Some(Sentence { depth: Depth::Decision, text: text.into() })
}

/// A sentence about a step on the way.
pub(super) fn detail(text: impl Into<String>) -> Option<Sentence> {
    Some(Sentence { depth: Depth::Detail, text: text.into() })
}

/// Whether a subscriber wants sentences.
pub(super) fn is_wanted() -> bool {
    tracing::enabled!(tracing::Level::INFO)
}

/// Logs the data behind a step or an answer, without the secrets that may be repeated in it.
pub(super) fn data(transfer: &str, ticket: Ticket, data: &impl Debug) {
    if tracing::enabled!(tracing::Level::TRACE) {
        tracing::trace!("{transfer}: {} {}", ticket.0, secrets::shown(&format!("{data:?}"), DATA_MAX));
    }
}

/// Logs a sentence about this transfer.
pub(super) fn say(transfer: &str, sentence: Option<Sentence>) {
    match sentence {
        Some(Sentence { depth: Depth::Decision, text }) => tracing::info!("{transfer}: {text}"),
        Some(Sentence { depth: Depth::Detail, text }) => tracing::debug!("{transfer}: {text}"),
        None => {}
    }
}

/// `adds 2 records to the journal, and syncs it`.
pub(super) fn recorded(count: usize, durable: bool) -> String {
    match (count, durable) {
        (0, _) => "syncs the journal".to_owned(),
        (count, false) => format!("adds {} to the journal", counted(count, "record")),
        (count, true) => format!("adds {} to the journal, and syncs it", counted(count, "record")),
    }
}

/// `1 part`, `3 parts`.
pub(super) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// `from 8.0 MiB on`, `from the start`.
pub(super) fn from(offset: u64) -> String {
    match offset {
        0 => "from the start".to_owned(),
        offset => format!("from {} on", wording::bytes(offset)),
    }
}

/// A wait: `at once`, `in 0.4 s`, `in 1 m 05 s`.
pub(super) fn after(delay_ms: u64) -> String {
    match delay_ms {
        0..100 => "at once".to_owned(),
        100..10_000 => format!("in {}.{} s", delay_ms / 1000, delay_ms % 1000 / 100),
        _ => format!("in {}", wording::seconds(delay_ms / 1000)),
    }
}
