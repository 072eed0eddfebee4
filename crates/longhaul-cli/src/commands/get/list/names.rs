//! Do two sources of one command want one name? What is kept of each name are eight bytes, so that a list of a million
//! is no weight: a name of which six bytes of a hash are known, with two bytes of what it is wanted for.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;

use longhaul::Source;

/// So many are kept, in 18 MiB; of later ones nothing is noticed here. Where files meet, the library tells.
const KEPT_MAX: usize = 2 << 20;
/// So many new ones wait at least until they are merged with the others; and until they are this part of all.
const RECENT_MIN: usize = 1 << 10;
const RECENT_PART: usize = 64;
/// What is kept of what a name is wanted for.
const SOURCE_BITS: u64 = 0xffff;
/// So many pairs are told.
const TOLD_MAX: usize = 10;

/// The name that a source wants below the folder.
pub(super) struct Wish {
    pub(super) name: String,
    /// It was said; the server has no say in it.
    pub(super) is_sure: bool,
    /// Nothing is known of the name: the server will tell it.
    is_open: bool,
    source: String,
}

impl Wish {
    /// `name`: as it was said.
    pub(super) fn of(source: &Source, name: Option<&Path>) -> Self {
        let shown = source.to_string();
        match name {
            Some(name) => {
                let name = name.to_string_lossy().into_owned();
                Self { name, is_sure: true, is_open: false, source: shown }
            }
            None => {
                let name = source.file_name();
                // `get?id=7` is the name of a program at the server, which tells those of files.
                let is_open = !name.contains('.') && matches!(source, Source::Web(_)) && shown.contains('?');
                Self { name, is_sure: false, is_open, source: shown }
            }
        }
    }
    /// The same in this folder below the one of the command.
    pub(super) fn in_folder(mut self, folder: &Path) -> Self {
        self.name = folder.join(&self.name).to_string_lossy().into_owned();
        self
    }
}

#[derive(Default)]
pub(super) struct Names {
    /// Bits of names, and below them those of sources; in order, without gaps. A hash table has room for twice as many.
    wanted: Vec<u64>,
    recent: BTreeSet<u64>,
    hash: RandomState,
    told: usize,
}

impl Names {
    /// Notes the name; whether another source seems to have wanted it before.
    pub(super) fn is_taken(&mut self, wish: &Wish) -> bool {
        if wish.is_open {
            return false;
        }
        let first = self.hash.hash_one(&wish.name) & !SOURCE_BITS;
        let this = first | self.hash.hash_one(&wish.source) & SOURCE_BITS;
        let place = self.wanted.partition_point(|&other| other < first);
        let before = self.wanted.get(place).filter(|&&other| other <= first | SOURCE_BITS);
        let before = before.or_else(|| self.recent.range(first..=first | SOURCE_BITS).next());
        if let Some(&before) = before {
            return before != this;
        }
        if self.wanted.len() + self.recent.len() < KEPT_MAX {
            self.recent.insert(this);
            if self.recent.len() > RECENT_MIN.max(self.wanted.len() / RECENT_PART) {
                self.merge();
            }
        }
        false
    }

    fn merge(&mut self) {
        let (mut from, mut to) = (self.wanted.len(), self.wanted.len() + self.recent.len());
        self.wanted.reserve_exact(self.recent.len());
        self.wanted.resize(to, 0);
        // From the end: each place is free when it is written to.
        for new in std::mem::take(&mut self.recent).into_iter().rev() {
            while from > 0 && self.wanted[from - 1] > new {
                (from, to) = (from - 1, to - 1);
                self.wanted[to] = self.wanted[from];
            }
            to -= 1;
            self.wanted[to] = new;
        }
    }

    /// Another pair is told: what is said behind it. `None`: enough were told.
    pub(super) fn tell(&mut self) -> Option<&'static str> {
        self.told += 1;
        match self.told {
            n if n > TOLD_MAX => None,
            TOLD_MAX => Some(" (more pairs like this are not told beforehand)"),
            _ => Some(""),
        }
    }

    /// No more names come.
    pub(super) fn forget(&mut self) {
        (self.wanted, self.recent) = (Vec::new(), BTreeSet::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(url: &str, name: Option<&str>) -> Wish {
        Wish::of(&url.parse().unwrap(), name.map(Path::new))
    }

    #[test]
    fn two_sources_with_one_name_are_noticed_and_one_source_twice_is_not() {
        let mut names = Names::default();
        for (url, name, taken) in [
            ("http://h/a/x", None, false),
            ("http://h/b/x", None, true),
            ("http://h/a/x", None, false),
            ("http://h/b/x", Some("y"), false),
            ("http://h/c/z", Some("y"), true),
            ("http://h/c/x?a=b", None, false),
            ("http://h/c/x.iso?a=b", None, false),
            ("http://h/d/x.iso?a=b", None, true),
            ("oss://films/x.iso", None, true),
        ] {
            assert_eq!(names.is_taken(&wish(url, name)), taken, "{url} {name:?}");
        }
        assert_eq!((0..100).filter_map(|_| names.tell()).count(), TOLD_MAX);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut names = Names::default();
        let wish = |n: usize| Wish { name: n.to_string(), is_sure: true, is_open: false, source: String::new() };
        for n in 0..100_000 {
            assert!(!names.is_taken(&wish(n)));
        }
        for n in 0..100_000 {
            assert!(names.is_taken(&Wish { source: "another".into(), ..wish(n) }), "{n}");
        }
        assert!(names.wanted.capacity() < 101_000 && names.recent.len() <= 100_000 / RECENT_PART);
        names.wanted = (0..KEPT_MAX as u64).map(|n| n << 16).collect();
        let before = names.wanted.len() + names.recent.len();
        assert!(!names.is_taken(&wish(200_000)) && names.wanted.len() + names.recent.len() == before);
        names.forget();
        assert!(names.wanted.capacity() == 0 && names.recent.is_empty());
    }
}
