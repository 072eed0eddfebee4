//! Is this version of the object one that the caller wants?
//!
//! [`Conditions`] are the caller's wish about the object (RFC 9110, 13.1): "only this version", "only if it is another
//! one than I have". They say which version may *begin*, and are apart from the conditions that a download sends by
//! itself to join only bytes of one version. So they go with the requests that ask which version there is, and with no
//! other; and since servers that know no conditions exist, every version is held against them here before a byte of it
//! counts ([`Conditions::judge`]).
//!
//! | the caller's wish | held against | not met |
//! |---|---|---|
//! | `if_match`, else `unmodified_since` | ETag (strong comparison), else date | [`Unmet::Other`]: another object |
//! | `if_none_match`, else `modified_since` | ETag (weak comparison), else date | [`Unmet::Same`]: not modified |

use crate::identity::Identity;

/// What the caller wants of the object; by default anything. ETags are as they are sent, quotes and `W/` included, or
/// `*`; times are seconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// Only the version with this ETag.
    pub if_match: Option<String>,
    /// Only a version with another ETag than this.
    pub if_none_match: Option<String>,
    /// Only a version that is younger than this; does not count beside `if_none_match`.
    pub modified_since: Option<i64>,
    /// Only a version that is not younger than this; does not count beside `if_match`.
    pub unmodified_since: Option<i64>,
}

/// How a version is not what the caller wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmet {
    /// Another version than the one that was asked for (412).
    Other,
    /// The version that the caller has already (304).
    Same,
}

impl Conditions {
    /// Whether any version will do.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How this version is not what the caller wants; `None` when it is. The order is that of RFC 9110, 13.2.2. What a
    /// source does not tell (no date, say) cannot keep its object from being fetched, but for `if_match`: there the
    /// version has to be shown.
    pub fn judge(&self, identity: &Identity) -> Option<Unmet> {
        let shown = identity.etag.as_deref();
        match (&self.if_match, self.unmodified_since, identity.modified) {
            (Some(wanted), ..) if wanted != "*" && !shown.is_some_and(|shown| strongly_equal(wanted, shown)) => {
                return Some(Unmet::Other);
            }
            (None, Some(since), Some(modified)) if modified > since => return Some(Unmet::Other),
            _ => {}
        }
        match (&self.if_none_match, self.modified_since, identity.modified) {
            (Some(had), ..) if had == "*" || shown.is_some_and(|shown| opaque(had) == opaque(shown)) => {
                Some(Unmet::Same)
            }
            (None, Some(since), Some(modified)) if modified <= since => Some(Unmet::Same),
            _ => None,
        }
    }

    /// What a refusal with this status means, if it can be one of these conditions'.
    pub fn refused(&self, status: u16) -> Option<Unmet> {
        match status {
            304 if self.if_none_match.is_some() || self.modified_since.is_some() => Some(Unmet::Same),
            412 if self.if_match.is_some() || self.unmodified_since.is_some() => Some(Unmet::Other),
            _ => None,
        }
    }
}

/// RFC 9110, 8.8.3.2. Quotes do not count: some servers leave them out.
fn strongly_equal(a: &str, b: &str) -> bool {
    !a.starts_with("W/") && !b.starts_with("W/") && opaque(a) == opaque(b)
}

/// What an ETag says, without weakness and quotes.
fn opaque(etag: &str) -> &str {
    let etag = etag.strip_prefix("W/").unwrap_or(etag);
    etag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(etag: &str, modified: i64) -> Identity {
        Identity { etag: (!etag.is_empty()).then(|| etag.into()), modified: Some(modified), ..Identity::default() }
    }

    fn wish(fields: &[(&str, &str)]) -> Conditions {
        let mut wish = Conditions::default();
        for (name, value) in fields {
            match *name {
                "match" => wish.if_match = Some((*value).into()),
                "none" => wish.if_none_match = Some((*value).into()),
                "since" => wish.modified_since = value.parse().ok(),
                _ => wish.unmodified_since = value.parse().ok(),
            }
        }
        wish
    }

    /// A line a case: the wish, the ETag shown with the date 100, and how it is not met.
    #[test]
    fn a_version_is_wanted_or_not_as_rfc_9110_says() {
        use Unmet::{Other, Same};
        type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<Unmet>);
        let table: &[Case<'_>] = &[
            (&[], "\"a\"", None),
            (&[("match", "\"a\"")], "\"a\"", None),
            (&[("match", "\"a\"")], "a", None),
            (&[("match", "\"a\"")], "\"b\"", Some(Other)),
            (&[("match", "\"a\"")], "W/\"a\"", Some(Other)),
            (&[("match", "W/\"a\"")], "W/\"a\"", Some(Other)),
            (&[("match", "\"a\"")], "", Some(Other)),
            (&[("match", "*")], "", None),
            (&[("none", "\"a\"")], "\"b\"", None),
            (&[("none", "\"a\"")], "\"a\"", Some(Same)),
            (&[("none", "\"a\"")], "W/\"a\"", Some(Same)),
            (&[("none", "W/\"a\"")], "\"a\"", Some(Same)),
            (&[("none", "\"a\"")], "", None),
            (&[("none", "*")], "\"b\"", Some(Same)),
            (&[("since", "99")], "\"a\"", None),
            (&[("since", "100")], "\"a\"", Some(Same)),
            (&[("until", "99")], "\"a\"", Some(Other)),
            (&[("until", "100")], "\"a\"", None),
            // A date does not count beside an ETag.
            (&[("match", "\"a\""), ("until", "1")], "\"a\"", None),
            (&[("none", "\"b\""), ("since", "200")], "\"a\"", None),
            // Another object comes before the same one.
            (&[("match", "\"b\""), ("none", "\"a\"")], "\"a\"", Some(Other)),
            (&[("until", "99"), ("since", "100")], "\"a\"", Some(Other)),
        ];
        for (fields, etag, want) in table {
            assert_eq!(wish(fields).judge(&shown(etag, 100)), *want, "{fields:?} against {etag}");
        }
        let undated = Identity::default();
        assert_eq!(wish(&[("since", "100")]).judge(&undated), None);
        assert_eq!(wish(&[("until", "100")]).judge(&undated), None);
    }

    #[test]
    fn a_refusal_counts_only_for_a_condition_that_can_have_caused_it() {
        for (fields, on_304, on_412) in [
            (&[][..], None, None),
            (&[("none", "\"a\"")], Some(Unmet::Same), None),
            (&[("since", "1")], Some(Unmet::Same), None),
            (&[("match", "\"a\"")], None, Some(Unmet::Other)),
            (&[("until", "1")], None, Some(Unmet::Other)),
        ] {
            let wish = wish(fields);
            assert_eq!((wish.refused(304), wish.refused(412), wish.refused(200)), (on_304, on_412, None), "{fields:?}");
        }
    }
}
