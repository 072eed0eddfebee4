//! What transfers are known? The notes in the state directory, each held against the files it points to.
//!
//! A note says where to look and what was last heard; what is held is read from the journal (beside the target, or in
//! the state directory for an upload), and whether a process works on it is told by the lock.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longhaul_core::download::resume::{StartVerdict, TargetState};
use longhaul_core::upload::journal::Recovered;

use crate::client::Client;
use crate::disk::beside::place::journals_in;
use crate::disk::error::DiskError;
use crate::disk::folder::Folder;
use crate::disk::platform::LockedFiles;
use crate::disk::state::listing::{Kind, NoteKey, State, TransferNote, id_text};
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::uploads::{UploadKey, is_barren, stored};
use crate::error::{Error, ErrorKind};
use crate::source::range_text;
use crate::target::{NamedTarget, TargetSnapshot, disk_error, not_found};
use crate::transfer::TransferKind;

/// The known transfers.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Listing {
    /// One entry a transfer, by id.
    pub transfers: Vec<TransferInfo>,
    /// What could not be read, a line each. No transfer is lost by it: its state lies beside its target.
    pub warnings: Vec<String>,
}

/// One transfer in the list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TransferInfo {
    /// 32 hexadecimal digits, as [`Transfer::id`](crate::Transfer::id) tells.
    pub id: String,
    /// What kind of transfer.
    pub kind: TransferKind,
    /// The local file: the target of a download, the source of an upload.
    pub path: PathBuf,
    /// The other end, without secrets: where a download comes from, where an upload goes.
    pub source: String,
    /// Which bytes of a download's source, as [`range`](crate::DownloadBuilder::range) takes them; `None`: all.
    pub range: Option<String>,
    /// How it stands.
    pub state: TransferState,
    /// Bytes held (acknowledged, of an upload): from the journal when it can be read, else as last noted.
    pub held: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
    /// When it was last noted; bytes may have come since.
    pub updated: SystemTime,
    /// Secret parts of the link were not stored: going on needs a fresh link.
    pub needs_link: bool,
    /// Header values were not stored: going on may need them again.
    pub needs_headers: bool,
    /// One line about the last error.
    pub error: Option<String>,
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransferState {
    /// A process works on it now.
    Running,
    /// Stopped on request.
    Paused,
    /// Its process ended without a word (killed, a power cut); the next start goes on.
    Interrupted,
    /// Waits for a fresh link: the one that it had was refused, or had secrets and its process ended without a word.
    NeedsLink,
    /// Waits for header values, which are never stored.
    NeedsHeaders,
    /// Waits for credentials.
    NeedsCredentials,
    /// Stopped by an error; what is held is kept.
    Failed,
    /// The finished file stands at the path, and the entry was left: [`Client::discard_download`] removes it.
    Done,
    /// Neither a partial file nor a journal is there any more: [`Client::discard_download`] removes the entry, of an
    /// upload [`Client::forget_upload`].
    Gone,
    /// Noted by a newer version of longhaul.
    Unknown,
}

impl TransferState {
    /// The word for it, as in `list`: `running`, `needs link`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::NeedsLink => "needs link",
            Self::NeedsHeaders => "needs headers",
            Self::NeedsCredentials => "needs credentials",
            Self::Failed => "failed",
            Self::Done => "done",
            Self::Gone => "gone",
            Self::Unknown => "unknown",
        }
    }
}

impl Client {
    /// The transfers noted in the state directory, as they stand now.
    ///
    /// # Blocking
    /// It reads their journals: from async code, call it on a thread that may block (`tokio::task::spawn_blocking`).
    ///
    /// No file is changed. To see whether a process works on a transfer its lock is tried for a moment, shared; a start
    /// of that very transfer in that moment would find it in use.
    ///
    /// # Errors
    /// [`ErrorKind::LocalFile`] when the state directory cannot be read. Without a state directory, or with damaged
    /// notes in it, there is a warning.
    pub fn list(&self) -> Result<Listing, Error> {
        if self.state().is_none() {
            let warning = "there is no state directory: transfers are resumed, but not listed".into();
            return Ok(Listing { transfers: Vec::new(), warnings: vec![warning] });
        }
        self.listed(|_| true)
    }

    /// The transfers in the list whose id begins so; the others are not looked at.
    ///
    /// # Blocking
    /// As [`list`](Self::list).
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn list_by_id(&self, beginning: &str) -> Result<Listing, Error> {
        self.listed(|note| note.id.starts_with(beginning))
    }

    /// The unfinished transfers in this folder: downloads by their journals there, in the list or not (their folder may
    /// have been moved), and known uploads of files in it.
    ///
    /// # Blocking
    /// As [`list`](Self::list).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no such folder; [`ErrorKind::LocalFile`] when it cannot be read.
    pub fn list_in(&self, folder: impl AsRef<Path>) -> Result<Listing, Error> {
        let folder = folder.as_ref();
        let canonical = std::fs::canonicalize(folder).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => not_found(folder, "there is no such folder"),
            _ => disk_error(folder, DiskError::io("find", folder, error)),
        })?;
        let opened = Arc::new(Folder::open(&canonical).map_err(|e| disk_error(folder, e))?);
        let lying = journals_in(&opened).map_err(|e| disk_error(folder, e))?;
        let state = self.state();
        let mut listing = self.listed(|note| {
            note.kind == Kind::Upload && note.path.to_path().is_some_and(|path| path.parent() == Some(&canonical))
        })?;
        let mut view = View {
            state: state.map(AsRef::as_ref),
            uploads: HashMap::new(),
            locks: LockedFiles::default(),
            folder: Some((canonical.clone(), opened.clone())),
            warnings: Vec::new(),
        };
        for source in lying {
            let target = opened.path_of(OsStr::from_bytes(&source.name));
            let noted = state.and_then(|state| state.transfer(&NoteKey::of_target(&target)).ok().flatten());
            let noted = noted.filter(|note| note.id == id_text(source.id));
            let note = noted.unwrap_or_else(|| TransferNote::of_download(&source, &target, range_text(&source.window)));
            listing.transfers.push(view.look_at(note, target));
        }
        listing.warnings.extend(view.warnings);
        Ok(listing)
    }

    /// Those of the known transfers that are wanted.
    fn listed(&self, wanted: impl Fn(&TransferNote) -> bool) -> Result<Listing, Error> {
        let Some(state) = self.state() else { return Ok(Listing::default()) };
        let (mut notes, skipped) = state.transfers().map_err(|e| disk_error(Path::new("transfers"), e))?;
        let mut warnings: Vec<String> =
            skipped.into_iter().map(|s| format!("{}: skipped ({})", s.path.display(), s.why)).collect();
        // Of an upload the journal counts, noted or not: it knows what is left in a store.
        let (uploads, skipped) = state.uploads().map_err(|e| disk_error(Path::new("uploads"), e))?;
        warnings.extend(skipped.into_iter().map(|s| format!("{}: skipped ({})", s.path.display(), s.why)));
        let noted: HashSet<String> = notes.iter().map(|note| note.id.clone()).collect();
        let unnoted = uploads.iter().filter(|upload| !noted.contains(&id_text(upload.intent.id)) && !is_barren(upload));
        notes.extend(unnoted.map(|upload| TransferNote::of_upload(&upload.intent)));
        notes.retain(|note| wanted(note));
        let mut wanted = Vec::with_capacity(notes.len());
        for note in notes {
            match note.path.to_path() {
                Some(path) => wanted.push((path, note)),
                None => warnings.push(format!("{}: skipped (its path is damaged)", note.id)),
            }
        }
        wanted.sort_by(|a, b| a.0.cmp(&b.0)); // folder by folder: each is opened once
        let uploads = uploads.into_iter().map(|upload| (id_text(upload.intent.id), upload)).collect();
        let mut view = View { state: Some(state), uploads, locks: LockedFiles::default(), folder: None, warnings };
        let mut transfers: Vec<_> = wanted.into_iter().map(|(path, note)| view.look_at(note, path)).collect();
        transfers.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Listing { transfers, warnings: view.warnings })
    }
}

/// What many transfers are held against.
struct View<'a> {
    state: Option<&'a StateDir>,
    /// The journals of uploads, by id.
    uploads: HashMap<String, Recovered>,
    locks: LockedFiles,
    /// The folder that the last one is in.
    folder: Option<(PathBuf, Arc<Folder>)>,
    warnings: Vec<String>,
}

impl View<'_> {
    fn look_at(&mut self, note: TransferNote, path: PathBuf) -> TransferInfo {
        let endpoint = note.endpoint.clone();
        let mut info = as_noted(note, path);
        match info.kind {
            TransferKind::Download => {}
            TransferKind::Upload => {
                let recovered = self.uploads.get(&info.id);
                if let Some(state) = self.state {
                    hold_against_journal(&mut info, endpoint.as_deref().unwrap_or_default(), state, recovered);
                }
                return info;
            }
            TransferKind::Unknown => return info,
        }
        let looked = NamedTarget::exactly_by(&info.path, &mut self.folder).and_then(|site| {
            // A receipt says something only where no file of an unfinished transfer lies.
            let looked = TargetSnapshot::at(&site, None)?;
            let looked = if looked.is_bare() { TargetSnapshot::at(&site, self.state)? } else { looked };
            Ok((site, looked))
        });
        match looked {
            // A link stands where a folder was when this was noted: what it leads to is none of this transfer's.
            Ok((site, _)) if site.absolute != info.path => info.state = TransferState::Gone,
            Ok((site, looked)) => hold_against(&mut info, &site, &looked, &self.locks),
            Err(error) if error.kind() == ErrorKind::NotFound => info.state = TransferState::Gone,
            Err(error) => self.warnings.push(error.to_string()),
        }
        info
    }
}

fn hold_against_journal(info: &mut TransferInfo, endpoint: &str, state: &StateDir, recovered: Option<&Recovered>) {
    let key = UploadKey::of(&info.path, &info.source, endpoint);
    let running = state.is_uploading(&key);
    let Some(recovered) = recovered else {
        info.state = match state.upload_written_ns(&key) {
            _ if running => TransferState::Running,
            None => TransferState::Gone,
            // Something may be left in the store, which only the journal knows.
            Some(_) => TransferState::Failed,
        };
        if info.state == TransferState::Failed {
            info.error = Some("its journal cannot be read".into());
        }
        return;
    };
    if let Some(last) = recovered.last() {
        info.held = stored(last);
        info.total = Some(last.facts.len);
    }
    info.state = match info.state {
        _ if running => TransferState::Running,
        TransferState::Running => TransferState::Interrupted,
        noted => noted,
    };
    if info.updated == UNIX_EPOCH {
        let written = state.upload_written_ns(&key).and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0);
        info.updated = UNIX_EPOCH.checked_add(Duration::from_nanos(written)).unwrap_or(UNIX_EPOCH);
    }
}

fn as_noted(note: TransferNote, path: PathBuf) -> TransferInfo {
    TransferInfo {
        id: note.id,
        kind: match note.kind {
            Kind::Download => TransferKind::Download,
            Kind::Upload => TransferKind::Upload,
            Kind::Unknown => TransferKind::Unknown,
        },
        path,
        source: note.source,
        state: match note.state {
            State::Running => TransferState::Running,
            State::Paused => TransferState::Paused,
            State::NeedsLink => TransferState::NeedsLink,
            State::NeedsHeaders => TransferState::NeedsHeaders,
            State::NeedsCredentials => TransferState::NeedsCredentials,
            State::Failed => TransferState::Failed,
            State::Done => TransferState::Done,
            State::Unknown => TransferState::Unknown,
        },
        range: note.range,
        held: note.held,
        total: note.total,
        updated: UNIX_EPOCH.checked_add(Duration::from_millis(note.updated_ms)).unwrap_or(UNIX_EPOCH),
        needs_link: note.needs_link,
        needs_headers: note.needs_headers,
        error: note.error,
    }
}

fn hold_against(info: &mut TransferInfo, site: &NamedTarget, looked: &TargetSnapshot, locks: &LockedFiles) {
    if looked.is_bare() {
        let finished = matches!(looked.target, TargetState::File { finished: Some(_), .. })
            && looked.receipt.as_ref().is_some_and(|r| r.source == info.source && range_text(&r.range) == info.range);
        info.state = if finished { TransferState::Done } else { TransferState::Gone };
        return;
    }
    if info.updated == UNIX_EPOCH {
        let written = looked.main.and_then(|part| u64::try_from(part.facts.mtime_ns).ok()).unwrap_or(0);
        info.updated = UNIX_EPOCH.checked_add(Duration::from_nanos(written)).unwrap_or(UNIX_EPOCH);
    }
    let running = is_locked(site, looked, locks, info.state == TransferState::Running);
    info.state = match info.state {
        _ if running => TransferState::Running,
        TransferState::Running if info.needs_link => TransferState::NeedsLink,
        TransferState::Running => TransferState::Interrupted,
        noted => noted,
    };
    let (verdict, _) = looked.judge();
    if let StartVerdict::Continue { current, .. } | StartVerdict::FinishPublish { current, .. } = verdict {
        info.held = current.held.total() + super::show::hinted(&current).iter().map(|r| r.end - r.start).sum::<u64>();
        info.total = current.begin.identity.length;
    }
}

/// Whether a process holds the part file's lock. Only a file that is noted or known to be locked is tried.
fn is_locked(site: &NamedTarget, looked: &TargetSnapshot, locks: &LockedFiles, noted: bool) -> bool {
    let Some(entry) = looked.main else { return false };
    if !noted && !locks.may_hold(entry.facts.inode) {
        return false;
    }
    let part = site.place.folder.open_file(&site.place.names.part(), false);
    let Ok(Some(file)) = part else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}
