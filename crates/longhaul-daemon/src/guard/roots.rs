//! Where may callers write, and what may they read? By TCP: below the roots, and no dot-files. By the Unix socket:
//! wherever their user may, since they are that user.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The folders below which callers by TCP may write, and upload from. The first one is where relative paths begin.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots(Vec<PathBuf>);

/// A place below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Below {
    /// The root, without links.
    pub(crate) root: PathBuf,
    /// From there on; empty: the root itself.
    pub(crate) path: PathBuf,
}

impl Below {
    pub(crate) fn whole(&self) -> PathBuf {
        self.root.join(&self.path)
    }
}

impl Roots {
    /// Links in the roots themselves are their owner's will, and are followed here. A root that is not there is left
    /// out: what a link at its place would lead to later was never allowed.
    pub(crate) fn new(folders: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(folders.into_iter().filter_map(|folder| fs::canonicalize(folder).ok()).collect())
    }

    pub(crate) fn first(&self) -> Option<&Path> {
        self.0.first().map(PathBuf::as_path)
    }

    pub(crate) fn all(&self) -> &[PathBuf] {
        &self.0
    }

    /// The place that a caller by TCP names: a path below the first root, or an absolute one below any.
    ///
    /// # Errors
    /// In a sentence, when it is below none, has `..` or a dot-file in it, or leads out by a link.
    pub(crate) fn below(&self, asked: &Path) -> Result<Below, String> {
        let none = || format!("{}: this is below no folder that the daemon may use (its roots)", asked.display());
        let (root, path) = if asked.is_absolute() {
            // Also by the name that a link gives the root, or a folder above it.
            let there = nearest(asked);
            let root =
                self.0.iter().find(|root| asked.starts_with(root) || there.starts_with(root)).ok_or_else(none)?;
            let path = asked.strip_prefix(root).or_else(|_| there.strip_prefix(root)).map_err(|_| none())?;
            (root.clone(), path.to_owned())
        } else {
            (self.first().ok_or_else(none)?.to_owned(), asked.to_owned())
        };
        let mut safe = PathBuf::new();
        for part in path.components() {
            match part {
                Component::CurDir => {}
                Component::Normal(name) if is_usable(name) => safe.push(name),
                Component::Normal(name) => {
                    return Err(format!("{}: names that begin with a dot are not for callers by TCP", name.display()));
                }
                _ => return Err(none()),
            }
        }
        let below = Below { root, path: safe };
        if nearest(&below.whole()).starts_with(&below.root) { Ok(below) } else { Err(none()) }
    }
}

fn is_usable(name: &std::ffi::OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    !bytes.starts_with(b".") && !bytes.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r'))
}

/// Where a path leads to: what is there of it, without links, and the rest as it was named.
fn nearest(path: &Path) -> PathBuf {
    let mut there = path;
    loop {
        // A link that leads nowhere is there too, and what is written to it lands elsewhere.
        if let Ok(real) = fs::canonicalize(there) {
            let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
            return if rest.as_os_str().is_empty() { real } else { real.join(rest) };
        }
        if fs::symlink_metadata(there).is_ok() {
            return PathBuf::new();
        }
        match there.parent() {
            Some(parent) => there = parent,
            None => return path.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_place_is_below_a_root_or_is_none() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        for folder in ["real/sub", "other", "outside", "real/.hidden"] {
            fs::create_dir_all(home.join(folder)).unwrap();
        }
        symlink(home.join("real"), home.join("link")).unwrap();
        symlink(home.join("outside"), home.join("real/out")).unwrap();
        symlink(home.join("nowhere"), home.join("real/dangling")).unwrap();
        symlink(home.join("real/sub"), home.join("real/in")).unwrap();
        let roots = Roots::new([home.join("link"), home.join("other"), home.join("absent")]);
        assert_eq!(roots.all(), [home.join("real"), home.join("other")]);
        let at = |path: &Path| roots.below(path).map(|below| below.whole());
        for (asked, place) in
            [("", "real"), ("a/b.bin", "real/a/b.bin"), ("sub/./x", "real/sub/x"), ("in/x", "real/in/x")]
        {
            assert_eq!(at(Path::new(asked)), Ok(home.join(place)), "{asked}");
        }
        for (asked, place) in
            [("real/x", "real/x"), ("link/x", "real/x"), ("other", "other"), ("other/y/z", "other/y/z")]
        {
            assert_eq!(at(&home.join(asked)), Ok(home.join(place)), "{asked}");
        }
        for asked in [
            "..",
            "../outside/x",
            "sub/../../outside",
            ".ssh/x",
            "a/.b",
            ".hidden",
            "out/x",
            "out",
            "dangling",
            "dangling/x",
            "a\nb",
        ] {
            assert!(at(Path::new(asked)).is_err(), "{asked}");
        }
        for asked in ["outside/x", "real/../outside/x", "real/out/x", "realistic", "absent/x", "link/../outside"] {
            assert!(at(&home.join(asked)).is_err(), "{asked}");
        }
        assert!(at(Path::new("/etc/passwd")).is_err());
        assert!(Roots::default().below(Path::new("x")).is_err());
    }
}
