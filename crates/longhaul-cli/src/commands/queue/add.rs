//! `longhaul add`: transfers are put into the list, durable when the command ends.

use serde_json::{Value, json};

use super::hand::{Hand, refused};
use super::rows::{short, title};
use crate::commands::daemon::runtime_dir;
use crate::commands::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::add::AddOptions;
use crate::out;

/// So many are sent at a time: one transaction each.
const AT_A_TIME: usize = 500;

pub(crate) fn run(mut add: AddOptions) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let mut hand = Hand::open(&add.state).await?;
        let ended = all(&mut hand, &mut add).await;
        let is_here = hand.is_here();
        hand.close().await;
        let (exit, count) = ended?;
        if is_here && count > 0 && !add.json {
            out::say("no daemon runs: `longhaul daemon` or `longhaul run` starts what is in the list");
            if add.has_secrets() {
                out::say(match runtime_dir() {
                    Some(_) => {
                        "headers and passwords are in no file: they wait in memory, until the machine is started anew"
                    }
                    None => {
                        "headers and passwords are in no file, and $XDG_RUNTIME_DIR names no memory to keep them in: \
                             start `longhaul daemon` first, or give them again with `longhaul link`"
                    }
                });
            }
        }
        Ok(exit)
    });
    runtime.shutdown_background();
    ended
}

/// How the command ends, and how many entries it made.
async fn all(hand: &mut Hand, add: &mut AddOptions) -> Result<(Exit, usize), Failure> {
    let mut writer = Writer { now: add.now, at: add.at, json: add.json, first: None, added: 0, sent: 0 };
    let sources = std::mem::take(&mut add.sources);
    for some in sources.chunks(AT_A_TIME) {
        writer.send(hand, some.to_vec()).await?;
    }
    if let Some(entries) = add.entries() {
        let mut some = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => some.push(add.of_list(&entry)?),
                Err(bad) => writer.complain(Failure::usage(format!("line {}: {}", bad.line, bad.why))),
            }
            if some.len() == AT_A_TIME {
                writer.send(hand, std::mem::take(&mut some)).await?;
            }
        }
        writer.send(hand, some).await?;
    }
    Ok((writer.first.unwrap_or(Exit::Done), writer.added))
}

/// Sends entries, and says what became of each.
struct Writer {
    now: bool,
    at: Option<u32>,
    json: bool,
    /// How the first that failed ended.
    first: Option<Exit>,
    added: usize,
    sent: u32,
}

impl Writer {
    async fn send(&mut self, hand: &mut Hand, mut wanted: Vec<Value>) -> Result<(), Failure> {
        if wanted.is_empty() {
            return Ok(());
        }
        for wanted in &mut wanted {
            if let Some(at) = self.at {
                wanted["place"] = json!({ "at": at + self.sent });
            }
            self.sent += 1;
        }
        let answer = hand.post("/api/v1/entries", &Value::Array(wanted)).await?;
        for result in answer["results"].as_array().into_iter().flatten() {
            self.told(hand, result).await?;
        }
        Ok(())
    }

    async fn told(&mut self, hand: &mut Hand, result: &Value) -> Result<(), Failure> {
        let Some(id) = result["id"].as_str() else {
            self.complain(refused(result));
            return Ok(());
        };
        self.added += 1;
        if self.now {
            hand.post(&format!("/api/v1/entries/{id}/now"), &json!({})).await?;
        }
        if self.json {
            return out::json(&format!("{result}\n"));
        }
        let entry = &result["entry"];
        let place = match result["position"].as_u64() {
            Some(position) => format!("{}", position + 1),
            None => entry["state"].as_str().unwrap_or_default().to_owned(),
        };
        let note = if result["added"] == true { "" } else { "  (was there)" };
        out::stdout(&format!("{}  {place:>4}  {}{note}\n", short(entry), title(entry)))
    }

    fn complain(&mut self, failure: Failure) {
        out::complain(&failure.message);
        self.first.get_or_insert(failure.exit);
    }
}
