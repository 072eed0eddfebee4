//! Which version of an object is wanted: the conditions of HTTP as flags of `get`.

use std::path::Path;
use std::time::SystemTime;

use clap::Args;
use longhaul::DownloadBuilder;

/// As typed.
#[derive(Args)]
pub(crate) struct ConditionWords {
    /// Only if the object has this ETag (quotes may be left out); otherwise exit code 6
    #[arg(long, value_name = "ETAG", help_heading = "Only if")]
    if_match: Option<String>,

    /// Only if the object has another ETag than this; otherwise nothing is fetched, and that is success
    #[arg(long, value_name = "ETAG", help_heading = "Only if")]
    if_none_match: Option<String>,

    /// Only if the object is younger than this: a time (2026-01-31T12:00:00Z, or as in Last-Modified), or a file, whose
    /// time it is then; otherwise nothing is fetched, and that is success
    #[arg(short = 'z', long, value_name = "DATE|FILE", help_heading = "Only if")]
    if_modified_since: Option<String>,

    /// Only if the object is not younger than this; otherwise exit code 6
    #[arg(long, value_name = "DATE|FILE", help_heading = "Only if")]
    if_unmodified_since: Option<String>,
}

/// What they mean.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ConditionOptions {
    if_match: Option<String>,
    if_none_match: Option<String>,
    modified_since: Option<SystemTime>,
    unmodified_since: Option<SystemTime>,
}

impl ConditionWords {
    /// Their meaning; the library looks at the ETags. `several`: there is more than one object.
    pub(super) fn meaning(self, several: bool) -> Result<ConditionOptions, String> {
        for (flag, given) in [("--if-match", &self.if_match), ("--if-none-match", &self.if_none_match)] {
            if several && given.as_deref().is_some_and(|etag| etag != "*") {
                return Err(format!("{flag} is about one object; fetch that one by itself"));
            }
        }
        let date = |flag: &str, text: Option<String>| {
            text.map(|text| time(&text)).transpose().map_err(|e| format!("{flag}: {e}"))
        };
        Ok(ConditionOptions {
            if_match: self.if_match,
            if_none_match: self.if_none_match,
            modified_since: date("--if-modified-since", self.if_modified_since)?,
            unmodified_since: date("--if-unmodified-since", self.if_unmodified_since)?,
        })
    }
}

impl ConditionOptions {
    /// A download with these conditions.
    pub(crate) fn of(&self, mut download: DownloadBuilder) -> DownloadBuilder {
        if let Some(etag) = &self.if_match {
            download = download.if_match(etag);
        }
        if let Some(etag) = &self.if_none_match {
            download = download.if_none_match(etag);
        }
        if let Some(time) = self.modified_since {
            download = download.if_modified_since(time);
        }
        if let Some(time) = self.unmodified_since {
            download = download.if_unmodified_since(time);
        }
        download
    }
}

/// An HTTP date (RFC 9110, 5.6.7), RFC 3339, or when a file was modified.
fn time(text: &str) -> Result<SystemTime, String> {
    let text = text.trim();
    let date = httpdate::parse_http_date(text).ok();
    let date = date.or_else(|| text.parse::<jiff::Timestamp>().ok().map(SystemTime::from));
    let of_file = || Path::new(text).metadata().and_then(|file| file.modified()).ok();
    date.or_else(of_file).ok_or_else(|| {
        "a time is 2026-01-31T12:00:00Z, Sat, 31 Jan 2026 12:00:00 GMT, or the name of a file that is there".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn times_come_in_three_forms() {
        let want = UNIX_EPOCH + Duration::from_secs(1_769_860_800);
        for text in ["Sat, 31 Jan 2026 12:00:00 GMT", "2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00"] {
            assert_eq!(time(text), Ok(want), "{text}");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_modified(want).unwrap();
        assert_eq!(time(file.path().to_str().unwrap()), Ok(want));
        for text in ["", "yesterday", "1769860800", "2026-01-31", "/no/such/file"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_etag_is_about_one_object() {
        let words = |if_match: &str| ConditionWords {
            if_match: Some(if_match.into()),
            if_none_match: None,
            if_modified_since: None,
            if_unmodified_since: None,
        };
        assert!(words("\"a\"").meaning(true).unwrap_err().contains("--if-match"));
        assert!(words("*").meaning(true).is_ok() && words("\"a\"").meaning(false).is_ok());
    }
}
