//! What is in a store when it begins? Buckets, files that are put into them, faults, variants and the clock. A test that
//! wants the next one to begin alike resets the running store to that.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{Bucket, BucketFacts};
use super::lifecycle;
use super::stock;
use super::store::Store;
use super::target::{is_bucket_name, is_key};

/// How often a reset tries to empty a bucket that clients go on filling.
const SWEEPS: usize = 10;

/// What a reset leaves as it is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// Buckets, objects and uploads.
    pub(crate) objects: bool,
    pub(crate) faults: bool,
    pub(crate) clock: bool,
    pub(crate) variants: bool,
    pub(crate) log: bool,
}

impl Keep {
    /// Reads `objects,clock`.
    ///
    /// # Errors
    /// In words, naming what there is.
    pub(crate) fn from_words(words: &str) -> Result<Keep, String> {
        let mut keep = Keep::default();
        for word in words.split(',').filter(|word| !word.is_empty()) {
            match word {
                "objects" => keep.objects = true,
                "faults" => keep.faults = true,
                "clock" => keep.clock = true,
                "variants" => keep.variants = true,
                "log" => keep.log = true,
                _ => return Err(format!("a reset can keep objects, faults, clock, variants and log, not {word}")),
            }
        }
        Ok(keep)
    }
}

/// Makes what is missing in a store that begins.
///
/// # Errors
/// `InvalidInput` for what was given wrongly; what the disk says.
pub(crate) fn set_up(store: &Store) -> io::Result<()> {
    set_clock(store);
    set_variants(store)?;
    add_faults(store)?;
    stock_up(store)
}

/// Brings a running store back to its beginning. Keys stay: a program that was given one goes on using it.
///
/// # Errors
/// What the disk says; then some of it may be done.
pub(crate) fn reset(store: &Store, keep: Keep) -> io::Result<()> {
    if !keep.faults {
        store.faults.remove(None);
    }
    if !keep.variants {
        for (name, _, values) in store.variants.list() {
            store.variants.choose(name, values[0]).map_err(invalid)?;
        }
        set_variants(store)?;
    }
    if !keep.clock {
        set_clock(store);
    }
    if !keep.objects {
        for bucket in store.disk.buckets() {
            empty(store, &bucket)?;
        }
        stock_up(store)?;
    }
    if !keep.log {
        store.log.forget();
    }
    if !keep.faults {
        add_faults(store)?;
    }
    lifecycle::run(store);
    Ok(())
}

/// Removes a bucket with all that is in it.
///
/// # Errors
/// `ResourceBusy` when clients go on filling it; what the disk says.
pub(crate) fn empty(store: &Store, bucket: &Bucket) -> io::Result<()> {
    for _ in 0..SWEEPS {
        for upload in bucket.uploads() {
            bucket.abort(&upload)?;
        }
        let mut keys = Vec::new();
        bucket.scan("", |object| {
            keys.push(object.facts.key.clone());
            true
        });
        for key in keys {
            bucket.remove(&key)?;
        }
        if store.disk.remove_bucket(&bucket.name)? != Some(false) {
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, format!("clients go on filling the bucket {}", bucket.name)))
}

/// A bucket of that name, made now if there is none.
///
/// # Errors
/// `InvalidInput` for a name that no bucket can have; what the disk says.
pub(crate) fn bucket(store: &Store, name: &str) -> io::Result<std::sync::Arc<Bucket>> {
    if !is_bucket_name(name) {
        let rule = "3 to 63 lower-case letters, digits and hyphens, no hyphen at either end";
        return Err(invalid(format!("\"{name}\" is no name for a bucket ({rule})")));
    }
    store.disk.make_bucket(name, BucketFacts::new(store.clock.now_ms()))
}

fn set_clock(store: &Store) {
    store.clock.set_offset_ms(store.settings.beginning.clock_offset_ms);
}

fn set_variants(store: &Store) -> io::Result<()> {
    for (name, value) in &store.settings.beginning.variants {
        store.variants.choose(name, value).map_err(invalid)?;
    }
    Ok(())
}

fn add_faults(store: &Store) -> io::Result<()> {
    for rule in &store.settings.beginning.faults {
        store.faults.add(rule.clone()).map_err(invalid)?;
    }
    Ok(())
}

fn stock_up(store: &Store) -> io::Result<()> {
    for name in &store.settings.beginning.buckets {
        bucket(store, name)?;
    }
    for seed in &store.settings.beginning.seeds {
        match &seed.bucket {
            Some(name) => plant(store, name, &seed.folder)?,
            None => {
                for (name, path, is_folder) in entries(&seed.folder)? {
                    if !is_folder {
                        let path = path.display();
                        return Err(invalid(format!("{path} lies in no folder that could be its bucket")));
                    }
                    plant(store, &name, &path)?;
                }
            }
        }
    }
    Ok(())
}

/// Puts the files of a folder into a bucket. Keys that are there stay as they are.
fn plant(store: &Store, name: &str, folder: &Path) -> io::Result<()> {
    let bucket = bucket(store, name)?;
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for (name, path, is_folder) in entries(&folder)? {
            let key = format!("{prefix}{name}");
            if is_folder {
                folders.push((path, format!("{key}/")));
                continue;
            }
            if !is_key(&key) {
                return Err(invalid(format!("{}: its path is no name for an object", path.display())));
            }
            if bucket.object(&key).is_none() {
                let mut file = File::open(&path).map_err(|error| about(&path, &error))?;
                stock::put(store, &bucket, &key, &mut file, "Standard", stock::plain_headers())?;
            }
        }
    }
    Ok(())
}

/// Names, paths and whether they are folders, in order. Links to files count as files, links to folders as nothing: a
/// folder may hold a link to itself.
fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf, bool)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| about(folder, &error))? {
        let path = entry?.path();
        let is_folder = fs::symlink_metadata(&path)?.is_dir();
        if !is_folder && !fs::metadata(&path).map_err(|error| about(&path, &error))?.is_file() {
            continue;
        }
        let name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        let name = name.ok_or_else(|| invalid(format!("{}: its name is not UTF-8", path.display())))?;
        entries.push((name, path, is_folder));
    }
    entries.sort();
    Ok(entries)
}

fn about(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reset_keeps_is_named() {
        let keep = Keep::from_words("objects,clock").unwrap();
        assert!(keep.objects && keep.clock && !keep.faults && !keep.log && !keep.variants);
        assert!(Keep::from_words("").is_ok_and(|keep| !keep.objects));
        assert!(Keep::from_words("objets").unwrap_err().contains("objects, faults"));
    }
}
