//! The events against their document: each line is one JSON object, has the common fields, and is documented field by
//! field.

use longhaul::{Digest, DigestKind, Progress, Restart, UploadRestart};

use super::*;
use crate::exit::Exit;

fn subject() -> ShownTransfer {
    ShownTransfer {
        way: Direction::Down,
        url: "https://h/a".into(),
        id: Some("0f".repeat(16)),
        path: Some("/d/a".into()),
        number: 1,
        count: 1,
    }
}

fn every_event() -> Vec<Event> {
    vec![
        Event::Started { path: "/d/a".into(), total: Some(9), resumable: true },
        Event::Resumed { held: 3, total: None },
        Event::Progress(Progress { received: 5, rate: 2, total: Some(9), ..Progress::default() }),
        Event::Retry { failures: 2, delay: Duration::from_millis(1500), reason: "the connection broke".into() },
        Event::Limited { connections: 2, reason: "the server answered 503".into() },
        Event::Restarted { reason: Restart::SyncFailed.into(), discarded: 3 },
        Event::Damaged { ranges: vec![(0, 4), (8, 9)] },
        Event::Returned { held: 4 },
        Event::DigestMatched(Digest::new(DigestKind::Crc32c, [0, 1, 2, 3]).unwrap()),
        Event::Warning("the end cannot be proven".into()),
        Event::NotModified,
        Event::NeedsLink,
        Event::Paused { held: 5, total: Some(9) },
    ]
}

fn every_event_of_uploads() -> Vec<Event> {
    vec![
        Event::Progress(Progress { received: 5, durable: 4, rate: 2, total: Some(9), ..Progress::default() }),
        Event::Restarted { reason: UploadRestart::SourceChanged.into(), discarded: 3 },
        Event::WrongPart { number: 7 },
        Event::Settling,
        Event::Aborted { clean: false },
    ]
}

fn parsed(line: &str) -> Map<String, Value> {
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
    serde_json::from_str(line).unwrap()
}

#[test]
fn every_event_is_a_documented_line() {
    let document = include_str!("../../../../docs/json-events.md");
    let mut lines: Vec<String> =
        every_event().iter().map(|e| JsonEvents::default().line(&subject(), e).unwrap()).collect();
    let up = ShownTransfer { way: Direction::Up, ..subject() };
    lines.extend(every_event_of_uploads().iter().map(|e| JsonEvents::default().line(&up, e).unwrap()));
    let finished = ShownOutcome {
        path: "/d/a".into(),
        bytes: 9,
        verified: longhaul::Verified::Length,
        digests: vec![Digest::new(DigestKind::Crc32c, [0, 1, 2, 3]).unwrap()],
        resumed: 1,
        restarts: vec!["no_journal".into()],
        retries: 0,
        moved: 9,
        already: false,
        not_modified: false,
        elapsed: Duration::from_secs(1),
        stored: None,
    };
    let line = done(&subject(), &finished);
    assert_eq!(
        (&parsed(&line)["verified"], &parsed(&line)["restarts"]),
        (&json!("length only"), &json!(["no_journal"]))
    );
    lines.push(line);
    let stored =
        ShownObject { destination: "oss://b/k".into(), etag: None, version: None, parts: 3, part_size: Some(4) };
    let line = done(&up, &ShownOutcome { stored: Some(stored), ..finished });
    assert_eq!((&parsed(&line)["sent"], &parsed(&line)["parts"]), (&json!(9), &json!(3)));
    lines.push(line);
    lines.push(failed(&subject(), &Failure::new(Exit::Network, "network", "gave up"), Some(5)));
    for line in lines {
        let object = parsed(&line);
        let event = object["event"].as_str().unwrap();
        assert_eq!((object["url"].as_str(), object["path"].as_str()), (Some("https://h/a"), Some("/d/a")));
        assert_eq!((object["number"].as_u64(), object["id"].as_str().map(str::len)), (Some(1), Some(32)));
        assert!(object["time_ms"].as_u64().unwrap() > 1_700_000_000_000);
        let section = document.split("\n## ").find(|s| s.starts_with(&format!("`{event}`")));
        let section = section.unwrap_or_else(|| panic!("docs/json-events.md has no section for {event}"));
        for field in
            object.keys().filter(|f| !["event", "url", "number", "id", "path", "time_ms"].contains(&f.as_str()))
        {
            assert!(section.contains(&format!("| `{field}` |")), "{event}: {field} is not documented");
        }
    }
}

#[test]
fn values_have_the_promised_forms() {
    let line = |event: &Event| parsed(&JsonEvents::default().line(&subject(), event).unwrap());
    let events = every_event();
    assert_eq!(line(&events[1])["total"], Value::Null);
    assert_eq!(line(&events[3])["delay_ms"], 1500);
    assert_eq!(line(&events[5])["reason"], "sync_failed");
    assert_eq!(line(&events[6])["ranges"], json!([[0, 4], [8, 9]]));
    assert_eq!(line(&events[8])["digest"], "crc32c:00010203");
    let up = ShownTransfer { way: Direction::Up, ..subject() };
    let line = |event: &Event| parsed(&JsonEvents::default().line(&up, event).unwrap());
    let events = every_event_of_uploads();
    assert_eq!((&line(&events[0])["acknowledged"], &line(&events[0])["sent"]), (&json!(4), &json!(5)));
    assert_eq!((&line(&events[1])["reason"], &line(&events[2])["part"]), (&json!("source_changed"), &json!(7)));
    let interrupted = failed(&subject(), &Failure::new(Exit::InUse, "in_use", "a\nb \"c\""), None);
    let interrupted = parsed(&interrupted);
    assert_eq!((&interrupted["exit_code"], &interrupted["state_kept"]), (&json!(9), &json!(false)));
    assert_eq!(interrupted["message"], "a\nb \"c\"");
}

#[test]
fn progress_is_told_now_and_then() {
    let mut events = JsonEvents::default();
    let progress = Event::Progress(Progress::default());
    assert!(events.line(&subject(), &progress).is_some());
    assert!(events.line(&subject(), &progress).is_none());
    assert!(events.line(&subject(), &Event::NeedsLink).is_some());
}

#[test]
fn a_path_that_is_no_text_is_told_exactly() {
    use std::os::unix::ffi::OsStrExt as _;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"a\xff"));
    assert_eq!(path_fields(Some(path)), (Some("a\u{fffd}".into()), Some("61ff".into())));
}

#[test]
fn every_reason_of_a_restart_is_documented_under_its_name() {
    let document = include_str!("../../../../docs/json-events.md");
    let downloads = longhaul::Restart::ALL.map(longhaul::Restart::name);
    let uploads = longhaul::UploadRestart::ALL.map(longhaul::UploadRestart::name);
    for name in downloads.into_iter().chain(uploads) {
        assert!(document.contains(&format!("`{name}`")), "{name} is not in docs/json-events.md");
    }
}
