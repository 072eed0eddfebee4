//! A file at the target that another program (or another state directory) brought: it is read, and never written to.

use super::part_file;
use super::place::Place;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::FileStat;
use crate::disk::platform;
use longhaul_core::digest::{Digest, DigestKind};
use longhaul_core::words::{DiskFault, FileFacts};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// The digests of all of the file, and what stands at its name after the reading. `None` when `cancelled` became true
/// meanwhile. `Exists` for a link, and for a file that another user could change.
pub(crate) fn digest(
    place: &Place,
    kinds: &[DigestKind],
    cancelled: &AtomicBool,
) -> Result<Option<(FileFacts, Vec<Digest>)>> {
    let (file, path, entry) = open(place)?;
    let Some(digests) = part_file::digest(&file, &path, entry.facts.len, kinds, cancelled)? else { return Ok(None) };
    let now = place.folder.look(place.names.target())?;
    Ok(now.map(|now| (now.facts, digests)))
}

/// Syncs the file's data, if it is to be `durable`, and tells what it is after that.
pub(crate) fn take(place: &Place, durable: bool) -> Result<FileStat> {
    let (file, path, entry) = open(place)?;
    if !durable {
        return Ok(entry);
    }
    platform::sync_data(&file).map_err(|e| DiskError::io("sync", &path, e))?;
    FileStat::of(&file).map_err(|e| DiskError::io("look at", &path, e))
}

fn open(place: &Place) -> Result<(File, PathBuf, FileStat)> {
    let name = place.names.target();
    let path = place.folder.path_of(name);
    match place.folder.open_unshared(name)? {
        Some((file, entry)) => Ok((file, path, entry)),
        None => Err(DiskError::said(DiskFault::Io, "open", &path, "it is gone")),
    }
}
