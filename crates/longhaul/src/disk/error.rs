//! What went wrong on the disk: one error that names the file and what was tried, and the core's word for it.

use longhaul_core::words::DiskFault;
use rustix::io::Errno;
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::advice::Advice;

/// The result of every call of the disk half.
pub(crate) type Result<T> = std::result::Result<T, DiskError>;

/// A failed call: what was tried, on which file, why.
#[derive(Debug)]
pub(crate) struct DiskError {
    fault: DiskFault,
    doing: &'static str,
    path: PathBuf,
    why: DiskCause,
}

#[derive(Debug)]
enum DiskCause {
    Io(io::Error),
    Said(Cow<'static, str>),
    /// The name is none that a file can have there.
    Name(String),
    Held(Option<u32>),
    /// The file system cannot lock, and going on without was not allowed.
    Unlockable,
    /// By a transfer of this program, of this.
    Ours(String),
    /// By a transfer of this batch, of this, and it is whole.
    Saved(String),
}

impl DiskError {
    /// The system refused: the fault follows from the error.
    pub(crate) fn io(doing: &'static str, path: &Path, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        Self { fault: fault_of(&error), doing, path: path.into(), why: DiskCause::Io(error) }
    }

    /// The system refused a call that has a name in it: perhaps for the name.
    pub(crate) fn named(doing: &'static str, path: &Path, error: Errno) -> Self {
        match refused_name(error, path) {
            Some(why) => Self { fault: DiskFault::Unsupported, doing, path: path.into(), why: DiskCause::Name(why) },
            None => Self::io(doing, path, error),
        }
    }

    /// The file system has no locks.
    pub(crate) fn unlockable(path: &Path) -> Self {
        Self { fault: DiskFault::Unsupported, doing: "lock", path: path.into(), why: DiskCause::Unlockable }
    }

    /// We refuse, for a reason in words.
    pub(crate) fn said(fault: DiskFault, doing: &'static str, path: &Path, why: impl Into<Cow<'static, str>>) -> Self {
        Self { fault, doing, path: path.into(), why: DiskCause::Said(why.into()) }
    }

    /// Another process (its number, where it can be told) holds the file.
    pub(crate) fn held(path: &Path, holder: Option<u32>) -> Self {
        Self { fault: DiskFault::InUse, doing: "lock", path: path.into(), why: DiskCause::Held(holder) }
    }

    /// Another transfer of this program holds the file; what that one is of.
    pub(crate) fn held_here(path: &Path, whose: String) -> Self {
        Self { fault: DiskFault::InUse, doing: "lock", path: path.into(), why: DiskCause::Ours(whose) }
    }

    /// Another download of the same batch was saved there; from where.
    pub(crate) fn saved_here(path: &Path, whose: String) -> Self {
        Self { fault: DiskFault::Exists, doing: "save as", path: path.into(), why: DiskCause::Saved(whose) }
    }

    /// Where another download of the same batch came from that was saved there.
    pub(crate) fn saved_by_us(&self) -> Option<&str> {
        match &self.why {
            DiskCause::Saved(whose) => Some(whose),
            _ => None,
        }
    }

    /// What the transfer of this program is of that holds the file.
    pub(crate) fn held_by_us(&self) -> Option<&str> {
        match &self.why {
            DiskCause::Ours(whose) => Some(whose),
            _ => None,
        }
    }

    /// Whether another name may help.
    pub(crate) fn is_for_its_name(&self) -> bool {
        matches!(self.why, DiskCause::Name(_))
    }

    /// The core's word for it.
    pub(crate) fn fault(&self) -> DiskFault {
        self.fault
    }

    /// The file or folder that it is about.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What helps, where the fault alone does not say it: against a limit that was met, and against a missing lock.
    pub(crate) fn advice(&self) -> Option<Advice> {
        let error = match &self.why {
            DiskCause::Io(error) => error,
            DiskCause::Unlockable => return Some(Advice::GoUnlocked),
            _ => return None,
        };
        match Errno::from_raw_os_error(error.raw_os_error()?) {
            Errno::FBIG => Some(Advice::AllowLongerFiles),
            Errno::MFILE | Errno::NFILE => Some(Advice::AllowMoreFiles),
            _ => None,
        }
    }

    /// The process that holds the transfer, when the fault is `InUse` and it can be told.
    pub(crate) fn holder(&self) -> Option<u32> {
        match self.why {
            DiskCause::Held(holder) => holder,
            _ => None,
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: ", self.doing, self.path.display())?;
        match &self.why {
            DiskCause::Io(error) => write!(f, "{error}"),
            DiskCause::Said(why) => f.write_str(why),
            DiskCause::Unlockable => f.write_str("the file system cannot lock"),
            DiskCause::Name(why) => f.write_str(why),
            DiskCause::Saved(whose) => write!(f, "{whose} was saved there just now"),
            DiskCause::Ours(_) => f.write_str("another transfer of this program is working on it"),
            DiskCause::Held(Some(pid)) if *pid == std::process::id() => {
                f.write_str("another transfer of this program is working on it")
            }
            DiskCause::Held(Some(pid)) => write!(f, "process {pid} is working on it"),
            DiskCause::Held(None) => f.write_str("another process is working on it"),
        }
    }
}

impl std::error::Error for DiskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            DiskCause::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a file system does not take a name, when that is what the error says.
fn refused_name(error: Errno, path: &Path) -> Option<String> {
    // What Windows has as separators, wildcards and streams (NTFS, FAT, SMB).
    const ODD: [char; 8] = [':', '*', '?', '"', '<', '>', '|', '\\'];
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let odd: String = ODD.iter().filter(|c| name.contains(**c)).collect();
    Some(match error {
        Errno::NAMETOOLONG => format!("the file system takes no name as long as this (it has {} bytes)", name.len()),
        Errno::ILSEQ => "the file system takes no such name: it is not in the encoding that it wants".to_owned(),
        Errno::INVAL if !odd.is_empty() => format!("the file system takes no such name: it has {odd} in it"),
        Errno::INVAL if name.ends_with(['.', ' ']) => {
            "the file system takes no such name: it ends in a dot or a blank".to_owned()
        }
        Errno::INVAL => "the file system takes no such name".to_owned(),
        _ => return None,
    })
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
    fn a_name_that_the_file_system_cannot_have_is_said() {
        for (errno, name, why) in [
            (Errno::INVAL, "a:b.iso.lhpart", "it has : in it"),
            (Errno::INVAL, "a. ", "ends in a dot or a blank"),
            (Errno::INVAL, "a", "takes no such name"),
            (Errno::ILSEQ, "a\u{e9}", "encoding"),
            (Errno::NAMETOOLONG, "aaaa", "as long as this (it has 4 bytes)"),
        ] {
            let error = DiskError::named("create", &Path::new("/d").join(name), errno);
            assert!(error.is_for_its_name() && error.fault() == DiskFault::Unsupported, "{error}");
            assert!(error.to_string().contains(why) && error.to_string().contains(name), "{error}");
        }
        let error = DiskError::named("create", Path::new("a:b"), Errno::NOSPC);
        assert!(!error.is_for_its_name() && error.fault() == DiskFault::NoSpace);
    }

    #[test]
    fn messages_name_the_file_and_the_holder() {
        let path = Path::new("a/b.lhpart");
        assert_eq!(DiskError::held(path, Some(7)).to_string(), "cannot lock a/b.lhpart: process 7 is working on it");
        assert_eq!(DiskError::held(path, Some(7)).holder(), Some(7));
        let own = DiskError::held(path, Some(std::process::id())).to_string();
        assert_eq!(own, "cannot lock a/b.lhpart: another transfer of this program is working on it");
        assert!(
            DiskError::io("write", path, Errno::NOSPC).to_string().starts_with("cannot write a/b.lhpart: No space")
        );
    }
}
