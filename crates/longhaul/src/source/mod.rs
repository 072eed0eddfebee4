//! Where transfers come from and go to, as values: parsed once, where a caller gives them.
//!
//! ```text
//! object      a name in a store: oss://BUCKET/KEY, s3://BUCKET/KEY, or what several names begin with
//! web         a link: what it asks for, to the byte, and what of it may be shown
//! link        who brings a fresh link
//! range       which bytes of an object
//! address     a URL as it is sent
//! redact      what of a URL may be written down and shown
//! ```
//!
//! What a value shows by `Display` and `Debug` holds no secret: journals, lists, messages and logs take that, and
//! cannot take anything else by mistake. Functions of this library take texts as well (`impl TryInto<Source>`): what is
//! wrong with one is then told where the transfer starts.

mod address;
mod link;
mod object;
mod range;
mod redact;
mod web;

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use longhaul_core::link::Link;
pub use longhaul_core::names::is_deceptive;

pub(crate) use address::{WebAddress, zoned};
pub use link::LinkSource;
pub use object::{Dialect, ObjectName, ObjectPrefix};
pub use range::ByteRange;
pub(crate) use range::range_text;
#[cfg(all(any(test, fuzzing), feature = "upload", feature = "environment"))]
pub(crate) use redact::redact;
pub use redact::redact_for_display;
pub use web::WebUrl;

use crate::error::Error;

/// Where a download comes from.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Behind a link.
    Web(WebUrl),
    /// In a store whose requests are signed one by one.
    Object(ObjectName),
}

impl Source {
    /// Whether it is a link that holds what is not shown, and what a request may need ([`WebUrl::has_secrets`]).
    pub fn has_secrets(&self) -> bool {
        self.link().is_some_and(WebUrl::has_secrets)
    }

    /// Whether it is a signed link ([`WebUrl::is_signed`]).
    pub fn is_signed(&self) -> bool {
        self.link().is_some_and(WebUrl::is_signed)
    }

    /// The name that a download into a folder gets unless the server suggests another one: one safe path component, made
    /// of the last part of the path or key.
    pub fn file_name(&self) -> String {
        let name = match self {
            Self::Web(url) => longhaul_core::names::name_from(None, url.address().path()),
            Self::Object(name) => longhaul_core::names::safe_name(name.key().as_bytes()),
        };
        name.as_str().to_owned()
    }

    /// The version of an object that is meant, where it is not the newest.
    pub(crate) fn version(&self) -> Option<&str> {
        match self {
            Self::Web(_) => None,
            Self::Object(name) => name.version(),
        }
    }

    /// The same source of this version.
    ///
    /// # Errors
    /// `Usage` for a link.
    pub(crate) fn with_version(self, id: Option<&str>) -> Result<Self, Error> {
        match (self, id) {
            (Self::Object(name), Some(id)) => Ok(Self::Object(name.with_version(id))),
            (Self::Web(_), Some(_)) => {
                Err(Error::usage("a version id is for oss:// and s3:// names; a URL has it in its query"))
            }
            (source, None) => Ok(source),
        }
    }

    /// Whether another object may have the same text ([`WebUrl::is_ambiguous`]).
    pub(crate) fn is_ambiguous(&self) -> bool {
        self.link().is_some_and(WebUrl::is_ambiguous)
    }

    /// What decides what a refusal of the link means; `None` for an object in a store.
    pub(crate) fn link_facts(&self, credentials: bool) -> Option<Link> {
        self.link().map(|link| link.facts(credentials))
    }

    fn link(&self) -> Option<&WebUrl> {
        match self {
            Self::Web(url) => Some(url),
            Self::Object(_) => None,
        }
    }
}

impl FromStr for Source {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage), as for a [`WebUrl`] or an [`ObjectName`].
    fn from_str(text: &str) -> Result<Self, Error> {
        match Dialect::of(text) {
            Some(_) => text.parse().map(Self::Object),
            None => text.parse().map(Self::Web),
        }
    }
}

/// The form that may be shown, and that journals and receipts keep.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => url.fmt(f),
            Self::Object(name) => name.fmt(f),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => url.fmt(f),
            Self::Object(name) => name.fmt(f),
        }
    }
}

impl AsRef<Source> for Source {
    fn as_ref(&self) -> &Source {
        self
    }
}

impl From<WebUrl> for Source {
    fn from(url: WebUrl) -> Self {
        Self::Web(url)
    }
}

impl From<ObjectName> for Source {
    fn from(name: ObjectName) -> Self {
        Self::Object(name)
    }
}

impl From<&WebUrl> for Source {
    fn from(url: &WebUrl) -> Self {
        Self::Web(url.clone())
    }
}

impl From<&ObjectName> for Source {
    fn from(name: &ObjectName) -> Self {
        Self::Object(name.clone())
    }
}

/// Texts, and values that are borrowed, wherever a value is taken.
macro_rules! taken_from {
    ($($value:ty),*) => {$(
        impl TryFrom<&str> for $value {
            type Error = Error;
            fn try_from(text: &str) -> Result<Self, Error> {
                text.parse()
            }
        }
        impl TryFrom<String> for $value {
            type Error = Error;
            fn try_from(text: String) -> Result<Self, Error> {
                text.parse()
            }
        }
        impl TryFrom<&String> for $value {
            type Error = Error;
            fn try_from(text: &String) -> Result<Self, Error> {
                text.parse()
            }
        }
        impl From<&$value> for $value {
            fn from(value: &$value) -> Self {
                value.clone()
            }
        }
    )*};
}

taken_from!(Source, WebUrl, ObjectName, ObjectPrefix, ByteRange);

/// What is a value already is taken as it is: [`TryInto`] then has no error.
impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_a_link_or_an_object() {
        for (text, shown) in [
            ("https://me:hush@h/x?token=hush", "Web https://h/x?token="),
            ("S3://films/a?token=b", "Object s3://films/a?token=b"),
        ] {
            let source = match text.parse().unwrap() {
                Source::Web(url) => format!("Web {url}"),
                Source::Object(name) => format!("Object {name}"),
            };
            assert_eq!(source, shown);
            let source = Source::try_from(text).unwrap();
            assert_eq!(source, Source::from(&source));
            assert!(shown.contains(&source.to_string()) && !format!("{source:?}").contains("hush"), "{source:?}");
        }
        let error = Source::try_from("oss://me:hush@films/k").unwrap_err().to_string();
        assert!(error.contains("no place for user and password") && !error.contains("hush"), "{error}");
    }
}
