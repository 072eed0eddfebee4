//! Lists that people bring along, as entries: an aria2 session (`--save-session`, `--input-file`), links one a line, a
//! Metalink.
//!
//! Files are data from outside: what cannot be used is told with its place, and the rest is taken.

mod lines;
mod metalink;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::new::{NewEntry, Target};
use crate::error::Error;
use crate::event::{Digest, DigestKind};
use crate::source::Source;

/// A longer file is no list.
const LEN_MAX: usize = 64 << 20;
/// More entries are no list of a person's.
const ENTRIES_MAX: usize = 100_000;
/// Sources of one entry; the rest is left out.
const SOURCES_MAX: usize = 100;

/// What became of a list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Imported {
    /// What can be added, in the list's order.
    pub entries: Vec<NewEntry>,
    /// What cannot.
    pub bad: Vec<BadImport>,
}

/// Something in a list that no entry could be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadImport {
    /// The line of it, from 1; in a Metalink, which of its files, from 1.
    pub number: usize,
    /// Why, without secrets.
    pub why: String,
}

impl fmt::Display for BadImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.number, self.why)
    }
}

/// Reads a list. What begins like XML is a Metalink (RFC 5854, and version 3 of before), anything else has links in lines:
///
/// ```text
/// https://example.com/a.iso                                     # a comment stands in a line of its own
/// https://example.com/b.iso<TAB>c.iso<TAB>sha256:9f86…          a name, and checksums
/// https://one.example.com/d.iso<TAB>https://two.example.com/d.iso    one file, and a mirror of it
///  gid=2089b05ecca3d829                                         aria2's options of the line before
///  dir=/srv/iso
///  out=d-2.iso
/// ```
///
/// Of aria2's options these are taken over: `gid`, `dir`, `out`, `header`, `referer`, `user-agent`, `checksum`, `pause`,
/// `max-download-limit`, `split`, `http-user`, `http-passwd`, `allow-overwrite`, `auto-file-renaming`, `remote-time`. One
/// that says by which way, or of whom, something is fetched (a proxy, cookies in a file) and cannot be taken over makes
/// its entry a bad one; others are left out. `folder` is where files go that are told no place, and what a relative `dir`
/// is below. Names never lead out of their folder.
///
/// # Errors
/// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for a file that is too long, is no XML where it begins like it, or has
/// no entry at all.
pub fn import(bytes: &[u8], folder: &Path) -> Result<Imported, Error> {
    if bytes.len() > LEN_MAX {
        return Err(Error::usage("this is no list: it is longer than 64 MiB"));
    }
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let imported = match text.trim_ascii_start().starts_with(b"<") {
        true => metalink::entries(text, folder)?,
        false => lines::entries(text, folder),
    };
    match (imported.entries.is_empty(), imported.bad.first()) {
        (false, _) => Ok(imported),
        (true, Some(first)) => Err(Error::usage(format!("nothing in it can be fetched; {first}"))),
        (true, None) => Err(Error::usage("there is no link in it")),
    }
}

/// The sources that can be fetched; why not, where there is none.
fn usable<'a>(links: impl Iterator<Item = &'a str>) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    let mut refused = None;
    for link in links {
        match link.parse::<Source>() {
            Ok(source) if sources.len() < SOURCES_MAX => sources.push(source),
            Ok(_) => break,
            Err(error) => refused = refused.or(Some(error.to_string())),
        }
    }
    match sources.is_empty() {
        true => Err(refused.unwrap_or_else(|| "it has no link".to_owned())),
        false => Ok(sources),
    }
}

/// A name from outside, below a folder.
fn below(root: PathBuf, name: &str) -> Result<Target, String> {
    let path = PathBuf::from(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    match plain && path.file_name().is_some() && !name.ends_with('/') && !name.contains(['\\', '\0']) {
        true => Ok(Target::Below { root, path }),
        false => Err(format!("{name:?} is no name of a file below a folder")),
    }
}

/// A digest of a kind that is written as in HTTP (`sha-256`); `Ok(None)`: of a kind that is not known here.
fn digest(kind: &str, hex: &str) -> Result<Option<Digest>, String> {
    let name: String = kind.chars().filter(|c| *c != '-').collect();
    let Some(kind) = DigestKind::from_name(&name) else { return Ok(None) };
    match Digest::from_hex(kind, hex.trim()) {
        Some(digest) => Ok(Some(digest)),
        None => Err(format!("{hex:?} is no {}", kind.name())),
    }
}

/// For [`fuzzing`](crate::fuzzing).
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Ok(imported) = import(bytes, Path::new("/folder")) else { return };
    for entry in imported.entries {
        let super::new::Work::Download { sources, target } = entry.work else { continue };
        assert!(!sources.is_empty());
        if let Target::Below { path, .. } = target {
            assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
