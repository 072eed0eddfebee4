//! How is a source divided into parts?
//!
//! All parts have one length but the last, which may be shorter. The length is what the caller asks for. Otherwise it
//! is a two hundredth of the source, rounded up to a power of two within the usual bounds, as long as that keeps the
//! number of parts within the store's limit; or the least multiple of a MiB that does.

use super::config::{Limits, PartLengths};
use super::journal::PART_NUMBER_MAX;
use super::step::{SourcePart, StoreLimit};
use crate::ranges::Range;

const MIB: u64 = 1 << 20;

/// At most so many parts, as long as these are shorter than the usual maximum: with 390 of 1 GiB, requests cost a fast
/// line a sixth of its goodput.
const PARTS_USUAL: u64 = 200;
/// No fewer, where parts are longer since the line is known to be fast: four connections end at nearly the same time.
const PARTS_LEAST: u64 = 24;

/// The length of all parts but the last for a source of `len` bytes.
pub fn part_len(len: u64, limits: &Limits, asked: Option<u64>, usual: PartLengths) -> Result<u64, StoreLimit> {
    if len > limits.object_max {
        return Err(StoreLimit::TooLong(limits.object_max));
    }
    let parts_max = u64::from(limits.parts_max.clamp(1, PART_NUMBER_MAX));
    if let Some(asked) = asked {
        return match asked {
            _ if asked < limits.part_min.max(1) => Err(StoreLimit::PartTooSmall(limits.part_min)),
            _ if asked > limits.part_max => Err(StoreLimit::PartTooLarge(limits.part_max)),
            _ if len.div_ceil(asked) > parts_max => Err(StoreLimit::TooManyParts(limits.parts_max)),
            _ => Ok(asked),
        };
    }
    let part_max = limits.part_max.max(1);
    let usual = len.div_ceil(PARTS_USUAL).min(usual.most).next_power_of_two().min(usual.most).max(usual.least);
    let usual = usual.clamp(limits.part_min.max(1).min(part_max), part_max);
    if len.div_ceil(usual) <= parts_max {
        return Ok(usual);
    }
    let least = len.div_ceil(parts_max);
    let part_len = least.div_ceil(MIB).saturating_mul(MIB).min(part_max);
    if len.div_ceil(part_len) > parts_max {
        Err(StoreLimit::TooLong(part_max.saturating_mul(parts_max)))
    } else {
        Ok(part_len)
    }
}

/// A part length of at most `wanted` bytes where the store takes that, never more than `part_len`, which it does take.
pub(super) fn at_most(wanted: u64, part_len: u64, len: u64, limits: &Limits) -> u64 {
    let parts_max = u64::from(limits.parts_max.clamp(1, PART_NUMBER_MAX));
    wanted.max(limits.part_min).max(len.div_ceil(parts_max)).max(1).min(part_len)
}

/// The part length to try when no part of this one arrived before an interruption: a quarter, as far as the store takes
/// that.
pub(super) fn shorter(part_len: u64, len: u64, limits: &Limits) -> Option<u64> {
    Some(at_most(part_len / 4, part_len, len, limits)).filter(|&shorter| shorter < part_len)
}

/// The greatest of this part length, its half and its quarter that is no longer than `wanted`, as far as the store takes
/// that. No less than a quarter: what a line shows in some seconds may pass.
pub(super) fn fitting(wanted: u64, part_len: u64, len: u64, limits: &Limits) -> u64 {
    let half = at_most(part_len / 2, part_len, len, limits);
    let quarter = at_most(part_len / 4, part_len, len, limits);
    [part_len, half].into_iter().find(|&longer| longer <= wanted).unwrap_or(quarter)
}

/// A part length of this one, doubled as long as it is no longer than `wanted` and there are parts enough for all
/// connections.
pub(super) fn longer(wanted: u64, part_len: u64, len: u64, usual: PartLengths) -> u64 {
    let most = wanted.min(usual.most).min(len / PARTS_LEAST);
    let doubled = std::iter::successors(Some(part_len.max(1)), |&shorter| shorter.checked_mul(2));
    doubled.take_while(|&longer| longer <= most).last().unwrap_or(part_len)
}

/// Which lengths the parts of an upload may have had that would have this one today: it, what a line that is known may
/// have made of it, and what became of that on slow lines and by interruptions.
pub(super) fn perhaps(part_len: u64, len: u64, limits: &Limits, usual: PartLengths) -> impl Iterator<Item = u64> {
    let half = move |longer: u64| at_most(longer / 2, longer, len, limits);
    let longest = longer(u64::MAX, part_len, len, usual);
    std::iter::successors(Some(longest), move |&longer| Some(half(longer)).filter(|&shorter| shorter < longer))
}

/// How many parts of this length a source has.
pub(super) fn count(len: u64, part_len: u64) -> u32 {
    u32::try_from(len.div_ceil(part_len.max(1)).max(1)).unwrap_or(u32::MAX)
}

/// Which bytes the part with this number (from 1) holds.
pub(super) fn part(len: u64, part_len: u64, number: u32) -> SourcePart {
    let start = u64::from(number.saturating_sub(1)).saturating_mul(part_len);
    SourcePart { number, range: Range::new(start.min(len), start.saturating_add(part_len).min(len)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn parts_are_as_usual_until_there_would_be_too_many() {
        let plan = |len| part_len(len, &Limits::OSS, None, PartLengths::OSS);
        for (len, want) in [
            (0, Ok(MIB)),
            (1, Ok(MIB)),
            (200 * MIB, Ok(MIB)),
            (200 * MIB + 1, Ok(2 * MIB)),
            (GIB, Ok(8 * MIB)),
            (1600 * MIB, Ok(8 * MIB)),
            (1600 * MIB + 1, Ok(16 * MIB)),
            (160_000 * MIB, Ok(16 * MIB)),
            (160_000 * MIB + 1, Ok(17 * MIB)),
            (170_000 * MIB, Ok(17 * MIB)),
            (10_000 * 5 * GIB, Ok(5 * GIB)),
            (10_000 * 5 * GIB + 1, Err(StoreLimit::TooLong(10_000 * 5 * GIB))),
            (u64::MAX, Err(StoreLimit::TooLong(10_000 * 5 * GIB))),
        ] {
            assert_eq!(plan(len), want, "{len}");
            if let Ok(part_len) = want {
                assert!(count(len, part_len) <= 10_000);
            }
        }
    }

    #[test]
    fn parts_for_s3_have_the_least_that_it_takes() {
        let plan = |len| part_len(len, &Limits::S3, None, PartLengths::S3);
        for (len, want) in [(1, 5), (800 * MIB, 5), (800 * MIB + 1, 8), (1601 * MIB, 16), (100_000 * MIB, 16)] {
            assert_eq!(plan(len), Ok(want * MIB), "{len}");
        }
    }

    #[test]
    fn what_is_asked_for_is_kept_or_refused_with_the_limit() {
        let plan = |len, asked| part_len(len, &Limits::S3, Some(asked), PartLengths::S3);
        for (len, asked, want) in [
            (GIB, 5 * MIB, Ok(5 * MIB)),
            (GIB, 5 * MIB + 1, Ok(5 * MIB + 1)),
            (GIB, 5 * MIB - 1, Err(StoreLimit::PartTooSmall(5 * MIB))),
            (GIB, 0, Err(StoreLimit::PartTooSmall(5 * MIB))),
            (GIB, 5 * GIB + 1, Err(StoreLimit::PartTooLarge(5 * GIB))),
            (50_000 * MIB + 1, 5 * MIB, Err(StoreLimit::TooManyParts(10_000))),
        ] {
            assert_eq!(plan(len, asked), want, "{len} in {asked}");
        }
    }

    #[test]
    fn shorter_parts_are_what_the_store_takes() {
        for (wanted, part_len, len, want) in [
            (256 << 10, MIB, 12 * MIB, 256 << 10),
            (64 << 10, 256 << 10, 12 * MIB, 100 << 10),
            (25 << 10, 100 << 10, 12 * MIB, 100 << 10),
            (4 * MIB, 16 * MIB, 100_000 * MIB, 10 * MIB),
            (5 * MIB, 4 * MIB, MIB, 4 * MIB),
        ] {
            assert_eq!(at_most(wanted, part_len, len, &Limits::OSS), want, "{wanted} in place of {part_len}");
        }
        assert_eq!(shorter(5 * MIB, 40 * MIB, &Limits::S3), None);
        let all = std::iter::successors(Some(MIB), |&longer| shorter(longer, 12 * MIB, &Limits::OSS));
        assert_eq!(all.collect::<Vec<_>>(), [MIB, 256 << 10, 100 << 10]);
    }

    #[test]
    fn parts_fit_a_line_within_a_quarter_and_are_found_again_by_halving() {
        const KIB: u64 = 1 << 10;
        for (wanted, part_len, want) in [
            (MIB, MIB, MIB),
            (MIB - 1, MIB, 512 * KIB),
            (511 * KIB, MIB, 256 * KIB),
            (0, MIB, 256 * KIB),
            (0, 256 * KIB, 100 * KIB),
            (150 * KIB, 256 * KIB, 128 * KIB),
            (0, 100 * KIB, 100 * KIB),
        ] {
            assert_eq!(fitting(wanted, part_len, 12 * MIB, &Limits::OSS), want, "{wanted} of {part_len}");
            assert!(
                perhaps(MIB, 12 * MIB, &Limits::OSS, PartLengths::OSS).any(|len| len == want),
                "{wanted} of {part_len}"
            );
        }
        let halves = perhaps(16 * MIB, 100_000 * MIB, &Limits::S3, PartLengths::S3);
        assert_eq!(halves.collect::<Vec<_>>(), [16 * MIB, 10 * MIB], "as many parts as the store takes");
        for (wanted, part_len, len, want) in [
            (7 * MIB, MIB, 200 * MIB, 4 * MIB),
            (100 * MIB, MIB, 200 * MIB, 8 * MIB),
            (100 * MIB, MIB, 20 * MIB, MIB),
            (100 * MIB, 8 * MIB, 1000 * MIB, 16 * MIB),
            (0, MIB, 200 * MIB, MIB),
            (100 * MIB, 17 * MIB, 165_000 * MIB, 17 * MIB),
        ] {
            assert_eq!(longer(wanted, part_len, len, PartLengths::OSS), want, "{wanted} in place of {part_len}");
            assert!(perhaps(part_len, len, &Limits::OSS, PartLengths::OSS).any(|len| len == want), "{want} of {len}");
        }
    }

    #[test]
    fn a_store_with_odd_limits_gets_a_clear_answer() {
        let odd = Limits { part_min: 10, part_max: 3, parts_max: 0, single_max: 0, object_max: u64::MAX };
        let usual = PartLengths { least: 100, most: 1 };
        assert_eq!(part_len(3, &odd, None, usual), Ok(3));
        assert_eq!(part_len(4, &odd, None, usual), Err(StoreLimit::TooLong(3)));
    }

    #[test]
    fn parts_cover_every_byte_once() {
        for len in 1..=40 {
            for part_len in 1..=12 {
                let mut at = 0;
                for number in 1..=count(len, part_len) {
                    let part = part(len, part_len, number);
                    assert_eq!(part.range.start, at);
                    assert!(!part.range.is_empty() && part.range.len() <= part_len);
                    at = part.range.end;
                }
                assert_eq!(at, len);
            }
        }
    }
}
