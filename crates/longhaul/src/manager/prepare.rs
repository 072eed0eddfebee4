//! A new entry is made ready for the list: what may block is done here, beside the driver.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use longhaul_core::queue::step::{HostId, VolumeId};

use super::details::Details;
use super::entry::{EntryId, Gid};
use super::new::{NewEntry, Place, Target, Work};
use super::vault::Kept;
use crate::advice::Advice;
use crate::error::Error;
use crate::random::{random_id, random_u64};
use crate::source::Source;
use crate::transfer::TransferKind;

/// The most sources of one entry.
const SOURCES_MAX: usize = 64;

/// An entry that can go into the list.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) id: EntryId,
    /// Chance gave its gid: another one will do where it is taken.
    pub(super) any_gid: bool,
    pub(super) details: Details,
    pub(super) kept: Kept,
    pub(super) volume: (VolumeId, PathBuf),
    pub(super) place: Place,
    pub(super) hold: bool,
    /// Whether an entry of the same source and target answers for it.
    pub(super) same: Option<SameKey>,
}

/// By what an add is known as one that was made before: source and target.
pub(super) type SameKey = (String, PathBuf, Option<PathBuf>);

/// Makes it ready. It looks at the disk.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for an entry without a source, or a target that cannot be one.
pub(super) fn prepare(new: NewEntry) -> Result<Prepared, Error> {
    let (kept, of_work) = match new.work {
        Work::Download { sources, target } => {
            let details = download(&sources, target, !new.secrets.headers.is_empty() || new.secrets.auth.is_some())?;
            (Kept { sources, secrets: new.secrets }, details)
        }
        Work::Upload { file, destination } => {
            let details = upload(&file, &destination.to_string())?;
            (Kept { sources: Vec::new(), secrets: new.secrets }, details)
        }
    };
    let gid = new.gid.unwrap_or_else(|| Gid(random_u64().max(1)));
    let details = Details {
        gid,
        lane: new.lane,
        tags: new.tags,
        options: new.options,
        added_ms: crate::now_unix_ms(),
        ..of_work
    };
    Ok(Prepared {
        id: new.id.unwrap_or_else(|| EntryId(u128::from_be_bytes(random_id()))),
        any_gid: new.gid.is_none(),
        volume: volume_of(&details),
        same: same_key(&details, kept.sources.first()),
        details,
        kept,
        place: new.place,
        hold: new.hold,
    })
}

fn empty(kind: TransferKind, folder: PathBuf) -> Details {
    Details {
        gid: Gid(0),
        kind,
        sources: Vec::new(),
        needs_link: false,
        needs_headers: false,
        folder,
        name: None,
        below: false,
        destination: None,
        lane: String::new(),
        tags: Vec::new(),
        options: super::entry::Options::default(),
        added_ms: 0,
        started_ms: None,
        ended_ms: None,
        attempts: 0,
        reason: None,
        finish: None,
        held: 0,
        total: None,
        transfer: None,
        rev: 0,
    }
}

fn download(sources: &[Source], target: Target, needs_headers: bool) -> Result<Details, Error> {
    if sources.is_empty() || sources.len() > SOURCES_MAX {
        return Err(Error::usage(format!("a download has 1 to {SOURCES_MAX} sources, and not {}", sources.len())));
    }
    let (folder, name, below) = match target {
        Target::Folder(folder) => (folder, None, false),
        Target::File(path) => {
            let (folder, name) = parts(&path)?;
            (folder, Some(name), false)
        }
        Target::Below { root, path } => (root, Some(below(&path)?), true),
    };
    Ok(Details {
        sources: sources.iter().map(ToString::to_string).collect(),
        needs_link: sources.iter().any(Source::has_secrets),
        needs_headers,
        name,
        below,
        ..empty(TransferKind::Download, absolute(&folder))
    })
}

fn upload(file: &Path, destination: &str) -> Result<Details, Error> {
    let (folder, name) = parts(file)?;
    let source = folder.join(&name).display().to_string();
    let details = empty(TransferKind::Upload, absolute(&folder));
    Ok(Details { sources: vec![source], name: Some(name), destination: Some(destination.to_owned()), ..details })
}

/// Folder and name of a file.
fn parts(path: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let is_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
    let absolute = absolute(path);
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) if !is_folder => Ok((folder.to_owned(), name.into())),
        _ => {
            let error = Error::usage(format!("{} is a folder", path.display())).with("path", path.display());
            Err(error.advise(Advice::ChooseFile))
        }
    }
}

/// A path from outside: relative, of plain names alone.
fn below(path: &Path) -> Result<PathBuf, Error> {
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match is_plain && path.file_name().is_some() {
        true => Ok(path.to_owned()),
        false => {
            Err(Error::usage(format!("{} is no path below a folder", path.display())).with("path", path.display()))
        }
    }
}

/// An entry outlives the folder that the program stands in.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What names an entry when it is added again; `None`: nothing does, since another object may be shown by its link.
pub(super) fn same_key(details: &Details, source: Option<&Source>) -> Option<SameKey> {
    if details.kind == TransferKind::Upload {
        let to = details.destination.clone().unwrap_or_default();
        return Some((to, details.folder.clone(), details.name.clone()));
    }
    let first = details.sources.first()?;
    let ambiguous = match source {
        Some(source) => source.is_ambiguous(),
        None => first.parse::<Source>().is_ok_and(|source| source.is_ambiguous()),
    };
    (!ambiguous).then(|| (first.clone(), details.folder.clone(), details.name.clone()))
}

/// Which server an entry is of: scheme and authority of its first source, or its bucket.
pub(super) fn host_of(details: &Details) -> HostId {
    let first = details.destination.as_deref().or(details.sources.first().map(String::as_str)).unwrap_or_default();
    let mut slashes = first.match_indices('/').map(|(at, _)| at);
    let end = slashes.nth(2).unwrap_or(first.len());
    let mut hasher = DefaultHasher::new();
    first[..end].hash(&mut hasher);
    HostId(hasher.finish())
}

/// Which file system an entry writes to, and a folder there. An upload writes to none.
pub(super) fn volume_of(details: &Details) -> (VolumeId, PathBuf) {
    if details.kind == TransferKind::Upload {
        return (VolumeId(0), PathBuf::new());
    }
    // A folder that is missing is made below the nearest one that is there.
    let there = details.folder.ancestors().find_map(|folder| Some((folder.metadata().ok()?.dev(), folder)));
    there.map_or((VolumeId(0), PathBuf::new()), |(device, folder)| (VolumeId(device), folder.to_owned()))
}
