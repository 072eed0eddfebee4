//! `longhaul watch`: the list as it changes. `longhaul wait`: until entries have ended, with the exit code of the first
//! that did not end well.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_daemon::socket::Messages;
use serde_json::Value;

use super::hand::{Hand, refused};
use super::rows::{entries_of, short, title};
use crate::commands::runtime;
use crate::exit::{Exit, Failure};
use crate::flags::queue::{Meant, WatchOptions};
use crate::out;
use crate::show::text;
use crate::signals::Signals;

pub(crate) fn run(watch: &WatchOptions) -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let Some(mut hand) = Hand::of_daemon(&watch.state).await? else {
            let message =
                "no daemon runs, and so nothing of the list does: `longhaul daemon` or `longhaul run` starts it";
            return Err(Failure::new(Exit::InUse, "in_use", message));
        };
        let meant = match (watch.what.is_empty(), watch.wait) {
            (false, _) => Some(Meant::Named(watch.what.clone())),
            (true, true) => Some(Meant::All),
            (true, false) => None,
        };
        let ids = match &meant {
            None => None,
            Some(meant) => {
                let entries = entries_of(&mut hand, meant).await?;
                let counts = |entry: &&Value| !watch.what.is_empty() || !is_over(entry);
                Some(entries.iter().filter(counts).filter_map(id).collect::<BTreeSet<_>>())
            }
        };
        let mut signals =
            Signals::take().map_err(|error| Failure::internal(format!("cannot wait for signals ({error})")))?;
        let (mut messages, _) = hand.events().await?;
        let mut view = View::new(ids, watch.json, watch.wait);
        tokio::select! {
            ended = follow(&mut view, &mut messages, watch.wait) => ended,
            signal = signals.next() => Ok(Exit::Signal(signal)),
        }
    });
    runtime.shutdown_background();
    ended
}

/// Reads until all have ended, where that is waited for.
async fn follow(view: &mut View, messages: &mut Messages, wait: bool) -> Result<Exit, Failure> {
    loop {
        let message = messages.next().await.map_err(|error| Failure::new(Exit::InUse, "in_use", error.to_string()))?;
        let Some(message) = message else {
            return Err(Failure::new(
                Exit::InUse,
                "in_use",
                "the daemon ended; the list is kept, and goes on with the next",
            ));
        };
        view.hear(&message.event, &message.data)?;
        if wait && let Some(exit) = view.ended() {
            view.over();
            return Ok(exit);
        }
    }
}

fn id(entry: &Value) -> Option<String> {
    entry["id"].as_str().map(str::to_owned)
}

fn state(entry: &Value) -> &str {
    entry["state"].as_str().unwrap_or_default()
}

pub(super) fn is_over(entry: &Value) -> bool {
    matches!(state(entry), "done" | "failed" | "cancelled")
}

/// How one that has ended did: not at all yet; well; or with this exit code.
pub(super) fn end_of(entry: &Value) -> Option<Exit> {
    match state(entry) {
        "done" => Some(Exit::Done),
        "cancelled" => Some(crate::exit::of_word("cancelled").0),
        "failed" | "needs" => Some(crate::exit::of_word(entry["reason"]["kind"].as_str().unwrap_or("internal")).0),
        _ => None,
    }
}

/// The list as it is shown.
pub(super) struct View {
    /// Of these alone; `None`: of all.
    ids: Option<BTreeSet<String>>,
    rows: BTreeMap<String, Value>,
    json: bool,
    /// Only what ended is told.
    quiet: bool,
    screen: Option<console::Term>,
    drawn: usize,
    known: bool,
}

impl View {
    pub(super) fn new(ids: Option<BTreeSet<String>>, json: bool, quiet: bool) -> Self {
        let terminal = console::Term::stderr();
        let screen = (terminal.is_term() && !json && !quiet).then_some(terminal);
        Self { ids, rows: BTreeMap::new(), json, quiet, screen, drawn: 0, known: false }
    }

    pub(super) fn hear(&mut self, event: &str, data: &Value) -> Result<(), Failure> {
        match event {
            "snapshot" => {
                let entries = data["entries"].as_array().cloned().unwrap_or_default();
                let here: BTreeSet<String> = entries.iter().filter_map(id).collect();
                self.rows.retain(|id, _| here.contains(id));
                self.changed(entries)?;
                self.known = true;
            }
            "change" => {
                self.changed(data["rows"].as_array().cloned().unwrap_or_default())?;
                for gone in data["gone"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    self.rows.remove(gone);
                }
            }
            "told" if self.json && self.is_meant(data["id"].as_str().unwrap_or_default()) => {
                out::json(&format!("{data}\n"))?
            }
            _ => {}
        }
        self.draw();
        Ok(())
    }

    fn is_meant(&self, id: &str) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(id))
    }

    fn changed(&mut self, rows: Vec<Value>) -> Result<(), Failure> {
        for row in rows {
            let Some(id) = id(&row).filter(|id| self.is_meant(id)) else { continue };
            let before = self.rows.insert(id.clone(), row);
            let row = &self.rows[&id];
            let is_new = before.as_ref().is_none_or(|before| state(before) != state(row));
            if self.json && (is_new || self.known) {
                out::json(&format!("{row}\n"))?;
            }
            if is_new && (self.known || self.quiet) && !self.json {
                self.tell(&id);
            }
        }
        Ok(())
    }

    /// A line for an entry whose state is another one now.
    fn tell(&mut self, id: &str) {
        let row = &self.rows[id];
        let line = match state(row) {
            "done" => format!("{}  {}: done, {}", short(row), title(row), bytes(&row["total"])),
            "failed" | "needs" | "later" => {
                let failure = refused(
                    &serde_json::json!({ "kind": row["reason"]["kind"], "detail": row["reason"]["message"], "advice": row["reason"]["advice"] }),
                );
                format!("{}  {}: {}: {}", short(row), title(row), state(row), failure.message)
            }
            _ if self.quiet => return,
            other => format!("{}  {}: {other}", short(row), title(row)),
        };
        self.clear();
        out::say(&line);
    }

    /// `None`: not all have ended. An entry that left the list has.
    fn ended(&self) -> Option<Exit> {
        let ids = self.ids.as_ref().filter(|_| self.known)?;
        let ends = ids.iter().filter_map(|id| self.rows.get(id)).map(end_of).collect::<Option<Vec<Exit>>>()?;
        Some(ends.into_iter().find(|exit| *exit != Exit::Done).unwrap_or(Exit::Done))
    }

    fn clear(&mut self) {
        if let Some(screen) = &self.screen {
            let _ = screen.clear_last_lines(self.drawn); // a terminal that is gone shows nothing
            self.drawn = 0;
        }
    }

    pub(super) fn over(&mut self) {
        self.clear();
    }

    /// What runs, a line each, and how many of the others there are.
    fn draw(&mut self) {
        self.clear();
        let Some(screen) = &self.screen else { return };
        let (height, width) = screen.size();
        let mut lines: Vec<String> = Vec::new();
        let running = self.rows.values().filter(|row| matches!(state(row), "running" | "stopping"));
        let most = usize::from(height).saturating_sub(3).max(1);
        lines.extend(running.take(most).map(line));
        let counts = ["running", "queued", "later", "needs", "held", "failed", "done"].map(|word| {
            let count = self.rows.values().filter(|row| state(row) == word).count();
            (count > 0).then(|| format!("{count} {word}"))
        });
        let counts: Vec<String> = counts.into_iter().flatten().collect();
        lines.push(if counts.is_empty() { "the list is empty".to_owned() } else { counts.join(", ") });
        for line in &lines {
            let _ = screen.write_line(&text::shortened(line, usize::from(width).saturating_sub(1)));
        }
        self.drawn = lines.len();
    }
}

fn bytes(value: &Value) -> String {
    value.as_u64().map_or_else(|| "of unknown length".to_owned(), text::bytes)
}

fn line(row: &Value) -> String {
    let number = |name: &str| row[name].as_u64();
    let done = number("received").or_else(|| number("acknowledged")).unwrap_or(0);
    let rate = number("rate").unwrap_or(0);
    let eta = text::eta(done, number("total"), rate).map(|eta| format!("  {eta}")).unwrap_or_default();
    format!("{}  {}  {}  {}/s{eta}", short(row), title(row), text::share(done, number("total")), text::bytes(rate))
}
