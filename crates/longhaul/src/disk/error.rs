//! What went wrong on the disk: one error that names the file and what was tried, and the core's word for it.

use longhaul_core::step::DiskFault;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of every call of the disk half.
pub(crate) type Result<T> = std::result::Result<T, DiskError>;

/// A failed call: what was tried, on which file, why.
#[derive(Debug)]
pub(crate) struct DiskError {
    fault: DiskFault,
    doing: &'static str,
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    Said(&'static str),
    Held(Option<u32>),
}

impl DiskError {
    /// The system refused: the fault follows from the error.
    pub(crate) fn io(doing: &'static str, path: &Path, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        Self { fault: fault_of(&error), doing, path: path.into(), why: Why::Io(error) }
    }

    /// We refuse, for a reason in words.
    pub(crate) fn said(fault: DiskFault, doing: &'static str, path: &Path, why: &'static str) -> Self {
        Self { fault, doing, path: path.into(), why: Why::Said(why) }
    }

    /// Another process (its number, where it can be told) holds the file.
    pub(crate) fn held(path: &Path, holder: Option<u32>) -> Self {
        Self { fault: DiskFault::InUse, doing: "lock", path: path.into(), why: Why::Held(holder) }
    }

    /// The core's word for it.
    pub(crate) fn fault(&self) -> DiskFault {
        self.fault
    }

    /// The file or folder that it is about.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What helps against a limit that was met, where the fault alone does not say it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        use rustix::io::Errno;
        let Why::Io(error) = &self.why else { return None };
        match Errno::from_raw_os_error(error.raw_os_error()?) {
            Errno::FBIG => Some(
                "no file may become that long here: raise the limit (ulimit -f), or choose a file system that allows it \
                 (vfat ends at 4 GiB)",
            ),
            Errno::MFILE => Some("allow more open files (ulimit -n), or transfer fewer at once"),
            Errno::NFILE => {
                Some("the system has no more open files to give; end other programs, or transfer fewer at once")
            }
            _ => None,
        }
    }

    /// The process that holds the transfer, when the fault is `InUse` and it can be told.
    pub(crate) fn holder(&self) -> Option<u32> {
        match self.why {
            Why::Held(holder) => holder,
            _ => None,
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: ", self.doing, self.path.display())?;
        match &self.why {
            Why::Io(error) => write!(f, "{error}"),
            Why::Said(why) => f.write_str(why),
            Why::Held(Some(pid)) => write!(f, "process {pid} is working on it"),
            Why::Held(None) => f.write_str("another process is working on it"),
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// The core's word for an error of the system.
pub(crate) fn fault_of(error: &io::Error) -> DiskFault {
    use io::ErrorKind as K;
    match error.kind() {
        K::StorageFull | K::QuotaExceeded => DiskFault::NoSpace,
        K::ReadOnlyFilesystem => DiskFault::ReadOnly,
        K::PermissionDenied => DiskFault::Denied,
        K::AlreadyExists | K::IsADirectory | K::DirectoryNotEmpty => DiskFault::Exists,
        K::Unsupported | K::InvalidFilename => DiskFault::Unsupported,
        _ => match error.raw_os_error() {
            Some(code) => match rustix::io::Errno::from_raw_os_error(code) {
                // A symbolic link where we asked for none: something stands at the name.
                rustix::io::Errno::LOOP => DiskFault::Exists,
                rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOLCK => DiskFault::Unsupported,
                _ => DiskFault::Io,
            },
            None => DiskFault::Io,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn errors_of_the_system_have_one_word_each() {
        for (errno, want) in [
            (Errno::NOSPC, DiskFault::NoSpace),
            (Errno::DQUOT, DiskFault::NoSpace),
            (Errno::FBIG, DiskFault::Io),
            (Errno::MFILE, DiskFault::Io),
            (Errno::ROFS, DiskFault::ReadOnly),
            (Errno::ACCESS, DiskFault::Denied),
            (Errno::PERM, DiskFault::Denied),
            (Errno::EXIST, DiskFault::Exists),
            (Errno::ISDIR, DiskFault::Exists),
            (Errno::LOOP, DiskFault::Exists),
            (Errno::NAMETOOLONG, DiskFault::Unsupported),
            (Errno::OPNOTSUPP, DiskFault::Unsupported),
            (Errno::NOLCK, DiskFault::Unsupported),
            (Errno::IO, DiskFault::Io),
            (Errno::NOENT, DiskFault::Io),
        ] {
            assert_eq!(fault_of(&errno.into()), want, "{errno:?}");
        }
    }

    #[test]
    fn messages_name_the_file_and_the_holder() {
        let path = Path::new("a/b.lhpart");
        assert_eq!(DiskError::held(path, Some(7)).to_string(), "cannot lock a/b.lhpart: process 7 is working on it");
        assert_eq!(DiskError::held(path, Some(7)).holder(), Some(7));
        assert!(
            DiskError::io("write", path, Errno::NOSPC).to_string().starts_with("cannot write a/b.lhpart: No space")
        );
    }
}
