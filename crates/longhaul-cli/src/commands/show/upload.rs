//! What `show` tells of an upload that is not finished.

use longhaul::{UnfinishedUpload, UploadStage};
use serde::Serialize;

use super::sentences::Sheet;
use crate::commands::since_epoch;
use crate::printable;
use crate::show::{path_fields, text};

/// As `--json` shows it.
#[derive(Debug, Default, Serialize)]
pub(super) struct UploadFacts {
    /// `upload`.
    state: &'static str,
    id: String,
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
    url: String,
    endpoint: String,
    stage: &'static str,
    upload_id: Option<String>,
    total: Option<u64>,
    stored: u64,
    parts: u64,
    part_size: Option<u64>,
    next_start: &'static str,
    owed: u32,
    nameless: u32,
    needs_callback: bool,
    running: bool,
    source_present: bool,
    updated_ms: u64,
}

impl From<&UnfinishedUpload> for UploadFacts {
    fn from(u: &UnfinishedUpload) -> Self {
        let (path, path_hex) = path_fields(Some(&u.path));
        let source_present = u.path.symlink_metadata().is_ok();
        Self {
            state: "upload",
            id: u.id.clone(),
            path,
            path_hex,
            url: u.destination.clone(),
            endpoint: u.endpoint.clone(),
            stage: match u.stage {
                UploadStage::GivenUp => "given_up",
                stage => stage.name(),
            },
            upload_id: u.upload_id.clone(),
            total: u.total,
            stored: u.stored,
            parts: u.part_len.map_or(0, |len| u.stored.div_ceil(len)),
            part_size: u.part_len,
            next_start: match u.stage {
                UploadStage::Stored => "begins",
                _ if !source_present => "impossible",
                UploadStage::GivenUp | UploadStage::Begun => "begins",
                UploadStage::Settling => "settles",
                _ => "continues",
            },
            owed: u.owed,
            nameless: u.nameless,
            needs_callback: u.callback,
            running: u.running,
            source_present,
            updated_ms: u64::try_from(since_epoch(u.updated).as_millis()).unwrap_or(u64::MAX),
        }
    }
}

impl UploadFacts {
    pub(super) fn sentences(&self, explain: bool) -> String {
        let mut sheet = Sheet::default();
        let path = printable::here(self.path.as_deref().unwrap_or_default().as_ref());
        sheet.line("file", &format!("{path}, upload not finished"));
        sheet.line("id", &self.id);
        sheet.line("destination", &format!("{} at {}", self.url, self.endpoint));
        let mut stored = text::share(self.stored, self.total);
        if let Some(size) = self.part_size {
            stored += &format!(", {} parts of {}", self.parts, text::bytes(size));
        }
        sheet.line("stored", &stored);
        sheet.line("next start", &self.next_start_sentence());
        if self.needs_callback {
            sheet.line("needs", "the callback given before: it is not stored");
        }
        if self.running {
            sheet.line("running", "a process works on it now");
        }
        if self.owed > 0 {
            let many = text::times(self.owed);
            sheet.line(
                "owed",
                &format!(
                    "an earlier upload has to be removed from the store ({many}); the next start, or clean, does it"
                ),
            );
        }
        if self.nameless > 0 {
            sheet.line(
                "unknown",
                "the answer to the creation of an upload was lost; `longhaul clean` looks what is in the store",
            );
        }
        if explain {
            sheet.line("stage", &self.stage.replace('_', " "));
            if let Some(upload_id) = &self.upload_id {
                sheet.line("upload id", upload_id);
            }
            sheet.list(
                "What counts at the next start:",
                std::iter::once(
                    "parts that the store lists, with the size and digest that the file has there; this journal tells \
                     what was read, the store what is there"
                        .to_owned(),
                ),
            );
        }
        sheet.0
    }

    fn next_start_sentence(&self) -> String {
        let rest = self.total.map(|total| text::bytes(total.saturating_sub(self.stored)));
        match (self.next_start, rest) {
            ("continues", Some(rest)) => format!("asks the store for its parts and goes on; {rest} to send"),
            ("continues", None) => "asks the store for its parts and goes on".to_owned(),
            ("settles", _) => "finds out whether the object is stored: the answer to that was lost".to_owned(),
            ("impossible", _) => {
                "is not possible: the file is not there any more; `longhaul clean` removes it".to_owned()
            }
            _ => "begins".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_stored_and_what_comes_next() {
        let upload = UploadFacts {
            id: "3f9a".into(),
            path: Some("/d/disk.iso".into()),
            url: "oss://b/k".into(),
            endpoint: "http://h".into(),
            stage: "sending",
            upload_id: Some("U1".into()),
            total: Some(40 << 20),
            stored: 32 << 20,
            parts: 2,
            part_size: Some(16 << 20),
            next_start: "continues",
            ..UploadFacts::default()
        };
        let expected = "\
file        /d/disk.iso, upload not finished
id          3f9a
destination oss://b/k at http://h
stored      32.0 MiB of 40.0 MiB, 2 parts of 16.0 MiB
next start  asks the store for its parts and goes on; 8.0 MiB to send
";
        assert_eq!(upload.sentences(false), expected);
        assert!(upload.sentences(true).contains("upload id   U1\n"));
        let owing = UploadFacts { owed: 2, nameless: 1, next_start: "settles", ..upload };
        let text = owing.sentences(false);
        assert!(text.contains("(twice)") && text.contains("finds out") && text.contains("longhaul clean"), "{text}");
    }
}
