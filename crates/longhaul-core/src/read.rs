//! How do bytes come, in order, to a reader that keeps no file?
//!
//! A [`Reading`] is one pass over an object, or over parts of it, from the first byte to the last. What was handed on
//! cannot be taken back, so what a download does with a file is not possible: nothing is begun anew once a byte has
//! gone. The rules for what may be joined are the same ones ([`reply`](crate::reply), [`identity`](crate::identity)):
//!
//! - Bytes of a later reply follow those of an earlier one only under the strong validator that the first one showed.
//!   The request quotes it, and the reply is compared whatever was quoted.
//! - Where the object has none, an interruption behind the first byte ends the reading: nothing proves that the rest is
//!   of the same version.
//! - The end is where the first reply said. A body that stops before is an interruption.
//! - A digest that is known (the caller's, else the source's of the whole object) is compared at the end, before the
//!   end is told: a reader that saw it saw the right bytes, whole.
//!
//! ```text
//!   fetch ──► the request ──► head ──► Take ──► took, took, … ──► ended ──► Ask: fetch again, later
//!                              │                                    └─────► Compare, then finish ──► Done
//!                              └──► Ask, or Failed
//! ```
//!
//! There is one request at a time, and no journal. It knows no clock: time is an argument.

use crate::conditions::{Conditions, Unmet};
use crate::digest::{Digest, DigestKind};
use crate::download::step::{Failure, Fetch, Trouble};
use crate::identity::{Identity, Likeness};
use crate::link::{Link, Served};
use crate::names;
use crate::reply::{Framing, RangeRequest, ReplyFacts, ReplyVerdict, Suspicion, judge, judge_part};
use crate::retry::{Retry, RetryPolicy};
use crate::window::{Window, WindowPart};
use crate::words::{Millis, NetFault};

/// Replies in a row that cannot be used before the reading ends.
const SUSPECTS_MAX: u32 = 3;

/// What is to be read.
#[derive(Debug, Clone, Default)]
pub struct ReadPlan {
    /// Which bytes of the object.
    pub window: Window,
    /// Which version may begin.
    pub only_if: Option<Conditions>,
    /// When to ask again.
    pub retry: RetryPolicy,
    /// Feeds the jitter of waits.
    pub seed: u64,
    /// Digests of all that is read, as the caller knows them.
    pub expected: Vec<Digest>,
    /// The source's own digests do not count.
    pub ignore_declared: bool,
    /// The last name of the source's path: a web page does not come in place of what its ending says.
    pub wanted_name: String,
    /// What is known of the link; `None`: it is an object in a store.
    pub link: Option<Link>,
    /// The time of day at the moment 0, in seconds since the Unix epoch.
    pub began_s: i64,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// The body is read: its first `skip` bytes are dropped, the next `most` handed on, or all of them.
    Take {
        /// Bytes that were handed on before, or are not wanted.
        skip: u64,
        /// Reading stops behind so many.
        most: Option<u64>,
    },
    /// The next request is sent, after so many milliseconds.
    Ask {
        /// The wait.
        after_ms: u64,
    },
    /// Everything was handed on: [`Reading::finish`] says whether it was right.
    Compare,
    /// It cannot go on. Bytes that were handed on are of one version all the same.
    Failed(Failure),
}

/// One pass over the bytes.
#[derive(Debug, Clone)]
pub struct Reading {
    plan: ReadPlan,
    retry: Retry,
    /// What the first usable reply showed.
    identity: Option<Identity>,
    /// The end of the body under way is the end of the object: nothing said where that is.
    ends_with_body: bool,
    /// So many bytes were handed on.
    at: u64,
    /// Ranges are not asked for: the server does not serve them in a way that can be used.
    whole: bool,
    suspects: u32,
    fresh: bool,
}

impl Reading {
    /// Before the first request.
    pub fn new(plan: ReadPlan) -> Self {
        let retry = Retry::new(plan.retry, plan.seed);
        Self { plan, retry, identity: None, ends_with_body: false, at: 0, whole: false, suspects: 0, fresh: false }
    }

    /// Which version is read, once a reply showed it; `length` is that of all that is wanted.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// How many bytes were handed on.
    pub fn handed_on(&self) -> u64 {
        self.at
    }

    /// Which digests of what is handed on have to be computed.
    pub fn kinds(&self) -> Vec<DigestKind> {
        let mut kinds: Vec<DigestKind> = self.known_digests().iter().map(|(digest, _)| digest.kind()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }

    /// The next request.
    pub fn fetch(&self) -> Fetch {
        let asked = self.asked();
        let (start, end, last) = self.in_object(asked);
        Fetch {
            start,
            end,
            last,
            ranged: asked.ranged,
            condition: self.identity.as_ref().filter(|_| asked.conditional).and_then(Identity::strong),
            fresh_connection: self.fresh,
            only_if: self.plan.only_if.clone().filter(|_| self.identity.is_none()),
        }
    }

    /// The head of its reply.
    pub fn head(&mut self, now: Millis, facts: &ReplyFacts) -> Turn {
        if self.identity.is_none()
            && let Some(unmet) = self.plan.only_if.as_ref().and_then(|only_if| only_if.refused(facts.status))
        {
            return self.unmet(unmet, &facts.identity);
        }
        let asked = self.asked();
        let verdict = match self.plan.window.is_whole() {
            true => judge(asked, self.identity.as_ref(), facts),
            false => judge_part(|length| self.plan.window.resolve(length), asked, self.identity.as_ref(), facts),
        };
        match verdict {
            ReplyVerdict::Use { identity, likeness, body_start, body_end, skip, whole } => {
                if self.is_page(&identity, facts) {
                    return Turn::Failed(Failure::Portal);
                }
                if let Err(turn) = self.belongs(identity, likeness) {
                    return turn;
                }
                (self.suspects, self.fresh) = (0, false);
                let known = self.identity.as_ref().and_then(|identity| identity.length);
                self.ends_with_body = known.is_none() && whole && facts.framing == Framing::Marked;
                if known.is_none() && !self.ends_with_body {
                    return Turn::Failed(Failure::NotProvable("the server does not say where the object ends"));
                }
                let most = [known, body_end].into_iter().flatten().min().map(|end| end.saturating_sub(self.at));
                Turn::Take { skip: skip + self.at.saturating_sub(body_start), most }
            }
            ReplyVerdict::Empty { identity } => match self.belongs(identity, Likeness::Unknown) {
                _ if self.at > 0 => Turn::Failed(Failure::Changed { changes: 1 }),
                Ok(()) => Turn::Compare,
                Err(turn) => turn,
            },
            ReplyVerdict::Outside(length) => Turn::Failed(Failure::Outside { length }),
            ReplyVerdict::EndsAt(_) => Turn::Failed(Failure::Unusable(Suspicion::BadUnsatisfied)),
            ReplyVerdict::Changed => Turn::Failed(Failure::Changed { changes: 1 }),
            ReplyVerdict::Suspect(why) => self.suspect(now, why),
            ReplyVerdict::AskWhole if self.whole || !self.plan.window.is_whole() => {
                self.suspect(now, Suspicion::BadContentRange)
            }
            ReplyVerdict::AskWhole => {
                self.whole = true;
                Turn::Ask { after_ms: 0 }
            }
            ReplyVerdict::Busy { status, retry_after_ms } => self.again(now, Trouble::Busy(status), retry_after_ms),
            ReplyVerdict::NotFound(status) => Turn::Failed(Failure::NotFound(status)),
            ReplyVerdict::Denied(status) => Turn::Failed(self.denied(now, status)),
            ReplyVerdict::Refused(status) => Turn::Failed(Failure::ServerRefused(status)),
        }
    }

    fn denied(&self, now: Millis, status: u16) -> Failure {
        let now_s = self.plan.began_s.saturating_add(i64::try_from(now / 1000).unwrap_or(i64::MAX));
        let served = if self.at > 0 { Served::Now } else { Served::Never };
        let end = self.plan.link.and_then(|link| link.refused(status, now_s, served));
        end.map_or(Failure::Denied(status), |why| Failure::NeedsLink { status, why })
    }

    /// From now on it is asked with another link.
    pub fn fresh_link(&mut self, link: Link) {
        self.plan.link = Some(link);
    }

    /// So many more bytes were handed on.
    pub fn took(&mut self, bytes: u64) {
        self.at += bytes;
        self.retry.progress(self.at);
        let over = self.identity.as_ref().and_then(|identity| identity.length).is_some_and(|length| self.at > length);
        assert!(!over, "more bytes were handed on than the object has");
    }

    /// The body ended as its framing says, or all that was to be taken of it was; `fault`: before that.
    pub fn ended(&mut self, now: Millis, fault: Option<NetFault>) -> Turn {
        let whole = match self.identity.as_ref().map(|identity| identity.length) {
            Some(Some(length)) => self.at == length,
            Some(None) => fault.is_none() && self.ends_with_body,
            None => false,
        };
        match fault {
            _ if whole => Turn::Compare,
            Some(fault @ (NetFault::Redirect | NetFault::Proxy | NetFault::Tls)) => {
                Turn::Failed(Failure::GaveUp(Trouble::Net(fault)))
            }
            Some(fault) => self.again(now, Trouble::Net(fault), None),
            // The end of a piece: the next one is asked for at once.
            None if self.plan.window.parts().len() > 1 && self.is_between_pieces() => Turn::Ask { after_ms: 0 },
            None => self.again(now, Trouble::Net(NetFault::Cut), None),
        }
    }

    /// Everything was handed on, and has these digests, of the [`kinds`](Self::kinds) asked for: `Err` when one is
    /// wrong.
    pub fn finish(&self, computed: &[Digest]) -> Result<(), Failure> {
        for (expected, declared) in self.known_digests() {
            let actual = computed.iter().find(|digest| digest.kind() == expected.kind());
            match actual {
                Some(actual) if *actual != expected => {
                    return Err(Failure::Integrity { expected, actual: actual.clone(), declared });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What is known of all that is read, and whether it is the source that says so. The caller's word decides.
    fn known_digests(&self) -> Vec<(Digest, bool)> {
        if !self.plan.expected.is_empty() || self.plan.ignore_declared {
            return self.plan.expected.iter().map(|digest| (digest.clone(), false)).collect();
        }
        let declared = self.identity.iter().flat_map(|identity| &identity.digests);
        declared.map(|digest| (digest.clone(), true)).collect()
    }

    /// In offsets of what is handed on.
    fn asked(&self) -> RangeRequest {
        let conditional = self.identity.as_ref().is_some_and(Identity::is_strong);
        let ranged = !self.plan.window.is_whole() || self.at > 0 && !self.whole;
        RangeRequest { start: self.at, end: None, ranged, conditional }
    }

    /// The same in offsets of the object.
    fn in_object(&self, asked: RangeRequest) -> (u64, Option<u64>, Option<u64>) {
        if self.plan.window.is_whole() {
            return (asked.start, None, None);
        }
        let pieces = self.identity.as_ref().and_then(|identity| self.plan.window.resolve(identity.of).ok());
        if let Some(piece) = pieces.and_then(|pieces| pieces.at(asked.start)) {
            return (piece.in_object(asked.start), Some(piece.object.end), None);
        }
        match self.plan.window.parts().first() {
            Some(WindowPart::From(start)) => (*start, None, None),
            Some(WindowPart::Span(range)) => (range.start, Some(range.end), None),
            Some(WindowPart::Last(count)) => (0, None, Some(*count)),
            None => (0, None, None),
        }
    }

    fn is_between_pieces(&self) -> bool {
        let pieces = self.identity.as_ref().and_then(|identity| self.plan.window.resolve(identity.of).ok());
        pieces.and_then(|pieces| pieces.at(self.at)).is_some_and(|piece| piece.file == self.at)
    }

    /// Whether bytes of this version may follow what was handed on.
    fn belongs(&mut self, identity: Identity, likeness: Likeness) -> Result<(), Turn> {
        if self.at > 0 {
            return match likeness {
                Likeness::Same => {
                    if let Some(known) = &mut self.identity {
                        // A first reply without a length, and a range that tells it.
                        (known.length, known.of) = (known.length.or(identity.length), known.of.or(identity.of));
                    }
                    Ok(())
                }
                Likeness::Different => Err(Turn::Failed(Failure::Changed { changes: 1 })),
                Likeness::Unknown => Err(Turn::Failed(Failure::NotProvable(NO_VALIDATOR))),
            };
        }
        if let Some(unmet) = self.plan.only_if.as_ref().and_then(|only_if| only_if.judge(&identity)) {
            return Err(self.unmet(unmet, &identity));
        }
        self.identity = Some(identity);
        Ok(())
    }

    fn unmet(&self, unmet: Unmet, seen: &Identity) -> Turn {
        match unmet {
            Unmet::Other => Turn::Failed(Failure::Unmet { seen: Box::new(seen.clone()) }),
            Unmet::Same => Turn::Failed(Failure::NotProvable("the object was not modified, and nothing was read")),
        }
    }

    /// A web page in place of what the name says, where a redirect led away from it: a login, or a captive portal.
    fn is_page(&self, identity: &Identity, facts: &ReplyFacts) -> bool {
        let wanted = names::ending_of_no_page(&self.plan.wanted_name);
        let led_away = wanted.is_some() && facts.led_to.is_some_and(|ending| ending != wanted);
        identity.html && led_away && self.identity.is_none() && self.plan.expected.is_empty()
    }

    fn suspect(&mut self, now: Millis, why: Suspicion) -> Turn {
        self.suspects += 1;
        self.fresh = true;
        match why {
            _ if self.suspects < SUSPECTS_MAX => self.again(now, Trouble::Reply(why), None),
            Suspicion::Html => Turn::Failed(Failure::Portal),
            why => Turn::Failed(Failure::Unusable(why)),
        }
    }

    fn again(&mut self, now: Millis, trouble: Trouble, retry_after_ms: Option<u64>) -> Turn {
        if self.at == 0 {
            self.identity = None; // nothing is bound to it yet
        } else if !self.identity.as_ref().is_some_and(Identity::is_strong) {
            return Turn::Failed(Failure::NotProvable(NO_VALIDATOR));
        }
        match self.retry.failed(now, retry_after_ms) {
            Some(after_ms) => Turn::Ask { after_ms },
            None => Turn::Failed(Failure::GaveUp(trouble)),
        }
    }
}

const NO_VALIDATOR: &str = "nothing that the server shows proves that the rest is of the same version as what was read";
