//! One-time codes, by which a page gets in that this user opened.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq as _;

use crate::tokens::random_text;

/// A code is good for so long.
pub(crate) const CODE_LASTS: Duration = Duration::from_secs(60);
/// So many codes are good at a time; the oldest goes first.
const CODES_MAX: usize = 16;

/// Codes that were given out, and not used.
#[derive(Debug, Default)]
pub(crate) struct Codes(Mutex<Vec<(String, Instant)>>);

impl Codes {
    /// A new one.
    pub(crate) fn give(&self, now: Instant) -> std::io::Result<String> {
        let code = random_text()?;
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|(_, end)| now < *end);
        if codes.len() >= CODES_MAX {
            codes.remove(0);
        }
        codes.push((code.clone(), now + CODE_LASTS));
        Ok(code)
    }

    /// Whether it is good; it is not any more after that.
    pub(crate) fn take(&self, code: &str, now: Instant) -> bool {
        let mut codes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|(_, end)| now < *end);
        let before = codes.len();
        codes.retain(|(known, _)| !bool::from(known.as_bytes().ct_eq(code.as_bytes())));
        codes.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_works_once_within_a_minute() {
        let (codes, now) = (Codes::default(), Instant::now());
        let code = codes.give(now).unwrap();
        assert!(!codes.take("", now) && !codes.take(&code[1..], now));
        assert!(codes.take(&code, now + CODE_LASTS / 2));
        assert!(!codes.take(&code, now));
        let late = codes.give(now).unwrap();
        assert!(!codes.take(&late, now + CODE_LASTS));
        let first = codes.give(now).unwrap();
        for _ in 0..CODES_MAX {
            codes.give(now).unwrap();
        }
        assert!(!codes.take(&first, now), "they are bounded");
    }
}
