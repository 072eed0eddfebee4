//! How do buckets lie on disk, and what survives a crash?
//!
//! ```text
//! DIR/lock                            held while a store runs
//! DIR/keys.json                       access keys, 0600
//! DIR/buckets/NAME/bucket.json        when made, ACL, lifecycle rules
//! DIR/buckets/NAME/objects/HASH.json  one object: key, headers, ETag, CRC, and which segments it is made of
//! DIR/buckets/NAME/data/ID            one segment: bytes that never change
//! DIR/buckets/NAME/data/UPLOAD/…      segments of an object that was uploaded in parts
//! DIR/buckets/NAME/uploads/UPLOAD/    an upload in progress: upload.json and one file a part
//! ```
//!
//! Keys never become paths: `HASH` is a digest of the key. An object exists when its JSON does, and that is written
//! beside, synced and renamed, after its segments were synced: when the process dies at any moment, there is the old
//! object or the new one. What no JSON names is swept away at the next start. A segment that is replaced while it is
//! being read stays until the last reader is done.

mod bucket;
mod segment;
#[cfg(test)]
mod tests;
mod upload;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use bucket::{Bucket, BucketFacts, Kind, Object, ObjectFacts, Unpublished};
pub(crate) use segment::{Draft, Segment};
pub(crate) use upload::{Added, Part, Upload, UploadFacts, UploadState};

use super::keys::random_hex;
use super::target::is_bucket_name;

/// What a store makes in its folder; and what file systems make in theirs.
const OURS: [&str; 5] = ["buckets", "lock", "keys.json", "callback-key.pem", "lost+found"];

/// The folder of a store.
pub(crate) struct Disk {
    root: PathBuf,
    sync: bool,
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    /// Held for the life of the store.
    lock: File,
}

impl Disk {
    /// Opens the folder, makes it if it is not there, and sweeps up what a crash left.
    ///
    /// # Errors
    /// When another store runs on it, when it cannot be used, when a file of it cannot be understood, when it is the
    /// folder of something else.
    pub(crate) fn open(root: &Path, sync: bool) -> io::Result<Disk> {
        let folder = root.join("buckets");
        make_folder(&folder, sync)?;
        // The lock is made before the first bucket. What is there without it is none of ours, and sweeping would be
        // destroying.
        if !root.join("lock").exists() && fs::read_dir(&folder)?.next().is_some() {
            return Err(not_understood(&folder, "it was not made by a store, and is not empty"));
        }
        let lock = private_file(&root.join("lock"))?;
        lock.try_lock().map_err(|error| {
            let why = match error {
                fs::TryLockError::WouldBlock => "another store runs on it".to_owned(),
                fs::TryLockError::Error(error) => error.to_string(),
            };
            io::Error::new(io::ErrorKind::ResourceBusy, format!("{}: {why}", root.display()))
        })?;
        sync_folder(root, sync)?;
        let mut buckets = BTreeMap::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            // What file managers leave about is no bucket.
            let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| is_bucket_name(name)) else {
                continue;
            };
            if !entry.file_type()?.is_dir() {
                return Err(not_understood(&path, "it is no folder"));
            }
            match Bucket::open(name, &path, sync)? {
                Some(bucket) => {
                    buckets.insert(name.to_owned(), Arc::new(bucket));
                }
                None => remove_remains(&path)?,
            }
        }
        Ok(Disk { root: root.to_owned(), sync, buckets: RwLock::new(buckets), lock })
    }

    /// Lets another store have the folder. This store must not use it afterwards.
    pub(crate) fn release(&self) {
        let _ = self.lock.unlock(); // the end of the process does it, too
    }

    /// Names in its folder that no store makes, in order; without those that a system or an editor hides.
    pub(crate) fn foreign_files(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !OURS.contains(&name.as_str()) && !name.ends_with(".new") && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    pub(crate) fn bucket(&self, name: &str) -> Option<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn buckets(&self) -> Vec<Arc<Bucket>> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Makes a bucket, or returns the one that is there.
    pub(crate) fn make_bucket(&self, name: &str, facts: BucketFacts) -> io::Result<Arc<Bucket>> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(name) {
            return Ok(bucket.clone());
        }
        let bucket = Arc::new(Bucket::make(name, &self.root.join("buckets").join(name), facts, self.sync)?);
        buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }

    /// Removes a bucket if it is empty. `None`: there is none of that name.
    pub(crate) fn remove_bucket(&self, name: &str) -> io::Result<Option<bool>> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get(name) else { return Ok(None) };
        if !bucket.close_if_empty()? {
            return Ok(Some(false));
        }
        buckets.remove(name);
        fs::remove_dir_all(self.root.join("buckets").join(name))?;
        sync_folder(&self.root.join("buckets"), self.sync)?;
        Ok(Some(true))
    }
}

/// Removes a bucket whose making was not finished, or its removal; only files that we made.
fn remove_remains(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if !bucket::FOLDERS.contains(&&*name) && !name.ends_with(".new") {
            return Err(not_understood(path, format_args!("it is no bucket, and has {name}, which is none of ours")));
        }
    }
    fs::remove_dir_all(path)
}

/// Makes a folder and those above it that are missing, durably.
fn make_folder(path: &Path, sync: bool) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(above, sync)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {}
        other => other?,
    }
    sync_folder(above, sync)
}

/// A name for a file that no other file has.
fn fresh_name() -> io::Result<String> {
    random_hex()
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Replaces a small file, so that after a crash it is the old one or the new one; the new one when this returns.
pub(crate) fn write_durably(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    replace(path, bytes, sync)?;
    sync_folder(folder_of(path), sync)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// The same, but for making the name durable. When this fails, it is the old one.
fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let folder = folder_of(path);
    let beside = folder.join(format!("{}.new", fresh_name()?));
    let written = (|| {
        let mut file = private_file(&beside)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_data()?;
        }
        fs::rename(&beside, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&beside); // it may not even be there; a start sweeps it up
        return Err(error);
    }
    Ok(())
}

/// Makes names in a folder durable.
fn sync_folder(folder: &Path, sync: bool) -> io::Result<()> {
    #[cfg(unix)]
    if sync {
        File::open(folder)?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = (folder, sync);
    Ok(())
}

fn not_understood(path: &Path, what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()))
}
