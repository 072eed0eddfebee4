//! What time is it? The machine's clock, plus an offset that a test moves while the store runs.

use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// The store's clock: signatures, tokens, `Date` and lifecycle rules all go by it.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    offset_ms: AtomicI64,
}

impl Clock {
    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
        i64::try_from(real).unwrap_or(i64::MAX).saturating_add(self.offset_ms())
    }

    pub(crate) fn offset_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_offset_ms(&self, offset: i64) {
        self.offset_ms.store(offset, Ordering::Relaxed);
    }
}

/// Pauses that end when the store does: a fault may ask for an hour. Every thread of the store that waits for time to
/// pass waits here, and every loop that a client can keep going asks here whether it may go on.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    over: Mutex<bool>,
    changed: Condvar,
}

impl Rest {
    /// Waits for so long, or until the store is stopped.
    pub(crate) fn take(&self, long: Duration) {
        let over = self.over.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(over, long, |over| !*over));
    }

    /// Waits until a connection that began at `began` may have moved so many bytes at this rate.
    pub(crate) fn pace(&self, began: Instant, bytes: u64, bytes_per_second: u64) {
        let due = Duration::try_from_secs_f64(bytes as f64 / bytes_per_second.max(1) as f64).unwrap_or(Duration::MAX);
        self.take(due.saturating_sub(began.elapsed()));
    }

    /// Refuses to go on with a store that ends.
    ///
    /// # Errors
    /// `ConnectionAborted` once the store ends.
    pub(crate) fn go_on(&self) -> io::Result<()> {
        match *self.over.lock().unwrap_or_else(PoisonError::into_inner) {
            true => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the store ends")),
            false => Ok(()),
        }
    }

    /// Wakes every thread that pauses, for good.
    pub(crate) fn end(&self) {
        *self.over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

/// `Thu, 13 Nov 2025 03:25:45 GMT`, rounded down to the second.
pub(crate) fn http_date(ms: i64) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(ms.max(0).unsigned_abs());
    // What lies behind the year 9999 cannot be written, and httpdate would panic.
    httpdate::fmt_http_date(at.min(UNIX_EPOCH + Duration::from_secs(253_402_300_799)))
}

/// The time of an HTTP date in milliseconds.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let at = httpdate::parse_http_date(text.trim()).ok()?;
    i64::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// `2025-11-13T03:25:45.000Z`, as in XML. The milliseconds are always zeros: one SDK reads no other.
pub(crate) fn iso(ms: i64) -> String {
    exact_iso(ms.div_euclid(1000) * 1000)
}

/// The same to the millisecond, as in the log.
pub(crate) fn exact_iso(ms: i64) -> String {
    format_utc(ms, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

/// `20251113T032545Z`, as in signatures.
#[cfg(test)]
pub(crate) fn basic(ms: i64) -> String {
    format_utc(ms, "%Y%m%dT%H%M%SZ")
}

/// The time of `20251113T032545Z` in milliseconds.
pub(crate) fn parse_basic(text: &str) -> Option<i64> {
    let civil = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// The time of `2025-11-13T00:00:00.000Z` in milliseconds.
pub(crate) fn parse_iso(text: &str) -> Option<i64> {
    text.trim().parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn format_utc(ms: i64, format: &str) -> String {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_moment_in_every_notation() {
        let ms = 1_763_004_345_678;
        assert_eq!(http_date(ms), "Thu, 13 Nov 2025 03:25:45 GMT");
        assert_eq!(iso(ms), "2025-11-13T03:25:45.000Z");
        assert_eq!(exact_iso(ms), "2025-11-13T03:25:45.678Z");
        assert_eq!(basic(ms), "20251113T032545Z");
        assert_eq!(parse_http_date("Thu, 13 Nov 2025 03:25:45 GMT"), Some(1_763_004_345_000));
        assert_eq!(parse_basic("20251113T032545Z"), Some(1_763_004_345_000));
        assert_eq!(parse_iso("2025-11-13T03:25:45.678Z"), Some(ms));
        assert_eq!((parse_basic("yesterday"), parse_http_date("now"), parse_iso("2025")), (None, None, None));
    }

    #[test]
    fn times_out_of_range_are_written_as_something() {
        assert!(!http_date(i64::MAX).is_empty() && !http_date(i64::MIN).is_empty() && !iso(i64::MAX).is_empty());
    }
}
