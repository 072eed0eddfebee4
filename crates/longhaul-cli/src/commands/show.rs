//! `longhaul show ID|FILE [--explain]`: what is held, what is safe, what the next start would do, and why.
//!
//! The library's inspection is turned into [`Facts`], which `--json` shows as they are and people get as sentences.

mod facts;
mod sent;
mod sentences;
mod upload;

use std::path::Path;

use longhaul::{Client, ErrorKind, TransferInfo, TransferKind, UnfinishedUploads};

use super::known::{in_folder, is_of, meant};
use super::{absolute, json_lines, offline_client};
use crate::exit::{Exit, Failure};
use crate::flags::show::ShowOptions;
use crate::out;
use crate::printable;
use facts::Facts;
use sent::SentFacts;
use upload::UploadFacts;

pub(crate) fn run(show: &ShowOptions) -> Result<Exit, Failure> {
    let client = offline_client(&show.state)?;
    if show.what.is_dir() {
        return folder(&client, show);
    }
    let by_id = meant(&client, &show.what)?;
    let what = by_id.as_ref().map_or_else(|| absolute(&show.what), |found| found.path.clone());
    let uploads = uploads(&client, by_id.as_ref(), &show.what)?;
    let sent: Vec<SentFacts> = client.sent_uploads(&show.what)?.iter().map(SentFacts::from).collect();
    let facts = match client.inspect(&what) {
        Ok(inspection) => {
            Some(Facts::of(&inspection).ok_or_else(|| Failure::internal("show: what was found has no name here"))?)
        }
        // An upload's file is usually no download.
        Err(error) if error.kind() == ErrorKind::NotFound && !(uploads.is_empty() && sent.is_empty()) => None,
        // No source was asked: what is not found is missing on this machine.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Failure::new(Exit::LocalFile, "local_file", crate::advice::in_full(&error)));
        }
        Err(error) => return Err(error.into()),
    };
    if show.json {
        json_lines(facts.as_slice())?;
        json_lines(&uploads)?;
        json_lines(&sent)?;
    } else {
        let facts = facts.iter().map(|facts| sentences::of(facts, show.explain));
        let uploads = uploads.iter().map(|upload| upload.sentences(show.explain));
        let sheets: Vec<String> = facts.chain(uploads).chain(sent.iter().map(SentFacts::sentences)).collect();
        out::stdout(&printable::plain(&sheets.join("\n")))?;
    }
    Ok(Exit::Done)
}

/// Each of the unfinished transfers in a folder.
fn folder(client: &Client, show: &ShowOptions) -> Result<Exit, Failure> {
    let listing = in_folder(client, &show.what)?;
    for warning in &listing.warnings {
        out::say(&format!("warning: {warning}"));
    }
    let mut sheets = Vec::new();
    for transfer in &listing.transfers {
        match transfer.kind {
            TransferKind::Upload => {
                for upload in uploads(client, Some(transfer), &show.what)? {
                    match show.json {
                        true => json_lines(&[upload])?,
                        false => sheets.push(upload.sentences(show.explain)),
                    }
                }
            }
            _ => {
                let Some(facts) = Facts::of(&client.inspect(&transfer.path)?) else { continue };
                match show.json {
                    true => json_lines(&[facts])?,
                    false => sheets.push(sentences::of(&facts, show.explain)),
                }
            }
        }
    }
    if listing.transfers.is_empty() && !show.json {
        out::say(&format!("no unfinished transfers in {}", printable::here(&absolute(&show.what))));
    }
    out::stdout(&printable::plain(&sheets.join("\n")))?;
    Ok(Exit::Done)
}

/// The unfinished uploads of an id or a file: of one file there may be several, to several places.
fn uploads(client: &Client, by_id: Option<&TransferInfo>, typed: &Path) -> Result<Vec<UploadFacts>, Failure> {
    let UnfinishedUploads { uploads, warnings, .. } = match client.unfinished_uploads() {
        Err(error) if error.kind() == ErrorKind::Usage => return Ok(Vec::new()), // there is no state directory
        found => found?,
    };
    for warning in &warnings {
        out::say(&format!("warning: {warning}"));
    }
    let of_it = |id: &str, path: &Path| by_id.map_or_else(|| is_of(path, typed), |found| found.id == id);
    Ok(uploads.iter().filter(|upload| of_it(&upload.id, &upload.path)).map(UploadFacts::from).collect())
}
