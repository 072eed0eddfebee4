//! The lines: each is one JSON object, has the common fields, and is documented field by field. What events say is tested
//! where it is made, in the library.

use longhaul::{Error, Progress, Source};
use serde_json::{Value, json};

use super::*;
use crate::exit::Exit;
use crate::show::Direction;

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

fn parsed(line: &str) -> Fields {
    assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
    serde_json::from_str(line).unwrap()
}

#[test]
fn every_line_has_the_common_fields_and_is_documented() {
    let document = include_str!("../../../../docs/json-events.md");
    let up = ShownTransfer { way: Direction::Up, ..subject() };
    let finished = ShownOutcome {
        path: "/d/a".into(),
        bytes: 9,
        verified: longhaul::Verified::Length,
        resumed: 1,
        restarts: 1,
        retries: 0,
        moved: 9,
        already: false,
        not_modified: false,
        elapsed: Duration::from_secs(1),
        stored: None,
        facts: [("bytes".to_owned(), json!(9))].into_iter().collect(),
    };
    let refused: Error = "nonsense".parse::<Source>().unwrap_err();
    let lines = [
        JsonEvents::default().line(&subject(), &Event::Paused { held: 5, total: Some(9) }).unwrap(),
        JsonEvents::default().line(&up, &Event::Progress(Progress::default())).unwrap(),
        done(&subject(), &finished),
        failed(&subject(), &refused.into(), Some(5)),
        failed(&subject(), &Failure::new(Exit::Network, "network", "gave up"), Some(5)),
    ];
    assert!(parsed(&lines[1]).contains_key("acknowledged") && parsed(&lines[3]).contains_key("disposition"));
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
fn a_failure_is_told_with_its_exit_code() {
    let interrupted = failed(&subject(), &Failure::new(Exit::InUse, "in_use", "a\nb \"c\""), None);
    let interrupted = parsed(&interrupted);
    assert_eq!((&interrupted["exit_code"], &interrupted["state_kept"]), (&json!(9), &json!(false)));
    assert_eq!((&interrupted["message"], &interrupted["held"]), (&json!("a\nb \"c\""), &Value::Null));
}

#[test]
fn progress_is_told_now_and_then() {
    let mut events = JsonEvents::default();
    let progress = Event::Progress(Progress::default());
    assert!(events.line(&subject(), &progress).is_some());
    assert!(events.line(&subject(), &progress).is_none());
    assert!(events.line(&subject(), &Event::NeedsLink).is_some());
}
