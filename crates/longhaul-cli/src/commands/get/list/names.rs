//! Do two sources of one command want one name? What is kept of each name are eight bytes, so that a list of a million
//! is no weight: a name of which six bytes of a hash are known, with two bytes of what it is wanted for.

use std::collections::HashMap;
use std::collections::hash_map::{Entry, RandomState};
use std::hash::BuildHasher as _;
use std::path::Path;

use longhaul::Source;

/// So many are kept, in 20 MiB; of later ones nothing is noticed here. Where files meet, the library tells.
const KEPT_MAX: usize = 7 << 18;
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
    wanted: HashMap<[u8; 6], [u8; 2]>,
    hash: RandomState,
    told: usize,
}

impl Names {
    /// Notes the name; whether another source seems to have wanted it before.
    pub(super) fn is_taken(&mut self, wish: &Wish) -> bool {
        if wish.is_open {
            return false;
        }
        let [a, b, c, d, e, f, ..] = self.hash.hash_one(&wish.name).to_le_bytes();
        let [g, h, ..] = self.hash.hash_one(&wish.source).to_le_bytes();
        let is_full = self.wanted.len() >= KEPT_MAX;
        match self.wanted.entry([a, b, c, d, e, f]) {
            Entry::Occupied(of) => *of.get() != [g, h],
            Entry::Vacant(place) => {
                if !is_full {
                    place.insert([g, h]);
                }
                false
            }
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
        self.wanted = HashMap::new();
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
        assert!(HashMap::<[u8; 6], [u8; 2]>::with_capacity(KEPT_MAX).capacity() < KEPT_MAX + (1 << 18));
        assert_eq!(size_of::<([u8; 6], [u8; 2])>(), 8);
    }
}
