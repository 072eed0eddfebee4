//! What was given up and may still be in the store?
//!
//! An upload that was given up stays in the journal until the store has confirmed that it is gone with all its parts.
//! First the record that it is given up is durable, and none of its parts is on its way any more. Then it is aborted,
//! and its list is asked for until the store does not know it any more. [`Leftovers`] says the next step towards that,
//! one at a time, and leaves to a later start what cannot be removed within a few tries.

use super::journal::Record;
use super::step::{Fault, Heard, Note, Restart, Step};
use crate::run::no_answer;
use crate::words::Millis;

/// Tries to remove one upload, per run, and requests for it in a row that are not answered.
const ABORT_TRIES: u32 = 6;
/// The first wait between them, in milliseconds; doubles.
const ABORT_PAUSE_MS: Millis = 200;

/// What the answer to a step of a removal is awaited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The record that it is given up.
    Record,
    Abort,
    List,
    /// The record that it is gone.
    Aborted,
}

/// An upload that is given up.
#[derive(Debug, Clone)]
pub(super) struct AbandonedUpload {
    pub(super) attempt: u32,
    pub(super) upload_id: String,
    /// Why; `None`: it is cancelled, or an earlier run left it.
    pub(super) reason: Option<Restart>,
    /// Its Complete may be at work.
    pub(super) in_doubt: bool,
    /// The store has said that it does not know it: that is asked once more when none of its parts is on its way.
    pub(super) gone: bool,
    /// The journal tells that it is given up.
    pub(super) recorded: bool,
}

#[derive(Debug, Clone)]
struct Leftover {
    upload: AbandonedUpload,
    state: RemovalState,
    /// Its list was empty the last time.
    was_empty: bool,
    /// Aborts that left something.
    tries: u32,
    /// Requests in a row that were not answered.
    unanswered: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RemovalState {
    /// That it is given up is not recorded.
    Live,
    /// It is to be aborted.
    Abandoned,
    /// Is anything left of it?
    Aborting,
    /// It is gone with all its parts; that is to be recorded.
    Clean,
    /// That is recorded.
    Over,
    /// For a later start.
    Later,
}

/// Everything that was given up.
#[derive(Debug, Clone, Default)]
pub(super) struct Leftovers {
    all: Vec<Leftover>,
    /// Uploads without an id, perhaps ours, that the journal remembers.
    nameless: u32,
    not_before: Millis,
}

impl Leftover {
    /// No more is done about it in this run.
    fn is_over(&self) -> bool {
        matches!(self.state, RemovalState::Over | RemovalState::Later)
    }
}

impl Leftovers {
    /// This upload is given up.
    pub(super) fn add(&mut self, upload: AbandonedUpload) {
        let state = if upload.recorded { RemovalState::Abandoned } else { RemovalState::Live };
        self.all.push(Leftover { upload, state, was_empty: false, tries: 0, unanswered: 0 });
    }

    /// There may be an upload whose id is not known.
    pub(super) fn add_nameless(&mut self) {
        self.nameless += 1;
    }

    /// Whether there is more to do in this run.
    pub(super) fn wait(&self) -> bool {
        self.all.iter().any(|leftover| !leftover.is_over())
    }

    /// The next step is not given before this moment.
    pub(super) fn not_before(&self) -> Millis {
        self.not_before
    }

    /// Whether an upload whose Complete may be at work is still to be removed.
    pub(super) fn may_still_write(&self) -> bool {
        self.all.iter().any(|leftover| leftover.upload.in_doubt && !leftover.is_over())
    }

    /// Whether the store has no upload any more that only the journal knows.
    pub(super) fn are_gone(&self) -> bool {
        self.nameless == 0 && self.all.iter().all(|leftover| leftover.state == RemovalState::Over)
    }

    /// The next step. `underway`: whether parts of an attempt are on their way. `durable`: whether records are synced.
    pub(super) fn next(&self, now: Millis, durable: bool, underway: impl Fn(u32) -> bool) -> Option<(Removal, Step)> {
        let Leftover { upload, state, .. } = self.all.iter().find(|leftover| !leftover.is_over())?;
        let (attempt, upload_id) = (upload.attempt, upload.upload_id.clone());
        Some(match state {
            _ if now < self.not_before => return None,
            RemovalState::Live => {
                let records = vec![Record::Abandoned { attempt, reason: upload.reason }];
                (Removal::Record, Step::Record { records, durable })
            }
            // A part that is on its way may bring back what is gone.
            RemovalState::Abandoned | RemovalState::Aborting if underway(attempt) => return None,
            RemovalState::Abandoned => (Removal::Abort, Step::Abort { upload_id }),
            RemovalState::Aborting => (Removal::List, Step::ListParts { upload_id, after: 0 }),
            RemovalState::Clean => {
                (Removal::Aborted, Step::Record { records: vec![Record::Aborted { attempt }], durable: false })
            }
            RemovalState::Over | RemovalState::Later => return None,
        })
    }

    /// The answer to that step, and the news that it is.
    pub(super) fn hear(&mut self, now: Millis, removal: Removal, heard: Heard) -> Option<Note> {
        let leftover = self.all.iter_mut().find(|leftover| !leftover.is_over())?;
        if !matches!(heard, Heard::Refused(_)) {
            leftover.unanswered = 0;
        }
        let aborted = |clean| Some(Note::Aborted { clean });
        match (removal, heard) {
            (Removal::Record, Heard::Done) if leftover.upload.gone => leftover.state = RemovalState::Aborting,
            (Removal::Record, Heard::Done) => leftover.state = RemovalState::Abandoned,
            (Removal::Abort, Heard::Done) => leftover.state = RemovalState::Aborting,
            (Removal::Abort | Removal::List, Heard::Refused(Fault::NoSuchUpload | Fault::NoSuchKey)) => {
                leftover.state = RemovalState::Clean;
                return aborted(true);
            }
            // A list may be late, and an upload without parts is one all the same: empty twice, or not known any more.
            (Removal::List, Heard::Listed { parts, next: None }) if parts.is_empty() && leftover.was_empty => {
                leftover.state = RemovalState::Clean;
                return aborted(true);
            }
            (Removal::List, Heard::Listed { parts, .. }) => {
                leftover.was_empty = parts.is_empty();
                leftover.state = RemovalState::Abandoned;
                leftover.tries += 1;
                return self.later(now);
            }
            (Removal::Aborted, Heard::Done) => leftover.state = RemovalState::Over,
            (_, Heard::Refused(Fault::Stopped { .. })) => {}
            (_, Heard::Refused(Fault::Denied(_) | Fault::Rejected(_) | Fault::NoCredentials | Fault::NoSuchBucket)) => {
                leftover.state = RemovalState::Later;
                return aborted(false);
            }
            (_, Heard::Refused(_)) => {
                leftover.unanswered += 1;
                return self.later(now);
            }
            // The journal cannot be written: what it still promises is not removed.
            (Removal::Record | Removal::Aborted, Heard::Failed(_)) => leftover.state = RemovalState::Later,
            _ => no_answer("a step of a removal"),
        }
        None
    }

    /// The current one is tried again after a while, or at a later start.
    fn later(&mut self, now: Millis) -> Option<Note> {
        let leftover = self.all.iter_mut().find(|leftover| !leftover.is_over())?;
        let doublings = leftover.tries.max(leftover.unanswered);
        if doublings >= ABORT_TRIES {
            leftover.state = RemovalState::Later;
            return Some(Note::Aborted { clean: false });
        }
        self.not_before = now.saturating_add(ABORT_PAUSE_MS << doublings);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::step::ListedPart;
    use crate::words::DiskFault;

    fn given_up(recorded: bool) -> Leftovers {
        let mut leftovers = Leftovers::default();
        let upload_id = "ID".into();
        leftovers.add(AbandonedUpload { attempt: 1, upload_id, reason: None, in_doubt: true, gone: false, recorded });
        leftovers
    }

    fn next(leftovers: &Leftovers) -> Option<Removal> {
        leftovers.next(Millis::MAX, true, |_| false).map(|(removal, _)| removal)
    }

    fn list(parts: u32) -> Heard {
        let part = |number| ListedPart { number, len: 1, etag: String::new(), digests: Vec::new() };
        Heard::Listed { parts: (1..=parts).map(part).collect(), next: None }
    }

    #[test]
    fn an_upload_is_recorded_aborted_confirmed_and_recorded_again() {
        let mut leftovers = given_up(false);
        for (removal, heard, note) in [
            (Removal::Record, Heard::Done, None),
            (Removal::Abort, Heard::Done, None),
            (Removal::List, list(1), None),
            (Removal::Abort, Heard::Done, None),
            (Removal::List, list(0), None),
            (Removal::Abort, Heard::Done, None),
            (Removal::List, list(0), Some(Note::Aborted { clean: true })),
            (Removal::Aborted, Heard::Done, None),
        ] {
            assert!(leftovers.wait() && leftovers.may_still_write() && !leftovers.are_gone());
            assert_eq!(next(&leftovers), Some(removal));
            assert_eq!(leftovers.hear(0, removal, heard), note);
        }
        assert!(!leftovers.wait() && leftovers.are_gone());
        leftovers.add_nameless();
        assert!(!leftovers.are_gone());
    }

    #[test]
    fn parts_on_their_way_are_waited_for() {
        let leftovers = given_up(true);
        assert_eq!(leftovers.next(0, true, |attempt| attempt == 1), None);
        assert!(leftovers.next(0, true, |attempt| attempt == 2).is_some());
    }

    #[test]
    fn what_cannot_be_removed_is_left_to_a_later_start() {
        let failed = Some(Note::Aborted { clean: false });
        let mut leftovers = given_up(true);
        assert_eq!(leftovers.hear(0, Removal::Abort, Heard::Refused(Fault::Denied(403))), failed);
        assert!(!leftovers.wait() && !leftovers.are_gone());
        let mut leftovers = given_up(true);
        let busy = || Heard::Refused(Fault::Busy { status: 503, retry_after_ms: None });
        assert!((1..ABORT_TRIES).all(|_| leftovers.hear(0, Removal::Abort, busy()).is_none()));
        assert_eq!(leftovers.hear(0, Removal::Abort, busy()), failed);
        let mut leftovers = given_up(false);
        assert_eq!(leftovers.hear(0, Removal::Record, Heard::Failed(DiskFault::NoSpace)), None);
        assert!(!leftovers.wait() && !leftovers.are_gone(), "the journal still tells of it");
    }
}
