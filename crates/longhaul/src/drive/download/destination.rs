//! Where the finished file goes, as far as that is known before the source was asked.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::disk::folders::Within;

/// Where the finished file goes.
#[derive(Clone)]
pub(crate) enum Destination {
    /// This file.
    File(PathBuf),
    /// This folder, under a name from the reply.
    Folder(PathBuf),
    /// The path that the function makes of the (safe) suggested name.
    Chosen(Arc<dyn Fn(&str) -> PathBuf + Send + Sync>),
    /// This file below that folder, by parts that are no links.
    Below(Below),
}

/// A file below a folder of the user's.
#[derive(Debug, Clone)]
pub(crate) struct Below {
    /// The folder; it may be a link.
    pub(crate) root: PathBuf,
    /// The path of the file's folder below it; empty: the folder itself.
    pub(crate) parts: PathBuf,
    /// The file's name.
    pub(crate) name: OsString,
    /// All of it, for messages.
    pub(crate) path: PathBuf,
}

impl Below {
    /// `None` when no file below the folder is meant.
    pub(crate) fn new(root: PathBuf, path: &Path) -> Option<Self> {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        let name = path.file_name().filter(|_| plain)?.to_owned();
        let parts = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Some(Self { parts, name, path: root.join(path), root })
    }

    /// Where its folder is.
    pub(crate) fn within(&self) -> Within {
        Within::Below(self.root.clone(), self.parts.clone())
    }
}

impl Destination {
    /// The file, or the folder it will be in; for messages before the name is known.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder(path) => path,
            Self::Chosen(_) => Path::new("the file"),
            Self::Below(below) => &below.path,
        }
    }
}
