//! `longhaul show`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::StateChoice;

#[derive(Args)]
pub(crate) struct ShowWords {
    /// A file, its partial (FILE.lhpart), the id of a transfer (its beginning is enough), or a folder: all in it
    #[arg(value_name = "ID|FILE|DIR", value_hint = ValueHint::FilePath)]
    pub(crate) what: PathBuf,

    /// Say what is safe, what would be fetched again, and why
    #[arg(long)]
    pub(crate) explain: bool,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct ShowOptions {
    pub(crate) what: PathBuf,
    pub(crate) explain: bool,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn show(words: ShowWords, state: StateChoice) -> ShowOptions {
    ShowOptions { what: words.what, explain: words.explain, state, json: words.json }
}
