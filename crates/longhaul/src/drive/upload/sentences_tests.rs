use longhaul_core::digest::DigestKind;
use longhaul_core::ranges::Range;
use longhaul_core::upload::step::{CompletedPart, Fault, ListedPart};

use super::*;
use crate::drive::log::Depth;

const MIB: u64 = 1 << 20;

fn told(sentence: Option<Sentence>) -> (Depth, String) {
    let Sentence { depth, text } = sentence.expect("a sentence");
    assert!(!text.contains(['{', '}', '\n']) && !text.contains("Some("), "no sentence: {text}");
    (depth, text)
}

#[test]
fn steps_of_an_upload_are_told_without_its_id() {
    let upload_id = || "id-of-the-upload".to_owned();
    let part = SourcePart { number: 3, range: Range::new(16 * MIB, 24 * MIB) };
    let completed = CompletedPart { number: 1, etag: "\"a\"".to_owned(), checksum: None };
    for (of, depth, want) in [
        (Step::Look, Depth::Decision, "asks the store what stands at the key"),
        (Step::Create { checksum: None }, Depth::Decision, "asks the store for an upload in parts"),
        (
            Step::SendPart { upload_id: upload_id(), part, kinds: vec![DigestKind::Crc64], checksum: None },
            Depth::Decision,
            "sends part 3, 8.0 MiB from 16.0 MiB on",
        ),
        (Step::ListParts { upload_id: upload_id(), after: 0 }, Depth::Decision, "asks the store which parts it has"),
        (
            Step::ListParts { upload_id: upload_id(), after: 7 },
            Depth::Detail,
            "asks the store which parts it has behind part 7",
        ),
        (
            Step::Complete { upload_id: upload_id(), parts: vec![completed], whole: None },
            Depth::Decision,
            "completes the upload of 1 part",
        ),
        (Step::Abort { upload_id: upload_id() }, Depth::Decision, "tells the store to give the upload up"),
        (Step::Record { records: Vec::new(), durable: true }, Depth::Detail, "syncs the journal"),
        (Step::Finish(Finish::Paused), Depth::Decision, "paused"),
    ] {
        assert_eq!(told(step(&of)), (depth, want.to_owned()));
    }
    assert_eq!(step(&Step::Note(Note::Settling)), None);
}

#[test]
fn answers_of_a_store_are_told() {
    crate::secrets::learn("hush-of-the-store");
    let object = ObjectFacts { len: Some(MIB), etag: Some("\"a\"".to_owned()), ..ObjectFacts::default() };
    let secret = ObjectFacts { etag: Some("\"hush-of-the-store\"".to_owned()), ..ObjectFacts::default() };
    let part = ListedPart { number: 2, len: MIB, etag: "\"b\"".to_owned(), digests: Vec::new() };
    for (of, want) in [
        (Heard::Object(Box::new(object)), "the store has an object at the key: 1.0 MiB, ETag \"a\""),
        (Heard::Created { upload_id: "id".to_owned(), checksum: None }, "the store has made the upload"),
        (Heard::Listed { parts: vec![part], next: Some(2) }, "the store lists 1 part, and more"),
        (Heard::Refused(Fault::Exists), "a request did not help: an object is there already"),
    ] {
        assert_eq!(told(heard(&of)), (Depth::Decision, want.to_owned()));
    }
    let (_, text) = told(heard(&Heard::Object(Box::new(secret))));
    assert!(!text.contains("hush"), "{text}");
    assert_eq!(heard(&Heard::Sent(1)), None);
}

#[test]
fn news_of_an_upload_is_told() {
    let retry = Note::Retry { failures: 1, delay_ms: 50, why: Fault::Denied(403) };
    for (of, depth, want) in [
        (
            Note::Started { length: 20 * MIB, part_len: Some(MIB), parts: 20 },
            Depth::Decision,
            "the source has 20.0 MiB: 20 parts of 1.0 MiB",
        ),
        (Note::Started { length: 5, part_len: None, parts: 0 }, Depth::Decision, "the source has 5 bytes: one request"),
        (retry, Depth::Detail, "asks again at once: access denied (status 403) (failure 1 in a row)"),
        (Note::Acknowledged { bytes: MIB }, Depth::Detail, "the store has acknowledged 1.0 MiB"),
    ] {
        assert_eq!(told(note(&of)), (depth, want.to_owned()));
    }
}
