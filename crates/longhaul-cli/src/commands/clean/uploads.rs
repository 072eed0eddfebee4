//! What is left over in stores.

use longhaul::{Client, Error, PerhapsOurs, UnfinishedUpload, UnfinishedUploads, UploadStage};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::super::since_epoch;
use crate::exit::Failure;
use crate::out;
use crate::printable;
use crate::show::{path_fields, text};

/// What the journals know of, and what the stores say about uploads without an id.
pub(super) fn found(client: &Client, runtime: &Runtime) -> Result<Vec<Left>, Failure> {
    let UnfinishedUploads { uploads, warnings: problems, .. } = client.unfinished_uploads()?;
    for problem in &problems {
        out::say(&format!("warning: {problem}"));
    }
    let mut left: Vec<Left> = uploads.into_iter().filter_map(Left::of).collect();
    for left in left.iter_mut().filter(|left| left.upload.nameless > 0) {
        left.perhaps_ours = Some(runtime.block_on(perhaps_ours(client, &left.upload)));
    }
    Ok(left)
}

async fn perhaps_ours(client: &Client, upload: &UnfinishedUpload) -> Result<Vec<PerhapsOurs>, Error> {
    client.open_upload(&upload.id)?.perhaps_ours().await
}

/// Why something is left over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Why {
    GivenUp,
    NoSource,
    PerhapsOurs,
}

/// Something that is left over in a store.
pub(super) struct Left {
    upload: UnfinishedUpload,
    why: Why,
    /// What the store has that may be ours, where we never learned the id.
    perhaps_ours: Option<Result<Vec<PerhapsOurs>, Error>>,
    /// All that was left of it is removed, here and in the store; `None`: that was not tried.
    settled: Option<bool>,
    /// ManyUploads removed that were perhaps ours.
    removed: usize,
    pub(super) failure: Option<Failure>,
}

impl Left {
    /// `None` for an upload that the next start goes on with, or that a process works on.
    fn of(upload: UnfinishedUpload) -> Option<Self> {
        let why = match upload.stage {
            _ if upload.running => return None,
            UploadStage::GivenUp | UploadStage::Stored => Why::GivenUp,
            _ if upload.path.symlink_metadata().is_err() && !upload.keep_parts => Why::NoSource,
            _ if upload.nameless > 0 => Why::PerhapsOurs,
            _ => return None,
        };
        Some(Self { upload, why, perhaps_ours: None, settled: None, removed: 0, failure: None })
    }

    pub(super) fn sentence(&self, with_perhaps_ours: bool) -> String {
        let UnfinishedUpload { id, path, destination, .. } = &self.upload;
        let (id, what) = (id.get(..8).unwrap_or(id), printable::here(path));
        let why = match self.why {
            Why::GivenUp => "given up, and not yet removed from the store",
            Why::NoSource => "unfinished, and its file is not there any more",
            Why::PerhapsOurs => "unfinished; the answer to the creation of an upload was lost",
        };
        let mut text = format!("{id}  {what} to {destination}: {why}\n");
        match &self.perhaps_ours {
            None => {}
            Some(Err(error)) => text += &format!("          what is in the store is unknown: {error}\n"),
            Some(Ok(found)) if found.is_empty() => text += "          nothing in the store is perhaps ours\n",
            Some(Ok(found)) => {
                let what = if with_perhaps_ours { "" } else { "; --perhaps-ours removes it" };
                for one in found {
                    let began = one.initiated.map_or_else(
                        || "at an unknown time".to_owned(),
                        |at| format!("{} ago", text::whole(at.elapsed().unwrap_or_default().as_secs())),
                    );
                    text += &format!("          perhaps ours: upload {}, begun {began}{what}\n", one.upload_id);
                }
            }
        }
        text
    }

    pub(super) async fn settle(&mut self, client: &Client, with_perhaps_ours: bool) {
        match self.try_settle(client, with_perhaps_ours).await {
            Ok(settled) => self.settled = Some(settled),
            Err(error) => {
                let failure = Failure::from(error);
                let message = format!("{}: not settled: {}", self.upload.destination, failure.message);
                self.failure = Some(Failure { message, ..failure });
            }
        }
    }

    /// Whether all that was left is removed.
    async fn try_settle(&mut self, client: &Client, with_perhaps_ours: bool) -> Result<bool, Error> {
        let id = &self.upload.id;
        let unsure = match self.perhaps_ours.take() {
            None => Vec::new(),
            Some(found) => found?,
        };
        let unsure_count = unsure.len();
        if with_perhaps_ours {
            for one in &unsure {
                client.open_upload(id)?.abort(&one.upload_id).await?;
                self.removed += 1;
            }
        }
        let unknown_are_gone = self.removed == unsure_count;
        self.perhaps_ours = self.upload.nameless.gt(&0).then_some(Ok(unsure));
        if self.why == Why::PerhapsOurs {
            // With parts in the store it can be gone on with, and only the doubt about a lost one is settled; without,
            // the journal has no more to remember.
            if unknown_are_gone && self.upload.stage == UploadStage::Begun {
                client.forget_upload(id)?;
            }
            return Ok(unknown_are_gone);
        }
        let clean = client.open_upload(id)?.discard().await?;
        if !clean && unknown_are_gone && self.upload.nameless > 0 {
            client.forget_upload(id)?;
            return Ok(true);
        }
        Ok(clean)
    }

    pub(super) fn outcome(&self) -> String {
        let UnfinishedUpload { path, destination, .. } = &self.upload;
        let what = printable::here(path);
        match (self.settled, self.why) {
            (Some(true), Why::PerhapsOurs) => format!("{what}: nothing unknown is left in {destination}"),
            (Some(true), _) => format!("{what}: nothing of it is left in {destination}"),
            _ if self.upload.nameless > 0 => {
                format!(
                    "{what}: in {destination} there may be an upload that is perhaps ours; --perhaps-ours removes it"
                )
            }
            _ => format!("{what}: something of it may be left in {destination}; run `longhaul clean` again later"),
        }
    }
}

impl Serialize for Left {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct UploadRow<'a> {
            id: &'a str,
            path: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            path_hex: Option<String>,
            url: &'a str,
            why: Why,
            perhaps_ours: Vec<Unsure<'a>>,
            settled: Option<bool>,
            removed: usize,
            error: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct Unsure<'a> {
            upload_id: &'a str,
            initiated_ms: Option<u64>,
        }
        let (path, path_hex) = path_fields(Some(&self.upload.path));
        let unsure = self.perhaps_ours.as_ref().and_then(|found| found.as_ref().ok());
        let unsure = unsure.into_iter().flatten();
        let ms = |at| u64::try_from(since_epoch(at).as_millis()).unwrap_or(u64::MAX);
        UploadRow {
            id: &self.upload.id,
            path,
            path_hex,
            url: &self.upload.destination,
            why: self.why,
            perhaps_ours: unsure
                .map(|u| Unsure { upload_id: &u.upload_id, initiated_ms: u.initiated.map(ms) })
                .collect(),
            settled: self.settled,
            removed: self.removed,
            error: self.failure.as_ref().map(|failure| failure.message.as_str()),
        }
        .serialize(serializer)
    }
}
