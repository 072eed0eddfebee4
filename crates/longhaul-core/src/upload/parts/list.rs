//! What does the store have of the parts, by its own list?

use super::{Dropped, PartState};
use crate::digest::Digest;
use crate::upload::compare::{bare, is_etag, same};
use crate::upload::jobs::Main;
use crate::upload::journal::ETAG_MAX;
use crate::upload::step::{Failure, Fault, ListedPart, Note, Restart, Step};
use crate::upload::{Stage, UploadFault, plan};

/// Lists that were read because Complete named a part that the store has otherwise, per attempt.
const RELISTS_MAX: u32 = 2;

/// What a listed part is worth.
#[derive(Debug, Default)]
struct Weighed {
    /// Whether it is the part that is wanted; `None`: that cannot be told yet.
    agrees: Option<bool>,
    /// The same by digests alone.
    compared: Option<bool>,
    /// The digests that are of its bytes.
    told: Vec<Digest>,
}

impl crate::upload::Upload {
    /// Asks for the next page.
    pub(in crate::upload) fn list(&mut self) {
        let Some(upload_id) = self.attempts.upload_id().map(str::to_owned) else { return };
        if self.list_after == 0 {
            self.writing.unready();
            self.parts.unlisted = (1..=self.parts.count()).collect();
            self.parts.dropped = Dropped::default();
        }
        self.main(Main::List, Step::ListParts { upload_id, after: self.list_after });
    }

    pub(in crate::upload) fn list_refused(&mut self, fault: Fault) {
        match fault {
            Fault::Stopped { .. } => {}
            Fault::NoSuchUpload | Fault::NoSuchKey if self.writing.is_in_doubt() => {
                // Complete may have been carried out meanwhile.
                self.settle_from(fault);
            }
            Fault::NoSuchUpload | Fault::NoSuchKey => self.new_attempt(Restart::UploadGone, true),
            fault => self.asked_in_vain(fault),
        }
    }

    pub(in crate::upload) fn heard_list(&mut self, parts: Vec<ListedPart>, next: Option<u32>) {
        self.budget.served();
        for part in parts {
            self.listed(part);
        }
        let next = next.filter(|_| !self.planted(UploadFault::FirstPageOnly));
        match next {
            // A store that lists behind the last part has nothing more to say.
            Some(next) if next < self.parts.count() => {
                if next <= self.list_after {
                    return self.fail(Failure::Unusable);
                }
                self.list_after = next;
            }
            _ => self.all_listed(),
        }
    }

    fn listed(&mut self, part: ListedPart) {
        let number = part.number;
        if !self.parts.unlisted.remove(&number) {
            return; // none of ours, or listed twice
        }
        let (touched, settled) = (self.source.is_touched(), self.source.is_settled());
        let trusted = self.planted(UploadFault::ListedPartTrusted);
        let unchecked = self.planted(UploadFault::SourceChangeIgnored);
        let Weighed { agrees, compared, told } = self.weigh(&part);
        let comparable = told.iter().any(|d| self.kinds().contains(&d.kind()));
        let Some(state) = self.parts.state(number) else { return };
        let (acked, recorded) = (state.acked, state.recorded);
        match agrees {
            Some(true) => {
                state.etag = part.etag;
                state.proven |= compared == Some(true);
                let young = state.recorded_young || !recorded;
                self.parts.etags_are_opaque |= compared == Some(false);
                self.parts.ack(number);
                if acked || unchecked || trusted {
                    // Nothing new is known of it.
                } else if touched || !settled {
                    self.parts.unread.insert(number);
                } else if young {
                    self.parts.young.insert(number);
                }
            }
            None if comparable && !acked => {
                // Its record was lost: what the store has is compared with what is read.
                (state.etag, state.listed, state.read) = (part.etag, told, Vec::new());
                self.parts.unread.insert(number);
            }
            _ => {
                self.parts.dropped.differing |= acked || recorded;
                self.drop_part(number, agrees == Some(false));
            }
        }
    }

    /// Holds what is listed of a part against what is known of it.
    fn weigh(&mut self, part: &ListedPart) -> Weighed {
        let trusted = self.planted(UploadFault::ListedPartTrusted);
        let ignores_etag = self.planted(UploadFault::ReplacedPartTrusted);
        let forgets_etag = self.planted(UploadFault::OpaquePartForgotten);
        let (bytes, opaque) = (self.parts.bytes(part.number), self.parts.etags_are_opaque);
        let unusable = part.len != bytes || part.etag.len() > ETAG_MAX || self.planted(UploadFault::ResumeForgets);
        let Some(state) = self.parts.state(part.number) else { return Weighed::default() };
        let known = state.acked || state.recorded;
        let as_acknowledged = known && !forgets_etag && (is_named(part, &state.etag) || ignores_etag);
        let compared = same(&part.digests, &state.read);
        // What bears the ETag of the acknowledgement is that part: an MD5 that its ETag looks like is none.
        let etag_is_no_md5 = opaque || as_acknowledged && compared == Some(false);
        let counts = |digest: &&Digest| !etag_is_no_md5 || !is_etag(digest, &part.etag);
        let told: Vec<Digest> = part.digests.iter().filter(counts).cloned().collect();
        let agrees = match same(&told, &state.read) {
            _ if unusable => Some(false),
            None if as_acknowledged => Some(true),
            _ if trusted => Some(true),
            agrees => agrees,
        };
        Weighed { agrees, compared, told }
    }

    /// What the store has under this number is of no use.
    fn drop_part(&mut self, number: u32, wrong: bool) {
        let bytes = self.parts.bytes(number);
        let Some(state) = self.parts.state(number) else { return };
        let known = state.acked || state.recorded;
        if state.acked {
            self.parts.doomed.push(number);
        } else {
            *state = PartState { wrong: state.wrong, ..PartState::default() };
            self.parts.todo.insert(number);
        }
        if known {
            self.parts.dropped.parts += 1;
            self.parts.dropped.bytes += bytes;
        } else if wrong {
            self.note(Note::WrongPart { number });
        }
    }

    fn all_listed(&mut self) {
        self.list_after = 0;
        let empty = self.parts.unlisted.len() == self.parts.table.len();
        for number in std::mem::take(&mut self.parts.unlisted) {
            self.drop_part(number, false);
        }
        for number in std::mem::take(&mut self.parts.doomed) {
            self.parts.unack(number);
            self.parts.todo.insert(number);
        }
        let Dropped { parts, bytes: discarded, differing } = std::mem::take(&mut self.parts.dropped);
        let again = self.relists > 0;
        if !again && (empty && parts == 0 || self.planted(UploadFault::ShortenedWhileHeld)) && self.shorten() {
            return;
        }
        if parts > 0 || again {
            let reason = if differing && !again { Restart::PartsDiffer } else { Restart::InvalidPart };
            self.note(Note::Restarted { reason, discarded });
        }
        if !again {
            let (parts, bytes) = (self.parts.acked, self.parts.acked_bytes);
            self.note(Note::Resumed { parts, bytes });
        }
        self.budget.restart_at(self.parts.acked_bytes);
        self.phase.go(Stage::Send);
    }

    /// An earlier run began the attempt, and no part of it arrived before that run ended: nothing is lost by beginning anew
    /// with shorter ones. Whether it is so.
    fn shorten(&mut self) -> bool {
        if self.config.part_len.is_some() {
            return false;
        }
        let (length, part_len) = (self.parts.len, self.parts.part_len);
        let Some(shorter) = plan::shorter(part_len, length, &self.config.limits) else { return false };
        self.attempts.shorten_to(shorter);
        self.new_attempt(Restart::ShorterParts, false);
        true
    }

    /// Complete named a part that the store does not have, or has otherwise: what does it have?
    pub(in crate::upload) fn list_again(&mut self) {
        self.relists += 1;
        self.list_after = 0;
        self.budget.stepped(); // Complete was answered; at most `RELISTS_MAX` times
        if self.relists > RELISTS_MAX {
            return self.new_attempt(Restart::InvalidPart, false);
        }
        self.phase.go(Stage::List);
    }
}

/// Whether it is listed under this ETag; none is no name.
fn is_named(part: &ListedPart, etag: &str) -> bool {
    !bare(etag).is_empty() && bare(&part.etag) == bare(etag)
}
