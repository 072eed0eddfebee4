use longhaul_core::digest::DigestKind;
use longhaul_core::download::held::Slot;
use longhaul_core::download::step::{Failure, Grant};
use longhaul_core::words::{DiskFault, Extent, NetFault};

use super::*;
use crate::drive::log::Depth;

const MIB: u64 = 1 << 20;

fn fetch(start: u64, end: Option<u64>) -> Fetch {
    let (last, condition, only_if) = (None, None, None);
    Fetch { start, end, last, ranged: true, condition, fresh_connection: false, only_if }
}

fn told(sentence: Option<Sentence>) -> (Depth, String) {
    let Sentence { depth, text } = sentence.expect("a sentence");
    assert!(!text.contains(['{', '}', '\n']) && !text.contains("Some("), "no sentence: {text}");
    (depth, text)
}

fn said(of: &Step) -> (Depth, String) {
    told(step(Ticket(3), of, HeldBytes { received: 20 * MIB, durable: 8 * MIB }, 0))
}

#[test]
fn requests_say_what_is_asked_for_and_under_which_condition() {
    let etag = Validator::Etag("\"v1\"".to_owned());
    let whole = Fetch { ranged: false, ..fetch(0, None) };
    let tail = Fetch { last: Some(2 * MIB), ..fetch(0, None) };
    let middle = Fetch { condition: Some(etag), ..fetch(8 * MIB, Some(12 * MIB)) };
    let fresh = Fetch { fresh_connection: true, ..fetch(MIB, None) };
    for (fetch, others, want) in [
        (whole, 0, "request 3 asks for all of it"),
        (tail, 0, "request 3 asks for the last 2.0 MiB"),
        (fetch(0, None), 0, "request 3 asks for all of it from the start"),
        (middle.clone(), 0, "request 3 asks for 4.0 MiB from 8.0 MiB on, if the ETag is still \"v1\""),
        (middle, 2, "request 3 asks for 4.0 MiB from 8.0 MiB on, if the ETag is still \"v1\"; 3 requests at once"),
        (fresh, 0, "request 3 asks for all of it from 1.0 MiB on, on a connection of its own"),
    ] {
        let sentence = step(Ticket(3), &Step::Fetch(fetch), HeldBytes::default(), others);
        assert_eq!(told(sentence), (Depth::Decision, want.to_owned()));
    }
}

#[test]
fn answers_say_what_came_and_whether_it_is_the_same_version() {
    let identity = |etag: &str| Identity { etag: Some(etag.to_owned()), ..Identity::default() };
    let part = ContentRange::Bytes { start: 8 * MIB, end: 12 * MIB, total: Some(20 * MIB) };
    let facts = ReplyFacts { status: 206, content_range: part, identity: identity("\"v1\""), ..ReplyFacts::default() };
    let busy =
        ReplyFacts { status: 503, framing: Framing::Length(0), retry_after_ms: Some(1500), ..ReplyFacts::default() };
    let (same, other) = (identity("\"v1\""), identity("\"v2\""));
    for (facts, known, want) in [
        (&facts, None, "request 3: answered 206, 4.0 MiB from 8.0 MiB on of 20.0 MiB; ETag \"v1\""),
        (&facts, Some(&same), "request 3: answered 206, 4.0 MiB from 8.0 MiB on of 20.0 MiB; same version"),
        (
            &facts,
            Some(&other),
            "request 3: answered 206, 4.0 MiB from 8.0 MiB on of 20.0 MiB; another version, ETag \"v1\"",
        ),
        (&busy, Some(&same), "request 3: answered 503, 0 bytes; it is to be asked again in 1.5 s"),
    ] {
        let sentence = heard(Ticket(3), &Heard::Head(Box::new(facts.clone())), known);
        assert_eq!(told(sentence), (Depth::Decision, want.to_owned()));
    }
    let cut = Heard::Ended { end: StreamEnd::Failed(NetFault::Cut), at: 9 * MIB };
    let text = "request 3 ended at 9.0 MiB: the connection broke".to_owned();
    assert_eq!(told(heard(Ticket(3), &cut, None)), (Depth::Decision, text));
    let whole = Heard::Ended { end: StreamEnd::Complete, at: 9 * MIB };
    let text = "request 3 ended at 9.0 MiB: its body is complete".to_owned();
    assert_eq!(told(heard(Ticket(3), &whole, None)), (Depth::Detail, text));
    assert_eq!(heard(Ticket(3), &Heard::Wrote(Extent { start: 0, len: 1, crc: 0 }), None), None);
}

#[test]
fn a_secret_that_a_server_repeats_is_not_in_the_sentence() {
    crate::secrets::learn("hush-of-the-log");
    let identity = Identity { etag: Some("\"hush-of-the-log\"".to_owned()), ..Identity::default() };
    let facts = ReplyFacts { status: 200, identity, ..ReplyFacts::default() };
    let (_, text) = told(heard(Ticket(1), &Heard::Head(Box::new(facts)), None));
    assert!(!text.contains("hush"), "{text}");
    let condition = Some(Validator::Version("hush-of-the-log".to_owned()));
    let (_, text) = said(&Step::Fetch(Fetch { condition, ..fetch(0, None) }));
    assert!(!text.contains("hush"), "{text}");
}

#[test]
fn work_on_the_disk_is_told_with_its_amounts() {
    let extent = Extent { start: 0, len: MIB, crc: 0 };
    let hint = Record::Hint { generation: 1, extent };
    let length = Record::Length { generation: 1, length: 5 };
    let (slot, main) = (Slot::Main, Slot::Main);
    let grant = Grant {
        slot,
        skip: 0,
        body_start: 0,
        write_start: 0,
        write_end: Some(MIB),
        block_len: MIB,
        continues: None,
        held: Vec::new(),
    };
    let kinds = vec![DigestKind::Sha256];
    for (of, depth, want) in [
        (Step::Sync { slot }, Depth::Decision, "syncs 12.0 MiB to the disk"),
        (Step::Digest { slot, length: MIB, kinds }, Depth::Decision, "computes sha256 of the file, 1.0 MiB"),
        (
            Step::Check { slot: main, extents: vec![extent, extent], rewrite: false },
            Depth::Decision,
            "reads 2.0 MiB back from the disk, to compare their checksums",
        ),
        (
            Step::Record { records: vec![hint.clone(), length], durable: true },
            Depth::Detail,
            "adds 2 records to the journal, and syncs it",
        ),
        (Step::Record { records: Vec::new(), durable: true }, Depth::Detail, "syncs the journal"),
        (Step::Flow(grant), Depth::Detail, "request 3: its bytes are written from the start, up to 1.0 MiB"),
        (Step::Narrow { end: MIB }, Depth::Detail, "request 3 leaves what is behind 1.0 MiB to another"),
        (Step::Finish(Finish::Paused), Depth::Decision, "paused"),
        (
            Step::Finish(Finish::Failed(Failure::Disk { fault: DiskFault::Io, during: "write" })),
            Depth::Decision,
            "failed",
        ),
    ] {
        assert_eq!(said(&of), (depth, want.to_owned()));
    }
    let written = Step::Record { records: vec![hint], durable: false };
    assert_eq!(step(Ticket(3), &written, HeldBytes::default(), 0), None);
}

#[test]
fn news_that_an_event_tells_too_is_a_detail() {
    let retry = Note::Retry { failures: 2, delay_ms: 420, why: Trouble::Net(NetFault::Cut) };
    let limited = Note::Limited { connections: 4, why: Trouble::Busy(503), lasting: false };
    for (of, depth, want) in [
        (retry, Depth::Detail, "asks again in 0.4 s: the connection broke (failure 2 in a row)"),
        (
            limited,
            Depth::Detail,
            "one more connection was refused (the server answered with status 503): goes on with 4",
        ),
        (
            Note::Started { length: Some(MIB), held: 1024, resumable: true },
            Depth::Decision,
            "the object has 1.0 MiB; 1.0 KiB of it are held",
        ),
    ] {
        assert_eq!(told(note(&of)), (depth, want.to_owned()));
    }
}
