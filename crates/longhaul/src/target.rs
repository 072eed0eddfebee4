//! What lies beside a target, looked at without changing anything: for questions ([`inspect`](crate::inspect)), and to
//! find out what a start is about to go on with.
//!
//! Files are looked at as a start would look at them, and judged by the core function that a start uses
//! ([`resume::verdict`]), so that an explanation cannot disagree with what happens. What a start does *while* looking
//! (locking, creating the part file, setting a bad journal aside, finishing a cut publish) is not done here. A transfer
//! that runs meanwhile changes what was read: the answer is of one moment.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use longhaul_core::download::Config;
use longhaul_core::download::held::Slot;
use longhaul_core::download::journal::{self, Problem, Source};
use longhaul_core::download::resume::{
    self, Found, FoundJournal, StartVerdict, TargetReceipt, TargetRefusal, TargetState,
};
use longhaul_core::words::{DiskFault, FileFacts};
use rustix::fs::FileType;

use crate::disk::beside::journal_file::LEN_MAX;
use crate::disk::beside::names::FileNames;
use crate::disk::beside::place::Place;
use crate::disk::beside::publish;
use crate::disk::error::DiskError;
use crate::disk::folder::{FileStat, Folder, read_expecting};
use crate::disk::state::receipt::{self, ReceiptFile};
use crate::disk::state::state_dir::StateDir;
use crate::error::{Disposition, Error, ErrorKind};

/// How often a folder is looked at again when it changed meanwhile.
const LOOKS_MAX: u32 = 3;
/// Endings by which a transfer's own files may be named in place of its target.
const ENDINGS: [&str; 3] = [".lhpart", ".lhlog", ".lhnext"];

/// The source recorded in the journal beside a target, which may be named by its part file or journal as well.
///
/// # Errors
/// [`ErrorKind::NotFound`] when there is no readable journal; [`ErrorKind::LocalFile`] when the folder or the journal
/// must not be read.
pub(crate) fn recorded_source(path: &Path) -> Result<Source, Error> {
    let site = NamedTarget::of(path)?;
    match site.journal()? {
        FoundJournal::Read(recovered) => Ok(recovered.source),
        FoundJournal::Absent => Err(not_found(&site.path, "there is no unfinished transfer of this file")),
        FoundJournal::SetAside(problem) => Err(not_found(
            &site.path,
            &format!("its journal cannot be used ({problem}); start the download again with its address"),
        )),
    }
}

/// The source recorded in the journal of a target in an opened folder, where there is a readable one.
pub(crate) fn recorded_in(folder: &Folder, target: &OsStr) -> Option<Source> {
    match journal_in(folder, &FileNames::of(target)?.log()) {
        Ok(FoundJournal::Read(recovered)) => Some(recovered.source),
        _ => None,
    }
}

/// A target and its opened folder.
#[derive(Debug)]
pub(crate) struct NamedTarget {
    /// The target, in the folder as it was named.
    pub(crate) path: PathBuf,
    /// The target as lists and receipts name it: in the folder's canonical path.
    pub(crate) absolute: PathBuf,
    /// Its files, by the opened folder.
    pub(crate) place: Place,
}

impl NamedTarget {
    /// The site of a target, or of one of its files (`NAME.lhpart`, `NAME.lhlog`, `NAME.lhnext`).
    pub(crate) fn of(path: &Path) -> Result<Self, Error> {
        Self::with_name(path, target_name)
    }

    /// The site of exactly this target.
    pub(crate) fn exactly(path: &Path) -> Result<Self, Error> {
        Self::with_name(path, |_, name| name.to_owned())
    }

    /// The same of one after the other: the folder of the last one is not looked up again.
    pub(crate) fn exactly_by(path: &Path, last: &mut Option<(PathBuf, Arc<Folder>)>) -> Result<Self, Error> {
        let parent = parent_of(path);
        let folder = match last {
            Some((of, folder)) if of == parent => folder.clone(),
            _ => {
                let folder = Arc::new(folder_of(path)?);
                *last = Some((parent.to_owned(), folder.clone()));
                folder
            }
        };
        Self::in_folder(folder, path, |_, name| name.to_owned())
    }

    fn with_name(path: &Path, target: impl FnOnce(&Folder, &OsStr) -> OsString) -> Result<Self, Error> {
        Self::in_folder(Arc::new(folder_of(path)?), path, target)
    }

    fn in_folder(
        folder: Arc<Folder>,
        path: &Path,
        target: impl FnOnce(&Folder, &OsStr) -> OsString,
    ) -> Result<Self, Error> {
        let name = path.file_name().ok_or_else(|| names_no_file(path))?;
        let target = target(&folder, name);
        let absolute = folder.path_of(&target);
        let place = Place::new(folder, &target).map_err(|e| disk_error(path, e))?;
        Ok(Self { path: path.with_file_name(target), absolute, place })
    }

    /// The journal, as a start would find it; where the start would set it aside it stays.
    pub(crate) fn journal(&self) -> Result<FoundJournal, Error> {
        journal_in(&self.place.folder, &self.place.names.log()).map_err(|e| disk_error(&self.path, e))
    }

    pub(crate) fn entry(&self, name: &OsStr) -> Result<Option<FileStat>, Error> {
        self.place.folder.look(name).map_err(|e| disk_error(&self.path, e))
    }
}

fn names_no_file(path: &Path) -> Error {
    Error::usage(format!("{} names no file", path.display()))
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The folder of a target, opened by its canonical path.
fn folder_of(path: &Path) -> Result<Folder, Error> {
    path.file_name().ok_or_else(|| names_no_file(path))?;
    let canonical = std::fs::canonicalize(parent_of(path)).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => not_found(path, "its folder does not exist"),
        _ => disk_error(path, DiskError::io("find the folder of", path, error)),
    })?;
    Folder::open(&canonical).map_err(|e| disk_error(path, e))
}

/// The target of a file of ours; any other name is a target itself.
fn target_name(folder: &Folder, name: &OsStr) -> OsString {
    let is_target = FileNames::of(name).is_some_and(|n| folder.look(&n.log()).is_ok_and(|e| e.is_some()));
    let stem = ENDINGS.iter().find_map(|end| name.as_bytes().strip_suffix(end.as_bytes())).filter(|s| !s.is_empty());
    let Some(stem) = stem.filter(|_| !is_target) else { return name.to_owned() };
    // The files of a long name begin with a part of it only; the journal has the whole.
    let log = OsString::from_vec([stem, b".lhlog"].concat());
    if let Ok(FoundJournal::Read(recovered)) = journal_in(folder, &log)
        && FileNames::of(OsStr::from_bytes(&recovered.source.name)).is_some_and(|names| names.log() == log)
    {
        return OsString::from_vec(recovered.source.name);
    }
    OsStr::from_bytes(stem).to_owned()
}

/// What a start makes of a journal (`disk::journal_file`), without opening it for writing.
fn journal_in(folder: &Folder, name: &OsStr) -> Result<FoundJournal, DiskError> {
    journal_seen(folder, name).map(|(found, _)| found)
}

/// The same, with what its file was when it was read.
fn journal_seen(folder: &Folder, name: &OsStr) -> Result<(FoundJournal, Option<FileStat>), DiskError> {
    let Some(entry) = folder.look(name)? else { return Ok((FoundJournal::Absent, None)) };
    if entry.kind != FileType::RegularFile || entry.links > 1 || folder.stranger(&entry).is_some() {
        return Ok((FoundJournal::SetAside(Problem::Foreign), Some(entry)));
    }
    if entry.facts.len > LEN_MAX {
        return Ok((FoundJournal::SetAside(Problem::Damaged), Some(entry)));
    }
    let Some((file, entry)) = folder.open_plain(name)? else { return Ok((FoundJournal::Absent, None)) };
    let found = match read_expecting(&file, entry.facts.len, LEN_MAX + 1) {
        Ok(bytes) if bytes.len() as u64 <= LEN_MAX => match journal::decode(&bytes) {
            Ok(recovered) => FoundJournal::Read(Box::new(recovered)),
            Err(problem) => FoundJournal::SetAside(problem),
        },
        _ => FoundJournal::SetAside(Problem::Damaged),
    };
    Ok((found, Some(entry)))
}

/// Everything that belongs to a target, at one moment.
pub(crate) struct TargetSnapshot {
    pub(crate) journal: FoundJournal,
    /// Length of the journal file in bytes.
    pub(crate) journal_len: u64,
    pub(crate) main: Option<FileStat>,
    pub(crate) next: Option<FileStat>,
    /// What at a part file's name keeps a start from using it.
    pub(crate) obstacle: Option<String>,
    /// `finished` is filled in when its source is the recorded one.
    pub(crate) target: TargetState,
    pub(crate) receipt: Option<ReceiptFile>,
}

impl TargetSnapshot {
    /// Looks, and looks again when the journal changed meanwhile: a running transfer writes it and renames around it.
    pub(crate) fn at(site: &NamedTarget, state: Option<&StateDir>) -> Result<Self, Error> {
        let log = site.place.names.log();
        let mut tries = 0;
        loop {
            tries += 1;
            let (looked, journal) = Self::once(site, state)?;
            if site.entry(&log)? == journal || tries == LOOKS_MAX {
                return Ok(looked);
            }
        }
    }

    /// With it what the journal's file was when it was read.
    fn once(site: &NamedTarget, state: Option<&StateDir>) -> Result<(Self, Option<FileStat>), Error> {
        // The journal first: it never promises what was not there before it was read.
        let (journal, log) =
            journal_seen(&site.place.folder, &site.place.names.log()).map_err(|e| disk_error(&site.path, e))?;
        let receipt = state.and_then(|state| state.receipt(&site.absolute).ok().flatten());
        let source = match &journal {
            FoundJournal::Read(recovered) => Some((recovered.source.url.as_str(), &recovered.source.window)),
            _ => None,
        };
        let finished = |facts: &FileFacts| {
            let (folder, name) = (&site.place.folder, site.place.names.target());
            let fits = |r: &&ReceiptFile| {
                source.is_none_or(|of| of == (&r.source, &r.range)) && receipt::is_of(r, facts, folder, name)
            };
            let says = |r: &ReceiptFile| {
                let (identity, digests) = (r.of.identity.clone(), r.of.digests.clone());
                TargetReceipt { identity, digests }
            };
            receipt.as_ref().filter(fits).map(says)
        };
        let target = publish::look(&site.place, finished).map_err(|e| disk_error(&site.path, e))?;
        let is_target = |entry: &FileStat| {
            Ok::<_, Error>(site.entry(site.place.names.target())?.is_some_and(|target| target.same_file(entry)))
        };
        let mut obstacle = None;
        let mut slot = |slot| {
            let name = site.place.slot(slot);
            let Some(entry) = site.entry(&name)? else { return Ok::<_, Error>(None) };
            let shown = site.place.folder.path_of(&name);
            if entry.kind != FileType::RegularFile {
                obstacle = Some(format!("{} is not a regular file", shown.display()));
                return Ok(None);
            }
            // A publish that was cut between linking and unlinking: a start removes this second name of the target.
            if slot == Slot::Main && entry.links == 2 && is_target(&entry)? {
                return Ok(None);
            }
            if entry.links > 1 {
                obstacle = Some(format!("{} has a second name (hard link)", shown.display()));
                return Ok(None);
            }
            if let Some(why) = site.place.folder.stranger(&entry) {
                obstacle = Some(format!("{}: {why}", shown.display()));
                return Ok(None);
            }
            Ok(Some(entry))
        };
        let (main, next) = (slot(Slot::Main)?, slot(Slot::Next)?);
        let journal_len = log.map_or(0, |e| e.facts.len);
        Ok((Self { journal, journal_len, main, next, obstacle, target, receipt }, log))
    }

    /// Whether no file of an unfinished transfer lies here.
    pub(crate) fn is_bare(&self) -> bool {
        self.main.is_none()
            && self.next.is_none()
            && self.obstacle.is_none()
            && matches!(self.journal, FoundJournal::Absent)
    }

    /// The recorded source, or that of the receipt.
    fn source(&self) -> Option<Source> {
        match (&self.journal, &self.receipt) {
            (FoundJournal::Read(recovered), _) => Some(recovered.source.clone()),
            (_, Some(receipt)) => {
                let (url, window) = (receipt.source.clone(), receipt.range.clone());
                Some(Source { url, window, ..Source::default() })
            }
            _ => None,
        }
    }

    /// What a start of the recorded source would do with it. What stands at the target may keep it from starting; the
    /// verdict is then that of a start that may replace it.
    pub(crate) fn judge(&self) -> (StartVerdict, Option<TargetRefusal>) {
        let source = self.source().unwrap_or_default();
        let found = || Found {
            journal: self.journal.clone(),
            main: self.main.map(|e| e.facts),
            next: self.next.map(|e| e.facts),
            target: self.target.clone(),
            free: None,
        };
        let block_len_min = Config::default().block_len_min;
        match resume::verdict(&source, false, block_len_min, found()) {
            StartVerdict::Refuse(why) => (resume::verdict(&source, true, block_len_min, found()), Some(why)),
            verdict => (verdict, None),
        }
    }
}

pub(crate) fn not_found(path: &Path, why: &str) -> Error {
    let text = format!("{}: {why}", path.display());
    Error::new(ErrorKind::NotFound, Disposition::Permanent, text).with("path", path.display())
}

pub(crate) fn disk_error(path: &Path, error: DiskError) -> Error {
    let kind = match error.fault() {
        DiskFault::Exists => ErrorKind::Exists,
        DiskFault::InUse => ErrorKind::InUse,
        DiskFault::Unsupported => ErrorKind::Usage,
        _ => ErrorKind::LocalFile,
    };
    Error::new(kind, Disposition::Permanent, error.to_string()).with("path", path.display()).advise(error.advice())
}
