//! What lies at a path, and which parts of HTTP does the server keep to for it?

use std::time::{Duration, SystemTime};

use crate::answer::Answer;
use crate::content::Content;
use crate::digest::base64;
use crate::refuse;

/// A file as the origin shows it: bytes, validators, other header fields, manners.
///
/// Header values are raw: quotes are part of an ETag, so that weak (`W/"1"`), unquoted and malformed ones can be
/// written down as they are.
#[derive(Clone, Debug)]
pub struct Object {
    /// The bytes.
    pub content: Content,
    /// `ETag`. [`Object::new`] derives a strong one from the content.
    pub etag: Option<String>,
    /// `Last-Modified`. [`Object::new`] sets a date long past.
    pub last_modified: Option<String>,
    /// `Date`.
    pub date: DateField,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`: it speaks of the bytes as they are; the server does not encode them.
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// Further fields, as they are: digests, version ids, `Cache-Control`.
    pub headers: Vec<(String, String)>,
    /// What becomes of `Range`.
    pub ranges: Ranges,
    /// Which conditions are looked at.
    pub heeds: Heeds,
    /// Who may read it.
    pub access: Access,
}

/// The `Date` of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateField {
    /// The time it is.
    Now,
    /// This value, as it is.
    Fixed(String),
    /// No such field.
    Absent,
}

/// How `Range` is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// RFC 9110, 14: one range 206, several `multipart/byteranges`, none that fits 416.
    Honour,
    /// Always the whole with 200, and no `Accept-Ranges`.
    Ignore,
    /// Always the whole with 200, although `Accept-Ranges: bytes` is claimed.
    IgnoreButClaim,
}

/// Which conditional fields a server looks at. The others are treated as if they had not been sent; for `If-Range`
/// that means that the range is answered for every validator, which is what object stores do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Heeds {
    pub if_match: bool,
    pub if_unmodified_since: bool,
    pub if_none_match: bool,
    pub if_modified_since: bool,
    pub if_range: bool,
}

impl Heeds {
    /// All of them.
    pub const ALL: Heeds = Heeds {
        if_match: true,
        if_unmodified_since: true,
        if_none_match: true,
        if_modified_since: true,
        if_range: true,
    };
    /// None of them.
    pub const NONE: Heeds = Heeds {
        if_match: false,
        if_unmodified_since: false,
        if_none_match: false,
        if_modified_since: false,
        if_range: false,
    };
}

/// Who may read an object.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody.
    Open,
    /// Requests with this query parameter; others get the answer, the body of which is an XML error by default.
    Query(String, String, Box<Answer>),
    /// Requests with this header field; others get the answer.
    Header(String, String, Box<Answer>),
}

impl Object {
    /// An object as a well kept server shows it: a strong ETag, an old date, ranges and conditions honoured.
    pub fn new(content: Content) -> Object {
        Object {
            etag: Some(format!("\"{:016x}\"", content.fingerprint())),
            content,
            last_modified: Some("Wed, 01 Jan 2020 00:00:00 GMT".to_owned()),
            date: DateField::Now,
            content_type: Some("application/octet-stream".to_owned()),
            content_encoding: None,
            content_disposition: None,
            headers: Vec::new(),
            ranges: Ranges::Honour,
            heeds: Heeds::ALL,
            access: Access::Open,
        }
    }

    /// [`Object::new`] of [`Content::seeded`].
    pub fn seeded(seed: u64, len: u64) -> Object {
        Object::new(Content::seeded(seed, len))
    }

    /// Sets `ETag`; quotes are yours to write.
    pub fn etag(mut self, value: impl Into<String>) -> Object {
        self.etag = Some(value.into());
        self
    }

    /// Takes `ETag` away.
    pub fn no_etag(mut self) -> Object {
        self.etag = None;
        self
    }

    /// Sets `Last-Modified` as it is.
    pub fn last_modified(mut self, value: impl Into<String>) -> Object {
        self.last_modified = Some(value.into());
        self
    }

    /// Sets `Last-Modified` to so long before now.
    pub fn modified_ago(self, age: Duration) -> Object {
        let date = httpdate::fmt_http_date(SystemTime::now() - age);
        self.last_modified(date)
    }

    /// Takes `Last-Modified` away.
    pub fn no_last_modified(mut self) -> Object {
        self.last_modified = None;
        self
    }

    /// Takes `ETag` and `Last-Modified` away.
    pub fn no_validators(self) -> Object {
        self.no_etag().no_last_modified()
    }

    /// Sets `Date`.
    pub fn date(mut self, date: DateField) -> Object {
        self.date = date;
        self
    }

    /// Sets `Content-Type`.
    pub fn content_type(mut self, value: impl Into<String>) -> Object {
        self.content_type = Some(value.into());
        self
    }

    /// Sets `Content-Encoding`; the bytes stay as they are.
    pub fn content_encoding(mut self, value: impl Into<String>) -> Object {
        self.content_encoding = Some(value.into());
        self
    }

    /// Sets `Content-Disposition`.
    pub fn content_disposition(mut self, value: impl Into<String>) -> Object {
        self.content_disposition = Some(value.into());
        self
    }

    /// Adds a header field.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Object {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets what becomes of `Range`.
    pub fn ranges(mut self, ranges: Ranges) -> Object {
        self.ranges = ranges;
        self
    }

    /// Sets which conditions are looked at.
    pub fn heeds(mut self, heeds: Heeds) -> Object {
        self.heeds = heeds;
        self
    }

    /// Other bytes under the same header fields: an object replaced behind its validators, or corrupted.
    pub fn with_content(mut self, content: Content) -> Object {
        self.content = content;
        self
    }

    /// A signed link: without `name=value` in the query the answer is the 403 of a store whose link has expired.
    pub fn requires_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Object {
        self.access = Access::Query(name.into(), value.into(), Box::new(refuse::expired_link()));
        self
    }

    /// Basic authentication (RFC 7617): otherwise 401.
    pub fn requires_basic(self, user: &str, password: &str) -> Object {
        let credentials = base64(format!("{user}:{password}").as_bytes());
        self.requires_header("Authorization", format!("Basic {credentials}"), refuse::unauthorized())
    }

    /// A header field that has to be there (a token, a cookie): otherwise `refusal`.
    pub fn requires_header(mut self, name: impl Into<String>, value: impl Into<String>, refusal: Answer) -> Object {
        self.access = Access::Header(name.into(), value.into(), Box::new(refusal));
        self
    }
}
