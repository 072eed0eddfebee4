//! `longhaul limit`: how fast, and how many at once; of all, of a lane, or of one entry.

use serde_json::{Value, json};

use super::hand::Hand;
use super::rows::{named, short, title};
use crate::commands::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::queue::LimitOptions;
use crate::out;
use crate::show::text;

pub(crate) fn run(limit: &LimitOptions) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut hand = Hand::open(&limit.state).await?;
        let ended = set(&mut hand, limit).await;
        hand.close().await;
        ended
    });
    runtime.shutdown_background();
    ended
}

async fn set(hand: &mut Hand, limit: &LimitOptions) -> Result<Exit, Failure> {
    if let (Some(what), Some(bytes)) = (&limit.what, limit.rate) {
        let entry = named(hand, what).await?;
        let id = entry["id"].as_str().unwrap_or_default();
        let now = hand.patch(&format!("/api/v1/entries/{id}"), &json!({ "options": { "limit_rate": bytes } })).await?;
        return match limit.json {
            true => out::json(&format!("{now}\n")).map(|()| Exit::Done),
            false => {
                out::stdout(&format!("{}  {}: {}\n", short(&entry), title(&entry), rate(bytes))).map(|()| Exit::Done)
            }
        };
    }
    let mut words = json!({});
    let settings = match &limit.lane {
        Some(lane) => {
            let path =
                format!("/api/v1/lanes/{}", url::form_urlencoded::byte_serialize(lane.as_bytes()).collect::<String>());
            if let Some(bytes) = limit.rate {
                words["limit_rate"] = json!(bytes);
            }
            if let Some(most) = limit.most {
                words["most"] = json!(most);
            }
            if let Some(timetable) = &limit.timetable {
                words["timetable"] = if timetable == "always" { Value::Null } else { json!(timetable) };
            }
            hand.put(&path, &words).await?;
            hand.get("/api/v1/settings").await?
        }
        None => {
            if let Some(bytes) = limit.rate {
                words[if limit.upload { "limit_upload_rate" } else { "limit_rate" }] = json!(bytes);
            }
            if let Some(most) = limit.most {
                words["most"] = json!(most);
            }
            match words.as_object().is_some_and(serde_json::Map::is_empty) {
                true => hand.get("/api/v1/settings").await?,
                false => hand.put("/api/v1/settings", &words).await?,
            }
        }
    };
    match limit.json {
        true => out::json(&format!("{settings}\n"))?,
        false => out::stdout(&shown(&settings))?,
    }
    Ok(Exit::Done)
}

fn rate(bytes: u64) -> String {
    match bytes {
        0 => "no limit".to_owned(),
        bytes => format!("{}/s", text::bytes(bytes)),
    }
}

/// The limits that count now.
fn shown(settings: &Value) -> String {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let mut lines = format!(
        "all    {} at once, downloads {}, uploads {}\n",
        number(&settings["most"]),
        rate(number(&settings["limit_rate"])),
        rate(number(&settings["limit_upload_rate"]))
    );
    for (name, lane) in settings["lanes"].as_object().into_iter().flatten() {
        let most = lane["most"].as_u64().map(|most| format!("{most} at once, ")).unwrap_or_default();
        let timetable = lane["timetable"].as_str().map(|table| format!(", {table}")).unwrap_or_default();
        lines += &format!("{name:<5}  {most}{}{timetable}\n", rate(number(&lane["limit_rate"])));
    }
    crate::printable::plain(&lines).into_owned()
}
