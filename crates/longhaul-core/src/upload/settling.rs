//! The answer to the request that writes the object was lost. What became of it?
//!
//! A look decides: what is the whole is ours; what still stands there as before means that the request was not carried
//! out, or is still at work; and anything else is another writer's and is never overwritten. As long as the store still
//! knows the upload, Complete may be sent again; when it does not, the upload was completed or removed, or is being
//! completed now: waiting tells.

use super::config::Config;
use super::key::Standing;
use super::step::{Fault, ObjectFacts, Proof, Restart};
use crate::words::Millis;

/// The first wait while settling, in milliseconds; doubles up to the maximum.
pub(super) const SETTLE_PAUSE_MS: Millis = 500;
const SETTLE_PAUSE_MAX_MS: Millis = 30_000;
/// How long it is worth asking when the object may not be looked at, in milliseconds: where listing is not allowed, a
/// missing object is answered like a forbidden one.
const DENIED_MS: Millis = 30_000;
/// Looks that must agree before one request with the whole object counts as not carried out.
const LOOKS_MIN: u32 = 2;
/// How long a request of an earlier run for an older version is waited for, in milliseconds: longer than a store takes
/// for a request that it has received, shorter than anyone wants to wait for a small file.
const OUTDATED_MS: Millis = 5_000;
/// Tries to write the object differ in how many looks come before, and begin anew after so many.
const OFF_BEATS: u32 = 3;

/// What is being found out about a lost answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Settling {
    /// Since when; `None`: no answer is being settled.
    since: Option<Millis>,
    next_at: Millis,
    pause_ms: Millis,
    looks: u32,
    /// The store said, where it counts, that it does not know the upload any more.
    gone: bool,
    cause: Option<Fault>,
    standing: Option<Standing>,
    listed: Option<Presence>,
    /// More looks than are needed are asked before the request that writes the object is sent again; so many follow the
    /// one that is under way. A store that refuses requests in a beat (every second one; two, then none of two) would
    /// refuse each try, if each came after as many looks: the second try comes after one more, the third after two.
    /// What these bring counts, and a refusal does as well.
    off_beat: Option<u32>,
}

/// Whether the store still knows an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    Gone,
    /// It may not be asked.
    Untold,
}

/// What the run knows of the request whose answer was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances {
    /// The object goes in one request.
    pub(super) put: bool,
    /// The request may be at work, or have been carried out.
    pub(super) in_doubt: bool,
    /// It can be sent again as it is.
    pub(super) ready: bool,
    /// The source shows other facts than those that were recorded.
    pub(super) touched: bool,
    /// The source's times are old enough for a later change to show in them.
    pub(super) settled: bool,
}

/// What to ask next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// What stands at the key?
    Object,
    /// Does the store still know the upload?
    Upload,
    /// None: it is decided.
    None,
}

/// What became of the request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// The whole stands at the key. `gone`: the upload does not exist any more.
    OpenFacts { object: ObjectFacts, verified: Proof, gone: bool },
    /// What stands there tells no digest, and is taken for ours.
    Believed(ObjectFacts),
    /// Another writer's object stands there. `current`: the whole is of the source as it is now.
    Contested { object: ObjectFacts, current: bool },
    /// Another writer's object stands there, and was there before the request.
    Exists,
    /// The upload is gone, and with it the request.
    UploadGone(Restart),
    /// The request was not carried out.
    NotDone,
    /// It cannot be told, and the caller wants the object sent all the same.
    SendAllTheSame,
    /// It cannot be told, and will not be.
    Unconfirmed,
    /// Not known yet.
    Wait,
}

impl Settling {
    /// Begins to find out what became of the request, or goes on with it. Whether it begins.
    pub(super) fn begin(&mut self, now: Millis, cause: Fault, config: &Config) -> bool {
        let begins = self.since.is_none();
        if begins {
            *self = Self { since: Some(now), pause_ms: SETTLE_PAUSE_MS, ..Self::default() };
        }
        let wish = cause.retry_after_ms().unwrap_or(0).min(config.retry.retry_after_max_ms);
        self.next_at = now.saturating_add(wish);
        self.looks = 0;
        // The store has said it where it counts: what it still lists is of no use.
        self.gone |= matches!(cause, Fault::NoSuchUpload | Fault::NoSuchKey);
        (self.standing, self.listed, self.off_beat) = (None, None, None);
        self.cause = Some(cause);
        begins
    }

    /// Not before this moment.
    pub(super) fn next_at(&self) -> Millis {
        self.next_at
    }

    /// What brought it about.
    pub(super) fn cause(&self) -> Fault {
        self.cause.clone().unwrap_or(Fault::Unreadable)
    }

    /// Looks at the object, then at the upload, then it is decided.
    pub(super) fn question(&self, has_upload_id: bool) -> Question {
        match (&self.standing, self.listed) {
            (None, _) => Question::Object,
            (Some(_), None) if has_upload_id && !self.gone => Question::Upload,
            (Some(_), _) => Question::None,
        }
    }

    /// The answer to a look.
    pub(super) fn looked(&mut self, standing: Standing) {
        self.looks += 1;
        self.standing = Some(standing);
    }

    /// Whether the look that is under way is one more than needed.
    pub(super) fn is_off_beat(&self) -> bool {
        self.off_beat.is_some()
    }

    /// The answer to the question for the upload.
    pub(super) fn listed(&mut self, listed: Presence) {
        self.listed = Some(listed);
    }

    /// Decides by what was seen.
    pub(super) fn judge(&mut self, now: Millis, of: Circumstances, config: &Config) -> Fate {
        let Some(standing) = self.standing.take() else { return Fate::Wait };
        let gone = !of.put && (self.gone || self.listed == Some(Presence::Gone));
        // Whether the upload is still there cannot be told: as if it were not.
        let listed = self.listed.take() == Some(Presence::There);
        let waited = now.saturating_sub(self.since.unwrap_or(now));
        let late = waited >= config.settle_ms;
        // The request of an earlier run, for what may be another version: should it be carried out late, it would
        // overwrite the newer one.
        let outdated = of.touched && !of.ready && waited < OUTDATED_MS.min(config.settle_ms);
        let exists = self.cause == Some(Fault::Exists);
        let current = of.ready || !of.touched && of.settled;
        match standing {
            Standing::Ours(object, verified) => Fate::OpenFacts { object: *object, verified, gone },
            Standing::Already(object, verified) if !listed => Fate::OpenFacts { object: *object, verified, gone },
            Standing::Perhaps(object) if of.in_doubt && !listed => Fate::Believed(*object),
            // Overwriting is forbidden, and what is there is not ours.
            Standing::Other(object) | Standing::Perhaps(object) if exists && !of.in_doubt => {
                Fate::Contested { object: *object, current }
            }
            _ if exists && !of.in_doubt => Fate::Exists,
            // Complete was never under way: whichever object stands there, the upload is gone for another reason.
            _ if !of.in_doubt => Fate::UploadGone(Restart::UploadGone),
            Standing::Already(..) => Fate::NotDone,
            Standing::AsBefore if of.put && self.looks >= LOOKS_MIN && !outdated => Fate::NotDone,
            Standing::AsBefore if listed => Fate::NotDone,
            Standing::AsBefore if late && !of.put => Fate::UploadGone(Restart::NotStored),
            Standing::Denied if listed => Fate::NotDone,
            // What an earlier run left unsettled: the caller was told then, and says now that it is to be sent all the
            // same.
            Standing::Denied | Standing::Other(_) | Standing::Perhaps(_) if config.force && !of.ready => {
                Fate::SendAllTheSame
            }
            Standing::Denied if late || waited >= DENIED_MS => Fate::Unconfirmed,
            // With the upload our request can have no effect any more. Two looks: the first may have been served by a
            // server that had not heard of it yet.
            Standing::Other(object) if late || gone && self.looks >= LOOKS_MIN => {
                Fate::Contested { object: *object, current }
            }
            Standing::Perhaps(object) if late => Fate::Contested { object: *object, current },
            _ => {
                self.off_beat = None;
                let pause_ms = self.pause_ms;
                self.pause_ms = (pause_ms * 2).min(SETTLE_PAUSE_MAX_MS);
                let left = config.settle_ms.saturating_sub(waited).max(1);
                self.next_at = now.saturating_add(pause_ms.min(left));
                Fate::Wait
            }
        }
    }

    /// The request was not carried out. Whether one more look comes before it is sent again, for the sake of a store
    /// that refuses in a beat. `failures`: in a row without progress. `may_be_in_a_beat`: it was the store's refusal.
    pub(super) fn looks_once_more(&mut self, failures: u32, may_be_in_a_beat: bool, put: bool) -> bool {
        let more = match self.off_beat {
            Some(more) => more,
            None if may_be_in_a_beat => failures % OFF_BEATS,
            None => 0,
        };
        if more == 0 {
            return false;
        }
        self.off_beat = Some(more - 1);
        self.listed = (!put).then_some(Presence::There);
        true
    }

    /// It is settled.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: Fault = Fault::Unreadable;
    const COMPLETE: Circumstances =
        Circumstances { put: false, in_doubt: true, ready: true, touched: false, settled: true };
    const PUT: Circumstances = Circumstances { put: true, ..COMPLETE };

    fn config() -> Config {
        Config { settle_ms: 60_000, ..Config::default() }
    }

    fn object() -> Box<ObjectFacts> {
        Box::default()
    }

    /// What is decided at a moment, when so many looks showed the same and the upload was listed so.
    fn judged(standing: &Standing, looks: u32, listed: Presence, now: Millis, of: Circumstances) -> Fate {
        let mut settling = Settling::default();
        settling.begin(0, LOST, &config());
        (0..looks).for_each(|_| settling.looked(standing.clone()));
        settling.listed(listed);
        settling.judge(now, of, &config())
    }

    #[test]
    fn what_is_seen_and_listed_decides() {
        use Presence::{Gone, There};
        let found = |gone| Fate::OpenFacts { object: *object(), verified: Proof::Length, gone };
        let (ours, already) = (Standing::Ours(object(), Proof::Length), Standing::Already(object(), Proof::Length));
        let (other, perhaps) = (Standing::Other(object()), Standing::Perhaps(object()));
        let contested = Fate::Contested { object: *object(), current: true };
        for (standing, looks, listed, now, of, want) in [
            (&ours, 1, There, 0, COMPLETE, found(false)),
            (&ours, 1, Gone, 0, COMPLETE, found(true)),
            (&already, 1, Gone, 0, COMPLETE, found(true)),
            (&already, 1, There, 0, COMPLETE, Fate::NotDone),
            (&perhaps, 1, Gone, 0, COMPLETE, Fate::Believed(*object())),
            (&perhaps, 1, There, 0, COMPLETE, Fate::Wait),
            (&Standing::AsBefore, 1, There, 0, COMPLETE, Fate::NotDone),
            (&Standing::AsBefore, 9, Gone, 59_999, COMPLETE, Fate::Wait),
            (&Standing::AsBefore, 9, Gone, 60_000, COMPLETE, Fate::UploadGone(Restart::NotStored)),
            (&Standing::AsBefore, 1, Gone, 0, PUT, Fate::Wait),
            (&Standing::AsBefore, 2, Gone, 0, PUT, Fate::NotDone),
            (&other, 1, Gone, 0, COMPLETE, Fate::Wait),
            (&other, 2, Gone, 0, COMPLETE, contested.clone()),
            (&other, 2, There, 0, COMPLETE, Fate::Wait),
            (&Standing::Denied, 1, Gone, DENIED_MS, COMPLETE, Fate::Unconfirmed),
            (&other, 1, Gone, 0, Circumstances { in_doubt: false, ..COMPLETE }, Fate::UploadGone(Restart::UploadGone)),
        ] {
            assert_eq!(judged(standing, looks, listed, now, of), want, "{standing:?} x {looks}, {listed:?} at {now}");
        }
    }

    #[test]
    fn an_older_version_that_may_still_come_is_waited_for() {
        let older = Circumstances { ready: false, touched: true, ..PUT };
        assert_eq!(judged(&Standing::AsBefore, 2, Presence::Gone, OUTDATED_MS - 1, older), Fate::Wait);
        assert_eq!(judged(&Standing::AsBefore, 2, Presence::Gone, OUTDATED_MS, older), Fate::NotDone);
    }

    #[test]
    fn waits_double_and_a_wish_of_the_store_is_kept() {
        let mut settling = Settling::default();
        assert!(settling.begin(0, Fault::Busy { status: 503, retry_after_ms: Some(7_000) }, &config()));
        assert_eq!(settling.next_at(), 7_000);
        for want in [500, 1000, 2000] {
            settling.looked(Standing::AsBefore);
            settling.judge(0, COMPLETE, &config());
            assert_eq!(settling.next_at(), want);
        }
        assert!(!settling.begin(9, LOST, &config()), "it goes on");
        assert_eq!(settling.question(true), Question::Object);
        settling.looked(Standing::AsBefore);
        assert_eq!((settling.question(true), settling.question(false)), (Question::Upload, Question::None));
    }

    #[test]
    fn tries_differ_in_how_many_looks_come_before() {
        let looks = |failures| {
            let mut settling = Settling::default();
            (0..9).take_while(|_| settling.looks_once_more(failures, true, true)).count()
        };
        assert_eq!((0..6).map(looks).collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
    }
}
