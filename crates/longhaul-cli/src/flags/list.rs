//! `longhaul list`: its words and what they mean.

use clap::Args;

use super::common::StateChoice;

#[derive(Args)]
pub(crate) struct ListWords {
    /// Write a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct ListOptions {
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn list(words: &ListWords, state: StateChoice) -> ListOptions {
    ListOptions { state, json: words.json }
}
