//! The objects against their document, field by field.

use super::*;
use crate::event::{DigestKind, Downloaded, NotModified, Restart, Totals, UploadRestart, Uploaded, Verified};
use crate::{Advice, ErrorKind};

const DOCUMENT: &str = include_str!("../../../docs/json-events.md");

fn digest() -> Digest {
    Digest::new(DigestKind::Crc32c, [0, 1, 2, 3]).unwrap()
}

fn every_event() -> Vec<Event> {
    vec![
        Event::Started { path: "/d/a".into(), total: Some(9), resumable: true },
        Event::Resumed { held: 3, total: None },
        Event::Progress(Progress { received: 5, durable: 4, rate: 2, total: Some(9), ..Progress::default() }),
        Event::Retry { failures: 2, delay: Duration::from_millis(1500), reason: "the connection broke".into() },
        Event::Limited { connections: 2, reason: "the server answered 503".into() },
        Event::Restarted { reason: Restart::SyncFailed.into(), discarded: 3 },
        Event::Restarted { reason: UploadRestart::SourceChanged.into(), discarded: 3 },
        Event::WrongPart { number: 7 },
        Event::Settling,
        Event::Aborted { clean: false },
        Event::Damaged { ranges: vec![(0, 4), (8, 9)] },
        Event::Returned { held: 4 },
        Event::DigestMatched(digest()),
        Event::Warning("the end cannot be proven".into()),
        Event::NotModified,
        Event::NeedsLink,
        Event::Paused { held: 5, total: Some(9) },
        Event::Adopted { held: 3, offered: 4, total: None, samples: 1 },
    ]
}

fn every_outcome() -> [Outcome; 3] {
    let totals = || Totals {
        resumed: 1,
        restarts: vec![Restart::NoJournal.into()],
        retries: 2,
        moved: 9,
        elapsed: Duration::from_secs(1),
    };
    let (path, bytes, verified, digests) = ("/d/a".into(), 9, Verified::Length, vec![digest()]);
    [
        Outcome::Downloaded(Downloaded { path, bytes, verified, digests, already: false, totals: totals() }),
        Outcome::Uploaded(Box::new(Uploaded {
            path: "/d/a".into(),
            destination: "oss://b/k".into(),
            bytes,
            verified,
            digests: vec![digest()],
            already: true,
            etag: None,
            version: None,
            parts: 3,
            part_len: Some(4),
            totals: totals(),
        })),
        Outcome::NotModified(NotModified { path: "/d/a".into(), totals: totals() }),
    ]
}

/// The part of the document that is about one event.
fn section(name: &str) -> &'static str {
    let found = DOCUMENT.split("\n## ").find(|section| section.starts_with(&format!("`{name}`")));
    found.unwrap_or_else(|| panic!("docs/json-events.md has no section for {name}"))
}

fn assert_documented(name: &str, fields: &Fields) {
    for field in fields.keys() {
        assert!(section(name).contains(&format!("| `{field}` |")), "{name}: {field} is not documented");
    }
}

#[test]
fn every_field_of_every_event_is_documented() {
    for told in every_event() {
        for way in [TransferKind::Download, TransferKind::Upload] {
            assert_documented(told.name(), &event_fields(&told, way));
            assert_eq!(event(&told, way)["event"], told.name());
        }
    }
    every_outcome().iter().for_each(|end| assert_documented("done", &outcome(end)));
    assert_documented("failed", &error(&Error::usage("no")));
}

#[test]
fn values_have_the_promised_forms() {
    let of = |way, event: Event| Value::Object(event_fields(&event, way));
    let down = |event| of(TransferKind::Download, event);
    let [.., progress, retry, _, restarted] = &mut every_event()[..6] else { unreachable!("six") };
    assert_eq!(down(retry.clone())["delay_ms"], 1500);
    assert_eq!(down(restarted.clone())["reason"], "sync_failed");
    assert_eq!((&down(progress.clone())["received"], &down(progress.clone())["durable"]), (&json!(5), &json!(4)));
    let up = of(TransferKind::Upload, progress.clone());
    assert_eq!((&up["acknowledged"], &up["sent"], up.get("received")), (&json!(4), &json!(5), None));
    assert_eq!(down(Event::Resumed { held: 3, total: None })["total"], Value::Null);
    assert_eq!(down(Event::Damaged { ranges: vec![(0, 4), (8, 9)] })["ranges"], json!([[0, 4], [8, 9]]));
    assert_eq!(down(Event::DigestMatched(digest()))["digest"], "crc32c:00010203");
    let [saved, stored, same] = every_outcome().map(|end| Value::Object(outcome(&end)));
    assert_eq!((&saved["verified"], &saved["restarts"]), (&json!("length only"), &json!(["no_journal"])));
    assert_eq!((&saved["fetched"], &stored["sent"], &stored["parts"]), (&json!(9), &json!(9), &json!(3)));
    assert_eq!((&same["not_modified"], &same["bytes"]), (&json!(true), &json!(0)));
    let full = Error::new(ErrorKind::NoSpace, Disposition::Permanent, "no room").advise(Advice::MakeRoom);
    let full = error(&full);
    assert_eq!((&full["kind"], &full["message"]), (&json!("no_space"), &json!("no room")));
    assert_eq!((&full["disposition"], full["advice"].is_string()), (&json!("permanent"), true));
}

#[test]
fn every_reason_of_a_restart_is_documented_under_its_name() {
    let (downloads, uploads) = (Restart::ALL.map(Restart::name), UploadRestart::ALL.map(UploadRestart::name));
    for name in downloads.into_iter().chain(uploads) {
        assert!(DOCUMENT.contains(&format!("`{name}`")), "{name} is not in docs/json-events.md");
    }
}

#[test]
fn every_kind_of_error_is_found_by_its_name() {
    for kind in ErrorKind::ALL {
        assert_eq!(ErrorKind::of_name(kind.name()), Some(kind));
        assert_eq!(kind.name().replace('_', ""), format!("{kind:?}").to_lowercase());
    }
    assert_eq!(ErrorKind::of_name("sunshine"), None);
}

#[test]
fn a_path_that_is_no_text_is_told_exactly() {
    use std::os::unix::ffi::OsStrExt as _;
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"a\xff"));
    assert_eq!(path(odd), ("a\u{fffd}".into(), Some("61ff".into())));
    assert_eq!(path(Path::new("a")), ("a".into(), None));
}
