//! Which bytes does a Range mean? OSS has its own rules, and the standard's on demand.
//!
//! Without `x-oss-range-behavior: standard` a range that does not lie wholly within the object is not looked at: the
//! answer is 200 and everything. That is the danger a resuming client has to know.

use std::ops::Range;

use super::variants::{Row, Variants};

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// 200 and everything.
    Whole,
    /// 206.
    Part(Range<u64>),
    /// 416.
    Unsatisfiable,
    /// 400.
    Malformed,
}

/// What this Range field asks of an object of `size` bytes.
pub(crate) fn asked(range: Option<&str>, standard: bool, size: u64, variants: &Variants) -> Asked {
    let Some(range) = range else { return Asked::Whole };
    let malformed = || match variants.says(Row::MalformedRange) {
        "416" if standard => Asked::Unsatisfiable,
        "400" if standard => Asked::Malformed,
        _ => Asked::Whole,
    };
    let Some(set) = range.trim().strip_prefix("bytes=") else { return malformed() };
    let first = match set.split_once(',') {
        Some(_) if variants.says(Row::SeveralRanges) == "416" => return Asked::Unsatisfiable,
        Some((first, _)) => first,
        None => set,
    };
    let Some((start, end)) = first.trim().split_once('-') else { return malformed() };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More digits than fit are past any end.
        digits.then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    let of_nothing = size == 0 && variants.says(Row::EmptyObject) == "everything";
    let outside = || if standard && !of_nothing { Asked::Unsatisfiable } else { Asked::Whole };
    match (start, end) {
        ("", suffix) => match number(suffix) {
            None => malformed(),
            Some(0) => outside(),
            Some(_) if size == 0 => outside(),
            Some(count) if count <= size => Asked::Part(size - count..size),
            Some(_) if standard => match variants.says(Row::LongSuffix) {
                "416" => Asked::Unsatisfiable,
                "everything" => Asked::Whole,
                _ => Asked::Part(0..size),
            },
            Some(_) => Asked::Whole,
        },
        (start, end) => {
            let Some(start) = number(start) else { return malformed() };
            let end = match end {
                "" => u64::MAX,
                end => match number(end) {
                    Some(end) if end >= start => end,
                    _ => return malformed(),
                },
            };
            if start >= size {
                outside()
            } else if end < size {
                Asked::Part(start..end + 1)
            } else if standard || first.trim().ends_with('-') {
                Asked::Part(start..size)
            } else if variants.says(Row::EndPastObject) == "416" {
                Asked::Unsatisfiable
            } else {
                Asked::Whole
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of ranges of an object of 1000 bytes, a line a case: the field, OSS's own answer, the standard's.
    #[test]
    fn ranges_mean_what_oss_says_they_mean() {
        let part = |start, end| Asked::Part(start..end);
        let table = [
            (None, Asked::Whole, Asked::Whole),
            (Some("bytes=0-499"), part(0, 500), part(0, 500)),
            (Some("bytes=500-"), part(500, 1000), part(500, 1000)),
            (Some("bytes=0-"), part(0, 1000), part(0, 1000)),
            (Some("bytes=0-0"), part(0, 1), part(0, 1)),
            (Some("bytes=999-999"), part(999, 1000), part(999, 1000)),
            (Some("bytes=-500"), part(500, 1000), part(500, 1000)),
            (Some("bytes=-1000"), part(0, 1000), part(0, 1000)),
            (Some("bytes=500-2000"), Asked::Whole, part(500, 1000)),
            (Some("bytes=0-1000"), Asked::Whole, part(0, 1000)),
            (Some("bytes=1000-2000"), Asked::Whole, Asked::Unsatisfiable),
            (Some("bytes=1000-"), Asked::Whole, Asked::Unsatisfiable),
            (Some("bytes=-2000"), Asked::Whole, part(0, 1000)),
            (Some("bytes=-0"), Asked::Whole, Asked::Unsatisfiable),
            (Some("byte=0-499"), Asked::Whole, Asked::Whole),
            (Some("bytes=5-2"), Asked::Whole, Asked::Whole),
            (Some("bytes=a-b"), Asked::Whole, Asked::Whole),
            (Some("bytes=--5"), Asked::Whole, Asked::Whole),
            (Some("bytes="), Asked::Whole, Asked::Whole),
            (Some("bytes=0-9,20-29"), part(0, 10), part(0, 10)),
            (Some("bytes=0-99999999999999999999"), Asked::Whole, part(0, 1000)),
        ];
        for (range, own, standard) in table {
            assert_eq!(asked(range, false, 1000, &Variants::default()), own, "{range:?}, OSS's own");
            assert_eq!(asked(range, true, 1000, &Variants::default()), standard, "{range:?}, standard");
        }
    }

    #[test]
    fn an_empty_object_satisfies_no_range() {
        for range in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(asked(Some(range), false, 0, &Variants::default()), Asked::Whole, "{range}");
            assert_eq!(asked(Some(range), true, 0, &Variants::default()), Asked::Unsatisfiable, "{range}");
        }
    }

    /// A line a case: what is chosen, the field, whether the standard's rules are asked for, the size, the answer.
    #[test]
    fn what_is_not_established_can_be_the_other_way() {
        for (chosen, range, standard, size, expected) in [
            ("several-ranges=416", "bytes=0-9,20-29", false, 1000, Asked::Unsatisfiable),
            ("several-ranges=416", "bytes=0-9", false, 1000, Asked::Part(0..10)),
            ("malformed-range=416", "byte=0-499", true, 1000, Asked::Unsatisfiable),
            ("malformed-range=400", "bytes=5-2", true, 1000, Asked::Malformed),
            ("malformed-range=400", "byte=0-499", false, 1000, Asked::Whole),
            ("long-suffix=416", "bytes=-2000", true, 1000, Asked::Unsatisfiable),
            ("long-suffix=everything", "bytes=-2000", true, 1000, Asked::Whole),
            ("long-suffix=416", "bytes=-2000", false, 1000, Asked::Whole),
            ("range-of-empty-object=everything", "bytes=0-", true, 0, Asked::Whole),
            ("range-of-empty-object=everything", "bytes=1000-", true, 1000, Asked::Unsatisfiable),
            ("end-past-object=416", "bytes=500-2000", false, 1000, Asked::Unsatisfiable),
            ("end-past-object=416", "bytes=500-2000", true, 1000, Asked::Part(500..1000)),
        ] {
            let variants = Variants::default();
            let (name, value) = chosen.split_once('=').unwrap();
            variants.choose(name, value).unwrap();
            assert_eq!(asked(Some(range), standard, size, &variants), expected, "{chosen} {range}");
        }
    }
}
