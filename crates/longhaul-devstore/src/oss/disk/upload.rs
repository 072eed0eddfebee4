//! One multipart upload in progress: a folder that becomes the object's own when it is completed.
//!
//! A part is a file whose name says all about it. Parts never move when the upload is completed: the folder does, in
//! one rename, however many parts there are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Object, ObjectFacts, Unpublished};
use super::{Draft, Segment, fresh_name, not_understood, sync_folder, write_durably};
use crate::oss::labels::Labels;
use crate::oss::sums::Sums;

/// What was said when it was initiated.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UploadFacts {
    pub(crate) key: String,
    pub(crate) initiated_ms: i64,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) storage_class: String,
    pub(crate) forbid_overwrite: bool,
    pub(crate) sequential: bool,
    #[serde(default, flatten)]
    pub(crate) labels: Labels,
}

/// An upload in progress.
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) facts: UploadFacts,
    folder: PathBuf,
    sync: bool,
    state: Mutex<UploadState>,
}

/// Its parts, until it is dead.
pub(crate) struct UploadState {
    pub(crate) parts: BTreeMap<u32, Arc<Part>>,
    /// Completed or aborted.
    pub(crate) dead: bool,
    sequence: u64,
}

/// One part. Sent again, a part is replaced by the later one.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) crc64: u64,
    pub(crate) modified_ms: i64,
    file: String,
    segment: Arc<Segment>,
}

/// What became of a part that was received.
pub(crate) enum Added {
    Part(Arc<Part>),
    /// The upload died meanwhile.
    Dead,
    /// The caller did not agree; the part of that number that is there.
    Refused(Option<Arc<Part>>),
}

impl Upload {
    /// The file that makes a folder an upload.
    pub(super) const FILE: &'static str = "upload.json";

    pub(super) fn make(uploads: &Path, facts: UploadFacts, sync: bool) -> io::Result<Upload> {
        let id = fresh_name()?;
        let folder = uploads.join(&id);
        fs::create_dir(&folder)?;
        let text = serde_json::to_vec(&facts).map_err(io::Error::other)?;
        write_durably(&folder.join(Upload::FILE), &text, sync)?;
        sync_folder(uploads, sync)?;
        let state = UploadState { parts: BTreeMap::new(), dead: false, sequence: 0 };
        Ok(Upload { id, facts, folder, sync, state: Mutex::new(state) })
    }

    /// `None` when its making was not finished.
    pub(super) fn open(folder: &Path, sync: bool) -> io::Result<Option<Upload>> {
        let file = folder.join(Upload::FILE);
        let facts: UploadFacts = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| not_understood(&file, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut state = UploadState { parts: BTreeMap::new(), dead: false, sequence: 0 };
        let mut latest: BTreeMap<u32, (u64, Part)> = BTreeMap::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name == Upload::FILE {
                continue;
            }
            if !entry.file_type()?.is_file() {
                return Err(not_understood(&entry.path(), "it is no file"));
            }
            let Some((sequence, part)) = Part::from_name(&id, folder, &name, entry.metadata()?.len()) else {
                fs::remove_file(entry.path())?; // never finished
                continue;
            };
            state.sequence = state.sequence.max(sequence);
            let number = part.number;
            let replaced = match latest.get(&number) {
                Some((other, _)) if *other > sequence => Some((sequence, part)),
                _ => latest.insert(number, (sequence, part)),
            };
            if let Some((_, part)) = replaced {
                fs::remove_file(folder.join(&part.file))?;
            }
        }
        state.parts = latest.into_iter().map(|(number, (_, part))| (number, Arc::new(part))).collect();
        Ok(Some(Upload { id, facts, folder: folder.to_owned(), sync, state: Mutex::new(state) }))
    }

    /// A file for a part to be received.
    pub(crate) fn draft(&self) -> io::Result<Draft> {
        Draft::new(&self.folder)
    }

    /// What it holds now. It does not change while the guard is held.
    pub(crate) fn state(&self) -> MutexGuard<'_, UploadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a part, durably.
    pub(crate) fn add(
        &self,
        number: u32,
        draft: Draft,
        sums: &Sums,
        modified_ms: i64,
        agree: impl FnOnce(&UploadState) -> bool,
    ) -> io::Result<Added> {
        let path = draft.finish_as_file(self.sync)?;
        let mut state = self.state();
        if state.dead || !agree(&state) {
            let _ = fs::remove_file(&path); // swept up at the next start
            let there = state.parts.get(&number).cloned();
            return Ok(if state.dead { Added::Dead } else { Added::Refused(there) });
        }
        state.sequence += 1;
        let file = Part::name(number, state.sequence, sums, modified_ms);
        fs::rename(&path, self.folder.join(&file))?;
        if let Err(error) = sync_folder(&self.folder, self.sync) {
            // Not to be found at the next start in the place of one that was acknowledged.
            let _ = fs::remove_file(self.folder.join(&file));
            return Err(error);
        }
        let part = Arc::new(Part {
            number,
            size: sums.len,
            etag: sums.etag(),
            crc64: sums.crc64,
            modified_ms,
            segment: Arc::new(Segment::new(format!("{}/{file}", self.id), self.folder.join(&file), sums.len)),
            file,
        });
        if let Some(before) = state.parts.insert(number, part.clone()) {
            before.segment.doom();
        }
        Ok(Added::Part(part))
    }
}

impl Part {
    /// `00001-SEQUENCE-MD5-CRC-TIME`.
    fn name(number: u32, sequence: u64, sums: &Sums, modified_ms: i64) -> String {
        format!("{number:05}-{sequence:08x}-{}-{:016x}-{modified_ms}", sums.etag(), sums.crc64)
    }

    fn from_name(upload: &str, folder: &Path, name: &str, size: u64) -> Option<(u64, Part)> {
        let mut words = name.splitn(5, '-');
        let number = words.next()?.parse().ok()?;
        let sequence = u64::from_str_radix(words.next()?, 16).ok()?;
        let etag = words.next().filter(|text| text.len() == 32 && is_hex(text))?.to_owned();
        let crc64 = u64::from_str_radix(words.next()?, 16).ok()?;
        let modified_ms = words.next()?.parse().ok()?;
        let segment = Arc::new(Segment::new(format!("{upload}/{name}"), folder.join(name), size));
        Some((sequence, Part { number, size, etag, crc64, modified_ms, file: name.to_owned(), segment }))
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Bucket {
    /// Makes an object of these parts. The upload is dead when this succeeds, and alive as before when it fails.
    pub(crate) fn complete(
        &self,
        upload: &Upload,
        state: &mut UploadState,
        parts: &[Arc<Part>],
        facts: ObjectFacts,
        agree: impl FnOnce(Option<&Arc<Object>>) -> bool,
    ) -> Result<Arc<Object>, Unpublished> {
        let home = self.data().join(&upload.id);
        // Until the end: who replaces or removes the object meanwhile must not meet a folder that is still an upload's.
        let committing = self.lock_key(&facts.key);
        fs::rename(&upload.folder, &home)?;
        // The names of the parts were made durable when they were written; here it is the folder that moved.
        let segments = parts
            .iter()
            .map(|part| Arc::new(Segment::new(part.segment.name.clone(), home.join(&part.file), part.size)))
            .collect();
        let published = sync_folder(&self.uploads_folder(), self.sync)
            .map_err(Unpublished::from)
            .and_then(|()| self.commit(Object { facts, segments }, agree, &committing));
        match published {
            Ok(object) => {
                state.dead = true;
                self.forget_upload(upload);
                let kept: BTreeSet<&str> = parts.iter().map(|part| part.file.as_str()).collect();
                for file in fs::read_dir(&home).into_iter().flatten().flatten() {
                    if !kept.contains(&*file.file_name().to_string_lossy()) {
                        let _ = fs::remove_file(file.path()); // swept up at the next start
                    }
                }
                // A power cut that took the object, and not this, would make an upload of it again.
                let _ = sync_folder(&home, self.sync);
                Ok(object)
            }
            Err(Unpublished::InDoubt(error)) => {
                // The files stay: the next start finds the object, or the upload.
                state.dead = true;
                self.forget_upload(upload);
                Err(Unpublished::InDoubt(error))
            }
            Err(error) => {
                // Should this fail too, the next start gives the upload back.
                fs::rename(&home, &upload.folder)?;
                Err(error)
            }
        }
    }

    /// Ends an upload and removes its parts; `false` when it was dead already.
    pub(crate) fn abort(&self, upload: &Upload) -> io::Result<bool> {
        let mut state = upload.state();
        if state.dead {
            return Ok(false);
        }
        // Without this file it is no upload any more, even if other files of it are left.
        fs::remove_file(upload.folder.join(Upload::FILE))?;
        sync_folder(&upload.folder, self.sync)?;
        state.dead = true;
        self.forget_upload(upload);
        let _ = fs::remove_dir_all(&upload.folder); // swept up at the next start
        Ok(true)
    }
}
