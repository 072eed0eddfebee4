//! A file system of its own in an image file, whose power can be cut.
//!
//! The cut is the shutdown that ext4 and xfs have for tests (`XFS_IOC_GOINGDOWN` without flushing the log, given by
//! `xfs_io`): from one moment on nothing reaches the image any more. Mounted again, it shows what was durable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::program::PATIENCE;
use super::{tool, until};

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Ext4,
    Xfs,
}

/// Mounted when made; unmounted and gone when dropped.
pub(crate) struct Volume {
    kind: Kind,
    folder: TempDir,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Ext4 => "ext4",
            Kind::Xfs => "xfs",
        }
    }

    /// The least that its `mkfs` makes, with some room. The image is sparse.
    fn image_bytes(self) -> u64 {
        match self {
            Kind::Ext4 => 192 << 20,
            Kind::Xfs => 320 << 20,
        }
    }
}

impl Volume {
    /// A new file system. `None`, and a line about it, when tools or privileges are missing.
    pub(crate) fn new(kind: Kind) -> Option<Volume> {
        let make = format!("mkfs.{}", kind.name());
        for needed in [make.as_str(), "xfs_io", "mount", "umount"] {
            if tool(needed).is_none() {
                super::skip(&format!("{needed} not installed"));
                return None;
            }
        }
        let folder = tempfile::Builder::new().prefix("longhaul-volume-").tempdir().unwrap();
        let volume = Volume { kind, folder };
        fs::create_dir(volume.root()).unwrap();
        fs::File::create(volume.image()).unwrap().set_len(kind.image_bytes()).unwrap();
        let mut command = Command::new(tool(&make)?);
        command.args(match kind {
            Kind::Ext4 => ["-q", "-F"],
            Kind::Xfs => ["-q", "-f"],
        });
        let made = command.arg(volume.image()).output().unwrap();
        assert!(made.status.success(), "{make}: {}", said(&made));
        let mounted = volume.mount();
        if !mounted.status.success() {
            super::skip(&format!("cannot mount a loop device ({})", said(&mounted)));
            return None;
        }
        Some(volume)
    }

    /// Where it is mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    /// From when this returns, nothing reaches the disk.
    pub(crate) fn cut(&self) {
        let mut command = Command::new(tool("xfs_io").unwrap_or_else(|| "xfs_io".into()));
        command.args(["-x", "-c", "shutdown"]).arg(self.root());
        let cut = command.output().unwrap();
        assert!(cut.status.success() && cut.stderr.is_empty(), "xfs_io: {}", said(&cut));
    }

    /// The power is back: what was durable is there. No process may use the volume any more.
    pub(crate) fn back(&self) {
        let mut last = None;
        let free = until(PATIENCE, || {
            let output = umount(&self.root(), &[]);
            let done = output.status.success();
            last = Some(output);
            done
        });
        assert!(free, "umount: {}", last.as_ref().map_or(String::new(), said));
        // A mount namespace that somebody made meanwhile holds on to the file system as it was shut down, and mounting
        // the image would give that one again. It loses the mount with the folder that it is mounted on.
        fs::remove_dir(self.root()).unwrap();
        fs::create_dir(self.root()).unwrap();
        assert!(until(PATIENCE, || !self.attached()), "unmounted, and still in use");
        let mounted = self.mount_in_time();
        assert!(mounted.status.success(), "mount: {}", said(&mounted));
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    /// Whether a loop device still reads the image.
    fn attached(&self) -> bool {
        let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
        let backing = |device: fs::DirEntry| fs::read_to_string(device.path().join("loop/backing_file")).ok();
        devices.filter_map(backing).any(|file| Path::new(file.trim_end()) == self.image())
    }

    /// Others take and give back loop devices at the same time: one that was free may be gone when it is asked for.
    fn mount_in_time(&self) -> Output {
        let mut last = self.mount();
        until(PATIENCE, || {
            if !last.status.success() {
                last = self.mount();
            }
            last.status.success()
        });
        last
    }

    fn mount(&self) -> Output {
        let mut command = Command::new("mount");
        command.args(["-t", self.kind.name(), "-o", "loop"]).arg(self.image()).arg(self.root());
        command.output().unwrap()
    }
}

impl Drop for Volume {
    /// Also after a panic, when a process may still be dying on it: then it goes as soon as that is gone.
    fn drop(&mut self) {
        if !umount(&self.root(), &[]).status.success() {
            umount(&self.root(), &["-l"]);
        }
    }
}

fn umount(root: &Path, how: &[&str]) -> Output {
    Command::new("umount").args(how).arg(root).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}
