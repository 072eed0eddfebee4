//! Which entries of the list are meant by what was typed?

use std::path::Path;

use serde_json::Value;

use super::hand::{Hand, is_file_of};
use crate::exit::{Exit, Failure};
use crate::flags::queue::Meant;
use crate::printable;

/// A page of the API has so many entries at most.
const PAGE: usize = 1000;

/// The entries, in the order of the words, each once.
///
/// # Errors
/// A word is no entry, or the beginning of several.
pub(crate) async fn entries_of(hand: &mut Hand, meant: &Meant) -> Result<Vec<Value>, Failure> {
    match meant {
        Meant::All => all(hand, "").await,
        Meant::Lane(lane) => all(hand, &format!("lane={}&", encoded(lane))).await,
        Meant::Tag(tag) => all(hand, &format!("tag={}&", encoded(tag))).await,
        Meant::Named(words) => {
            let mut found: Vec<Value> = Vec::new();
            for word in words {
                let one = named(hand, word).await?;
                if found.iter().all(|other| other["id"] != one["id"]) {
                    found.push(one);
                }
            }
            Ok(found)
        }
    }
}

/// All entries of a query.
async fn all(hand: &mut Hand, query: &str) -> Result<Vec<Value>, Failure> {
    let mut entries = Vec::new();
    let mut after = String::new();
    loop {
        let page = hand.get(&format!("/api/v1/entries?{query}limit={PAGE}{after}")).await?;
        entries.extend(page["entries"].as_array().into_iter().flatten().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(entries),
        }
    }
}

/// The entry of an id, of its beginning, of a gid of aria2's, or of a file.
pub(super) async fn named(hand: &mut Hand, word: &str) -> Result<Value, Failure> {
    let is_hex = (4..=32).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex {
        let page = hand.get(&format!("/api/v1/entries?id={word}&limit=3")).await?;
        match page["entries"].as_array().map(Vec::as_slice).unwrap_or_default() {
            [] => {}
            [one] => return Ok(one.clone()),
            _ => return Err(Failure::usage(format!("{word} is the beginning of several ids; give more of it"))),
        }
    }
    let is_meant = |entry: &&Value| entry["gid"].as_str() == Some(word) || is_file_of(entry, Path::new(word));
    let name = Path::new(word).file_name().and_then(|name| name.to_str()).unwrap_or(word);
    let mut found: Vec<Value> =
        all(hand, &format!("q={}&", encoded(name))).await?.iter().filter(is_meant).cloned().collect();
    if found.is_empty() && is_hex && word.len() == 16 {
        found = all(hand, "").await?.iter().filter(is_meant).cloned().collect();
    }
    // Of several, the one that is not over.
    let over = |entry: &Value| matches!(entry["state"].as_str(), Some("done" | "failed" | "cancelled"));
    if found.iter().any(|entry| !over(entry)) {
        found.retain(|entry| !over(entry));
    }
    match found.pop() {
        Some(last) if found.is_empty() || over(&last) => Ok(last),
        Some(_) => Err(Failure::usage(format!(
            "{}: several entries have this file; name one by its id",
            printable::plain(word)
        ))),
        None => {
            let message =
                format!("the list has no entry {}; `longhaul list` shows what there is", printable::plain(word));
            Err(Failure::new(Exit::LocalFile, "unknown", message))
        }
    }
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The name of an entry for people: its file, or where it comes from.
pub(super) fn title(entry: &Value) -> String {
    let text = entry["name"].as_str().or_else(|| entry["source"].as_str()).unwrap_or_default();
    printable::plain(text).replace('\n', "?")
}

/// The beginning of its id.
pub(super) fn short(entry: &Value) -> &str {
    let id = entry["id"].as_str().unwrap_or_default();
    id.get(..8).unwrap_or(id)
}
