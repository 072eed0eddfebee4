//! `longhaul verify`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use longhaul::Digest;

use super::common::{StateChoice, usage};
use super::values;
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct VerifyWords {
    /// A file that longhaul downloaded or uploaded; with --checksum, any file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    /// The digest that the file must have; may be repeated, and all must match. Of the SHAs and md5 HEX alone will do
    #[arg(long, value_name = "KIND:HEX")]
    pub(crate) checksum: Vec<String>,

    /// Write a JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) struct VerifyOptions {
    pub(crate) checksums: Vec<Digest>,
    pub(crate) file: PathBuf,
    pub(crate) state: StateChoice,
    pub(crate) json: bool,
}

pub(super) fn verify(words: VerifyWords, state: StateChoice) -> Result<VerifyOptions, Failure> {
    let digest = |text: &String| values::checksum(text).map_err(|why| usage(format!("--checksum: {why}")));
    let checksums = words.checksum.iter().map(digest).collect::<Result<_, _>>()?;
    Ok(VerifyOptions { checksums, file: words.file, state, json: words.json })
}
