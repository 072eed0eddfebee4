//! `longhaul list`: its words and what they mean.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::StateChoice;
use crate::exit::Failure;

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

pub(super) fn list(words: ListWords, state: StateChoice) -> Result<ListOptions, Failure> {
    if let Some(folder) = words.folder.as_deref().filter(|folder| !folder.exists()) {
        no_address(&folder.to_string_lossy())?;
    }
    Ok(ListOptions { folder: words.folder, all: words.all, state, json: words.json })
}

/// An address in the place of the folder: what it names is not listed.
fn no_address(text: &str) -> Result<(), Failure> {
    let store = ["oss://", "s3://"].iter().any(|scheme| text.starts_with(scheme));
    if !store && !["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Ok(());
    }
    let (what, way) = match store {
        true => ("objects of a store", "`longhaul get -r` fetches all that lie below a prefix"),
        false => ("files of a server", "`longhaul probe` says what is at an address"),
    };
    Err(Failure::usage(format!("`longhaul list` shows this machine's transfers, not the {what}; {way}")))
}
