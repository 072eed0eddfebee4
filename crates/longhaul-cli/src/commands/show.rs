//! `longhaul show ID|FILE [--explain]`: what is held, what is safe, what the next start would do, and why.
//!
//! The library's inspection is turned into [`Facts`], which `--json` shows as they are and people get as sentences.

mod facts;
mod sentences;

use std::path::{Path, PathBuf};

use longhaul::{Client, ErrorKind};

use super::{absolute, json_lines, offline_client};
use crate::exit::{Exit, Failure};
use crate::flags::high::Show;
use crate::out;
use facts::Facts;

/// Fewer digits of an id are more likely a file name.
const ID_DIGITS_MIN: usize = 4;

pub(crate) fn run(show: &Show) -> Result<Exit, Failure> {
    let client = offline_client(&show.state)?;
    let what = meant(&client, &show.what)?;
    let inspection = client.inspect(&what).map_err(|error| match error.kind() {
        // Nothing was asked of a source: what is not found is a matter of this machine.
        ErrorKind::NotFound => Failure::new(Exit::LocalFile, "local_file", error.to_string()),
        _ => error.into(),
    })?;
    let facts = Facts::of(&inspection).ok_or_else(|| Failure::internal("show: what was found has no name here"))?;
    if show.json {
        json_lines(&[facts])?;
    } else {
        out::stdout(&out::plain(&sentences::of(&facts, show.explain)))?;
    }
    Ok(Exit::Done)
}

/// The beginning of an id becomes the id; anything else is a path. A file of that name comes first.
fn meant(client: &Client, what: &Path) -> Result<PathBuf, Failure> {
    let digits = what.to_str().filter(|t| (ID_DIGITS_MIN..=32).contains(&t.len()));
    let digits = digits.filter(|t| t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    let Some(digits) = digits.filter(|_| what.symlink_metadata().is_err()) else {
        return Ok(absolute(what));
    };
    let listing = client.list()?;
    let found: Vec<&str> =
        listing.transfers.iter().map(|t| t.id.as_str()).filter(|id| id.starts_with(digits)).collect();
    match found[..] {
        [id] => Ok(id.into()),
        [] => Ok(absolute(what)),
        _ => {
            Err(Failure::usage(format!("{digits} is the beginning of {} transfers; give more of the id", found.len())))
        }
    }
}
