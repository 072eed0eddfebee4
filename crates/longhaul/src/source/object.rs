//! Which bucket and key does a name mean?
//!
//! `oss://BUCKET/KEY`, `s3://BUCKET/KEY`: behind the bucket's `/` everything is the key, byte for byte. No decoding;
//! `?`, `#`, `%` and further slashes are letters of it. Such a name holds no secret; what stands before an `@` could be
//! one, and is refused without being repeated.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Longest key in bytes: OSS takes 1023, S3 1024.
const KEY_LEN_MAX: usize = 1024;

/// Whose language a store speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Alibaba Cloud OSS.
    Oss,
    /// Amazon S3 and those that speak like it.
    S3,
}

impl Dialect {
    /// What names of objects begin with: `oss://`, `s3://`.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Oss => "oss://",
            Self::S3 => "s3://",
        }
    }

    /// The dialect whose scheme a text begins with, in upper or lower case; `None` when the text means no object in a
    /// store. Whether the rest of it is a name, [`ObjectName`] and [`ObjectPrefix`] say.
    pub fn of(text: &str) -> Option<Self> {
        let begins = |scheme: &str| text.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme));
        [Self::Oss, Self::S3].into_iter().find(|dialect| begins(dialect.scheme()))
    }
}

/// The name of an object in a store, `oss://BUCKET/KEY` or `s3://BUCKET/KEY`, and which version of it is meant.
///
/// The key may hold any characters, line ends and terminal sequences too: a program that prints a name escapes it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectName {
    dialect: Dialect,
    bucket: String,
    key: String,
    version: Option<String>,
}

impl ObjectName {
    /// This version of the object, and not the newest. The version is no part of the name as it is shown or parsed.
    pub fn with_version(self, id: impl Into<String>) -> Self {
        Self { version: Some(id.into()), ..self }
    }

    /// Whose language its store speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The version that is meant; `None` is the newest.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }
}

impl FromStr for ObjectName {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), saying what is wrong: the scheme, no bucket, a name that no
    /// bucket can have, no key, a key longer than a store takes.
    fn from_str(text: &str) -> Result<Self, Error> {
        let prefix = ObjectPrefix::from_str(text)?;
        if prefix.key.is_empty() {
            let form = format!("{}BUCKET/KEY", prefix.dialect.scheme());
            return Err(Error::usage(format!("{prefix}: the key is missing: {form}")));
        }
        Ok(prefix.with_key(prefix.key.as_str()))
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}", self.dialect.scheme(), self.bucket, self.key)
    }
}

impl fmt::Debug for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = f.debug_tuple("ObjectName");
        tuple.field(&self.to_string());
        self.version.iter().fold(&mut tuple, |tuple, version| tuple.field(version)).finish()
    }
}

/// What the names of several objects begin with: `oss://BUCKET`, `oss://BUCKET/`, `oss://BUCKET/some/begin`; `s3://`
/// the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ObjectPrefix {
    dialect: Dialect,
    bucket: String,
    key: String,
}

impl ObjectPrefix {
    /// Whose language its store speaks.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What the keys begin with; empty for all of a bucket.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether this is all of a bucket, or ends in a slash as the name of a folder does.
    pub fn is_folder(&self) -> bool {
        self.key.is_empty() || self.key.ends_with('/')
    }

    /// The same with a slash at its end, unless it [is a folder](Self::is_folder) already.
    pub fn into_folder(mut self) -> Self {
        if !self.is_folder() {
            self.key.push('/');
        }
        self
    }

    /// The object whose key is this prefix's followed by `rest`, byte for byte.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) when both are empty, and for a key longer than a store takes.
    pub fn object(&self, rest: &str) -> Result<ObjectName, Error> {
        let name = self.with_key(format!("{}{rest}", self.key));
        check_key_len(self.dialect, &name.key)?;
        match name.key.is_empty() {
            true => Err(Error::usage(format!("{name}: the key is missing: {}BUCKET/KEY", self.dialect.scheme()))),
            false => Ok(name),
        }
    }

    /// An object of the same bucket, whose key the store told.
    pub(crate) fn with_key(&self, key: impl Into<String>) -> ObjectName {
        ObjectName { dialect: self.dialect, bucket: self.bucket.clone(), key: key.into(), version: None }
    }
}

impl FromStr for ObjectPrefix {
    type Err = Error;

    /// # Errors
    /// As for an [`ObjectName`], but the key may be empty, or missing with its slash.
    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(dialect) = Dialect::of(text) else {
            return Err(Error::usage("a name in a store begins with oss:// or s3://"));
        };
        let rest = &text[dialect.scheme().len()..];
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
        check_key_len(dialect, key)?;
        Ok(Self { dialect, bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

impl fmt::Display for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}/{}", self.dialect.scheme(), self.bucket, self.key)
    }
}

impl fmt::Debug for ObjectPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ObjectPrefix").field(&self.to_string()).finish()
    }
}

impl From<ObjectName> for ObjectPrefix {
    /// What the name of this object begins with, and perhaps those of others. Its version is left out.
    fn from(name: ObjectName) -> Self {
        Self { dialect: name.dialect, bucket: name.bucket, key: name.key }
    }
}

fn check_key_len(dialect: Dialect, key: &str) -> Result<(), Error> {
    let most = KEY_LEN_MAX - usize::from(dialect == Dialect::Oss);
    match key.len() > most {
        true => Err(Error::usage(format!("the key has {} bytes, more than a store takes", key.len()))),
        false => Ok(()),
    }
}

/// 3 to 63 lower-case letters, digits and hyphens, beginning and ending with one of the former. S3 has dots as well,
/// and some of its kind keep the old names of up to 255 bytes with upper case and `_`: theirs to refuse.
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
            let object: ObjectName = name.parse().unwrap();
            assert_eq!((object.bucket(), object.key()), (bucket, key), "{name}");
            assert!(object.to_string().ends_with(&format!("://{bucket}/{key}")));
        }
        for (name, key) in [("oss://films", ""), ("oss://films/", ""), ("s3://films/a/b", "a/b")] {
            assert_eq!(name.parse::<ObjectPrefix>().unwrap().key(), key);
        }
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
            let error = name.parse::<ObjectName>().unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("hush"), "{name}: {error}");
        }
        assert!(format!("s3://films/{}", "k".repeat(1024)).parse::<ObjectName>().is_ok());
        assert!(Dialect::of("S3://x") == Some(Dialect::S3) && Dialect::of("https://x").is_none());
    }

    #[test]
    fn objects_are_named_below_a_prefix() {
        for (prefix, folder, object) in [
            ("oss://films/a", false, "oss://films/a/b/c"),
            ("oss://films/a/", true, "oss://films/a/b/c"),
            ("s3://films", true, "s3://films/b/c"),
            ("s3://films//", true, "s3://films//b/c"),
        ] {
            let prefix: ObjectPrefix = prefix.parse().unwrap();
            assert_eq!(prefix.is_folder(), folder, "{prefix}");
            assert_eq!(prefix.into_folder().object("b/c").unwrap().to_string(), object);
        }
        let bucket: ObjectPrefix = "oss://films".parse().unwrap();
        assert!(bucket.object("").is_err() && bucket.object(&"k".repeat(1024)).is_err());
        assert_eq!(bucket.object("k").unwrap().to_string(), "oss://films/k");
    }

    #[test]
    fn the_version_is_apart_from_the_name() {
        let object: ObjectName = "s3://films/a".parse().unwrap();
        let version = object.clone().with_version("v1");
        assert_eq!((object.version(), version.version()), (None, Some("v1")));
        assert!(object != version && object.to_string() == version.to_string());
        assert_eq!(format!("{version:?}"), "ObjectName(\"s3://films/a\", \"v1\")");
    }
}
