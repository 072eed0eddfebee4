//! `longhaul cancel ID|FILE...`: transfers that are not running are given up, and all that is left of them is removed.
//!
//! A partial file and its journal are deleted; an upload is removed from its store, which is asked until its list of
//! parts is empty, unless it was begun with `put --keep-parts`. A transfer that runs in another process has that
//! process's lock, and stays as it is. What another user owns or may write to does not decide what is removed where: it
//! is not followed.

use std::path::{Path, PathBuf};

use longhaul::{Client, Error, ErrorKind, Listing, TransferInfo, TransferKind, TransferState};
use serde::Serialize;

use super::known::{self, is_of};
use super::{json_lines, runtime, settings};
use crate::exit::{Exit, Failure};
use crate::flags::cancel::{CancelOptions, PartsFate};
use crate::flags::common::StateChoice;
use crate::out;
use crate::printable;
use crate::show::{path_fields, text};

pub(crate) fn run(cancel: &CancelOptions) -> Result<Exit, Failure> {
    let builder = settings(&cancel.network, &cancel.store);
    let client = match &cancel.state {
        StateChoice::Chosen(dir) => builder.state_dir(dir).build()?,
        StateChoice::Usual(dir) if dir.is_dir() => builder.state_dir(dir).build()?,
        StateChoice::Usual(_) | StateChoice::Nowhere => builder.build()?,
    };
    let listing = client.list()?;
    let mut ends: Vec<End> = Vec::new();
    let has_state = match &cancel.state {
        StateChoice::Chosen(_) => true,
        StateChoice::Usual(dir) => dir.is_dir(),
        StateChoice::Nowhere => false,
    };
    // What cannot be read (another user's, say) cannot be cancelled; no request is sent for it.
    let unread: &[String] = if has_state { &listing.warnings } else { &[] };
    for warning in unread {
        out::say(&format!("warning: {warning}"));
    }
    let runtime = runtime()?;
    match &cancel.what {
        None => {
            let unfinished = |state| !matches!(state, TransferState::Done | TransferState::Gone);
            for transfer in listing.transfers.iter().filter(|t| unfinished(t.state) || is_upload(t)) {
                ends.push(runtime.block_on(one(&client, transfer.into(), cancel.parts)));
            }
        }
        Some(what) => {
            for what in what {
                match meant(&listing, what)? {
                    found if found.is_empty() => ends.push(End::unknown(what)),
                    found => {
                        for one_found in found {
                            ends.push(runtime.block_on(one(&client, one_found, cancel.parts)));
                        }
                    }
                }
            }
        }
    }
    runtime.shutdown_background();
    if cancel.json {
        json_lines(&ends)?;
    } else if ends.is_empty() {
        out::say("no unfinished transfers");
    }
    for end in ends.iter().filter(|end| end.cancelled && !cancel.json) {
        out::stdout(&printable::plain(&format!("{}\n", end.message)))?;
    }
    for end in ends.iter().filter(|end| !end.cancelled) {
        out::complain(&end.message);
    }
    let all_read = cancel.what.is_some() || unread.is_empty();
    let otherwise = if all_read { Exit::Done } else { Exit::LocalFile };
    Ok(ends.iter().find(|end| !end.cancelled).map_or(otherwise, |end| end.exit))
}

fn is_upload(transfer: &TransferInfo) -> bool {
    transfer.kind == TransferKind::Upload
}

/// What is to be cancelled.
struct Found {
    id: Option<String>,
    upload: bool,
    /// The source of an upload, the target of a download.
    path: PathBuf,
    url: Option<String>,
}

impl From<&TransferInfo> for Found {
    fn from(info: &TransferInfo) -> Self {
        Self {
            id: Some(info.id.clone()),
            upload: is_upload(info),
            path: info.path.clone(),
            url: Some(info.source.clone()),
        }
    }
}

/// The transfers of an id or a file. A download is found by its partial file even when no list has it.
fn meant(listing: &Listing, what: &Path) -> Result<Vec<Found>, Failure> {
    if let Some(digits) = known::digits(what)
        && let Some(one) = known::by_id(listing, digits)?
    {
        return Ok(vec![one.into()]);
    }
    let target = target_of(what);
    let of_it = |t: &&TransferInfo| t.state != TransferState::Gone && (is_of(&t.path, what) || is_of(&t.path, &target));
    let mut found: Vec<Found> = listing
        .transfers
        .iter()
        .filter(of_it)
        .filter(|t| is_upload(t) || t.state != TransferState::Done)
        .map(Found::from)
        .collect();
    // A download that began anew is noted twice; what lies there is one.
    let mut paths = std::collections::HashSet::new();
    found.retain(|one| one.upload || paths.insert(one.path.clone()));
    if found.iter().all(|one| one.upload) && with_ending(&target, ".lhlog").symlink_metadata().is_ok() {
        found.push(Found { id: None, upload: false, path: super::absolute(&target), url: None });
    }
    Ok(found)
}

/// `FILE` of `FILE.lhpart`.
fn target_of(what: &Path) -> PathBuf {
    let name = what.to_str().unwrap_or_default();
    let bare = [".lhpart", ".lhlog", ".lhnext"].iter().find_map(|ending| name.strip_suffix(ending));
    bare.map_or_else(|| what.to_owned(), PathBuf::from)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

async fn one(client: &Client, found: Found, parts: PartsFate) -> End {
    match found.upload {
        true => upload(client, found, parts).await,
        false => download(client, found, parts).await,
    }
}

async fn upload(client: &Client, found: Found, parts: PartsFate) -> End {
    let id = found.id.clone().unwrap_or_default();
    let to = found.url.clone().unwrap_or_default();
    let what = text::here(&found.path);
    if parts == PartsFate::AsAsked && is_to_be_kept(client, &id) {
        let message = format!(
            "{what}: its parts stay in {to}, as `put --keep-parts` asked: the same command goes on; `longhaul cancel \
             --discard` removes them"
        );
        return End::done(found, None, message);
    }
    if parts == PartsFate::Keep {
        return match client.forget_upload(&id) {
            Ok(()) => End::done(found, None, format!("{what}: forgotten; what is stored for {to} stays in the store")),
            Err(error) => End::failed(found, error),
        };
    }
    let discarded = match client.open_upload(&id) {
        Ok(upload) => upload.keep_parts(false).discard().await,
        Err(error) => Err(error),
    };
    match discarded {
        Ok(true) => End::done(found, Some(true), format!("{what}: cancelled; nothing of it is left in {to}")),
        Ok(false) => {
            let message =
                format!("{what}: cancelled, but something of it may be left in {to}; `longhaul clean` tries again");
            End::done(found, Some(false), message)
        }
        Err(error) => End::failed(found, error),
    }
}

fn is_to_be_kept(client: &Client, id: &str) -> bool {
    let found = client.unfinished_uploads().unwrap_or_default();
    found.uploads.iter().any(|upload| upload.id == id && upload.keep_parts)
}

async fn download(client: &Client, found: Found, parts: PartsFate) -> End {
    let what = text::here(&found.path);
    if parts == PartsFate::Keep {
        return End::done(found, None, format!("{what}: its partial file is left as it is"));
    }
    let discarded = match client.open(&found.path) {
        Ok(download) => download.discard().await,
        Err(error) => Err(error),
    };
    match discarded {
        Ok(()) => End::done(found, Some(true), format!("{what}: cancelled; its partial file is deleted")),
        Err(error) => End::failed(found, error),
    }
}

/// What became of one, as `--json` shows it.
#[derive(Debug, Serialize)]
struct End {
    id: Option<String>,
    kind: Option<&'static str>,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    url: Option<String>,
    cancelled: bool,
    /// All that was left is removed; null where that was not asked for, or it failed.
    clean: Option<bool>,
    message: String,
    exit_code: u8,
    #[serde(skip)]
    exit: Exit,
}

impl End {
    fn new(found: Found, exit: Exit, clean: Option<bool>, message: String) -> Self {
        let (path, path_hex) = path_fields(Some(&found.path));
        Self {
            id: found.id,
            kind: Some(if found.upload { "upload" } else { "download" }),
            path,
            path_hex,
            url: found.url,
            cancelled: exit == Exit::Done,
            clean,
            message,
            exit_code: exit.code(),
            exit,
        }
    }

    fn done(found: Found, clean: Option<bool>, message: String) -> Self {
        Self::new(found, Exit::Done, clean, message)
    }

    fn failed(found: Found, error: Error) -> Self {
        let what = text::here(&found.path);
        let failure = match error.kind() {
            // No source was asked: what is not found is missing on this machine.
            ErrorKind::NotFound => known::unknown(&found.path),
            _ => Failure::from(error),
        };
        // An error of a store names the object alone.
        let message = match failure.message.contains(&what) {
            true => failure.message,
            false => format!("{what}: not cancelled: {}", failure.message),
        };
        Self::new(found, failure.exit, None, message)
    }

    fn unknown(what: &Path) -> Self {
        let failure = known::unknown(what);
        let (path, path_hex) = path_fields(Some(what));
        Self {
            id: None,
            kind: None,
            path,
            path_hex,
            url: None,
            cancelled: false,
            clean: None,
            message: failure.message,
            exit_code: failure.exit.code(),
            exit: failure.exit,
        }
    }
}
