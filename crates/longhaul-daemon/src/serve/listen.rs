//! Where does a daemon listen? At an address, at a Unix socket that only its user reaches, or at sockets that systemd
//! made before it started it (sd_listen_fds(3)).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;
use tokio::net::{TcpListener, UnixListener};

use super::StartError;
use super::taken;

/// Listens at this address.
pub(super) fn tcp(address: SocketAddr) -> Result<TcpListener, StartError> {
    let bound = std::net::TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    });
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::Taken { address, by: taken::by_whom(address) },
        _ => StartError::NoListener(address.to_string(), error),
    })
}

/// Listens at this path, which only this user may reach. A socket that was left by a daemon that was killed is removed:
/// whoever calls this holds the list's lock, so that no other daemon of it can be alive.
pub(super) fn unix(path: &Path) -> Result<UnixListener, StartError> {
    let failed = |error| StartError::NoListener(path.display().to_string(), error);
    let folder = path.parent().ok_or_else(|| failed(io::Error::other("it is in no folder")))?;
    private_folder(folder).map_err(|error| StartError::NoListener(folder.display().to_string(), error))?;
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path).map_err(failed)?,
        Ok(_) => return Err(failed(io::Error::other("something else than a socket is there; move it away"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    Ok(listener)
}

/// Makes the folder, for its owner only. One that is there has to be so already: in `/tmp` another user may have made
/// it.
fn private_folder(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no folder"));
    }
    if found.uid() != geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("other users may enter it: allow that to its owner only (mode 0700)"));
    }
    Ok(())
}

/// Sockets that were passed by the program that started this one.
#[derive(Debug, Default)]
pub(super) struct Passed {
    pub(super) tcp: Vec<TcpListener>,
    pub(super) unix: Vec<UnixListener>,
}

/// Takes `count` sockets that were passed, from descriptor 3 on (`SD_LISTEN_FDS_START`).
#[cfg(target_os = "linux")]
pub(super) fn passed(count: u32) -> io::Result<Passed> {
    use rustix::net::{AddressFamily, getsockname, sockopt};
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    const FIRST: u32 = 3;
    /// As many as a unit of ours has, and some.
    const COUNT_MAX: u32 = 16;
    // A descriptor that is known by its number only: a duplicate of it is ours without a doubt (pidfd_getfd(2)).
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut passed = Passed::default();
    for number in FIRST..FIRST + count.min(COUNT_MAX) {
        let socket = pidfd_getfd(&this, number.cast_signed(), PidfdGetfdFlags::empty())?;
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(io::Error::other("a socket was passed that does not listen"));
        }
        match getsockname(&socket)?.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => {
                let listener = std::net::TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                passed.tcp.push(TcpListener::from_std(listener)?);
            }
            AddressFamily::UNIX => {
                let listener = std::os::unix::net::UnixListener::from(socket);
                listener.set_nonblocking(true)?;
                passed.unix.push(UnixListener::from_std(listener)?);
            }
            _ => return Err(io::Error::other("a socket was passed that is neither TCP nor Unix")),
        }
    }
    Ok(passed)
}

/// Nothing but systemd passes sockets in this way.
#[cfg(not(target_os = "linux"))]
pub(super) fn passed(count: u32) -> io::Result<Passed> {
    match count {
        0 => Ok(Passed::default()),
        _ => Err(io::Error::other("passed sockets are taken on Linux only")),
    }
}

/// A socket that is removed when its daemon ends.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file it is: another daemon's may stand there by now.
    inode: u64,
}

impl SocketFile {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let inode = fs::symlink_metadata(path).ok()?.ino();
        Some(Self { path: path.to_owned(), inode })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path); // the next daemon removes it
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_for_its_owner_and_stands_in_a_folder_of_its_own() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("run/daemon.sock");
        let first = unix(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(home.path().join("run")).unwrap().mode() & 0o777, 0o700);
        drop(first); // as after kill -9: the file stays
        assert!(path.exists());
        let file = {
            let _second = unix(&path).unwrap();
            SocketFile::of(&path).unwrap()
        };
        drop(file);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(unix(&path).unwrap_err().to_string().contains("something else"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
        fs::set_permissions(home.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(unix(&home.path().join("run/other.sock")).unwrap_err().to_string().contains("mode 0700"));
        let long = home.path().join("x".repeat(150)).join("daemon.sock");
        assert!(unix(&long).is_err());
    }
}
