//! Are these the same bytes? An [`Identity`] is what replies tell about one version of an object; [`Identity::compare`]
//! says whether a second reply speaks of the same version.
//!
//! Only a **strong validator** proves it: a version id, a strong ETag (RFC 9110, 8.8.3), or a `Last-Modified` at least
//! [`OLD_ENOUGH_S`] seconds older than the reply's `Date` (RFC 9110, 8.8.2.2: a second change within the same second
//! could hide behind a younger one). A weak ETag, a young date or a missing validator is no proof: then one reply makes
//! one file, unless a whole-object digest decides at the end.

use crate::digest::Digest;

/// How much older than the reply's `Date` a `Last-Modified` must be to count as strong, in seconds.
pub const OLD_ENOUGH_S: i64 = 60;

/// What proves that two replies carry bytes of one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Validator {
    /// A store's version id.
    Version(String),
    /// A strong ETag: the raw header value, quotes included.
    Etag(String),
    /// A `Last-Modified` that was old when it was first seen: seconds since the Unix epoch.
    Modified(i64),
}

/// What is known of one version of an object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The store's version id, where it has one.
    pub version: Option<String>,
    /// The ETag as sent, `W/` and quotes included. A malformed one is kept, and counts as weak.
    pub etag: Option<String>,
    /// `Last-Modified` in seconds since the Unix epoch.
    pub modified: Option<i64>,
    /// Whether `modified` was at least [`OLD_ENOUGH_S`] older than the `Date` of the reply that showed it.
    pub modified_is_old: bool,
    /// The length of the object in bytes; `None` until a reply or the end of a body told. Where a
    /// [`Window`](crate::window::Window) of it is wanted, the length of that.
    pub length: Option<u64>,
    /// The length of the object, if known, where a window of it is wanted; `None` where all of it is.
    pub of: Option<u64>,
    /// A stored `Content-Encoding` other than `identity`: part of the object, never decoded.
    pub encoding: Option<String>,
    /// Whole-object digests that the source declared.
    pub digests: Vec<Digest>,
    /// Whether the first reply was HTML: an HTML page that takes the place of anything else is a portal.
    pub html: bool,
    /// The validator was caught lying (other bytes under the same validator): it is no proof any more.
    pub distrusted: bool,
}

/// The answer to "does this reply speak of the version we know?".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// The strong validators are equal, and length and encoding agree.
    Same,
    /// A strong validator, the length or the encoding contradicts.
    Different,
    /// The reply neither contradicts nor proves it.
    Unknown,
}

/// Whether a raw ETag value is a well-formed strong entity-tag (RFC 9110, 8.8.3): `"` etagc* `"`.
pub fn is_strong_etag(raw: &str) -> bool {
    let b = raw.as_bytes();
    b.len() >= 2
        && b[0] == b'"'
        && b[b.len() - 1] == b'"'
        && b[1..b.len() - 1].iter().all(|&c| c == 0x21 || (0x23..=0x7e).contains(&c) || c >= 0x80)
}

impl Identity {
    /// The validator that later requests quote and later replies must show, if there is a strong one.
    pub fn strong(&self) -> Option<Validator> {
        if self.distrusted {
            return None;
        }
        if let Some(version) = &self.version {
            return Some(Validator::Version(version.clone()));
        }
        if let Some(etag) = self.etag.as_ref().filter(|e| is_strong_etag(e)) {
            return Some(Validator::Etag(etag.clone()));
        }
        if self.modified_is_old { self.modified.map(Validator::Modified) } else { None }
    }

    /// Whether bytes of several replies may be joined on the word of this identity.
    pub fn is_strong(&self) -> bool {
        !self.distrusted
            && (self.version.is_some()
                || self.etag.as_deref().is_some_and(is_strong_etag)
                || (self.modified_is_old && self.modified.is_some()))
    }

    /// Compares a later reply's identity with this recorded one.
    ///
    /// The validator of the strongest kind that the recorded identity has decides; the reply must show the same kind.
    /// Length, encoding and declared digests contradict whenever both sides know them.
    pub fn compare(&self, reply: &Identity) -> Likeness {
        let differ = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a != b);
        if differ(self.length, reply.length) || differ(self.of, reply.of) {
            return Likeness::Different;
        }
        let other = |d: &&Digest| reply.digests.iter().any(|r| r.kind() == d.kind() && r != *d);
        if self.digests.iter().any(|d| other(&d)) {
            return Likeness::Different;
        }
        let verdict = if let Some(version) = &self.version {
            against(version, reply.version.as_ref())
        } else if let Some(etag) = self.etag.as_deref().filter(|e| is_strong_etag(e)) {
            match reply.etag.as_deref() {
                Some(other) if etag == other => Likeness::Same,
                Some(other) if is_strong_etag(other) => Likeness::Different,
                _ => Likeness::Unknown,
            }
        } else {
            // An equal weak ETag is no proof, but one that differs says that something changed.
            let tags_differ = match (&self.etag, &reply.etag) {
                (Some(a), Some(b)) => a.trim_start_matches("W/") != b.trim_start_matches("W/"),
                _ => false,
            };
            match (self.modified, reply.modified) {
                (Some(a), Some(b)) if self.modified_is_old && (a != b || tags_differ) => Likeness::Different,
                (Some(_), Some(_)) if self.modified_is_old => Likeness::Same,
                _ => Likeness::Unknown,
            }
        };
        match verdict {
            Likeness::Same if self.encoding != reply.encoding => Likeness::Different,
            Likeness::Same if self.distrusted => Likeness::Unknown,
            verdict => verdict,
        }
    }
}

fn against<T: PartialEq>(known: &T, shown: Option<&T>) -> Likeness {
    match shown {
        Some(shown) if shown == known => Likeness::Same,
        Some(_) => Likeness::Different,
        None => Likeness::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn etag(raw: &str) -> Identity {
        Identity { etag: Some(raw.into()), ..Identity::default() }
    }

    fn dated(modified: i64, old: bool) -> Identity {
        Identity { modified: Some(modified), modified_is_old: old, ..Identity::default() }
    }

    fn weak_dated(raw: &str) -> Identity {
        Identity { etag: Some(raw.into()), ..dated(100, true) }
    }

    #[test]
    fn strong_etags_are_quoted_and_not_weak() {
        for (raw, strong) in [
            ("\"a\"", true),
            ("\"\"", true),
            ("W/\"a\"", false),
            ("a", false),
            ("\"", false),
            ("", false),
            ("\"a b\"", false),
            ("\"a\"b\"", false),
            ("\"caf\u{e9}\"", true),
        ] {
            assert_eq!(is_strong_etag(raw), strong, "{raw}");
        }
    }

    #[test]
    fn only_equal_strong_validators_are_the_same_version() {
        use Likeness::{Different, Same, Unknown};
        let table = [
            (etag("\"a\""), etag("\"a\""), Same),
            (etag("\"a\""), etag("\"b\""), Different),
            (etag("\"a\""), etag("W/\"a\""), Unknown),
            (etag("\"a\""), Identity::default(), Unknown),
            (etag("W/\"a\""), etag("W/\"a\""), Unknown),
            (dated(100, true), dated(100, true), Same),
            (dated(100, true), dated(100, false), Same),
            (dated(100, true), dated(101, true), Different),
            (dated(100, false), dated(100, true), Unknown),
            (dated(100, true), Identity::default(), Unknown),
            (weak_dated("W/\"a\""), weak_dated("W/\"a\""), Same),
            (weak_dated("W/\"a\""), weak_dated("\"a\""), Same),
            (weak_dated("W/\"a\""), weak_dated("W/\"b\""), Different),
            (Identity { length: Some(1), ..etag("\"a\"") }, Identity { length: Some(2), ..etag("\"a\"") }, Different),
            (Identity { encoding: Some("gzip".into()), ..etag("\"a\"") }, etag("\"a\""), Different),
            (Identity { distrusted: true, ..etag("\"a\"") }, etag("\"a\""), Unknown),
        ];
        for (known, reply, want) in table {
            assert_eq!(known.compare(&reply), want, "{known:?} against {reply:?}");
        }
    }

    #[test]
    fn a_date_counts_only_when_old() {
        assert!(dated(100, true).is_strong());
        assert!(!dated(100, false).is_strong());
        assert!(Identity { etag: Some("W/\"a\"".into()), ..dated(100, true) }.is_strong());
        assert_eq!(dated(100, true).strong(), Some(Validator::Modified(100)));
    }
}
