//! Where to: `oss://BUCKET/KEY`, or `oss://BUCKET/PREFIX/` for files that keep their names; `s3://` the same.
//!
//! Behind the bucket's `/` everything is the key, byte for byte. What a bucket may be called is the library's matter.

use std::fmt;

/// Whose language a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Oss,
    S3,
}

const SCHEMES: [(&str, Dialect); 2] = [("oss://", Dialect::Oss), ("s3://", Dialect::S3)];

/// An object's name, or the beginning of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dest {
    dialect: Dialect,
    bucket: String,
    /// Empty, or ending in `/`: names of files are added.
    key: String,
}

impl Dest {
    /// Whether a store is meant.
    pub(crate) fn is_meant(text: &str) -> bool {
        scheme_of(text).is_some()
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, dialect)) = scheme_of(text) else {
            let shown = longhaul::source::redact_for_display(text);
            return Err(format!("{shown:?} is no place to upload to; give oss://BUCKET/KEY or s3://BUCKET/KEY"));
        };
        let rest = &text[scheme.len()..];
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(format!("the bucket is missing: {scheme}BUCKET/KEY"));
        }
        if bucket.contains('@') {
            // What stands before it may be a password.
            return Err(format!("{scheme}BUCKET/KEY has no place for user and password"));
        }
        Ok(Self { dialect, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether files keep their names below it.
    pub(crate) fn keeps_names(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// The same as the beginning of names: as a folder is meant where what is in folders is uploaded.
    pub(crate) fn into_prefix(mut self) -> Self {
        if !self.keeps_names() {
            self.key.push('/');
        }
        self
    }

    /// The object of this name below it.
    pub(crate) fn below(&self, name: &str) -> String {
        format!("{self}{name}")
    }
}

impl fmt::Display for Dest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|(_, dialect)| *dialect == self.dialect).map_or("", |(scheme, _)| scheme);
        write!(f, "{scheme}{}/{}", self.bucket, self.key)
    }
}

fn scheme_of(text: &str) -> Option<(&'static str, Dialect)> {
    let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    SCHEMES.into_iter().find(|(scheme, _)| begins(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_keeps_names() {
        for (text, shown, keeps) in [
            ("oss://films/a.mp4", "oss://films/a.mp4", false),
            ("OSS://films/a/", "oss://films/a/", true),
            ("s3://films", "s3://films/", true),
            ("s3://films/", "s3://films/", true),
            ("s3://films/a?b#c%20 d", "s3://films/a?b#c%20 d", false),
            ("s3://films//", "s3://films//", true),
        ] {
            let dest = Dest::parse(text).unwrap();
            assert_eq!((dest.to_string().as_str(), dest.keeps_names()), (shown, keeps), "{text}");
        }
        let dest = Dest::parse("oss://films/a").unwrap().into_prefix();
        assert_eq!(dest.below("b/c"), "oss://films/a/b/c");
        assert_eq!(Dest::parse("oss://films").unwrap().into_prefix().below("b"), "oss://films/b");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["films/a", "https://h/films", "oss:films", "oss://", "s3:///k", "s3://id:hush@films/k"] {
            let message = Dest::parse(text).unwrap_err();
            assert!(!message.contains("hush"), "{message}");
        }
        assert!(Dest::is_meant("S3://x") && !Dest::is_meant("/x"));
    }
}
