//! May a reply be used where only a window of the object is wanted?
//!
//! The same questions as for a whole object are asked, in offsets of the object, and the answers turned into offsets
//! of the file. What differs: a server must serve ranges (a 200 does not help), every piece must lie in the object,
//! and a digest that the source declares is of the object, so it cannot vouch for a part of it.

use super::{ContentRange, RangeRequest, ReplyFacts, ReplyVerdict, Suspicion, judge};
use crate::identity::{Identity, Likeness};
use crate::window::{Pieces, WindowUnresolved};

/// Holds a reply against what was asked and what is recorded, both in offsets of the file; so is the verdict. `resolve`
/// gives the pieces in an object of a length ([`Window::resolve`](crate::window::Window::resolve)).
pub fn judge_part(
    resolve: impl Fn(Option<u64>) -> Result<Pieces, WindowUnresolved>,
    asked: RangeRequest,
    recorded: Option<&Identity>,
    facts: &ReplyFacts,
) -> ReplyVerdict {
    // What is recorded, of the object.
    let object = recorded.map(|r| Identity { length: r.of, of: None, ..r.clone() });
    match facts.status {
        200 => unranged(resolve, asked, object.as_ref(), facts),
        206 if !facts.misframed && asked.ranged => partial(resolve, asked, object, facts),
        416 if asked.ranged => unsatisfied(resolve, asked, object.as_ref(), facts),
        _ => judge(asked, object.as_ref(), facts), // offsets do not matter
    }
}

fn unranged(
    resolve: impl Fn(Option<u64>) -> Result<Pieces, WindowUnresolved>,
    asked: RangeRequest,
    object: Option<&Identity>,
    facts: &ReplyFacts,
) -> ReplyVerdict {
    match judge(asked, object, facts) {
        // What a condition in `If-Range` brings when it does not hold: asked without one, the server may serve ranges.
        ReplyVerdict::Use { likeness: Likeness::Different, .. } => ReplyVerdict::Changed,
        ReplyVerdict::Use { .. } | ReplyVerdict::AskWhole => ReplyVerdict::Suspect(Suspicion::RangeIgnored),
        ReplyVerdict::Empty { identity } => empty(resolve, identity),
        verdict => verdict,
    }
}

/// An object without bytes: its last bytes are none, and others it does not have.
fn empty(resolve: impl Fn(Option<u64>) -> Result<Pieces, WindowUnresolved>, identity: Identity) -> ReplyVerdict {
    match resolve(Some(0)) {
        Ok(_) => ReplyVerdict::Empty { identity: Identity { of: Some(0), ..identity } },
        Err(_) => ReplyVerdict::Outside(Some(0)),
    }
}

fn partial(
    resolve: impl Fn(Option<u64>) -> Result<Pieces, WindowUnresolved>,
    asked: RangeRequest,
    mut object: Option<Identity>,
    facts: &ReplyFacts,
) -> ReplyVerdict {
    let ContentRange::Bytes { start, end, total } = facts.content_range else {
        return ReplyVerdict::Suspect(Suspicion::BadContentRange);
    };
    let length = object.as_ref().map_or(total, |object| object.length);
    let pieces = match resolve(length) {
        Ok(pieces) => pieces,
        Err(WindowUnresolved::Outside) => return ReplyVerdict::Outside(length),
        Err(WindowUnresolved::LengthUntold) => return ReplyVerdict::Suspect(Suspicion::LengthUntold),
        Err(WindowUnresolved::TooLong) => return ReplyVerdict::Suspect(Suspicion::BadContentRange),
    };
    let Some(piece) = pieces.at(asked.start) else {
        // What is known has no byte there, and this has.
        return if object.is_some() {
            ReplyVerdict::Changed
        } else {
            ReplyVerdict::Suspect(Suspicion::BadContentRange)
        };
    };
    if object.is_none() && total.is_none() && end < pieces.object_end() {
        return ReplyVerdict::Suspect(Suspicion::LengthUntold); // perhaps the object ends before a piece does
    }
    // Where no reply tells the length, the pieces are known all the same: no offset is derived from it.
    let mut facts = facts.clone();
    if let Some(object) = &mut object {
        object.length = object.length.or(total).or(Some(u64::MAX));
    } else if total.is_none() {
        facts.content_range = ContentRange::Bytes { start, end, total: Some(u64::MAX) };
    }
    let from = piece.in_object(asked.start);
    match judge(RangeRequest { start: from, ..asked }, object.as_ref(), &facts) {
        ReplyVerdict::Use { mut identity, likeness, body_start, body_end, whole, .. } => {
            identity.of = total.or(length);
            identity.length = Some(pieces.len());
            if !pieces.are_all_of(identity.of) {
                identity.digests.clear();
            }
            let to = body_end.map(|end| asked.start + end.min(piece.object.end).saturating_sub(from));
            ReplyVerdict::Use {
                identity,
                likeness,
                body_start: asked.start,
                body_end: to,
                skip: from - body_start,
                whole,
            }
        }
        ReplyVerdict::AskWhole => ReplyVerdict::Suspect(Suspicion::Encoded), // encoded on the way
        verdict => verdict,
    }
}

fn unsatisfied(
    resolve: impl Fn(Option<u64>) -> Result<Pieces, WindowUnresolved>,
    asked: RangeRequest,
    object: Option<&Identity>,
    facts: &ReplyFacts,
) -> ReplyVerdict {
    let Some(object) = object else {
        let ContentRange::Unsatisfied { total } = facts.content_range else {
            return ReplyVerdict::Outside(None); // some servers leave the header out (Apache, lighttpd)
        };
        return match resolve(Some(total)) {
            Ok(_) if total == 0 => match judge(RangeRequest { start: 0, ..asked }, None, facts) {
                ReplyVerdict::Empty { identity } => empty(resolve, identity),
                verdict => verdict,
            },
            Ok(_) | Err(WindowUnresolved::TooLong) => ReplyVerdict::Suspect(Suspicion::BadUnsatisfied),
            Err(_) => ReplyVerdict::Outside(Some(total)),
        };
    };
    let from = resolve(object.length).ok().and_then(|pieces| Some(pieces.at(asked.start)?.in_object(asked.start)));
    match judge(RangeRequest { start: from.unwrap_or(0), ..asked }, Some(object), facts) {
        ReplyVerdict::Empty { identity } if object.length == Some(0) => empty(resolve, identity),
        // It was inside when the length was told: asked without a condition, the server says what there is now.
        ReplyVerdict::AskWhole | ReplyVerdict::EndsAt(_) | ReplyVerdict::Empty { .. } => ReplyVerdict::Changed,
        verdict => verdict,
    }
}
