//! `longhaul verify`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::StateChoice;

#[derive(Args)]
pub(crate) struct VerifyWords {
    /// A file that longhaul downloaded
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct VerifyOptions {
    pub(crate) file: PathBuf,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn verify(words: VerifyWords, state: StateChoice) -> VerifyOptions {
    VerifyOptions { file: words.file, state, json: words.json }
}
