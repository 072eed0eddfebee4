//! What differs between systems: syncing, preallocation, who holds a lock.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// Makes the file's data (and its length) durable.
///
/// On Apple systems the standard library asks the drive itself (`F_FULLFSYNC`); file systems that cannot do that get
/// a plain `fsync`.
pub(crate) fn sync_data(file: &File) -> io::Result<()> {
    or_plain_sync(file, file.sync_data())
}

/// Makes the file's data and all its metadata durable.
pub(crate) fn sync_all(file: &File) -> io::Result<()> {
    or_plain_sync(file, file.sync_all())
}

fn or_plain_sync(file: &File, result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if cfg!(target_vendor = "apple") && means_unsupported(&e) => Ok(rustix::fs::fsync(file)?),
        other => other,
    }
}

/// Makes the names in a folder durable. Some file systems keep no names to sync and say so: that is success.
///
/// xfs says the same when its log was shut down and gave up the change that was waited for, so that no change is left
/// to sync. Asked what the folder is, it then says that it failed.
pub(crate) fn sync_dir(dir: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(&dir).map_err(io::Error::from) {
        Err(e) if means_unsupported(&e) || e.kind() == io::ErrorKind::InvalidInput => Ok(()),
        Err(e) => Err(e),
        Ok(()) => Ok(rustix::fs::fstat(dir).map(drop)?),
    }
}

/// Whether one call makes everything on the folder's file system durable, names included, and tells what failed
/// ([`group`](super::group) says what is asked of it).
pub(crate) fn syncs_whole_volumes(folder: impl AsFd) -> bool {
    #[cfg(target_os = "linux")]
    {
        // statfs(2): ext2 to ext4, xfs, btrfs, f2fs. Stacked and network file systems have reported less than they
        // should.
        const KNOWN: [i64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0xf2f5_2010];
        #[allow(clippy::unnecessary_cast, reason = "the width of this field differs between systems")]
        let known = rustix::fs::fstatfs(folder).is_ok_and(|stat| KNOWN.contains(&((stat.f_type as i64) & 0xffff_ffff)));
        known && kernel_is_at_least(rustix::system::uname().release().to_bytes(), (5, 18))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        false
    }
}

/// Makes everything on the file system of an open folder durable.
///
/// Of a file system that was shut down, or made read-only after an error, `syncfs` says that all is well: it
/// has no write left that it could do. A sync of the folder then fails.
pub(crate) fn sync_volume(any: impl AsFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        rustix::fs::syncfs(&any)?;
        sync_dir(any)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = any;
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Whether `6.1.0-13-amd64` and the like is this version or a later one; what cannot be read is not.
#[cfg(target_os = "linux")]
fn kernel_is_at_least(release: &[u8], version: (u32, u32)) -> bool {
    let text = String::from_utf8_lossy(release);
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor) >= version,
        _ => false,
    }
}

/// Whether the system says that it cannot do this at all (rather than: it failed).
pub(crate) fn means_unsupported(e: &io::Error) -> bool {
    use rustix::io::Errno;
    e.kind() == io::ErrorKind::Unsupported
        || e.raw_os_error().is_some_and(|code| {
            let errno = Errno::from_raw_os_error(code);
            errno == Errno::OPNOTSUPP || errno == Errno::NOSYS || errno == Errno::NOLCK || errno == Errno::NOTTY
        })
}

/// The permissions that a new file gets in a folder when a program asks for no special ones, as far as they can be read
/// without making one: on Linux, where the umask is told (since 4.7) and POSIX ACLs are.
pub(crate) fn usual_mode(folder: impl AsFd) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        use rustix::io::Errno;
        let mut acl = vec![0; ACL_LEN_MAX];
        match rustix::fs::fgetxattr(folder, "system.posix_acl_default", &mut acl[..]) {
            Ok(len) => mode_by_acl(acl.get(..len)?), // a default ACL takes the place of the umask (acl(5))
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {
                let status = std::fs::read_to_string("/proc/self/status").ok()?;
                let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
                Some(0o666 & !u32::from_str_radix(umask.trim(), 8).ok()?)
            }
            Err(_) => None,
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        None
    }
}

/// A header and 8 bytes an entry: more entries than ext4 or xfs keep on a file.
#[cfg(target_os = "linux")]
const ACL_LEN_MAX: usize = 16 << 10;

/// What a default ACL makes of a new file's 0666: the permissions of owner, mask (or group) and others (acl(5), "object
/// creation and default ACLs"). The attribute is a version, 2, and entries of tag, permissions and id
/// (`linux/posix_acl_xattr.h`), all little-endian.
#[cfg(target_os = "linux")]
fn mode_by_acl(acl: &[u8]) -> Option<u32> {
    const OWNER: u16 = 0x01;
    const GROUP: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHERS: u16 = 0x20;
    let entries = acl.strip_prefix(&[2, 0, 0, 0])?;
    let permissions = |tag: u16| {
        let is_it = |entry: &&[u8]| entry.starts_with(&tag.to_le_bytes());
        entries.chunks_exact(8).find(is_it).map(|entry| u32::from(u16::from_le_bytes([entry[2], entry[3]])) & 0o6)
    };
    let group = permissions(MASK).or_else(|| permissions(GROUP))?;
    Some(permissions(OWNER)? << 6 | group << 3 | permissions(OTHERS)?)
}

/// Makes an empty file share all bytes of another one (`FICLONE`, ioctl_ficlone(2)), where the file system can.
pub(crate) fn share_bytes(from: &File, into: &File) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        Ok(rustix::fs::ioctl_ficlone(into, from)?)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (from, into);
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Reserves blocks for `offset..offset + len` without changing the file's length. Best effort: a later write decides.
pub(crate) fn reserve(file: &File, offset: u64, len: u64) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fallocate(file, rustix::fs::FallocateFlags::KEEP_SIZE, offset, len);
    #[cfg(not(target_os = "linux"))]
    let _ = (file, offset, len);
}

/// Which process holds a lock on the file with this device and inode, as far as it can be told.
///
/// Linux lists locks in `/proc/locks` by inode. Where the file system shows another device number there than in
/// `stat` (btrfs, overlays), and for locks of other namespaces, the answer may be missing; it is a courtesy only.
pub(crate) fn lock_holder(device: u64, inode: u64) -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        let holders = holders_in(&locks, inode);
        let opened_it = |pid: &u32| {
            use std::os::unix::fs::MetadataExt;
            let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            files.flatten().any(|f| std::fs::metadata(f.path()).is_ok_and(|m| m.ino() == inode && m.dev() == device))
        };
        match holders.as_slice() {
            [only] => Some(*only),
            several => several.iter().copied().find(opened_it),
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (device, inode);
        None
    }
}

/// The files that a process may hold a lock on, as they were at one moment: asked about many, the system is asked once.
///
/// It is asked when the first question comes. What it says of inodes alone may be of another file system: whether a
/// file is locked is then tried.
#[derive(Debug, Default)]
pub(crate) struct LockedFiles {
    #[cfg(target_os = "linux")]
    inodes: std::cell::OnceCell<std::collections::HashSet<u64>>,
}

impl LockedFiles {
    /// False when no process holds a lock on a file with this inode, as far as the system tells.
    pub(crate) fn may_hold(&self, inode: u64) -> bool {
        #[cfg(target_os = "linux")]
        {
            let inodes = self.inodes.get_or_init(|| {
                let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
                locks.lines().filter_map(|line| held_in(line).map(|(inode, _)| inode)).collect()
            });
            inodes.contains(&inode)
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = inode;
            false
        }
    }
}

/// The inode and the process of a `flock` that is held (not waited for), from a line of `/proc/locks`:
/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`.
#[cfg(target_os = "linux")]
fn held_in(line: &str) -> Option<(u64, u32)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let &[_, "FLOCK", _, _, pid, place, ..] = fields.as_slice() else { return None };
    let inode = place.rsplit(':').next()?.parse().ok()?;
    pid.parse().ok().filter(|&pid| pid > 0).map(|pid| (inode, pid))
}

/// The processes that hold (not wait for) a `flock` on this inode, from the text of `/proc/locks`.
#[cfg(target_os = "linux")]
fn holders_in(locks: &str, inode: u64) -> Vec<u32> {
    let held = locks.lines().filter_map(held_in).filter(|(of, _)| *of == inode);
    let mut found: Vec<u32> = held.map(|(_, pid)| pid).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_by_their_first_two_numbers() {
        let new = ["5.18", "5.18.0-rc1", "6.1.0-13-amd64", "10.0"];
        let old = ["5.17.15", "5.8", "4.19.0", "5", "", "later", "6.x"];
        assert!(new.iter().all(|release| kernel_is_at_least(release.as_bytes(), (5, 18))));
        assert!(!old.iter().any(|release| kernel_is_at_least(release.as_bytes(), (5, 18))));
    }

    /// Held against what the kernel makes of a file in such a folder.
    #[test]
    fn the_usual_mode_is_what_a_new_file_gets_by_umask_or_default_acl() {
        use std::os::unix::fs::PermissionsExt;
        let acl = |entries: &[(u16, u16)]| {
            let mut bytes = vec![2, 0, 0, 0];
            for (tag, permissions) in entries {
                bytes.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
                // Named users and groups have an id; others have none.
                let id = if matches!(tag, 2 | 8) { 1000_u32 } else { u32::MAX };
                bytes.extend(id.to_le_bytes());
            }
            bytes
        };
        let acls = [
            None,
            Some(acl(&[(1, 7), (4, 5), (0x20, 0)])),
            Some(acl(&[(1, 7), (4, 7), (0x20, 7)])),
            Some(acl(&[(1, 6), (2, 7), (4, 0), (0x10, 7), (0x20, 4)])),
            Some(acl(&[(1, 7), (4, 7), (8, 7), (0x10, 4), (0x20, 0)])),
        ];
        for acl in acls {
            let dir = tempfile::tempdir().unwrap();
            let folder = std::fs::File::open(dir.path()).unwrap();
            if let Some(acl) = &acl {
                let set =
                    rustix::fs::fsetxattr(&folder, "system.posix_acl_default", acl, rustix::fs::XattrFlags::empty());
                if set == Err(rustix::io::Errno::OPNOTSUPP) {
                    continue; // no ACLs here: the umask alone decides
                }
                set.unwrap();
            }
            std::fs::write(dir.path().join("f"), b"").unwrap();
            let mode = dir.path().join("f").metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!(usual_mode(&folder), Some(mode), "{acl:?}");
        }
        assert_eq!(mode_by_acl(&[2, 0, 0, 0, 1, 0]), None);
        assert_eq!(mode_by_acl(&[1, 0, 0, 0]), None);
    }

    #[test]
    fn holders_are_read_from_the_list_of_locks() {
        let locks = "1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 99 08:01:5678 0 EOF\n\
                     2: POSIX  ADVISORY  READ 7 08:01:5678 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE -1 08:01:5678 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 55 08:01:56789 0 EOF\nnonsense\n";
        assert_eq!(holders_in(locks, 5678), [1234]);
        assert_eq!(holders_in(locks, 1), [0u32; 0]);
        assert_eq!(holders_in("", 1), [0u32; 0]);
    }
}
