//! `--json`: events for programs, one object a line. `docs/json-events.md` is their contract; what an event says is
//! the library's ([`longhaul::json`]), of whom it is said and when is added here.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use longhaul::Event;
use longhaul::json::{self, Fields};
use serde::Serialize;

use super::{ShownOutcome, ShownTransfer};
use crate::exit::Failure;

/// Progress is told at most this often.
const PROGRESS_APART: Duration = Duration::from_millis(500);

/// What a reader of one URL's events was told last.
#[derive(Debug, Default)]
pub(super) struct JsonEvents {
    progress: Option<Instant>,
}

impl JsonEvents {
    /// The line for an event; `None` when there is no need of one.
    pub(super) fn line(&mut self, subject: &ShownTransfer, event: &Event) -> Option<String> {
        if matches!(event, Event::Progress(_)) {
            let now = Instant::now();
            if self.progress.is_some_and(|last| now - last < PROGRESS_APART) {
                return None;
            }
            self.progress = Some(now);
        }
        Some(line(event.name(), subject, json::event_fields(event, subject.way.kind())))
    }
}

/// The last line of a transfer that is whole.
pub(super) fn done(subject: &ShownTransfer, outcome: &ShownOutcome) -> String {
    line("done", subject, outcome.facts.clone())
}

/// The last line of a URL that failed.
pub(super) fn failed(subject: &ShownTransfer, failure: &Failure, held: Option<u64>) -> String {
    let mut fields = failure.facts.clone();
    fields.insert("kind".into(), failure.kind.into());
    fields.insert("exit_code".into(), failure.exit.code().into());
    fields.insert("message".into(), failure.message.as_str().into());
    fields.insert("state_kept".into(), held.is_some_and(|held| held > 0).into());
    fields.insert("held".into(), held.into());
    line("failed", subject, fields)
}

/// `event`, `url`, `number`, `id`, `path` and `time_ms` are in every line, in this order; then come the event's own
/// fields.
fn line(event: &'static str, subject: &ShownTransfer, fields: Fields) -> String {
    #[derive(Serialize)]
    struct JsonLine<'a> {
        event: &'static str,
        url: &'a str,
        number: usize,
        id: Option<&'a str>,
        path: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path_hex: Option<String>,
        time_ms: u64,
        #[serde(flatten)]
        fields: Fields,
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (path, path_hex) = path_fields(subject.path.as_deref());
    let time_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let line = JsonLine {
        event,
        url: &subject.url,
        number: subject.number,
        id: subject.id.as_deref(),
        path,
        path_hex,
        time_ms,
        fields,
    };
    // Maps with text keys always serialize.
    let mut line = serde_json::to_string(&line).unwrap_or_default();
    line.push('\n');
    line
}

/// A path for JSON: text; where it is not UTF-8, text with replacement characters and the exact bytes in hexadecimal.
pub(crate) fn path_fields(path: Option<&Path>) -> (Option<String>, Option<String>) {
    match path.map(json::path) {
        Some((path, exact)) => (Some(path), exact),
        None => (None, None),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
