//! Which files belong to a target: the names beside it, also where its own is long.
//!
//! `NAME.lhpart` (data), `NAME.lhnext` (a new generation of the data), `NAME.lhlog` (journal), `NAME.lhlog.bad-N` (a
//! journal that was set aside), and helpers that live for a moment: `NAME.lhpart~DIGITS`, `NAME.lhlog~DIGITS`. The core
//! has the list ([`longhaul_core::names::is_ours`]).
//!
//! The digits of a helper come from the transfer's id, which is random and stands in its journal: others cannot guess
//! them, and the next start knows which file a crash may have left.
//!
//! File systems take names up to 255 bytes. When `NAME` with the longest of our endings would be longer, all of them
//! begin instead with the first 200 bytes of `NAME` (fewer, when that would cut a UTF-8 character), `~`, and 16 hex
//! digits of the CRC-64/XZ of the whole name: the same target always has the same files.

use longhaul_core::names::{ASIDE, HELPER, LOG, NEXT, PART};
use sha2::Digest as _;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The longest file name in bytes on the file systems we know.
const NAME_MAX: usize = 255;
/// How much of a long name is kept.
const KEPT: usize = 200;
/// The longest ending.
const LONGEST: usize = ".lhpart~0123456789abcdef".len();

/// How many unreadable journals are kept beside a target.
pub(crate) const BAD_MAX: u8 = 9;

/// A file that lives for a moment, to be renamed when it is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Helper {
    /// A new part file until it is locked.
    Part,
    /// A new journal until it is written.
    Log,
}

impl Helper {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Part, Self::Log];

    fn ending(self) -> &'static str {
        match self {
            Self::Part => PART,
            Self::Log => LOG,
        }
    }
}

/// The names of one transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileNames {
    target: OsString,
    stem: Vec<u8>,
}

impl FileNames {
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
        self.with(PART)
    }

    /// `NAME.lhnext`.
    pub(crate) fn next(&self) -> OsString {
        self.with(NEXT)
    }

    /// `NAME.lhlog`.
    pub(crate) fn log(&self) -> OsString {
        self.with(LOG)
    }

    /// What is locked where there is no part file.
    pub(crate) fn lock(&self) -> OsString {
        self.with(".lock")
    }

    /// An unreadable journal, set aside; `number` is 1 to [`BAD_MAX`].
    pub(crate) fn log_bad(&self, number: u8) -> OsString {
        self.with(&format!("{LOG}{ASIDE}{number}"))
    }

    /// A helper of the transfer with this id.
    pub(crate) fn helper(&self, helper: Helper, id: &[u8; 16]) -> OsString {
        let hash = sha2::Sha256::new().chain_update(helper.ending()).chain_update(id).finalize();
        let digits = crate::hex::hex(&hash[..8]);
        self.with(&format!("{}{HELPER}{digits}", helper.ending()))
    }

    /// The same under a random name, which no record leads to.
    pub(crate) fn other_helper(&self, helper: Helper) -> OsString {
        self.with(&format!("{}{HELPER}{:016x}", helper.ending(), crate::random::random_u64()))
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
    let hash = longhaul_core::crc::of(longhaul_core::crc::Algorithm::Crc64Xz, target);
    let mut stem = target[..kept].to_vec();
    stem.extend_from_slice(format!("~{hash:016x}").as_bytes());
    stem
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: [u8; 16] = [7; 16];

    fn all(names: &FileNames) -> Vec<OsString> {
        let helpers = Helper::ALL.map(|helper| [names.helper(helper, &ID), names.other_helper(helper)]);
        let mut all = vec![names.part(), names.next(), names.log(), names.log_bad(9), names.lock()];
        all.extend(helpers.into_iter().flatten());
        all
    }

    #[test]
    fn all_of_them_are_on_the_one_list() {
        for target in ["x", "a b.iso", "x.lhpart", &"y".repeat(255)] {
            let names = FileNames::of(OsStr::new(target)).unwrap();
            for name in all(&names).into_iter().filter(|name| *name != names.lock()) {
                assert!(longhaul_core::names::is_ours(name.to_str().unwrap()), "{name:?}");
            }
        }
    }

    #[test]
    fn helpers_are_told_by_the_id_and_by_nothing_else() {
        let (x, y) = (FileNames::of(OsStr::new("x")).unwrap(), FileNames::of(OsStr::new("y")).unwrap());
        let name = x.helper(Helper::Log, &ID);
        assert_eq!(name, x.helper(Helper::Log, &ID));
        assert!(name.to_str().is_some_and(|name| name.starts_with("x.lhlog~") && name.len() == 8 + 16));
        let others = [
            x.helper(Helper::Log, &[8; 16]),
            x.helper(Helper::Part, &ID),
            y.helper(Helper::Log, &ID),
            x.other_helper(Helper::Log),
        ];
        assert!(!others.contains(&name) && x.other_helper(Helper::Log) != x.other_helper(Helper::Log), "{others:?}");
    }

    #[test]
    fn short_names_are_kept_whole() {
        let names = FileNames::of(OsStr::new("a b.iso")).unwrap();
        assert_eq!(names.part(), "a b.iso.lhpart");
        assert_eq!(names.next(), "a b.iso.lhnext");
        assert_eq!(names.log(), "a b.iso.lhlog");
        assert_eq!(names.log_bad(3), "a b.iso.lhlog.bad-3");
        assert!(is_log(&names.log()) && !is_log(&names.helper(Helper::Log, &ID)) && !is_log(OsStr::new(".lhlog")));
    }

    #[test]
    fn every_target_up_to_255_bytes_has_names_that_fit() {
        for len in 1..=255 {
            let names = FileNames::of(OsStr::from_bytes(&vec![b'x'; len])).unwrap();
            for name in all(&names) {
                assert!(name.len() <= 255, "{len}: {name:?}");
                assert_ne!(name, names.target());
            }
        }
        let name = FileNames::of(OsStr::from_bytes(&[b'x'; 232])).unwrap().part();
        assert_eq!(name.len(), 200 + 1 + 16 + 7);
        assert!(FileNames::of(OsStr::from_bytes(&[b'x'; 231])).unwrap().part().len() == 238);
    }

    #[test]
    fn long_names_differ_by_their_hash_and_stay_utf8() {
        let (a, b) = ("\u{e9}".repeat(126), "\u{e9}".repeat(127));
        let (a, b) = (FileNames::of(OsStr::new(&a)).unwrap().part(), FileNames::of(OsStr::new(&b)).unwrap().part());
        assert_ne!(a, b);
        assert!(a.to_str().is_some());
        let odd = format!("x{}", "\u{20ac}".repeat(84));
        let part = FileNames::of(OsStr::new(&odd)).unwrap().part();
        assert_eq!(part.to_str().unwrap().find('~'), Some(199));
        let raw = FileNames::of(OsStr::from_bytes(&[0xbf; 255])).unwrap().part();
        assert_eq!(raw.as_bytes()[200], b'~');
    }

    #[test]
    fn what_is_not_one_component_is_refused() {
        for name in ["", ".", "..", "a/b", "/", "a\0b"] {
            assert_eq!(FileNames::of(OsStr::new(name)), None, "{name:?}");
        }
        assert_eq!(FileNames::of(OsStr::from_bytes(&[b'x'; 256])), None);
    }
}
