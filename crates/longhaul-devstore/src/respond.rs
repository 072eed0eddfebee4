//! What is the correct answer to a request for an object?
//!
//! Order of evaluation: who may read, the method, the conditions (RFC 9110, 13.2.2), then the range. The object says
//! which of these the server keeps to.

use std::ops::Range;
use std::time::SystemTime;

use crate::answer::Answer;
use crate::content::Content;
use crate::object::{Access, DateField, Object, Ranges};
use crate::request::Request;

/// Separates the parts of `multipart/byteranges`. It does not occur in generated content but by a great accident.
const BOUNDARY: &str = "devstore_byteranges_3d6b6a416f9b5";

/// The correct answer.
pub(crate) fn respond(request: &Request, object: &Object) -> Answer {
    if let Some(refusal) = refused(request, object) {
        return refusal;
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Answer::status(405).header("Allow", "GET, HEAD");
    }
    match conditions(request, object) {
        Condition::Failed => return described(object, Answer::status(412)),
        Condition::NotModified => return described(object, Answer::status(304)),
        Condition::Holds => {}
    }
    match asked(request, object) {
        Asked::Whole => whole(object),
        Asked::One(range) => part(object, range),
        Asked::Several(ranges) => several(object, &ranges),
        Asked::Nothing => {
            described(object, Answer::status(416)).header("Content-Range", format!("bytes */{}", object.content.len()))
        }
    }
}

/// The whole object with 200.
pub(crate) fn whole(object: &Object) -> Answer {
    let mut answer = described(object, Answer::status(200));
    if let Some(content_type) = &object.content_type {
        answer.headers.add("Content-Type", content_type);
    }
    answer.body = object.content.clone();
    answer.shows = Some(0..object.content.len());
    answer
}

/// One range of the object with 206 (RFC 9110, 15.3.7.1).
pub(crate) fn part(object: &Object, range: Range<u64>) -> Answer {
    let mut answer = whole(object);
    answer.status = 206;
    answer.headers.add("Content-Range", content_range(&range, object.content.len()));
    answer.body = object.content.slice(range.clone());
    answer.shows = Some(range);
    answer
}

/// Ranges of the object with 206, each a part of a multipart body (RFC 9110, 15.3.7.2 and 14.6).
pub(crate) fn several(object: &Object, ranges: &[Range<u64>]) -> Answer {
    let mut answer = described(object, Answer::status(206))
        .header("Content-Type", format!("multipart/byteranges; boundary={BOUNDARY}"));
    for range in ranges {
        let content_type = object.content_type.as_deref().unwrap_or("application/octet-stream");
        let content_range = content_range(range, object.content.len());
        let head =
            format!("\r\n--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range}\r\n\r\n");
        answer.body = answer.body.then(&Content::bytes(head)).then(&object.content.slice(range.clone()));
    }
    answer.body = answer.body.then(&Content::bytes(format!("\r\n--{BOUNDARY}--\r\n")));
    answer
}

/// `Content-Range` of half-open `range`; on the wire the last byte is named.
pub(crate) fn content_range(range: &Range<u64>, total: u64) -> String {
    format!("bytes {}-{}/{total}", range.start, range.end.saturating_sub(1))
}

/// The fields that tell of the object, with every status.
fn described(object: &Object, mut answer: Answer) -> Answer {
    match &object.date {
        DateField::Now => answer.headers.add("Date", httpdate::fmt_http_date(SystemTime::now())),
        DateField::Fixed(date) => answer.headers.add("Date", date),
        DateField::Absent => {}
    }
    if object.ranges != Ranges::Ignore {
        answer.headers.add("Accept-Ranges", "bytes");
    }
    let optional = [
        ("ETag", &object.etag),
        ("Last-Modified", &object.last_modified),
        ("Content-Encoding", &object.content_encoding),
        ("Content-Disposition", &object.content_disposition),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer.headers.add(name, value);
        }
    }
    for (name, value) in &object.headers {
        answer.headers.add(name, value);
    }
    answer
}

fn refused(request: &Request, object: &Object) -> Option<Answer> {
    let (allowed, refusal) = match &object.access {
        Access::Open => return None,
        Access::Query(name, value, refusal) => (request.query(name) == Some(value.as_str()), refusal),
        Access::Header(name, value, refusal) => (request.header(name) == Some(value.as_str()), refusal),
    };
    let date = httpdate::fmt_http_date(SystemTime::now());
    (!allowed).then(|| Answer::clone(refusal).header("Date", date))
}

enum Condition {
    Holds,
    Failed,
    NotModified,
}

fn conditions(request: &Request, object: &Object) -> Condition {
    let heeded = |name: &str, heeds: bool| if heeds { request.header(name) } else { None };
    let heeds = object.heeds;
    if let Some(list) = heeded("If-Match", heeds.if_match) {
        if !listed(list, object, strongly_equal) {
            return Condition::Failed;
        }
    } else if let Some(date) = heeded("If-Unmodified-Since", heeds.if_unmodified_since)
        && let Some((modified, limit)) = dates(object, date)
        && modified > limit
    {
        return Condition::Failed;
    }
    if let Some(list) = heeded("If-None-Match", heeds.if_none_match) {
        if listed(list, object, weakly_equal) {
            return Condition::NotModified;
        }
    } else if let Some(date) = heeded("If-Modified-Since", heeds.if_modified_since)
        && let Some((modified, limit)) = dates(object, date)
        && modified <= limit
    {
        return Condition::NotModified;
    }
    Condition::Holds
}

/// Both dates; `None` when either is absent or malformed: then the condition is ignored (RFC 9110, 13.1.3 and 13.1.4).
fn dates(object: &Object, limit: &str) -> Option<(SystemTime, SystemTime)> {
    let modified = httpdate::parse_http_date(object.last_modified.as_deref()?).ok()?;
    Some((modified, httpdate::parse_http_date(limit).ok()?))
}

/// Whether a list of entity tags, or `*`, names the object.
fn listed(list: &str, object: &Object, equal: fn(&str, &str) -> bool) -> bool {
    let Some(etag) = &object.etag else { return list.trim() == "*" };
    let mut quoted = false;
    let tags = list.split(|letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    });
    list.trim() == "*" || tags.map(str::trim).any(|tag| equal(tag, etag))
}

fn strongly_equal(left: &str, right: &str) -> bool {
    left == right && !left.starts_with("W/")
}

fn weakly_equal(left: &str, right: &str) -> bool {
    left.trim_start_matches("W/") == right.trim_start_matches("W/")
}

/// What `Range` comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// No range, one that is to be ignored, or one whose `If-Range` does not hold.
    Whole,
    /// One range, clipped to the object.
    One(Range<u64>),
    /// More than one, in the order asked.
    Several(Vec<Range<u64>>),
    /// Ranges, but none of them in the object.
    Nothing,
}

/// What the request asks for. Ranges are for GET only (RFC 9110, 14.2).
pub(crate) fn asked(request: &Request, object: &Object) -> Asked {
    if request.method != "GET" || object.ranges != Ranges::Honour {
        return Asked::Whole;
    }
    let Some(specs) = request.header("Range").and_then(parse_ranges) else { return Asked::Whole };
    if object.heeds.if_range && request.header("If-Range").is_some_and(|validator| !if_range_holds(validator, object)) {
        return Asked::Whole;
    }
    let len = object.content.len();
    let mut ranges: Vec<_> = specs.into_iter().filter_map(|spec| spec.within(len)).collect();
    match ranges.len() {
        0 => Asked::Nothing,
        1 => Asked::One(ranges.remove(0)),
        _ => Asked::Several(ranges),
    }
}

/// A tag by the strong comparison, a date only when it is the very same (RFC 9110, 13.1.5).
fn if_range_holds(validator: &str, object: &Object) -> bool {
    let same = |have: &Option<String>| have.as_deref() == Some(validator.trim());
    match httpdate::parse_http_date(validator) {
        Ok(_) => same(&object.last_modified),
        Err(_) => same(&object.etag) && !validator.trim().starts_with("W/"),
    }
}

#[derive(Clone, Copy)]
enum Spec {
    From(u64),
    FromTo(u64, u64),
    Last(u64),
}

impl Spec {
    fn within(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            Spec::From(first) => first..len,
            Spec::FromTo(first, last) => first..len.min(last.saturating_add(1)),
            Spec::Last(count) => len.saturating_sub(count)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

/// `None` for another unit or a set that is not valid: the field is ignored (RFC 9110, 14.2).
fn parse_ranges(value: &str) -> Option<Vec<Spec>> {
    let (unit, set) = value.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let specs: Option<Vec<Spec>> =
        set.split(',').map(str::trim).filter(|spec| !spec.is_empty()).map(parse_range).collect();
    specs.filter(|specs| !specs.is_empty())
}

fn parse_range(spec: &str) -> Option<Spec> {
    let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number too large for us is larger than any object.
        true if !text.is_empty() => Some(text.parse().unwrap_or(u64::MAX)),
        _ => None,
    };
    match spec.split_once('-')? {
        ("", count) => Some(Spec::Last(number(count)?)),
        (first, "") => Some(Spec::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}
