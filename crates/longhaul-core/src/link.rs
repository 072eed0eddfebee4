//! Is a refusal the end of a link?
//!
//! Links that are good for a while have many forms, and only a few are known schemes of signatures. What all have in
//! common: they worked, and a later 401 or 403 means that they work no more; and many tell their own end in the query.
//! [`Link::refused`] judges by both. [`good_until`] reads the end, in the forms that vendors write it in:
//!
//! | field of the query | form | whose |
//! |---|---|---|
//! | `expires`, `expire`, `expiry`, `exp`, `expires_at`, `valid_until`, `e` | a moment | nginx `secure_link`, CDNs, OSS and S3 signature version 1, CloudFront |
//! | `X-Amz-Date` and `X-Amz-Expires`; the same of `X-Goog-`, `X-Oss-`, `X-Tos-`, `X-Obs-` | a moment, and seconds from there | S3, GCS, OSS, TOS, OBS signature version 4 |
//! | `se` beside `sig` | a moment | Azure Storage, shared access signatures |
//! | `q-sign-time` | `from;to` | Tencent COS |
//! | `hdnts`, `hdnea`, `hdntl`, `__token__` | `exp=…~hmac=…` | Akamai and those who speak its tokens |
//!
//! A moment is a number of seconds or milliseconds since the Unix epoch, or a date as ISO 8601 has it, basic or
//! extended. What is no moment between 2001 and 2286 says nothing: `e=5` is a page.

use crate::reply::{days_since_epoch, http_date};

/// What is known of a link before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// It carries a signature of a known scheme: a refusal means that a new link is needed.
    pub signed: bool,
    /// It is good until this moment, by its own words; in seconds since the Unix epoch.
    pub good_until_s: Option<i64>,
    /// A user and password, or a header that may hold a secret, goes with the requests: they may be what is refused.
    pub credentials: bool,
}

/// Whether the source served bytes before it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Served {
    /// That is not known.
    #[default]
    Never,
    /// An earlier run got bytes. `credentials`: with a user, or headers, which are not recorded.
    Before {
        /// Its requests carried more than the link.
        credentials: bool,
    },
    /// This run got bytes.
    Now,
}

/// Why a link is taken for one that is not accepted any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEnd {
    /// It is over by its own words, since so many seconds.
    Expired {
        /// At least 0.
        since_s: u64,
    },
    /// It served bytes in this run.
    Worked,
    /// The source served bytes in an earlier run.
    WorkedBefore,
    /// It is signed; more is not known.
    Signed,
}

impl Link {
    /// The link was refused with this status, at `now_s` seconds since the Unix epoch. `None`: that has not to do with
    /// its age, as far as can be known: who asks is refused.
    pub fn refused(&self, status: u16, now_s: i64, served: Served) -> Option<LinkEnd> {
        if status == 407 {
            return None; // a proxy's word
        }
        let known = self.expired(now_s).or(match served {
            Served::Now if !self.credentials => Some(LinkEnd::Worked),
            Served::Before { credentials: false } if !self.credentials => Some(LinkEnd::WorkedBefore),
            _ => None,
        });
        known.or(self.signed.then_some(LinkEnd::Signed))
    }

    /// That its time is over at `now_s`, if it is.
    pub fn expired(&self, now_s: i64) -> Option<LinkEnd> {
        let since_s = now_s.checked_sub(self.good_until_s?)?;
        u64::try_from(since_s).ok().map(|since_s| LinkEnd::Expired { since_s })
    }
}

/// The moment until which a link is good by its own words, in seconds since the Unix epoch. `query`: names and values
/// as they mean, not percent-encoded. The earliest, where it tells several.
pub fn good_until<'a>(query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<i64> {
    let query: Vec<(String, &str)> =
        query.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect();
    let value = |name: &str| query.iter().find(|(n, _)| n == name).map(|(_, value)| *value);
    let signed_from = |vendor: &&str| {
        let seconds = value(&format!("{vendor}expires"))?.parse::<u32>().ok()?;
        moment(value(&format!("{vendor}date"))?)?.checked_add(seconds.into())
    };
    let relative = ["x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-obs-"].iter().filter_map(signed_from).min();
    let is_azure = value("sig").is_some();
    let own = query.iter().filter_map(|(name, value)| match name.as_str() {
        "expires" | "expire" | "expiry" | "exp" | "expires_at" | "valid_until" | "e" => moment(value),
        "se" if is_azure => moment(value),
        "q-sign-time" => moment(value.split_once(';')?.1),
        "hdnts" | "hdnea" | "hdntl" | "__token__" => {
            moment(value.split('~').find_map(|field| field.strip_prefix("exp="))?)
        }
        _ => None,
    });
    own.chain(relative).min()
}

/// Seconds since the Unix epoch.
fn moment(text: &str) -> Option<i64> {
    let seconds = match text.bytes().all(|b| b.is_ascii_digit()) {
        true => match text.len() {
            10 => text.parse().ok()?,
            13 => text.parse::<i64>().ok()? / 1000,
            _ => return None,
        },
        false => iso_date(text).or_else(|| http_date(text))?,
    };
    (1_000_000_000..=9_999_999_999).contains(&seconds).then_some(seconds)
}

/// `2026-01-31T08:00:00Z`, `20260131T080000Z`; seconds and their fraction may be missing, so may the time of day. Where
/// the zone is missing, it is UTC, as vendors' documents say of theirs.
fn iso_date(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let (year, month, day) = match date.len() {
        8 => (date.get(..4)?, date.get(4..6)?, date.get(6..)?),
        10 if date.get(4..5) == Some("-") && date.get(7..8) == Some("-") => {
            (date.get(..4)?, date.get(5..7)?, date.get(8..)?)
        }
        _ => return None,
    };
    let days = days_since_epoch(number(day)?, number(month)?, number(year)?)?;
    let (time, zone_s) = zone(time)?;
    let time: String = time.split('.').next().unwrap_or_default().split(':').collect();
    let (hour, minute, second) = match time.len() {
        0 => (0, 0, 0),
        4 => (number(&time[..2])?, number(&time[2..])?, 0),
        6 => (number(&time[..2])?, number(&time[2..4])?, number(&time[4..])?),
        _ => return None,
    };
    let fits = hour < 24 && minute < 60 && second <= 60;
    fits.then_some(days * 86_400 + hour * 3600 + minute * 60 + second - zone_s)
}

/// The time of day without its zone, and how far that is ahead of UTC, in seconds.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = time.rfind(['+', '-', ' ']) else { return Some((time, 0)) };
    let sign = if time[at..].starts_with('-') { -1 } else { 1 }; // a `+` of a query that was decoded is a blank
    let digits: String = time[at + 1..].split(':').collect();
    let (hours, minutes) = (number(digits.get(..2)?)?, number(digits.get(2..)?)?);
    (digits.len() == 4 && hours < 24 && minutes < 60).then_some((&time[..at], sign * (hours * 3600 + minutes * 60)))
}

fn number(digits: &str) -> Option<i64> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_769_860_800; // 2026-01-31T12:00:00Z

    #[test]
    fn the_end_of_a_link_is_read_in_the_forms_of_vendors() {
        for (query, want) in [
            ("md5=x&expires=1769860800", Some(NOON)),
            ("Expires=1769860800&Signature=x", Some(NOON)),
            ("e=1769860800&st=x", Some(NOON)),
            ("exp=1769860800000", Some(NOON)),
            ("expires_at=2026-01-31T12:00:00Z", Some(NOON)),
            ("expiry=2026-01-31T12:00:00.123Z", Some(NOON)),
            ("expires=2026-01-31T13:30:00+01:30", Some(NOON)),
            ("expires=2026-01-31T13:30:00 01:30", Some(NOON)),
            ("expires=2026-01-31T11:00:00-0100", Some(NOON)),
            ("expires=Sat, 31 Jan 2026 12:00:00 GMT", Some(NOON)),
            ("valid_until=20260131T120000Z", Some(NOON)),
            ("se=2026-01-31T12:00Z&sig=x&sv=1", Some(NOON)),
            ("se=2026-01-31&sig=x", Some(NOON - 12 * 3600)),
            ("X-Amz-Date=20260131T110000Z&X-Amz-Expires=3600&X-Amz-Signature=x", Some(NOON)),
            ("x-oss-date=20260131T110000Z&x-oss-expires=3600", Some(NOON)),
            ("X-Goog-Date=20260131T110000Z&X-Goog-Expires=3600", Some(NOON)),
            ("q-sign-time=1769857200;1769860800", Some(NOON)),
            ("hdnts=st=1~exp=1769860800~acl=/*~hmac=x", Some(NOON)),
            ("expires=1769860801&exp=1769860800", Some(NOON)),
            ("e=5", None),
            ("expires=3600", None),
            ("expires=never", None),
            ("expires=", None),
            ("exp=99999999999999999999", None),
            ("expires=2026-13-31T12:00:00Z", None),
            ("expires=2026-02-30T12:00:00Z", None),
            ("expires=2026-01-31T25:00:00Z", None),
            ("expires=2026\u{e9}01-31T12:00:00Z", None),
            ("expires=2026-01-31T12:00:00+\u{e9}1", None),
            ("se=2026-01-31T12:00Z", None),
            ("X-Amz-Expires=3600", None),
            ("X-Amz-Date=20260131T110000Z&X-Amz-Expires=-1", None),
            ("q-sign-time=1769857200", None),
            ("expired=1769860800&page=2", None),
            ("", None),
        ] {
            let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            assert_eq!(good_until(pairs), want, "{query}");
        }
    }

    #[test]
    fn a_refusal_is_of_the_link_or_of_who_asks() {
        let plain = Link::default();
        let signed = Link { signed: true, ..plain };
        let dated = Link { good_until_s: Some(NOON), ..plain };
        let login = Link { credentials: true, ..plain };
        let (before, with_login) = (Served::Before { credentials: false }, Served::Before { credentials: true });
        let expired = |since_s| Some(LinkEnd::Expired { since_s });
        for (link, status, now_s, served, want) in [
            (plain, 403, NOON, Served::Never, None),
            (plain, 401, NOON, Served::Never, None),
            (plain, 403, NOON, Served::Now, Some(LinkEnd::Worked)),
            (plain, 401, NOON, Served::Now, Some(LinkEnd::Worked)),
            (plain, 403, NOON, before, Some(LinkEnd::WorkedBefore)),
            (plain, 401, NOON, with_login, None),
            (plain, 407, NOON, Served::Now, None),
            (signed, 403, NOON, Served::Never, Some(LinkEnd::Signed)),
            (signed, 400, NOON, Served::Now, Some(LinkEnd::Worked)),
            (signed, 407, NOON, Served::Never, None),
            (dated, 403, NOON, Served::Never, expired(0)),
            (dated, 403, NOON + 48, Served::Now, expired(48)),
            (dated, 403, NOON - 1, Served::Never, None),
            (dated, 403, NOON - 1, Served::Now, Some(LinkEnd::Worked)),
            (login, 401, NOON, Served::Never, None),
            (login, 401, NOON, Served::Now, None),
            (login, 403, NOON, before, None),
            (Link { credentials: true, ..dated }, 401, NOON, Served::Never, expired(0)),
            (Link { credentials: true, ..signed }, 401, NOON, Served::Now, Some(LinkEnd::Signed)),
            (Link { good_until_s: Some(i64::MIN), ..plain }, 403, NOON, Served::Never, None),
        ] {
            assert_eq!(link.refused(status, now_s, served), want, "{link:?} {status} at {now_s}, {served:?}");
        }
    }
}
