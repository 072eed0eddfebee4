//! Which of the known transfers is meant? By id, by the beginning of one, or by file.

use std::path::Path;

use longhaul::{Client, ErrorKind, Listing, TransferInfo, TransferKind, TransferState};

use super::absolute;
use crate::exit::{Exit, Failure};

/// Fewer digits of an id are more likely a file name.
const ID_DIGITS_MIN: usize = 4;

/// The digits of an id, when that is what was typed. A file of that name comes first.
pub(super) fn digits(what: &Path) -> Option<&str> {
    let digits = what.to_str().filter(|t| (ID_DIGITS_MIN..=32).contains(&t.len()));
    let digits = digits.filter(|t| t.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    digits.filter(|_| what.symlink_metadata().is_err())
}

/// The transfer whose id begins so, if there is one.
///
/// # Errors
/// `Usage` when there are several.
pub(super) fn by_id<'a>(listing: &'a Listing, digits: &str) -> Result<Option<&'a TransferInfo>, Failure> {
    let found: Vec<&TransferInfo> = listing.transfers.iter().filter(|t| t.id.starts_with(digits)).collect();
    match found[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => {
            Err(Failure::usage(format!("{digits} is the beginning of {} transfers; give more of the id", found.len())))
        }
    }
}

/// The transfer whose id begins so, when that is what was typed; the others are not looked at.
///
/// # Errors
/// As [`by_id`].
pub(super) fn meant(client: &Client, what: &Path) -> Result<Option<TransferInfo>, Failure> {
    let Some(digits) = digits(what) else { return Ok(None) };
    Ok(by_id(&client.list_by_id(digits)?, digits)?.cloned())
}

/// The unfinished transfers in a folder.
pub(super) fn in_folder(client: &Client, folder: &Path) -> Result<Listing, Failure> {
    client.list_in(folder).map_err(|error| match error.kind() {
        // No source was asked: what is not found is missing on this machine.
        ErrorKind::NotFound => Failure::new(Exit::LocalFile, "local_file", error.to_string()),
        _ => error.into(),
    })
}

/// Whether a transfer is of this file: as it is called, or as it is called in truth (uploads note that).
pub(super) fn is_of(transfer: &Path, file: &Path) -> bool {
    transfer == absolute(file) || file.canonicalize().is_ok_and(|file| transfer == file)
}

/// Only its entry in the list is left: a download is over, or the files of a transfer are gone. An upload that is done
/// and has an entry still has a journal as well, which knows of something that is perhaps left in the store.
pub(super) fn is_dead(transfer: &TransferInfo) -> bool {
    match transfer.state {
        TransferState::Gone => true,
        TransferState::Done => transfer.kind != TransferKind::Upload,
        _ => false,
    }
}

/// This machine has no record of it.
pub(super) fn unknown(what: &Path) -> Failure {
    let message = format!("{}: no transfer is known by this id or file; `longhaul list` shows them", what.display());
    Failure::new(Exit::LocalFile, "local_file", message)
}
