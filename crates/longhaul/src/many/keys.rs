//! Under which path is an object saved that a store lists?
//!
//! A key is a name that another writer chose, any bytes at all; its parts between slashes become folders and a file
//! below the chosen folder, as they are. What could lead out of that folder, or is no file name on this system, is
//! refused one by one and never mended: two keys that become one name would overwrite each other.

use std::path::PathBuf;

/// Names that file systems take: 255 bytes, a few of which our own working files need.
const NAME_LEN_MAX: usize = 255;

/// The parts of keys that are the same for all of a prefix: everything up to its last slash.
pub(super) fn base(prefix_key: &str) -> &str {
    &prefix_key[..prefix_key.rfind('/').map_or(0, |slash| slash + 1)]
}

/// The path below the folder for the part of a key behind the base; `None` for an object that only stands for a folder,
/// as some tools make them.
///
/// # Errors
/// Why the key is not saved.
pub(super) fn path(below: &str, len: u64) -> Result<Option<PathBuf>, &'static str> {
    if (below.is_empty() || below.ends_with('/')) && len == 0 {
        return Ok(None);
    }
    below.split('/').map(part).collect::<Result<PathBuf, _>>().map(Some)
}

fn part(name: &str) -> Result<&str, &'static str> {
    let windows = |c: char| cfg!(windows) && matches!(c, '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*');
    let lower = name.to_ascii_lowercase();
    match name {
        "" => Err("it has an empty part: two slashes in a row, or one at an end"),
        "." | ".." => Err("it has a part that means another folder"),
        _ if name.len() > NAME_LEN_MAX => Err("a part of it is longer than file names can be"),
        _ if name.chars().any(char::is_control) => Err("it has a control character in it"),
        _ if name.chars().any(windows) => Err("it has a character in it that file names cannot have here"),
        _ if cfg!(windows) && (name.ends_with(['.', ' ']) || is_device(&lower)) => {
            Err("a part of it is no file name here")
        }
        _ if longhaul_core::names::is_ours(name) => Err("it ends like the files that unfinished downloads lie in"),
        name => Ok(name),
    }
}

/// Whether Windows takes a name, in lower case, for a device, with any extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let numbered =
        |device: &str| stem.strip_prefix(device).is_some_and(|n| n.len() == 1 && n.bytes().all(|b| b.is_ascii_digit()));
    matches!(stem, "con" | "prn" | "aux" | "nul") || numbered("com") || numbered("lpt")
}

/// Notices keys that would need a file where another one needs a folder: `a` and `a/b`.
///
/// Keys come in the order of their bytes. Then all that begin with `a` follow each other, so what can still become a
/// folder is a chain of names each of which begins with the one before: no longer than a key, however many keys there
/// are.
#[derive(Debug, Default)]
pub(super) struct Clashes {
    chain: Vec<String>,
}

impl Clashes {
    /// The next key that is saved; an error names the key whose file is in its way.
    pub(super) fn add(&mut self, key: &str) -> Result<(), String> {
        while self.chain.last().is_some_and(|last| !key.starts_with(last.as_str())) {
            self.chain.pop();
        }
        let in_the_way = self.chain.iter().find(|file| key[file.len()..].starts_with('/'));
        match in_the_way {
            Some(file) => Err(file.clone()),
            None => {
                self.chain.push(key.to_owned());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_keys_of_a_prefix_have_in_common_is_no_folder() {
        for (prefix, want) in [("", ""), ("logs/", "logs/"), ("logs/2024", "logs/"), ("a/b/c", "a/b/"), ("x", "")] {
            assert_eq!(base(prefix), want, "{prefix}");
        }
    }

    #[test]
    fn keys_become_paths_or_are_refused_with_the_reason() {
        for (key, want) in [
            ("a", "a"),
            ("a/b c/d.txt", "a/b c/d.txt"),
            (".hidden/-x", ".hidden/-x"),
            ("ä/日本/…", "ä/日本/…"),
            ("a b ", "a b "),
            ("...", "..."),
            ("~/x", "~/x"),
            ("%2e%2e/x", "%2e%2e/x"),
        ] {
            if !cfg!(windows) {
                assert_eq!(path(key, 1), Ok(Some(PathBuf::from(want))), "{key}");
            }
        }
        for key in ["", "d/", "d/e/"] {
            assert_eq!(path(key, 0), Ok(None), "{key}");
        }
        let long = "x".repeat(256);
        for key in [
            "",
            "/",
            "/a",
            "a//b",
            "a/",
            "..",
            "../x",
            "a/../b",
            "a/..",
            ".",
            "./a",
            "a/./b",
            "a\0b",
            "a\nb",
            "\u{1b}[2J",
            "\u{9b}x",
            "x.lhpart",
            "X.LHLOG",
            "x.lhlog.bad-1",
            "x.lhlog~",
            "x.lhpart~0123456789abcdef",
            "x.lhmode~",
            "a.lhnext/b",
            &long,
        ] {
            assert!(path(key, 1).is_err(), "{key:?}");
        }
        if cfg!(unix) {
            assert_eq!(path("a\\b:c", 1), Ok(Some(PathBuf::from("a\\b:c"))));
        }
    }

    #[test]
    fn a_file_and_a_folder_of_one_name_are_noticed_however_far_apart() {
        let mut clashes = Clashes::default();
        let mut keys = vec!["a".to_owned(), "a b".to_owned(), "a!".to_owned()];
        keys.extend((0..5000).map(|n| format!("a-{n:05}")));
        keys.extend(["a/b", "a/b/c", "a0", "b/c", "b/c/d", "b/c0", "c"].map(str::to_owned));
        let clashing: Vec<_> =
            keys.iter().filter_map(|key| clashes.add(key).err().map(|file| (key.as_str(), file))).collect();
        let want = [("a/b", "a"), ("a/b/c", "a"), ("b/c/d", "b/c")].map(|(key, file)| (key, file.to_owned()));
        assert_eq!(clashing, want);
        assert!(clashes.chain.len() < 3, "{:?}", clashes.chain);
    }
}
