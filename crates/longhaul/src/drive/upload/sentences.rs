//! What an upload does, in sentences for its log.

use longhaul_core::digest::Digest;
use longhaul_core::upload::step::{Finish, FoundJournal, Heard, Note, ObjectFacts, Proof, SourcePart, Step};

use super::failure::fault_text;
use crate::drive::log::{Sentence, after, counted, decision, detail, from, recorded};
use crate::secrets;
use crate::wording::bytes;

/// The longest ETag that a sentence quotes, in characters.
const QUOTED_MAX: usize = 120;

/// A step as it is given.
pub(super) fn step(step: &Step) -> Option<Sentence> {
    match step {
        Step::Open => detail("looks for what is known of this upload"),
        Step::Look => decision("asks the store what stands at the key"),
        Step::Snapshot { .. } => detail("reads the source, to send it in one request"),
        Step::Put { .. } => decision("sends the source in one request"),
        Step::Create { .. } => decision("asks the store for an upload in parts"),
        Step::SendPart { part, .. } => decision(format!("sends {}", of_part(part))),
        Step::ListParts { after: 0, .. } => decision("asks the store which parts it has"),
        Step::ListParts { after, .. } => detail(format!("asks the store which parts it has behind part {after}")),
        Step::Complete { parts, whole, .. } => {
            let digest = whole.as_ref().map(|digest| format!(", with {digest}")).unwrap_or_default();
            decision(format!("completes the upload of {}{digest}", counted(parts.len(), "part")))
        }
        Step::Abort { .. } => decision("tells the store to give the upload up"),
        Step::CheckSource => detail("looks whether the source is as it was"),
        Step::ReadPart { part, .. } => decision(format!("reads {} again, to compare", of_part(part))),
        Step::Combine { parts } => detail(format!("combines the digests of {}", counted(parts.len(), "part"))),
        Step::Stop => detail("stops a request"),
        Step::Record { records, durable } => detail(recorded(records.len(), *durable)),
        Step::Compact { records } => {
            detail(format!("writes the journal anew, with {}", counted(records.len(), "record")))
        }
        Step::Receipt(_) => detail("writes the receipt"),
        Step::Forget => detail("removes the journal"),
        Step::Note(_) => None,
        Step::Finish(finish) => decision(end(finish)),
    }
}

/// `part 3, 8.0 MiB from 16.0 MiB on`.
fn of_part(part: &SourcePart) -> String {
    let len = part.range.end.saturating_sub(part.range.start);
    format!("part {}, {} {}", part.number, bytes(len), from(part.range.start))
}

/// An answer.
pub(super) fn heard(heard: &Heard) -> Option<Sentence> {
    match heard {
        Heard::Opened(found) => detail(match &found.journal {
            FoundJournal::Read(_) => "there is a journal of it",
            FoundJournal::SetAside(_) => "there was a journal that cannot be read; it is set aside",
            FoundJournal::Absent => "there is no journal of it",
        }),
        Heard::Object(facts) => decision(format!("the store has an object at the key: {}", object(facts))),
        Heard::Snapped { digests, .. } => detail(format!("the source was read: {}", listed(digests))),
        Heard::Stored { object: facts, callback_failed } => {
            let callback = if *callback_failed { "; its callback failed" } else { "" };
            decision(format!("the store has it: {}{callback}", object(facts)))
        }
        Heard::Created { checksum: Some(kind), .. } => {
            decision(format!("the store has made the upload, and keeps the {} of each part", kind.name()))
        }
        Heard::Created { checksum: None, .. } => decision("the store has made the upload"),
        Heard::PartStored { part, .. } => decision(format!("the store has part {}, {}", part.number, bytes(part.len))),
        Heard::Listed { parts, next } => {
            let more = if next.is_some() { ", and more" } else { "" };
            decision(format!("the store lists {}{more}", counted(parts.len(), "part")))
        }
        Heard::Refused(fault) => decision(format!("a request did not help: {}", fault_text(fault))),
        Heard::Source(_) => detail("the source was looked at"),
        Heard::PartRead { digests, .. } => detail(format!("the part was read: {}", listed(digests))),
        Heard::Combined { digests, .. } => decision(format!("the source has {}", listed(digests))),
        Heard::Failed(_) => detail("a step on the disk failed"),
        Heard::Done | Heard::Sent(_) => None,
    }
}

fn object(facts: &ObjectFacts) -> String {
    let len = facts.len.map_or_else(|| "length not told".to_owned(), bytes);
    let etag = facts.etag.as_ref().map(|etag| format!(", ETag {}", quoted(etag))).unwrap_or_default();
    let digests = if facts.digests.is_empty() { String::new() } else { format!(", {}", listed(&facts.digests)) };
    format!("{len}{etag}{digests}")
}

/// What a store sent is shown without secrets that it repeats.
fn quoted(text: &str) -> String {
    secrets::shown(text, QUOTED_MAX)
}

fn listed(digests: &[Digest]) -> String {
    match digests {
        [] => "no digest".to_owned(),
        digests => digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// News. Events tell most of them too, so that they are details here.
pub(super) fn note(note: &Note) -> Option<Sentence> {
    match note {
        Note::Started { length, part_len: Some(part_len), parts } => decision(format!(
            "the source has {}: {} of {}",
            bytes(*length),
            counted(usize::try_from(*parts).unwrap_or(usize::MAX), "part"),
            bytes(*part_len)
        )),
        Note::Started { length, .. } => decision(format!("the source has {}: one request", bytes(*length))),
        Note::Resumed { parts, bytes: held } => {
            let parts = counted(usize::try_from(*parts).unwrap_or(usize::MAX), "part");
            detail(format!("goes on: the store has {parts}, {}", bytes(*held)))
        }
        Note::Restarted { reason, discarded } => {
            detail(format!("starts over, {} to be sent again: {}", bytes(*discarded), reason.explain()))
        }
        Note::Acknowledged { bytes: count } => detail(format!("the store has acknowledged {}", bytes(*count))),
        Note::WrongPart { number } => detail(format!("part {number} in the store is not what was read")),
        Note::Retry { failures, delay_ms, why } => {
            detail(format!("asks again {}: {} (failure {failures} in a row)", after(*delay_ms), fault_text(why)))
        }
        Note::Limited { connections } => detail(format!("one more connection was refused: goes on with {connections}")),
        Note::Settling => detail("the last answer was lost: looks whether the object is stored"),
        Note::Aborted { clean: true } => detail("the store has nothing left of the upload"),
        Note::Aborted { clean: false } => detail("the store may have something left of the upload"),
    }
}

fn end(finish: &Finish) -> String {
    match finish {
        Finish::Done { already: true, length, .. } => format!("done: {} were there already", bytes(*length)),
        Finish::Done { length, verified, .. } => {
            let proof = match verified {
                Proof::Whole(kind) => format!("the store's {} is right", kind.name()),
                Proof::Composite => "the ETag is that of its parts".to_owned(),
                Proof::Parts => "the checksum of each part is right".to_owned(),
                Proof::Length => "the length is right".to_owned(),
                Proof::Answer => "the store says so".to_owned(),
            };
            format!("done: {}, {proof}", bytes(*length))
        }
        Finish::Paused => "paused".to_owned(),
        Finish::Discarded { clean: true } => "given up; the store has nothing left of it".to_owned(),
        Finish::Discarded { clean: false } => "given up; the store may have something left of it".to_owned(),
        Finish::Failed(_) => "failed".to_owned(),
    }
}

#[cfg(test)]
#[path = "sentences_tests.rs"]
mod tests;
