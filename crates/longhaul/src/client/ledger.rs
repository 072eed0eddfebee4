//! What was begun in stores and is neither finished nor removed: the journals of uploads, for `list`, `clean` and
//! `cancel ID`.
//!
//! An upload that was cancelled while the store could not be asked still owes an abort: [`UploadBuilder::discard`] pays
//! it. Where even the answer to its creation was lost, its id is not known: what stands in the store under the same key
//! is *perhaps* ours ([`UploadBuilder::perhaps_ours`]), and is removed only on a caller's word.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use longhaul_core::upload::journal::{Attempt, Recovered};
use longhaul_core::upload::step::Fault;
use longhaul_core::words::DiskFault;

use super::Client;
use super::upload::{UploadBuilder, no_state_dir};
use crate::disk::state::listing::{Kind, NoteKey, id_text};
use crate::disk::state::state_dir::StateDir;
use crate::disk::state::uploads::stored;
use crate::disk::state::uploads::{UploadKey, is_barren};
use crate::drive::upload::run::UploadRequest;
use crate::error::{Disposition, Error, ErrorKind};
use crate::store::cloud::{Pages, Refusal};
use crate::transfer::upload;

/// Our clock may differ from the store's by more than this only until the store has told it.
const CLOCKS_S: i64 = 15 * 60;

/// An upload that is not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedUpload {
    /// 32 hexadecimal digits, as [`Transfer::id`](crate::Transfer::id) tells.
    pub id: String,
    /// The source.
    pub path: PathBuf,
    /// `oss://BUCKET/KEY` or `s3://BUCKET/KEY`.
    pub destination: String,
    /// The endpoint.
    pub endpoint: String,
    /// What a next start would do.
    pub stage: UploadStage,
    /// The store's id of the upload that is under way, once there is one.
    pub upload_id: Option<String>,
    /// Bytes that the store has acknowledged, as far as they would count.
    pub stored: u64,
    /// Length of the source in bytes, when it was begun.
    pub total: Option<u64>,
    /// The length of all parts but the last; `None`: it is sent in one request.
    pub part_len: Option<u64>,
    /// Uploads that were given up and not yet confirmed as removed.
    pub owed: u32,
    /// Uploads that may have been created, and whose id was lost with the answer.
    pub nameless: u32,
    /// A callback was asked for, and is not stored.
    pub callback: bool,
    /// Who began it wants its parts to stay in the store when it is cancelled
    /// ([`keep_parts`](UploadBuilder::keep_parts)).
    pub keep_parts: bool,
    /// A process works on it now.
    pub running: bool,
    /// When its journal was last written.
    pub updated: SystemTime,
}

/// What [`Client::unfinished_uploads`] finds.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct UnfinishedUploads {
    /// The uploads.
    pub uploads: Vec<UnfinishedUpload>,
    /// What could not be read, a line each.
    pub warnings: Vec<String>,
}

/// How far an unfinished upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UploadStage {
    /// The store has created no upload, as far as is known.
    Begun,
    /// Parts are being sent.
    Sending,
    /// The request that makes the object was sent: it is to be found out whether it was carried out.
    Settling,
    /// The object is stored; only what is owed of earlier attempts is left.
    Stored,
    /// It was given up; what is left is to be removed from the store.
    GivenUp,
}

impl UploadStage {
    /// The word for it: `begun`, `sending`, `settling`, `stored`, `given up`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Sending => "sending",
            Self::Settling => "settling",
            Self::Stored => "stored",
            Self::GivenUp => "given up",
        }
    }
}

/// An unfinished multipart upload in a store that may be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PerhapsOurs {
    /// Its id in the store.
    pub upload_id: String,
    /// When it began, when the store says.
    pub initiated: Option<SystemTime>,
}

/// Input without a name that was kept and that no upload goes on with: of a process that was killed while it read it,
/// or before its upload began.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptInput {
    /// Where it is kept.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// When it was last written.
    pub updated: SystemTime,
}

impl Client {
    /// Kept input that no journal goes on with: the same input to the same destination begins anew and replaces it.
    ///
    /// # Blocking
    /// It reads the state directory: from async code, call it on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// As [`unfinished_uploads`](Self::unfinished_uploads).
    pub fn kept_inputs(&self) -> Result<Vec<KeptInput>, Error> {
        let state = self.state().ok_or_else(no_state_dir)?;
        let (uploads, _) = state.uploads().map_err(unreadable)?;
        let wanted: Vec<&[u8]> =
            uploads.iter().filter(|upload| !is_barren(upload)).map(|upload| &upload.intent.path[..]).collect();
        let left = state.left_input(|path| wanted.contains(&path.as_os_str().as_bytes())).map_err(unreadable)?;
        let kept = left.into_iter().map(|left| KeptInput {
            updated: moment(left.mtime_ns.div_euclid(1_000_000_000)).unwrap_or(UNIX_EPOCH),
            path: left.path,
            bytes: left.len,
        });
        Ok(kept.collect())
    }

    /// Removes input that was left over.
    ///
    /// # Blocking
    /// It reads and changes the state directory: from async code, call it on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] when a process reads input for that destination by now, [`ErrorKind::LocalFile`] when it
    /// cannot be removed.
    pub fn remove_kept_input(&self, kept: &KeptInput) -> Result<(), Error> {
        let state = self.state().ok_or_else(no_state_dir)?;
        state.remove_left_input(&kept.path).map_err(|error| {
            let kind = if error.fault() == DiskFault::InUse { ErrorKind::InUse } else { ErrorKind::LocalFile };
            let text = format!("{}: the kept input is not removed: {error}", kept.path.display());
            Error::new(kind, Disposition::Temporary, text).with("path", kept.path.display())
        })
    }

    /// Every upload that is not finished, or of which something may be left in a store.
    ///
    /// # Blocking
    /// It reads the journals of all uploads: from async code, call it on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::LocalFile`] when the state directory cannot be read; [`ErrorKind::Usage`] when there is none.
    pub fn unfinished_uploads(&self) -> Result<UnfinishedUploads, Error> {
        let state = self.state().ok_or_else(no_state_dir)?;
        let (found, skipped) = state.uploads().map_err(unreadable)?;
        let begun = found.iter().filter(|recovered| !is_barren(recovered));
        let uploads = begun.map(|recovered| unfinished(state, recovered)).collect();
        let warnings = skipped.into_iter().map(|s| format!("{}: skipped ({})", s.path.display(), s.why)).collect();
        Ok(UnfinishedUploads { uploads, warnings })
    }

    /// Removes the journal of an upload, and with it the memory of what may be left in the store. For uploads without
    /// an id, when none of those in the store is ours ([`UploadBuilder::perhaps_ours`]). An entry in the list whose
    /// journal is gone goes as well.
    ///
    /// # Blocking
    /// It reads the journals of all uploads, and removes one: from async code, call it on a thread that may block
    /// (`tokio::task::spawn_blocking`).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is no readable journal of it and no entry, [`ErrorKind::InUse`] when a process
    /// works on it, [`ErrorKind::LocalFile`] when it cannot be removed.
    pub fn forget_upload(&self, id: &str) -> Result<(), Error> {
        let state = self.state().ok_or_else(no_state_dir)?;
        let recovered = match self.recorded_upload(id) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let noted = state.transfer_with_id(id).ok().flatten().filter(|note| note.kind == Kind::Upload);
                let path = noted.as_ref().and_then(|note| note.path.to_path());
                let (note, path) = noted.zip(path).ok_or_else(|| error.clone())?;
                let key = UploadKey::of(&path, &note.source, note.endpoint.as_deref().unwrap_or_default());
                // A journal that cannot be read may know what is left in the store.
                if state.upload_written_ns(&key).is_some() {
                    return Err(error);
                }
                return state.remove_transfer(&NoteKey::of_upload(&key)).map(drop).map_err(unreadable);
            }
            recovered => recovered?,
        };
        let key = UploadKey::of_intent(&recovered.intent);
        if !state.forget_upload(&key).map_err(unreadable)? {
            let text = format!("{}: a process is uploading to it now", recovered.intent.destination);
            return Err(Error::new(ErrorKind::InUse, Disposition::Temporary, text));
        }
        let _ = state.remove_transfer(&NoteKey::of_upload(&key)); // a list; what is gone from it is shown as gone
        Ok(())
    }

    /// The journal of an upload.
    pub(crate) fn recorded_upload(&self, id: &str) -> Result<Recovered, Error> {
        let state = self.state().ok_or_else(no_state_dir)?;
        let (found, _) = state.uploads().map_err(unreadable)?;
        found.into_iter().find(|recovered| id_text(recovered.intent.id) == id).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                Disposition::Permanent,
                format!("{id}: there is no unfinished upload with this id"),
            )
        })
    }
}

impl UploadBuilder {
    /// Gives the upload up: all that is known of it in the store is removed, unless
    /// [`keep_parts`](Self::keep_parts) was asked. Neither the source nor anything of it is needed. Whether the store
    /// confirmed that all is gone; otherwise its journal stays, and this may be called again.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`Transfer::finished`](crate::Transfer::finished): [`ErrorKind::InUse`] when a
    /// process works on it, [`ErrorKind::Denied`], [`ErrorKind::Network`].
    ///
    /// # Cancel safety
    /// When the future is dropped, what was not confirmed stays in the journal: it can be called again.
    pub async fn discard(self) -> Result<bool, Error> {
        let (request, spooled) = self.request(true).await?;
        let clean = upload::discard(request).await;
        drop(spooled);
        clean
    }

    /// Unfinished multipart uploads of this key in the store that may be those whose id was lost: all that are not
    /// known to be ours by their id and did not begin before ours can have. The store does not tell whose they are.
    ///
    /// # Errors
    /// As [`discard`](Self::discard).
    ///
    /// # Cancel safety
    /// Dropping the future loses only what was listed.
    pub async fn perhaps_ours(self) -> Result<Vec<PerhapsOurs>, Error> {
        let (request, _) = self.request(true).await?;
        let known = request.state.upload(&request.key).map_err(unreadable)?;
        let attempts = known.map(|recovered| recovered.attempts).unwrap_or_default();
        let named = |id: &str| attempts.iter().any(|a| a.upload_id.as_deref() == Some(id));
        let since = attempts.iter().filter(|a| a.is_nameless()).map(began_after).min();
        let mut found = Vec::new();
        let mut after = None;
        let key = request.cloud.object().key();
        let mut pages = Pages::default();
        loop {
            let page = request.cloud.list_uploads(key, after.as_ref()).await;
            let page = page.map_err(|refusal| refused(&request, refusal))?;
            let first = page.uploads.first().map(|upload| format!("{} {}", upload.upload_id, upload.key));
            let next = page.next.as_ref().map(|next| format!("{} {}", next.upload_id, next.key));
            let turned = pages.turn("uploads", first.as_deref(), next.as_deref());
            turned.map_err(|refusal| refused(&request, refusal))?;
            found.extend(page.uploads.into_iter().filter(|upload| {
                let too_early = upload.initiated_unix_s.zip(since).is_some_and(|(began, since)| began < since);
                upload.key == key && !named(&upload.upload_id) && !too_early
            }));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let perhaps = found.into_iter().map(|upload| PerhapsOurs {
            initiated: upload.initiated_unix_s.and_then(moment),
            upload_id: upload.upload_id,
        });
        Ok(perhaps.collect())
    }

    /// Removes one unfinished multipart upload of this key from the store, another writer's too.
    ///
    /// # Errors
    /// As [`discard`](Self::discard). One that is gone already is no error.
    ///
    /// # Cancel safety
    /// When the future is dropped, it may be removed or not: it can be called again.
    pub async fn abort(self, upload_id: &str) -> Result<(), Error> {
        let (request, _) = self.request(true).await?;
        match request.cloud.abort(upload_id).await {
            Ok(()) => Ok(()),
            Err(refusal) if refusal.fault == Fault::NoSuchUpload => Ok(()),
            Err(refusal) => Err(refused(&request, refusal)),
        }
    }
}

fn unfinished(state: &StateDir, recovered: &Recovered) -> UnfinishedUpload {
    let intent = &recovered.intent;
    let key = UploadKey::of_intent(intent);
    let last = recovered.last();
    let updated = state.upload_written_ns(&key).and_then(|ns| u64::try_from(ns).ok()).unwrap_or(0);
    UnfinishedUpload {
        id: id_text(intent.id),
        path: PathBuf::from(OsString::from_vec(intent.path.clone())),
        destination: intent.destination.clone(),
        endpoint: intent.endpoint.clone(),
        stage: last.map_or(UploadStage::Begun, stage),
        upload_id: last.and_then(|attempt| attempt.upload_id.clone()),
        stored: last.map_or(0, stored),
        total: last.map(|attempt| attempt.facts.len),
        part_len: last.map(|attempt| attempt.part_len).filter(|&len| len > 0),
        owed: count(recovered, |a| a.abandoned && a.may_be_left() && !a.is_nameless()),
        nameless: count(recovered, Attempt::is_nameless),
        callback: intent.callback,
        keep_parts: intent.keep_parts,
        running: state.is_uploading(&key),
        updated: UNIX_EPOCH.checked_add(Duration::from_nanos(updated)).unwrap_or(UNIX_EPOCH),
    }
}

fn count(recovered: &Recovered, which: impl Fn(&Attempt) -> bool) -> u32 {
    u32::try_from(recovered.attempts.iter().filter(|attempt| which(attempt)).count()).unwrap_or(u32::MAX)
}

fn stage(attempt: &Attempt) -> UploadStage {
    match attempt {
        Attempt { stored: true, .. } => UploadStage::Stored,
        Attempt { abandoned: true, .. } => UploadStage::GivenUp,
        Attempt { sending: Some(_), .. } => UploadStage::Settling,
        Attempt { upload_id: Some(_), .. } => UploadStage::Sending,
        _ => UploadStage::Begun,
    }
}

/// An upload cannot have been begun before its source was last changed: seconds since the Unix epoch.
fn began_after(attempt: &Attempt) -> i64 {
    attempt.facts.ctime_ns.div_euclid(1_000_000_000).saturating_sub(CLOCKS_S)
}

fn moment(unix_s: i64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(unix_s).ok()?))
}

fn unreadable(error: crate::disk::error::DiskError) -> Error {
    let text = format!("the state directory cannot be read: {error}");
    Error::new(ErrorKind::LocalFile, Disposition::Permanent, text).with("path", error.path().display())
}

fn refused(request: &UploadRequest, refusal: Refusal) -> Error {
    let object = &request.config.intent.destination;
    let kind = match refusal.fault {
        Fault::Denied(_) | Fault::Expired | Fault::NoCredentials => ErrorKind::Denied,
        Fault::NoSuchBucket => ErrorKind::NotFound,
        Fault::Net { .. } | Fault::Busy { .. } | Fault::Stopped { .. } => ErrorKind::Network,
        _ => ErrorKind::Refused,
    };
    // No key and no bucket come by themselves.
    let disposition = match kind {
        ErrorKind::Network => Disposition::Temporary,
        _ => Disposition::Permanent,
    };
    Error::new(kind, disposition, format!("{object}: {}", refusal.detail))
        .with("destination", object)
        .answered(refusal.fault.status())
        .wait(refusal.fault.retry_after_ms())
        .advise(refusal.advice())
}
