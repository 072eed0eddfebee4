//! `longhaul cancel ID|FILE...`: transfers that are not running are given up, and all that is left of them is removed.
//!
//! A partial file and its journal are deleted, without a network; an upload is removed from its store, which is asked
//! until its list of parts is empty, unless it was begun with `put --keep-parts`. An entry in the list of which nothing
//! is left is removed. A download that runs in another process is stopped there first, if it was named. What another user
//! owns or may write to does not decide what is removed where: it is not followed.
//!
//! Each is tried, whatever became of the others.

use std::path::{Path, PathBuf};

use longhaul::{Client, Error, ErrorKind, Listing, TransferInfo, TransferKind};
use serde::Serialize;

use super::known::{self, is_of};
use super::{foreign, json_lines, queue, runtime, settings};
use crate::exit::{Exit, Failure};
use crate::flags::cancel::{CancelOptions, PartsFate};
use crate::flags::common::StateChoice;
use crate::out;
use crate::printable;
use crate::show::path_fields;

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
    let mut left: Option<Vec<PathBuf>> = cancel.what.clone();
    let listed = match (&cancel.what, has_state) {
        (_, false) => Vec::new(),
        (None, true) => queue::cancel::meant(&client, None)?,
        (Some(what), true) => {
            let mut listed = Vec::new();
            for what in what {
                let found = queue::cancel::meant(&client, Some(what))?;
                if let (false, Some(left)) = (found.is_empty(), &mut left) {
                    left.retain(|other| other != what);
                }
                listed.extend(found);
            }
            listed
        }
    };
    for wanted in &listed {
        ends.push(runtime.block_on(entry(cancel, wanted)));
    }
    let is_listed =
        |transfer: &&TransferInfo| listed.iter().all(|wanted| wanted.entry.path() != Some(transfer.path.clone()));
    let found: Vec<Result<Found, Box<End>>> = match &left {
        None => listing.transfers.iter().filter(is_listed).map(|transfer| Ok(transfer.into())).collect(),
        Some(what) => what.iter().flat_map(|what| meant(&listing, what)).collect(),
    };
    for found in found {
        ends.push(match found {
            Ok(found) => runtime.block_on(one(&client, found, cancel)),
            Err(end) => *end,
        });
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

/// An entry of the list is given up by who has the list.
async fn entry(cancel: &CancelOptions, wanted: &queue::cancel::Wanted) -> End {
    let entry = &wanted.entry;
    let path = entry.path().unwrap_or_else(|| entry.folder.clone());
    let upload = entry.kind == TransferKind::Upload;
    let url = entry.destination.clone().or_else(|| entry.sources.first().cloned());
    let what = entry.path().map_or_else(|| url.clone().unwrap_or_default(), |path| printable::here(&path));
    let found = Found { id: Some(wanted.id.clone()), upload, dead: false, path, url };
    let discard = cancel.parts != PartsFate::Keep;
    match queue::cancel::cancel(&cancel.state, &wanted.id, discard).await {
        Ok(()) if discard => End::done(found, None, format!("{what}: cancelled, and what it left is removed")),
        Ok(()) => End::done(found, None, format!("{what}: cancelled; what it left is kept")),
        Err(failure) => {
            let message = format!("{what}: not cancelled: {}", failure.message);
            End::new(found, failure.exit, None, message)
        }
    }
}

/// What is to be cancelled.
struct Found {
    id: Option<String>,
    upload: bool,
    /// Only its entry in the list is left: the transfer is over, or its files are gone.
    dead: bool,
    /// The source of an upload, the target of a download.
    path: PathBuf,
    url: Option<String>,
}

impl From<&TransferInfo> for Found {
    fn from(info: &TransferInfo) -> Self {
        Self {
            id: Some(info.id.clone()),
            upload: info.kind == TransferKind::Upload,
            dead: known::is_dead(info),
            path: info.path.clone(),
            url: Some(info.source.clone()),
        }
    }
}

/// The transfers of an id or a file. A download is found by its files even when no list has it.
fn meant(listing: &Listing, what: &Path) -> Vec<Result<Found, Box<End>>> {
    if let Some(digits) = known::digits(what) {
        match known::by_id(listing, digits) {
            Ok(None) => {}
            Ok(Some(one)) => return vec![Ok(one.into())],
            Err(ambiguous) => return vec![Err(Box::new(End::refused(what, ambiguous)))],
        }
    }
    let target = target_of(what);
    let of_it = |t: &&TransferInfo| is_of(&t.path, what) || is_of(&t.path, &target);
    let mut found: Vec<Found> = listing.transfers.iter().filter(of_it).map(Found::from).collect();
    let lies_there = |ending| with_ending(&target, ending).symlink_metadata().is_ok();
    if found.iter().all(|one| one.upload) && ENDINGS.into_iter().any(lies_there) {
        found.push(Found { id: None, upload: false, dead: false, path: super::absolute(&target), url: None });
    }
    match found.is_empty() {
        true => vec![Err(Box::new(End::refused(what, known::unknown(what))))],
        false => found.into_iter().map(Ok).collect(),
    }
}

/// What the files of a download end in.
const ENDINGS: [&str; 3] = [".lhpart", ".lhlog", ".lhnext"];

/// `FILE` of `FILE.lhpart`.
fn target_of(what: &Path) -> PathBuf {
    let name = what.to_str().unwrap_or_default();
    let bare = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    bare.map_or_else(|| what.to_owned(), PathBuf::from)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

async fn one(client: &Client, found: Found, cancel: &CancelOptions) -> End {
    match found.upload {
        true => upload(client, found, cancel.parts).await,
        false => download(client, found, cancel).await,
    }
}

async fn upload(client: &Client, found: Found, parts: PartsFate) -> End {
    let id = found.id.clone().unwrap_or_default();
    let to = found.url.clone().unwrap_or_default();
    let what = printable::here(&found.path);
    if parts == PartsFate::AsAsked && is_to_be_kept(client, &id) {
        let message = format!(
            "{what}: its parts stay in {to}, as `put --keep-parts` asked: the same command goes on; `longhaul cancel \
             --discard` removes them"
        );
        return End::done(found, None, message);
    }
    if parts == PartsFate::Keep || found.dead {
        let message = match found.dead {
            true => format!("{what}: forgotten; nothing is known to be left of it in {to}"),
            false => format!("{what}: forgotten; what is stored for {to} stays in the store"),
        };
        return match client.forget_upload(&id) {
            Ok(()) => End::done(found, None, message),
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

async fn download(client: &Client, found: Found, cancel: &CancelOptions) -> End {
    let what = printable::here(&found.path);
    if cancel.parts == PartsFate::Keep {
        return match client.forget_download(&found.path) {
            Ok(()) => End::done(found, None, format!("{what}: forgotten; its partial file is left as it is")),
            Err(error) => End::failed(found, error),
        };
    }
    let over = match found.path.symlink_metadata() {
        Ok(_) => "forgotten; it is over, and the file stays",
        Err(_) => "forgotten; nothing of it is there any more",
    };
    // "All" is not said of what another process works on: only who is named is stopped.
    if cancel.what.is_some()
        && let Ok(Some(transfer)) = foreign::running(client, &found.path)
    {
        // Where it does not hear, the lock says by whom it is in use.
        let _ = foreign::stop(client, &transfer, "cancel").await;
    }
    match client.discard_download(&found.path).await {
        Ok(true) => End::done(found, Some(true), format!("{what}: cancelled; its partial file is deleted")),
        Ok(false) => End::done(found, Some(true), format!("{what}: {over}")),
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
        let what = printable::here(&found.path);
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

    fn refused(what: &Path, failure: Failure) -> Self {
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
