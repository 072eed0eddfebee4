//! `--ready-file`: a file that is there for as long as a store or a daemon can be used.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};

/// No ready file is longer; what is longer is the user's.
const BYTES_MAX: u64 = 64 << 10;

/// The place of a ready file, empty.
pub(super) struct ReadyFile(PathBuf);

/// A ready file that is there, until it is dropped.
pub(super) struct Written {
    path: PathBuf,
    line: String,
}

impl ReadyFile {
    /// Removes what one that was killed left there.
    ///
    /// # Errors
    /// When something else is there, which is not touched.
    pub(super) fn reserve(path: &Path) -> Result<ReadyFile, Failure> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unusable(path, &error)),
            Ok(found) if found.is_file() && found.len() <= BYTES_MAX && is_ready_line(path) => {
                fs::remove_file(path).map_err(|error| unusable(path, &error))?;
            }
            Ok(_) => {
                let message = format!("{} exists and is no ready file; name another", path.display());
                return Err(Failure::new(Exit::LocalFile, "exists", message));
            }
        }
        Ok(ReadyFile(path.to_owned()))
    }

    /// Writes it, whole or not at all, for the user alone: it has a secret in it.
    pub(super) fn write(self, line: &str) -> Result<Written, Failure> {
        let ReadyFile(path) = self;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = (|| {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(line.as_bytes())?;
            file.persist(&path).map_err(|error| error.error)
        })();
        match written {
            Ok(_) => Ok(Written { path, line: line.to_owned() }),
            Err(error) => Err(unusable(&path, &error)),
        }
    }
}

/// Another one may have taken the place meanwhile; its file stays.
impl Drop for Written {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.line) {
            let _ = fs::remove_file(&self.path); // the next one takes it for one that was left
        }
    }
}

fn is_ready_line(path: &Path) -> bool {
    let value = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
    value.is_some_and(|value| value["event"] == "ready")
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    let message = format!("cannot write the ready file {} ({error})", path.display());
    Failure::new(Exit::LocalFile, "local_file", message)
}
