//! What was asked and what really went over the wire? One line of JSON for each request, when it is over.
//!
//! The last ones are kept for the admin page and for tests that ask; all of them go to a writer if one is given. Values
//! of signatures and tokens are left out.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use percent_encoding::percent_decode_str;
use serde::Serialize;

/// Enough for a test to look back, little enough for a store that runs for weeks.
const KEPT: usize = 10_000;
/// What clients choose is kept up to so many bytes: a log of the longest heads is to stay a log. Every key that can be
/// an object's is whole.
const TEXT_BYTES_MAX: usize = 2048;
/// Parameters whose values are secrets.
const SECRET: [&str; 7] = [
    "signature",
    "securitytoken",
    "x-oss-signature",
    "security-token",
    "x-oss-security-token",
    "callback",
    "callback-var",
];

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    /// The answer was sent whole.
    #[default]
    Whole,
    /// By a fault.
    Cut,
    Reset,
    Stall,
    /// The client left, or did not take it in time.
    Gone,
}

/// One request and what became of it.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Line {
    /// Counted from 1.
    pub(crate) n: u64,
    pub(crate) at: String,
    pub(crate) connection: u64,
    pub(crate) request_id: String,
    pub(crate) op: &'static str,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) bucket: String,
    pub(crate) key: String,
    /// The id of the key that signed; empty for an anonymous request.
    pub(crate) access_key_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<String>,
    pub(crate) status: u16,
    /// OSS's code when it was refused.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) code: String,
    /// Bytes of the request's body that were read.
    pub(crate) bytes_in: u64,
    /// Bytes of the answer's body that the kernel took.
    pub(crate) bytes_out: u64,
    pub(crate) ms: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) faults: Vec<&'static str>,
    pub(crate) ended: Ended,
}

/// All requests of a store.
pub(crate) struct Log(Mutex<Inner>);

struct Inner {
    next: u64,
    kept: VecDeque<Line>,
    to: Option<Box<dyn Write + Send>>,
}

impl Log {
    pub(crate) fn new(to: Option<Box<dyn Write + Send>>) -> Log {
        Log(Mutex::new(Inner { next: 1, kept: VecDeque::new(), to }))
    }

    /// Enters a line and gives it its number.
    pub(crate) fn enter(&self, mut line: Line) {
        for text in [&mut line.method, &mut line.host, &mut line.target, &mut line.bucket, &mut line.key] {
            shorten(text);
        }
        shorten(&mut line.access_key_id);
        if let Some(range) = &mut line.range {
            shorten(range);
        }
        let mut inner = self.lock();
        line.n = inner.next;
        inner.next += 1;
        if let (Some(to), Ok(mut text)) = (inner.to.as_mut(), serde_json::to_vec(&line)) {
            text.push(b'\n');
            // Where the log goes is the operator's; a store must not end because of it.
            let _ = to.write_all(&text).and_then(|()| to.flush());
        }
        if inner.kept.len() == KEPT {
            inner.kept.pop_front();
        }
        inner.kept.push_back(line);
    }

    /// The kept lines with a number above `after`.
    pub(crate) fn since(&self, after: u64) -> Vec<Line> {
        self.lock().kept.iter().filter(|line| line.n > after).cloned().collect()
    }

    /// Forgets the kept lines. Numbers go on: who asks for what is new is told that.
    pub(crate) fn forget(&self) {
        self.lock().kept.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shorten(text: &mut String) {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
        text.shrink_to_fit();
    }
}

/// A request target without secrets.
pub(crate) fn redact(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return target.to_owned() };
    let pairs: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}=***"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

/// However it is spelt.
fn is_secret(name: &str) -> bool {
    let name = percent_decode_str(name).decode_utf8_lossy().to_ascii_lowercase();
    SECRET.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_tokens_are_left_out() {
        let target = "/k?uploadId=A&Signature=s%3D&x-oss-signature=s&security-token=t&x-oss-security-token=t&uploads";
        let shown =
            "/k?uploadId=A&Signature=***&x-oss-signature=***&security-token=***&x-oss-security-token=***&uploads";
        assert_eq!(redact(target), shown);
        assert_eq!(redact("/k"), "/k");
        assert_eq!(redact("/k?%53ignature=s&callback-var=v"), "/k?%53ignature=***&callback-var=***");
    }

    #[test]
    fn a_line_is_bounded_whatever_a_client_sends() {
        let log = Log::new(None);
        let long = || "é".repeat(60_000);
        let line =
            Line { host: long(), target: long(), key: long(), range: Some(long()), method: long(), ..Line::default() };
        log.enter(line);
        log.enter(Line { key: "k".repeat(1023), ..Line::default() });
        let lines = log.since(0);
        assert!(serde_json::to_string(&lines[0]).unwrap().len() < 6 * (TEXT_BYTES_MAX + 100));
        assert!(lines[0].key.ends_with("é…") && lines[1].key.len() == 1023);
    }

    #[test]
    fn lines_are_numbered_and_the_oldest_forgotten() {
        let log = Log::new(None);
        for _ in 0..KEPT + 5 {
            log.enter(Line::default());
        }
        assert_eq!(log.since(0).len(), KEPT);
        let numbers: Vec<u64> = log.since(KEPT as u64 + 3).iter().map(|line| line.n).collect();
        assert_eq!(numbers, [KEPT as u64 + 4, KEPT as u64 + 5]);
    }
}
