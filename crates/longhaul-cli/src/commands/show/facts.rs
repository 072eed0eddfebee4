//! What `show --json` tells, field by field (`docs/json-events.md`).

use longhaul::{FetchRange, Finished, Inspection, JournalHealth, NextStart, ObjectIdentity, Unfinished};
use serde::Serialize;

use crate::commands::{Object, since_epoch};
use crate::show::{Direction, path_fields, text};

/// One of the two, told apart by `state`.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Facts {
    Unfinished(Box<Partial>),
    Finished(Box<FinishedFacts>),
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Partial {
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_hex: Option<String>,
    pub(super) id: Option<String>,
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) range: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) version_id: Option<String>,
    pub(super) object: Option<Object>,
    pub(super) total: Option<u64>,
    /// Claimed and hinted together.
    pub(super) held: u64,
    pub(super) claimed: Vec<(u64, u64)>,
    pub(super) hinted: Vec<(u64, u64)>,
    pub(super) voided: Vec<(u64, u64)>,
    pub(super) resumable: bool,
    pub(super) resumable_why: String,
    pub(super) next_start: &'static str,
    pub(super) next_start_why: Option<String>,
    pub(super) fetch: Vec<FetchFacts>,
    pub(super) reread: u64,
    pub(super) clean_stop: bool,
    pub(super) restarts: Vec<Restarted>,
    pub(super) kept_older: Option<u64>,
    pub(super) journal: &'static str,
    pub(super) journal_problem: Option<String>,
    pub(super) needs_link: bool,
    pub(super) needs_headers: bool,
    pub(super) holder: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct FetchFacts {
    pub(super) start: u64,
    pub(super) end: Option<u64>,
    pub(super) reason: String,
    pub(super) message: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct Restarted {
    pub(super) reason: String,
    pub(super) message: &'static str,
}

#[derive(Debug, Serialize)]
pub(super) struct FinishedFacts {
    pub(super) path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path_hex: Option<String>,
    pub(super) url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) range: Option<String>,
    pub(super) object: Object,
    pub(super) bytes: u64,
    pub(super) verified: &'static str,
    #[serde(skip)]
    pub(super) proof: String,
    pub(super) digests: Vec<String>,
    pub(super) finished_ms: u64,
    pub(super) leftover: Option<String>,
}

impl Facts {
    /// `None` for a kind of finding that only a newer library knows.
    pub(super) fn of(inspection: &Inspection) -> Option<Self> {
        match inspection {
            Inspection::Unfinished(unfinished) => Some(Self::Unfinished(Box::new(unfinished.as_ref().into()))),
            Inspection::Finished(finished) => Some(Self::Finished(Box::new(finished.as_ref().into()))),
            _ => None,
        }
    }
}

impl From<&Unfinished> for Partial {
    fn from(u: &Unfinished) -> Self {
        let (path, path_hex) = path_fields(Some(&u.path));
        let pairs = |ranges: &[std::ops::Range<u64>]| ranges.iter().map(|r| (r.start, r.end)).collect::<Vec<_>>();
        let sum = |ranges: &[std::ops::Range<u64>]| ranges.iter().map(|r| r.end - r.start).sum::<u64>();
        let (next_start, next_start_why) = match &u.next_start {
            NextStart::Continues => ("continues", None),
            NextStart::StartsOver(reason) => ("starts_over", reason.map(|r| r.explain().to_owned())),
            NextStart::FinishesPublishing => ("finishes_publishing", None),
            NextStart::Refused { why, advice } => {
                let helps = advice.map(|advice| format!("; {}", crate::advice::words(advice, |_| None)));
                ("refused", Some(format!("{why}{}", helps.unwrap_or_default())))
            }
            _ => ("unknown", None),
        };
        let (journal, journal_problem) = match &u.journal {
            JournalHealth::Absent => ("absent", None),
            JournalHealth::Readable { torn: 0, .. } => ("readable", None),
            JournalHealth::Readable { torn, .. } => {
                ("readable", Some(format!("{torn} bytes behind the last whole record do not count, as after a crash")))
            }
            JournalHealth::Unusable(why) => ("unusable", Some(why.clone())),
            _ => ("unknown", None),
        };
        Self {
            path,
            path_hex,
            id: u.id.clone(),
            url: u.source.clone(),
            range: u.range.clone(),
            endpoint: u.endpoint.clone(),
            version_id: u.version.clone(),
            object: u.object.as_ref().map(|o| Object::of(o, u.range.is_some())),
            total: u.object.as_ref().and_then(|o: &ObjectIdentity| o.length),
            held: sum(&u.claimed) + sum(&u.hinted),
            claimed: pairs(&u.claimed),
            hinted: pairs(&u.hinted),
            voided: pairs(&u.voided),
            resumable: u.resumable,
            resumable_why: u.resumable_why.clone(),
            next_start,
            next_start_why,
            fetch: u.fetch.iter().map(FetchFacts::from).collect(),
            reread: u.reread,
            clean_stop: u.clean_stop,
            restarts: u
                .restarts
                .iter()
                .map(|r| Restarted { reason: r.name().to_owned(), message: r.explain() })
                .collect(),
            kept_older: u.old.as_ref().map(|old| old.held),
            journal,
            journal_problem,
            needs_link: u.needs_link,
            needs_headers: u.needs_headers,
            holder: u.holder,
        }
    }
}

impl From<&FetchRange> for FetchFacts {
    fn from(range: &FetchRange) -> Self {
        let reason = range.reason.name().to_owned();
        Self { start: range.start, end: range.end, reason, message: range.reason.explain() }
    }
}

impl From<&Finished> for FinishedFacts {
    fn from(f: &Finished) -> Self {
        let (path, path_hex) = path_fields(Some(&f.path));
        Self {
            path,
            path_hex,
            url: f.source.clone(),
            range: f.range.clone(),
            object: Object::of(&f.object, f.range.is_some()),
            bytes: f.length,
            verified: text::verified(f.verified),
            proof: text::proof(f.verified, Direction::Down),
            digests: f.digests.iter().map(ToString::to_string).collect(),
            finished_ms: u64::try_from(since_epoch(f.finished).as_millis()).unwrap_or(u64::MAX),
            leftover: f.leftover.clone(),
        }
    }
}
