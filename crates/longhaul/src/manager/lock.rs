//! One program writes the list: the one that holds `manager.lock`. Its number stands in the file, for who comes second.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::advice::Advice;
use crate::error::{Disposition, Error, ErrorKind};

/// The right to write the list; it ends when this is dropped, and with the process.
#[derive(Debug)]
pub(super) struct ManagerLock {
    _file: File,
}

impl ManagerLock {
    /// Takes it.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] while another manager has it, with its process (`pid`) in the context.
    pub(super) fn take(state: &Path) -> Result<Self, Error> {
        let path = state.join("manager.lock");
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let failed = |error: std::io::Error| {
            let text = format!("{}: the list cannot be locked", path.display());
            Error::new(ErrorKind::LocalFile, Disposition::Permanent, text)
                .with("path", path.display())
                .advise(Advice::CheckDisk)
                .caused_by(error)
        };
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&mut file)),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.rewind().map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Which process has it now.
pub(super) fn holder(state: &Path) -> Option<u32> {
    let mut file = File::open(state.join("manager.lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => number_in(&mut file),
        _ => None,
    }
}

fn number_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn in_use(file: &mut File) -> Error {
    let pid = number_in(file);
    let by = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
    let error = Error::new(ErrorKind::InUse, Disposition::Temporary, format!("{by} manages the list of transfers"))
        .advise(Advice::WaitForOther);
    match pid {
        Some(pid) => error.with("pid", pid),
        None => error,
    }
}
