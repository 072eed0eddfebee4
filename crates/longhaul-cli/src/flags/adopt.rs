//! `longhaul adopt`: its words and what they mean. What is fetched is fetched as by `get`, whose words it shares.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::common::{StateChoice, usage};
use super::get::{self, AdoptChoice, GetOptions, GetWords};
use crate::exit::Failure;

#[derive(Args)]
pub(crate) struct AdoptWords {
    /// What another program left: the beginning of the file (curl, wget), a .part or .crdownload of a browser, or a file
    /// with its control file FILE.aria2
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) partial: PathBuf,

    /// Without a checksum of the whole, be content with samples: a few blocks at the ends and at random places are fetched
    /// again and compared. The rest is likely right, not proven; the summary says so
    #[arg(long, help_heading = "What is right")]
    pub(crate) trust_overlap: bool,

    /// When the finished file is there and right, delete FILE (where it is not replaced itself) and FILE.aria2
    #[arg(long, help_heading = "Where to")]
    pub(crate) remove: bool,

    #[command(flatten)]
    pub(crate) get: GetWords,
}

/// What the words mean. Reads the files that flags name.
pub(super) fn adopt(words: AdoptWords, state: StateChoice, verbose: bool) -> Result<GetOptions, Failure> {
    let AdoptWords { partial, trust_overlap, remove, get: mut words } = words;
    if words.urls.len() != 1 || words.input_file.is_some() || words.recursive {
        return Err(usage("adopt goes on with one FILE from one SOURCE"));
    }
    if words.range.is_some() {
        return Err(usage("--range: the bytes of FILE are taken for the beginning of the whole object"));
    }
    let partial = longhaul::Partial::open(&partial).map_err(Failure::from)?;
    if words.output.is_none() {
        let target = partial.target().to_owned();
        let beside = words.dir.take().map(|dir| dir.join(target.file_name().unwrap_or_default()));
        words.output = Some(beside.unwrap_or(target));
    }
    let mut options = get::get(words, state, verbose)?;
    options.adopt = Some(AdoptChoice { partial, trust_overlap, remove });
    Ok(options)
}
