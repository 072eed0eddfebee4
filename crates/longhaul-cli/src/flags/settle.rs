//! `longhaul cancel` and `longhaul clean`: their words and what they mean.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use longhaul::credentials::StoreSettings;

use super::high::{Network, StateDir, network, usage};
use super::low::NetworkWords;
use super::store::{self, StoreWords};
use super::values;
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct CancelWords {
    /// Files, partial files, or ids of transfers (the beginning is enough)
    #[arg(value_name = "ID|FILE", required_unless_present = "all", value_hint = ValueHint::FilePath)]
    pub(crate) what: Vec<PathBuf>,

    /// All transfers that `longhaul list` shows
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

    /// Write a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct CleanWords {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,

    /// Remove uploads as well that are only perhaps ours: the answer to their creation was lost, and an upload of that
    /// key and about that time is in the store
    #[arg(long)]
    pub(crate) perhaps_ours: bool,

    /// Delete partial files of downloads that nobody has touched for so long: 30d, 12h, 0
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub(crate) older_than: String,

    #[command(flatten)]
    pub(crate) store: StoreWords,

    #[command(flatten)]
    pub(crate) network: NetworkWords,

    /// Write a JSON object a line; asks nothing, and does nothing without --yes
    #[arg(long)]
    pub(crate) json: bool,
}

/// What becomes of what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Removed; but parts of an upload stay where that was asked when it was begun.
    AsAsked,
    /// Left, and forgotten.
    Keep,
    Discard,
}

/// Give these up.
pub(crate) struct Cancel {
    /// `None`: all that are known.
    pub(crate) what: Option<Vec<PathBuf>>,
    pub(crate) parts: Parts,
    pub(crate) network: Network,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

/// Settle what is left over.
pub(crate) struct Clean {
    pub(crate) yes: bool,
    pub(crate) perhaps_ours: bool,
    /// Of partial files of downloads.
    pub(crate) older_than: Duration,
    pub(crate) network: Network,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

pub(super) fn cancel(words: CancelWords, state: StateDir) -> Result<Cancel, Failure> {
    if words.what.iter().any(|what| what.as_os_str().is_empty()) {
        return Err(usage("an empty name is no transfer"));
    }
    Ok(Cancel {
        what: (!words.all).then_some(words.what),
        parts: match (words.keep, words.discard) {
            (true, _) => Parts::Keep,
            (false, true) => Parts::Discard,
            (false, false) => Parts::AsAsked,
        },
        network: network(words.network, None)?,
        store: store::settings(words.store, [])?,
        state,
        json: words.json,
    })
}

pub(super) fn clean(words: CleanWords, state: StateDir) -> Result<Clean, Failure> {
    Ok(Clean {
        yes: words.yes,
        perhaps_ours: words.perhaps_ours,
        older_than: values::age(&words.older_than).map_err(|e| usage(format!("--older-than: {e}")))?,
        network: network(words.network, None)?,
        store: store::settings(words.store, [])?,
        state,
        json: words.json,
    })
}
