//! `longhaul pause`, `resume`, `retry`, `now`, `forget`, `move`, `decide`: one change of entries.

use std::path::Path;

use serde_json::{Value, json};

use super::hand::{Hand, refused};
use super::rows::{entries_of, named, short, title};
use crate::commands::{foreign, offline_client, runtime};
use crate::exit::{Exit, Failure};
use crate::flags::queue::{ActOptions, Action, Meant, PlaceWord};
use crate::out;

/// The API takes so many at a time.
const AT_A_TIME: usize = 1000;

pub(crate) fn run(act: &ActOptions) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut hand = Hand::open(&act.state).await?;
        let ended = all(&mut hand, act).await;
        let is_here = hand.is_here();
        hand.close().await;
        let starts = matches!(act.action, Action::Release | Action::Retry | Action::Now);
        if is_here && starts && ended.is_ok() && !act.json {
            out::say("no daemon runs: `longhaul daemon` or `longhaul run` starts what is in the list");
        }
        ended
    });
    runtime.shutdown_background();
    ended
}

async fn all(hand: &mut Hand, act: &ActOptions) -> Result<Exit, Failure> {
    let mut first = None;
    let mut entries = match (&act.meant, &act.action) {
        (Meant::Named(words), Action::Hold) => {
            let (entries, exit) = held(hand, act, words).await?;
            first = exit;
            entries
        }
        (meant, _) => entries_of(hand, meant).await?,
    };
    if entries.is_empty() && matches!(act.meant, Meant::Named(_)) {
        return Ok(first.unwrap_or(Exit::Done));
    }
    if !matches!(act.meant, Meant::Named(_)) {
        entries.retain(|entry| concerns(&act.action, entry));
    }
    if entries.is_empty() {
        out::say("no entry of the list is meant");
        return Ok(Exit::Done);
    }
    let mut batch = words(hand, &act.action).await?;
    if matches!(&act.action, Action::Move(PlaceWord::Top | PlaceWord::Down(_))) {
        entries.reverse(); // the last goes first, so that they stand in the order in which they were named
    }
    for some in entries.chunks(AT_A_TIME) {
        batch["ids"] = some.iter().map(|entry| entry["id"].clone()).collect();
        let answer = hand.post("/api/v1/batch", &batch).await?;
        let results = answer["results"].as_array().cloned().unwrap_or_default();
        for (entry, result) in some.iter().zip(&results) {
            if let Some(exit) = tell(act, entry, result)? {
                first.get_or_insert(exit);
            }
        }
    }
    Ok(first.unwrap_or(Exit::Done))
}

/// The entries to hold. What is not in the list, but runs in another process, is stopped there.
async fn held(hand: &mut Hand, act: &ActOptions, words: &[String]) -> Result<(Vec<Value>, Option<Exit>), Failure> {
    let (mut entries, mut first) = (Vec::new(), None);
    for word in words {
        let failure = match named(hand, word).await {
            Ok(entry) => {
                entries.push(entry);
                continue;
            }
            Err(failure) if failure.exit != Exit::LocalFile => failure,
            Err(failure) => {
                let client = offline_client(&act.state)?;
                match foreign::running(&client, Path::new(word))? {
                    None => failure,
                    Some(transfer) => match foreign::stop(&client, &transfer, "pause").await {
                        Ok(()) if act.json => {
                            out::json(&format!("{}\n", json!({ "id": transfer.id, "changed": true })))?;
                            continue;
                        }
                        Ok(()) => {
                            let id = transfer.id.get(..8).unwrap_or_default();
                            out::stdout(&format!("{id}  {}: paused\n", crate::printable::here(&transfer.path)))?;
                            continue;
                        }
                        Err(failure) => failure,
                    },
                }
            }
        };
        out::complain(&failure.message);
        first.get_or_insert(failure.exit);
    }
    Ok((entries, first))
}

/// What "all" means for this action: those that it can change.
fn concerns(action: &Action, entry: &Value) -> bool {
    let state = entry["state"].as_str().unwrap_or_default();
    let is_over = matches!(state, "done" | "failed" | "cancelled");
    match action {
        Action::Hold => !is_over && state != "held",
        Action::Release => state == "held",
        Action::Retry => matches!(state, "failed" | "later" | "needs"),
        Action::Forget { .. } => is_over,
        _ => !is_over,
    }
}

/// The action as the API says it.
async fn words(hand: &mut Hand, action: &Action) -> Result<Value, Failure> {
    Ok(match action {
        Action::Hold => json!({ "action": "hold" }),
        Action::Release => json!({ "action": "release" }),
        Action::Retry => json!({ "action": "retry" }),
        Action::Now => json!({ "action": "now" }),
        Action::Forget { files: false } => json!({ "action": "forget" }),
        Action::Forget { files: true } => json!({ "action": "remove", "files": "all" }),
        Action::Decide(answer) => json!({ "action": "decide", "answer": answer }),
        Action::Move(place) => json!({ "action": "move", "place": match place {
            PlaceWord::Top => json!("top"),
            PlaceWord::Bottom => json!("bottom"),
            PlaceWord::Up(by) => json!({ "up": by }),
            PlaceWord::Down(by) => json!({ "down": by }),
            PlaceWord::Before(other) => json!({ "before": named(hand, other).await?["id"] }),
        } }),
    })
}

/// Says what became of one; how it ended, where it was refused.
fn tell(act: &ActOptions, entry: &Value, result: &Value) -> Result<Option<Exit>, Failure> {
    let is_refused = result["changed"].is_null();
    if act.json {
        out::json(&format!("{result}\n"))?;
    }
    if is_refused {
        let failure = refused(result);
        out::complain(&format!("{} {}: {}", short(entry), title(entry), failure.message));
        return Ok(Some(failure.exit));
    }
    if !act.json {
        let now = &result["entry"];
        let what = match (&act.action, result["changed"].as_bool()) {
            (Action::Move(_), _) => format!("at place {}", result["position"].as_u64().unwrap_or(0) + 1),
            (Action::Forget { files: true }, _) => "forgotten, and its file is deleted".to_owned(),
            (Action::Forget { .. }, _) => "forgotten; its file stays".to_owned(),
            (_, Some(false)) => format!("was {} already", now["state"].as_str().unwrap_or("so")),
            _ => now["state"].as_str().unwrap_or_default().to_owned(),
        };
        out::stdout(&format!("{}  {}: {what}\n", short(entry), title(entry)))?;
    }
    Ok(None)
}
