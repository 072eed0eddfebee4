//! `longhaul list`: its words and what they mean.

use clap::Args;

use super::common::StateChoice;

#[derive(Args)]
pub(crate) struct ListWords {
    /// Show what is over as well: entries whose file is whole by now, or whose files are gone
    #[arg(long)]
    pub(crate) all: bool,

    /// Write one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct ListOptions {
    pub(crate) all: bool,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn list(words: &ListWords, state: StateChoice) -> ListOptions {
    ListOptions { all: words.all, state, json: words.json }
}
