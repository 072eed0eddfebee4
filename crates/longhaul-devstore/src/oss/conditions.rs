//! Do the conditions of a request hold? Four fields, in the order of RFC 9110, 13.2.2. `If-Range` is none of them: OSS
//! does not look at it.

use super::clock::parse_http_date;
use super::refusal::Refusal;
use crate::request::Headers;

/// The names under which the four are sent: for the object itself, or for the source of a copy.
pub(crate) struct Names {
    if_match: &'static str,
    if_unmodified_since: &'static str,
    if_none_match: &'static str,
    if_modified_since: &'static str,
}

pub(crate) const OF_OBJECT: Names = Names {
    if_match: "If-Match",
    if_unmodified_since: "If-Unmodified-Since",
    if_none_match: "If-None-Match",
    if_modified_since: "If-Modified-Since",
};

pub(crate) const OF_SOURCE: Names = Names {
    if_match: "x-oss-copy-source-if-match",
    if_unmodified_since: "x-oss-copy-source-if-unmodified-since",
    if_none_match: "x-oss-copy-source-if-none-match",
    if_modified_since: "x-oss-copy-source-if-modified-since",
};

/// Which condition failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// 412, and the field.
    Precondition(&'static str),
    /// 304.
    NotModified(&'static str),
}

/// Checks them against an object. With `all` a date counts beside an ETag, too; by the RFC it does not.
pub(crate) fn check(headers: &Headers, names: &Names, etag: &str, modified_ms: i64, all: bool) -> Result<(), Failed> {
    // Last-Modified is sent in seconds, so that is what comes back.
    let modified = modified_ms.div_euclid(1000);
    let date = |name: &str| headers.get(name).and_then(parse_http_date).map(|ms| ms.div_euclid(1000));
    let lists = |list: &str| list.split(',').any(|one| one.trim() == "*" || bare(one) == bare(etag));
    let by_etag = headers.get(names.if_match);
    if by_etag.is_some_and(|list| !lists(list)) {
        return Err(Failed::Precondition(names.if_match));
    }
    if (by_etag.is_none() || all)
        && let Some(since) = date(names.if_unmodified_since)
        && since < modified
    {
        return Err(Failed::Precondition(names.if_unmodified_since));
    }
    let by_etag = headers.get(names.if_none_match);
    if by_etag.is_some_and(lists) {
        return Err(Failed::NotModified(names.if_none_match));
    }
    if (by_etag.is_none() || all)
        && let Some(since) = date(names.if_modified_since)
        && since >= modified
    {
        return Err(Failed::NotModified(names.if_modified_since));
    }
    Ok(())
}

/// An ETag without the quotes that some clients send and some do not.
pub(crate) fn bare(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

/// Conditions have no place on writes.
pub(crate) fn refuse_on_writes(headers: &Headers) -> Result<(), Refusal> {
    let names =
        [OF_OBJECT.if_match, OF_OBJECT.if_unmodified_since, OF_OBJECT.if_none_match, OF_OBJECT.if_modified_since];
    match names.iter().find(|name| headers.has(name)) {
        Some(name) => Err(Refusal::new(
            400,
            "NotImplemented",
            "A header you provided implies functionality that is not \
                                                                implemented.",
        )
        .with("Header", *name)
        .ec("0017-00000245")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: i64 = 1_763_004_345_678;
    const SAME: &str = "Thu, 13 Nov 2025 03:25:45 GMT";
    const BEFORE: &str = "Thu, 13 Nov 2025 03:25:44 GMT";
    const AFTER: &str = "Thu, 13 Nov 2025 03:25:46 GMT";

    /// A line a case: the fields, and the one that fails.
    #[test]
    fn conditions_hold_or_fail_as_the_documentation_says() {
        type Fields = &'static [(&'static str, &'static str)];
        let none: Fields = &[];
        let table: &[(Fields, Result<(), Failed>)] = &[
            (none, Ok(())),
            (&[("If-Match", "\"ABC-4\"")], Ok(())),
            (&[("If-Match", "ABC-4")], Ok(())),
            (&[("If-Match", "*")], Ok(())),
            (&[("If-Match", "\"X\", \"ABC-4\"")], Ok(())),
            (&[("If-Match", "\"X\"")], Err(Failed::Precondition("If-Match"))),
            (&[("If-Match", "abc-4")], Err(Failed::Precondition("If-Match"))),
            (&[("If-Unmodified-Since", SAME)], Ok(())),
            (&[("If-Unmodified-Since", AFTER)], Ok(())),
            (&[("If-Unmodified-Since", BEFORE)], Err(Failed::Precondition("If-Unmodified-Since"))),
            (&[("If-Unmodified-Since", "never")], Ok(())),
            (&[("If-None-Match", "\"X\"")], Ok(())),
            (&[("If-None-Match", "ABC-4")], Err(Failed::NotModified("If-None-Match"))),
            (&[("If-Modified-Since", BEFORE)], Ok(())),
            (&[("If-Modified-Since", SAME)], Err(Failed::NotModified("If-Modified-Since"))),
            (&[("If-Modified-Since", AFTER)], Err(Failed::NotModified("If-Modified-Since"))),
            (&[("If-Modified-Since", "never")], Ok(())),
            (&[("If-Match", "ABC-4"), ("If-None-Match", "ABC-4")], Err(Failed::NotModified("If-None-Match"))),
            (&[("If-Match", "X"), ("If-None-Match", "ABC-4")], Err(Failed::Precondition("If-Match"))),
            (&[("If-Match", "ABC-4"), ("If-Unmodified-Since", BEFORE)], Ok(())),
            (&[("If-None-Match", "X"), ("If-Modified-Since", AFTER)], Ok(())),
            (&[("If-Range", "\"X\"")], Ok(())),
        ];
        for (fields, outcome) in table {
            let mut headers = Headers::default();
            for (name, value) in *fields {
                headers.add(*name, value);
            }
            assert_eq!(&check(&headers, &OF_OBJECT, "ABC-4", MODIFIED, false), outcome, "{fields:?}");
        }
    }

    #[test]
    fn all_conditions_count_when_that_is_chosen() {
        for (etag, date, failed) in [
            (("If-Match", "ABC-4"), ("If-Unmodified-Since", BEFORE), Failed::Precondition("If-Unmodified-Since")),
            (("If-None-Match", "X"), ("If-Modified-Since", AFTER), Failed::NotModified("If-Modified-Since")),
        ] {
            let mut headers = Headers::default();
            headers.add(etag.0, etag.1);
            headers.add(date.0, date.1);
            assert_eq!(check(&headers, &OF_OBJECT, "ABC-4", MODIFIED, true), Err(failed), "{etag:?} {date:?}");
        }
    }
}
