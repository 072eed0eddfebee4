//! `longhaul cancel`, of what is in the list: who has the list gives it up.

use std::path::Path;

use longhaul::Client;
use longhaul::manager::Entry;
use serde_json::json;

use super::hand::{Hand, is_file_of};
use crate::exit::Failure;
use crate::flags::common::StateChoice;

/// An entry that is to be given up.
pub(crate) struct Wanted {
    /// Its id, whole.
    pub(crate) id: String,
    pub(crate) entry: Entry,
}

/// The entries of the list that are meant and not over; all of them where nothing is named. Nothing is locked for it.
///
/// # Errors
/// The list cannot be read.
pub(crate) fn meant(client: &Client, what: Option<&Path>) -> Result<Vec<Wanted>, Failure> {
    let entries = client.read_list()?.entries.into_iter().filter(|entry| !entry.state.is_over());
    let wanted = entries.map(|entry| Wanted { id: entry.id.to_string(), entry });
    let Some(what) = what else { return Ok(wanted.collect()) };
    let text = what.to_str().unwrap_or_default();
    let is_id = (4..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_meant = |wanted: &Wanted| {
        is_id && wanted.id.starts_with(text) || is_file_of(&longhaul::manager::json::entry(&wanted.entry), what)
    };
    Ok(wanted.filter(is_meant).collect())
}

/// Gives one up. With `discard` its partial files and parts are removed.
///
/// # Errors
/// Nobody answers for the list, or the entry cannot be given up.
pub(crate) async fn cancel(state: &StateChoice, id: &str, discard: bool) -> Result<(), Failure> {
    let mut hand = Hand::open(state).await?;
    let cancelled = hand.post(&format!("/api/v1/entries/{id}/cancel"), &json!({ "discard": discard })).await;
    hand.close().await;
    cancelled.map(|_| ())
}
