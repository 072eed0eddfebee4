//! `longhaul open`: its words and what they mean.

use clap::Args;

use super::common::StateChoice;

pub(crate) const HELP: &str = "\
Examples:
  longhaul open            the browser is logged in for 30 days
  longhaul open --print    the link, which works once and within a minute";

#[derive(Args)]
pub(crate) struct OpenWords {
    /// Print the link, and open no browser
    #[arg(long)]
    pub(crate) print: bool,
}

pub(crate) struct OpenOptions {
    pub(crate) state: StateChoice,
    pub(crate) print: bool,
}

pub(super) fn open(words: OpenWords, state: StateChoice) -> OpenOptions {
    OpenOptions { state, print: words.print }
}
