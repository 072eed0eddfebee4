//! `longhaul clean`: its words and what they mean.

use std::time::Duration;

use clap::Args;
use longhaul::credentials::StoreSettings;

use super::common::{StateChoice, usage};
use super::network::{NetworkOptions, NetworkWords, network};
use super::store::{self, StoreWords};
use super::values;
use crate::exit::Failure;

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

    /// Write one JSON object per line; asks nothing, and does nothing without --yes
    #[arg(long)]
    pub(crate) json: bool,
}

/// Settle what is left over.
pub(crate) struct CleanOptions {
    pub(crate) yes: bool,
    pub(crate) perhaps_ours: bool,
    /// Of partial files of downloads.
    pub(crate) older_than: Duration,
    pub(crate) network: NetworkOptions,
    pub(crate) store: StoreSettings,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn clean(words: CleanWords, state: StateChoice) -> Result<CleanOptions, Failure> {
    Ok(CleanOptions {
        yes: words.yes,
        perhaps_ours: words.perhaps_ours,
        older_than: values::age(&words.older_than).map_err(|e| usage(format!("--older-than: {e}")))?,
        network: network(words.network, None)?,
        store: store::settings(words.store, [])?,
        state,
        json: words.json,
    })
}
