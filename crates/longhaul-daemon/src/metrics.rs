//! What a daemon counts, in the text format of Prometheus (exposition formats, version 0.0.4). Ids and states, never
//! URLs or paths.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use longhaul::manager::{Manager, State as EntryState, Which};
use longhaul::{Event, TransferKind};

use crate::events::Feed;

/// What was counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    down: AtomicU64,
    up: AtomicU64,
    retries: AtomicU64,
    restarts: Mutex<BTreeMap<&'static str, u64>>,
    requests: Mutex<BTreeMap<(String, u16), u64>>,
}

/// Counts a request when it is answered, under the route that it took.
pub(crate) async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let response = next.run(request).await;
    let key = (route.unwrap_or_else(|| "other".to_owned()), response.status().as_u16());
    *locked(&metrics.requests).entry(key).or_default() += 1;
    response
}

impl Metrics {
    /// So many more bytes were moved.
    pub(crate) fn moved(&self, kind: TransferKind, bytes: u64) {
        let counter = if kind == TransferKind::Upload { &self.up } else { &self.down };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Something happened in a transfer.
    pub(crate) fn event(&self, event: &Event) {
        match event {
            Event::Retry { .. } => {
                self.retries.fetch_add(1, Ordering::Relaxed);
            }
            Event::Restarted { reason, .. } => *locked(&self.restarts).entry(reason.name()).or_default() += 1,
            _ => {}
        }
    }

    /// All of it as text, with what the list says now.
    pub(crate) fn text(&self, manager: &Manager, feed: &Feed) -> String {
        let mut page = Page(String::new());
        let mut states: BTreeMap<(&str, String), u64> = BTreeMap::new();
        let mut needs: BTreeMap<&str, u64> = BTreeMap::new();
        for entry in manager.entries(&Which::All, 0, usize::MAX) {
            *states.entry((entry.state.name(), entry.lane.clone())).or_default() += 1;
            if let EntryState::Needs { reason, .. } = &entry.state {
                *needs.entry(reason.kind.name()).or_default() += 1;
            }
        }
        page.head("longhaul_entries", "gauge", "Entries of the list, by state and lane.");
        for ((state, lane), count) in states {
            page.line("longhaul_entries", &[("state", state), ("lane", &lane)], count);
        }
        page.head("longhaul_needs", "gauge", "Entries that wait for a person, by what their last run ended with.");
        for (kind, count) in needs {
            page.line("longhaul_needs", &[("kind", kind)], count);
        }
        let counts = manager.counts();
        page.head("longhaul_rate_bytes", "gauge", "Bytes per second now.");
        page.line("longhaul_rate_bytes", &[("direction", "down")], counts.rate_down);
        page.line("longhaul_rate_bytes", &[("direction", "up")], counts.rate_up);
        page.head("longhaul_bytes_total", "counter", "Bytes of objects that were moved since the start.");
        page.line("longhaul_bytes_total", &[("direction", "down")], self.down.load(Ordering::Relaxed));
        page.line("longhaul_bytes_total", &[("direction", "up")], self.up.load(Ordering::Relaxed));
        page.head("longhaul_retries_total", "counter", "Requests that failed and were tried again.");
        page.line("longhaul_retries_total", &[], self.retries.load(Ordering::Relaxed));
        page.head("longhaul_restarts_total", "counter", "Times that held bytes were given up, by reason.");
        for (reason, count) in locked(&self.restarts).iter() {
            page.line("longhaul_restarts_total", &[("reason", reason)], *count);
        }
        page.head("longhaul_readers", "gauge", "Readers of the stream of events.");
        page.line("longhaul_readers", &[], feed.readers() as u64);
        page.head("longhaul_requests_total", "counter", "Requests answered, by route and status.");
        for ((route, code), count) in locked(&self.requests).iter() {
            page.line("longhaul_requests_total", &[("route", route), ("code", &code.to_string())], *count);
        }
        page.0
    }
}

struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n"); // writing to a String cannot fail
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let mut page = Page(String::new());
        page.line("a", &[("lane", "x\"\\\ny")], 3);
        page.line("b", &[], 4);
        assert_eq!(page.0, "a{lane=\"x\\\"\\\\\\ny\"} 3\nb 4\n");
    }
}
