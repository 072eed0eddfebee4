//! Is what stands there ours? What the store tells of an object or a part, held against what was read.

use super::journal::{Before, ExpectedWhole};
use super::step::{ObjectFacts, Proof};
use crate::digest::{Digest, DigestKind};

/// Whether two sets of digests are of the same bytes: `None` when no kind is in both.
pub(super) fn same(a: &[Digest], b: &[Digest]) -> Option<bool> {
    let mut common = None;
    for x in a {
        for y in b.iter().filter(|y| y.kind() == x.kind()) {
            common = Some(common.unwrap_or(true) && x == y);
        }
    }
    common
}

/// What an object shows of a whole.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shown {
    /// It is these bytes.
    Same(Proof),
    /// It has the length, or tells none, and tells no digest that bytes could be compared by.
    Nothing,
    /// It is something else.
    Different { expected: Option<Digest>, actual: Option<Digest> },
}

/// Holds what is told of an object against what the whole has to be.
pub(super) fn shown(object: &ObjectFacts, whole: &ExpectedWhole) -> Shown {
    if object.len.is_some_and(|len| len != whole.length) {
        return Shown::Different { expected: None, actual: None };
    }
    let mut best: Option<DigestKind> = None;
    for expected in &whole.digests {
        for actual in object.digests.iter().filter(|d| d.kind() == expected.kind()) {
            if actual != expected {
                return Shown::Different { expected: Some(expected.clone()), actual: Some(actual.clone()) };
            }
            best = Some(best.map_or(actual.kind(), |kind| kind.min(actual.kind())));
        }
    }
    if let Some(kind) = best {
        return Shown::Same(Proof::Whole(kind));
    }
    match (&object.composite, &whole.composite) {
        // With another number of parts it may be the same bytes in other parts: then it is not what we made.
        (Some(theirs), Some(ours)) if theirs == ours => Shown::Same(Proof::Composite),
        (Some(_), Some(_)) => Shown::Different { expected: None, actual: None },
        _ => Shown::Nothing,
    }
}

/// An ETag without its quotes.
pub(super) fn bare(etag: &str) -> &str {
    etag.trim_start_matches("W/").trim_matches('"')
}

/// Whether a digest is just the ETag, read as an MD5.
pub(super) fn is_etag(digest: &Digest, etag: &str) -> bool {
    digest.kind() == DigestKind::Md5 && digest.hex().eq_ignore_ascii_case(bare(etag))
}

/// Whether both speak of the same write: equal version ids, or else equal ETags; `None` when neither is told by both.
pub(super) fn same_write(a: &ObjectFacts, b: &ObjectFacts) -> Option<bool> {
    if let (Some(a), Some(b)) = (&a.version, &b.version) {
        return Some(a == b);
    }
    match (a.etag.as_deref().map(bare), b.etag.as_deref().map(bare)) {
        (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => Some(a == b),
        _ => None,
    }
}

/// Whether what stands there now is what stood there before.
pub(super) fn is_before(object: &ObjectFacts, before: &Before) -> bool {
    let Before::Object(old) = before else { return false };
    // A reply to a request that writes seldom tells the length.
    old.len.zip(object.len).is_none_or(|(old, new)| old == new)
        && same(&old.digests, &object.digests) != Some(false)
        && same_write(old, object).unwrap_or(old.digests == object.digests)
}

/// Whether what is told of an object is never told of one that was made as ours is: of so many parts (0: in one
/// request).
pub(super) fn is_made_otherwise(object: &ObjectFacts, whole: &ExpectedWhole, parts: u32) -> bool {
    let tells = |kind| object.digests.iter().any(|d| d.kind() == kind);
    // One digest alone was computed because the store keeps it: and it tells something else.
    let unkept = match whole.digests.as_slice() {
        [kept] => !object.digests.is_empty() && !tells(kept.kind()),
        _ => false,
    };
    // An MD5 of the whole is told of what was sent in one request, one of MD5s of what was made of parts.
    unkept
        || match (parts, object.composite) {
            (0, composite) => composite.is_some(),
            (parts, Some(composite)) => composite.count != parts,
            (_, None) => tells(DigestKind::Md5),
        }
}

#[cfg(test)]
mod tests {
    use super::super::step::Composite;
    use super::*;

    fn crc(value: u8) -> Digest {
        Digest::new(DigestKind::Crc64, [value; 8]).expect("eight bytes")
    }

    fn md5(value: u8) -> Digest {
        Digest::new(DigestKind::Md5, [value; 16]).expect("sixteen bytes")
    }

    #[test]
    fn only_common_kinds_are_compared() {
        assert_eq!(same(&[crc(1)], &[md5(1)]), None);
        assert_eq!(same(&[crc(1)], &[]), None);
        assert_eq!(same(&[crc(1), md5(1)], &[md5(1)]), Some(true));
        assert_eq!(same(&[crc(1), md5(1)], &[md5(1), crc(2)]), Some(false));
    }

    #[test]
    fn an_object_is_ours_by_digest_and_length() {
        let composite = |value, count| Some(Composite { md5: [value; 16], count });
        let whole = ExpectedWhole { length: 5, digests: vec![crc(1)], composite: composite(1, 2) };
        let object = |len, digests, composite| ObjectFacts { len, digests, composite, ..ObjectFacts::default() };
        let other = |expected, actual| Shown::Different { expected, actual };
        for (facts, want) in [
            (object(Some(5), vec![crc(1)], None), Shown::Same(Proof::Whole(DigestKind::Crc64))),
            (object(None, vec![crc(1)], composite(9, 9)), Shown::Same(Proof::Whole(DigestKind::Crc64))),
            (object(Some(4), vec![crc(1)], None), other(None, None)),
            (object(Some(5), vec![crc(2)], composite(1, 2)), other(Some(crc(1)), Some(crc(2)))),
            (object(Some(5), vec![md5(1)], composite(1, 2)), Shown::Same(Proof::Composite)),
            (object(Some(5), vec![], composite(1, 3)), other(None, None)),
            (object(Some(5), vec![md5(1)], None), Shown::Nothing),
            (object(None, vec![], None), Shown::Nothing),
        ] {
            assert_eq!(shown(&facts, &whole), want, "{facts:?}");
        }
    }

    #[test]
    fn what_stood_there_before_is_known_by_version_etag_or_digest() {
        let object = |etag: Option<&str>, version: Option<&str>, digests| ObjectFacts {
            len: Some(1),
            etag: etag.map(str::to_owned),
            version: version.map(str::to_owned),
            digests,
            ..ObjectFacts::default()
        };
        let before = |o: ObjectFacts| Before::Object(Box::new(o));
        for (old, now, want) in [
            (object(Some("\"a\""), None, vec![]), object(Some("a"), None, vec![]), true),
            (object(Some("\"a\""), None, vec![]), object(Some("\"b\""), None, vec![]), false),
            (object(Some("\"a\""), Some("1"), vec![]), object(Some("\"a\""), Some("2"), vec![]), false),
            (object(None, None, vec![crc(1)]), object(None, None, vec![crc(1)]), true),
            (object(None, None, vec![crc(1)]), object(None, None, vec![crc(2)]), false),
            (object(Some(""), None, vec![crc(1)]), object(Some(""), None, vec![crc(2)]), false),
        ] {
            assert_eq!(is_before(&now, &before(old)), want, "{now:?}");
        }
        assert!(!is_before(&object(None, None, vec![]), &Before::Absent));
        assert!(!is_before(&object(None, None, vec![]), &Before::Unknown));
    }
}
