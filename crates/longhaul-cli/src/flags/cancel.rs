//! `longhaul cancel`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use longhaul::credentials::StoreSettings;

use super::common::{StateChoice, usage};
use super::network::{NetworkOptions, NetworkWords, network};
use super::store::{self, StoreWords};
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct CancelWords {
    /// Files, partial files, or ids of transfers (the beginning is enough)
    #[arg(value_name = "ID|FILE", required_unless_present = "all", value_hint = ValueHint::FilePath)]
    pub(crate) what: Vec<PathBuf>,

    /// All transfers that `longhaul list` shows, and what `list --all` shows of those that are over
    #[arg(long, conflicts_with = "what")]
    pub(crate) all: bool,

    /// Only forget them: leave partial files and their journals, and the parts in the stores
    #[arg(long, visible_alias = "keep-parts")]
    pub(crate) keep: bool,

    /// Remove uploads that were begun with `put --keep-parts` as well
    #[arg(long, conflicts_with = "keep")]
    pub(crate) discard: bool,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    /// Write one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What becomes of what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartsFate {
    /// Removed; but parts of an upload stay where that was asked when it was begun.
    AsAsked,
    /// Left, and forgotten.
    Keep,
    Discard,
}

/// Give these up.
pub(crate) struct CancelOptions {
    /// `None`: all that are known.
    pub(crate) what: Option<Vec<PathBuf>>,
    pub(crate) parts: PartsFate,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn cancel(words: CancelWords, state: StateChoice) -> Result<CancelOptions, Failure> {
    if words.what.iter().any(|what| what.as_os_str().is_empty()) {
        return Err(usage("an empty name is no transfer"));
    }
    Ok(CancelOptions {
        what: (!words.all).then_some(words.what),
        parts: match (words.keep, words.discard) {
            (true, _) => PartsFate::Keep,
            (false, true) => PartsFate::Discard,
            (false, false) => PartsFate::AsAsked,
        },
        network: network(words.network, None)?,
        store: store::settings(words.store, [])?,
        state,
        json: words.json,
    })
}
