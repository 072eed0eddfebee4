//! Which bucket and key does a name mean?
//!
//! `oss://BUCKET/KEY`, `s3://BUCKET/KEY`: behind the bucket's `/` everything is the key, byte for byte. No decoding; `?`,
//! `#`, `%` and further slashes are letters of it.

use std::fmt;

use crate::error::Error;

/// Longest key in bytes: OSS takes 1023, S3 1024.
const KEY_LEN_MAX: usize = 1024;

/// Whose language a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Alibaba Cloud OSS.
    Oss,
    /// Amazon S3 and those that speak like it.
    S3,
}

impl Dialect {
    /// What names of objects begin with.
    pub(crate) fn scheme(self) -> &'static str {
        match self {
            Self::Oss => "oss://",
            Self::S3 => "s3://",
        }
    }
}

/// An object's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ObjectName {
    dialect: Dialect,
    bucket: String,
    key: String,
}

impl ObjectName {
    /// Whether a source or destination is meant to be in a store of ours.
    pub(crate) fn is_meant(name: &str) -> bool {
        dialect_of(name).is_some()
    }

    /// Reads the name of an object.
    ///
    /// # Errors
    /// `Usage`, saying what is wrong: the scheme, no bucket, a name that no bucket can have, no key, a key too long.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let place = Self::parse_prefix(name)?;
        if place.key.is_empty() {
            return Err(Error::usage(format!("{place}: the key is missing: {}BUCKET/KEY", place.dialect.scheme())));
        }
        Ok(place)
    }

    /// The same for what several names begin with: the key may be empty, or missing with its slash.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub(crate) fn parse_prefix(name: &str) -> Result<Self, Error> {
        let Some(dialect) = dialect_of(name) else {
            return Err(Error::usage("a name in a store begins with oss:// or s3://"));
        };
        let rest = &name[dialect.scheme().len()..];
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let form = format!("{}BUCKET/KEY", dialect.scheme());
        if bucket.is_empty() {
            return Err(Error::usage(format!("the bucket is missing: {form}")));
        }
        if bucket.contains('@') {
            // What stands before it may be a password.
            return Err(Error::usage(format!("{form} has no place for user and password; give credentials apart")));
        }
        if !is_bucket_name(bucket, dialect) {
            return Err(Error::usage(format!(
                "{bucket:?} is no name for a bucket: 3 to 63 lower-case letters, digits and hyphens"
            )));
        }
        if key.len() > KEY_LEN_MAX - usize::from(dialect == Dialect::Oss) {
            return Err(Error::usage(format!("the key has {} bytes, more than a store takes", key.len())));
        }
        Ok(Self { dialect, bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// Whose language its store speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The bucket.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Another key of the same bucket.
    pub(crate) fn with_key(&self, key: impl Into<String>) -> Self {
        Self { dialect: self.dialect, bucket: self.bucket.clone(), key: key.into() }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}", self.dialect.scheme(), self.bucket, self.key)
    }
}

fn dialect_of(name: &str) -> Option<Dialect> {
    let begins = |scheme: &str| name.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
    [Dialect::Oss, Dialect::S3].into_iter().find(|dialect| begins(dialect.scheme()))
}

/// 3 to 63 lower-case letters, digits and hyphens, beginning and ending with one of the former. S3 has dots as well, and
/// some of its kind keep the old names of up to 255 bytes with upper case and `_`: theirs to refuse.
fn is_bucket_name(name: &str, dialect: Dialect) -> bool {
    let bytes = name.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match dialect {
        Dialect::Oss => {
            (3..=63).contains(&bytes.len())
                && bytes.iter().all(|b| plain(b) || *b == b'-')
                && bytes.first().is_some_and(plain)
                && bytes.last().is_some_and(plain)
        }
        Dialect::S3 => {
            (3..=255).contains(&bytes.len())
                && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
                && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
                && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
                && !name.contains("..")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_the_bucket_everything_is_the_key() {
        for (name, bucket, key) in [
            ("oss://films/a.mp4", "films", "a.mp4"),
            ("OSS://films/a.mp4", "films", "a.mp4"),
            ("s3://films/a/b", "films", "a/b"),
            ("s3://films//a", "films", "/a"),
            ("s3://films/a/../b/./c", "films", "a/../b/./c"),
            ("s3://films/a%20b?c=d#e", "films", "a%20b?c=d#e"),
            ("oss://films/ ä\t+&", "films", " ä\t+&"),
            ("s3://my.old_Bucket/k", "my.old_Bucket", "k"),
            ("oss://films/user@host", "films", "user@host"),
        ] {
            let place = ObjectName::parse(name).unwrap();
            assert_eq!((place.bucket(), place.key()), (bucket, key), "{name}");
            assert!(place.to_string().ends_with(&format!("://{bucket}/{key}")));
        }
        assert_eq!(ObjectName::parse_prefix("oss://films").unwrap().key(), "");
        assert_eq!(ObjectName::parse_prefix("oss://films/").unwrap().key(), "");
    }

    #[test]
    fn what_names_no_object_is_refused_with_the_reason() {
        let long = format!("oss://films/{}", "k".repeat(1024));
        for (name, says) in [
            ("http://films/a", "begins with oss:// or s3://"),
            ("oss:films/a", "begins with oss:// or s3://"),
            ("oss://", "the bucket is missing"),
            ("oss:///a", "the bucket is missing"),
            ("oss://films", "the key is missing"),
            ("oss://films/", "the key is missing"),
            ("oss://Films/a", "no name for a bucket"),
            ("oss://fi/a", "no name for a bucket"),
            ("oss://-films/a", "no name for a bucket"),
            ("oss://films.x/a", "no name for a bucket"),
            ("s3://a..b/a", "no name for a bucket"),
            ("s3://films?x/a", "no name for a bucket"),
            ("s3://id:hush@films/a", "no place for user and password"),
            (long.as_str(), "the key has 1024 bytes"),
        ] {
            let error = ObjectName::parse(name).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hush"), "{name}: {error}");
        }
        assert!(ObjectName::parse(&format!("s3://films/{}", "k".repeat(1024))).is_ok());
        assert!(ObjectName::is_meant("S3://x") && !ObjectName::is_meant("https://x"));
    }
}
