//! `longhaul verify`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::StateDir;

#[derive(Args)]
pub(crate) struct VerifyWords {
    /// A file that longhaul downloaded
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct Verify {
    pub(crate) file: PathBuf,
    pub(crate) state: StateDir,
    pub(crate) json: bool,
}

pub(super) fn verify(words: VerifyWords, state: StateDir) -> Verify {
    Verify { file: words.file, state, json: words.json }
}
