//! What is known across transfers: a folder of small JSON files, each replaced as a whole,
//! and a log of the many that would be too small for a file each.
//!
//! ```text
//! transfers/HASH.json    one transfer: what, where, how far                     (listing)
//! receipts/HASH.json     one finished file: what it is and what was verified    (receipt)
//! receipts.log           the same of small files, a line each                   (receipt_log)
//! hosts/HASH.json        one origin: how many connections it serves             (hosts)
//! uploads/HASH.lhlog     one upload: its journal, and a lock while it runs      (uploads)
//! sent/HASH.json         one finished upload                                    (sent)
//! spool/HASH             input without a name, as it is uploaded                (spool)
//! wishes/ID.json         what another process wishes of a running transfer      (wishes)
//! ```
//!
//! Of downloads it never decides where bytes go: the journal beside the target must agree. So a damaged file here is
//! skipped with a warning, and losing all of them loses no byte. Journals of uploads are here and nowhere else: they
//! know what was left in a store. Files are 0600 in folders 0700; links are not followed; what another user owns or may
//! write to is not read; what is read whole has at most 16 MiB.

use super::receipt_log::ReceiptLog;
use crate::disk::error::{DiskError, Result};
use crate::disk::folder::Folder;
use crate::disk::platform;
use crate::hex::hex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Larger files are none of ours: a receipt of 8192 blocks has less than 1 MiB.
const FILE_LEN_MAX: u64 = 16 << 20;
/// How many files of a kind are listed.
const FILES_MAX: usize = 100_000;
/// Ending of the files that count; temporary ones end otherwise.
const ENDING: &str = ".json";

/// The state directory.
#[derive(Debug)]
pub(crate) struct StateDir {
    pub(super) transfers: Shelf,
    pub(super) receipts: Shelf,
    pub(super) receipt_log: ReceiptLog,
    pub(super) hosts: Shelf,
    pub(super) sent: Shelf,
    pub(super) wishes: Shelf,
    pub(super) uploads: Arc<Folder>,
    pub(super) spool: Arc<Folder>,
    had_notes: bool,
}

impl StateDir {
    /// Opens it, creating it (0700) and its parents where they are missing. `Denied` when it, or a folder in it,
    /// belongs to another user: what is in it would decide what is sent where.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let root = Folder::create(path, 0o700)?.ours()?;
        let subfolder = |name| root.private_subfolder(name).and_then(Folder::ours);
        let shelf = |name| subfolder(name).map(|folder| Shelf { folder });
        let (transfers, receipts, hosts) = (shelf("transfers")?, shelf("receipts")?, shelf("hosts")?);
        let (sent, wishes) = (shelf("sent")?, shelf("wishes")?);
        let (uploads, spool) = (subfolder("uploads")?, subfolder("spool")?);
        let (uploads, spool) = (Arc::new(uploads), Arc::new(spool));
        let had_notes = !transfers.folder.list(1)?.is_empty();
        Ok(Self {
            transfers,
            receipts,
            hosts,
            sent,
            wishes,
            uploads,
            spool,
            receipt_log: ReceiptLog::new(root),
            had_notes,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.receipt_log.folder().path()
    }

    /// Whether a transfer was noted when this was opened. Where none was, a transfer that wrote no note has none to
    /// remove: with many small files that saves a look for each.
    pub(crate) fn had_notes(&self) -> bool {
        self.had_notes
    }
}

/// A file that was skipped, and why.
#[derive(Debug)]
pub(crate) struct Skipped {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Why it cannot be used.
    pub(crate) why: String,
}

/// Readable files by name, and what had to be skipped.
pub(super) type Shelved<T> = (Vec<(String, T)>, Vec<Skipped>);

/// A folder of JSON files of one kind.
#[derive(Debug)]
pub(super) struct Shelf {
    folder: Folder,
}

impl Shelf {
    /// Writes `NAME.json` as a whole: another process sees the old content or the new one. With `durable` it survives
    /// a power cut once this returns; without, a power cut may leave the old content, none, or a damaged file.
    pub(super) fn put(&self, name: &str, value: &impl Serialize, durable: bool) -> Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let to = OsString::from(format!("{name}{ENDING}"));
        let failed = |e: std::io::Error| DiskError::io("write", &self.folder.path_of(&to), e);
        let bytes = serde_json::to_vec_pretty(value).map_err(|e| failed(e.into()))?;
        // Two processes may write the same entry: each has a temporary file of its own.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temp = OsString::from(format!("{name}.{}-{count}~", std::process::id()));
        let mut file = self.folder.create_file_anew(&temp)?;
        let result = (|| {
            file.write_all(&bytes).map_err(failed)?;
            if durable {
                platform::sync_data(&file).map_err(failed)?;
            }
            self.folder.rename(&temp, &to)
        })();
        if result.is_err() {
            let _ = self.folder.remove(&temp); // best effort: `sweep` finds it
            return result;
        }
        if durable { self.folder.sync() } else { Ok(()) }
    }

    /// Reads `NAME.json`: `None` when it is not there, the outer error when it cannot be read, the inner one when it is
    /// damaged.
    pub(super) fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<std::result::Result<T, Skipped>>> {
        let file = OsString::from(format!("{name}{ENDING}"));
        let Some(bytes) = self.folder.read_own(&file, FILE_LEN_MAX)? else { return Ok(None) };
        let skipped = |e: serde_json::Error| Skipped { path: self.folder.path_of(&file), why: e.to_string() };
        Ok(Some(serde_json::from_slice(&bytes).map_err(skipped)))
    }

    /// Everything that can be read, with the names, sorted; and what had to be skipped.
    pub(super) fn all<T: DeserializeOwned>(&self) -> Result<Shelved<T>> {
        let mut names = self.folder.list(FILES_MAX)?;
        names.sort();
        let (mut values, mut skipped) = (Vec::new(), Vec::new());
        for name in names.iter().filter_map(|name| name.to_str()?.strip_suffix(ENDING)) {
            match self.get(name) {
                Ok(Some(Ok(value))) => values.push((name.to_owned(), value)),
                Ok(Some(Err(damaged))) => skipped.push(damaged),
                Ok(None) => {} // removed meanwhile
                Err(e) => {
                    let path = self.folder.path_of(OsStr::new(&format!("{name}{ENDING}")));
                    skipped.push(Skipped { path, why: e.to_string() });
                }
            }
        }
        Ok((values, skipped))
    }

    /// When a file last came, was replaced or went: nanoseconds since the Unix epoch.
    pub(super) fn changed(&self) -> Option<i64> {
        self.folder.modified_ns()
    }

    /// Removes `NAME.json`; whether there was one.
    pub(super) fn remove(&self, name: &str) -> Result<bool> {
        self.folder.remove(OsStr::new(&format!("{name}{ENDING}")))
    }

    /// Removes temporary files that were last changed before `before_ns` (nanoseconds since the Unix epoch): what
    /// processes left that died while writing.
    pub(super) fn sweep(&self, before_ns: i64) -> Result<()> {
        for name in self.folder.list(FILES_MAX)? {
            let old = || Ok(self.folder.look(&name)?.is_some_and(|e| e.facts.mtime_ns < before_ns));
            if name.as_bytes().ends_with(b"~") && old()? {
                self.folder.remove(&name)?;
            }
        }
        Ok(())
    }
}

/// A path in JSON: text where it is UTF-8, else its bytes in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredPath {
    /// A path that is text.
    Text(String),
    /// One that is not.
    Bytes {
        /// Its bytes.
        hex: String,
    },
}

impl From<&Path> for StoredPath {
    fn from(path: &Path) -> Self {
        match path.to_str() {
            Some(text) => Self::Text(text.into()),
            None => Self::Bytes { hex: hex(path.as_os_str().as_bytes()) },
        }
    }
}

impl StoredPath {
    /// The path; `None` when the digits are none.
    pub(crate) fn to_path(&self) -> Option<PathBuf> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Bytes { hex } => Some(OsString::from_vec(unhex(hex)?).into()),
        }
    }
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|p| Some(digit(*p.first()?)? << 4 | digit(*p.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Thing {
        n: u32,
    }

    #[test]
    fn it_is_created_private_with_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/state");
        let state = StateDir::open(&path).unwrap();
        state.transfers.put("t", &Thing { n: 1 }, true).unwrap();
        let mode = |p: &str| path.join(p).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(""), mode("transfers"), mode("receipts"), mode("transfers/t.json")),
            (0o700, 0o700, 0o700, 0o600)
        );
        StateDir::open(&path).unwrap();
    }

    #[test]
    fn a_value_is_replaced_whole_and_unknown_fields_do_not_disturb() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = StateDir::open(dir.path()).unwrap().transfers;
        shelf.put("t", &Thing { n: 1 }, false).unwrap();
        shelf.put("t", &Thing { n: 2 }, true).unwrap();
        assert_eq!(shelf.get::<Thing>("t").unwrap().unwrap().unwrap(), Thing { n: 2 });
        std::fs::write(dir.path().join("transfers/t.json"), br#"{"n": 3, "later": [1]}"#).unwrap();
        assert_eq!(shelf.get::<Thing>("t").unwrap().unwrap().unwrap(), Thing { n: 3 });
        assert!(shelf.get::<Thing>("none").unwrap().is_none());
        assert!(shelf.remove("t").unwrap() && !shelf.remove("t").unwrap());
        assert_eq!(std::fs::read_dir(dir.path().join("transfers")).unwrap().count(), 0);
    }

    #[test]
    fn damaged_files_links_and_giants_are_skipped_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = StateDir::open(dir.path()).unwrap().receipts;
        let path = |name: &str| dir.path().join("receipts").join(name);
        shelf.put("good", &Thing { n: 1 }, false).unwrap();
        std::fs::write(path("cut.json"), b"{\"n\":").unwrap();
        std::fs::write(path("empty.json"), b"").unwrap();
        std::fs::write(path("raw.json"), [0xff; 9]).unwrap();
        std::fs::write(path("other.txt"), b"").unwrap();
        std::fs::write(path("x.1-2~"), b"").unwrap();
        symlink("good.json", path("link.json")).unwrap();
        std::fs::create_dir(path("dir.json")).unwrap();
        std::fs::File::create(path("giant.json")).unwrap().set_len(FILE_LEN_MAX + 1).unwrap();
        let (values, skipped) = shelf.all::<Thing>().unwrap();
        assert_eq!(values, [("good".to_owned(), Thing { n: 1 })]);
        let names: Vec<_> = skipped.iter().map(|s| s.path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["cut.json", "dir.json", "empty.json", "giant.json", "link.json", "raw.json"]);
        assert!(skipped.iter().all(|s| !s.why.is_empty()));
        shelf.sweep(i64::MAX).unwrap();
        assert!(!path("x.1-2~").exists() && path("good.json").exists());
    }

    #[test]
    fn a_link_in_place_of_a_shelf_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/", dir.path().join("receipts")).unwrap();
        assert!(StateDir::open(dir.path()).is_err());
    }

    #[test]
    fn every_path_can_be_stored() {
        for bytes in [&b"/a/b c"[..], "/\u{e9}".as_bytes(), b"/\xff\xfe", b""] {
            let path = Path::new(OsStr::from_bytes(bytes));
            let json = serde_json::to_string(&StoredPath::from(path)).unwrap();
            assert_eq!(serde_json::from_str::<StoredPath>(&json).unwrap().to_path().unwrap(), path);
        }
        assert_eq!(StoredPath::Bytes { hex: "f".into() }.to_path(), None);
        assert_eq!(StoredPath::Bytes { hex: "\u{e9}".into() }.to_path(), None);
    }
}
