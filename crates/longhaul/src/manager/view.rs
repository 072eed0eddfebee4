//! What readers see of an entry: its details, where the queue has it, and how far it is.

use std::path::{Path, PathBuf};

use longhaul_core::queue::step::{Entry as CoreEntry, Purpose, Request, Rest, Wish};

use super::details::Details;
use super::entry::{Entry, EntryId, Finish, Reason, State};
use crate::error::ErrorKind;
use crate::event::Progress;

/// Where the queue has an entry now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) entry: CoreEntry,
    /// What it runs for.
    pub(super) purpose: Option<Purpose>,
    /// Its run was told to stop.
    pub(super) stops: bool,
    /// When it runs later: in milliseconds since 1970.
    pub(super) due_ms: Option<u64>,
}

/// The entry as readers see it; its number of change is not set.
pub(super) fn entry(details: &Details, now: &Now) -> Entry {
    let mut tidied = details.clone();
    tidy(&mut tidied, now.entry.rest, now.purpose.is_some());
    let state = state(&tidied, now);
    let progress = progress(&tidied, &state);
    let name = tidied.name;
    Entry {
        id: now.entry.id,
        gid: tidied.gid,
        kind: tidied.kind,
        sources: tidied.sources,
        folder: tidied.folder,
        name,
        destination: tidied.destination,
        lane: tidied.lane,
        tags: tidied.tags,
        rank: now.entry.rank,
        state,
        options: tidied.options,
        added_ms: tidied.added_ms,
        started_ms: tidied.started_ms,
        ended_ms: tidied.ended_ms,
        attempts: tidied.attempts,
        progress,
        rev: 0,
    }
}

/// What an end left goes with it when the entry waits for its turn again; one that stopped has a moment when it did.
pub(super) fn tidy(details: &mut Details, rest: Rest, runs: bool) {
    match rest {
        Rest::Queued => (details.reason, details.finish, details.ended_ms) = (None, None, None),
        Rest::Later { .. } => (details.finish, details.ended_ms) = (None, None),
        Rest::Needs(_) | Rest::Failed | Rest::Done | Rest::Cancelled if !runs && details.ended_ms.is_none() => {
            details.ended_ms = Some(crate::now_unix_ms());
        }
        _ => {}
    }
}

fn state(details: &Details, now: &Now) -> State {
    match (now.purpose, now.entry.wish, now.entry.rest) {
        (Some(Purpose::Discard), ..) => State::Stopping,
        (Some(Purpose::Transfer), ..) if now.stops => State::Stopping,
        (Some(Purpose::Transfer), ..) => State::Running,
        (_, _, Rest::Done) => State::Done(finish(details)),
        (_, _, Rest::Failed) => State::Failed(reason(details)),
        (_, _, Rest::Cancelled) => State::Cancelled,
        (_, Wish::Hold, _) => State::Held,
        (_, Wish::Cancel { .. }, _) => State::Stopping,
        (_, Wish::Run, Rest::Queued) => State::Queued,
        (_, Wish::Run, Rest::Needs(what)) => State::Needs { what, reason: reason(details) },
        (_, Wish::Run, Rest::Later { why, wait_ms }) => {
            let until_ms = now.due_ms.unwrap_or_else(|| crate::now_unix_ms() + wait_ms);
            State::Later { why, until_ms, reason: reason(details) }
        }
    }
}

/// A run always says why it ended; the list may be of a time before that was recorded.
fn reason(details: &Details) -> Reason {
    details.reason.clone().unwrap_or_else(|| Reason {
        kind: ErrorKind::Internal,
        message: format!("{}: why it ended is not known", details.shown()),
        advice: None,
        status: None,
    })
}

fn finish(details: &Details) -> Finish {
    details.finish.clone().unwrap_or_else(|| Finish {
        path: details.path().unwrap_or_else(|| details.folder.clone()),
        bytes: details.total.unwrap_or(details.held),
        verified: crate::event::Verified::Nothing.name().to_owned(),
        already: false,
    })
}

fn progress(details: &Details, state: &State) -> Progress {
    let (held, total) = match state {
        State::Done(finish) => (finish.bytes, Some(finish.bytes)),
        _ => (details.held, details.total),
    };
    Progress { received: held, durable: held, verified: 0, total, rate: 0, connections: 0 }
}

/// The name of a file in a folder, sub-folders and all.
pub(super) fn name_in(folder: &Path, path: &Path) -> Option<PathBuf> {
    match path.strip_prefix(folder) {
        Ok(name) => Some(name.to_owned()),
        // The folder may be a link: what it leads to is told of the file.
        Err(_) => path.strip_prefix(folder.canonicalize().ok()?).ok().map(Path::to_owned),
    }
    .filter(|name| name.file_name().is_some())
}

/// Which entry a request is about.
pub(super) fn entry_of(request: &Request) -> Option<EntryId> {
    match request {
        Request::Add { entry, .. } => Some(entry.id),
        Request::Hold(id) | Request::Release(id) | Request::Retry(id) | Request::Forget(id) => Some(*id),
        Request::Cancel { id, .. } | Request::Move { id, .. } | Request::Edit { id, .. } => Some(*id),
        Request::Limit(_) => None,
    }
}

/// Bytes that this user may still write below a folder; `None` when that cannot be told.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    // A file system that does not know its size (some network ones) says zero blocks in all.
    (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
}
