//! Dates in replies, as servers write them: one reader for `Date`, `Last-Modified`, `Retry-After` and `Expires`.
//!
//! RFC 9110, 5.6.7 knows three forms, all in GMT. Servers also write the zone as `UTC`, `UT`, `Z` or an offset such as
//! `+0000` (RFC 5322, 3.3), days and hours of one digit, dashes for blanks, and no weekday or a wrong one. All of that
//! has one meaning and is read. What has two is refused: a form of RFC 9110's without its zone, and zones by other
//! names.

/// Longest text that is looked at.
const TEXT_LEN_MAX: usize = 64;
/// Days from 0000-03-01 to 1970-01-01 in the Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// Seconds since the Unix epoch; `None` for what is no date, has no zone, or lies outside the years 1970 to 9999.
pub fn http_date(text: &str) -> Option<i64> {
    if text.len() > TEXT_LEN_MAX || !text.is_ascii() {
        return None;
    }
    let text = text.to_ascii_lowercase();
    let mut words: Vec<&str> = text.split([' ', '\t', ',']).filter(|word| !word.is_empty()).collect();
    if words.first().is_some_and(|word| is_weekday(word)) {
        words.remove(0);
    }
    // 06-Nov-94, the form of RFC 850.
    let dashed: Vec<&str> = words.first().map(|date| date.split('-').collect()).unwrap_or_default();
    let (day, month, year, time, zone) = match (dashed.as_slice(), words.as_slice()) {
        (&[day, month, year], &[_, time, zone]) => (day, month, year, time, offset_s(zone)?),
        (_, &[day, month, year, time, zone]) if is_number(day) => (day, month, year, time, offset_s(zone)?),
        // asctime's form, whose zone is GMT by definition and may be told all the same.
        (_, &[month, day, time, year]) => (day, month, year, time, 0),
        (_, &[month, day, time, zone, year]) => (day, month, year, time, offset_s(zone)?),
        _ => return None,
    };
    let seconds = days(day, month, year)? * 86_400 + second_of_day(time)? - zone;
    (0..=253_402_300_799).contains(&seconds).then_some(seconds)
}

/// A weekday by its name or at least three letters of it.
fn is_weekday(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    word.len() >= 3 && WEEKDAYS.iter().any(|day| day.starts_with(word))
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

/// A number of `digits` digits, or one of so many.
fn number(word: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    (digits.contains(&word.len()) && is_number(word)).then(|| word.parse().ok())?
}

/// Days since the Unix epoch. Of two digits, a year from 70 on is of the last century, as RFC 6265, 5.1.1 has it.
fn days(day: &str, month: &str, year: &str) -> Option<i64> {
    let (day, two) = (number(day, 1..=2)?, year.len() == 2);
    let month = MONTHS.iter().position(|&name| name == month).and_then(|at| i64::try_from(at).ok())? + 1;
    let year = match number(year, 2..=4)? {
        year if two => year + if year >= 70 { 1900 } else { 2000 },
        year => year,
    };
    days_since_epoch(day, month, year)
}

/// Days from the Unix epoch to this date of the Gregorian calendar (its months counted from 1); `None` for one that
/// does not exist, or lies before 1969.
pub(crate) fn days_since_epoch(day: i64, month: i64, year: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) || year < 1969 {
        return None;
    }
    // Counted from March on, a leap day is the last of its year: 153 days are five months, 146,097 are 400 years.
    let (march_year, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400;
    Some(before + (153 * march_month + 2) / 5 + day - 1 - DAYS_TO_EPOCH)
}

/// `h:mm:ss`. A leap second (60) is the first second after.
fn second_of_day(time: &str) -> Option<i64> {
    let parts: Vec<&str> = time.split(':').collect();
    let &[hour, minute, second] = parts.as_slice() else { return None };
    let (hour, minute, second) = (number(hour, 1..=2)?, number(minute, 2..=2)?, number(second, 2..=2)?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// How far a zone is ahead of GMT.
fn offset_s(zone: &str) -> Option<i64> {
    if matches!(zone, "gmt" | "utc" | "ut" | "z") {
        return Some(0);
    }
    // GMT+0000, as JavaScript writes it.
    let zone = zone.strip_prefix("gmt").or_else(|| zone.strip_prefix("utc")).unwrap_or(zone);
    let (sign, digits) = match zone.strip_prefix('+') {
        Some(digits) => (1, digits),
        None => (-1, zone.strip_prefix('-')?),
    };
    let digits = digits.replacen(':', "", 1);
    let (hours, minutes) = (number(digits.get(..2)?, 2..=2)?, number(digits.get(2..)?, 2..=2)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn what_has_one_meaning_is_read() {
        let want = 784_111_777; // RFC 9110's example
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 -0000",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 UT",
            "Sun, 06 Nov 1994 08:49:37 Z",
            "Sun, 06 Nov 1994 08:49:37 GMT+0000",
            "Sun, 06 Nov 1994 08:49:37 GMT+00:00",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 8:49:37 GMT",
            "Sun,  6 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "06 Nov 1994 08:49:37 GMT",
            "Mon, 06 Nov 1994 08:49:37 GMT",
            "sun, 06 NOV 1994 08:49:37 gmt",
            "Sun 06 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 UTC 1994",
            "Sun, 06 Nov 1994 10:19:37 +0130",
            "Sat, 05 Nov 1994 20:49:37 -1200",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
        ] {
            assert_eq!(http_date(text), Some(want), "{text}");
        }
    }

    #[test]
    fn bounds_are_exact() {
        for (text, want) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Thu, 01 Jan 1970 00:59:59 +0100", None),
            ("Wed, 31 Dec 1969 23:00:00 -0100", Some(0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Fri, 31 Dec 9999 23:59:60 GMT", None),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)),
            ("Sat, 31 Dec 2016 23:59:61 GMT", None),
            ("Thu, 29 Feb 2024 00:00:00 GMT", Some(1_709_164_800)),
            ("Wed, 29 Feb 2023 00:00:00 GMT", None),
            ("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400)),
            ("Mon, 29 Feb 2100 00:00:00 GMT", None),
            ("Tue, 31 Apr 2026 00:00:00 GMT", None),
            ("Tue, 00 Apr 2026 00:00:00 GMT", None),
            ("Tue, 01 Apr 2026 24:00:00 GMT", None),
            ("Tue, 01 Apr 2026 00:60:00 GMT", None),
            ("Thursday, 01-Jan-70 00:00:00 GMT", Some(0)),
            ("Tuesday, 01-Jan-69 00:00:00 GMT", Some(3_124_224_000)),
        ] {
            assert_eq!(http_date(text), want, "{text}");
        }
    }

    #[test]
    fn what_has_two_meanings_or_none_is_refused() {
        for text in [
            "",
            "0",
            "-1",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 EST",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37 +2400",
            "Sun, 06 Nov 1994 08:49:37 +0060",
            "Sun, 06 Nov 1994 08:49:37 +1",
            "Sun, 06 Nov 1994 08:49:37 +",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:9:37 GMT",
            "Sun, 06 Nov 194 GMT",
            "Sun, 006 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 19940 08:49:37 GMT",
            "Sun, 06 Nop 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT GMT",
            "Sun, 06 Nov 1994 08:49:37 \u{e9}",
            "Su, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(http_date(text), None, "{text}");
        }
        assert_eq!(http_date(&format!("Sun, 06 Nov 1994 08:49:37{}GMT", " ".repeat(64))), None);
    }

    /// Against an independent calendar: the first and last second of days all over the four centuries of one cycle.
    #[test]
    fn every_day_of_the_calendar_is_the_right_one() {
        for day in (0..150_000).step_by(13) {
            for second in [day * 86_400, day * 86_400 + 86_399] {
                let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
                assert_eq!(http_date(&text).map(i64::unsigned_abs), Some(second), "{text}");
            }
        }
    }
}
