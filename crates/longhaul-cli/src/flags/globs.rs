//! `--include` and `--exclude`: which files of a folder, or objects of a prefix, are meant?
//!
//! A pattern without a `/` is about the last part of a name, at any depth; one with a `/` about the whole name below
//! the folder or prefix. `*` and `?` stay within a part, `**` goes across, `[a-z]` and `{one,other}` choose. A name is
//! meant when an `--include` fits it, or none was given, and no `--exclude` does: the order of the flags does not
//! matter.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Globs {
    include: Option<Patterns>,
    exclude: Option<Patterns>,
}

/// Patterns of one flag.
#[derive(Debug, Clone)]
struct Patterns {
    /// About the last part.
    last: GlobSet,
    /// About the whole.
    whole: GlobSet,
}

impl Globs {
    /// Reads the patterns of both flags.
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, String> {
        Ok(Self { include: patterns(include, "--include")?, exclude: patterns(exclude, "--exclude")? })
    }

    /// Whether a name is meant; it is relative, with `/` between its parts.
    pub(crate) fn take(&self, name: &str) -> bool {
        let included = self.include.as_ref().is_none_or(|patterns| patterns.fit(name));
        included && !self.exclude.as_ref().is_some_and(|patterns| patterns.fit(name))
    }
}

impl Patterns {
    fn fit(&self, name: &str) -> bool {
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        self.last.is_match(last) || self.whole.is_match(name)
    }
}

fn patterns(texts: &[String], flag: &str) -> Result<Option<Patterns>, String> {
    if texts.is_empty() {
        return Ok(None);
    }
    let (mut last, mut whole) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    for text in texts {
        let wrong = |e: globset::Error| format!("{flag} '{text}': {}", e.kind());
        // A leading slash says that the pattern begins where names do; so does every pattern with one.
        let pattern = text.strip_prefix('/').unwrap_or(text);
        if pattern.is_empty() {
            return Err(format!("{flag}: an empty pattern fits nothing"));
        }
        let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build().map_err(wrong)?;
        if text.contains('/') {
            whole.add(glob)
        } else {
            last.add(glob)
        };
    }
    let built = |set: GlobSetBuilder| set.build().map_err(|e| format!("{flag}: {}", e.kind()));
    Ok(Some(Patterns { last: built(last)?, whole: built(whole)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(include: &[&str], exclude: &[&str]) -> Globs {
        let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
        Globs::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn which_names_are_meant() {
        type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a str, bool);
        let rows: &[Row<'_>] = &[
            (&[], &[], "a/b", true),
            (&["*.iso"], &[], "x.iso", true),
            (&["*.iso"], &[], "a/b/x.iso", true),
            (&["*.iso"], &[], "x.iso/y", false),
            (&["*.iso", "*.img"], &[], "x.img", true),
            (&[], &["*.tmp"], "a/x.tmp", false),
            (&["*.iso"], &["old*"], "a/old.iso", false),
            (&["a/*.iso"], &[], "a/x.iso", true),
            (&["a/*.iso"], &[], "b/a/x.iso", false),
            (&["a/*.iso"], &[], "a/b/x.iso", false),
            (&["a/**"], &[], "a/b/x.iso", true),
            (&["**/b/*"], &[], "a/b/x", true),
            (&["/x"], &[], "x", true),
            (&["/x"], &[], "a/x", false),
            (&["?.[0-9]"], &[], "a.7", true),
            (&["{a,b}.c"], &[], "b.c", true),
            (&["\\*"], &[], "x", false),
            (&["\\*"], &[], "*", true),
            (&["*"], &[], ".hidden", true),
            (&[], &[".*"], "a/.hidden", false),
        ];
        for (include, exclude, name, meant) in rows {
            assert_eq!(globs(include, exclude).take(name), *meant, "{include:?} {exclude:?} {name}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_refused_with_its_flag() {
        for text in ["[a", "{a", "", "/"] {
            let message = Globs::new(&[text.to_owned()], &[]).unwrap_err();
            assert!(message.starts_with("--include"), "{message}");
        }
    }
}
