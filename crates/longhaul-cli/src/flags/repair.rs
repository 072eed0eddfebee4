//! `longhaul repair`: its words and what they mean. What is damaged is fetched as by `get`, whose words it shares.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::{StateChoice, usage};
use super::get::{self, GetOptions, GetWords, Mending};
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct RepairWords {
    /// A finished file that longhaul downloaded
    #[arg(value_name = "FILE", id = "repaired", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) get: GetWords,
}

pub(crate) struct RepairOptions {
    pub(crate) file: PathBuf,
    pub(crate) get: GetOptions,
}

/// What the words mean. Reads the files that flags name.
pub(super) fn repair(words: RepairWords, state: StateChoice, verbose: bool) -> Result<RepairOptions, Failure> {
    let RepairWords { file, get: mut words } = words;
    let elsewhere = words.output.is_some() || words.dir.is_some();
    if words.urls.len() > 1 || words.input_file.is_some() || words.recursive || elsewhere || words.range.is_some() {
        return Err(usage("repair mends one FILE in its place, from one SOURCE or from where it came from"));
    }
    let given = !words.urls.is_empty();
    if !given {
        words.urls = vec!["http://localhost/".to_owned()]; // takes the place of the recorded one, and is not asked
    }
    words.output = Some(file.clone());
    let mut options = get::get(words, state, verbose)?;
    options.repair = Some(if given { Mending::FromGiven } else { Mending::FromRecorded });
    Ok(RepairOptions { file, get: options })
}
