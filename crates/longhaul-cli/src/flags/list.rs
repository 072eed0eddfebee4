//! `longhaul list`: its words and what they mean.

use clap::Args;

use super::common::StateDir;

#[derive(Args)]
pub(crate) struct ListWords {
    /// Write a JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct List {
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

pub(super) fn list(words: &ListWords, state: StateDir) -> List {
    List { state, json: words.json }
}
