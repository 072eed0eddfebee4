//! One bucket: its objects in memory as an index, on disk as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::upload::{Upload, UploadFacts};
use super::{Draft, Segment, folder_of, not_understood, replace, sync_folder, write_durably};
use crate::oss::cors::Cors;
use crate::oss::labels::{Acl, Labels};

/// What lies in a bucket's folder beside its file.
pub(super) const FOLDERS: [&str; 3] = ["objects", "data", "uploads"];
/// Commits of different keys seldom wait for each other.
const LOCKS: usize = 64;

/// What is known of a bucket beside its objects.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BucketFacts {
    pub(crate) created_ms: i64,
    pub(crate) acl: Acl,
    pub(crate) storage_class: String,
    /// The XML as it was put.
    #[serde(default)]
    pub(crate) lifecycle: Option<String>,
    #[serde(default)]
    pub(crate) cors: Option<Cors>,
}

impl BucketFacts {
    /// A private bucket that was just made.
    pub(crate) fn new(created_ms: i64) -> BucketFacts {
        BucketFacts { created_ms, acl: Acl::Private, storage_class: "Standard".to_owned(), lifecycle: None, cors: None }
    }
}

/// How an object came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Normal,
    Multipart,
    Appendable,
}

/// What is known of an object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ObjectFacts {
    pub(crate) key: String,
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) crc64: u64,
    /// Base64; of normal objects only.
    #[serde(default)]
    pub(crate) content_md5: Option<String>,
    pub(crate) modified_ms: i64,
    pub(crate) kind: Kind,
    pub(crate) storage_class: String,
    /// Content fields and `x-oss-meta-*`, as they are sent back.
    pub(crate) headers: Vec<(String, String)>,
    /// The upload that it was completed from.
    #[serde(default)]
    pub(crate) upload: Option<String>,
    #[serde(default, flatten)]
    pub(crate) labels: Labels,
}

/// How an object stands in its file.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(flatten)]
    facts: ObjectFacts,
    segments: Vec<(String, u64)>,
}

/// One version of an object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) facts: ObjectFacts,
    pub(crate) segments: Vec<Arc<Segment>>,
}

impl Object {
    /// Whether the bytes of this range are there, as far as can be seen without reading them. A power cut takes some
    /// from a store that does not sync.
    ///
    /// # Errors
    /// When a file is missing, has another length, or is none.
    pub(crate) fn check(&self, range: &std::ops::Range<u64>) -> io::Result<()> {
        let mut start = 0;
        for segment in &self.segments {
            let end = start + segment.len;
            if start < range.end && range.start < end {
                let found = fs::symlink_metadata(&segment.path)?;
                if !found.is_file() || found.len() != segment.len {
                    return Err(io::ErrorKind::InvalidData.into());
                }
            }
            start = end;
        }
        Ok(())
    }
}

fn doom_but(segments: &[Arc<Segment>], kept: &[Arc<Segment>]) {
    let kept: BTreeSet<&str> = kept.iter().map(|segment| segment.name.as_str()).collect();
    for segment in segments.iter().filter(|segment| !kept.contains(segment.name.as_str())) {
        segment.doom();
    }
}

/// Why an object was not published.
pub(crate) enum Unpublished {
    /// The condition of the caller did not hold.
    Refused,
    /// The bucket was removed meanwhile.
    NoBucket,
    /// What was there before is there.
    Disk(io::Error),
    /// It is there, but a power cut may bring back what was there before.
    InDoubt(io::Error),
}

impl From<io::Error> for Unpublished {
    fn from(error: io::Error) -> Self {
        Unpublished::Disk(error)
    }
}

/// A bucket.
pub(crate) struct Bucket {
    pub(crate) name: String,
    folder: PathBuf,
    pub(super) sync: bool,
    facts: RwLock<BucketFacts>,
    objects: RwLock<BTreeMap<String, Arc<Object>>>,
    uploads: RwLock<BTreeMap<(String, String), Arc<Upload>>>,
    locks: [Mutex<()>; LOCKS],
    /// Until it is removed. Read while an object is added, so that none is added to a bucket that is being removed.
    stands: RwLock<bool>,
}

impl Bucket {
    pub(super) fn make(name: &str, folder: &Path, facts: BucketFacts, sync: bool) -> io::Result<Bucket> {
        for inner in FOLDERS {
            fs::create_dir_all(folder.join(inner))?;
        }
        let bucket = Bucket::with(name, folder, facts, sync);
        // With this file the bucket exists.
        bucket.set_facts(|_| {})?;
        sync_folder(folder.parent().unwrap_or(folder), sync)?;
        Ok(bucket)
    }

    fn with(name: &str, folder: &Path, facts: BucketFacts, sync: bool) -> Bucket {
        Bucket {
            name: name.to_owned(),
            folder: folder.to_owned(),
            sync,
            facts: RwLock::new(facts),
            objects: RwLock::default(),
            uploads: RwLock::default(),
            locks: std::array::from_fn(|_| Mutex::new(())),
            stands: RwLock::new(true),
        }
    }

    /// `None` when its making was never finished.
    pub(super) fn open(name: &str, folder: &Path, sync: bool) -> io::Result<Option<Bucket>> {
        let file = folder.join("bucket.json");
        let facts = match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| not_understood(&file, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        for inner in FOLDERS {
            let path = folder.join(inner);
            // A link would let keys out of the folder.
            if !fs::symlink_metadata(&path)?.is_dir() {
                return Err(not_understood(&path, "it is no folder"));
            }
        }
        let bucket = Bucket::with(name, folder, facts, sync);
        bucket.read_objects()?;
        bucket.sweep_data()?;
        bucket.read_uploads()?;
        Ok(Some(bucket))
    }

    fn read_objects(&self) -> io::Result<()> {
        let mut objects = BTreeMap::new();
        for entry in fs::read_dir(self.folder.join("objects"))? {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                fs::remove_file(&path)?; // never renamed
                continue;
            }
            let record: Record =
                serde_json::from_slice(&fs::read(&path)?).map_err(|error| not_understood(&path, error))?;
            if self.record_path(&record.facts.key) != path {
                return Err(not_understood(&path, "it belongs to another key"));
            }
            let mut segments = Vec::new();
            for (name, len) in record.segments {
                let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
                if name.split('/').count() > 2 || !name.split('/').all(plain) {
                    return Err(not_understood(&path, "a segment has no name of ours"));
                }
                let path = self.data().join(&name);
                segments.push(Arc::new(Segment::new(name, path, len)));
            }
            objects.insert(record.facts.key.clone(), Arc::new(Object { facts: record.facts, segments }));
        }
        *self.objects.write().unwrap_or_else(PoisonError::into_inner) = objects;
        Ok(())
    }

    /// Removes what no object names; gives uploads back whose completion did not get as far as its object.
    fn sweep_data(&self) -> io::Result<()> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let named: BTreeSet<&str> =
            objects.values().flat_map(|object| &object.segments).map(|segment| segment.name.as_str()).collect();
        for entry in fs::read_dir(self.data())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_dir() {
                if !named.contains(name.as_str()) {
                    fs::remove_file(entry.path())?;
                }
                continue;
            }
            let inside = format!("{name}/");
            if named.range(inside.as_str()..).next().is_some_and(|first| first.starts_with(&inside)) {
                for file in fs::read_dir(entry.path())? {
                    let file = file?;
                    if !named.contains(format!("{inside}{}", file.file_name().to_string_lossy()).as_str()) {
                        fs::remove_file(file.path())?;
                    }
                }
            } else if entry.path().join(Upload::FILE).exists() {
                fs::rename(entry.path(), self.uploads_folder().join(&name))?;
            } else {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn read_uploads(&self) -> io::Result<()> {
        let mut uploads = BTreeMap::new();
        for entry in fs::read_dir(self.uploads_folder())? {
            let entry = entry?;
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                return Err(not_understood(&path, "it is no folder"));
            }
            match Upload::open(&path, self.sync)? {
                Some(upload) => {
                    uploads.insert((upload.facts.key.clone(), upload.id.clone()), Arc::new(upload));
                }
                None => fs::remove_dir_all(&path)?,
            }
        }
        *self.uploads.write().unwrap_or_else(PoisonError::into_inner) = uploads;
        Ok(())
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn uploads_folder(&self) -> PathBuf {
        self.folder.join("uploads")
    }

    fn record_path(&self, key: &str) -> PathBuf {
        let hash: String = Sha256::digest(key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join("objects").join(format!("{hash}.json"))
    }

    pub(crate) fn facts(&self) -> BucketFacts {
        self.facts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_facts(&self, change: impl FnOnce(&mut BucketFacts)) -> io::Result<()> {
        let stands = self.stands();
        if !*stands {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut facts = self.facts.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = facts.clone();
        change(&mut changed);
        let text = serde_json::to_vec_pretty(&changed).map_err(io::Error::other)?;
        write_durably(&self.folder.join("bucket.json"), &text, self.sync)?;
        *facts = changed;
        Ok(())
    }

    pub(crate) fn object(&self, key: &str) -> Option<Arc<Object>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Objects with a key behind `after` in order, for as long as the caller wants more.
    pub(crate) fn scan(&self, from: &str, mut each: impl FnMut(&Arc<Object>) -> bool) {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        for object in objects.range(from.to_owned()..).map(|(_, object)| object) {
            if !each(object) {
                return;
            }
        }
    }

    pub(crate) fn upload(&self, key: &str, id: &str) -> Option<Arc<Upload>> {
        let uploads = self.uploads.read().unwrap_or_else(PoisonError::into_inner);
        uploads.get(&(key.to_owned(), id.to_owned())).cloned()
    }

    /// All uploads in progress, by key, then id.
    pub(crate) fn uploads(&self) -> Vec<Arc<Upload>> {
        self.uploads.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// `None` when the bucket was removed meanwhile.
    pub(crate) fn make_upload(&self, facts: UploadFacts) -> io::Result<Option<Arc<Upload>>> {
        let stands = self.stands();
        if !*stands {
            return Ok(None);
        }
        let upload = Arc::new(Upload::make(&self.uploads_folder(), facts, self.sync)?);
        let mut uploads = self.uploads.write().unwrap_or_else(PoisonError::into_inner);
        uploads.insert((upload.facts.key.clone(), upload.id.clone()), upload.clone());
        Ok(Some(upload))
    }

    pub(super) fn forget_upload(&self, upload: &Upload) {
        let mut uploads = self.uploads.write().unwrap_or_else(PoisonError::into_inner);
        uploads.remove(&(upload.facts.key.clone(), upload.id.clone()));
    }

    /// Makes a version of an object the current one, if the caller still agrees when it sees the one before.
    /// Durable when it returns. When it fails, segments that are in no object go.
    pub(crate) fn publish(
        &self,
        object: Object,
        agree: impl FnOnce(Option<&Arc<Object>>) -> bool,
    ) -> Result<Arc<Object>, Unpublished> {
        let committing = self.lock_key(&object.facts.key);
        let (key, segments) = (object.facts.key.clone(), object.segments.clone());
        let published = self.commit(object, agree, &committing);
        if matches!(published, Err(Unpublished::Refused | Unpublished::NoBucket | Unpublished::Disk(_))) {
            doom_but(&segments, self.object(&key).as_ref().map_or(&[], |object| &object.segments));
        }
        published
    }

    /// The same for who holds the lock of the key and minds the segments.
    pub(super) fn commit(
        &self,
        object: Object,
        agree: impl FnOnce(Option<&Arc<Object>>) -> bool,
        _committing: &MutexGuard<'_, ()>,
    ) -> Result<Arc<Object>, Unpublished> {
        let stands = self.stands();
        if !*stands {
            return Err(Unpublished::NoBucket);
        }
        let before = self.object(&object.facts.key);
        if !agree(before.as_ref()) {
            return Err(Unpublished::Refused);
        }
        sync_folder(&self.data(), self.sync)?;
        let segments = object.segments.iter().map(|segment| (segment.name.clone(), segment.len)).collect();
        let record = Record { facts: object.facts.clone(), segments };
        let text = serde_json::to_vec(&record).map_err(io::Error::other)?;
        let path = self.record_path(&object.facts.key);
        replace(&path, &text, self.sync)?;
        let durable = sync_folder(folder_of(&path), self.sync);
        let object = Arc::new(object);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        objects.insert(object.facts.key.clone(), object.clone());
        drop(objects);
        // Should the name not have reached the disk, the bytes of both versions are needed.
        durable.map_err(Unpublished::InDoubt)?;
        if let Some(before) = before {
            doom_but(&before.segments, &object.segments);
        }
        Ok(object)
    }

    /// Changes what is said of an object, and nothing of its bytes; `false` when there is none.
    pub(crate) fn amend(&self, key: &str, change: impl FnOnce(&mut Labels)) -> Result<bool, Unpublished> {
        let committing = self.lock_key(key);
        let Some(before) = self.object(key) else { return Ok(false) };
        let mut facts = before.facts.clone();
        change(&mut facts.labels);
        self.commit(Object { facts, segments: before.segments.clone() }, |_| true, &committing)?;
        Ok(true)
    }

    fn stands(&self) -> RwLockReadGuard<'_, bool> {
        self.stands.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes an object; whether there was one.
    pub(crate) fn remove(&self, key: &str) -> io::Result<bool> {
        let _committing = self.lock_key(key);
        let Some(before) = self.object(key) else { return Ok(false) };
        match fs::remove_file(self.record_path(key)) {
            // Removed before, by a call that could not be sure of it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        sync_folder(&self.folder.join("objects"), self.sync)?;
        self.objects.write().unwrap_or_else(PoisonError::into_inner).remove(key);
        for segment in &before.segments {
            segment.doom();
        }
        Ok(true)
    }

    /// The same bytes under another name, for a copy: linked where the file system can, else copied.
    pub(crate) fn share(&self, source: &Object) -> io::Result<Vec<Arc<Segment>>> {
        let mut shared: Vec<Arc<Segment>> = Vec::new();
        let made = (|| {
            for segment in &source.segments {
                let draft = Draft::new(&self.data())?;
                fs::remove_file(draft.path())?;
                let made = match fs::hard_link(&segment.path, draft.path()) {
                    Ok(()) => draft.finish(segment.len, false)?,
                    Err(_) => {
                        let mut copy = Draft::new(&self.data())?;
                        copy.copy_from(std::slice::from_ref(segment), 0, segment.len)?;
                        copy.finish(segment.len, self.sync)?
                    }
                };
                shared.push(Arc::new(made));
            }
            Ok(())
        })();
        if made.is_err() {
            shared.iter().for_each(|segment| segment.doom());
        }
        made.map(|()| shared)
    }

    /// Forbids further use if it is empty.
    pub(super) fn close_if_empty(&self) -> io::Result<bool> {
        let mut stands = self.stands.write().unwrap_or_else(PoisonError::into_inner);
        let objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        let uploads = self.uploads.write().unwrap_or_else(PoisonError::into_inner);
        if !objects.is_empty() || !uploads.is_empty() {
            return Ok(false);
        }
        // Without this file it is no bucket any more, even if other files of it are left.
        fs::remove_file(self.folder.join("bucket.json"))?;
        *stands = false;
        Ok(true)
    }

    pub(crate) fn count(&self) -> (usize, u64) {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        (objects.len(), objects.values().map(|object| object.facts.size).sum())
    }

    pub(super) fn lock_key(&self, key: &str) -> MutexGuard<'_, ()> {
        let at = key.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
        self.locks[at % LOCKS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
