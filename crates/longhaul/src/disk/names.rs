//! Which files belong to a target: the names beside it, whatever its length.
//!
//! `NAME.lhpart` (data), `NAME.lhnext` (a new generation of the data), `NAME.lhlog` (journal), and short-lived helpers.
//! File systems take names up to 255 bytes. When `NAME` with the longest of our endings would be longer, all of them
//! begin instead with the first 200 bytes of `NAME` (fewer, when that would cut a UTF-8 character), `~`, and 16 hex
//! digits of the CRC-64/XZ of the whole name: the same target always has the same files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The longest file name in bytes on the file systems we know.
const NAME_MAX: usize = 255;
/// How much of a long name is kept.
const KEPT: usize = 200;
/// Where a journal is found.
const LOG: &str = ".lhlog";
/// The longest ending (`N` is one digit).
const LONGEST: usize = ".lhlog.bad-N".len();

/// How many unreadable journals are kept beside a target.
pub(crate) const BAD_MAX: u8 = 9;

/// The names of one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    target: OsString,
    stem: Vec<u8>,
}

impl Names {
    /// The names for a target. `None` unless it is a single usable component: not empty, not `.` or `..`, without `/`
    /// and NUL, at most 255 bytes.
    pub(crate) fn of(target: &OsStr) -> Option<Self> {
        let bytes = target.as_bytes();
        let usable = !bytes.is_empty()
            && bytes.len() <= NAME_MAX
            && bytes != b"."
            && bytes != b".."
            && !bytes.iter().any(|&b| b == b'/' || b == 0);
        usable.then(|| Self { target: target.into(), stem: stem(bytes) })
    }

    /// The target itself.
    pub(crate) fn target(&self) -> &OsStr {
        &self.target
    }

    /// `NAME.lhpart`.
    pub(crate) fn part(&self) -> OsString {
        self.with(".lhpart")
    }

    /// A new `NAME.lhpart` until it is locked and renamed.
    pub(crate) fn part_temp(&self) -> OsString {
        self.with(".lhpart~")
    }

    /// `NAME.lhnext`.
    pub(crate) fn next(&self) -> OsString {
        self.with(".lhnext")
    }

    /// `NAME.lhlog`.
    pub(crate) fn log(&self) -> OsString {
        self.with(LOG)
    }

    /// What is locked where there is no part file.
    pub(crate) fn lock(&self) -> OsString {
        self.with(".lock")
    }

    /// A new journal until it is whole and renamed.
    pub(crate) fn log_temp(&self) -> OsString {
        self.with(".lhlog~")
    }

    /// An unreadable journal, set aside; `number` is 1 to [`BAD_MAX`].
    pub(crate) fn log_bad(&self, number: u8) -> OsString {
        self.with(&format!(".lhlog.bad-{number}"))
    }

    /// An empty file that lives for a moment, to see which permissions new files get here.
    pub(crate) fn probe(&self) -> OsString {
        self.with(".lhmode~")
    }

    fn with(&self, ending: &str) -> OsString {
        let mut name = self.stem.clone();
        name.extend_from_slice(ending.as_bytes());
        OsString::from_vec(name)
    }
}

/// Whether this is the name of a journal.
pub(crate) fn is_log(name: &OsStr) -> bool {
    name.len() > LOG.len() && name.as_bytes().ends_with(LOG.as_bytes())
}

fn stem(target: &[u8]) -> Vec<u8> {
    if target.len() + LONGEST <= NAME_MAX {
        return target.to_vec();
    }
    let mut kept = KEPT;
    if std::str::from_utf8(target).is_ok() {
        while target[kept] & 0xc0 == 0x80 {
            kept -= 1; // the middle of a character
        }
    }
    let hash = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Xz, target);
    let mut stem = target[..kept].to_vec();
    stem.extend_from_slice(format!("~{hash:016x}").as_bytes());
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &Names) -> Vec<OsString> {
        vec![
            names.part(),
            names.part_temp(),
            names.next(),
            names.log(),
            names.log_temp(),
            names.log_bad(9),
            names.probe(),
            names.lock(),
        ]
    }

    #[test]
    fn short_names_are_kept_whole() {
        let names = Names::of(OsStr::new("a b.iso")).unwrap();
        assert_eq!(names.part(), "a b.iso.lhpart");
        assert_eq!(names.next(), "a b.iso.lhnext");
        assert_eq!(names.log(), "a b.iso.lhlog");
        assert_eq!(names.log_temp(), "a b.iso.lhlog~");
        assert_eq!(names.log_bad(3), "a b.iso.lhlog.bad-3");
        assert!(is_log(&names.log()) && !is_log(&names.log_temp()) && !is_log(OsStr::new(".lhlog")));
    }

    #[test]
    fn every_target_up_to_255_bytes_has_names_that_fit() {
        for len in 1..=255 {
            let names = Names::of(OsStr::from_bytes(&vec![b'x'; len])).unwrap();
            for name in all(&names) {
                assert!(name.len() <= 255, "{len}: {name:?}");
                assert_ne!(name, names.target());
            }
        }
        let name = Names::of(OsStr::from_bytes(&[b'x'; 244])).unwrap().part();
        assert_eq!(name.len(), 200 + 1 + 16 + 7);
        assert!(Names::of(OsStr::from_bytes(&[b'x'; 243])).unwrap().part().len() == 250);
    }

    #[test]
    fn long_names_differ_by_their_hash_and_stay_utf8() {
        let (a, b) = ("\u{e9}".repeat(126), "\u{e9}".repeat(127));
        let (a, b) = (Names::of(OsStr::new(&a)).unwrap().part(), Names::of(OsStr::new(&b)).unwrap().part());
        assert_ne!(a, b);
        assert!(a.to_str().is_some());
        let odd = format!("x{}", "\u{20ac}".repeat(84));
        let part = Names::of(OsStr::new(&odd)).unwrap().part();
        assert_eq!(part.to_str().unwrap().find('~'), Some(199));
        let raw = Names::of(OsStr::from_bytes(&[0xbf; 255])).unwrap().part();
        assert_eq!(raw.as_bytes()[200], b'~');
    }

    #[test]
    fn what_is_not_one_component_is_refused() {
        for name in ["", ".", "..", "a/b", "/", "a\0b"] {
            assert_eq!(Names::of(OsStr::new(name)), None, "{name:?}");
        }
        assert_eq!(Names::of(OsStr::from_bytes(&[b'x'; 256])), None);
    }
}
