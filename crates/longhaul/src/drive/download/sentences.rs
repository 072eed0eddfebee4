//! What a download does, in sentences for its log.

use longhaul_core::download::HeldBytes;
use longhaul_core::download::journal::Record;
use longhaul_core::download::resume::FoundJournal;
use longhaul_core::download::step::{Fetch, Finish, Heard, Note, Step, StreamEnd, Trouble, Verified};
use longhaul_core::identity::{Identity, Likeness, Validator};
use longhaul_core::reply::{ContentRange, Framing, ReplyFacts};
use longhaul_core::words::Ticket;

use super::failure::{plainer_text, trouble_text};
use crate::drive::log::{Sentence, after, counted, decision, detail, from, recorded};
use crate::secrets;
use crate::wording::bytes;

/// The longest ETag or version that a sentence quotes, in characters.
const QUOTED_MAX: usize = 120;

/// A step as it is given. `held`: what the file has at this moment; `under_way`: requests that are not over, without
/// this one.
pub(super) fn step(ticket: Ticket, step: &Step, held: HeldBytes, under_way: usize) -> Option<Sentence> {
    match step {
        Step::Open { .. } => detail("opens the file, and looks for what is there of it"),
        Step::Fetch(fetch) => decision(request(ticket, fetch, under_way)),
        Step::Flow(grant) => {
            let end = grant.write_end.map(|end| format!(", up to {}", bytes(end))).unwrap_or_default();
            detail(format!("request {}: its bytes are written {}{end}", ticket.0, from(grant.write_start)))
        }
        Step::Stop => detail(format!("request {} is stopped", ticket.0)),
        Step::Narrow { end } => {
            detail(format!("request {} leaves what is behind {} to another", ticket.0, bytes(*end)))
        }
        Step::Create { .. } => detail("makes an empty part file"),
        Step::Sync { .. } => {
            decision(format!("syncs {} to the disk", bytes(held.received.saturating_sub(held.durable))))
        }
        Step::SyncDir => detail("syncs the folder"),
        // Each piece of written data has one.
        Step::Record { records, durable: false } if records.iter().all(|r| matches!(r, Record::Hint { .. })) => None,
        Step::Record { records, durable } => detail(recorded(records.len(), *durable)),
        Step::Compact { records } => {
            detail(format!("writes the journal anew, with {}", counted(records.len(), "record")))
        }
        Step::Check { extents, .. } => {
            let sum = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.len));
            decision(format!("reads {} back from the disk, to compare their checksums", bytes(sum)))
        }
        Step::Adopt { pieces, .. } => {
            decision(format!("copies {} of another program's file", counted(pieces.len(), "block")))
        }
        Step::DigestTarget { .. } => decision("the file that is there is read, for its digest"),
        Step::TakeTarget { .. } => decision("the file that is there is the one that was wanted"),
        Step::Digest { length, kinds, .. } => {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            decision(format!("computes {} of the file, {}", names.join(" and "), bytes(*length)))
        }
        Step::Promote => detail("puts the new version in the old one's place"),
        Step::RemoveNext => detail("removes the unfinished new version"),
        Step::Seal { length } => detail(format!("cuts the part file to {} and sets its time", bytes(*length))),
        Step::Facts { .. } => detail("looks at the part file's length and times"),
        Step::Publish { replace: true } => {
            decision("renames the part file to the target, in the place of what is there")
        }
        Step::Publish { replace: false } => decision("renames the part file to the target"),
        Step::Receipt(_) => detail("writes the receipt"),
        Step::Forget => detail("removes the journal"),
        Step::RemoveAll => decision("removes part files and journal"),
        Step::Throttle(true) => decision("takes no more bytes for now: the disk is behind"),
        Step::Throttle(false) => decision("takes bytes again: the disk has caught up"),
        Step::Note(_) => None,
        Step::Finish(finish) => decision(end(finish)),
    }
}

/// `request 3 asks for 4.0 MiB from 8.0 MiB on, if the ETag is still "v1"; 2 requests at once`.
fn request(ticket: Ticket, fetch: &Fetch, under_way: usize) -> String {
    let what = match (fetch.ranged, fetch.last, fetch.end) {
        (false, ..) => "all of it".to_owned(),
        (true, Some(last), _) => format!("the last {}", bytes(last)),
        (true, None, Some(end)) => format!("{} {}", bytes(end.saturating_sub(fetch.start)), from(fetch.start)),
        (true, None, None) => format!("all of it {}", from(fetch.start)),
    };
    let condition = match (&fetch.condition, &fetch.only_if) {
        (Some(validator), _) => format!(", if the {}", still(validator)),
        (None, Some(_)) => ", if the version is one that is wanted".to_owned(),
        (None, None) => String::new(),
    };
    let fresh = if fetch.fresh_connection { ", on a connection of its own" } else { "" };
    let at_once = match under_way {
        0 => String::new(),
        others => format!("; {} requests at once", others.saturating_add(1)),
    };
    format!("request {} asks for {what}{condition}{fresh}{at_once}", ticket.0)
}

fn still(validator: &Validator) -> String {
    match validator {
        Validator::Version(version) => format!("version is still {}", quoted(version)),
        Validator::Etag(etag) => format!("ETag is still {}", quoted(etag)),
        Validator::Modified(_) => "Last-Modified is still the same".to_owned(),
    }
}

/// What a server sent is shown without secrets that it repeats.
fn quoted(text: &str) -> String {
    secrets::shown(text, QUOTED_MAX)
}

/// An answer. `known`: the version that bytes are held of.
pub(super) fn heard(ticket: Ticket, heard: &Heard, known: Option<&Identity>) -> Option<Sentence> {
    match heard {
        Heard::Head(facts) => decision(format!("request {}: {}", ticket.0, answer(facts, known))),
        Heard::Ended { end: StreamEnd::Failed(fault), at } => {
            let why = trouble_text(&Trouble::Net(*fault));
            decision(format!("request {} ended at {}: {why}", ticket.0, bytes(*at)))
        }
        Heard::Ended { end, at } => {
            let how = match end {
                StreamEnd::Complete => "its body is complete",
                StreamEnd::Reached => "it has what was wanted",
                StreamEnd::Stopped => "it was stopped",
                StreamEnd::Disk(_) => "the disk failed",
                StreamEnd::Failed(_) => "the network failed",
            };
            detail(format!("request {} ended at {}: {how}", ticket.0, bytes(*at)))
        }
        Heard::Narrowed { end } => detail(format!("request {} ends at {}", ticket.0, bytes(*end))),
        Heard::Checked { bad } if bad.is_empty() => decision("the checksums of what was read back are right"),
        Heard::Checked { bad } => decision(format!("{} that were read back are damaged", counted(bad.len(), "piece"))),
        Heard::Adopted { extents } => {
            decision(format!("{} of another program's file were copied", counted(extents.len(), "block")))
        }
        Heard::Digested(digests) => {
            let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
            decision(format!("the file has {}", digests.join(", ")))
        }
        Heard::TargetDigested { digests, .. } => {
            let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
            decision(format!("the file that is there has {}", digests.join(", ")))
        }
        Heard::Opened(found) => detail(match &found.journal {
            FoundJournal::Read(_) => "there is a journal of it",
            _ => "there is no journal of it that can be used",
        }),
        Heard::Failed(_) => detail("a step on the disk failed"),
        Heard::Done | Heard::Wrote(_) | Heard::Passed(_) | Heard::Facts(_) => None,
    }
}

/// `206, 4.0 MiB from 8.0 MiB on, of 20.0 MiB; same version`.
fn answer(facts: &ReplyFacts, known: Option<&Identity>) -> String {
    let mut text = format!("answered {}", facts.status);
    match (facts.content_range, facts.framing) {
        (ContentRange::Bytes { start, end, total }, _) => {
            text += &format!(", {} {}", bytes(end.saturating_sub(start)), from(start));
            if let Some(total) = total {
                text += &format!(" of {}", bytes(total));
            }
        }
        (ContentRange::Unsatisfied { total }, _) => text += &format!(", the object has {}", bytes(total)),
        (ContentRange::Malformed, _) => text += ", with a Content-Range that cannot be read",
        (ContentRange::Absent, Framing::Length(length)) => text += &format!(", {}", bytes(length)),
        (ContentRange::Absent, _) => text += ", of a length that is not told",
    }
    if let Some(wait) = facts.retry_after_ms {
        text += &format!("; it is to be asked again {}", after(wait));
    }
    if matches!(facts.status, 200 | 206) {
        text += &match known.map(|known| known.compare(&facts.identity)) {
            Some(Likeness::Same) => "; same version".to_owned(),
            Some(Likeness::Different) => format!("; another version, {}", version(&facts.identity)),
            Some(Likeness::Unknown) => "; that it is the same version is not proven".to_owned(),
            None => format!("; {}", version(&facts.identity)),
        };
    }
    text
}

fn version(identity: &Identity) -> String {
    match (&identity.version, &identity.etag, identity.modified) {
        (Some(version), _, _) => format!("version {}", quoted(version)),
        (None, Some(etag), _) => format!("ETag {}", quoted(etag)),
        (None, None, Some(_)) => "a Last-Modified and no ETag".to_owned(),
        (None, None, None) => "no ETag and no Last-Modified".to_owned(),
    }
}

/// News. Events tell most of them too, so that they are details here.
pub(super) fn note(note: &Note) -> Option<Sentence> {
    match note {
        Note::Started { length, held, .. } => decision(match (length, held) {
            (Some(length), 0) => format!("the object has {}", bytes(*length)),
            (Some(length), held) => format!("the object has {}; {} of it are held", bytes(*length), bytes(*held)),
            (None, _) => "the object's length is not known".to_owned(),
        }),
        Note::Resumed { held, .. } => detail(format!("goes on from {}", bytes(*held))),
        Note::Adopted { bytes: held, samples: 0, .. } => {
            detail(format!("another program's bytes are held: {}; a digest of the whole decides", bytes(*held)))
        }
        Note::Adopted { bytes: held, samples, .. } => {
            let samples = counted(usize::try_from(*samples).unwrap_or(usize::MAX), "block");
            detail(format!("another program's bytes are held: {}; {samples} are fetched and compared", bytes(*held)))
        }
        Note::Restarted { reason, discarded } => {
            detail(format!("starts over, {} discarded: {}", bytes(*discarded), reason.explain()))
        }
        Note::Damaged { ranges } => {
            detail(format!("{} of the part file are damaged and fetched again", counted(ranges.len(), "range")))
        }
        Note::Limited { connections, why, .. } => {
            detail(format!("one more connection was refused ({}): goes on with {connections}", trouble_text(why)))
        }
        Note::Retry { failures, delay_ms, why } => {
            detail(format!("asks again {}: {} (failure {failures} in a row)", after(*delay_ms), trouble_text(why)))
        }
        Note::Plainer { without, why } => decision(plainer_text(*without, why)),
        Note::Returned { held } => detail(format!("the version held before is back, with {}", bytes(*held))),
        Note::DigestMatched(digest) => decision(format!("the digest was compared and is right: {digest}")),
        Note::Disputed { declared, actual } => {
            detail(format!("the source declares {declared}, the file has {actual}; the digest that was given decides"))
        }
        Note::PageInPlace => detail("a web page comes where something else was wanted"),
        Note::EndNotProvable => detail("that the reply is complete cannot be proven"),
        Note::NotModified => decision("the object is the version that is there already"),
    }
}

fn end(finish: &Finish) -> String {
    match finish {
        Finish::Done { already: true, length, .. } => format!("done: {} were there already", bytes(*length)),
        Finish::Done { length, verified, .. } => {
            let proof = match verified {
                Verified::Digest(kind) => format!("{} is right", kind.name()),
                Verified::Validator => "same version throughout".to_owned(),
                Verified::Samples => "samples of another program's bytes are right".to_owned(),
                Verified::Length => "the length is right".to_owned(),
                Verified::Nothing => "neither length nor checksum were told".to_owned(),
            };
            format!("done: {}, {proof}", bytes(*length))
        }
        Finish::NotModified => "done: not modified".to_owned(),
        Finish::Paused => "paused".to_owned(),
        Finish::Discarded => "given up and removed".to_owned(),
        Finish::Failed(_) => "failed".to_owned(),
    }
}

#[cfg(test)]
#[path = "sentences_tests.rs"]
mod tests;
