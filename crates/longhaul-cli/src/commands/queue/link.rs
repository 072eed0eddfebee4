//! `longhaul link`: an entry is given another link, or other headers.

use serde_json::{Map, Value, json};

use super::hand::Hand;
use super::rows::{named, short, title};
use crate::commands::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::queue::LinkOptions;
use crate::out;

/// No link is longer.
const LINK_MAX: u64 = 64 << 10;

pub(crate) fn run(link: &LinkOptions) -> Result<Exit, Failure> {
    let text = match &link.link {
        Some(text) => text.clone(),
        None => read()?,
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut hand = Hand::open(&link.state).await?;
        let ended = give(&mut hand, link, &text).await;
        hand.close().await;
        ended
    });
    runtime.shutdown_background();
    ended
}

fn read() -> Result<String, Failure> {
    use std::io::Read as _;
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LINK_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::usage(format!("no link could be read from stdin ({error})")))?;
    match text.trim() {
        "" => Err(Failure::usage("stdin has no link in it")),
        text => Ok(text.to_owned()),
    }
}

async fn give(hand: &mut Hand, link: &LinkOptions, text: &str) -> Result<Exit, Failure> {
    let entry = named(hand, &link.what).await?;
    let mut words = json!({ "source": text });
    if !link.headers.is_empty() {
        let headers: Map<String, Value> =
            link.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        words["headers"] = Value::Object(headers);
    }
    if let Some((user, password)) = &link.user {
        words["auth"] = json!({ "user": user, "password": password });
    }
    let id = entry["id"].as_str().unwrap_or_default();
    let answer = hand.post(&format!("/api/v1/entries/{id}/link"), &words).await?;
    let state = answer["entry"]["state"].as_str().unwrap_or_default();
    out::stdout(&format!("{}  {}: {state}, with its new link\n", short(&entry), title(&entry)))?;
    Ok(Exit::Done)
}
