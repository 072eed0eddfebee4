//! Conditions as callers give them, and as the core wants them.

use std::time::{SystemTime, UNIX_EPOCH};

use longhaul_core::conditions::Conditions;

use crate::error::Error;

/// As given.
#[derive(Default)]
pub(super) struct HttpConditions {
    pub(super) if_match: Option<String>,
    pub(super) if_none_match: Option<String>,
    pub(super) modified_since: Option<SystemTime>,
    pub(super) unmodified_since: Option<SystemTime>,
}

impl HttpConditions {
    /// As the core wants them.
    pub(super) fn conditions(&self) -> Result<Conditions, Error> {
        Ok(Conditions {
            if_match: self.if_match.as_deref().map(entity_tag).transpose()?,
            if_none_match: self.if_none_match.as_deref().map(entity_tag).transpose()?,
            modified_since: self.modified_since.map(seconds),
            unmodified_since: self.unmodified_since.map(seconds),
        })
    }
}

/// One entity-tag (RFC 9110, 8.8.3) with its quotes, or `*`.
fn entity_tag(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let (weak, opaque) = match text.strip_prefix("W/") {
        Some(rest) => ("W/", rest),
        None => ("", text),
    };
    let bare = opaque.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(opaque);
    let is_etagc = |c: char| c == '!' || ('#'..='~').contains(&c) || ('\u{80}'..='\u{ff}').contains(&c);
    match text {
        "*" => Ok("*".to_owned()),
        _ if !opaque.is_empty() && bare.chars().all(is_etagc) => Ok(format!("{weak}\"{bare}\"")),
        _ => Err(Error::usage("an ETag is one value as a server sends it: \"33a64df5\", W/\"33a64df5\", or * for any")),
    }
}

/// Whole seconds since the Unix epoch, rounded down.
fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -whole.saturating_add(i64::from(before.subsec_nanos() > 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn etags_get_their_quotes_and_what_is_none_is_refused() {
        for (text, want) in [
            ("\"a\"", Some("\"a\"")),
            ("a", Some("\"a\"")),
            (" 5B3C1A2E053D763E1B002CC607C5A0FE-4 ", Some("\"5B3C1A2E053D763E1B002CC607C5A0FE-4\"")),
            ("W/\"a\"", Some("W/\"a\"")),
            ("W/a", Some("W/\"a\"")),
            ("\"\"", Some("\"\"")),
            ("*", Some("*")),
            ("", None),
            ("W/", None),
            ("\"a", None),
            ("a b", None),
            ("\"a\", \"b\"", None),
            ("a\r\nX: y", None),
            ("\u{1f600}", None),
        ] {
            assert_eq!(entity_tag(text).ok().as_deref(), want, "{text:?}");
        }
    }

    #[test]
    fn times_are_cut_to_whole_seconds() {
        let at = |ns: i64| match ns {
            0.. => UNIX_EPOCH + Duration::from_nanos(ns.unsigned_abs()),
            _ => UNIX_EPOCH - Duration::from_nanos(ns.unsigned_abs()),
        };
        for (ns, want) in [(0, 0), (1_999_999_999, 1), (2_000_000_000, 2), (-1, -1), (-1_000_000_000, -1)] {
            assert_eq!(seconds(at(ns)), want, "{ns}");
        }
    }
}
