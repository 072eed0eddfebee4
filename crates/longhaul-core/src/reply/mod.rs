//! What did the server answer, and may we use it?
//!
//! [`ReplyFacts::parse`] turns a status and raw headers into facts (hostile until checked: what cannot be parsed is
//! kept apart from what is absent); [`judge`] holds them against what was asked and what is known and gives a
//! [`ReplyVerdict`]. A reply is judged before a byte of it is written.
//!
//! Sources: RFC 9110 (HTTP semantics: 8.4, 8.6, 8.8, 13, 14, 15), RFC 9530 (`Repr-Digest`), OSS and S3 documentation
//! for `x-oss-hash-crc64ecma`, `x-amz-checksum-*`, `x-oss-version-id`, `x-amz-version-id`.

mod date;
mod disposition;
mod parse;
mod part;

pub(crate) use date::days_since_epoch;
pub use date::http_date;
pub use part::judge_part;

use crate::digest::Digest;
use crate::identity::{Identity, Likeness};

/// The facts of one reply head.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReplyFacts {
    /// The status code.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: ContentRange,
    /// How the body ends.
    pub framing: Framing,
    /// The head contradicts itself about the end of the body (`Content-Length` that is no number or comes twice with
    /// different values), or the body has a transfer coding that was not asked for.
    pub misframed: bool,
    /// Version, validators, encoding, declared digests. `length` stays `None` here: [`judge`] derives it.
    pub identity: Identity,
    /// `Content-Type` says HTML.
    pub html: bool,
    /// `Retry-After` in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// The error body says that a token or link has expired (OSS and S3: `ExpiredToken`, `AccessDenied` with
    /// "expired").
    pub expired: bool,
    /// The field that each of the identity's digests came in, in lower case.
    pub declared_in: Vec<(Digest, String)>,
    /// A redirect led to another path than was asked for; the path's
    /// [ending](crate::names::ending_of_no_page), if it has one. Told by the sender of requests: it is not in the head.
    pub led_to: Option<Option<&'static str>>,
    /// The name that `Content-Disposition` suggests, raw, not yet made safe.
    pub suggested_name: Option<Vec<u8>>,
    /// How long the head was waited for once the connection was open, in milliseconds. Told by the sender of requests;
    /// `None` where it does not know.
    pub round_trip_ms: Option<u64>,
}

/// `Content-Range` (RFC 9110, 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ContentRange {
    /// No such header.
    #[default]
    Absent,
    /// Several, unparsable, or with bounds that contradict each other. Spellings that can mean but one thing are read.
    Malformed,
    /// `bytes first-last/total`; half-open here.
    Bytes {
        /// The first byte.
        start: u64,
        /// One past the last byte.
        end: u64,
        /// The object's length, unless `*`.
        total: Option<u64>,
    },
    /// `bytes */total`.
    Unsatisfied {
        /// The object's length.
        total: u64,
    },
}

/// How the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// `Content-Length`.
    Length(u64),
    /// An end mark of the protocol: chunked, or HTTP/2.
    Marked,
    /// The connection closes.
    #[default]
    Close,
}

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeRequest {
    /// The first byte wanted.
    pub start: u64,
    /// One past the last byte wanted, when bounded.
    pub end: Option<u64>,
    /// Whether `Range` was sent.
    pub ranged: bool,
    /// Whether a condition was sent.
    pub conditional: bool,
}

/// Why a reply cannot be used although it does not prove that the object changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suspicion {
    /// It lacks the validator that we hold bytes under.
    NoValidator,
    /// An empty body where there should be bytes.
    Empty,
    /// HTML in place of the object.
    Html,
    /// A 206 without usable `Content-Range`.
    BadContentRange,
    /// A 206 that starts behind what was asked.
    StartsLate,
    /// A 206 to a request without `Range`.
    UnaskedRange,
    /// `Content-Length` contradicts `Content-Range`.
    LengthContradiction,
    /// A 2xx or 3xx status that answers no GET.
    OddStatus(u16),
    /// 416 although the range lies inside the object.
    BadUnsatisfied,
    /// Another `Content-Encoding` than that of the bytes we hold, under the same validator or none.
    Encoded,
    /// The head contradicts itself about the end of the body.
    BadFraming,
    /// A 200 although only a piece was asked for: it does not say where that is in it.
    RangeIgnored,
    /// The object's length is not told, and what was asked for depends on it.
    LengthUntold,
    /// 412 although the request had no condition, or although the object is the same.
    BadPrecondition,
    /// Replies show another version and ours again, in turn.
    Alternating,
}

/// May the reply be used, and how?
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyVerdict {
    /// Its bytes are of `identity`. The body starts at `body_start`; `body_end` is where it should end, if known.
    Use {
        /// The identity, length included when known.
        identity: Identity,
        /// How it compares with the recorded one (`Unknown` when none was recorded).
        likeness: Likeness,
        /// Offset of the first byte of the body.
        body_start: u64,
        /// One past its last byte.
        body_end: Option<u64>,
        /// Bytes of the body before `body_start`, of no use.
        skip: u64,
        /// Whether the server ignored (or was not sent) `Range`.
        whole: bool,
    },
    /// The object has no bytes.
    Empty {
        /// The identity, with length 0.
        identity: Identity,
    },
    /// The object has no byte of a piece that is wanted; its length, if told.
    Outside(Option<u64>),
    /// The range asked lies at or behind the end, which is here.
    EndsAt(u64),
    /// The object is not the recorded one; the reply does not say which it is, or cannot be used.
    Changed,
    /// The reply proves neither a change nor the same object: ask again.
    Suspect(Suspicion),
    /// The server cannot serve ranges in a way we can use: ask without `Range`.
    AskWhole,
    /// Try later: busy, or still being prepared.
    Busy {
        /// The status.
        status: u16,
        /// The server's own wish.
        retry_after_ms: Option<u64>,
    },
    /// 404 or 410.
    NotFound(u16),
    /// 401, 403, 407, or 400 with an expired token.
    Denied(u16),
    /// Any other refusal.
    Refused(u16),
}

/// Holds a reply against what was asked and what is recorded.
pub fn judge(asked: RangeRequest, recorded: Option<&Identity>, facts: &ReplyFacts) -> ReplyVerdict {
    match facts.status {
        200 | 206 if facts.misframed => ReplyVerdict::Suspect(Suspicion::BadFraming),
        200 => whole(asked, recorded, facts),
        206 => partial(asked, recorded, facts),
        416 if asked.ranged => unsatisfied(asked, recorded, facts),
        412 if asked.conditional => ReplyVerdict::Changed,
        412 => ReplyVerdict::Suspect(Suspicion::BadPrecondition),
        404 | 410 => ReplyVerdict::NotFound(facts.status),
        401 | 403 | 407 => ReplyVerdict::Denied(facts.status),
        400 if facts.expired => ReplyVerdict::Denied(facts.status),
        501 | 505 => ReplyVerdict::Refused(facts.status),
        // A network that wants a login (RFC 6585, 6).
        511 => ReplyVerdict::Suspect(Suspicion::Html),
        // 202: being prepared, as when an archive is brought back (RFC 9110, 15.3.3): the object comes later.
        202 | 408 | 425 | 429 | 500..=599 => {
            ReplyVerdict::Busy { status: facts.status, retry_after_ms: facts.retry_after_ms }
        }
        // 421: the connection was of another host (RFC 9110, 15.5.20); a suspect reply is asked again on a new one.
        100..=399 | 421 => ReplyVerdict::Suspect(Suspicion::OddStatus(facts.status)),
        status => ReplyVerdict::Refused(status),
    }
}

fn whole(asked: RangeRequest, recorded: Option<&Identity>, facts: &ReplyFacts) -> ReplyVerdict {
    let length = match facts.framing {
        Framing::Length(length) => Some(length),
        Framing::Marked | Framing::Close => None,
    };
    // Content-Range has no meaning on a 200 (RFC 9110, 14.4). Servers that send one all the same may mean a part.
    match facts.content_range {
        ContentRange::Absent => {}
        ContentRange::Bytes { start: 0, end, total: Some(total) }
            if end == total && length.is_none_or(|length| length == total) => {}
        ContentRange::Malformed if !asked.ranged => {}
        _ if asked.ranged => return ReplyVerdict::AskWhole,
        _ => return ReplyVerdict::Suspect(Suspicion::BadContentRange),
    }
    let identity = Identity { length, html: facts.html, ..facts.identity.clone() };
    let mut likeness = recorded.map_or(Likeness::Unknown, |r| r.compare(&identity));
    if let Some(recorded) = recorded {
        if facts.html && !recorded.html && likeness != Likeness::Same {
            return ReplyVerdict::Suspect(Suspicion::Html);
        }
        let emptied = length == Some(0) && recorded.length != Some(0);
        let other_length = Identity { length: None, ..identity.clone() };
        if emptied && (!identity.is_strong() || recorded.compare(&other_length) == Likeness::Same) {
            return ReplyVerdict::Suspect(Suspicion::Empty);
        }
        if identity.encoding != recorded.encoding {
            if recorded.is_strong() && !differs_but_for_encoding(recorded, &identity) {
                return ReplyVerdict::Suspect(Suspicion::Encoded);
            }
            likeness = Likeness::Different;
        }
    }
    if length == Some(0) {
        return ReplyVerdict::Empty { identity };
    }
    ReplyVerdict::Use { identity, likeness, body_start: 0, body_end: length, skip: 0, whole: true }
}

/// Whether something other than the encoding, and the length and digests that go with it, says that the object is
/// another one. A proxy that encodes one reply and not the next, under the same validator or a weakened one, has not
/// changed the object; but such replies cannot be joined.
pub(crate) fn differs_but_for_encoding(recorded: &Identity, identity: &Identity) -> bool {
    let encoding = recorded.encoding.clone();
    let alike = Identity { encoding, length: None, of: None, digests: Vec::new(), ..identity.clone() };
    recorded.compare(&alike) == Likeness::Different
}

fn partial(asked: RangeRequest, recorded: Option<&Identity>, facts: &ReplyFacts) -> ReplyVerdict {
    if !asked.ranged {
        return ReplyVerdict::Suspect(Suspicion::UnaskedRange);
    }
    let ContentRange::Bytes { start, end, total } = facts.content_range else {
        return ReplyVerdict::Suspect(Suspicion::BadContentRange);
    };
    if let Framing::Length(length) = facts.framing
        && length != end - start
    {
        return ReplyVerdict::Suspect(Suspicion::LengthContradiction);
    }
    let identity = Identity { length: total, html: facts.html, ..facts.identity.clone() };
    let likeness = recorded.map_or(Likeness::Unknown, |r| r.compare(&identity));
    if let Some(recorded) = recorded
        && identity.encoding != recorded.encoding
        && !differs_but_for_encoding(recorded, &identity)
    {
        return ReplyVerdict::Suspect(Suspicion::Encoded);
    }
    if likeness == Likeness::Different {
        return ReplyVerdict::Changed;
    }
    if facts.identity.encoding.is_some() && !matches!(facts.framing, Framing::Length(_)) {
        // Encoded on the way, as some servers do with every range by itself: Content-Range counts other bytes than
        // those that come. A stored encoding has a length.
        return ReplyVerdict::AskWhole;
    }
    if start > asked.start {
        return ReplyVerdict::Suspect(Suspicion::StartsLate);
    }
    if end <= asked.start {
        return ReplyVerdict::Suspect(Suspicion::BadContentRange);
    }
    match recorded {
        Some(recorded) => {
            if facts.html && !recorded.html && likeness != Likeness::Same {
                return ReplyVerdict::Suspect(Suspicion::Html);
            }
            match (total, recorded.length) {
                (None, None) => return ReplyVerdict::AskWhole,
                // Under the same strong validator that is nonsense; without one it is another object.
                (None, Some(length)) if end > length && likeness == Likeness::Same => {
                    return ReplyVerdict::Suspect(Suspicion::BadContentRange);
                }
                (None, Some(length)) if end > length => return ReplyVerdict::Changed,
                _ => {}
            }
        }
        // A first 206 must say how long the object is, or ranges of it cannot be held together.
        None if total.is_none() => return ReplyVerdict::AskWhole,
        None => {}
    }
    ReplyVerdict::Use { identity, likeness, body_start: start, body_end: Some(end), skip: 0, whole: false }
}

fn unsatisfied(asked: RangeRequest, recorded: Option<&Identity>, facts: &ReplyFacts) -> ReplyVerdict {
    let ContentRange::Unsatisfied { total } = facts.content_range else {
        // Some servers leave the header out (Apache, lighttpd): ask without Range and see.
        return ReplyVerdict::AskWhole;
    };
    let known = recorded.and_then(|r| r.length);
    // Type, encoding and digests are those of the error page, not of the object.
    let encoding = recorded.and_then(|r| r.encoding.clone());
    let identity =
        Identity { length: Some(total), html: false, encoding, digests: Vec::new(), ..facts.identity.clone() };
    if recorded.is_some_and(|r| r.compare(&identity) == Likeness::Different) {
        return ReplyVerdict::Changed;
    }
    if total == 0 && asked.start == 0 {
        return match known {
            None | Some(0) => ReplyVerdict::Empty { identity },
            Some(_) => ReplyVerdict::Changed,
        };
    }
    if asked.start < total {
        return ReplyVerdict::Suspect(Suspicion::BadUnsatisfied);
    }
    match known {
        Some(known) if known != total => ReplyVerdict::Changed,
        Some(_) => ReplyVerdict::Suspect(Suspicion::BadUnsatisfied),
        None => ReplyVerdict::EndsAt(total),
    }
}
