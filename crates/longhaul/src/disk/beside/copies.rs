//! Under which name is a file saved whose name is taken? `film.mkv`, then `film.1.mkv`, `film.2.mkv`, …

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use longhaul_core::download::journal::Source;

use super::names::FileNames;
use super::place::source_at;
use crate::disk::folder::Folder;

/// The most names that are tried; a folder with as many copies is one that something else is wrong with.
pub(crate) const COPIES_MAX: u32 = 255;

/// The name of a copy: its number stands before the last dot, as aria2 has it. The 0th is the name itself.
pub(crate) fn copy_name(name: &OsStr, number: u32) -> OsString {
    if number == 0 {
        return name.to_os_string();
    }
    let bytes = name.as_bytes();
    // A dot that the name begins with hides a file, and ends no stem.
    let dot = bytes.iter().rposition(|&b| b == b'.').filter(|&at| at > 0).unwrap_or(bytes.len());
    let (stem, ending) = bytes.split_at(dot);
    OsString::from_vec([stem, format!(".{number}").as_bytes(), ending].concat())
}

/// The name, or that of a copy of it, under which this very transfer was begun: its journal lies beside it.
///
/// With it the id that it has.
pub(crate) fn begun_as(folder: &Folder, name: &OsStr, source: &Source) -> Option<(OsString, [u8; 16])> {
    (0..=COPIES_MAX).find_map(|number| {
        let name = copy_name(name, number);
        let found = source_at(folder, &FileNames::of(&name)?.log())?;
        (found.url == source.url && found.window == source.window).then_some((name, found.id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_its_number_before_the_ending() {
        for (name, number, want) in [
            ("film.mkv", 0, "film.mkv"),
            ("film.mkv", 1, "film.1.mkv"),
            ("film.tar.gz", 12, "film.tar.12.gz"),
            ("film", 1, "film.1"),
            (".profile", 1, ".profile.1"),
            ("film.", 2, "film.2."),
            ("a.b.1.c", 2, "a.b.1.2.c"),
        ] {
            assert_eq!(copy_name(OsStr::new(name), number), want, "{name}");
        }
    }
}
