//! A whole file that does not have the digest that it should have: are the bytes wrong, or is the digest?
//!
//! To fetch the file again answers that for any source, and costs all of it. Where a strong validator says that every
//! byte is of the version that the source has, and TLS that none changed on the way, it would bring the same bytes: then
//! it is enough to know that the disk gives back what came. Later runs only ask whether the source still has that version.
//!
//! ```text
//!   the digest differs ──► all of it is of this run, strong validator, TLS ──► read it back ──► differs ──► the end
//!                      ──► it was whole when the run began ──► has the source this version? ──► yes ──► the end
//!                      │                                                                    └──► no ──► begin anew
//!                      ├──► a digest of the source's own is right ──────────────────────────────────────► the end
//!                      └──► else, once ──► fetch it again, in one reply ──► differs ────────────────────► the end
//! ```
//!
//! At that end the bytes are kept: with the right digest the next run publishes them, and fetches nothing.

use super::Download;
use super::files::Lost;
use super::restart::Restart;
use super::step::{Failure, Note, Trouble};
use crate::digest::Digest;
use crate::identity::Likeness;
use crate::ranges::Range;
use crate::reply::{ReplyFacts, ReplyVerdict as Reply, Suspicion};

/// What was found of a whole file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mismatch {
    pub(super) expected: Digest,
    pub(super) actual: Digest,
    /// The source declared what was expected; the caller did not give it.
    pub(super) declared: bool,
}

/// What is looked into before a mismatch is believed.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Doubt {
    /// The file is read back, extent by extent; then its digest is computed again.
    Disk {
        /// Of this generation.
        generation: u32,
    },
    /// The source is asked whether it still has this version.
    Version(Mismatch),
    /// It has not: the version that it has is asked for.
    Replaced {
        /// This generation was the other one.
        generation: u32,
    },
}

impl Download {
    /// The whole does not have the digest that it should have. `vouched`: another digest, of the source's own, is right.
    pub(super) fn digest_mismatch(&mut self, mismatch: Mismatch, vouched: bool) {
        self.leave_small();
        self.phase.go_on();
        if self.refute_whole() {
            self.doubt = None;
            return;
        }
        let Some(g) = self.files.current() else { return };
        let generation = g.begin.generation;
        let strong = g.begin.identity.is_strong() && self.joinable(g);
        let empty = g.begin.identity.length == Some(0);
        let reread = self.doubt == Some(Doubt::Disk { generation });
        self.doubt = None;
        let since_start = self.files.since_start(generation);
        let brought = strong && since_start != SinceStart::Unchanged;
        let again = self.belief.has_mismatched();
        if mismatch.declared {
            // What the source says of its object may be mended there: no byte is kept on its word.
            self.fetch_again();
            return if again {
                self.fail_integrity(mismatch)
            };
        }
        if brought && vouched || reread || again {
            return self.fail_integrity(mismatch);
        }
        match (strong && !empty, since_start) {
            (true, SinceStart::Unchanged) => self.doubt = Some(Doubt::Version(mismatch)),
            (true, SinceStart::AllNew) if self.config.way_is_safe => {
                self.doubt = Some(Doubt::Disk { generation });
                self.files.forget_read();
            }
            _ => self.fetch_again(),
        }
    }

    /// All of it is voided, durably, and fetched once more.
    fn fetch_again(&mut self) {
        let Some(g) = self.files.current() else { return };
        let whole = Range::new(0, g.begin.identity.length.unwrap_or(u64::MAX));
        let generation = g.begin.generation;
        let discarded = self.files.void_all();
        // One reply cannot bring several pieces: these are fetched under the same validator once more.
        self.belief.mismatched(generation, !self.has_several_pieces());
        self.note(Note::Restarted { reason: Restart::DigestMismatch, discarded });
        self.record_void(Lost { generation, ranges: vec![whole] }, Restart::DigestMismatch);
        self.retry.restart_at(0);
    }

    fn fail_integrity(&mut self, Mismatch { expected, actual, declared }: Mismatch) {
        self.fail(Failure::Integrity { expected, actual, declared });
    }

    /// The source is asked about the version of a file that is whole.
    pub(super) fn asks_about_whole(&self) -> bool {
        matches!(self.doubt, Some(Doubt::Version(_)))
    }

    fn ask_for_replacement(&mut self) {
        self.doubt = self.files.current().map(|g| Doubt::Replaced { generation: g.begin.generation });
        self.belief.ask_version();
    }

    /// Whether this generation is whole, and not to be published.
    pub(super) fn doubts_whole(&self, generation: u32) -> bool {
        match self.doubt {
            Some(Doubt::Version(_)) => true,
            Some(Doubt::Replaced { generation: replaced }) => replaced == generation,
            Some(Doubt::Disk { .. }) | None => false,
        }
    }

    /// The source shows the version again that is held.
    pub(super) fn whole_is_back(&mut self) {
        if matches!(self.doubt, Some(Doubt::Replaced { .. })) {
            self.doubt = None;
        }
    }

    /// What it answers.
    pub(super) fn hear_about_whole(&mut self, i: usize, verdict: Reply, facts: &ReplyFacts) {
        self.stop(i);
        match verdict {
            Reply::Use { likeness: Likeness::Same, .. } => {
                if let Some(Doubt::Version(mismatch)) = self.doubt.take() {
                    self.fail_integrity(mismatch);
                }
            }
            Reply::Busy { status, retry_after_ms } => self.failed(Trouble::Busy(status), retry_after_ms),
            Reply::NotFound(_) | Reply::Denied(_) | Reply::Refused(_) => self.hear_no(i, &verdict, facts),
            Reply::Outside(length) => self.fail(Failure::Outside { length }),
            Reply::AskWhole if self.manner.asks_whole() => self.suspect(i, Suspicion::BadContentRange),
            Reply::AskWhole => self.manner.ask_whole(),
            Reply::Use { likeness: Likeness::Different, .. } | Reply::Changed => self.ask_for_replacement(),
            Reply::Empty { identity }
                if self.identity().is_some_and(|held| held.compare(&identity) == Likeness::Different) =>
            {
                self.ask_for_replacement();
            }
            // Nothing tells which version it is.
            Reply::Use { .. }
            | Reply::EndsAt(_)
            | Reply::Empty { .. }
            | Reply::Suspect(Suspicion::NoValidator | Suspicion::Encoded) => {
                self.doubt = None;
                self.fetch_again();
            }
            Reply::Suspect(why) => self.suspect(i, why),
        }
    }
}

/// Where the bytes of a whole file come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SinceStart {
    /// An earlier run brought all of them.
    Unchanged,
    /// This run brought all of them.
    AllNew,
    /// Some are of an earlier run: its version may have been another one under the same validator.
    Joined,
}
