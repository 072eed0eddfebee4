//! `longhaul clean`: settles what is left over.
//!
//! ```text
//! given up      an upload that was cancelled or began anew, and that its store has not confirmed as removed: removed
//! no source     an unfinished upload whose file is not there any more: removed
//! perhaps ours  an upload of that key whose id we never learned: named, and removed only with --perhaps-ours
//! stale         a partial file of a download that was not touched for long (--older-than): deleted
//! over          an entry in the list whose transfer is over, or whose files are gone: removed
//! input         what was kept of stdin by a process that was killed before its upload began: deleted
//! ```
//!
//! What can be gone on with is not touched otherwise: `longhaul cancel` is for that.

mod local;
mod uploads;

use std::io::{self, IsTerminal as _};

use longhaul::Client;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::{json_lines, runtime, settings};
use crate::exit::{Exit, Failure};
use crate::flags::clean::CleanOptions;
use crate::flags::common::StateChoice;
use crate::out;
use crate::printable;

pub(crate) fn run(clean: &CleanOptions) -> Result<Exit, Failure> {
    let builder = settings(&clean.network, &clean.store);
    let client = match &clean.state {
        StateChoice::Chosen(dir) => builder.state_dir(dir).build()?,
        StateChoice::Usual(dir) if dir.is_dir() => builder.state_dir(dir).build()?,
        StateChoice::Usual(_) | StateChoice::Nowhere => return nothing(clean),
    };
    let runtime = runtime()?;
    let mut left: Vec<Left> = Vec::new();
    left.extend(uploads::found(&client, &runtime)?.into_iter().map(Left::Upload));
    left.extend(local::found(&client, clean.older_than)?.into_iter().map(Left::Local));
    if left.is_empty() {
        return nothing(clean);
    }
    let wanted = clean.yes || !clean.json && agreed(&left, clean.perhaps_ours)?;
    if wanted {
        for left in &mut left {
            left.settle(&client, &runtime, clean.perhaps_ours);
        }
    }
    runtime.shutdown_background();
    if clean.json {
        json_lines(&left)?;
    } else if wanted {
        for left in left.iter().filter(|left| left.failure().is_none()) {
            out::stdout(&printable::plain(&format!("{}\n", left.outcome())))?;
        }
    }
    for failure in left.iter().filter_map(Left::failure) {
        out::complain(&failure.message);
    }
    Ok(left.iter().find_map(Left::failure).map_or(Exit::Done, |failure| failure.exit))
}

fn nothing(clean: &CleanOptions) -> Result<Exit, Failure> {
    if !clean.json {
        out::say("nothing is left over");
    }
    Ok(Exit::Done)
}

/// Says what is left over, and asks whether it is to be settled.
fn agreed(left: &[Left], perhaps_ours: bool) -> Result<bool, Failure> {
    for left in left {
        out::stdout(&printable::plain(&left.sentence(perhaps_ours)))?;
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        return Err(Failure::usage("there is no terminal to ask on: --yes settles it"));
    }
    out::stdout("Settle this? [y/N] ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).map_err(|e| Failure::internal(format!("cannot read the answer ({e})")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Something that is left over.
#[derive(Serialize)]
#[serde(untagged)]
enum Left {
    /// In a store.
    Upload(uploads::Left),
    /// On this machine.
    Local(local::Left),
}

impl Left {
    fn sentence(&self, with_perhaps_ours: bool) -> String {
        match self {
            Self::Upload(upload) => upload.sentence(with_perhaps_ours),
            Self::Local(local) => local.sentence(),
        }
    }

    fn settle(&mut self, client: &Client, runtime: &Runtime, with_perhaps_ours: bool) {
        match self {
            Self::Upload(upload) => runtime.block_on(upload.settle(client, with_perhaps_ours)),
            Self::Local(local) => runtime.block_on(local.settle(client)),
        }
    }

    fn outcome(&self) -> String {
        match self {
            Self::Upload(upload) => upload.outcome(),
            Self::Local(local) => local.outcome(),
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Upload(upload) => upload.failure.as_ref(),
            Self::Local(local) => local.failure.as_ref(),
        }
    }
}
