//! `longhaul list`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::StateChoice;

#[derive(Args)]
pub(crate) struct ListWords {
    /// Only what lies in this folder, in the list or not: downloads that were moved there, too
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,

    /// Show what is over as well: entries whose file is whole by now, or whose files are gone
    #[arg(long)]
    pub(crate) all: bool,

    /// Write one JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct ListOptions {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) all: bool,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn list(words: ListWords, state: StateChoice) -> ListOptions {
    ListOptions { folder: words.folder, all: words.all, state, json: words.json }
}
