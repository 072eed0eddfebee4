//! What `show` tells of uploads that ended well.

use longhaul::SentUpload;
use serde::Serialize;

use super::sentences::Sheet;
use crate::commands::since_epoch;
use crate::printable;
use crate::show::{Direction, path_fields, text};

/// As `--json` shows it.
#[derive(Debug, Default, Serialize)]
pub(super) struct SentFacts {
    /// `uploaded`.
    state: &'static str,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    url: String,
    endpoint: String,
    bytes: u64,
    verified: &'static str,
    #[serde(skip)]
    proof: String,
    digests: Vec<String>,
    etag: Option<String>,
    version: Option<String>,
    finished_ms: u64,
    source_unchanged: bool,
}

impl From<&SentUpload> for SentFacts {
    fn from(sent: &SentUpload) -> Self {
        let (path, path_hex) = path_fields(Some(&sent.path));
        Self {
            state: "uploaded",
            path,
            path_hex,
            url: sent.destination.clone(),
            endpoint: sent.endpoint.clone(),
            bytes: sent.bytes,
            verified: text::verified(sent.verified),
            proof: text::proof(sent.verified, Direction::Up),
            digests: sent.digests.iter().map(ToString::to_string).collect(),
            etag: sent.etag.clone(),
            version: sent.version.clone(),
            finished_ms: u64::try_from(since_epoch(sent.finished).as_millis()).unwrap_or(u64::MAX),
            source_unchanged: sent.unchanged,
        }
    }
}

impl SentFacts {
    pub(super) fn sentences(&self) -> String {
        let mut sheet = Sheet::default();
        let path = printable::here(self.path.as_deref().unwrap_or_default().as_ref());
        sheet.line("file", &format!("{path}, uploaded"));
        sheet.line("destination", &format!("{} at {}", self.url, self.endpoint));
        sheet.line("length", &text::bytes(self.bytes));
        sheet.line("checked", &self.proof);
        for digest in &self.digests {
            sheet.line("digest", digest);
        }
        if let Some(etag) = &self.etag {
            sheet.line("ETag", etag);
        }
        if let Some(version) = &self.version {
            sheet.line("version", version);
        }
        let unsure = "not surely what was uploaded: its length or its times are others";
        sheet.line("file now", if self.source_unchanged { "as it was uploaded" } else { unsure });
        sheet.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_where_the_file_went() {
        let sent = SentFacts {
            path: Some("/d/disk.iso".into()),
            url: "oss://b/k".into(),
            endpoint: "http://h".into(),
            bytes: 40 << 20,
            verified: "crc64",
            proof: "checksum ok: crc64".into(),
            digests: vec!["crc64:00".into()],
            etag: Some("\"a-5\"".into()),
            source_unchanged: true,
            ..SentFacts::default()
        };
        let expected = "\
file        /d/disk.iso, uploaded
destination oss://b/k at http://h
length      40.0 MiB
checked     checksum ok: crc64
digest      crc64:00
ETag        \"a-5\"
file now    as it was uploaded
";
        assert_eq!(sent.sentences(), expected);
        assert!(SentFacts { source_unchanged: false, ..sent }.sentences().contains("not surely"));
    }
}
